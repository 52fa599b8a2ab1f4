"""Creation rules in each other's way: by what they say, and by the files that are there."""

from __future__ import annotations

import json
from collections.abc import Collection

import pytest

from sopsmith.components.rules import parse_rules
from sopsmith.components.rules_order import problems


def found(*regexes: str | None, files: Collection[str] = (), readers: str = "abc") -> list[str]:
    rules = [{"path_regex": each, "age": who} for each, who in zip(regexes, readers, strict=False)]
    text = json.dumps({"creation_rules": rules}).encode()
    return [f"{each.field}: {each.message}" for each in problems(parse_rules(text, "f"), files)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (None, "b"),
        ("", "b"),
        (".*", "b"),
        (".+", "b"),
        (".", "b"),
        ("(.|x)*", "b"),
        ("[^/]", "b"),
        ("^.*$", None),
        ("b", "b"),
        ("a|b", "b"),
        (r".*\.yaml$", r"^secrets/prod/.*\.yaml$"),
        (r"\.enc\.yaml$", r"^secrets/prod/[a-z]+\.enc\.yaml$"),
        ("^secrets/", "^secrets/prod/.*"),
        ("secrets/", "^secrets/prod/"),
        ("^secrets/(dev|prod)/", "^secrets/prod/"),
        (r"^[a-z]+\.yaml$", r"^prod\.yaml$"),
    ],
)
def test_a_rule_that_no_file_reaches(first: str | None, second: str | None) -> None:
    told = "creation_rules[1]: never covers a file: creation_rules[0] takes all of its files"
    assert found(first, second) == [told]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("b", None),
        ("b", "a|b"),
        ("^secrets/prod/", "^secrets/"),
        ("^secrets/", "secrets/"),
        (r"\.enc\.yaml$", r"\.yaml$"),
        (r"^a\.enc\.", r"^b\.enc\."),
        (r"^.{1,20}$", "^secrets/"),
        (r"\.yaml$", r"\.json$"),
    ],
)
def test_a_narrower_rule_first_is_in_order(first: str, second: str | None) -> None:
    assert found(first, second) == []


DEV, PROD = "secrets/dev/a.enc.yaml", "secrets/prod/a.enc.yaml"
SUFFIX, FOLDER = r"\.enc\.yaml$", "^secrets/prod/"


def test_a_broader_rule_that_takes_the_files_of_another() -> None:
    """Another file of that folder would reach it; those that are there do not."""
    told = f"creation_rules[1]: covers no file: creation_rules[0] takes {PROD}, for others"
    assert found(SUFFIX, FOLDER, files=[DEV, PROD]) == [told]
    assert found(SUFFIX, FOLDER, files=[PROD]) == [told]
    assert found("x", SUFFIX, FOLDER, files=[PROD]) == [
        f"creation_rules[2]: covers no file: creation_rules[1] takes {PROD}, for others"
    ]


def test_files_that_go_where_they_are_meant_to() -> None:
    assert found(FOLDER, SUFFIX, files=[DEV, PROD]) == []
    assert found(FOLDER, SUFFIX, files=[PROD]) == []  # the second waits for others
    assert found(SUFFIX, FOLDER, files=[DEV]) == []
    assert found(SUFFIX, FOLDER, files=[PROD, "secrets/prod/b.enc.json"]) == []
    assert found(SUFFIX, FOLDER, files=[DEV, PROD], readers="aa") == []  # for the same readers
