"""The leaves of a commit, and which commit a change is compared with."""

from __future__ import annotations

import json
from secrets import token_hex

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.history import revision
from sopsmith.tools.git import Repository
from tests.repository import Repo

IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@b.c")


def commit(repo: Repo) -> str:
    """Commit all that there is, as a commit like no other, and return it."""
    repo.run("git", "add", "--all")
    done = repo.run("git", *IDENTITY, "commit", "-qm", token_hex(4), "--allow-empty")
    assert done.code == 0, done.err
    return repo.run("git", "rev-parse", "HEAD").out.strip()


def of(repo: Repo) -> Repository:
    return Repository(str(repo.path), repo.env)


def shop(repo: Repo) -> Repo:
    """A base, and a leaf over it."""
    head = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}
    base = {"app": "shop", "values": {"TOKEN": {"generate": {"password": {}}}}}
    repo.write("base.recipe.yaml", json.dumps({**head, "spec": base}, indent=1))
    repo.leaf(extends="../base.recipe.yaml", secrets={"shop": {"keys": ["TOKEN"]}})
    return repo


def why(repo: Repo, name: str) -> tuple[str, str]:
    """Why a change can't be compared with a revision: the message and the hint."""
    with pytest.raises(SopsmithError) as error:
        revision.base(of(repo), name)
    (finding,) = error.value.findings
    assert finding.code == "usage"
    return finding.message, finding.hint or ""


# --- which commit ---------------------------------------------------------------------------------


def test_before_the_first_commit_there_is_nothing_to_compare_with(repo: Repo) -> None:
    assert revision.base(of(repo), "HEAD") is None
    assert revision.base(of(repo), "origin/main") is None


def test_a_change_is_compared_with_where_it_left_its_target(repo: Repo) -> None:
    left = commit(repo)
    repo.run("git", "branch", "-q", "target")
    mine = commit(repo)
    repo.run("git", "checkout", "-q", "target")
    commit(repo)
    repo.run("git", "checkout", "-q", "-")
    assert revision.base(of(repo), "target") == left
    assert revision.base(of(repo), "HEAD") == mine
    assert revision.base(of(repo), "HEAD~1") == left


@pytest.mark.parametrize("name", ["nowhere", "--all", "", "HEAD:file", "a\nb"])
def test_a_revision_that_is_none_is_wrong_usage(repo: Repo, name: str) -> None:
    commit(repo)
    message, hint = why(repo, name)
    assert message == "--against names no commit"
    assert "git fetch" in hint


@pytest.mark.parametrize("name", ["origin/main", "origin/main~0", "origin/main^{commit}"])
def test_a_tag_does_not_pass_for_the_branch_of_its_name(repo: Repo, name: str) -> None:
    target = commit(repo)
    repo.run("git", "update-ref", "refs/remotes/origin/main", target)
    assert revision.base(of(repo), name) == target
    repo.run("git", "tag", "origin/main", commit(repo))  # whoever may push one
    assert why(repo, name) == (
        "--against could mean refs/tags/origin/main or refs/remotes/origin/main",
        "say which: --against refs/remotes/origin/main",
    )
    assert revision.base(of(repo), "refs/remotes/origin/main") == target
    assert revision.base(of(repo), target) == target


def test_a_tag_that_is_called_head_keeps_nobody_from_committing(repo: Repo) -> None:
    for ref in ("refs/tags/HEAD", "refs/heads/HEAD"):
        assert repo.run("git", "update-ref", ref, commit(repo)).code == 0
    head = commit(repo)
    assert revision.base(of(repo), "HEAD") == head


def test_a_history_that_never_meets_is_wrong_usage(repo: Repo) -> None:
    other = commit(repo)
    repo.run("git", "checkout", "-q", "--orphan", "new")
    commit(repo)
    assert why(repo, other) == (
        "--against has no commit in common with this branch",
        "compare with the branch that this one came from",
    )


def test_in_a_shallow_clone_the_hint_says_how_to_deepen_it(repo: Repo) -> None:
    repo.run("git", "checkout", "-q", "-b", "main")
    commit(repo)
    repo.run("git", "checkout", "-q", "-b", "change")
    commit(repo)
    repo.run("git", "checkout", "-q", "main")
    commit(repo)
    clone = Repo.__new__(Repo)
    clone.__dict__.update(repo.__dict__, path=repo.path.parent / "clone")
    url = f"file://{repo.path}"
    repo.run("git", "clone", "-q", "--depth=1", "-b", "change", url, str(clone.path))
    repo.run("git", "fetch", "-q", "--depth=1", "origin", "main:main", cwd="../clone")
    assert "--unshallow" in why(clone, "main")[1]


# --- its leaves -----------------------------------------------------------------------------------


def test_leaves_are_as_they_were_in_the_commit(repo: Repo) -> None:
    then = commit(shop(repo))
    repo.edit("base.recipe.yaml", lambda text: text.replace("password", "bytes"))
    repo.leaf("new", extends="../base.recipe.yaml", environment="staging")
    past = revision.leaves(of(repo), then)
    (leaf,) = past.leaves
    assert (leaf.file, past.findings) == ("overlay/recipe.yaml", ())
    assert leaf.spec["values"] == {"TOKEN": {"generate": {"password": {}}}}


def test_below_a_root_of_ones_own_paths_start_there(repo: Repo) -> None:
    then = commit(shop(repo))
    here = Repository(str(repo.path / "overlay"), repo.env)
    past = revision.leaves(here, then)
    assert [finding.file for finding in past.findings] == ["recipe.yaml"]  # its base is outside


def test_a_recipe_that_was_broken_is_noted_and_the_others_are_there(repo: Repo) -> None:
    broken = "apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\nspec: [\n"
    repo.write("broken.yaml", broken)
    repo.write("notes.yaml", "# no kind: SecretRecipe here\n")
    past = revision.leaves(of(repo), commit(shop(repo)))
    assert [leaf.file for leaf in past.leaves] == ["overlay/recipe.yaml"]
    (finding,) = past.findings
    assert (finding.code, finding.severity, finding.file) == (
        "not-compared",
        "warning",
        "broken.yaml",
    )
