"""`sopsmith merge` as git's merge driver: two branches of one component, with real git and sops."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.repository import Repo, Run
from tests.tools.test_writeback import REAL, calls

FORMATS = ["a.enc.yaml", "a.enc.json", "a.enc.env", "secret.enc.yaml"]


class Branches(NamedTuple):
    """A repository with the driver, and the one component that both branches change."""

    repo: Repo
    file: str

    def git(self, *arguments: str) -> Run:
        return self.repo.run("git", *arguments)

    def commit(self, message: str = "change") -> None:
        self.git("add", "-A")
        run = self.git("commit", "-qm", message)
        assert run.code == 0, run.out + run.err

    def on(self, branch: str, change: Callable[[], object]) -> None:
        """Change the component on a branch of the first commit."""
        run = self.git("checkout", "-q", "-B", branch, "base")
        assert run.code == 0, run.err
        change()
        self.commit(branch)

    def sops(self, *arguments: str, stdin: str = "", **env: Any) -> Run:
        name = "dotenv" if self.file.endswith("env") else self.file.rpartition(".")[2]
        formats = ("--input-type", name, "--output-type", name)
        command, *rest = arguments
        sops = ("sops", "--config", "/dev/null", command, *formats, *rest)
        run = self.repo.run(*sops, stdin=stdin.encode(), **env)
        assert run.code == 0, run.err
        return run

    def set(self, **values: str) -> Callable[[], None]:
        """What sets keys, as somebody would by sops alone; an empty text removes one."""

        def change() -> None:
            for key, text in values.items():
                index = f'["data"]["{key}"]' if self.file.startswith("secret") else f'["{key}"]'
                if text:
                    flags = ("set", "--value-stdin", f"./{self.file}", index)
                    self.sops(*flags, stdin=json.dumps(text))
                else:
                    self.sops("unset", f"./{self.file}", index)

        return change

    def merge(self, **env: Any) -> Run:
        """Merge `theirs` into `ours`."""
        assert self.git("checkout", "-q", "ours").code == 0
        return self.repo.run("git", "merge", "--no-edit", "theirs", **env)

    def held(self) -> dict[str, str]:
        """What real sops decrypts of the work tree's file, MAC and all."""
        kind = "dotenv" if self.file.endswith("env") else self.file.rpartition(".")[2]
        formats = ("--input-type", kind, "--output-type", "json")
        run = self.repo.run("sops", "--config", "/dev/null", "decrypt", *formats, f"./{self.file}")
        assert run.code == 0, run.err
        tree: dict[str, Any] = run.document
        return dict(tree.get("data", tree))

    def unmerged(self) -> list[str]:
        return self.git("diff", "--name-only", "--diff-filter=U").out.split()


def prepared(repo: Repo, file: str) -> Branches:
    """A component with three values, and the driver that `init` installs."""
    crypt = "    encrypted_regex: ^data$\n" if file.startswith("secret") else ""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n{crypt}")
    repo.write(".gitattributes", "*.enc.* merge=sopsmith\n")
    for key, text in (("user.name", "n"), ("user.email", "n@example.org"),
                      ("merge.sopsmith.name", "sopsmith"),
                      ("merge.sopsmith.driver", "sopsmith merge -- %O %A %B %P")):  # fmt: skip
        repo.run("git", "config", key, text)
    values: Any = {"ONE": repo.canary(), "TWO": repo.canary(), "THREE": repo.canary()}
    if file.startswith("secret"):
        values = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": values}
        repo.component(file, values, "--encrypted-regex", "^data$")
    else:
        repo.component(file, values)
    branches = Branches(repo, file)
    branches.commit("base")
    branches.git("branch", "-f", "base")
    return branches


@pytest.fixture(params=FORMATS)
def each(repo: Repo, request: pytest.FixtureRequest) -> Branches:
    """A component of each format."""
    return prepared(repo, request.param)


@pytest.fixture
def one(repo: Repo) -> Branches:
    """A component in YAML."""
    return prepared(repo, FORMATS[0])


# --- what joins -----------------------------------------------------------------------------------


def test_different_keys_join(each: Branches) -> None:
    before = each.held()
    mine, theirs = each.repo.canary(), each.repo.canary()
    each.on("ours", each.set(ONE=mine))
    each.on("theirs", each.set(TWO=theirs))
    run = each.merge()
    assert run.code == 0, run.out + run.err
    assert "merged" in run.err
    assert each.held() == {**before, "ONE": mine, "TWO": theirs}
    assert each.git("status", "--short").out == ""


