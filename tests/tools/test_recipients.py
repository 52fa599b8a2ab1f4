"""`recipients` with real keys: who could read before, who can now, and what stays as it was."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sopsmith.tools import replace
from tests.repository import Repo, Run

PRODUCTION, STAGING, KEYSTORE = "prod/shop.enc.yaml", "stage/shop.enc.env", "prod/keystore.p12"
FILES = [KEYSTORE, PRODUCTION, STAGING]
RULES = """\
# who reads what
creation_rules:
  - path_regex: ^prod/ # the one that counts
    age:
      - {0} # us
  - path_regex: ^stage/
    age: {0}
"""


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """Two environments, each with a rule of its own, and a whole file."""
    repo.write(".sops.yaml", RULES.format(repo.recipient))
    seed = {"SOPSMITH_SEED_1": repo.seed}
    repo.component(PRODUCTION, {**seed, "TOKEN": repo.canary(), "TLS_KEY": repo.canary()})
    repo.component(KEYSTORE, b"\0store")
    repo.component(STAGING, {"TOKEN": repo.canary()}, environment="staging")
    values: Any = {"TOKEN": {}, "KEYSTORE": {}, "TLS_KEY": {"generate": {"ecdsa": {}}}}
    secrets = {"shop": {"keys": ["TOKEN", "TLS_KEY"], "data": {"k": "KEYSTORE"}}}
    parts: list[Any] = [f"../{PRODUCTION}", {"path": f"../{KEYSTORE}", "as": "KEYSTORE"}]
    repo.leaf(components=parts, values=values, secrets=secrets, seeds=repo.seeds())
    repo.leaf("staging", environment="staging", components=[f"../{STAGING}"],
              values={"TOKEN": {}}, secrets={"shop": {"keys": ["TOKEN"]}})  # fmt: skip
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    commit(repo)
    return repo


@pytest.fixture
def other(repo: Repo) -> tuple[Path, str]:
    """Somebody else's key, and its recipient."""
    return repo.stranger("other.key")


def commit(repo: Repo) -> None:
    repo.run("git", "add", ".")
    assert repo.run("git", "commit", "-qm", "one").code == 0


def opens(repo: Repo, file: str, key: Path | None = None) -> bool:
    """Whether real sops opens the file with this key alone."""
    kind = {"yaml": "yaml", "env": "dotenv"}.get(file.rpartition(".")[2], "binary")
    formats = ("--input-type", kind, "--output-type", "binary" if kind == "binary" else "json")
    sops = ("sops", "--config", "/dev/null", "decrypt", *formats, file)
    return repo.run(*sops, SOPS_AGE_KEY_FILE=str(key or repo.key_file)).code == 0


def ciphertexts(repo: Repo, file: str) -> list[str]:
    """The lines that hold values, without the metadata."""
    text = (repo.path / file).read_text()
    lines = [line for line in text.splitlines() if "ENC[" in line]
    return [line for line in lines if not re.match(r'[ \t"]*(sops|mac|lastmodified)', line)]


def status(repo: Repo) -> list[str]:
    return repo.run("git", "status", "--short", "--untracked-files=all").out.splitlines()


def stopped(repo: Repo, run: Run, code: int, *said: str) -> None:
    """It ended with this exit code, told this, and changed nothing."""
    assert run.code == code, run.err
    assert [text for text in said if text not in run.err] == []
    assert status(repo) == []


# --- who can read what ----------------------------------------------------------------------------


def test_who_reads_what_is_told_without_a_key(shop: Repo) -> None:
    run = shop.cli("recipients", SOPS_AGE_KEY_FILE=None, PATH=shop.env["PATH"])
    assert run.code == 0, run.err
    assert [line.split()[0] for line in run.out.splitlines()[1:]] == FILES
    assert run.out.count(shop.recipient) == 3
    run = shop.cli("recipients", "list", "--output", "json")
    assert run.document[0] == {"file": KEYSTORE, "readers": [shop.recipient], "state": "kept"}


def test_who_reads_one_environment_is_told_of_its_files_alone(
    shop: Repo, other: tuple[Path, str]
) -> None:
    both = f"{shop.recipient},{other[1]}"
    shop.component(STAGING, {"TOKEN": shop.canary()}, environment="staging", recipient=both)
    for argv in (("-e", "production"), ("list", "-e", "production")):
        run = shop.cli("recipients", *argv)
        assert run.code == 0, run.out
        assert [line.split()[0] for line in run.out.splitlines()[1:]] == [KEYSTORE, PRODUCTION]
    run = shop.cli("recipients", "-e", "staging", "--output", "json")
    assert (run.code, [each["file"] for each in run.document]) == (5, [STAGING])
    assert shop.cli("recipients", "-e", "stagin").code == 2


def test_the_way_on_leaves_out_what_was_left_out(shop: Repo, other: tuple[Path, str]) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("# us", f"# us\n      - {other[1]}"))
    commit(shop)
    run = shop.cli("recipients", "sync", "-e", "production")
    stopped(shop, run, 2, "then sopsmith recipients sync -e production --yes")


