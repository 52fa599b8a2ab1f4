"""How hard a value is to guess: exact for generators, an upper bound that random text reaches."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsmith.model import Generator
from sopsmith.recipes.entropy import STRONG, estimate, of_generator
from sopsmith.recipes.kinds import ALPHANUMERIC


def password(length: int, alphabet: str = ALPHANUMERIC) -> Generator:
    return Generator("password", {"length": length, "alphabet": alphabet}, False)


def in_bytes(size: int) -> Generator:
    return Generator("bytes", {"size": size, "encoding": "hex"}, False)


@pytest.mark.parametrize(
    ("generator", "bits"),
    [
        (password(32), 190.53),
        (password(22), 130.99),
        (password(21), 125.04),
        (password(128, "ab"), 128.0),
        (password(10, "0123456789"), 33.22),
        (in_bytes(16), 128.0),
        (in_bytes(32), 256.0),
        (Generator("ecdsa", {"curve": "P-256"}, True), 256.0),
    ],
)
def test_a_generator_is_computed(generator: Generator, bits: float) -> None:
    assert round(of_generator(generator), 2) == bits


def test_the_defaults_are_strong() -> None:
    assert of_generator(password(32)) > STRONG
    assert of_generator(in_bytes(32)) > STRONG


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("", 0),
        ("a" * 100, 13),
        ("abcdefghijklmnopqrstuvwxyz", 15),
        ("1234567890", 13),
        ("9876543210", 13),
        ("password", 38),
        ("passwordpassword" * 4, 50),
        ("abcabcabcabcabcabc", 24),
        ("hunter2", 37),
        ("CHANGE_ME", 54),
        ("admin123", 42),
    ],
)
def test_what_people_type_is_weak(text: str, most: float) -> None:
    assert estimate(text) <= most
    assert estimate(text) < STRONG


@pytest.mark.parametrize(
    ("alphabet", "length"),
    [("0123456789abcdef", 32), (ALPHANUMERIC, 22), ("abcdefghijklmnopqrstuvwxyz", 28),
     ("0123456789", 39), ("".join(map(chr, range(33, 127))), 20)],
    ids=["hex", "alphanumeric", "lower case", "digits", "printable"],
)  # fmt: skip
@given(st.randoms(use_true_random=True))
def test_random_text_of_128_bits_is_found_strong(alphabet: str, length: int, draw: Random) -> None:
    longer = length + 12  # runs and repetitions may come by chance
    assert estimate("".join(draw.choice(alphabet) for _ in range(longer))) >= STRONG - 8


@given(st.text())
def test_an_estimate_is_an_upper_bound_by_length(text: str) -> None:
    pool = 95  # every class of characters at once
    assert 0 <= estimate(text) <= len(text) * math.log2(pool) + 1e-9


@given(st.text(), st.text())
def test_more_text_is_never_weaker(text: str, more: str) -> None:
    assert estimate(text + more) >= estimate(text)