def test_a_file_whose_name_looks_like_an_option_joins_too(repo: Repo) -> None:
    odd = prepared(repo, "--shop.enc.yaml")
    mine, theirs = repo.canary(), repo.canary()
    odd.on("ours", odd.set(ONE=mine))
    odd.on("theirs", odd.set(TWO=theirs))
    run = odd.merge()
    assert run.code == 0, run.out + run.err
    assert odd.held() | {"ONE": mine, "TWO": theirs} == odd.held()


def test_only_what_they_changed_changes(one: Branches) -> None:
    one.on("ours", one.set(ONE=one.repo.canary()))
    one.on("theirs", one.set(TWO=one.repo.canary()))
    assert one.merge().code == 0
    lines = one.git("diff", "--unified=0", "HEAD^1", "HEAD", "--", one.file).out.splitlines()
    names = {line[1:].partition(":")[0].strip() for line in lines if line.startswith("+ ") or
             line.startswith("+T")}  # fmt: skip
    assert names - {"lastmodified"} == {"TWO", "mac"}


def test_added_and_removed_keys_join(each: Branches) -> None:
    before = each.held()
    mine, theirs = each.repo.canary(), each.repo.canary()
    each.on("ours", each.set(FOUR=mine, ONE=""))
    each.on("theirs", each.set(FIVE=theirs, TWO=""))
    run = each.merge()
    assert run.code == 0, run.err
    del before["ONE"], before["TWO"]
    assert each.held() == {**before, "FOUR": mine, "FIVE": theirs}


def test_the_same_change_on_both_sides_is_none(one: Branches) -> None:
    fresh = one.repo.canary()
    one.on("ours", one.set(ONE=fresh, TWO=""))
    one.on("theirs", one.set(ONE=fresh, TWO=""))
    assert one.merge().code == 0
    assert one.held()["ONE"] == fresh


def test_the_same_new_component_on_both_sides_joins(one: Branches) -> None:
    """Added by both: git knows no base."""
    one.git("rm", "-q", one.file)
    one.commit("none")
    one.git("branch", "-f", "base")
    values = {"ONE": one.repo.canary(), "MINE": one.repo.canary(), "THEIRS": one.repo.canary()}
    ours = {k: v for k, v in values.items() if k != "THEIRS"}
    theirs = {k: v for k, v in values.items() if k != "MINE"}
    one.on("ours", lambda: one.repo.component(one.file, ours))
    one.on("theirs", lambda: one.repo.component(one.file, theirs))
    run = one.merge()
    assert run.code == 0, run.err
    assert one.held() == {"SOPSMITH_ENVIRONMENT": "production", **values}


def test_awkward_values_join(one: Branches) -> None:
    text = one.repo.canary(after='\nsecond line\n\u00e9\U0001f600 \\n "quoted" # no comment')
    one.on("ours", one.set(ONE=one.repo.canary()))
    one.on("theirs", one.set(TWO=text))
    assert one.merge().code == 0
    assert one.held()["TWO"] == text


def test_a_rebase_joins_too(one: Branches) -> None:
    mine, theirs = one.repo.canary(), one.repo.canary()
    one.on("theirs", one.set(TWO=theirs))
    one.on("ours", one.set(ONE=mine))
    assert one.git("rebase", "-q", "theirs").code == 0
    assert one.held().items() >= {"ONE": mine, "TWO": theirs}.items()


def test_in_a_folder_with_spaces(one: Branches) -> None:
    folder = one.repo.path / "a folder"
    folder.mkdir()
    (one.repo.path / one.file).rename(folder / one.file)
    moved = Branches(one.repo, f"a folder/{one.file}")
    moved.commit("move")
    moved.git("branch", "-f", "base")
    mine, theirs = one.repo.canary(), one.repo.canary()
    moved.on("ours", moved.set(ONE=mine))
    moved.on("theirs", moved.set(TWO=theirs))
    run = moved.merge()
    assert run.code == 0, run.err
    assert moved.held().items() >= {"ONE": mine, "TWO": theirs}.items()


# --- what a person decides ------------------------------------------------------------------------