def test_a_file_that_differs_from_its_rule_is_told(shop: Repo, other: tuple[Path, str]) -> None:
    both = f"{shop.recipient},{other[1]}"
    shop.component(STAGING, {"TOKEN": shop.canary()}, environment="staging", recipient=both)
    run = shop.cli("recipients")
    assert run.code == 5
    assert f"also readable for {other[1]}" in run.out


# --- one more -------------------------------------------------------------------------------------


def test_a_reader_is_added_to_rules_and_files(shop: Repo, other: tuple[Path, str]) -> None:
    before = {file: ciphertexts(shop, file) for file in FILES}
    run = shop.cli("recipients", "add", other[1], "--commit")
    assert run.code == 0, run.err
    changed = [f"changed {name}" for name in (".sops.yaml", *FILES)]
    head = shop.run("git", "rev-parse", "HEAD").out
    assert run.out.splitlines() == [*changed, f"committed {head[:12]}"]
    assert all(opens(shop, file, key) for file in FILES for key in (None, other[0]))
    assert {file: ciphertexts(shop, file) for file in FILES} == before
    rules = (shop.path / ".sops.yaml").read_text()
    assert rules.count(other[1]) == 2
    assert "# who reads what" in rules
    assert "# the one that counts" in rules
    assert "# us" in rules
    assert status(shop) == []
    message = shop.run("git", "log", "-1", "--format=%B").out
    assert message.startswith("secrets: add a reader of 3 files\n")
    assert shop.cli("recipients").code == 0


def test_a_reader_of_one_environment(shop: Repo, other: tuple[Path, str]) -> None:
    run = shop.cli("recipients", "add", other[1], "-e", "staging")
    assert run.code == 0, run.err
    assert status(shop) == [" M .sops.yaml", f" M {STAGING}"]
    assert opens(shop, STAGING, other[0])
    assert not opens(shop, PRODUCTION, other[0])


def test_a_rule_of_other_files_too_is_not_changed_for_one_environment(
    shop: Repo, other: tuple[Path, str]
) -> None:
    """Or the next write or sync would hand over the others."""
    shop.write(".sops.yaml", f"creation_rules:\n  - age: {shop.recipient}\n")
    commit(shop)
    run = shop.cli("recipients", "add", other[1], "-e", "staging")
    stopped(shop, run, 2, "covers prod/", "a rule of its own")


def test_who_reads_already_is_not_added(shop: Repo) -> None:
    run = shop.cli("recipients", "add", shop.recipient)
    stopped(shop, run, 2, "can read them already", "sopsmith recipients shows who can")


@pytest.mark.parametrize("action", ["add", "remove"])
def test_a_change_that_was_killed_between_two_files_goes_on(
    shop: Repo, other: tuple[Path, str], action: str
) -> None:
    if action == "remove":
        assert shop.cli("recipients", "add", other[1], "--commit").code == 0
    assert shop.cli("recipients", action, other[1], "-e", "staging").code == 0
    assert shop.run("git", "checkout", "-q", "--", STAGING).code == 0
    assert opens(shop, STAGING, other[0]) is (action == "remove")
    run = shop.cli("recipients", action, other[1], "-e", "staging", "--commit")
    assert run.code == 0, run.err
    assert opens(shop, STAGING, other[0]) is (action == "add")
    assert status(shop) == []
    run = shop.cli("recipients", action, other[1], "-e", "staging")
    stopped(shop, run, 2, "this recipient", "sopsmith recipients shows who can")


@pytest.mark.parametrize("what", ["age1", "someone", "AGE-SECRET-KEY-1" + "Q" * 58, "age1x' y", ""])
def test_what_is_no_recipient_is_not_added(shop: Repo, what: str) -> None:
    shop.canary(what if what.startswith("AGE-") else None)
    stopped(shop, shop.cli("recipients", "add", what), 2)


def test_what_is_missing_or_too_much_is_told(shop: Repo) -> None:
    stopped(shop, shop.cli("recipients", "add"), 2, "add needs a recipient")
    stopped(shop, shop.cli("recipients", "remove"), 2, "remove needs a recipient")
    stopped(shop, shop.cli("recipients", "sync", shop.recipient), 2, "sync takes no recipient")
    stopped(shop, shop.cli("recipients", "ad", shop.recipient), 2, "has to be one of")


def test_one_broken_file_stops_all(shop: Repo, other: tuple[Path, str]) -> None:
    shop.edit(STAGING, lambda text: text.replace("TOKEN=", "NEKOT="))
    commit(shop)
    run = shop.cli("recipients", "add", other[1])
    stopped(shop, run, 5, STAGING, "[tampered]")


