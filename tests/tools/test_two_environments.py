"""Two environments of one base: what is found in one of them is told with its name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.past import commit
from tests.repository import Repo, Run

BASE = "secrets/shop.recipe.yaml"
STRANGER = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
VALUES: dict[str, Any] = {
    "GOOGLE_CLIENT_ID": {"optional": True, "group": "google"},
    "GOOGLE_CLIENT_SECRET": {"optional": True, "group": "google"},
    "POSTGRES_PASSWORD": {"generate": {"password": {}}},
}


@pytest.fixture
def pair(repo: Repo) -> Repo:
    """`dev` and `production` of one base, each with a component; committed."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    spec = {"app": "shop", "components": ["$(environment).enc.yaml"], "values": VALUES,
            "secrets": {"shop": {"keys": sorted(VALUES)}}}  # fmt: skip
    head = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}
    repo.write(BASE, json.dumps({**head, "metadata": {"name": "shop"}, "spec": spec}, indent=1))
    for name in ("dev", "production"):
        repo.component(f"secrets/{name}.enc.yaml", {"SOPSMITH_SEED_1": repo.seed}, environment=name)
        extends = f"../../{BASE}"
        repo.leaf(f"overlays/{name}", app=None, environment=name, extends=extends,
                  seeds=repo.seeds(name))  # fmt: skip
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    commit(repo)
    return repo


def give(repo: Repo, name: str, where: str, *flags: str) -> Run:
    return repo.run("sopsmith", "set", name, "-e", where, *flags, stdin=repo.canary().encode())


# --- findings about what a base declares ----------------------------------------------------------


@pytest.mark.parametrize("command", [("validate",), ("check",)], ids=str)
def test_half_a_group_is_told_with_its_environment(pair: Repo, command: tuple[str, ...]) -> None:
    give(pair, "GOOGLE_CLIENT_SECRET", "dev")
    text, data = pair.cli(*command), pair.cli(*command, "--output", "json").document["findings"]
    assert "of the group google are given (dev) [group-incomplete]" in text.out
    (finding,) = [each for each in data if each["code"] == "group-incomplete"]
    assert (finding["file"], finding["environment"]) == (BASE, "dev")
    assert finding["hint"].startswith("sopsmith set GOOGLE_CLIENT_ID -e dev, or ")


def test_what_is_wrong_in_both_is_told_once_and_names_both(pair: Repo) -> None:
    pair.edit(
        BASE, lambda text: text.replace('"values": {', '"values": {\n"UNUSED": {"default": "x"},')
    )
    found = pair.cli("validate", "--output", "json").document["findings"]
    (unused,) = [each for each in found if each["code"] == "unused-value"]
    assert unused["environment"] == "dev, production"
    assert pair.cli("validate").out.count("unused-value") == 1


def test_kustomize_hears_whose_it_is(pair: Repo) -> None:
    give(pair, "GOOGLE_CLIENT_SECRET", "dev")
    run = pair.function("overlays/dev")
    assert "(dev); sopsmith set GOOGLE_CLIENT_ID -e dev" in run.document["results"][0]["message"]


# --- a change that leaves an environment broken ---------------------------------------------------


def test_half_a_group_is_set_and_what_is_missing_is_told(pair: Repo) -> None:
    run = give(pair, "GOOGLE_CLIENT_ID", "production", "--commit")
    assert (run.code, run.out.splitlines()[-1][:10]) == (0, "committed ")
    assert "warning: secrets/shop.recipe.yaml: GOOGLE_CLIENT_SECRET: is absent" in run.err
    assert "[group-incomplete], so nothing renders (production) [not-rendering]" in run.err
    assert "hint: sopsmith set GOOGLE_CLIENT_SECRET -e production" in run.err
    assert give(pair, "GOOGLE_CLIENT_SECRET", "production", "--commit").err == ""


def test_half_a_group_is_unset_and_what_is_left_is_told(pair: Repo) -> None:
    for name in ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"):
        give(pair, name, "dev")
    run = pair.cli("unset", "GOOGLE_CLIENT_ID", "-e", "dev", "--output", "json")
    assert run.code == 0
    (finding,) = run.document["findings"]
    assert (finding["code"], finding["field"]) == ("not-rendering", "GOOGLE_CLIENT_ID")
    last = pair.cli("unset", "GOOGLE_CLIENT_SECRET", "-e", "dev")
    assert (last.code, last.err) == (0, "")


def test_what_another_change_left_broken_stops_no_rotation(pair: Repo) -> None:
    give(pair, "GOOGLE_CLIENT_ID", "production", "--commit")
    run = pair.cli("rotate", "POSTGRES_PASSWORD", "-e", "production", "--commit")
    assert (run.code, "committed " in run.out) == (0, True), run.err
    assert "hint: sopsmith set GOOGLE_CLIENT_SECRET -e production" in run.err


# --- hints that name a command --------------------------------------------------------------------

COMMAND = re.compile(r"sopsmith ([a-z]+(?: -{1,2}[a-z]+| [A-Z][A-Z_0-9]+| dev| production)+)")


def raised(repo: Repo) -> None:
    """One rotation, and then its version lowered by hand."""
    assert repo.cli("rotate", "POSTGRES_PASSWORD", "-e", "dev", "--commit").code == 0
    repo.edit(
        "overlays/dev/recipe.yaml", lambda text: re.sub(r'"version": 2', '"version": 1', text)
    )


def undeclared(repo: Repo) -> None:
    repo.component(
        "secrets/dev.enc.yaml", {"SOPSMITH_SEED_1": repo.seed, "OLD_KEY": repo.canary()},
        environment="dev",
    )  # fmt: skip