def conflict(branches: Branches, run: Run, *said: str) -> None:
    """git shows the file as unmerged, and it holds the marks of both sides."""
    assert run.code == 1, run.err
    assert [text for text in said if text not in run.err] == []
    assert branches.unmerged() == [branches.file]
    assert branches.git("status", "--short").out.startswith(("UU", "AA"))
    is_marked(branches)


def is_marked(branches: Branches) -> None:
    """Nobody takes it for a component: check stops it, and nothing renders it or writes to it."""
    text = (branches.repo.path / branches.file).read_text()
    assert re.findall("^(<{7} ours|={7}|>{7} theirs)$", text, re.MULTILINE)[:1] == ["<<<<<<< ours"]
    run = branches.repo.cli("check")
    assert (run.code, "[conflict-marker]" in run.out) == (1, True)
    assert f"sopsmith merge {branches.file}" in run.out


def settled(branches: Branches, *choice: str) -> dict[str, str]:
    """What the file holds when a person has chosen; git takes it, and check has nothing to say."""
    run = branches.repo.cli("merge", branches.file, *choice)
    assert run.code == 0, run.err
    assert branches.unmerged() == [branches.file]  # until a person adds it
    assert branches.repo.cli("check").out.count("error") == 1  # "0 errors"
    return branches.held()


def test_one_key_changed_on_both_sides_is_a_conflict(each: Branches) -> None:
    mine, theirs, both = (each.repo.canary() for _ in range(3))
    each.on("ours", each.set(ONE=mine))
    each.on("theirs", each.set(ONE=theirs, TWO=both))
    conflict(each, each.merge(), "both sides changed", "ONE", "--ours, or --theirs")
    held = settled(each, "--ours")  # with what joined, and under a MAC
    assert (held["ONE"], held["TWO"]) == (mine, both)
    held = settled(each, "--theirs")  # nobody added it, so it can still be chosen otherwise
    assert (held["ONE"], held["TWO"]) == (theirs, both)
    assert each.git("commit", "-qam", "merged").code == 0
    assert each.git("status", "--short").out == ""


def test_a_number_that_becomes_true_is_a_conflict(repo: Repo) -> None:
    one = prepared(repo, "a.enc.json")
    for branch, text in (("base", "1"), ("theirs", "true")):
        run = partial(one.sops, "set", "--value-stdin", one.file, '["THREE"]', stdin=text)
        one.on(branch, run)
    one.on("ours", one.set(ONE="another"))
    conflict(one, one.merge(), "THREE")
    assert dict[str, object](settled(one, "--ours"))["THREE"] == 1


def test_of_each_key_one_side_is_taken(one: Branches) -> None:
    mine, theirs = ([one.repo.canary() for _ in range(3)] for _ in "ab")
    one.on("ours", one.set(ONE=mine[0], TWO=mine[1], THREE=mine[2]))
    one.on("theirs", one.set(ONE=theirs[0], TWO=theirs[1], THREE=theirs[2]))
    conflict(one, one.merge())
    held = settled(one, "--ours", "ONE", "--theirs", "TWO", "THREE")
    assert [held[key] for key in ("ONE", "TWO", "THREE")] == [mine[0], theirs[1], theirs[2]]
    held = settled(one, "--theirs", "--ours", "TWO")
    assert [held[key] for key in ("ONE", "TWO", "THREE")] == [theirs[0], mine[1], theirs[2]]


def test_a_key_of_a_secret_is_named_without_its_section(repo: Repo) -> None:
    branches = prepared(repo, "secret.enc.yaml")
    theirs = repo.canary()
    branches.on("ours", branches.set(ONE=repo.canary()))
    branches.on("theirs", branches.set(ONE=theirs))
    conflict(branches, branches.merge(), "data.ONE")
    assert settled(branches, "--theirs", "ONE")["ONE"] == theirs


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ((), "both sides changed ONE, TWO"),
        (("--ours", "ONE"), "both sides changed TWO"),
        (("--ours", "ON"), "ON: is in no conflict"),
        (("--ours", "THREE", "--theirs"), "these are: ONE, TWO"),
        (("--ours", "ONE", "--theirs", "ONE", "TWO"), "from one side"),
        (("--ours", "--theirs"), "from one side"),
    ],
)
def test_what_is_not_chosen_stays_a_conflict(
    one: Branches, choice: tuple[str, ...], said: str
) -> None:
    one.on("ours", one.set(ONE=one.repo.canary(), TWO=one.repo.canary()))
    one.on("theirs", one.set(ONE=one.repo.canary(), TWO=one.repo.canary()))
    conflict(one, one.merge())
    before = (one.repo.path / one.file).read_bytes()
    run = one.repo.cli("merge", one.file, *choice)
    assert (run.code in (1, 2), said in run.err) == (True, True), run.err
    assert (one.repo.path / one.file).read_bytes() == before