@pytest.mark.parametrize(
    ("more", "code"),
    [("    encrypted_comment_regex: x\n", "crypt-rule"), (">>>>>>> theirs\n", "tampered")],
)
def test_a_file_that_can_not_be_judged_is_told_and_stops_all(
    shop: Repo, other: tuple[Path, str], more: str, code: str
) -> None:
    shop.edit(PRODUCTION, lambda text: text + more)
    commit(shop)
    run = shop.cli("recipients")
    assert (run.code, f"{PRODUCTION} " in run.out) == (5, True)
    stopped(shop, shop.cli("recipients", "add", other[1]), 5, PRODUCTION, f"[{code}]")


def test_what_a_killed_write_left_is_no_file_of_anybody(
    shop: Repo, other: tuple[Path, str]
) -> None:
    torn = shop.path / KEYSTORE
    shop.write(f"prod/.{torn.name}.sopsmith-new", torn.read_bytes())
    run = shop.cli("recipients", "add", other[1])
    assert run.out.splitlines() == [f"changed {name}" for name in (".sops.yaml", *FILES)]


def test_without_a_key_nobody_is_added(shop: Repo, other: tuple[Path, str]) -> None:
    run = shop.cli("recipients", "add", other[1], SOPS_AGE_KEY_FILE=str(other[0]))
    stopped(shop, run, 3, "[no-key]")


# --- one less -------------------------------------------------------------------------------------


@pytest.fixture
def shared(shop: Repo, other: tuple[Path, str]) -> Repo:
    """Both read everything."""
    assert shop.cli("recipients", "add", other[1], "--commit").code == 0
    return shop


def test_a_removed_reader_can_not_read_what_comes(shared: Repo, other: tuple[Path, str]) -> None:
    old = {file: (shared.path / file).read_bytes() for file in FILES}
    before = {file: ciphertexts(shared, file) for file in FILES}
    token = shared.cli("get", "TOKEN", "-e", "production").out
    run = shared.cli("recipients", "remove", other[1], "--commit")
    assert run.code == 0, run.err
    assert all(opens(shared, file) and not opens(shared, file, other[0]) for file in FILES)
    assert not [file for file in FILES if set(before[file]) & set(ciphertexts(shared, file))]
    assert shared.cli("get", "TOKEN", "-e", "production").out == token
    assert other[1] not in (shared.path / ".sops.yaml").read_text()
    assert shared.cli("recipients").code == 0
    assert status(shared) == []
    for file, text in old.items():  # the removed reader keeps the old data key
        (shared.path / "old").write_bytes(text)
        assert old[file] != (shared.path / file).read_bytes()


def test_nobody_locks_himself_out(shared: Repo, other: tuple[Path, str]) -> None:
    """It could not be checked what was written; who stays a reader can do it."""
    argv = ("recipients", "remove", shared.recipient)
    run = shared.cli(*argv)
    stopped(shared, run, 2, "you would lock yourself out", "another of its readers can do this")
    assert "encrypted to" not in run.err
    run = shared.cli(*argv, SOPS_AGE_KEY_FILE=str(other[0]))
    assert run.code == 0, run.err
    assert opens(shared, PRODUCTION, other[0]) and not opens(shared, PRODUCTION)


def test_what_a_removed_reader_has_seen_is_listed_seeds_first(
    shared: Repo, other: tuple[Path, str]
) -> None:
    run = shared.cli("recipients", "remove", other[1])
    lines = run.out[run.out.index("who was removed keeps") :].splitlines()[2:]
    assert [re.split("  +", line) for line in lines] == [
        [PRODUCTION, "SOPSMITH_SEED_1", "sopsmith rotate --seed -e production"],
        [KEYSTORE, "(the file)", "sopsmith set KEYSTORE -e production"],
        [PRODUCTION, "TLS_KEY", "sopsmith rotate TLS_KEY -e production"],
        [PRODUCTION, "TOKEN", "sopsmith set TOKEN -e production"],
        [STAGING, "TOKEN", "sopsmith set TOKEN -e staging"],
    ]


def test_scripts_get_it_as_json(shared: Repo, other: tuple[Path, str]) -> None:
    run = shared.cli("recipients", "remove", other[1], "-e", "staging", "--output", "json")
    assert run.document == {
        "changed": [".sops.yaml", STAGING],
        "commit": None,
        "seen": [{"file": STAGING, "key": "TOKEN", "command": "sopsmith set TOKEN -e staging",
                  "gone": False}],
        "readers": [{"file": STAGING, "gains": [], "loses": [other[1]]}],
        "findings": [],
    }  # fmt: skip


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_refused_commit_keeps_nothing_back_that_is_told_only_once(
    shared: Repo, other: tuple[Path, str], output: str
) -> None:
    shared.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n").chmod(0o755)
    argv = ("recipients", "remove", other[1], "--commit", "--output", output)
    run = shared.cli(*argv)
    assert (run.code, run.codes) == (6, {"not-committed"})
    assert "git commit -m 'secrets: remove a reader of 3 files' -- " in run.err
    if output == "json":
        assert [each["key"] for each in run.document["seen"]][0] == "SOPSMITH_SEED_1"
        assert [each["code"] for each in run.document["findings"]] == ["not-committed"]
        assert (run.document["changed"], run.document["commit"]) == ([".sops.yaml", *FILES], None)
    else:
        assert told(run)["SOPSMITH_SEED_1"] == "sopsmith rotate --seed -e production"
        assert f"changed {PRODUCTION}\n" in run.out
    assert not opens(shared, PRODUCTION, other[0])


