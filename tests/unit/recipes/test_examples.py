"""Texts made for an expression: Python's own search finds it in each."""

from __future__ import annotations

import re

import pytest

from sopsmith.recipes.examples import examples


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "^a$",
        "^a|b$",
        "a.c",
        "[^a]b*",
        r"\.enc\.(ya?ml|json)$",
        "(^|/)x{2,3}",
        r"\d+\S",
        "[a-f]?",
    ],
)
def test_an_expression_is_found_in_its_examples(text: str) -> None:
    found = examples(text)
    assert len(found) > 1 or text == "^a$"
    assert [each for each in found if not re.search(text, each)] == []
    assert found == examples(text)


def test_examples_hold_nothing_that_was_not_asked_for() -> None:
    assert not all("/" in each for each in examples("a"))
    assert not all("b" in each for each in examples("a|b"))
    assert not all(each.startswith("a") for each in examples("a"))
    assert not all(each.endswith("a") for each in examples("a"))


def test_what_matches_nothing_has_none() -> None:
    assert examples("a^") == ()
