"""`sopsmith restore` with real git and sops: an old value comes back as a new change."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.past import LEAF, change, commit, git, give, sops, storied, told
from tests.repository import Repo


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository with one commit, tagged."""
    storied(repo)
    git(repo, "tag", "start")
    return repo


def emitted(repo: Repo) -> dict[str, bytes]:
    """What is emitted now."""
    return repo.cli("render", "overlay").secrets["shop"]


def spec_of(repo: Repo, name: str) -> dict[str, Any]:
    """A value's fields in the leaf."""
    tree = yaml.safe_load((repo.path / LEAF).read_text())
    fields: dict[str, Any] = tree["spec"]["values"][name]
    return fields


def restore(repo: Repo, name: str, *argv: str, to: str = "start") -> Any:
    """Restore a value, and what the command tells as data."""
    run = repo.cli("restore", name, "--to", to, *argv, "--output", "json")
    assert run.code == 0, run.err
    return run.document


# --- given and stored values ----------------------------------------------------------------------


def test_a_given_value_comes_back(shop: Repo) -> None:
    before = emitted(shop)
    give(shop, "TOKEN")
    commit(shop)
    run = shop.cli("restore", "TOKEN", "--to", "HEAD~1")
    assert run.code == 0, run.err
    assert run.out.startswith("TOKEN is what it was in ")
    assert "Secrets that change: shop\n" in run.out
    assert emitted(shop) == before
    assert git(shop, "status", "--short") == "M shop.enc.yaml"
    assert git(shop, "rev-list", "--count", "HEAD") == "2"


def test_only_that_value_comes_back(shop: Repo) -> None:
    give(shop, "TOKEN")
    master = give(shop, "MASTER")
    commit(shop)
    restore(shop, "TOKEN")
    assert emitted(shop)["MASTER"] == master.encode()
    rows = told(shop, "diff")
    assert [row["name"] for row in rows if row["what"] == "value"] == ["TOKEN"]


def test_commit_makes_one_commit_that_the_audit_knows(shop: Repo) -> None:
    for name, value in (("user.name", "Ada"), ("user.email", "a@b")):
        git(shop, "config", name, value)
    give(shop, "TOKEN")
    commit(shop)
    made = restore(shop, "TOKEN", "--commit")
    assert made["commit"] == git(shop, "rev-parse", "HEAD")
    (row,) = told(shop, "audit", "--since", "HEAD~1")
    assert (row["command"], row["name"], row["change"]) == ("restore", "TOKEN", "changed")
    assert git(shop, "status", "--short") == ""


@pytest.mark.parametrize("name", ["TOKEN", "PASSWORD"])
def test_what_was_restored_and_not_committed_is_committed_by_the_next_run(
    shop: Repo, name: str
) -> None:
    for key, text in (("user.name", "Ada"), ("user.email", "a@b")):
        git(shop, "config", key, text)
    give(shop, "TOKEN")
    change(shop, "PASSWORD", version=2)
    commit(shop)
    restore(shop, name)
    run = shop.cli("restore", name, "--to", "start", "--commit")
    assert (run.code, "nothing changed\ncommitted " in run.out) == (0, True), run.err
    assert git(shop, "status", "--short") == ""


@pytest.mark.parametrize("name", ["TOKEN", "PASSWORD"])
def test_a_dry_run_writes_nothing(shop: Repo, name: str) -> None:
    give(shop, "TOKEN")
    change(shop, "PASSWORD", version=2)
    commit(shop)
    run = shop.cli("restore", name, "--to", "start", "--dry-run", "--commit")
    assert run.out.startswith(f"{name} would be ")
    assert git(shop, "status", "--short") == ""
    assert restore(shop, name, "--dry-run")["dryRun"] is True


@pytest.mark.parametrize("name", ["TOKEN", "PASSWORD"])
def test_what_is_as_it_was_stays(shop: Repo, name: str) -> None:
    run = shop.cli("restore", name, "--to", "start")
    assert (run.code, run.err) == (0, "")
    assert "nothing changed" in run.out
    assert git(shop, "status", "--short") == ""