def test_neither_side_is_right(one: Branches) -> None:
    one.on("ours", one.set(ONE=one.repo.canary()))
    one.on("theirs", one.set(ONE=one.repo.canary()))
    conflict(one, one.merge())
    settled(one, "--ours")
    right = one.repo.canary()
    one.set(ONE=right)()
    assert one.git("commit", "-qam", "merged").code == 0
    assert one.held()["ONE"] == right


def test_a_conflict_can_not_be_committed_by_accident(one: Branches) -> None:
    """As git users know it: `commit -a` with the marks in the file, and the hook."""
    one.repo.write(".git/hooks/pre-commit", "#!/bin/sh\nexec sopsmith check\n").chmod(0o755)
    theirs = one.repo.canary()
    one.on("ours", one.set(ONE=one.repo.canary()))
    one.on("theirs", one.set(ONE=theirs))
    conflict(one, one.merge())
    stopped = one.git("commit", "-qam", "merged")
    assert (stopped.code, "[conflict-marker]" in stopped.out + stopped.err) == (1, True)
    one.git("add", one.file)  # and a person who said that it is resolved gets the sides back
    run = one.repo.cli("merge", one.file, "--theirs")
    assert (run.code, "git knows of no conflict" in run.err) == (2, True)
    one.git("checkout", "-m", "--", one.file)
    assert settled(one, "--theirs")["ONE"] == theirs
    assert one.git("commit", "-qam", "merged").code == 0


@pytest.mark.parametrize("command", ["rebase", "cherry-pick", "stash"])
def test_a_conflict_of_other_commands_is_settled_alike(one: Branches, command: str) -> None:
    theirs = one.repo.canary()
    one.on("ours", one.set(ONE=one.repo.canary()))
    if command == "stash":
        one.git("checkout", "-q", "base")
        one.set(ONE=theirs)()
        one.git("stash")
        one.git("checkout", "-q", "ours")
        run = one.git("stash", "pop")
    else:
        one.on("theirs", one.set(ONE=theirs))
        one.git("checkout", "-q", {"rebase": "theirs", "cherry-pick": "ours"}[command])
        run = one.git(command, {"rebase": "ours", "cherry-pick": "theirs"}[command])
    conflict(one, run)
    assert settled(one, "--theirs")["ONE"] == theirs
    if command != "stash":
        one.git("add", one.file)
        done = one.repo.run("git", command, "--continue", GIT_EDITOR="true")
        assert done.code == 0, done.err
        assert one.held()["ONE"] == theirs and one.git("status", "--short").out == ""


@pytest.mark.parametrize("gone", ["ours", "theirs"])
def test_removed_here_and_changed_there_is_a_conflict(one: Branches, gone: str) -> None:
    fresh = one.repo.canary()
    one.on("ours", one.set(ONE="" if gone == "ours" else fresh))
    one.on("theirs", one.set(ONE="" if gone == "theirs" else fresh))
    conflict(one, one.merge(), "ONE")
    assert settled(one, "--ours").get("ONE") == (None if gone == "ours" else fresh)
    assert settled(one, "--theirs").get("ONE") == (None if gone == "theirs" else fresh)


def test_added_on_both_sides_otherwise_is_a_conflict(one: Branches) -> None:
    mine = one.repo.canary()
    one.on("ours", one.set(FOUR=mine))
    one.on("theirs", one.set(FOUR=one.repo.canary()))
    conflict(one, one.merge(), "FOUR")
    assert settled(one, "--ours", "FOUR")["FOUR"] == mine


def renamed(branches: Branches) -> Callable[[], object]:
    """A Secret's metadata are clear."""
    flags = ("set", "--value-stdin", branches.file, '["metadata"]["name"]')
    return lambda: branches.sops(*flags, stdin='"other"')