def told(run: Run) -> dict[str, str]:
    """What is to be done about each key of the removed reader."""
    lines = run.out[run.out.index("who was removed keeps") :].splitlines()[2:]
    return {key: command for _, key, command in (re.split("  +", line) for line in lines)}


def test_what_can_not_simply_be_renewed_is_told_as_it_is(
    repo: Repo, other: tuple[Path, str]
) -> None:
    """No command is told that would be refused."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient},{other[1]}\n")
    never, previous = {"rotation": "never"}, "SOPSMITH_PREVIOUS_KEY"
    stored = {"generate": {"bytes": {}}, "stored": True}
    names = ("DISK", "BACKUP", "KEY", previous, "OLD", "MADE")
    repo.component("shop.enc.yaml", {name: repo.canary() for name in names},
                   recipient=f"{repo.recipient},{other[1]}")  # fmt: skip
    values = {"DISK": never, "BACKUP": stored | never, "KEY": stored,
              "MADE": {"derive": {"template": "x"}}}  # fmt: skip
    repo.leaf(components=["../shop.enc.yaml"], values=values, secrets={"a": {"keys": ["KEY"]}})
    first = "encrypt that data anew first; then change rotation: never in overlay/recipe.yaml, and "
    assert told(repo.cli("recipients", "remove", other[1])) == {
        "DISK": f"{first}sopsmith set DISK -e production",
        "BACKUP": f"{first}sopsmith rotate BACKUP -e production",
        "KEY": "sopsmith rotate KEY -e production",
        previous: f"when nobody uses the old value any more: sopsmith unset {previous} "
                  "-e production",
        "OLD": "revoke it at its source, then sopsmith unset OLD -e production",
        "MADE": "revoke it at its source, then sopsmith unset MADE -e production",
    }  # fmt: skip
    for name in (previous, "OLD", "MADE"):
        assert repo.cli("unset", name, "-e", "production").code == 0


def test_what_is_gone_from_the_file_is_not_gone_from_git(
    shared: Repo, other: tuple[Path, str]
) -> None:
    """Only what the removed reader could read there is told, and not what came or went without."""
    both = f"{shared.recipient},{other[1]}"
    for key in ("LEFT", "LEFT_TOO"):
        held = {"TOKEN": shared.canary(), key: shared.canary()}
        shared.component(STAGING, held, environment="staging", recipient=both)
        commit(shared)
    shared.component(STAGING, {"TOKEN": shared.canary(), "UNREAD": shared.canary()},
                     environment="staging")  # fmt: skip
    commit(shared)
    held = {"TOKEN": shared.canary()}
    shared.component(STAGING, held, environment="staging", recipient=both)
    commit(shared)
    depth = ("git", "clone", "-q", "--depth=1", f"file://{shared.path}", "../clone")
    assert shared.run(*depth).code == 0
    run = shared.cli("recipients", "remove", other[1], "-e", "staging")
    gone = "revoke it at its source: it is gone from the file, and not from git"
    assert told(run) == {"TOKEN": "sopsmith set TOKEN -e staging", "LEFT": gone, "LEFT_TOO": gone}
    argv = ("sopsmith", "recipients", "remove", other[1], "-e", "staging", "--output", "json")
    shallow = shared.run(*argv, cwd="../clone")
    assert [each["gone"] for each in shallow.document["seen"]] == [False]
    assert "history ends at its depth [shallow-clone]" in shallow.err


def test_a_key_that_was_removed_does_not_open_later_writes(
    shared: Repo, other: tuple[Path, str]
) -> None:
    assert shared.cli("recipients", "remove", other[1], "--commit").code == 0
    fresh = shared.canary()
    flags = ("sopsmith", "set", "TOKEN", "-e", "production")
    assert shared.run(*flags, stdin=fresh.encode()).code == 0
    assert not opens(shared, PRODUCTION, other[0])


@pytest.mark.parametrize("text", ["kind: SecretRecipe\nspec: [\n", None])
def test_recipes_that_tell_nothing_keep_nobody(
    shared: Repo, other: tuple[Path, str], text: str | None
) -> None:
    (shared.path / "staging/recipe.yaml").unlink()
    recipe = shared.path / "overlay/recipe.yaml"
    recipe.write_text(text) if text else recipe.unlink()
    run = shared.cli("recipients", "remove", other[1])
    assert run.code == 0, run.err
    assert not any(opens(shared, file, other[0]) for file in FILES)
    assert ("overlay/recipe.yaml is broken" in run.err) is (text is not None)


def test_who_reads_nothing_is_not_removed(shop: Repo, other: tuple[Path, str]) -> None:
    run = shop.cli("recipients", "remove", other[1])
    stopped(shop, run, 2, "is named by no rule of these")


def test_the_last_reader_is_not_removed(shop: Repo) -> None:
    stopped(shop, shop.cli("recipients", "remove", shop.recipient), 2, "names no other reader")


def test_who_removes_oneself_is_stopped(shared: Repo) -> None:
    """What comes of it could not be verified."""
    run = shared.cli("recipients", "remove", shared.recipient)
    assert run.code in (2, 3, 5)
    assert status(shared) == []


# --- and the seed ---------------------------------------------------------------------------------


@pytest.fixture
def seeded(repo: Repo, other: tuple[Path, str]) -> Repo:
    """Values from a seed that both know; of one of them the old value is kept when it rotates."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient},{other[1]}\n")
    overlap = {"generate": {"bytes": {}}, "rotation": "overlap"}
    repo.shop(values={"PASSWORD": {"generate": {"password": {}}}, "JWT": overlap})
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    commit(repo)
    assert repo.cli("recipients", "sync", "--yes", "--commit").code == 0
    return repo


