"""What a rotation makes of a value's fields, and what follows from it."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.model import Recipe
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved, read_source, resolve
from sopsmith.rotations import rotation

TODAY = date(2027, 2, 28)


def leaf(values: dict[str, Any], **secrets: Any) -> tuple[Resolved, Recipe, str]:
    """A leaf with these values, and its text."""
    spec = {
        "app": "shop", "environment": "production", "components": ["a.enc.yaml"],
        "values": values, "secrets": secrets or {"s": {"keys": list(values)}},
    }  # fmt: skip
    head = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}
    text = json.dumps({**head, "spec": spec})

    def read(file: str) -> bytes:
        return text.encode()

    (resolved,) = resolve(read_source("recipe.yaml", read), read)
    return resolved, parse(resolved), text


def recipe(values: dict[str, Any], **secrets: Any) -> Recipe:
    """The same, parsed."""
    return leaf(values, **secrets)[1]


PASSWORD: Any = {"generate": {"password": {}}}
KEY: Any = {"generate": {"age": {}}}


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (PASSWORD, {"version": 2}),
        (PASSWORD | {"version": 4, "seed": "2"}, {"version": 5}),
        (PASSWORD | {"version": 3, "previous": {"version": 7}}, {"version": 8, "previous": None}),
        (PASSWORD | {"rotation": "overlap", "version": 4, "seed": "2"},
         {"version": 5,
          "previous": {"version": 4, "seed": "2", "generate": {"password": {}}}}),
        (PASSWORD | {"slot": "a"},
         {"version": 2, "slot": "b",
          "previous": {"version": 1, "seed": "1", "generate": {"password": {}}}}),
        ({"generate": {"bytes": {"size": 48, "encoding": "base64"}}, "slot": "b"},
         {"version": 2, "slot": "a",
          "previous": {"version": 1, "seed": "1", "generate": {"bytes": {"size": 48}}}}),
    ],
)  # fmt: skip
def test_a_generated_value_gets_a_version_and_a_date(
    value: dict[str, Any], fields: dict[str, Any]
) -> None:
    found = rotation.named(recipe({"A": value}), ["A"], TODAY).turns[0]
    assert found.fields == {"rotated": "2027-02-28", **fields}


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (KEY, {}),
        (KEY | {"maxAge": "90d"}, {"rotated": "2027-02-28"}),
        (KEY | {"rotated": "2026-01-01"}, {"rotated": "2027-02-28"}),
        (KEY | {"slot": "b"}, {"slot": "a"}),
    ],
)
def test_a_stored_value_gets_a_date_where_its_age_counts(
    value: dict[str, Any], fields: dict[str, Any]
) -> None:
    found = rotation.named(recipe({"A": value}), ["A"], TODAY).turns[0]
    assert (found.fields, found.version) == (fields, None)


def test_a_derivation_of_what_it_was_keeps_a_value_known() -> None:
    old = {"optional": True, "derive": {"previousOf": "A"}}
    here = recipe({"A": PASSWORD, "B": KEY, "OLD": old})
    assert [each.keeps for each in rotation.named(here, ["A", "B"], TODAY).turns] == [True, False]


def test_what_is_written_reads_as_what_the_value_was() -> None:
    value = {"generate": {"password": {"length": 40}}, "version": 4, "rotation": "overlap"}
    _, before, text = leaf({"A": value})
    after = rotation.text_of(text, rotation.named(before, ["A"], TODAY).turns)
    changed = parse(resolve(read_source("r", lambda _: after.encode()), lambda _: b"")[0])
    was, now = before.values["A"], changed.values["A"]
    assert now.previous == (was.version, was.seed, was.generator)
    assert (now.version, now.rotated) == (5, "2027-02-28")


def test_every_name_that_can_t_be_rotated_is_told_at_once() -> None:
    here = recipe({
        "A": PASSWORD, "B": {}, "C": {"derive": {"template": "$(A)$(D)"}},
        "D": {"derive": {"template": "$(A)$(B)$(app)"}}, "E": KEY | {"rotation": "never"},
        "F": {"derive": {"template": "$(B)"}},
    })  # fmt: skip
    with pytest.raises(SopsmithError) as caught:
        rotation.named(here, ["A", "B", "C", "E", "F", "A1"], TODAY)
    told = {each.field: (each.code, each.hint) for each in caught.value.findings}
    assert told == {
        "B": ("usage", "get a new one where it comes from, then sopsmith set B -e production"),
        "C": ("usage", "sopsmith rotate A -e production"),
        "E": ("rotation-never",
              "encrypt that data anew first; then change rotation: never in recipe.yaml"),
        "F": ("usage", "change what it is derived from"),
        "A1": ("recipe-name", "did you mean A?"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rotated", "is_due"),
    [("2026-11-30", True), ("2026-12-01", False), ("2027-02-28", False), ("2020-01-01", True)],
)
def test_a_value_is_due_on_the_day_that_its_max_age_is_reached(rotated: str, is_due: bool) -> None:
    here = recipe({"A": PASSWORD | {"maxAge": "90d", "rotated": rotated}})
    assert bool(rotation.overdue(here, TODAY).turns) is is_due


def test_what_is_due_and_can_t_be_rotated_is_left_out_with_the_reason() -> None:
    past = {"maxAge": "1d", "rotated": "2020-01-01"}
    here = recipe({"A": past, "B": PASSWORD | {"maxAge": "1d"}, "C": PASSWORD | past})
    plan = rotation.overdue(here, TODAY)
    assert [each.value.name for each in plan.turns] == ["C"]
    assert [(each.field, each.code) for each in plan.left_out] == [("A", "usage"), ("B", "overdue")]


def test_what_follows_is_found_through_derivations() -> None:
    values = {
        "A": PASSWORD, "B": {"derive": {"template": "$(A)"}}, "C": {"derive": {"template": "$(B)"}},
        "D": PASSWORD,
    }  # fmt: skip
    here = recipe(values, a={"keys": ["C"]}, b={"keys": ["A"], "hash": False}, c={"keys": ["D"]})
    assert rotation.effects(here, ["A"]) == (("B", "C"), ("a", "b"), ("a",))


def test_an_old_seed_is_needed_until_nothing_was_made_from_it() -> None:
    here = recipe({"A": PASSWORD | {"rotation": "overlap"}, "B": PASSWORD, "C": KEY})
    turns = rotation.move(here, "2", TODAY)
    assert [(each.value.name, each.fields["seed"], each.version) for each in turns] == [
        ("A", "2", 2), ("B", "2", 2),
    ]  # fmt: skip
    assert rotation.needed_by(here, "1") == ("A", "B")
    assert rotation.needed_by(here, "1", turns) == ("A",)
    moved = recipe({
        "A": PASSWORD | {"rotation": "overlap", "seed": "2", "version": 2,
                         "previous": {"version": 1}},
        "B": PASSWORD | {"seed": "2"},
    })  # fmt: skip
    assert rotation.move(moved, "2", TODAY) == ()
    assert rotation.needed_by(moved, "1") == ("A",)
    again = rotation.named(moved, ["A"], TODAY).turns
    assert rotation.needed_by(moved, "1", again) == ()
