"""Commits of ours: exactly the named files, or nothing at all, not even in the index."""

from __future__ import annotations

from pathlib import Path

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.tools import git, git_write
from tests.past import git as run
from tests.repository import Repo


@pytest.fixture
def busy(repo: Repo) -> Repo:
    """Files of every state: ours, partly staged, removed, new to the index, unknown to git."""
    for name, value in (("user.name", "Ada"), ("user.email", "a@b")):
        run(repo, "config", name, value)
    for name in ("mine", "partly", "gone", "removed"):
        repo.write(name, "1\n")
    run(repo, "add", ".")
    run(repo, "commit", "-qm", "first")
    for name in ("partly", "mine"):
        repo.write(name, "staged\n")
        run(repo, "add", name)
        repo.write(name, "work tree\n")
    repo.write("staged", "1\n")
    run(repo, "add", "staged")
    run(repo, "rm", "-q", "removed")
    (repo.path / "gone").unlink()
    repo.write("ü new", "1\n")
    return repo


def of(repo: Repo, path: Path | None = None) -> git.Repository:
    return git.Repository(str(path or repo.path), repo.env)


def test_a_remote_that_is_a_url_is_not_shown(repo: Repo) -> None:
    run(repo, "commit", "-qm", "first", "--allow-empty")
    branch, word = run(repo, "symbolic-ref", "--short", "HEAD").strip(), "not-for-a-message"
    run(repo, "config", f"branch.{branch}.remote", f"file://ada:{word}@127.0.0.1/nothing")
    run(repo, "config", f"branch.{branch}.merge", f"refs/heads/{branch}")
    with pytest.raises(SopsmithError) as caught:
        git_write.upstream(of(repo))
    assert caught.value.findings[0].code == "program-failed"
    assert word not in repr(caught.value.findings)


def staged(repo: Repo, path: Path | None = None) -> list[str]:
    """Each file in the index, conflicts included."""
    return run(repo, "ls-files", "--stage", cwd=str(path or repo.path)).splitlines()


def index(repo: Repo, path: Path | None = None) -> list[str]:
    """The same, and what git makes of it."""
    return (
        staged(repo, path) + run(repo, "status", "--short", cwd=str(path or repo.path)).splitlines()
    )


def refused(repo: Repo, *paths: str, where: Path | None = None) -> Finding:
    with pytest.raises(SopsmithError) as caught:
        git_write.commit(of(repo, where), paths, "secrets: set it's\n\nTrailer: x\n")
    (finding,) = caught.value.findings
    assert finding.code == "not-committed"
    return finding


def refuse(repo: Repo) -> Path:
    hook = repo.write(".git/hooks/pre-commit", "#!/bin/sh\necho hunter2\nexit 1\n")
    hook.chmod(0o755)
    return hook


def test_a_commit_takes_the_named_files_as_they_are_and_no_other(busy: Repo) -> None:
    others = [line for line in staged(busy) if not line.endswith("mine")]
    made = git_write.commit(of(busy), ["mine", "ü new"], "subject\n\nTrailer: x\n")
    shown = run(busy, "show", "--format=", "--name-status", "-z", made).split("\0")
    assert shown == ["M", "mine", "A", "ü new", ""]
    assert busy.run("git", "show", f"{made}:mine").out == "work tree\n"
    assert run(busy, "log", "-1", "--format=%(trailers:key=Trailer,valueonly)") == "x"
    ours = ("mine", '\\303\\274 new"')
    assert [line for line in staged(busy) if not line.endswith(ours)] == others


@pytest.mark.parametrize("files", [("mine",), ("ü new",), ("mine", "ü new"), ("removed",)], ids=str)
def test_a_hook_that_refuses_leaves_all_that_was_staged(busy: Repo, files: tuple[str, ...]) -> None:
    busy.write("removed", "again\n")  # in the index it is gone: a new file to git
    refuse(busy)
    before = index(busy)
    assert "hunter2" not in str(refused(busy, *files))
    assert index(busy) == before