def test_a_clear_field_changed_on_their_side_is_a_conflict(repo: Repo) -> None:
    branches = prepared(repo, "secret.enc.yaml")
    mine = repo.canary()
    branches.on("ours", branches.set(ONE=mine))
    branches.on("theirs", renamed(branches))
    conflict(branches, branches.merge(), "clear fields")
    run = repo.cli("merge", branches.file, "--theirs")
    assert (run.code, "can't be taken by themselves" in run.err) == (1, True)
    assert settled(branches, "--ours")["ONE"] == mine


def test_a_clear_field_changed_on_our_side_stays(repo: Repo) -> None:
    branches = prepared(repo, "secret.enc.yaml")
    theirs = repo.canary()
    branches.on("ours", renamed(branches))
    branches.on("theirs", branches.set(ONE=theirs))
    run = branches.merge()
    assert run.code == 0, run.err
    assert branches.held()["ONE"] == theirs
    assert "name: other" in (repo.path / branches.file).read_text()


def test_a_file_that_one_side_removed_is_gits_own_conflict(one: Branches) -> None:
    one.on("ours", one.set(ONE=one.repo.canary()))
    one.on("theirs", lambda: one.git("rm", "-q", one.file))
    run = one.merge()
    assert run.code == 1
    assert one.unmerged() == [one.file]


def test_a_whole_file_changed_on_both_sides_is_a_conflict(repo: Repo) -> None:
    branches = prepared(repo, FORMATS[0])
    branches.repo.component("k.enc.p12", b"\0one")
    branches.commit()
    branches.git("branch", "-f", "base")
    branches.on("ours", lambda: repo.component("k.enc.p12", b"\0two"))
    branches.on("theirs", lambda: repo.component("k.enc.p12", b"\0three"))
    run = branches.merge()
    conflict(branches._replace(file="k.enc.p12"), run, "the one value that it is")
    assert repo.cli("merge", "k.enc.p12", "--theirs").code == 1
    branches.git("checkout", "--theirs", "k.enc.p12")
    sops = ("sops", "--config", "/dev/null", "decrypt", "--input-type", "binary", "k.enc.p12")
    assert repo.run(*sops, "--output-type", "binary").code == 0
    assert repo.cli("check").code == 0


# --- who reads it ---------------------------------------------------------------------------------


@pytest.fixture
def other(repo: Repo) -> tuple[Path, str]:
    """Somebody else's key, and its recipient."""
    return repo.stranger("other.key")


def rotated(branches: Branches, *flags: str) -> Callable[[], object]:
    """A new data key, and readers more or less."""
    return lambda: branches.sops("rotate", "--in-place", *flags, branches.file)


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_new_data_key_on_one_side_stays(one: Branches, side: str) -> None:
    """Or whoever lost access would get it back by a merge."""
    fresh, elsewhere = one.repo.canary(), {"ours": "theirs", "theirs": "ours"}[side]
    one.on(side, rotated(one))
    new = (one.repo.path / one.file).read_text()
    one.on(elsewhere, one.set(ONE=fresh))
    run = one.merge()
    assert run.code == 0, run.err
    assert one.held()["ONE"] == fresh
    merged = (one.repo.path / one.file).read_text()
    (key,) = [line for line in new.splitlines() if line.startswith("TWO:")]
    assert (key in merged) is (side == "ours")  # theirs may be known, so there is a third one
    old = one.git("show", f"base:{one.file}").out
    assert [line for line in old.splitlines() if "ENC[" in line and line in merged] == []


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_reader_removed_on_one_side_stays_removed(
    repo: Repo, other: tuple[Path, str], side: str
) -> None:
    branches = prepared(repo, FORMATS[0])
    branches.sops("rotate", "--in-place", "--add-age", other[1], branches.file)
    branches.commit()
    branches.git("branch", "-f", "base")
    fresh, elsewhere = repo.canary(), {"ours": "theirs", "theirs": "ours"}[side]
    branches.on(side, rotated(branches, "--rm-age", other[1]))
    branches.on(elsewhere, branches.set(ONE=fresh))
    run = branches.merge()
    assert run.code == 0, run.err
    assert branches.held()["ONE"] == fresh
    assert other[1] not in (repo.path / branches.file).read_text()
    sops = ("sops", "--config", "/dev/null", "decrypt", branches.file)
    assert repo.run(*sops, SOPS_AGE_KEY_FILE=str(other[0])).code != 0


