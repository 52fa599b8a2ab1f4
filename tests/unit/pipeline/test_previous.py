"""What a value was before its last rotation: where it comes from, and what it asks of a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Recipe, Sensitive
from sopsmith.pipeline.derive import Derived, derive
from sopsmith.pipeline.generate import check_value, generate, versions
from sopsmith.recipes import template
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Source, resolve

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent.parent / "golden/generate.json").read_text()
)
SEEDS = {"1": "01" * 32, "2": "02" * 32}
PASSWORD: dict[str, Any] = {"generate": {"password": {}}}
WAS = {"derive": {"previousOf": "JWT"}}


def recipe(values: dict[str, Any], seeds: dict[str, str] = SEEDS, **spec: Any) -> Recipe:
    """A leaf with these values."""
    full = {"app": "shop", "environment": "production", **spec}
    checks = {
        number: check_value(bytes.fromhex(seed), full["app"], full["environment"], number)
        for number, seed in seeds.items()
    }
    secrets = {"s": {"keys": list(values)}}
    document = {
        "apiVersion": "sopsmith.dev/v1alpha1",
        "kind": "SecretRecipe",
        "spec": {**full, "values": values, "seeds": checks, "secrets": secrets},
    }
    (leaf,) = resolve(Source("recipe.yaml", "", document), lambda file: b"")
    return parse(leaf)


def faults(values: dict[str, Any]) -> list[Finding]:
    """Everything that is wrong with these values' declarations."""
    with pytest.raises(SopsmithError) as error:
        recipe(values)
    return list(error.value.findings)


def run(found: Recipe, seeds: dict[str, str] = SEEDS) -> Derived:
    """The steps between the components and the rules."""
    made = generate(found, {number: Sensitive(seed) for number, seed in seeds.items()})
    return derive(found, made.values, made.previous)


def texts(found: Recipe) -> dict[str, str | bytes]:
    return {name: each.reveal() for name, each in run(found).values.items()}


# --- from a seed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_a_previous_value_is_what_its_version_always_was(vector: dict[str, Any]) -> None:
    """Golden: what v1 once produced comes back, whatever the value has become since."""
    now = {"generate": {"bytes": {"size": 20}}, "id": vector["id"], "version": 2**32 - 1}
    before = {"version": vector["version"], "seed": "1", "generate": vector["generator"]}
    if vector["version"] == now["version"]:
        pytest.skip("nothing comes after the last version")
    seeds = {"1": vector["seed"], "2": "02" * 32}
    found = recipe(
        {"JWT": {**now, "seed": "2", "previous": before}, "WAS": WAS},
        seeds, app=vector["app"], environment=vector["environment"],
    )  # fmt: skip
    assert run(found, seeds).values["WAS"].reveal() == vector["value"]


def test_a_rotation_keeps_the_old_value() -> None:
    before = texts(recipe({"JWT": PASSWORD}))["JWT"]
    now = texts(recipe({"JWT": {**PASSWORD, "version": 2, "previous": {"version": 1}}, "WAS": WAS}))
    assert now["WAS"] == before != now["JWT"]


def test_another_seed_and_another_generator_too() -> None:
    old = {"generate": {"bytes": {}}, "seed": "2", "version": 3}
    before = texts(recipe({"JWT": old}))["JWT"]
    now = {**PASSWORD, "version": 4, "previous": {**old}}
    assert texts(recipe({"JWT": now, "WAS": WAS}))["WAS"] == before


def test_the_slot_does_not_change_what_a_password_was() -> None:
    before = texts(recipe({"JWT": {**PASSWORD, "slot": "a"}}))["JWT"]
    now = {**PASSWORD, "version": 2, "slot": "b", "previous": {"version": 1}}
    assert texts(recipe({"JWT": now, "WAS": WAS}))["WAS"] == before


def test_nobody_asks_and_nothing_is_made() -> None:
    """So a seed can go, although a forgotten `previous` still names it."""
    now = {**PASSWORD, "seed": "2", "version": 2, "previous": {"version": 1, "seed": "1"}}
    two = {"2": SEEDS["2"]}
    assert set(run(recipe({"JWT": now}, two), two).values) == {"JWT"}
    with pytest.raises(SopsmithError) as error:
        run(recipe({"JWT": now, "WAS": WAS}, two), two)
    assert [(each.code, each.field) for each in error.value.findings] == [
        ("seed-refused", "spec.seeds.1")
    ]


# --- absence --------------------------------------------------------------------------------------


def test_before_the_first_rotation_there_is_none() -> None:
    found = run(recipe({"JWT": PASSWORD, "WAS": WAS}))
    assert "WAS" not in found.values
    assert [(each.code, each.field, each.message) for each in found.findings] == [
        ("missing", "WAS", "can't be derived while JWT has no previous value")
    ]
    hint = "there is none before the first rotation: mark WAS optional: true"
    assert found.findings[0].hint == hint


def test_an_optional_one_is_absent() -> None:
    found = run(recipe({"JWT": PASSWORD, "WAS": {**WAS, "optional": True}}))
    assert (set(found.values), found.findings) == ({"JWT"}, ())


def test_what_is_derived_from_it_is_absent_with_it() -> None:
    keys = {"derive": {"template": "$(JWT),$(WAS)"}, "optional": True}
    values = {"JWT": PASSWORD, "WAS": {**WAS, "optional": True}, "KEYS": keys}
    assert set(run(recipe(values)).values) == {"JWT"}


