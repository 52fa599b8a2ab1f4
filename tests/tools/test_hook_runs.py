"""What the hooks say, when they run, and that they are commands of ours."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sopsmith.cli import parser
from sopsmith.setup.scaffold import HOOKS_TEXT
from tests import hooked
from tests.hooked import BASE, COMPONENT, PRODUCTION, added, password, replaced, said, set_by_us
from tests.repository import Repo

HOOKS: list[dict[str, Any]] = hooked.config()["repos"][0]["hooks"]


def test_a_finding_says_file_line_key_and_what_to_do(guarded: Repo) -> None:
    password("version: 6, rotated: 2026-11-20")(guarded)
    told = hooked.commit(guarded).err.splitlines()
    where = f"{PRODUCTION}:11: spec.values.POSTGRES_PASSWORD.version"
    at = told.index(f"error: {where}: is 6 and was 4 [version-jump]")
    assert told[at + 1] == "hint: one rotation raises it by one: version: 5"


def test_without_a_key_the_hooks_say_so_and_check_the_rest(guarded: Repo) -> None:
    set_by_us(guarded)
    guarded.run("git", "add", "--all")
    told = guarded.run("pre-commit", "run", "--verbose", SOPS_AGE_KEY_FILE=None)
    assert (told.code, said(told)) == (0, {"validated-keyless"})
    added(COMPONENT, "X: plain-1\n")(guarded)
    assert "not-encrypted" in said(hooked.commit(guarded, SOPS_AGE_KEY_FILE=None))


def test_overdue_values_are_shown_by_a_hook_that_passes(guarded: Repo) -> None:
    replaced(BASE, "36500d", "1d")(guarded)
    run = hooked.commit(guarded)
    assert run.code == 0
    assert run.err.count("POSTGRES_PASSWORD: was due on 2026-11-02 [overdue]") == 2


def test_a_change_that_is_not_staged_is_not_in_the_way(guarded: Repo) -> None:
    added("README.md", "more\n")(guarded)
    guarded.run("git", "add", "--all")
    replaced(BASE, "minLength", "minLenght")(guarded)
    assert guarded.run("git", "commit", "-qm", "change").code == 0
    assert "minLenght" in (guarded.path / BASE).read_text()


def test_in_a_worktree_of_its_own_a_commit_is_judged_alike(guarded: Repo) -> None:
    guarded.run("git", "worktree", "add", "-q", "tree")
    base = guarded.path / "tree" / BASE
    base.write_text(base.read_text().replace("minLength", "minLenght"))
    run = guarded.run("git", "commit", "-qam", "change", cwd="tree")
    assert (run.code, "recipe-field" in said(run)) == (1, True)


def test_a_broken_rotation_is_found_against_the_target_branch_too(guarded: Repo) -> None:
    target = guarded.run("git", "branch", "--show-current").out.strip()
    guarded.run("git", "checkout", "-q", "-b", "change")
    for version in (5, 6):
        replaced(PRODUCTION, f"version: {version - 1}", f"version: {version}")(guarded)
        assert hooked.commit(guarded).code == 0
    run = guarded.cli("check", "--against", target)
    assert (run.code, "[version-jump]" in run.out) == (1, True)
    assert guarded.cli("check", "--against", "HEAD").code == 0


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_every_hook_is_a_command_of_ours(hook: dict[str, Any]) -> None:
    program, *arguments = hook["entry"].split()
    assert program == "sopsmith"
    options = parser().parse_args([*arguments, *(["a file"] if hook.get("pass_filenames") else [])])
    assert callable(options.command)


def test_what_init_writes_runs_the_same_hooks() -> None:
    untold = ("description", "minimum_pre_commit_version")
    ours = [{key: hook[key] for key in hook if key not in untold} for hook in HOOKS]
    assert yaml.safe_load(HOOKS_TEXT)["repos"][0]["hooks"] == ours
