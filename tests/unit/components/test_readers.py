"""A reader more or less in `.sops.yaml`, every other byte kept."""

from __future__ import annotations

import pytest

from sopsmith.components.readers import with_reader, without_reader
from sopsmith.components.rules import parse_rules
from sopsmith.errors import SopsmithError

ONE = "age1a5lt4xfmz8hk7cuwy84v870hm9m3la2ya7c4c4yeuc2d3tdmqqhqyg608r"
TWO = "age1skth6r9gl53jde7hz3j7ry5367mtk9p6ga5xp505lk7p9x6a23ms8550ux"
FILE = ["secrets/a.enc.yaml"]
STYLES = {
    "list": ("age: [{0}]", "age: [{0}, {1}]"),
    "lines": ("age:\n      - {0}", "age:\n      - {0}\n      - {1}"),
    "group": (
        "key_groups:\n      - age:\n          - {0}",
        "key_groups:\n      - age:\n          - {0}\n          - {1}",
    ),
}


def rules(age: str) -> bytes:
    return (
        "# who reads what\n"
        "creation_rules:\n"
        "  - path_regex: ^secrets/ # all of them\n"
        f"    {age}\n"
        "  - path_regex: ^other/\n"
        f"    age: {ONE}\n"
    ).encode()


@pytest.mark.parametrize("style", STYLES)
def test_a_reader_comes_and_goes_and_the_rest_stays(style: str) -> None:
    before, after = (rules(text.format(ONE, TWO)) for text in STYLES[style])
    assert with_reader(before, ".sops.yaml", TWO, FILE) == after
    assert without_reader(after, ".sops.yaml", TWO, FILE) == before


def test_one_line_of_text_gets_a_second_reader() -> None:
    after = with_reader(rules(f"age: {ONE}"), ".sops.yaml", TWO, FILE)
    assert after == rules(f'age: "{ONE},{TWO}"')
    assert without_reader(after, ".sops.yaml", TWO, FILE) == rules(f'age: "{ONE}"')


def test_folded_text_and_anchors_are_understood() -> None:
    folded = rules(f"age: >-\n      {ONE},\n      {TWO}")
    assert TWO not in without_reader(folded, ".sops.yaml", TWO, FILE).decode()


def test_who_is_named_already_changes_nothing() -> None:
    assert with_reader(rules(f"age: {ONE}"), ".sops.yaml", ONE, FILE) == rules(f"age: {ONE}")


@pytest.mark.parametrize(
    "age",
    [
        'age: ["{0},{1}"]',
        "key_groups:\n      - merge:\n          - age: [{1}]\n        age: [{0}]",
    ],
)
def test_who_is_named_in_another_way_is_left_to_a_person(age: str) -> None:
    with pytest.raises(SopsmithError) as caught:
        without_reader(rules(age.format(ONE, TWO)), ".sops.yaml", TWO, FILE)
    assert "not as an entry of its own" in caught.value.findings[0].message


def test_a_group_without_age_keys_gets_a_list_of_them() -> None:
    before = rules(f"key_groups:\n      - pgp: [{'A' * 40}]")
    rule = parse_rules(with_reader(before, ".sops.yaml", TWO, FILE), ".sops.yaml").rules[0]
    assert f"age:{TWO}" in rule.groups[0]


def test_the_last_reader_stays() -> None:
    with pytest.raises(SopsmithError) as caught:
        without_reader(rules(f"age: {ONE}"), ".sops.yaml", ONE, FILE)
    assert "no other reader" in caught.value.findings[0].message


@pytest.mark.parametrize("text", ["age1", "AGE-SECRET-KEY-1" + "Q" * 58, TWO[:-1] + "a", "ssh"])
def test_what_is_no_recipient_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(SopsmithError) as caught:
        with_reader(rules(f"age: {ONE}"), ".sops.yaml", text, FILE)
    assert text not in str(caught.value.findings)
