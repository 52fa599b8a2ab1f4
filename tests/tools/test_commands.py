"""The command line beyond its transcripts: JSON, colour, several paths, what is never repeated."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.repository import ROOT, Repo

GENERATED: dict[str, Any] = {"TOKEN": {"generate": {"password": {}}}}


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository with a given, a generated and an absent value."""
    given = {"MASTER_KEY": repo.canary()}
    repo.shop(given, values={"MASTER_KEY": {}, **GENERATED, "SMTP": {"optional": True}})
    return repo


# --- JSON -----------------------------------------------------------------------------------------


def test_render_prints_what_the_function_prints(shop: Repo) -> None:
    assert shop.cli("render", "overlay").out == shop.function().out
    assert shop.cli("render", "overlay/recipe.yaml").out == shop.function().out


def test_masked_tells_keys_and_origins_and_no_value(shop: Repo) -> None:
    text, rows = (
        shop.cli("render", "overlay", "--masked", "--output", o) for o in ("text", "json")
    )
    assert [(row["key"], row["origin"]) for row in rows.document] == [
        ("MASTER_KEY", "given"), ("TOKEN", "generated"),
    ]  # fmt: skip
    values = shop.function().secrets["shop"].values()
    assert not [each for each in values if each.decode() in text.out + rows.out]


def test_list_tells_absent_values_too(shop: Repo) -> None:
    rows = {row["value"]: row for row in shop.cli("list", "overlay", "--output", "json").document}
    assert {name: row["present"] for name, row in rows.items()} == {
        "MASTER_KEY": True, "SMTP": False, "TOKEN": True,
    }  # fmt: skip
    assert rows["TOKEN"]["version"] == 1
    assert rows["MASTER_KEY"]["from"] == "shop.enc.yaml"
    assert rows["MASTER_KEY"]["secrets"] == ["shop"]


def test_resolve_tells_the_spec_and_whose_each_field_is(shop: Repo) -> None:
    tree = shop.cli("resolve", "overlay", "--output", "json").document
    (leaf,) = tree["leaves"]
    assert tree["findings"] == []
    assert leaf["file"] == "overlay/recipe.yaml"
    assert leaf["spec"]["app"] == "shop"
    assert leaf["origins"]["app"] == "overlay/recipe.yaml"


def test_validate_tells_findings_as_data(shop: Repo) -> None:
    shop.shop({"TOKEN": "CHANGE_ME"})
    run = shop.cli("validate", "overlay/recipe.yaml", "--output", "json")
    (finding,) = run.document["findings"]
    assert run.code == 1
    assert (finding["code"], finding["severity"]) == ("placeholder", "error")
    assert (finding["file"], finding["field"]) == ("shop.enc.yaml", "TOKEN")


@pytest.mark.parametrize("command", ["render", "validate", "list", "resolve"])
@pytest.mark.parametrize("flag", [("--output", "json"), ("--output=json",)])
def test_a_failure_is_json_on_stdout_and_text_on_stderr(
    repo: Repo, command: str, flag: tuple[str, ...]
) -> None:
    repo.leaf(secerts={})
    run = repo.cli(command, "overlay", *flag)
    assert run.code == 2
    assert [each["code"] for each in run.document["findings"]] == ["recipe-field"]
    assert command == "validate" or run.codes == {"recipe-field"}


def test_the_schema_is_the_published_one(repo: Repo) -> None:
    published = ROOT / "kustomize-plugin/secretrecipe.schema.json"
    assert repo.cli("schema").document == json.loads(published.read_text())


# --- what every command needs ---------------------------------------------------------------------


@pytest.mark.parametrize("command", ["resolve", "schema"])
def test_no_key_and_no_sops_are_needed(shop: Repo, command: str) -> None:
    argv = ("resolve", "overlay") if command == "resolve" else (command,)
    sopsmith = shop.run("which", "sopsmith").out.strip()
    run = shop.run(sopsmith, *argv, PATH="/nowhere", SOPS_AGE_KEY_FILE=None)
    assert run.code == 0, run.err


