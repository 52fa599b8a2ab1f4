"""`sopsmith diff` with real git and sops: what is told, and what can't be told without a key."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.past import LEAF, change, commit, git, give, in_yaml, sops, storied, told
from tests.repository import Repo

NO_KEY = {"SOPS_AGE_KEY_FILE": None}


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository with one commit."""
    return storied(repo)


def rows(repo: Repo, *argv: str) -> set[tuple[str, str, str, str]]:
    """What `diff` tells, without the environment."""
    found = told(repo, "diff", *argv)
    return {(row["what"], row["name"], row["change"], row["detail"]) for row in found}


# --- values ---------------------------------------------------------------------------------------


def test_nothing_changed(shop: Repo) -> None:
    assert shop.cli("diff").out == "nothing changed\n"
    assert rows(shop) == set()


def test_a_third_commit_is_refused(shop: Repo) -> None:
    run = shop.cli("diff", "HEAD", "HEAD", "HEAD")
    assert (run.code, run.codes, run.out) == (2, {"usage"}, "")
    assert "more than two commits were named" in run.err


def test_a_rotation_is_told_with_all_that_follows(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2, rotated="2026-02-01")
    assert rows(shop) == {
        ("value", "PASSWORD", "rotated", "version 1 → 2"),
        ("value", "URL", "changes", "by PASSWORD"),
        ("secret", "shop", "changes", "by PASSWORD, URL"),
    }


@pytest.mark.parametrize("key", [True, False], ids=["with a key", "without"])
def test_a_value_that_was_set_is_told_by_its_ciphertext(shop: Repo, key: bool) -> None:
    give(shop, "TOKEN")
    if not key:
        shop.env.pop("SOPS_AGE_KEY_FILE")
    assert rows(shop) == {
        ("value", "TOKEN", "changed", ""),
        ("secret", "shop", "changes", "by TOKEN"),
    }


