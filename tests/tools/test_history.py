"""`sopsmith history` with real git and sops: every version of a value, without a key."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.past import LEAF, change, commit, git, give, sops, storied, told
from tests.repository import Repo


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository with one commit, and nobody has a key."""
    storied(repo)
    repo.env.pop("SOPS_AGE_KEY_FILE")
    return repo


def versions(repo: Repo, name: str, *argv: str) -> list[tuple[str, str, str]]:
    """What `history` tells, newest first."""
    return [
        (row["value"], row["change"], row["detail"]) for row in told(repo, "history", name, *argv)
    ]


def with_key(repo: Repo) -> None:
    """From here on there is a key."""
    repo.env["SOPS_AGE_KEY_FILE"] = str(repo.key_file)


def test_a_generated_value_has_a_version_a_commit(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2, rotated="2026-02-01")
    second = commit(shop, "rotate", day="2026-02-01", author="Bea")
    change(shop, "PASSWORD", rules={"minLength": 9})
    commit(shop, "only a rule")
    change(shop, "PASSWORD", version=3, seed="1")
    commit(shop, day="2026-03-01")
    rows = told(shop, "history", "PASSWORD")
    assert versions(shop, "PASSWORD") == [
        ("PASSWORD", "rotated", "version 2 → 3"),
        ("PASSWORD", "rotated", "version 1 → 2"),
        ("PASSWORD", "added", "generated, version 1"),
    ]
    assert rows[1] == {
        "value": "PASSWORD", "change": "rotated", "detail": "version 1 → 2",
        "commit": second, "author": "Bea", "email": "bea@example.org",
        "date": "2026-02-01T12:00:00+00:00", "subject": "rotate",
    }  # fmt: skip


def test_a_given_value_has_a_version_a_ciphertext(shop: Repo) -> None:
    with_key(shop)
    give(shop, "TOKEN")
    commit(shop)
    give(shop, "MASTER")
    commit(shop, "another value of the file")
    sops(shop, "--config", "/dev/null", "rotate", "-i", "shop.enc.yaml")
    commit(shop)
    shop.run("sops", "--config", "/dev/null", "unset", "shop.enc.yaml", '["TOKEN"]')
    commit(shop)
    give(shop, "TOKEN")
    commit(shop)
    shop.env.pop("SOPS_AGE_KEY_FILE")
    assert versions(shop, "TOKEN") == [
        ("TOKEN", "changed", "now in shop.enc.yaml"),
        ("TOKEN", "changed", "no longer in shop.enc.yaml"),
        ("TOKEN", "re-encrypted", ""),
        ("TOKEN", "changed", ""),
        ("TOKEN", "added", "given in shop.enc.yaml"),
    ]


def test_a_derived_value_has_those_of_its_inputs(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2)
    commit(shop)
    change(shop, "URL", derive={"template": "x$(PASSWORD)"})
    commit(shop)
    change(shop, "CONF", derive={"template": "$(URL)"})
    commit(shop)
    assert versions(shop, "CONF") == [
        ("CONF", "added", "derived"),
        ("URL", "changed", "derivation"),
        ("PASSWORD", "rotated", "version 1 → 2"),
        ("PASSWORD", "added", "generated, version 1"),
        ("URL", "added", "derived"),
    ]


def test_a_value_is_followed_through_a_rename(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2)
    commit(shop)
    change(shop, "PASSWORD")
    change(shop, "DB_PASSWORD", generate={"password": {}}, id="PASSWORD", version=2)
    change(shop, "URL", derive={"template": "x$(DB_PASSWORD)"})
    commit(shop)
    assert versions(shop, "DB_PASSWORD") == [
        ("DB_PASSWORD", "renamed", "from PASSWORD"),
        ("PASSWORD", "rotated", "version 1 → 2"),
        ("PASSWORD", "added", "generated, version 1"),
    ]


def test_a_value_that_is_gone_keeps_its_history(shop: Repo) -> None:
    change(shop, "TOKEN")
    commit(shop)
    assert [row[1] for row in versions(shop, "TOKEN")] == ["removed", "added"]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [("PASWORD", "did you mean PASSWORD?"), ("TOKENN", "did you mean TOKEN?"),
     ("QQQ", "sopsmith list -e production")],
)  # fmt: skip
def test_a_name_that_no_value_ever_had_is_a_mistake(shop: Repo, typed: str, hint: str) -> None:
    """TOKEN is no value any more, and was one."""
    change(shop, "TOKEN")
    commit(shop)
    run = shop.cli("history", typed)
    assert (run.code, run.codes, run.out) == (2, {"recipe-name"}, "")
    assert hint in run.err


def test_a_value_that_was_never_committed_has_no_history(shop: Repo) -> None:
    change(shop, "NEW", optional=True)
    assert versions(shop, "NEW") == []
    assert shop.cli("history", "NEW").out == "no commit that is here has changed NEW\n"