def test_resolve_prints_what_contradicts_itself_too(repo: Repo) -> None:
    repo.shop(values={"A": {"derive": {"template": "$(A)"}}})
    run = repo.cli("resolve", "overlay")
    assert (run.code, run.codes) == (2, {"recipe-cycle"})
    assert "template" in run.out


@pytest.mark.parametrize("command", ["render", "list", "validate --require-key"])
def test_a_missing_key_is_told_with_the_next_step(shop: Repo, command: str) -> None:
    run = shop.cli(*command.split(), "overlay", SOPS_AGE_KEY_FILE=None)
    assert run.code == 3
    assert "SOPS_AGE_KEY_FILE" in run.out + run.err


@pytest.mark.parametrize(
    "command", ["render", "validate", "resolve", "list", "schema", "doctor", "completion"]
)
def test_help_fits_the_screen_and_ends_with_examples(repo: Repo, command: str) -> None:
    run = repo.cli(command, "--help", COLUMNS="80")
    assert run.code == 0
    assert "examples:\n" in run.out
    assert all(len(line) <= 80 for line in run.out.splitlines())
    assert f"  sopsmith {command}" in run.out or f"<(sopsmith {command}" in run.out


def test_doctor_is_content_with_this_machine(repo: Repo) -> None:
    run = repo.cli("doctor")
    assert run.code == 0, run.out
    assert "AGE-SECRET-KEY" not in run.out
    assert [each for each in repo.key_file.read_text().splitlines() if each in run.out] == []


def test_doctor_names_a_key_file_that_is_gone(repo: Repo) -> None:
    run = repo.cli("doctor", "--output", "json", SOPS_AGE_KEY_FILE="/nowhere/keys.txt")
    assert run.code == 3
    key = next(key for key in run.document["keys"] if key["name"] == "SOPS_AGE_KEY_FILE")
    assert (key["found"], key["note"]) == (False, "/nowhere/keys.txt does not exist")
    assert "SOPS_AGE_KEY_FILE" in run.document["next"]


@pytest.mark.parametrize(
    ("script", "state"),
    [("echo sops 3.9.0", "too old"), ("exit 1", "broken"), ("echo hello", "broken")],
)
def test_doctor_tells_a_program_that_is_not_good_enough(
    repo: Repo, script: str, state: str
) -> None:
    repo.write("bin/sops", f"#!/bin/sh\n{script}\n").chmod(0o755)
    path = f"{repo.path}/bin:{repo.env['PATH']}"
    run = repo.cli("doctor", "--output", "json", PATH=path)
    assert run.code == 3
    assert run.document["programs"][0]["state"] == state
    assert "sops" in run.document["next"]


# --- several paths, and overlays ------------------------------------------------------------------


def test_validate_takes_several_paths_and_the_gravest_decides(repo: Repo) -> None:
    repo.shop({"TOKEN": "CHANGE_ME"})
    repo.leaf("broken", secerts={})
    run = repo.cli("validate", "overlay/recipe.yaml", "broken", "overlay/recipe.yaml", "nowhere")
    assert run.code == 3
    assert run.out.count("[placeholder]") == 1
    assert "[recipe-field]" in run.out
    assert "[file-unreadable]" in run.out


def test_an_overlay_of_two_recipes_is_rendered_whole(shop: Repo) -> None:
    other = (shop.path / "overlay/recipe.yaml").read_text().replace('"shop": {', '"other": {')
    shop.write("overlay/other.yaml", other)
    shop.write("overlay/kustomization.yaml", "generators:\n- recipe.yaml\n- other.yaml\n")
    assert set(shop.cli("render", "overlay").secrets) == {"shop", "other"}