def test_a_value_comes_back_to_where_its_component_is_now(shop: Repo) -> None:
    before = emitted(shop)
    give(shop, "TOKEN")
    git(shop, "mv", "shop.enc.yaml", "moved.enc.yaml")
    shop.edit(LEAF, lambda text: text.replace("shop.enc", "moved.enc"))
    commit(shop)
    assert restore(shop, "TOKEN")["files"] == ["moved.enc.yaml"]
    assert emitted(shop) == before


def test_a_value_that_was_unset_comes_back(shop: Repo) -> None:
    before = emitted(shop)
    sops(shop, "--config", "/dev/null", "unset", "shop.enc.yaml", '["TOKEN"]')
    commit(shop)
    restore(shop, "TOKEN")
    assert emitted(shop) == before


def test_a_file_under_another_data_key_gives_its_old_values(shop: Repo) -> None:
    before = emitted(shop)
    sops(shop, "--config", "/dev/null", "rotate", "-i", "shop.enc.yaml")
    give(shop, "TOKEN")
    commit(shop)
    restore(shop, "TOKEN")
    assert emitted(shop) == before


def test_whole_files_and_secrets_come_back(repo: Repo) -> None:
    content = repo.canary().encode() + b"\0\xff"
    repo.component("key.p12.enc", content)
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    regex = ("--encrypted-regex", "^(data|stringData)$")
    api = base64.b64encode(repo.canary().encode()).decode()
    repo.component("s.enc.yaml", {**manifest, "data": {"API": api}}, *regex)
    files = ["../shop.enc.yaml", "../s.enc.yaml", {"path": "../key.p12.enc", "as": "KEY"}]
    storied(repo, values={"KEY": {}, "API": {}}, components=files)
    rule = (
        f"- path_regex: ^s.enc\n  age: {repo.recipient}\n  encrypted_regex: ^(data|stringData)$\n"
    )
    repo.edit(".sops.yaml", lambda text: text.replace("rules:\n", "rules:\n" + rule))
    before = emitted(repo)
    repo.component("key.p12.enc", b"other")
    repo.run("sops", "--config", "/dev/null", "set", "--value-stdin", "s.enc.yaml",
             '["data"]["API"]', stdin=b'"b3RoZXI="')  # fmt: skip
    commit(repo)
    assert emitted(repo) != before
    for name in ("KEY", "API"):
        restore(repo, name, to="HEAD~1")
    assert emitted(repo) == before


def test_without_a_key_of_the_old_file_it_is_said(shop: Repo, tmp_path: Path) -> None:
    other = tmp_path / "other.txt"
    shop.run("age-keygen", "-o", str(other))
    recipient = shop.run("age-keygen", "-y", str(other)).out.strip()
    shop.edit(".sops.yaml", lambda text: text.replace(shop.recipient, recipient))
    sops(shop, "updatekeys", "--yes", "shop.enc.yaml")
    give_with = {**shop.env}
    shop.env["SOPS_AGE_KEY_FILE"] = str(other)
    give(shop, "TOKEN")
    commit(shop)
    run = shop.cli("restore", "TOKEN", "--to", "start")
    assert (run.code, run.codes) == (3, {"no-key"})
    assert "as of" in run.err
    shop.env.update(give_with)


def test_a_value_that_the_rules_of_today_refuse_stays_away(shop: Repo) -> None:
    give(shop, "TOKEN", shop.canary(after="x" * 30))
    change(shop, "TOKEN", rules={"minLength": 40})
    commit(shop)
    run = shop.cli("restore", "TOKEN", "--to", "start")
    assert (run.code, run.codes) == (1, {"min-length"})
    assert git(shop, "status", "--short") == ""


# --- generated values -----------------------------------------------------------------------------