def seeds_known_to(repo: Repo, key: Path) -> set[str]:
    """Every seed that this key opens, in any commit."""
    found = set()
    formats = ("--input-type", "yaml", "--output-type", "json", "/dev/stdin")
    for each in repo.run("git", "rev-list", "HEAD").out.split():
        blob = repo.run("git", "show", f"{each}:shop.enc.yaml").out.encode()
        run = repo.run("sops", "decrypt", *formats, stdin=blob, SOPS_AGE_KEY_FILE=str(key))
        held = json.loads(run.out) if run.code == 0 else {}
        found |= {text for name, text in held.items() if name.startswith("SOPSMITH_SEED_")}
    return found


def seeds_in_use(repo: Repo) -> set[str]:
    """The seeds from which values are made now."""
    run = repo.run("sops", "decrypt", "--output-type", "json", "shop.enc.yaml")
    values = json.loads((repo.path / "overlay/recipe.yaml").read_text())["spec"]["values"]
    used = {value.get("seed", "1") for value in values.values() if "generate" in value}
    return {run.document[f"SOPSMITH_SEED_{number}"] for number in used}


STORIES: dict[str, list[list[str]]] = {
    "a first seed": [],
    "a seed after another": [["rotate", "--seed", "--commit"]],
    "an old seed that nothing needs": [["rotate", "--seed", "--commit"],
                                       ["rotate", "JWT", "--commit"]],
    "a third seed": [["rotate", "--seed", "--commit"], ["rotate", "--seed", "--commit"]],
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_what_is_told_leads_away_from_every_seed_that_was_known(
    seeded: Repo, other: tuple[Path, str], story: str
) -> None:
    for command in STORIES[story]:
        assert seeded.cli(*command).code == 0
    assert seeds_known_to(seeded, other[0]) >= seeds_in_use(seeded)
    removed = seeded.cli("recipients", "remove", other[1], "--commit")
    told = {line.partition("sopsmith ")[2] for line in removed.out.splitlines() if "_SEED_" in line}
    assert told == {"rotate --seed -e production"}
    run = seeded.cli(*told.pop().split(), "--commit")
    assert run.code == 0, run.err
    assert not seeds_known_to(seeded, other[0]) & seeds_in_use(seeded)
    assert seeded.cli("validate", "overlay").code == 0
    assert seeded.cli("rotate", "JWT", "--commit").code == 0  # as it says: then the old seed goes
    assert "is removed" in seeded.cli("rotate", "--seed", "--commit").out
    assert (seeded.path / "shop.enc.yaml").read_text().count("SOPSMITH_SEED_") == 1
    assert not seeds_known_to(seeded, other[0]) & seeds_in_use(seeded)


def test_removed_in_the_middle_of_a_change_its_seed_is_passed_over(
    seeded: Repo, other: tuple[Path, str]
) -> None:
    assert seeded.cli("rotate", "--seed", "--commit").code == 0
    seeded.run("git", "reset", "-q", "--hard", "HEAD~1")  # the seed is drawn, and nothing moved
    assert seeded.cli("rotate", "--seed", "--dry-run").out.startswith("1. seed 2 is there already")
    assert seeded.cli("recipients", "remove", other[1], "--commit").code == 0
    run = seeded.cli("rotate", "--seed", "--commit")
    assert run.out.startswith(
        "1. seed 3 is drawn, into shop.enc.yaml\n"
        "   seed 2 is known to who was a reader and is none now\n"
    )
    assert "and soon: who was removed knows them" in run.out
    assert not seeds_known_to(seeded, other[0]) & seeds_in_use(seeded)
    assert seeded.cli("rotate", "JWT").code == 0
    last = seeded.cli("rotate", "--seed", "--output", "json").document
    assert (last["seed"], last["exposed"]) == ("3", ["1"])


def test_who_is_a_reader_again_keeps_no_change_from_going_on(
    seeded: Repo, other: tuple[Path, str]
) -> None:
    assert seeded.cli("rotate", "--seed", "--commit").code == 0
    seeded.run("git", "reset", "-q", "--hard", "HEAD~1")
    for action in ("remove", "add"):
        assert seeded.cli("recipients", action, other[1], "--commit").code == 0
    assert seeded.cli("rotate", "--seed", "--output", "json").document["seed"] == "2"


def test_a_shallow_clone_does_not_know_who_was_removed(
    seeded: Repo, other: tuple[Path, str]
) -> None:
    assert seeded.cli("rotate", "--seed", "--commit").code == 0
    seeded.run("git", "reset", "-q", "--hard", "HEAD~1")
    assert seeded.cli("recipients", "remove", other[1], "--commit").code == 0
    url = f"file://{seeded.path}"
    assert seeded.run("git", "clone", "-q", "--depth=1", url, "../clone").code == 0
    run = seeded.run("sopsmith", "rotate", "--seed", "--dry-run", cwd="../clone")
    assert run.code == 0
    assert "whether a removed reader knows this seed is not known [shallow-clone]" in run.err
    assert "git fetch --unshallow" in run.err


# --- in line --------------------------------------------------------------------------------------


def test_sync_brings_files_in_line_with_an_edited_rule(shop: Repo, other: tuple[Path, str]) -> None:
    assert shop.cli("recipients", "sync").out == "nothing to change\n"
    shop.edit(".sops.yaml", lambda text: text.replace(
        f"- {shop.recipient}", f"- {shop.recipient}\n      - {other[1]}"))  # fmt: skip
    commit(shop)
    told = shop.cli("recipients", "sync")
    stopped(shop, told, 2, f"{PRODUCTION}: would be readable for {other[1]}", "sync --yes")
    run = shop.cli("recipients", "sync", "--yes")
    assert run.code == 0, run.err
    assert status(shop) == [f" M {KEYSTORE}", f" M {PRODUCTION}"]
    assert opens(shop, PRODUCTION, other[0])


def test_sync_throws_out_who_was_never_named(shop: Repo, other: tuple[Path, str]) -> None:
    both = f"{shop.recipient},{other[1]}"
    shop.component(STAGING, {"TOKEN": shop.canary()}, environment="staging", recipient=both)
    commit(shop)
    before = ciphertexts(shop, STAGING)
    run = shop.cli("recipients", "sync")
    assert run.code == 0, run.err
    assert not opens(shop, STAGING, other[0])
    assert not set(before) & set(ciphertexts(shop, STAGING))
    assert "sopsmith set TOKEN -e staging" in run.out


def test_a_crypt_rule_that_differs_is_not_synced(shop: Repo) -> None:
    """sops never takes over a changed one."""
    shop.edit(".sops.yaml", lambda text: text + "    unencrypted_suffix: _clear\n")
    commit(shop)
    stopped(shop, shop.cli("recipients", "sync"), 5, STAGING, "[crypt-rule]")


LIES: dict[str, Callable[[str, str], str]] = {
    "adds-another": lambda sops, key: (
        f'case "$*" in *updatekeys*) {sops} "$@" && exec {sops} '
        f"rotate -i --add-age {key} --input-type yaml --output-type yaml /proc/self/fd/3;; esac"
    ),
    "does-nothing": lambda sops, key: 'case "$*" in *updatekeys*) exit 0;; esac',
}


@pytest.mark.parametrize("name", LIES)
def test_a_sops_that_lies_about_readers_changes_nothing(
    shop: Repo, other: tuple[Path, str], name: str
) -> None:
    real = str(shutil.which("sops"))
    folder = shop.path.parent / "bin"
    folder.mkdir()
    foreign = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    script = LIES[name](real, foreign)
    (folder / "sops").write_text(f'#!/bin/sh\n{script}\nexec {real} "$@"\n')
    (folder / "sops").chmod(0o755)
    run = shop.cli("recipients", "add", other[1], PATH=f"{folder}:{shop.env['PATH']}")
    assert run.code in (3, 5), run.err
    assert status(shop) == []


def test_a_change_of_readers_is_small_in_git(shop: Repo, other: tuple[Path, str]) -> None:
    assert shop.cli("recipients", "add", other[1]).code == 0
    out = shop.run("git", "diff", "--unified=0", "--", PRODUCTION).out
    assert "TOKEN:" not in out  # base64 has no colon
    assert "mac:" not in out
    assert json.dumps(out).count("recipient: ") >= 1


def test_it_says_who_gains_and_loses_before_it_writes(shop: Repo, other: tuple[Path, str]) -> None:
    """Whoever reorders rules would give production to the readers of another environment."""
    shop.edit(".sops.yaml", lambda text: text.replace(f"- {shop.recipient}", f"- {other[1]}"))
    commit(shop)
    lines = f"{PRODUCTION} gains {other[1]}\n{PRODUCTION} loses {shop.recipient}\n"
    run = shop.cli("recipients", "sync")
    stopped(shop, run, 2, f"{PRODUCTION}: would be readable for {other[1]}")
    assert lines in run.out
    run = shop.cli("recipients", "sync", "--output", "json")
    assert (run.code, {each["code"] for each in run.document["findings"]}) == (2, {"usage"})


def test_data_tell_who_gains(shop: Repo, other: tuple[Path, str]) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("# us", f"# us\n      - {other[1]}"))
    run = shop.cli("recipients", "sync", "--yes", "--output", "json")
    assert {"file": PRODUCTION, "gains": [other[1]], "loses": []} in run.document["readers"]