def test_a_linked_worktree_has_an_index_of_its_own(busy: Repo, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    run(busy, "worktree", "add", "-q", str(tree))
    (tree / "mine").write_text("2\n")
    (tree / "new").write_text("2\n")
    before, hook = index(busy), refuse(busy)
    there = index(busy, tree)
    refused(busy, "mine", "new", where=tree)
    assert (index(busy), index(busy, tree)) == (before, there)
    hook.unlink()
    git_write.commit(of(busy, tree), ["mine", "new"], "x")
    assert index(busy) == before
    assert run(busy, "status", "--short", cwd=str(tree)) == ""


def test_the_command_in_the_hint_shows_why_and_commits_no_other_file(
    busy: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = refuse(busy)
    monkeypatch.chdir(busy.write("deep/er", "").parent)
    command = (refused(busy, "mine", "ü new").hint or "").partition(": ")[2]
    said = busy.run("sh", "-c", command, cwd="deep")
    assert said.code == 1
    assert "hunter2" in said.out + said.err
    hook.unlink()
    assert busy.run("sh", "-c", command, cwd="deep").code == 0
    shown = run(busy, "show", "--format=%s", "--name-only", "-z", "HEAD")
    assert shown.replace("\n", "").split("\0") == ["secrets: set it's", "mine", "ü new", ""]


# --- in the midst of something --------------------------------------------------------------------


@pytest.fixture
def torn(repo: Repo) -> Repo:
    """Two branches that both changed `mine`; on the one that is checked out nothing is staged."""
    for name, value in (("user.name", "Ada"), ("user.email", "a@b")):
        run(repo, "config", name, value)
    for branch in ("first", "ours", "theirs"):
        run(repo, "checkout", "-q", "-b", branch, *(() if branch == "first" else ("first",)))
        repo.write("mine", f"{branch}\n")
        run(repo, "add", "mine")
        run(repo, "commit", "-qm", branch)
    run(repo, "checkout", "-q", "ours")
    return repo


BEGUN = {
    ("merge", "theirs"): ("a merge is under way", "git commit"),
    ("cherry-pick", "theirs"): ("a cherry-pick is under way", "git cherry-pick --continue"),
    ("rebase", "theirs"): ("a rebase is under way", "git rebase --continue"),
    ("rebase", "--apply", "theirs"): ("a rebase is under way", "git rebase --continue"),
    ("revert", "--no-edit", "first"): ("a revert is under way", "git revert --continue"),
    ("merge", "--squash", "theirs"): ("git knows of a conflict", "git commit"),
}


@pytest.mark.parametrize("worktree", [False, True], ids=["main", "worktree"])
@pytest.mark.parametrize("how", BEGUN, ids=" ".join)
def test_what_git_is_in_the_midst_of_is_told_with_how_it_goes_on(
    torn: Repo, tmp_path: Path, how: tuple[str, ...], worktree: bool
) -> None:
    where = torn.path
    if worktree:
        where = tmp_path / "tree"
        run(torn, "checkout", "-q", "first")
        run(torn, "worktree", "add", "-q", str(where), "ours")
    git_write.check_settled(of(torn, where), ["mine"])
    assert torn.run("git", *how, cwd=str(where), GIT_EDITOR="true").code != 0
    with pytest.raises(SopsmithError) as caught:
        git_write.check_settled(of(torn, where), ["mine"])
    (finding,) = caught.value.findings
    assert finding.message.startswith(BEGUN[how][0])
    assert (finding.hint or "").endswith(f" && {BEGUN[how][1]}")


def test_in_another_worktree_it_is_no_business_of_ours(torn: Repo, tmp_path: Path) -> None:
    run(torn, "worktree", "add", "-q", str(tmp_path / "tree"), "first")
    assert torn.run("git", "merge", "theirs").code != 0
    git_write.check_settled(of(torn, tmp_path / "tree"), ["mine"])
