"""Who waited for the lock does what is right by then, not what was right when it was started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

from tests.repository import Repo, Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

COMPONENT, RECIPE = "shop.enc.yaml", "overlay/recipe.yaml"
OVERLAP = {"generate": {"bytes": {}}, "stored": True, "rotation": "overlap"}
VALUES: dict[str, Any] = {
    "API_TOKEN": {"optional": True},
    "SMTP_PASSWORD": {"optional": True},
    "SIGNING_KEY": OVERLAP,
    "SIGNING_OLD": {"optional": True, "derive": {"previousOf": "SIGNING_KEY"}},
    "SESSION_KEY": {"generate": {"bytes": {}}, "stored": True, "optional": True},
    "DB_PASSWORD": {"generate": {"password": {}}},
}
MINE, OTHERS = "mine-is-long-enough-too", "others-are-long-enough"


class Race(NamedTuple):
    """A command that waits, what is done meanwhile, and what has to be true in the end."""

    first: Sequence[str]
    meanwhile: Callable[[Repo], object]
    ends: Callable[[Run, dict[str, str], dict[str, str]], bool]  # run, values meanwhile, and after
    stdin: bytes = b""


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """One environment with a value of each kind, committed."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    held = {"SOPSMITH_SEED_1": repo.seed, "SIGNING_KEY": repo.canary(), "API_TOKEN": repo.canary()}
    repo.component(COMPONENT, held)
    secrets = {"shop": {"keys": [*VALUES], "hash": False}}
    repo.leaf(values=VALUES, components=["../shop.enc.yaml"], secrets=secrets, seeds=repo.seeds())
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    repo.run("git", "add", ".")
    assert repo.run("git", "commit", "-qm", "one").code == 0
    return repo


def held(repo: Repo) -> dict[str, str]:
    """What stands in the component, and what is made from the seed."""
    stored = repo.run("sops", "decrypt", "--output-type", "json", COMPONENT).document
    rendered = repo.cli("render", "overlay").secrets["shop"]
    return {name: data.decode() for name, data in rendered.items()} | {
        f"{name} in the file": text for name, text in stored.items()
    }


def runs(*argv: str, stdin: str = "") -> Callable[[Repo], object]:
    def run(repo: Repo) -> None:
        done = repo.run("sopsmith", *argv, stdin=stdin.encode())
        assert done.code == 0, done.err

    return run


def sets(name: str) -> Callable[[Repo], object]:
    return runs("set", name, stdin=OTHERS)


def edits(before: str, after: str) -> Callable[[Repo], object]:
    return lambda repo: repo.edit(RECIPE, lambda text: text.replace(before, after))


RACES = {
    "set obeys rules that are new": Race(
        ("set", "SMTP_PASSWORD"),
        edits('"SMTP_PASSWORD": {', '"SMTP_PASSWORD": {"rules": {"minLength": 100},'),
        lambda run, then, now: run.codes == {"min-length"} and now == then,
        MINE.encode(),
    ),
    "unset removes nothing twice": Race(
        ("unset", "API_TOKEN"),
        runs("unset", "API_TOKEN"),
        lambda run, then, now: run.codes == {"missing"} and now == then,
    ),
    "fill keeps what was drawn": Race(
        ("fill",),
        runs("fill"),
        lambda run, then, now: "no stored value is missing" in run.out and now == then,
    ),
    "pin keeps the value of today": Race(
        ("pin", "DB_PASSWORD"),
        runs("rotate", "DB_PASSWORD"),
        lambda run, then, now: (
            run.code == 0
            and now["DB_PASSWORD in the file"] == now["DB_PASSWORD"] == then["DB_PASSWORD"]
        ),
    ),
    "import keeps what came to stand there": Race(
        ("import", "-", "-e", "production"),
        sets("SMTP_PASSWORD"),
        lambda run, then, now: run.code == 1 and now["SMTP_PASSWORD"] == OTHERS,
        f"SMTP_PASSWORD={MINE}\n".encode(),
    ),
    "rotate keeps the value in between": Race(
        ("rotate", "SIGNING_KEY"),
        sets("SIGNING_KEY"),
        lambda run, then, now: (
            run.code == 0 and now["SIGNING_OLD"] == then["SIGNING_KEY"] != now["SIGNING_KEY"]
        ),
    ),
    "rotate does what was shown or nothing": Race(
        ("rotate", "DB_PASSWORD"),
        runs("rotate", "DB_PASSWORD"),
        lambda run, then, now: run.codes == {"usage"} and now == then,
    ),
    "rotate takes no notice of what it does not change": Race(
        ("rotate", "DB_PASSWORD"),
        sets("API_TOKEN"),
        lambda run, then, now: run.code == 0 and now["API_TOKEN"] == OTHERS,
    ),
    "rotate --seed draws no second one": Race(
        ("rotate", "--seed"),
        runs("rotate", "--seed"),
        lambda run, then, now: run.codes == {"write-conflict"} and now == then,
    ),
    "rotate --seed moves what was shown": Race(
        ("rotate", "--seed"),
        runs("rotate", "DB_PASSWORD"),
        lambda run, then, now: run.codes == {"write-conflict"} and now == then,
    ),
    "restore sees that it is another by now": Race(
        ("restore", "API_TOKEN", "--to", "HEAD"),
        sets("API_TOKEN"),
        lambda run, then, now: run.code == 0 and now["API_TOKEN"] != then["API_TOKEN"] == OTHERS,
    ),
}


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_who_waited_does_what_is_right_by_then(shop: Repo, race: Race) -> None:
    seen = []

    def meanwhile(faster: Repo) -> None:
        race.meanwhile(faster)
        seen.append(held(faster))

    run = shop.overtaken(race.first, meanwhile, race.stdin)
    assert race.ends(run, seen[0], held(shop)), run


def test_a_seed_from_which_nothing_is_made_goes_to_the_one_that_was_told(shop: Repo) -> None:
    assert shop.cli("pin", "DB_PASSWORD").code == 0
    run = shop.overtaken(("rotate", "--seed"), runs("rotate", "--seed"))
    assert run.codes == {"write-conflict"}


def test_who_was_removed_meanwhile_is_given_nothing_back(shop: Repo) -> None:
    other = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    shop.edit(".sops.yaml", lambda text: text.replace("age: ", f"age: {other},"))
    meanwhile = runs("recipients", "remove", other, "--yes")
    run = shop.overtaken(("recipients", "sync", "--yes"), meanwhile)
    assert (run.code, run.out.endswith("nothing to change\n")) == (0, True)
    for file in (".sops.yaml", COMPONENT):
        assert other not in (shop.path / file).read_text()