def test_another_reader_of_an_edited_rule_is_not_let_in_by_the_way(
    shop: Repo, other: tuple[Path, str]
) -> None:
    stranger = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    shop.edit(".sops.yaml", lambda text: text.replace("# us", f"# us\n      - {stranger}"))
    commit(shop)
    run = shop.cli("recipients", "add", other[1])
    stopped(
        shop,
        run,
        2,
        f"would be readable for {stranger}",
        f"sopsmith recipients add {other[1]} --yes",
    )
    assert shop.cli("recipients", "add", other[1], "--yes").code == 0
    assert opens(shop, PRODUCTION, other[0])


def test_no_program_of_a_rule_gets_the_data_key(shop: Repo) -> None:
    seen = shop.path.parent / "seen"
    gpg = shop.write("../bin/gpg", f"#!/bin/sh\ncat >> {seen}\n")
    gpg.chmod(0o755)
    fingerprint = "FBC7B9E2A4F9289AC0C1D4843D16CEE4A27381B4"
    shop.edit(".sops.yaml", lambda text: f"{text}    pgp: {fingerprint}\n")
    run = shop.cli("recipients", "sync", "--yes", PATH=f"{gpg.parent}:{shop.env['PATH']}")
    assert (run.code, run.codes) == (5, {"foreign-key-type"}) and not seen.exists()


