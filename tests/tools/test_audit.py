"""`sopsmith audit` with real git and sops: who changed what, when, and signed or not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.past import LEAF, change, commit, git, give, storied, told
from tests.repository import Repo


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository with three commits of two people."""
    storied(repo)
    change(repo, "PASSWORD", version=2)
    trailers = "Sopsmith-Command: rotate\nSopsmith-Environment: production\n"
    commit(repo, f"secrets: rotate\n\n{trailers}", day="2026-02-01", author="Bea")
    git(repo, "tag", "v1")
    give(repo, "TOKEN")
    commit(repo, "a token", day="2026-03-01")
    return repo


def trail(repo: Repo, *argv: str) -> list[tuple[str, str, str, str]]:
    """Who changed what how."""
    rows = told(repo, "audit", *argv)
    return [(row["author"], row["what"], row["name"], row["change"]) for row in rows]


def test_the_trail_tells_who_changed_what_and_needs_no_key(shop: Repo) -> None:
    shop.env.pop("SOPS_AGE_KEY_FILE")
    rows = told(shop, "audit")
    assert trail(shop)[:2] == [
        ("Ada", "value", "TOKEN", "changed"), ("Bea", "value", "PASSWORD", "rotated"),
    ]  # fmt: skip
    assert {(row["name"], row["change"]) for row in rows[2:]} == {
        (name, "added")
        for name in ("MASTER", "TOKEN", "PASSWORD", "URL", "1", "shop", "shop.enc.yaml",
                     ".sops.yaml")
    }  # fmt: skip
    assert rows[1] == {
        "commit": git(shop, "rev-parse", "v1"), "author": "Bea", "email": "bea@example.org",
        "date": "2026-02-01T12:00:00+00:00", "subject": "secrets: rotate", "signed": "no",
        "command": "rotate", "app": "shop", "environment": "production",
        "what": "value", "name": "PASSWORD", "change": "rotated", "detail": "version 1 → 2",
    }  # fmt: skip


def test_json_lines_are_the_rows_of_json(shop: Repo) -> None:
    lines = shop.cli("audit", "--output", "jsonl").out.splitlines()
    assert [json.loads(line) for line in lines] == told(shop, "audit")


def test_the_trail_reads_the_same_whatever_encoding_git_is_told_to_write(shop: Repo) -> None:
    before = told(shop, "audit")
    git(shop, "config", "i18n.logOutputEncoding", "UTF-16")
    assert told(shop, "audit") == before


@pytest.mark.parametrize(
    ("since", "count"),
    [("v1", 1), ("2026-02-02", 1), ("2026-02-01", 2), ("2026-02-01T12:30", 1), ("HEAD", 0),
     ("2027-01-01", 0)],
)  # fmt: skip
def test_since_a_commit_or_a_day(shop: Repo, since: str, count: int) -> None:
    assert len(trail(shop, "--since", since)) == count


@pytest.mark.parametrize(
    "since", ["yesterday", "nowhere", "-1", "2026-1-1", "2026-02-01x", "2026-02-30"]
)
def test_since_something_else(shop: Repo, since: str) -> None:
    run = shop.cli("audit", f"--since={since}")
    assert (run.code, run.codes) == (2, {"usage"})


def test_nothing_happened(shop: Repo) -> None:
    assert shop.cli("audit", "--since", "HEAD").out == "no commit changed a secret\n"
    assert shop.cli("audit", "--since", "HEAD", "--output", "jsonl").out == ""


def test_readers_and_rules_are_on_the_trail(shop: Repo) -> None:
    other = shop.run("age-keygen").out.split("public key: ")[1].split()[0]
    shop.edit(".sops.yaml", lambda text: text.replace(shop.recipient, f"{shop.recipient},{other}"))
    assert shop.run("sops", "updatekeys", "--yes", "shop.enc.yaml").code == 0
    commit(shop, "admit", day="2026-04-01", author="Eve")
    assert trail(shop, "--since", "2026-04-01") == [
        ("Eve", "rule", ".sops.yaml", "changed"), ("Eve", "recipient", "shop.enc.yaml", "added"),
    ]  # fmt: skip
    assert other in shop.cli("audit").out