def test_in_a_conflict_with_new_readers_on_their_side_our_value_stays(
    repo: Repo, other: tuple[Path, str]
) -> None:
    """Whoever's text the result started from."""
    branches = prepared(repo, FORMATS[0])
    mine = repo.canary()
    branches.on("ours", branches.set(ONE=mine))

    def change() -> None:
        branches.set(ONE=repo.canary())()
        assert repo.cli("recipients", "add", other[1]).code == 0
        branches.git("checkout", "--", ".sops.yaml")

    branches.on("theirs", change)
    conflict(branches, branches.merge(), "ONE")
    run = repo.cli("merge", branches.file, "--ours")
    assert run.code == 0, run.err
    assert branches.held()["ONE"] == mine


def test_readers_changed_otherwise_on_both_sides_is_a_conflict(
    repo: Repo, other: tuple[Path, str]
) -> None:
    branches = prepared(repo, FORMATS[0])
    _, recipient = repo.stranger("third.key")
    branches.on("ours", rotated(branches, "--add-age", other[1]))
    branches.on("theirs", rotated(branches, "--add-age", recipient))
    conflict(branches, branches.merge(), "both sides changed who can read it", "git checkout")


def test_the_way_out_of_two_changes_of_readers_ends_with_all_of_them(
    repo: Repo, other: tuple[Path, str]
) -> None:
    """As the hint says it, where `check` leads to."""
    branches = prepared(repo, FORMATS[0])
    _, recipient = repo.stranger("third.key")
    for branch, who in (("ours", other[1]), ("theirs", recipient)):
        branches.on(branch, partial(repo.cli, "recipients", "add", who))
    assert branches.merge().code == 1
    assert f"sopsmith merge {branches.file} tells what both sides changed" in repo.cli("check").out
    hint = repo.cli("merge", branches.file).err.partition("hint: ")[2]
    both = f"creation_rules:\n  - age: {repo.recipient},{other[1]},{recipient}\n"
    repo.write(".sops.yaml", both)
    for command in (f"git checkout --ours {branches.file}", "sopsmith recipients sync",
                    f"git add .sops.yaml {branches.file}"):  # fmt: skip
        assert command in hint
        run = repo.run(*command.split(), *(["--yes"] if "sync" in command else []))
        assert run.code == 0, run.err
    assert branches.git("commit", "-qm", "merged").code == 0
    assert repo.cli("recipients").code == 0 and repo.cli("check").code == 0


# --- what can't be merged -------------------------------------------------------------------------


def kept(branches: Branches, change: Callable[[], object], *said: str, **env: Any) -> None:
    """The driver fails: git shows a conflict, with marks, and keeps both sides."""
    branches.on("theirs", branches.set(TWO=branches.repo.canary()))
    change()
    branches.commit("spoilt")
    branches.on("ours", branches.set(ONE=branches.repo.canary()))
    mine = (branches.repo.path / branches.file).read_bytes()
    run = branches.merge(**env)
    conflict(branches, run, *said)
    branches.git("checkout", "--ours", branches.file)
    assert (branches.repo.path / branches.file).read_bytes() == mine


def spoil(branches: Branches, old: str, new: str) -> Callable[[], None]:
    return lambda: branches.repo.edit(branches.file, lambda text: text.replace(old, new))


def test_without_a_key_both_sides_are_marked(one: Branches) -> None:
    kept(one, lambda: None if one.repo.write("more", "x") else None, "[no-key]",
         SOPS_AGE_KEY_FILE=None)  # fmt: skip


def test_a_side_for_somebody_else_is_not_merged(one: Branches, other: tuple[Path, str]) -> None:
    swapped = rotated(one, "--add-age", other[1], "--rm-age", one.repo.recipient)
    kept(one, swapped, "[no-key]", other[1])


def test_a_tampered_side_is_not_merged(one: Branches) -> None:
    kept(one, spoil(one, "TWO:", "OWT:"), "[tampered]")


def test_a_side_in_plaintext_is_not_merged(one: Branches) -> None:
    kept(one, spoil(one, "TWO: ENC", "CLEAR: text\nTWO: ENC"), "[not-encrypted]")


def test_a_side_that_was_emptied_is_not_merged(one: Branches) -> None:
    kept(one, lambda: one.repo.write(one.file, ""))