CHANGES: dict[str, tuple[str, dict[str, Any], tuple[str, str]]] = {
    "generator": ("PASSWORD", {"generate": {"password": {"length": 40}}},
                  ("changed", "length 32 → 40")),
    "kind": ("PASSWORD", {"generate": {"bytes": {}}}, ("changed", "password → bytes")),
    "alphabet": ("PASSWORD", {"generate": {"password": {"alphabet": "0123456789abcdefghijklmn"}}},
                 ("changed", "alphabet")),
    "slot": ("PASSWORD", {"slot": "b"}, ("rotated", "slot - → b")),
    "id": ("PASSWORD", {"id": "OTHER"}, ("changed", "id PASSWORD → OTHER")),
    "derivation": ("URL", {"derive": {"template": "x $(PASSWORD)"}}, ("changed", "derivation")),
    "rules": ("TOKEN", {"rules": {"minLength": 12}}, ("settings", "rules")),
    "maxAge": ("PASSWORD", {"maxAge": "90d", "rotated": "2026-01-01"},
               ("settings", "maxAge, day of rotation")),
    "previous": ("PASSWORD", {"previous": {"version": 7}}, ("settings", "previous")),
    "origin": ("TOKEN", {"generate": {"password": {}}}, ("origin changed", "given → generated")),
    "stored": ("PASSWORD", {"stored": True}, ("origin changed", "generated → stored")),
    "new": ("NEW", {"generate": {"password": {}}, "version": 3},
            ("added", "generated, version 3")),
    "gone": ("TOKEN", {}, ("removed", "")),
    "absent": ("SMTP", {"optional": True}, ("added", "given, absent")),
    "default": ("HOST", {"default": "db"}, ("added", "given, default")),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_every_kind_of_change_has_its_word(shop: Repo, case: str) -> None:
    name, fields, expected = CHANGES[case]
    change(shop, name, **fields)
    assert ("value", name, *expected) in rows(shop)


def test_a_default_is_never_told(shop: Repo) -> None:
    change(shop, "HOST", default="first.example.org")
    commit(shop)
    change(shop, "HOST", default="second.example.org")
    run = shop.cli("diff")
    assert "HOST" in run.out
    assert "example.org" not in run.out


def test_a_value_that_came_and_went_in_a_component(shop: Repo) -> None:
    change(shop, "SMTP", optional=True)
    commit(shop)
    give(shop, "SMTP")
    assert ("value", "SMTP", "changed", "now in shop.enc.yaml") in rows(shop)
    commit(shop)
    shop.run("sops", "--config", "/dev/null", "unset", "shop.enc.yaml", '["SMTP"]')
    assert ("value", "SMTP", "changed", "no longer in shop.enc.yaml") in rows(shop)


def test_a_renamed_value_is_the_same_one(shop: Repo) -> None:
    change(shop, "PASSWORD")
    change(shop, "DB_PASSWORD", generate={"password": {}}, id="PASSWORD")
    change(shop, "URL", derive={"template": "x$(DB_PASSWORD)"})
    found = rows(shop)
    assert ("value", "DB_PASSWORD", "renamed", "from PASSWORD") in found
    assert not {row for row in found if row[1] == "PASSWORD"}


def test_a_file_that_moved_with_its_values_unchanged(shop: Repo) -> None:
    git(shop, "mv", "shop.enc.yaml", "moved.enc.yaml")
    shop.edit(LEAF, lambda text: text.replace("../shop.enc.yaml", "../moved.enc.yaml"))
    assert rows(shop) == {
        ("component", "shop.enc.yaml", "removed", "1 recipient"),
        ("component", "moved.enc.yaml", "added", "1 recipient"),
    }


def test_a_seed_that_was_replaced_changes_what_is_made_from_it(shop: Repo) -> None:
    shop.edit(LEAF, lambda text: text.replace(shop.seeds()["1"], "a" * 32))
    found = rows(shop)
    assert ("seed", "1", "replaced", "") in found
    assert ("value", "PASSWORD", "rotated", "seed 1 replaced") in found
    assert ("value", "URL", "changes", "by PASSWORD") in found


def test_what_a_previous_value_feeds_changes_with_it(shop: Repo) -> None:
    change(shop, "PASSWORD", version=2, previous={"version": 1})
    change(shop, "OLD", derive={"previousOf": "PASSWORD"})
    commit(shop)
    change(shop, "PASSWORD", previous={"version": 1, "generate": {"password": {"length": 9}}})
    found = rows(shop)
    assert ("value", "PASSWORD", "settings", "previous") in found
    assert ("value", "OLD", "changes", "by what PASSWORD was") in found
    assert ("secret", "shop", "changes", "by OLD") in found
    assert not {row for row in found if row[1] == "URL"}


def rotated(repo: Repo) -> None:
    """PASSWORD in its second version, and OLD is what it was before."""
    change(repo, "OLD", derive={"previousOf": "PASSWORD"})
    change(repo, "PASSWORD", version=2, previous={"version": 1})
    commit(repo, "rotated")


@pytest.mark.parametrize("key", [True, False], ids=["with a key", "without"])
def test_what_a_pinned_value_was_before_is_what_it_was(shop: Repo, key: bool) -> None:
    rotated(shop)
    assert shop.cli("pin", "PASSWORD").code == 0
    if not key:
        shop.env.pop("SOPS_AGE_KEY_FILE")
    found = rows(shop)
    assert ("value", "PASSWORD", "origin changed", "generated → stored") in found
    assert not {row for row in found if row[2] == "changes"}


def test_what_a_pinned_value_was_before_is_compared(shop: Repo) -> None:
    rotated(shop)
    assert shop.cli("pin", "PASSWORD").code == 0
    give(shop, "SOPSMITH_PREVIOUS_PASSWORD")
    found = rows(shop)
    assert ("value", "PASSWORD", "origin changed", "generated → stored, previous") in found
    assert ("value", "OLD", "changes", "by what PASSWORD was") in found


def test_what_a_value_was_before_is_compared_under_another_data_key(shop: Repo) -> None:
    rotated(shop)
    assert shop.cli("pin", "PASSWORD").code == 0
    commit(shop)
    sops(shop, "--config", "/dev/null", "rotate", "-i", "shop.enc.yaml")
    assert {row[0] for row in rows(shop)} == {"component"}
    give(shop, "SOPSMITH_PREVIOUS_PASSWORD", "x" * len(shop.cli("get", "OLD").out.strip()))
    assert ("value", "OLD", "changes", "by what PASSWORD was") in rows(shop)


# --- Secrets --------------------------------------------------------------------------------------


def test_a_secret_tells_its_keys(shop: Repo) -> None:
    shop.edit(LEAF, lambda text: text.replace("hash: false", "hash: true\n      type: x/y\n"
                                              "      data: {t: TOKEN}"))  # fmt: skip
    assert ("secret", "shop", "changed", "+t, type, hash") in rows(shop)


def test_a_secret_that_came_and_one_that_went(shop: Repo) -> None:
    shop.edit(LEAF, lambda text: text.replace("    shop:\n", "    till:\n"))
    assert {row for row in rows(shop) if row[0] == "secret"} == {
        ("secret", "shop", "removed", ""), ("secret", "till", "added", ""),
    }  # fmt: skip


# --- files: readers, data keys, rules -------------------------------------------------------------


@pytest.fixture
def other(tmp_path: Path) -> str:
    """Another recipient."""
    file = tmp_path / "other.txt"
    done = subprocess.run(["age-keygen", "-o", str(file)], check=True, capture_output=True)
    return done.stderr.decode().split()[-1]


def admit(repo: Repo, other: str) -> None:
    """Another recipient in the rules and in the file, by the data key that it has."""
    repo.edit(".sops.yaml", lambda text: text.replace(repo.recipient, f"{repo.recipient},{other}"))
    sops(repo, "updatekeys", "--yes", "shop.enc.yaml")


def test_a_new_reader_is_no_change_of_any_value(shop: Repo, other: str) -> None:
    admit(shop, other)
    assert rows(shop) == {
        ("rule", ".sops.yaml", "changed", f"enc: +{other}"),
        ("recipient", "shop.enc.yaml", "added", other),
    }


def test_a_removed_reader_is_told(shop: Repo, other: str) -> None:
    admit(shop, other)
    commit(shop)
    shop.edit(".sops.yaml", lambda text: text.replace(f",{other}", ""))
    sops(shop, "updatekeys", "--yes", "shop.enc.yaml")
    assert ("recipient", "shop.enc.yaml", "removed", other) in rows(shop)


RULES = {
    "another rule": ("- path_regex: x\n  age: {}\n", ("added", "x")),
    "broken": ("- path_rgex: x\n", ("changed", "can't be relied on: unknown field, which sops "
                                               "ignores")),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES)
def test_rules_that_changed(shop: Repo, case: str) -> None:
    more, expected = RULES[case]
    shop.edit(".sops.yaml", lambda text: text + more.replace("{}", shop.recipient))
    assert ("rule", ".sops.yaml", *expected) in rows(shop)


def test_under_another_data_key_nobody_knows_without_a_key(shop: Repo) -> None:
    sops(shop, "--config", "/dev/null", "rotate", "-i", "shop.enc.yaml")
    give(shop, "TOKEN")
    shop.env.pop("SOPS_AGE_KEY_FILE")
    unknown = ("component", "shop.enc.yaml", "re-encrypted", "values unknown without a key")
    assert rows(shop) == {unknown}


def test_under_another_data_key_a_key_tells_which_values_changed(shop: Repo) -> None:
    sops(shop, "--config", "/dev/null", "rotate", "-i", "shop.enc.yaml")
    give(shop, "TOKEN")
    assert rows(shop) == {
        ("component", "shop.enc.yaml", "re-encrypted", "values compared with a key"),
        ("value", "TOKEN", "changed", ""),
        ("secret", "shop", "changes", "by TOKEN"),
    }


@pytest.mark.parametrize("is_rotated", [False, True])
def test_a_pinned_value_that_was_rotated_before_is_another(shop: Repo, is_rotated: bool) -> None:
    if is_rotated:
        assert shop.cli("rotate", "PASSWORD").code == 0
    assert shop.cli("pin", "PASSWORD").code == 0
    news = {
        ("value", "PASSWORD", "origin changed", "generated → stored, another value"),
        ("value", "URL", "changes", "by PASSWORD"),
        ("secret", "shop", "changes", "by PASSWORD, URL"),
    }
    assert {row[:3] + (row[3].removesuffix(", day of rotation"),) for row in rows(shop)} == (
        news if is_rotated else {("value", "PASSWORD", "origin changed", "generated → stored")}
    )
    shop.env.pop("SOPS_AGE_KEY_FILE")
    assert not any(row[0] == "secret" for row in rows(shop))  # nobody knows without a key


def test_another_length_is_another_value_under_any_data_key(shop: Repo) -> None:
    sops(shop, "--config", "/dev/null", "rotate", "-i", "shop.enc.yaml")
    give(shop, "TOKEN", shop.canary(before="longer"))
    shop.env.pop("SOPS_AGE_KEY_FILE")
    assert ("value", "TOKEN", "changed", "") in rows(shop)


def test_whole_files_and_secrets_are_compared_too(repo: Repo) -> None:
    repo.component("key.p12.enc", repo.canary().encode())
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}
    regex = ("--encrypted-regex", "^(data|stringData)$")
    repo.component("s.enc.yaml", {**manifest, "stringData": {"API": repo.canary()}}, *regex)
    files = ["../shop.enc.yaml", "../s.enc.yaml", {"path": "../key.p12.enc", "as": "KEY"}]
    storied(repo, values={"KEY": {}, "API": {}}, components=files)
    repo.component("key.p12.enc", repo.canary(after="+").encode())
    repo.run("sops", "--config", "/dev/null", "set", "--value-stdin", "s.enc.yaml",
             '["stringData"]["API"]', stdin=f'"{repo.canary()}"'.encode())  # fmt: skip
    found = rows(repo)
    assert {("value", "KEY", "changed", ""), ("value", "API", "changed", "")} <= found