def test_a_generated_value_is_made_as_it_was(shop: Repo) -> None:
    before = emitted(shop)
    change(shop, "PASSWORD", version=4, maxAge="90d", rotated="2026-02-01")
    shop.edit(LEAF, lambda text: "# kept\n" + text)
    commit(shop)
    assert restore(shop, "PASSWORD") | {"to": "", "commit": None} == {
        "value": "PASSWORD", "environment": "production", "to": "", "files": [LEAF],
        "dryRun": False, "derived": ["URL"], "secrets": ["shop"], "commit": None,
        "findings": [],
    }  # fmt: skip
    assert emitted(shop) == before
    fields = spec_of(shop, "PASSWORD")
    assert fields["version"] == 1
    expected = {"version": 4, "seed": "1", "generate": {"password": {}}}
    assert fields["previous"] == expected
    assert str(fields["rotated"]) > "2026-02-01"
    assert (shop.path / LEAF).read_text().startswith("# kept\n")


@pytest.mark.parametrize(
    "now",
    [
        {"generate": {"password": {"length": 40}}},
        {"generate": {"bytes": {"size": 20, "encoding": "hex"}}},
        {"id": "OTHER"},
    ],
    ids=str,
)
def test_what_it_was_made_from_comes_back_whole(shop: Repo, now: dict[str, Any]) -> None:
    before = emitted(shop)
    change(shop, "PASSWORD", version=2, **now)
    shop.edit("overlay/kustomization.yaml", lambda text: text + "# x\n")
    commit(shop)
    made = emitted(shop)
    restore(shop, "PASSWORD")
    assert emitted(shop) == before
    change(shop, "OLD", derive={"previousOf": "PASSWORD"})
    if "id" not in now:  # `previous` has the id of today
        assert emitted(shop)["OLD"] == made["PASSWORD"]


def test_a_generator_of_the_base_is_overruled_in_the_leaf(shop: Repo) -> None:
    base = "apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\nspec:\n  values:\n"
    shop.write("base.yaml", base + "    PASSWORD: {generate: {password: {}}}\n")
    change(shop, "PASSWORD", generate=None, version=1)
    shop.edit(LEAF, lambda text: text.replace("spec:\n", "spec:\n  extends: ../base.yaml\n", 1))
    commit(shop)
    before = emitted(shop)
    shop.write("base.yaml", base + "    PASSWORD: {generate: {password: {length: 40}}}\n")
    change(shop, "PASSWORD", version=2)
    commit(shop)
    restore(shop, "PASSWORD", to="HEAD~1")
    assert emitted(shop) == before
    assert git(shop, "status", "--short") == f"M {LEAF}"


def test_restored_twice_the_highest_version_is_remembered(shop: Repo) -> None:
    for version in (2, 3, 4):
        change(shop, "PASSWORD", version=version)
        commit(shop)
    restore(shop, "PASSWORD", to="HEAD~1")
    commit(shop)
    restore(shop, "PASSWORD")
    fields = spec_of(shop, "PASSWORD")
    assert (fields["version"], fields["previous"]["version"]) == (1, 4)


def test_the_next_rotation_goes_past_every_version_that_was_used(shop: Repo) -> None:
    for version in (2, 3):
        change(shop, "PASSWORD", version=version)
        commit(shop)
    restore(shop, "PASSWORD")
    commit(shop)
    run = shop.cli("rotate", "PASSWORD", "--yes")
    assert run.code == 0, run.err
    assert spec_of(shop, "PASSWORD")["version"] == 4


SEEDS = {"gone": None, "another": "a" * 32}


@pytest.mark.parametrize("case", SEEDS)
def test_without_the_old_seed_it_is_refused(shop: Repo, case: str) -> None:
    seed = shop.canary("5" * 63 + "a")
    give(shop, "SOPSMITH_SEED_2", seed)
    document = yaml.safe_load((shop.path / LEAF).read_text())
    document["spec"]["seeds"]["2"] = "b" * 32
    document["spec"]["seeds"]["1"] = SEEDS[case]
    shop.write(LEAF, yaml.safe_dump(document, sort_keys=False))
    change(shop, "PASSWORD", version=2, seed="2")
    commit(shop)
    run = shop.cli("restore", "PASSWORD", "--to", "start")
    assert (run.code, run.codes) == (5, {"seed-refused"})
    assert "SOPSMITH_SEED_1" in run.err
    assert git(shop, "status", "--short") == ""