def test_a_recipe_and_a_component_that_moved_keep_theirs(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2)
    commit(shop)
    git(shop, "mv", "overlay", "overlays")
    git(shop, "mv", "shop.enc.yaml", "moved.enc.yaml")
    shop.edit("overlays/recipe.yaml", lambda text: text.replace("shop.enc", "moved.enc"))
    commit(shop)
    assert [row[1] for row in versions(shop, "PASSWORD")] == ["rotated", "added"]
    assert [row[1] for row in versions(shop, "TOKEN")] == ["added"]


def test_a_change_in_a_base_is_one_of_the_leaf(shop: Repo) -> None:
    base = "apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\nspec:\n  values:\n"
    shop.write("base.yaml", base + "    PASSWORD: {generate: {password: {}}}\n")
    change(shop, "PASSWORD", generate=None, version=1)
    shop.edit(LEAF, lambda text: text.replace("spec:\n", "spec:\n  extends: ../base.yaml\n"))
    commit(shop)
    shop.write("base.yaml", base + "    PASSWORD: {generate: {password: {length: 40}}}\n")
    commit(shop)
    assert [row[1:] for row in versions(shop, "PASSWORD")] == [
        ("changed", "length 32 → 40"), ("added", "generated, version 1"),
    ]  # fmt: skip


def test_other_environments_do_not_count(shop: Repo) -> None:
    text = (shop.path / LEAF).read_text()
    shop.write("dev/recipe.yaml", text.replace("environment: production", "environment: dev"))
    shop.write("dev/kustomization.yaml", "generators: [recipe.yaml]\n")
    commit(shop)
    change(shop, "PASSWORD", "dev/recipe.yaml", version=2)
    commit(shop)
    assert [row[1] for row in versions(shop, "PASSWORD", "-e", "production")] == ["added"]
    assert [row[1] for row in versions(shop, "PASSWORD", "-e", "dev")] == ["rotated", "added"]
    assert shop.cli("history", "PASSWORD").codes == {"usage"}


@pytest.fixture
def joining(shop: Repo) -> Repo:
    """A merge of TOKEN by one side and MASTER by the other, joined by our driver, not committed."""
    with_key(shop)
    shop.write(".gitattributes", "*.enc.* merge=sopsmith\n")
    for name, text in (("name", "sopsmith"), ("driver", "sopsmith merge -- %O %A %B %P")):
        git(shop, "config", f"merge.sopsmith.{name}", text)
    commit(shop, "driver")
    main = git(shop, "branch", "--show-current")
    git(shop, "checkout", "-qb", "side")
    give(shop, "TOKEN")
    commit(shop, "side", day="2026-02-01")
    git(shop, "checkout", "-q", main)
    give(shop, "MASTER")
    commit(shop, "main", day="2026-02-02")
    git(shop, "merge", "-q", "--no-ff", "--no-commit", "side")
    return shop


ANEW = "or only encrypted anew by the merge"


@pytest.mark.parametrize("is_given", [False, True])
def test_a_merge_that_encrypts_a_side_s_value_anew_may_have_changed_it(
    joining: Repo, is_given: bool
) -> None:
    """Without a key nobody knows whether it is the side's value, or one of whoever merged."""
    if is_given:
        give(joining, "TOKEN")
    commit(joining, "merge", day="2026-02-03")
    changes = [(row["subject"], row["change"]) for row in told(joining, "history", "TOKEN")]
    assert changes == [("merge", "changed"), ("side", "changed"), ("start", "added")]
    rows = [row for row in told(joining, "audit") if row["what"] == "value"]
    found = {(row["subject"], row["name"], row["detail"]) for row in rows[:3]}
    assert found == {("merge", "TOKEN", ANEW), ("main", "MASTER", ""), ("side", "TOKEN", "")}


def test_a_value_that_a_merge_gave_anew_is_changed_for_sure(joining: Repo) -> None:
    """Where both sides agree, or neither has one as long, it is of whoever merged."""
    give(joining, "TOKEN", joining.canary() + "x")
    commit(joining, "longer", day="2026-02-03")
    assert versions(joining, "TOKEN")[0] == ("TOKEN", "changed", "")
    main = git(joining, "branch", "--show-current")
    git(joining, "checkout", "-qb", "more")
    commit(joining, "more", day="2026-02-04")
    git(joining, "checkout", "-q", main)
    commit(joining, "main again", day="2026-02-05")
    git(joining, "merge", "-q", "--no-ff", "--no-commit", "more")
    give(joining, "TOKEN")
    commit(joining, "evil", day="2026-02-06")
    first = told(joining, "history", "TOKEN")[0]
    assert (first["subject"], first["change"], first["detail"]) == ("evil", "changed", "")