def test_two_recipes_of_an_overlay_collide(shop: Repo) -> None:
    shop.write("overlay/other.yaml", (shop.path / "overlay/recipe.yaml").read_bytes())
    shop.write("overlay/kustomization.yaml", "generators:\n- recipe.yaml\n- other.yaml\n")
    run = shop.cli("render", "overlay")
    assert (run.code, run.codes) == (2, {"secret-collision"})


KUSTOMIZATIONS = {
    "an empty field": "resources:\ngenerators: [recipe.yaml]\n",
    "an anchor": "namePrefix: &x a-\nnameSuffix: *x\ngenerators: [recipe.yaml]\n",
    "folded text": "generators: [recipe.yaml]\nnamePrefix: >-\n  a-\n",
    "a generator of another kind": "generators: [chart.yaml, recipe.yaml]\n",
    "another name": "generators: [recipe.yaml]\n",
}


@pytest.mark.parametrize("case", KUSTOMIZATIONS)
def test_a_kustomization_is_held_to_the_rules_of_kustomize(shop: Repo, case: str) -> None:
    shop.write("overlay/chart.yaml", "a: &x {kind: Chart}\nb: *x\n---\nkind: Chart\n")
    (shop.path / "overlay/kustomization.yaml").unlink()
    name = "Kustomization" if case == "another name" else "kustomization.yaml"
    shop.write(f"overlay/{name}", KUSTOMIZATIONS[case])
    run = shop.cli("render", "overlay")
    assert set(run.secrets) == {"shop"}


# --- what is never repeated -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ("{}",),
        ("--{}",),
        ("render", "--{}"),
        ("render", "overlay", "{}"),
        ("render", "overlay", "--output", "{}"),
        ("render", "overlay", "--output={}"),
        ("render", "overlay", "--masked={}"),
        ("validate", "--{}", "overlay"),
        ("completion", "{}"),
        ("schema", "{}"),
    ],
)
def test_what_was_typed_is_not_repeated(shop: Repo, argv: tuple[str, ...]) -> None:
    secret = shop.canary()
    run = shop.cli(*(word.format(secret) for word in argv))
    assert (run.code, run.codes) == (2, {"usage"})
    assert "--help" in run.err


NAMING = [
    ("set", "MASTER_KEY={}"), ("unset", "MASTER_KEY={}"), ("get", "{} {}"), ("fill", "{}/"),
    ("pin", "{}=="), ("rotate", "TOKEN", "TOKEN={}"), ("history", "{}\n"), ("set", "{}" * 11),
    ("restore", "{}:", "--to", "HEAD"), ("postgres", "check", "--env", "DATABASE_URL={}"),
    ("postgres", "rotate", "{}=", "--no-cluster"), ("postgres", "bootstrap", "--as", "{}="),
    ("postgres", "recreate", "--data", ".", "--database", "x", "--superuser", "{}="),
    ("get", "a1B-{}"), ("unset", "a1B{}"), ("history", "a1B{}"), ("fill", "a1B{}"),
    ("import", ".env", "--take", "a1B{}"), ("postgres", "rotate", "a1B{}", "--no-cluster"),
]  # fmt: skip


@pytest.mark.parametrize("argv", NAMING, ids=" ".join)
def test_a_secret_typed_in_the_place_of_a_name_is_not_repeated(
    shop: Repo, argv: tuple[str, ...]
) -> None:
    secret = shop.canary()
    shop.write(".env", "A=b\n")
    run = shop.cli(*(word.replace("{}", secret) for word in argv))
    assert run.code in (1, 2)
    assert run.codes <= {"usage", "recipe-name", "missing", "db-roles"}


def test_a_value_as_an_argument_is_in_the_history_of_the_shell(shop: Repo) -> None:
    for typed in (("MASTER_KEY", shop.canary()), (f"MASTER_KEY={shop.canary()}",)):
        run = shop.cli("set", *typed, "--output", "json")
        assert run.code == 2
        assert "the value comes from standard input or the prompt, never as an argument" in run.err
        assert "stands in the shell's history now: replace it where it comes from" in run.err
        assert [each["code"] for each in run.document["findings"]] == ["usage"]


