"""Public age keys: what is one, and what is said of what is not."""

from __future__ import annotations

import pytest

from sopsmith.components.recipient import problem

KEY = "age1a5lt4xfmz8hk7cuwy84v870hm9m3la2ya7c4c4yeuc2d3tdmqqhqyg608r"


def test_a_recipient_is_one() -> None:
    assert problem(KEY) is None


@pytest.mark.parametrize("index", range(5, len(KEY)))
def test_a_mistyped_character_is_found(index: int) -> None:
    other = "q" if KEY[index] != "q" else "p"
    assert problem(KEY[:index] + other + KEY[index + 1 :]) == "is mistyped: its checksum is wrong"


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "is no public age key"),
        ("age1", "is no whole age key"),
        (KEY[:-1], "is no whole age key"),
        (KEY + "q", "is no whole age key"),
        (KEY.upper(), "is no public age key"),
        (KEY[:-1] + "b", "is no whole age key"),  # b, i, o and 1 are no characters of Bech32
        ("age1yubikey1qwerty", "is no public age key"),  # would start a plugin
        ("ssh-ed25519 AAAA", "is no public age key"),
        ("age-secret-key-1qqqq", "is a private key"),
        ("AGE-SECRET-KEY-PQ-1QQQQ", "is a private key"),
    ],
)
def test_what_is_no_recipient_is_named_and_never_quoted(text: str, said: str) -> None:
    told = problem(text)
    assert told and told.startswith(said) and (len(text) < 5 or text not in told)