def test_without_sops_both_sides_are_marked(one: Branches) -> None:
    """No merge without a MAC of its own."""
    folder = one.repo.path.parent / "only"
    folder.mkdir()
    for program in ("git", "sopsmith", "sh"):
        (folder / program).symlink_to(str(shutil.which(program)))
    kept(one, lambda: None if one.repo.write("more", "x") else None, "[program-missing]",
         PATH=str(folder))  # fmt: skip


def test_outside_of_git_the_driver_says_what_it_is(repo: Repo) -> None:
    run = repo.cli("merge", "a", "b", "c", "d")
    assert (run.code, run.codes) == (3, {"file-unreadable"})
    assert repo.cli("merge", "a", "b").code == 2
    run = repo.cli("merge", "a")
    assert (run.code, run.codes) == (2, {"usage"})


def replaced(one: Branches, stranger: tuple[Path, str], *, hide: bool) -> Callable[[], None]:
    """What anybody can do who knows the public key: a new file, whose data key is theirs too."""

    def change() -> None:
        both = f"{stranger[1]},{one.repo.recipient}"
        values = {"ONE": "another-text", "EMPTY": ""}
        file = one.repo.component(one.file, values, recipient=both)
        (one.repo.path.parent / "theirs").write_bytes(file.read_bytes())
        if hide:  # the MAC does not cover who can read
            entry = rf" +- enc: \|\n(?: .*\n)*? +recipient: {stranger[1]}\n"
            one.repo.edit(one.file, lambda text: re.sub(entry, "", text))
            assert stranger[1] not in file.read_text()

    return change


@pytest.fixture
def stranger(repo: Repo) -> tuple[Path, str]:
    """Somebody's key, and its recipient."""
    return repo.stranger("stranger.key")


def test_our_value_is_not_encrypted_with_a_data_key_of_somebody_else(
    one: Branches, stranger: tuple[Path, str]
) -> None:
    """An empty text is not encrypted, so that both hold one says nothing of their keys."""
    value = one.repo.canary()
    one.on("base", partial(one.sops, "set", "--value-stdin", one.file, '["EMPTY"]', stdin='""'))
    one.on("ours", one.set(NEW=value))
    one.on("theirs", replaced(one, stranger, hide=True))
    assert one.merge().code == 0 and one.held()["NEW"] == value
    ours = (one.repo.path / one.file).read_text()
    theirs = (one.repo.path.parent / "theirs").read_text()
    # the stranger puts the own entry back, and decrypts what is in git with it
    spied = one.repo.write("spied.yaml", ours.partition("sops:")[0] + "sops:" +
                           theirs.partition("sops:")[2])  # fmt: skip
    flags = ("--config", "/dev/null", "decrypt", "--ignore-mac", str(spied))
    run = one.repo.run("sops", *flags, SOPS_AGE_KEY_FILE=str(stranger[0]))
    assert run.code != 0 and value not in run.out


KEY_LIES = {
    "adds-a-reader": "exec {sops} rotate --add-age {other} {formats} -- {copy}",
    "changes-a-value": """{sops} set {formats} -- {copy} '["ONE"]' '"a lie"' >&2
        exec {sops} rotate {formats} -- {copy}""",
}


@pytest.mark.parametrize("name", KEY_LIES)
def test_a_sops_that_lies_about_a_new_data_key_merges_nothing(
    one: Branches, stranger: tuple[Path, str], name: str
) -> None:
    one.on("ours", one.set(NEW=one.repo.canary()))
    one.on("theirs", replaced(one, stranger, hide=True))
    lie = KEY_LIES[name].format(
        sops=f"{REAL} --config /dev/null", other=stranger[1], copy="/proc/self/fd/3",
        formats="--input-type yaml --output-type yaml",
    )  # fmt: skip
    note = calls(one.repo, f'case "$*" in *" rotate "*) {lie};; esac')
    run = one.merge()
    assert "rotate" in note.read_text()
    assert run.code == 1 and "[write-unverified]" in run.err
    assert (one.repo.path / one.file).read_bytes().startswith(b"<<<<<<< ")


def test_a_new_file_for_new_readers_is_for_a_person_to_judge(
    one: Branches, stranger: tuple[Path, str]
) -> None:
    one.on("ours", one.set(NEW=one.repo.canary()))
    one.on("theirs", replaced(one, stranger, hide=False))
    conflict(one, one.merge(), "new file for new readers")