def kept_twice(repo: Repo) -> None:
    """A value that comes from the seed stands in a component as well."""
    given = {"SOPSMITH_SEED_1": repo.seed, "POSTGRES_PASSWORD": repo.canary()}
    repo.component("secrets/dev.enc.yaml", given, environment="dev")


def nothing(repo: Repo) -> None:
    pass


SITUATIONS: dict[str, tuple[Callable[[Repo], object], str, list[str]]] = {
    "an absent value is read": (nothing, "get GOOGLE_CLIENT_ID -e dev", ["set"]),
    "a generated value is set": (nothing, "set POSTGRES_PASSWORD -e dev", ["rotate", "pin"]),
    "nothing is given": (nothing, "set GOOGLE_CLIENT_ID -e dev", ["set", "unset"]),
    "a value is pinned": (nothing, "pin POSTGRES_PASSWORD -e dev", ["set", "rotate"]),
    "half a group": (
        lambda repo: give(repo, "GOOGLE_CLIENT_ID", "dev"), "validate", ["set"],
    ),
    "a lowered version": (raised, "check --against HEAD", ["history"]),
    "a key nobody declares": (undeclared, "validate", ["unset"]),
    "a key of a generated value": (kept_twice, "check", ["unset"]),
    "a value of later": (
        lambda repo: give(repo, "GOOGLE_CLIENT_ID", "dev", "--commit"),
        "restore GOOGLE_CLIENT_ID --to HEAD~1 -e dev", ["unset"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_command_in_a_hint_runs_as_it_is_printed(pair: Repo, situation: str) -> None:
    """Without -e, several recipes could be meant."""
    prepare, command, expected = SITUATIONS[situation]
    prepare(pair)
    run = pair.cli(*command.split())
    told = COMMAND.findall(run.out + run.err)
    assert [each.split()[0] for each in told] == expected, run.out + run.err
    for each in told:
        done = pair.run("sopsmith", *each.split(), stdin=pair.canary().encode())
        assert done.code in (0, 1), (each, done.err)  # 1: there is nothing to be unset


# --- which environment is meant -------------------------------------------------------------------


@pytest.mark.parametrize("command", ["render", "list", "resolve"])
def test_what_reads_takes_an_environment_as_everything_does(pair: Repo, command: str) -> None:
    by_path = pair.cli(command, "overlays/dev")
    assert by_path.code == 0
    for more in (("-e", "dev"), ("-e", "overlays/dev"), ("-e", "overlays/dev/recipe.yaml")):
        assert pair.cli(command, *more) == by_path
    assert pair.run("sopsmith", command, cwd="overlays/dev").out == by_path.out
    assert pair.run("sopsmith", command, "-e", "dev", cwd="secrets").out == by_path.out


@pytest.mark.parametrize("command", ["render", "list", "resolve"])
def test_an_environment_that_is_unclear_is_asked_for(pair: Repo, command: str) -> None:
    for arguments, message in (
        ((), "several recipes could be meant"),
        (("-e", "nowhere"), "no environment has that name"),
        (("overlays/dev", "-e", "dev"), "a path and --environment both say"),
    ):
        run = pair.cli(command, *arguments)
        assert (run.code, run.codes) == (2, {"usage"})
        assert message in run.err


# --- whose key is missing -------------------------------------------------------------------------


@pytest.fixture
def apart(pair: Repo) -> Repo:
    """Each environment lacks two drawn values; production is encrypted to somebody else."""
    tls = '"TLS_KEY": {"generate": {"ecdsa": {}}, "maxAge": "9d"},'
    pair.edit(BASE, lambda text: text.replace('"values": {', f'"values": {{{tls}')
              .replace('"keys": [', '"keys": ["TLS_KEY",'))  # fmt: skip
    rules = "creation_rules:\n  - {path_regex: production, age: %s}\n  - {age: %s}\n"
    pair.write(".sops.yaml", rules % (STRANGER, pair.recipient))
    pair.component("secrets/production.enc.yaml", {"SOPSMITH_SEED_1": pair.seed},
                   environment="production", recipient=STRANGER)  # fmt: skip
    commit(pair)
    return pair


def test_fill_says_whose_key_is_missing_and_how_the_others_go(apart: Repo) -> None:
    run = apart.cli("fill")
    assert (run.code, run.codes) == (3, {"no-key"})
    assert "none of the private keys fits (production) [no-key]" in run.err
    (command,) = COMMAND.findall(run.err)
    assert command == "fill -e dev"
    assert apart.run("git", "status", "--short").out == ""
    assert apart.cli(*command.split()).code == 0
    alone = apart.cli("fill").err
    assert "(production) [no-key]" in alone
    assert not COMMAND.findall(alone)


def test_rotate_says_whose_key_is_missing_and_how_the_others_go(apart: Repo) -> None:
    assert apart.cli("fill", "-e", "dev").code == 0
    given = {"SOPSMITH_SEED_1": apart.seed, "TLS_KEY": apart.canary()}
    apart.component("secrets/production.enc.yaml", given, environment="production",
                    recipient=STRANGER)  # fmt: skip
    for name in ("dev", "production"):
        file = apart.path / f"overlays/{name}/recipe.yaml"
        recipe = json.loads(file.read_text())
        recipe["spec"].setdefault("values", {})["TLS_KEY"] = {"rotated": "2024-01-01"}
        file.write_text(json.dumps(recipe))
    run = apart.cli("rotate", "--due", "--yes")
    assert (run.code, run.codes) == (3, {"no-key"})
    (command,) = COMMAND.findall(run.err)
    assert command == "rotate --due -e dev"
    assert apart.cli(*command.split()).code == 0