def test_one_environment_alone(shop: Repo) -> None:
    text = (shop.path / LEAF).read_text()
    shop.write("dev/recipe.yaml", text.replace("environment: production", "environment: dev"))
    commit(shop, day="2026-04-01")
    for file in (LEAF, "dev/recipe.yaml"):
        change(shop, "PASSWORD", file, version=5)
    commit(shop, day="2026-05-01")
    since = ("--since", "2026-05-01")
    assert {row["environment"] for row in told(shop, "audit", *since)} == {"dev", "production"}
    for where in ("dev", "dev/recipe.yaml"):
        assert {row["environment"] for row in told(shop, "audit", *since, "-e", where)} == {"dev"}
    assert shop.cli("audit", "-e", "nowhere").codes == {"usage"}


def test_two_apps_are_told_apart(shop: Repo) -> None:
    text = (shop.path / LEAF).read_text()
    shop.write("till/recipe.yaml", text.replace("app: shop", "app: till"))
    commit(shop)
    out = shop.cli("audit").out
    assert "shop/production" in out
    assert "till/production" in out


def test_a_broken_recipe_is_on_the_trail_and_stops_nothing(shop: Repo) -> None:
    text = (shop.path / LEAF).read_text()
    shop.write(LEAF, text + "  secerts: {}\n")
    commit(shop, day="2026-04-01")
    shop.write(LEAF, text)
    commit(shop, day="2026-04-02")
    assert trail(shop, "--since", "v1")[:-1] == [
        ("Ada", "recipe", LEAF, "readable again"), ("Ada", "recipe", LEAF, "broken"),
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["good", "forged"])
def test_signatures_are_told_and_fail_nothing(shop: Repo, tmp_path: Path, form: str) -> None:
    key = tmp_path / "id"
    shop.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    (tmp_path / "allowed").write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)),
                        ("gpg.ssh.allowedSignersFile", str(tmp_path / "allowed"))):  # fmt: skip
        git(shop, "config", name, value)
    change(shop, "PASSWORD", version=3)
    git(shop, "add", "-A")
    git(shop, "commit", "-q", "-S", "-m", "signed")
    if form == "forged":
        text = shop.run("git", "cat-file", "commit", "HEAD").out.replace("signed", "forged")
        flags = ("hash-object", "-t", "commit", "-w", "--stdin")
        made = shop.run("git", *flags, stdin=text.encode()).out.strip()
        git(shop, "reset", "-q", "--hard", made)
    run = shop.cli("audit", "--since", "HEAD~1")
    assert run.code == 0
    assert ("BAD" if form == "forged" else "good") in run.out
    assert {row["signed"] for row in told(shop, "audit", "--since", "v1")} == {
        "no", "BAD" if form == "forged" else "good",
    }  # fmt: skip


def test_what_a_merge_threw_away_was_in_git_all_the_same(shop: Repo) -> None:
    main = git(shop, "branch", "--show-current")
    git(shop, "checkout", "-qb", "side")
    give(shop, "MASTER")
    commit(shop, day="2026-04-01", author="Eve")
    git(shop, "checkout", "-q", main)
    git(shop, "merge", "-q", "--no-ff", "-s", "ours", "-m", "merge", "side")
    assert ("Eve", "value", "MASTER", "changed") in trail(shop)


def test_a_shallow_clone_says_where_it_ends(shop: Repo, tmp_path: Path) -> None:
    clone = str(tmp_path / "clone")
    git(shop, "clone", "-q", "--depth", "2", f"file://{shop.path}", clone)
    run = shop.run("sopsmith", "audit", cwd=clone)
    assert run.code == 0
    assert "[shallow-clone]" in run.err
    assert "added" not in run.out
    assert run.out.count("changed") == 1


def test_before_the_first_commit(repo: Repo) -> None:
    run = repo.cli("audit")
    assert (run.code, run.codes) == (2, {"usage"})
