"""Which leaves a crypt rule encrypts."""

from __future__ import annotations

from typing import Any

import pytest

from sopsmith.components.selection import Selection, encrypts, read_selection
from sopsmith.errors import SopsmithError


@pytest.mark.parametrize(
    ("kind", "text", "path", "expected"),
    [
        ("unencrypted_suffix", "_unencrypted", ("A",), True),
        ("unencrypted_suffix", "_unencrypted", ("A_unencrypted",), False),
        ("unencrypted_suffix", "_unencrypted", ("A_unencrypted", "B"), False),
        ("unencrypted_suffix", "_unencrypted", ("A_unencrypted_", "B"), True),
        ("encrypted_suffix", "_secret", ("A",), False),
        ("encrypted_suffix", "_secret", ("A_secret", "B", "C"), True),
        ("encrypted_regex", "^(data|stringData)$", ("data", "A"), True),
        ("encrypted_regex", "^(data|stringData)$", ("metadata", "name"), False),
        ("encrypted_regex", "^(data|stringData)$", ("spec", "data", "0", "x"), True),
        ("encrypted_regex", "data", ("metadata",), True),
        ("encrypted_regex", "", ("A",), True),
        ("unencrypted_regex", "^(apiVersion|kind)$", ("kind",), False),
        ("unencrypted_regex", "^(apiVersion|kind)$", ("kinds",), True),
        ("unencrypted_regex", "^(apiVersion|kind)$", ("a", "kind"), False),
        ("encrypted_regex", "^a$", ("a\n",), False),
    ],
)
def test_any_part_of_the_path_decides(
    kind: str, text: str, path: tuple[str, ...], expected: bool
) -> None:
    assert encrypts(Selection(kind, text), path) is expected


def test_positions_in_lists_are_no_part_of_the_path() -> None:
    assert not encrypts(Selection("encrypted_regex", "^0$"), ("a", "0"))
    assert encrypts(Selection("encrypted_regex", "^0$"), ("0",))  # a map can have such a key


def test_without_a_word_the_suffix_of_sops_holds() -> None:
    assert read_selection({}, "f", "x") == Selection("unencrypted_suffix", "_unencrypted")
    assert read_selection({"encrypted_regex": ""}, "f", "x") == Selection()


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ({"encrypted_regex": "a", "unencrypted_suffix": "b"}, "x"),
        ({"encrypted_comment_regex": "a"}, "x"),
        ({"encrypted_regex": "^(?!a)"}, "x.encrypted_regex"),
        ({"unencrypted_regex": "("}, "x.unencrypted_regex"),
        ({"encrypted_suffix": 5}, "x.encrypted_suffix"),
    ],
)
def test_a_rule_that_cannot_be_relied_on_is_refused(section: Any, field: str) -> None:
    with pytest.raises(SopsmithError) as stop:
        read_selection(section, "f", "x")
    assert [(each.code, each.field) for each in stop.value.findings] == [("crypt-rule", field)]
