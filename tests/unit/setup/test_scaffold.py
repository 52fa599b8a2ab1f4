"""The texts of a new application: each reads as what it is meant to be."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest
import yaml

from sopsmith.components import rules
from sopsmith.model import Recipe
from sopsmith.recipes import guards, overlay
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import read_source, resolve
from sopsmith.setup import scaffold
from sopsmith.setup.scaffold import Application, Reader
from sopsmith.text import document
from tests.repository import ROOT

SHOP = Application("my-shop", ("dev", "production"), "postgres")
CHECK = "0" * 32
OWN = "age1a5lt4xfmz8hk7cuwy84v870hm9m3la2ya7c4c4yeuc2d3tdmqqhqyg608r"


def recipe(app: Application, environment: str = "dev", **rotated: str) -> Recipe:
    """The leaf, merged and checked, as a render would read it."""
    leaf = f"overlays/{environment}/recipe.yaml"
    texts = {app.base: scaffold.base(app),
             leaf: scaffold.leaf(app, environment, {"1": CHECK}, rotated)}  # fmt: skip

    def read(file: str) -> bytes:
        return texts[file].encode()

    (merged,) = resolve(read_source(leaf, read), read)
    return parse(merged)


def test_a_shop_with_a_database_has_values_of_three_origins() -> None:
    made = recipe(SHOP)
    origins = {name: value.origin for name, value in made.values.items()}
    assert origins["POSTGRES_PASSWORD"] == origins["JWT_SECRET"] == "generated"
    assert origins["DATABASE_URL"] == "derived" and origins["GOOGLE_CLIENT_SECRET"] == "given"
    assert made.values["POSTGRES_USER"].default == "my_shop"
    assert [component.file for component in made.components] == ["secrets/dev/my-shop.enc.yaml"]


def test_the_application_reads_a_hashed_secret_and_the_database_an_unhashed_one() -> None:
    assert {each.name: each.hash for each in recipe(SHOP).secrets} == {
        "my-shop-app": True,
        "my-shop-postgres": False,
    }


def test_without_a_database_nothing_speaks_of_one() -> None:
    app = SHOP._replace(database="none")
    assert "POSTGRES" not in scaffold.base(app) and "postgres" not in scaffold.base(app)
    assert [each.name for each in recipe(app).secrets] == ["my-shop-app"]


def test_a_leaf_states_its_seed_and_the_days_of_what_has_an_age() -> None:
    made = recipe(SHOP, POSTGRES_PASSWORD="2026-11-24")
    assert made.seeds == {"1": CHECK}
    assert made.values["POSTGRES_PASSWORD"].rotated == "2026-11-24"


def test_no_line_is_longer_than_a_page_and_every_text_ends_with_one() -> None:
    long = Application("a" * 40, ("e" * 20,), "postgres")
    for text in (scaffold.base(long), scaffold.leaf(long, "e" * 20, {"1": CHECK}, {}),
                 scaffold.guard(["a"]), scaffold.KUSTOMIZATION, scaffold.HOOKS_TEXT):  # fmt: skip
        assert text.endswith("\n") and max(map(len, text.splitlines())) <= 140


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "y", "n", "true", "false", "null"])
def test_names_that_old_yaml_takes_for_something_else_stay_text(word: str) -> None:
    """kustomize reads them with YAML 1.1, where `no` is false."""
    app = Application(word, (word,), "postgres")
    leaf = yaml.safe_load(scaffold.leaf(app, word, {}, {}))
    base = yaml.safe_load(scaffold.base(app))
    guard = yaml.safe_load(scaffold.guard([word]))
    assert leaf["spec"]["environment"] == base["spec"]["app"] == base["metadata"]["name"] == word
    assert guard["metadata"]["name"] == base["spec"]["values"]["POSTGRES_USER"]["default"] == word
    assert recipe(app, word).environment == word


# --- who reads what ---------------------------------------------------------------------------


def parsed(readers: Mapping[str, list[Reader]]) -> rules.Rules:
    return rules.parse_rules(scaffold.rules(readers).encode(), ".sops.yaml")


def test_each_environment_has_a_rule_and_a_key_of_its_own() -> None:
    read = parsed({"dev": [Reader("age1a", "own")], "production": [Reader("age1b", "own")]})
    for environment, key in (("dev", "age1a"), ("production", "age1b")):
        for file in (SHOP.component(environment), f"secrets/{environment}/key.p12.enc",
                     f"secrets/{environment}/deep/third-party.enc.env"):  # fmt: skip
            rule = rules.rule_for(read, file)
            assert rule and rule.groups == (frozenset({f"age:{key}"}),)


@pytest.mark.parametrize(
    "file",
    ["secrets/staging/shop.enc.yaml", "secrets/dev/shop.yaml", "secrets/development/shop.enc.yaml",
     "x/secrets/dev/shop.enc.yaml", "secrets/dev/shop.encyclopedia", "secrets/shop.enc.yaml"],
)  # fmt: skip
def test_a_rule_covers_its_environment_alone(file: str) -> None:
    assert rules.rule_for(parsed({"dev": [Reader("age1a", "own")]}), file) is None


def test_the_rules_are_without_fault_and_name_each_reader_once() -> None:
    text = scaffold.rules({"dev": [Reader(OWN, "own"), Reader(OWN, "again")]})
    assert text.count(OWN) == 1 and "# own" in text and "again" not in text
    found = rules.problems(text.encode(), ".sops.yaml")
    assert {each.code for each in found} == {"demo-key"}  # only because the test's key is that one


def test_a_rule_as_data_is_the_rule_as_text() -> None:
    readers = [Reader("age1a", "own"), Reader("age1b", "more")]
    (rule,) = parsed({"dev": readers}).rules
    assert rule.raw == scaffold.creation_rule("dev", readers)


def test_sops_writes_two_spaces_as_kubernetes_does() -> None:
    text = scaffold.rules({"dev": [Reader(OWN, "own")]})
    assert document.parse(text.encode())["stores"] == {"yaml": {"indent": 2}}


# --- overlays, git ----------------------------------------------------------------------------


def test_the_guard_patches_every_secret_and_the_kustomization_runs_the_recipe() -> None:
    texts = {
        "o/kustomization.yaml": scaffold.KUSTOMIZATION,
        "o/guard.yaml": scaffold.guard(["b", "a"]),
        "o/recipe.yaml": scaffold.leaf(SHOP, "dev", {"1": CHECK}, {}),
    }

    def read(file: str) -> bytes:
        return texts[file].encode()

    kustomization = overlay.read_kustomization("o/kustomization.yaml", read)
    (source,) = overlay.sources(kustomization, read)
    secrets = recipe(SHOP).secrets[:1]
    both = tuple(secrets[0]._replace(name=name) for name in "ab")
    mine = [recipe(SHOP)._replace(secrets=both)]
    assert list(guards.problems(kustomization, [source], mine, read)) == []


def test_lines_that_are_there_are_not_added_again() -> None:
    assert scaffold.with_lines("", ["a", "b"]) == "a\nb\n"
    assert scaffold.with_lines("a\n  b\n", ["a", "b"]) == "a\n  b\n"
    assert scaffold.with_lines("a", ["b"]) == "a\nb\n"


def test_the_hooks_as_data_are_the_hooks_as_text() -> None:
    assert yaml.safe_load(scaffold.HOOKS_TEXT)["repos"] == [scaffold.hooks_repo()]


def test_the_hooks_are_the_published_ones_without_an_installation() -> None:
    published = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    for hook in published:
        for field in ("description", "minimum_pre_commit_version"):
            hook.pop(field, None)
    (repo,) = yaml.safe_load(scaffold.HOOKS_TEXT)["repos"]
    assert repo["repo"] == "local"
    assert repo["hooks"] == [hook | {"language": "system"} for hook in published]


# --- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "shop", "my-shop", "a1", "a" * 40])
def test_names_of_applications(name: str) -> None:
    assert scaffold.app_problem(name) is None


@pytest.mark.parametrize("name", ["", "Shop", "1shop", "-a", "a-", "a" * 41, "a.b", "a/b", "a\n"])
def test_what_is_no_name_of_an_application(name: str) -> None:
    assert scaffold.app_problem(name)


@pytest.mark.parametrize("names", [(), ("",), ("a" * 21,), ("Dev",), ("dev", "dev"), ("..",)])
def test_what_is_no_list_of_environments(names: tuple[str, ...]) -> None:
    assert scaffold.environments_problem(names)


def test_environments_that_can_be() -> None:
    assert scaffold.environments_problem(("dev", "production", "a" * 20, "eu-1")) is None


def test_no_text_holds_a_key_or_a_seed() -> None:
    texts = [scaffold.base(SHOP), scaffold.leaf(SHOP, "dev", {"1": CHECK}, {}), scaffold.HOOKS_TEXT]
    assert not any(re.search("AGE-SECRET|[0-9a-f]{64}", text) for text in texts)
    assert json.dumps({"1": CHECK}) in texts[1]