def test_a_file_name_does_not_speak_to_the_terminal(repo: Repo, other: tuple[Path, str]) -> None:
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    repo.component("a\x1b]0;b\x07.enc.yaml", {"TOKEN": repo.canary()})
    run = repo.cli("recipients", "add", other[1])
    assert run.code == 0 and "\x1b" not in run.out


# --- others who write meanwhile -------------------------------------------------------------------


def overtaken(repo: Repo, argv: list[str], faster: Callable[[], object]) -> Run:
    """Run this; when it has shown what it means to do, and not done it, somebody is faster."""
    pipe = subprocess.PIPE
    with replace.locked(str(repo.path)):
        started = subprocess.Popen(["sopsmith", *argv], cwd=repo.path, env=repo.env, text=True,
                                   stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe)  # fmt: skip
        assert started.stdout
        shown = started.stdout.readline()
        faster()
    out, err = started.communicate(timeout=120)
    return Run(started.returncode, shown + out, err)


def test_a_reader_who_was_removed_meanwhile_is_not_let_in_again(
    shop: Repo, other: tuple[Path, str]
) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("# us", f"# us\n      - {other[1]}"))
    commit(shop)

    def remove() -> None:
        copy = shop.path.parent / "copy"
        shutil.copytree(shop.path, copy)
        argv = ("sopsmith", "recipients", "remove", other[1])
        assert shop.run(*argv, cwd="../copy").code == 0
        shop.write(".sops.yaml", (copy / ".sops.yaml").read_bytes())

    run = overtaken(shop, ["recipients", "sync", "--yes"], remove)
    assert run.code == 0, run.err
    assert run.out.splitlines()[0].endswith(f"gains {other[1]}")
    assert run.out.splitlines()[-1] == "nothing to change"
    assert not opens(shop, PRODUCTION, other[0])


def test_what_was_shown_is_done_or_nothing(shop: Repo, other: tuple[Path, str]) -> None:
    both = f"{shop.recipient},{other[1]}"
    shop.component(STAGING, {"TOKEN": shop.canary()}, environment="staging", recipient=both)
    commit(shop)

    def let_in() -> None:
        shop.edit(".sops.yaml", lambda text: text.replace("# us", f"# us\n      - {other[1]}"))
        commit(shop)

    run = overtaken(shop, ["recipients", "sync"], let_in)
    assert run.out == f"{STAGING} loses {other[1]}\n"
    stopped(shop, run, 3, "[write-conflict]", "run the command again")
    assert not opens(shop, PRODUCTION, other[0])


# --- files that are not as sopsmith writes them ---------------------------------------------------

INI, SEVERAL = "prod/app.ini", "prod/several.yaml"
FOREIGN = {INI: "[db]\npassword = {}\n", SEVERAL: "one: {0}\n---\nother: {0}\n"}