# --- what can't be read ---------------------------------------------------------------------------


def test_a_broken_recipe_does_not_stop_the_others(shop: Repo) -> None:
    dev = (shop.path / LEAF).read_text().replace("production", "dev")
    shop.write("dev/recipe.yaml", dev + "  secerts: {}\n")
    commit(shop)
    change(shop, "PASSWORD", version=2)
    shop.write("dev/recipe.yaml", dev)
    found = rows(shop)
    assert ("recipe", "dev/recipe.yaml", "readable again", "") in found
    assert ("value", "PASSWORD", "rotated", "version 1 → 2") in found
    assert len(found) == 4
    shop.write("dev/recipe.yaml", dev.replace("app: shop", "app: [shop"))
    assert ("recipe", "dev/recipe.yaml", "broken") in {row[:3] for row in rows(shop)}


@pytest.mark.parametrize("damage", ["plain: text\n", "", "[\n"], ids=["clear", "empty", "no YAML"])
def test_a_component_that_can_not_be_read_is_told_and_claims_nothing(
    shop: Repo, damage: str
) -> None:
    shop.write("shop.enc.yaml", damage)
    ((what, name, word, _),) = rows(shop)
    assert (what, name, word) == ("component", "shop.enc.yaml", "unreadable")
    commit(shop)
    git(shop, "checkout", "-q", "HEAD~1", "--", "shop.enc.yaml")
    assert {row[2] for row in rows(shop)} == {"readable again"}