def test_a_renamed_value_is_found_by_its_id(shop: Repo) -> None:
    before = emitted(shop)
    change(shop, "PASSWORD")
    change(shop, "DB_PASSWORD", generate={"password": {}}, id="PASSWORD", version=2)
    change(shop, "URL", derive={"template": "x$(DB_PASSWORD)"})
    commit(shop)
    restore(shop, "DB_PASSWORD")
    assert emitted(shop)["DB_PASSWORD"] == before["PASSWORD"]


# --- what can't be --------------------------------------------------------------------------------


def test_a_derived_value_names_its_inputs(shop: Repo) -> None:
    run = shop.cli("restore", "URL", "--to", "start")
    assert (run.code, run.codes) == (2, {"usage"})
    assert "restore what it is derived from: PASSWORD" in run.err


def test_another_origin_has_no_way_back(shop: Repo) -> None:
    change(shop, "PASSWORD", generate=None)
    give(shop, "PASSWORD")
    commit(shop)
    run = shop.cli("restore", "PASSWORD", "--to", "start")
    assert (run.code, run.codes) == (2, {"usage"})
    assert "is given now and was generated" in run.err


def test_a_default_is_not_in_a_component(shop: Repo) -> None:
    change(shop, "HOST", default="db.example.org")
    first = commit(shop)
    change(shop, "HOST", default=None)
    give(shop, "HOST")
    commit(shop)
    run = shop.cli("restore", "HOST", "--to", first)
    assert (run.code, run.codes) == (2, {"usage"})
    assert f"git show {first[:12]}:./{LEAF}" in run.err
    assert "example.org" not in run.err


MISSING = {
    "no commit": ("TOKEN", "nowhere", "no commit is called that"),
    "an option": ("TOKEN", "--all", "no commit is called that"),
    "no such value": ("TOKN", "start", "is no declared value"),
    "not yet": ("LATE", "start", "is no value yet in"),
    "no leaf": ("TOKEN", "empty", "has no leaf of shop for production"),
    "broken": ("TOKEN", "broken", "can't be read as it was"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_not_there_is_said(shop: Repo, case: str) -> None:
    name, to, words = MISSING[case]
    git(shop, "rm", "-q", "--cached", LEAF)
    git(shop, "commit", "-q", "-m", "x")
    git(shop, "tag", "empty")
    text = (shop.path / LEAF).read_text()
    shop.write(LEAF, text + "  secerts: {}\n")
    commit(shop)
    git(shop, "tag", "broken")
    shop.write(LEAF, text)
    change(shop, "LATE", optional=True)
    give(shop, "LATE")
    commit(shop)
    run = shop.cli("restore", name, f"--to={to}")
    assert run.code == 2
    assert words in run.err


def test_a_shallow_clone_says_what_to_do(shop: Repo, tmp_path: Path) -> None:
    commit(shop)
    clone = str(tmp_path / "clone")
    git(shop, "clone", "-q", "--depth", "1", f"file://{shop.path}", clone)
    run = shop.run("sopsmith", "restore", "TOKEN", "--to", "HEAD~1", cwd=clone)
    assert (run.code, run.codes) == (2, {"usage"})
    assert "git fetch --unshallow" in run.err


def test_a_component_that_was_broken_then(shop: Repo) -> None:
    data = (shop.path / "shop.enc.yaml").read_bytes()
    shop.write("shop.enc.yaml", data.replace(b"TOKEN: ENC", b"TOKEN: XNC"))
    then = commit(shop)
    shop.write("shop.enc.yaml", data)
    commit(shop)
    run = shop.cli("restore", "TOKEN", "--to", then)
    assert (run.code, run.codes) == (5, {"not-encrypted"})
