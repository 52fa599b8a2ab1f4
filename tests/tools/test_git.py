"""What we ask git, of real repositories: worktrees, roots below the top, odd names, hooks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.tools import git
from tests.past import commit
from tests.past import git as run
from tests.repository import Repo

ODD = ["ü x.yaml", "a'b\"c.yaml", "-f.yaml", "tab\t.yaml", ":(top)x.yaml", "*.yaml", "b\\c.yaml",
       os.fsdecode(b"\xff.yaml")]  # fmt: skip


def of(repo: Repo, folder: str = "", **env: str) -> git.Repository:
    """The repository, or a folder of it as the root."""
    return git.Repository(str(repo.path / folder), {**repo.env, **env})


def names(commits: object) -> list[str]:
    """The subjects of commits."""
    return [each.subject for each in commits]  # type: ignore[attr-defined]


# --- the files of the work tree and of commits ----------------------------------------------------


def test_listed_are_tracked_and_new_files_and_not_those_ignored_or_gone(repo: Repo) -> None:
    for name in ("tracked", "gone", "new", "ignored"):
        repo.write(name, name)
    repo.write(".gitignore", "ignored\n")
    run(repo, "add", "tracked", "gone")
    (repo.path / "gone").unlink()
    assert set(git.listed(of(repo))) == {"tracked", "new", ".gitignore"}
    assert set(git.listed(of(repo), untracked=False)) == {"tracked"}


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_names(repo: Repo, name: str) -> None:
    repo.write(name, "SecretRecipe")
    first = commit(repo)
    shown = os.fsencode(name).decode("utf-8", "surrogateescape")
    here = of(repo)
    assert git.listed(here) == (shown,)
    assert git.files_of(here, first) == (shown,)
    assert git.holding(here, first, "SecretRecipe", (".yaml",)) == (shown,)
    assert git.touched(here, ["HEAD"], "SecretRecipe", (".yaml",)) == (shown,)
    assert git.blobs(here, [(first, shown)]) == {(first, shown): b"SecretRecipe"}
    assert git.reader(here, first)(shown) == b"SecretRecipe"
    assert len(list(git.log(here, ["HEAD"], [shown]))) == 1


def test_a_line_break_in_a_name_harms_no_other(repo: Repo) -> None:
    repo.write("a\nHEAD:b", "1")
    repo.write("b", "2")
    first = commit(repo)
    asked = [(first, "a\nHEAD:b"), (first, "no\nwhere"), (first, "b"), (first, "nowhere")]
    assert git.blobs(of(repo), asked) == {(first, "a\nHEAD:b"): b"1", (first, "b"): b"2"}
    assert set(git.blob_ids(of(repo), asked)) == {(first, "b")}


def test_links_in_a_commit_are_followed_as_far_as_it_goes(repo: Repo) -> None:
    repo.write("folder/real", "1")
    for name, target in (
        ("near", "folder/real"), ("far", "../secret"), ("gone", "nowhere"), ("round", "round"),
        ("through", "folder/real/x"), ("folder/up", "../near"), ("folders", "folder"),
    ):  # fmt: skip
        os.symlink(target, repo.path / name)
    first = commit(repo)
    names = ("far", "near", "gone", "round", "through", "folder/up", "folders", "folders/real")
    found = git.blobs(of(repo), [(first, name) for name in names])
    assert {path for _, path in found} == {"near", "folder/up", "folders/real"}
    assert set(found.values()) == {b"1"}


def test_contents_come_whole_in_as_many_calls_as_it_takes(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {f"f{index}": f"{index}\n\0 blob 3\n".encode() * index for index in range(9)}
    for name, data in wanted.items():
        repo.write(name, data)
    first = commit(repo)
    monkeypatch.setattr(git, "_MOST_AT_ONCE", 40)
    ids = git.blob_ids(of(repo), [(first, name) for name in wanted])
    found = dict(git.contents(of(repo), ids.values()))
    assert {name: found[blob.id] for (_, name), blob in ids.items()} == wanted


def test_a_folder_is_no_file_and_a_missing_one_is_said(repo: Repo) -> None:
    repo.write("folder/file", "x")
    first = commit(repo)
    for name in ("folder", "nowhere"):
        with pytest.raises(SopsmithError) as caught:
            git.reader(of(repo), first)(name)
        assert caught.value.findings[0].code == "file-unreadable"


def test_a_root_below_the_top_sees_its_own_files_by_its_own_names(repo: Repo) -> None:
    repo.write("deep/a.yaml", "SecretRecipe")
    repo.write("b.yaml", "SecretRecipe")
    first = commit(repo)
    repo.write("b.yaml", "SecretRecipe 2")
    commit(repo, "outside")
    here = of(repo, "deep")
    assert git.listed(here) == git.files_of(here, first) == ("a.yaml",)
    assert git.holding(here, first, "SecretRecipe", (".yaml",)) == ("a.yaml",)
    assert git.touched(here, ["HEAD"], "SecretRecipe", (".yaml",)) == ("a.yaml",)
    assert git.reader(here, first)("a.yaml") == b"SecretRecipe"
    assert names(git.log(here, ["HEAD"], ["a.yaml"])) == ["change"]
    assert git.changed(here, ["a.yaml", "ü\n.yaml"]) == ()
    for name in ("a.yaml", "ü\n.yaml"):
        repo.write(f"deep/{name}", "new")
    assert git.changed(here, ["a.yaml", "ü\n.yaml"]) == ("a.yaml", "ü\n.yaml")


SETTINGS = ("grep.fullName", "color.ui=always", "log.showSignature", "submodule.recurse",
            "log.follow", "core.quotePath", "grep.lineNumber", "log.decorate",
            "format.pretty=oneline", "diff.noprefix", "diff.relative=false",
            "i18n.logOutputEncoding=latin1", "core.fsmonitor=/bin/false")  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_of_a_person_changes_what_we_read(repo: Repo, setting: str) -> None:
    repo.write("deep/ü.yaml", "SecretRecipe")
    first = commit(repo, "grüße")
    name, _, value = setting.partition("=")
    run(repo, "config", name, value or "true")
    here = of(repo, "deep")
    assert git.listed(here) == git.holding(here, first, "Secret", (".yaml",)) == ("ü.yaml",)
    assert git.touched(here, ["HEAD"], "Secret", (".yaml",)) == ("ü.yaml",)
    (only,) = git.log(here, ["HEAD"], ["ü.yaml"], full=True)
    assert (only.hash, only.subject, only.parents) == (first, "grüße", ())
    assert git.signatures(here, [first]) == {first: "N"}


# --- commits --------------------------------------------------------------------------------------


def test_before_the_first_commit_head_is_none(repo: Repo) -> None:
    repo.write("new", "x")
    assert git.commit_of(of(repo), "HEAD") is None
    assert git.listed(of(repo)) == ("new",)
    assert not git.is_shallow(of(repo))


@pytest.mark.parametrize(
    "name", ["-x", "--all", "HEAD\nHEAD", "", "HEAD:file", "nowhere", "HEAD~9"]
)
def test_what_is_no_revision(repo: Repo, name: str) -> None:
    repo.write("file", "x")
    commit(repo)
    assert git.commit_of(of(repo), name) is None


def test_a_tag_a_branch_and_a_short_hash_are_commits(repo: Repo) -> None:
    first = commit(repo)
    run(repo, "tag", "-am", "x", "v1")
    run(repo, "branch", "side")
    assert {git.commit_of(of(repo), name) for name in ("v1", "side", first[:8], "@")} == {first}


def test_a_commit_is_told_whole(repo: Repo) -> None:
    repo.write("a", "1")
    first = commit(repo, "one\n\nmore of it\n\nSopsmith-Command: set\n", author="Änne")
    repo.write("a", "2")
    second = commit(repo, "two", day="2026-02-03")
    newest, oldest = git.log(of(repo), ["HEAD"])
    assert (newest.hash, newest.parents) == (second, (first,))
    assert newest.date == "2026-02-03T12:00:00+00:00"
    assert (oldest.author, oldest.email, oldest.subject) == ("Änne", "änne@example.org", "one")
    assert "Sopsmith-Command: set" in oldest.message


def test_a_full_log_joins_the_commits_that_matter(repo: Repo) -> None:
    repo.write("a", "1")
    first = commit(repo, "a1")
    repo.write("b", "1")
    commit(repo, "b1")
    repo.write("a", "2")
    commit(repo, "a2")
    newest, oldest = git.log(of(repo), ["HEAD"], ["a"], full=True)
    assert (newest.subject, newest.parents, oldest.hash) == ("a2", (first,), first)


def test_a_full_log_holds_what_a_merge_threw_away(repo: Repo) -> None:
    repo.write("a", "1")
    commit(repo, "start")
    run(repo, "checkout", "-qb", "side")
    repo.write("a", "side")
    commit(repo, "thrown away")
    run(repo, "checkout", "-q", "-")
    run(repo, "merge", "-q", "--no-ff", "-s", "ours", "-m", "merge", "side")
    assert "thrown away" not in names(git.log(of(repo), ["HEAD"], ["a"]))
    assert "thrown away" in names(git.log(of(repo), ["HEAD"], ["a"], full=True))


def test_a_shallow_clone_knows_where_it_ends(repo: Repo, tmp_path: Path) -> None:
    repo.write("a", "1")
    commit(repo)
    repo.write("a", "2")
    second = commit(repo)
    run(repo, "clone", "-q", "--depth", "1", f"file://{repo.path}", str(tmp_path / "clone"))
    run(repo, "worktree", "add", "-q", str(tmp_path / "tree"))
    clone = git.Repository(str(tmp_path / "clone"), repo.env)
    assert git.is_shallow(clone)
    assert git.shallow_edges(clone) == {second}
    assert git.shallow_edges(of(repo)) == frozenset()
    assert git.shallow_edges(git.Repository(str(tmp_path / "tree"), repo.env)) == frozenset()


@pytest.mark.parametrize("form", ["ssh", "bad", "none"])
def test_signatures_are_told_by_their_letter(repo: Repo, tmp_path: Path, form: str) -> None:
    key = tmp_path / "id"
    repo.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    public = key.with_suffix(".pub").read_text()
    (tmp_path / "allowed").write_text(f"ada@example.org {public}")
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)),
                        ("gpg.ssh.allowedSignersFile", str(tmp_path / "allowed")),
                        ("commit.gpgSign", str(form != "none"))):  # fmt: skip
        run(repo, "config", name, value)
    made = commit(repo)
    if form == "bad":
        made = forged(repo, made)
    assert git.signatures(of(repo), [made]) == {made: {"ssh": "G", "bad": "B", "none": "N"}[form]}


def forged(repo: Repo, made: str) -> str:
    """A commit with the signature of another one."""
    text = repo.run("git", "cat-file", "commit", made).out.replace("\nchange", "\nforged")
    hashed = repo.run("git", "hash-object", "-t", "commit", "-w", "--stdin", stdin=text.encode())
    return hashed.out.strip()


# --- worktrees and hooks --------------------------------------------------------------------------


HOOK = """#!/bin/sh
cd {folder}
{{
python - <<'EOF'
import os
from sopsmith.tools import git
here = git.Repository({root!r}, os.environ)
print(sorted(git.listed(here, untracked=False)), git.commit_of(here, "HEAD") is not None)
EOF
}} > {out} 2>&1
"""


@pytest.mark.parametrize("root", ["", "deep"])
@pytest.mark.parametrize("how", [("-a",), ("--only", "deep/a"), ()], ids=str)
@pytest.mark.parametrize("worktree", [False, True], ids=["main", "worktree"])
@pytest.mark.parametrize("folder", [".", "deep"])
def test_in_a_hook_git_is_asked_about_our_root(
    repo: Repo, tmp_path: Path, root: str, how: tuple[str, ...], worktree: bool, folder: str
) -> None:
    repo.write("deep/a", "1")
    repo.write("b", "1")
    commit(repo)
    tree = tmp_path / "tree" if worktree else repo.path
    if worktree:
        run(repo, "worktree", "add", "-q", str(tree))
    (tree / "deep/a").write_text("2")
    (tree / "deep/new").write_text("2")
    run(repo, "add", "deep", cwd=str(tree))
    hook = HOOK.format(folder=folder, root=str(tree / root), out=tmp_path / "told")
    repo.write(".git/hooks/pre-commit", hook).chmod(0o755)
    is_whole = "--only" not in how  # of one file, the index that is committed lacks the other
    run(repo, "commit", "-q", "-m", "x", *how, cwd=str(tree / "deep" if is_whole else tree))
    expected = ["a", *(["new"] if is_whole else [])]
    expected = expected if root else ["b", *(f"deep/{name}" for name in expected)]
    assert (tmp_path / "told").read_text() == f"{expected} True\n"


def test_where_git_is_told_to_look_is_relative_to_us_and_not_to_the_root(
    repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.write("deep/a", "1")
    commit(repo)
    monkeypatch.chdir(repo.path)
    assert git.files_of(of(repo, "deep", GIT_DIR=".git", GIT_WORK_TREE="."), "HEAD") == ("a",)


def test_the_index_that_a_hook_is_about_counts(repo: Repo) -> None:
    repo.write("a", "1")
    run(repo, "add", "a", GIT_INDEX_FILE=str(repo.path / "other-index"))
    os.remove(repo.path / "a")
    repo.write("a", "1")
    assert git.listed(of(repo), untracked=False) == ()
    other = of(repo, GIT_INDEX_FILE=str(repo.path / "other-index"))
    assert git.listed(other, untracked=False) == ("a",)


def test_without_git_it_is_said(repo: Repo) -> None:
    with pytest.raises(SopsmithError) as caught:
        git.listed(of(repo, PATH="/nowhere"))
    assert caught.value.findings[0].code == "program-missing"


def test_no_diff_driver_of_a_person_runs(repo: Repo) -> None:
    """`textconv = sops decrypt` is common, and would decrypt the whole history."""
    run(repo, "config", "diff.x.textconv", "false")
    repo.write(".gitattributes", "*.yaml diff=x\n")
    repo.write("a.yaml", "SecretRecipe")
    commit(repo)
    assert git.touched(of(repo), ["HEAD"], "Secret", (".yaml",)) == ("a.yaml",)