def test_a_merge_counts_only_where_it_differs_from_both_sides(shop: Repo) -> None:
    main = git(shop, "branch", "--show-current")
    git(shop, "checkout", "-qb", "side")
    change(shop, "PASSWORD", version=2)
    commit(shop, "side", day="2026-02-01")
    git(shop, "checkout", "-q", main)
    shop.edit(LEAF, lambda text: text.replace("hash: false", "hash: true"))
    commit(shop, "main", day="2026-02-02")
    git(shop, "merge", "-q", "--no-ff", "--no-commit", "side")
    commit(shop, "merge", day="2026-02-03")
    assert [row["subject"] for row in told(shop, "history", "PASSWORD")] == ["side", "start"]
    git(shop, "checkout", "-q", "-b", "more")
    change(shop, "PASSWORD", version=3)
    commit(shop, "more", day="2026-02-04")
    git(shop, "checkout", "-q", main)
    shop.edit(LEAF, lambda text: text.replace("hash: true", "hash: false"))
    commit(shop, "main again", day="2026-02-05")
    git(shop, "merge", "-q", "--no-ff", "--no-commit", "more")
    change(shop, "PASSWORD", version=4)
    commit(shop, "evil", day="2026-02-06")
    subjects = [row["subject"] for row in told(shop, "history", "PASSWORD")]
    assert subjects == ["evil", "more", "side", "start"]


def test_a_commit_with_a_broken_recipe_changes_nothing_that_is_known(shop: Repo) -> None:
    text = (shop.path / LEAF).read_text()
    shop.write(LEAF, text + "  secerts: {}\n")
    commit(shop, "broken")
    shop.write(LEAF, text)
    change(shop, "PASSWORD", version=2)
    commit(shop, "mended")
    rows = told(shop, "history", "PASSWORD")
    assert [(row["subject"], row["change"]) for row in rows] == [
        ("mended", "rotated"), ("start", "added"),
    ]  # fmt: skip


def test_a_shallow_clone_says_where_it_ends(shop: Repo, tmp_path: Path) -> None:
    change(shop, "PASSWORD", version=2)
    commit(shop)
    change(shop, "PASSWORD", version=3)
    commit(shop)
    clone = str(tmp_path / "clone")
    git(shop, "clone", "-q", "--depth", "2", f"file://{shop.path}", clone)
    run = shop.run("sopsmith", "history", "PASSWORD", cwd=clone)
    assert run.code == 0
    assert "version 2 → 3" in run.out
    assert "added" not in run.out
    assert "[shallow-clone]" in run.err
    assert "git fetch --unshallow" in run.err


def test_before_the_first_commit(repo: Repo) -> None:
    repo.shop({"TOKEN": repo.canary()})
    run = repo.cli("history", "TOKEN")
    assert (run.code, run.codes) == (2, {"usage"})


def test_uncommitted_changes_are_no_history(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2)
    assert [row[1] for row in versions(shop, "PASSWORD")] == ["added"]


def test_a_worktree_and_a_root_below_the_top_have_the_same_history(
    repo: Repo, tmp_path: Path
) -> None:
    inner = Repo.__new__(Repo)
    inner.__dict__.update(repo.__dict__, path=repo.path / "deep")
    inner.env = {**repo.env, "SOPSMITH_ROOT": str(inner.path)}
    storied(inner)
    change(inner, "PASSWORD", version=2)
    commit(inner)
    assert [row[1] for row in versions(inner, "PASSWORD")] == ["rotated", "added"]
    git(repo, "worktree", "add", "-q", str(tmp_path / "tree"))
    run = repo.run("sopsmith", "history", "PASSWORD", "-e", "production",
                   cwd=str(tmp_path / "tree/deep"))  # fmt: skip
    assert run.out.count("PASSWORD") == 2


def test_the_author_of_a_commit_does_not_speak_to_the_terminal(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2)
    commit(shop, author="a\x1b[31mb")
    run = shop.cli("history", "PASSWORD")
    assert "a\\x1b[31mb" in run.out
    assert "\x1b" not in run.out


def test_hundreds_of_commits_take_a_moment(shop: Repo) -> None:
    text = (shop.path / LEAF).read_text()
    stream = bytearray()
    for index in range(300):
        data = text.replace("PASSWORD:\n", f"PASSWORD:\n      version: {index + 1}\n", 1).encode()
        stream += b"commit refs/heads/long\ncommitter A <a@b> %d +0000\n" % (10**9 + index)
        stream += b"data 1\nx\n" + (b"from HEAD\n" if index == 0 else b"")
        stream += b"M 100644 inline %s\ndata %d\n%s\n" % (LEAF.encode(), len(data), data)
    git_import = shop.run("git", "fast-import", "--quiet", stdin=bytes(stream))
    assert git_import.code == 0, git_import.err
    git(shop, "checkout", "-q", "long")
    begin = time.monotonic()
    assert len(versions(shop, "PASSWORD")) == 300
    assert time.monotonic() - begin < 30  # 0.6 s where nothing else runs