def test_a_component_that_is_gone(shop: Repo) -> None:
    (shop.path / "shop.enc.yaml").unlink()
    assert rows(shop) == {("component", "shop.enc.yaml", "unreadable", "does not exist")}


def test_plaintext_by_mistake_is_not_repeated(shop: Repo) -> None:
    text = (shop.path / "shop.enc.yaml").read_text()
    shop.write("shop.enc.yaml", text.replace("MASTER: ENC", "MASTER: hunter2-canary\nX: ENC"))
    run = shop.cli("diff")
    assert "is plaintext in an encrypted file" in run.out
    assert "hunter2" not in run.out


# --- which commits --------------------------------------------------------------------------------


def test_one_commit_two_commits_and_a_range(shop: Repo) -> None:
    first = git(shop, "rev-parse", "HEAD")
    change(shop, "PASSWORD", version=2)
    second = commit(shop)
    change(shop, "PASSWORD", version=3)
    for argv, words in (
        ((), "version 2 → 3"),
        ((first,), "version 1 → 3"),
        ((first, second), "version 1 → 2"),
        ((second, first), "version 2 → 1"),
        ((f"{first}..{second}",), "version 1 → 2"),
        ((f"{first}..",), "version 1 → 2"),
    ):
        assert ("value", "PASSWORD", "rotated", words) in rows(shop, *argv)


