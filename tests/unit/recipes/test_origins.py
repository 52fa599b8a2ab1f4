"""A value of a leaf gets another origin: only its own fields change."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from sopsmith.recipes import origins

HEAD = "spec:\n  values:\n    OTHER: {version: 2} # stays\n"


def value(text: str) -> Any:
    assert text.startswith(HEAD)
    return yaml.safe_load(text)["spec"]["values"].get("A")


def test_what_came_from_the_seed_is_stored() -> None:
    text = f'{HEAD}    A: {{version: 3, seed: "2", previous: {{version: 2}}, maxAge: 90d}}\n'
    assert value(origins.stored(text, "A")) == {"maxAge": "90d", "stored": True}
    assert value(origins.stored(HEAD, "A")) == {"stored": True}


def test_what_was_derived_is_given() -> None:
    text = f"{HEAD}    A: {{derive: {{template: x}}, optional: true}}\n"
    assert value(origins.given(text, "A")) == {"optional": True, "generate": None}
    assert value(origins.given(HEAD, "A")) == {"generate": None}


def test_what_is_of_unknown_age_has_no_day() -> None:
    text = f"{HEAD}    A: {{rotated: 2026-11-21, stored: true}}\n"
    assert value(origins.of_unknown_age(text, "A")) == {"stored": True}
    assert origins.of_unknown_age(HEAD, "A") == HEAD


URL = {"scheme": "postgresql", "host": "a", "query": {"sslmode": "prefer"}}


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"url": {**URL, "host": "b"}}, {"url": {"host": "b"}}),
        ({"url": {"scheme": "postgresql", "host": "a"}}, {"url": {"query": None}}),
        ({"url": {**URL, "query": {"x": "1"}}}, {"url": {"query": {"sslmode": None, "x": "1"}}}),
        ({"template": "$(B)"}, {"template": "$(B)"}),
    ],
)
def test_a_leaf_says_how_its_derivation_differs_from_the_inherited_one(
    new: dict[str, Any], said: Any
) -> None:
    assert value(origins.derived(HEAD, "A", {"url": URL}, new)) == {"derive": said}