def encrypt_as_it_is(repo: Repo, file: str, *recipients: str) -> None:
    """Encrypt by sops in the file's own format."""
    repo.write(file, FOREIGN[file].format(repo.canary()))
    sops = ("sops", "--config", "/dev/null", "encrypt", "-i", "--age", ",".join(recipients), file)
    assert repo.run(*sops).code == 0
    commit(repo)


def torn(repo: Repo, file: str, first: str = "") -> None:
    """What a merge of two sides leaves, with lines that both have in front of it or not."""
    text = (repo.path / file).read_text().removeprefix(first)
    repo.write(file, f"{first}<<<<<<< ours\n{text}=======\n{text}>>>>>>> theirs\n")
    commit(repo)


@pytest.mark.parametrize("file", FOREIGN)
def test_who_reads_what_sopsmith_does_not_change_is_told(
    shop: Repo, other: tuple[Path, str], file: str
) -> None:
    encrypt_as_it_is(shop, file, shop.recipient)
    rows = {each["file"]: each for each in shop.cli("recipients", "--output", "json").document}
    assert rows[file] == {"file": file, "readers": [shop.recipient], "state": "kept"}
    encrypt_as_it_is(shop, file, shop.recipient, other[1])
    run = shop.cli("recipients")
    assert (run.code, run.out.count(f"also readable for {other[1]}")) == (5, 1)


@pytest.mark.parametrize("file", FOREIGN)
def test_what_sopsmith_does_not_change_keeps_nobody_without_a_way_on(
    shared: Repo, other: tuple[Path, str], file: str
) -> None:
    """The hint's command is what it takes, for a reader less and one more and a rule by hand."""
    encrypt_as_it_is(shared, file, shared.recipient, other[1])
    for action, flag in (("remove", "--rm-age"), ("add", "--add-age")):
        run = shared.cli("recipients", action, other[1])
        command = f"sops rotate -i {flag} {other[1]} {file}"
        stopped(shared, run, 5, f"{file}: ", "[foreign-format]", f"hint: {command}")
        assert shared.run(*command.split()).code == 0
        run = shared.cli("recipients", action, other[1], "--commit")
        assert run.code == 0, run.err
        assert opens(shared, PRODUCTION, other[0]) is (action == "add")
        commit(shared)
    assert shared.cli("recipients").code == 0
    shared.edit(".sops.yaml", lambda text: text.replace(f"      - {other[1]}\n", ""))
    commit(shared)
    stopped(shared, shared.cli("recipients", "sync"), 5, f"hint: sops updatekeys -y {file} && ")
    assert shared.run("sops", "updatekeys", "-y", file).code == 0
    assert shared.cli("recipients", "sync").code == 0
    assert shared.cli("recipients").code == 0


@pytest.mark.parametrize("name", [KEYSTORE, "prod/other.p12.enc", "elsewhere/ks"])
@pytest.mark.parametrize("first", ["", "{\n"])
def test_a_whole_file_that_a_merge_tore_keeps_a_reader_from_being_removed_in_silence(
    shared: Repo, other: tuple[Path, str], name: str, first: str
) -> None:
    if name != KEYSTORE:
        shared.write(name, (shared.path / KEYSTORE).read_bytes())
    torn(shared, name, first)
    run = shared.cli("recipients")
    assert (run.code, f"{name} " in run.out, "the marks of a merge" in run.out) == (5, True, True)
    run = shared.cli("recipients", "remove", other[1])
    stopped(shared, run, 1, name, "[conflict-marker]", f"sopsmith merge {name}")


def test_every_file_that_keeps_the_others_is_told_at_once(
    shared: Repo, other: tuple[Path, str]
) -> None:
    for file in FOREIGN:
        encrypt_as_it_is(shared, file, shared.recipient, other[1])
    torn(shared, KEYSTORE)
    run = shared.cli("recipients", "remove", other[1])
    stopped(shared, run, 5, INI, SEVERAL, KEYSTORE, f"sopsmith merge {KEYSTORE}")


def test_an_encrypted_file_that_no_rules_govern_is_told(shop: Repo) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("^prod/", "^elsewhere/"))
    run = shop.cli("recipients")
    assert (run.code, run.out.count("no rule")) == (5, 2)
    (shop.path / ".sops.yaml").unlink()
    run = shop.cli("recipients")
    assert (run.code, run.out.count("no .sops.yaml governs it")) == (5, 3)


def test_rules_that_were_edited_by_hand_are_committed_with_what_follows_them(
    shop: Repo, other: tuple[Path, str]
) -> None:
    before = (shop.path / ".sops.yaml").read_text()
    assert shop.cli("recipients", "add", other[1], "--commit").code == 0
    shop.write(".sops.yaml", before)
    done = shop.cli("recipients", "sync", "--commit")
    assert done.code == 0, done.err
    assert status(shop) == []