@pytest.mark.parametrize("revision", ["nowhere", "--upload-pack=x", "HEAD:overlay", "HEAD~9"])
def test_what_is_no_commit(shop: Repo, revision: str) -> None:
    run = shop.cli("diff", "--", revision)
    assert (run.code, run.codes) == (2, {"usage"})


def test_before_the_first_commit(repo: Repo) -> None:
    repo.shop({"TOKEN": repo.canary()})
    run = repo.cli("diff")
    assert (run.code, run.codes) == (2, {"usage"})
    assert "no commit yet" in run.err


def test_a_shallow_clone_says_what_to_do(shop: Repo, tmp_path: Path) -> None:
    commit(shop)
    git(shop, "clone", "-q", "--depth", "1", f"file://{shop.path}", str(tmp_path / "clone"))
    run = shop.run("sopsmith", "diff", "HEAD~1", cwd=str(tmp_path / "clone"))
    assert (run.code, run.codes) == (2, {"usage"})
    assert "git fetch --unshallow" in run.err


def test_one_environment_by_name_or_path(shop: Repo) -> None:
    text = (shop.path / LEAF).read_text()
    shop.write("dev/recipe.yaml", text.replace("environment: production", "environment: dev"))
    shop.write("dev/kustomization.yaml", "generators: [recipe.yaml]\n")
    commit(shop)
    for file in (LEAF, "dev/recipe.yaml"):
        change(shop, "PASSWORD", file, version=2)
    for argv in (("-e", "dev"), ("-e", "dev/recipe.yaml")):
        assert {row["environment"] for row in told(shop, "diff", *argv)} == {"dev"}
    assert {row["environment"] for row in told(shop, "diff")} == {"dev", "production"}
    assert shop.cli("diff", "-e", "nowhere").codes == {"usage"}


def test_a_leaf_that_came_and_one_that_moved(shop: Repo) -> None:
    git(shop, "mv", "overlay", "overlays")
    change(shop, "PASSWORD", "overlays/recipe.yaml", version=2)
    assert ("value", "PASSWORD", "rotated", "version 1 → 2") in rows(shop)
    text = (shop.path / "overlays/recipe.yaml").read_text()
    shop.write("dev/recipe.yaml", text.replace("environment: production", "environment: dev"))
    added = {row["name"] for row in told(shop, "diff") if row["change"] == "added"}
    assert {"MASTER", "TOKEN", "PASSWORD", "URL", "shop.enc.yaml"} <= added


def test_a_root_below_the_top_of_the_repository(repo: Repo) -> None:
    inner = Repo.__new__(Repo)
    inner.__dict__.update(repo.__dict__, path=repo.path / "deep/inner")
    inner.env = {**repo.env, "SOPSMITH_ROOT": str(inner.path)}
    storied(inner)
    change(inner, "PASSWORD", version=2)
    give(inner, "TOKEN")
    found = {(row["name"], row["change"]) for row in told(inner, "diff")}
    assert {("PASSWORD", "rotated"), ("TOKEN", "changed")} <= found
    repo.runs += inner.runs


def test_json_in_the_recipe_is_as_good(repo: Repo) -> None:
    storied(repo)
    repo.leaf(values={"T": {"default": "x"}}, secrets={"s": {"keys": ["T"]}})
    git(repo, "rm", "-q", "--cached", LEAF)
    in_yaml(repo)
    assert ("value", "T", "added", "given, default") in rows(repo)


def test_a_name_in_a_component_does_not_speak_to_the_terminal(shop: Repo) -> None:
    git(shop, "config", "user.name", "x")
    change(shop, "PASSWORD", version=2)
    shop.write("o\x1b[31m/recipe.yaml", (shop.path / LEAF).read_text())
    run = shop.cli("diff")
    assert run.code == 0
    assert "\x1b" not in run.out