def test_a_path_that_is_no_utf_8_is_told_like_any_other(repo: Repo) -> None:
    run = repo.cli("render", os.fsdecode(b"over\xfflay"))
    assert (run.code, run.codes) == (3, {"file-unreadable"})
    run = repo.cli("validate", os.fsdecode(b"over\xfflay"), "--output", "json")
    assert run.code == 3
    assert run.document["findings"]


@pytest.mark.parametrize("odd", ["a\nsopsmith: error: forged [tampered]", "a\x1b[31mb", "a\rb"])
def test_a_name_in_a_recipe_can_not_forge_a_line(repo: Repo, odd: str) -> None:
    repo.leaf(values={odd: {}})
    for run in (repo.cli("render", "overlay"), repo.function(), repo.cli("validate", "overlay")):
        told = run.out if run.out.startswith("error: ") else run.err
        assert (run.code, len(told.splitlines())) == (2, 3 if "checked" in told else 1)
        assert not set("\x1b\r") & set(run.err + run.out)


# --- colour ---------------------------------------------------------------------------------------


def on_a_terminal(repo: Repo, *argv: str, **env: str) -> str:
    """What a command prints on a terminal."""
    read, write = pty.openpty()
    ends: Any = {"stdin": write, "stdout": write, "stderr": write}
    child = subprocess.Popen(["sopsmith", *argv], cwd=repo.path, env={**repo.env, **env}, **ends)
    os.close(write)
    text = b"".join(chunks(read))
    child.wait()
    os.close(read)
    return text.decode()


def chunks(descriptor: int) -> Iterator[bytes]:
    """All that comes until the other end is closed."""
    try:
        while chunk := os.read(descriptor, 4096):
            yield chunk
    except OSError:  # how a terminal says so
        return


COMMANDS = [
    ("list", "overlay"),
    ("render", "overlay", "--masked"),
    ("render", "nowhere"),
    ("doctor",),
]


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_colour_is_for_people(shop: Repo, argv: tuple[str, ...]) -> None:
    piped = shop.cli(*argv)
    assert "\x1b" not in piped.out + piped.err
    assert "\x1b[" in on_a_terminal(shop, *argv)
    assert "\x1b" not in on_a_terminal(shop, *argv, NO_COLOR="1")


def test_json_is_never_coloured(shop: Repo) -> None:
    assert "\x1b" not in on_a_terminal(shop, "list", "overlay", "--output", "json")


def test_a_recipe_written_into_the_kustomization_is_rendered(shop: Repo) -> None:
    text = (shop.path / "overlay/recipe.yaml").read_text()
    lines = "".join(f"    {line}\n" for line in text.splitlines())
    shop.write("overlay/kustomization.yaml", f"generators:\n- |\n{lines}")
    assert set(shop.cli("render", "overlay").secrets) == {"shop"}
    assert shop.kustomize().code == 0


@pytest.mark.parametrize("verb", ["list", "render", "resolve"])
def test_an_environments_name_in_the_place_of_a_path_is_told_as_one(shop: Repo, verb: str) -> None:
    run = shop.cli(verb, "production")
    assert (run.code, run.codes, run.out) == (3, {"file-unreadable"}, "")
    assert "hint: a path is meant; an environment goes by its name with -e production" in run.err


def test_a_generator_that_is_a_folder_is_not_passed_over(shop: Repo) -> None:
    shop.write("overlay/kustomization.yaml", "generators: [../more, recipe.yaml]\n")
    run = shop.cli("render", "overlay")
    assert (run.code, run.codes, run.out) == (2, {"usage"}, "")
    assert "overlay/kustomization.yaml: generators: lists ../more" in run.err