# --- what a recipe may say ------------------------------------------------------------------------

TEXT = {"derive": {"template": "a"}}


def alternate(**parts: str) -> dict[str, Any]:
    """A derivation of two roles, one password."""
    return {"derive": {"alternate": {"a": "A", "b": "B", "slotOf": "JWT", **parts}}}


ROLES: dict[str, Any] = {"JWT": PASSWORD, "A": {}, "B": {}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"JWT": TEXT, "WAS": WAS}, "JWT is derived, so nothing keeps what it was"),
        ({**ROLES, "JWT": {}, "WAS": alternate()}, "JWT is given, so it has no slot"),
        ({**ROLES, "JWT": TEXT, "WAS": alternate()}, "JWT is derived, so it has no slot"),
        ({**ROLES, "WAS": alternate(b="A")}, "a and b are the same value"),
    ],
)
def test_what_has_no_other_side_is_not_asked_for_it(values: dict[str, Any], message: str) -> None:
    (found,) = faults(values)
    assert (found.code, found.field, found.message) == ("recipe-value", "spec.values.WAS", message)


@pytest.mark.parametrize(
    "was",
    [
        {"derive": {"previousOf": "JTW"}},
        alternate(a="JTW"), alternate(b="JTW"), alternate(slotOf="JTW"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest(was: dict[str, Any]) -> None:
    (found,) = faults({**ROLES, "WAS": was})
    assert (found.code, found.field) == ("recipe-name", "spec.values.WAS")
    assert (found.message, found.hint) == ("JTW is no declared value", "did you mean JWT?")


@pytest.mark.parametrize("name", ["app", "environment"])
def test_app_and_environment_are_no_values(name: str) -> None:
    for was in ({"derive": {"previousOf": name}}, alternate(a=name)):
        (found,) = faults({**ROLES, "WAS": was})
        assert (found.code, found.message) == ("recipe-name", f"{name} is no declared value")


@pytest.mark.parametrize("part", ["a", "b", "slotOf"])
def test_an_alternate_is_whole(part: str) -> None:
    was = alternate()
    del was["derive"]["alternate"][part]
    (found,) = faults({**ROLES, "WAS": was})
    assert (found.code, found.field) == (
        "recipe-incomplete", f"spec.values.WAS.derive.alternate.{part}",
    )  # fmt: skip


def test_a_circle_through_either_is_spelled_out() -> None:
    (found,) = faults({**ROLES, "A": {"derive": {"template": "$(WAS)"}}, "WAS": alternate()})
    assert (found.code, found.message) == ("recipe-cycle", "is derived in a circle: A → WAS → A")
    found = faults({"JWT": WAS})[-1]
    assert (found.code, found.message) == ("recipe-cycle", "is derived in a circle: JWT → JWT")


def test_the_previous_value_is_another_one() -> None:
    (found,) = faults({"JWT": {**PASSWORD, "version": 2, "previous": {"version": 2}}})
    assert (found.code, found.field) == ("recipe-value", "spec.values.JWT.previous")
    assert found.message == "is what the value is now"


@pytest.mark.parametrize("fields", [{"version": 3}, {"version": 2, "seed": "2"}])
def test_after_a_restore_it_may_be_a_later_one(fields: dict[str, Any]) -> None:
    recipe({"JWT": {**PASSWORD, "version": 2, "previous": fields}})


def test_a_previous_value_of_a_stored_kind_comes_from_no_seed() -> None:
    before = {"version": 1, "generate": {"rsa": {}}}
    (found,) = faults({"JWT": {**PASSWORD, "version": 2, "previous": before}})
    assert (found.code, found.field) == ("recipe-value", "spec.values.JWT.previous.generate")


@pytest.mark.parametrize("origin", [{}, {"default": "a"}, TEXT])
def test_a_slot_belongs_to_what_is_generated_or_stored(origin: dict[str, Any]) -> None:
    (found,) = faults({"JWT": {**origin, "slot": "a"}})
    assert (found.code, found.field) == ("recipe-origin", "spec.values.JWT.slot")
    recipe({"JWT": {**PASSWORD, "slot": "a"}})
    recipe({"JWT": {**PASSWORD, "stored": True, "slot": "a"}})


def test_what_a_rotation_reaches() -> None:
    dsn = {"derive": {"template": "$(USER)"}}
    values = recipe({**ROLES, "WAS": WAS, "USER": alternate(), "DSN": dsn}).values
    assert template.reached(values, ["JWT"]) == {"JWT", "WAS", "USER", "DSN"}
    assert template.reached(values, ["A"]) == {"A", "USER", "DSN"}


def test_another_version_is_made_from_every_seed_and_generator_that_is_known() -> None:
    was = {"version": 3, "seed": "1", "generate": {"password": {"length": 40}}}
    now = recipe({"P": {**PASSWORD, "version": 4, "seed": "2", "previous": was}})
    seeds = {number: Sensitive(seed) for number, seed in SEEDS.items()}
    made = list(versions(now, seeds, "P", [2, 3]))
    assert [number for number, _ in made] == [2] * 4 + [3] * 4
    assert len({each.text() for _, each in made}) == 8
    then = recipe({"P": {"generate": {"password": {"length": 40}}, "version": 2}})
    assert texts(then)["P"] in [each.text() for number, each in made if number == 2]
