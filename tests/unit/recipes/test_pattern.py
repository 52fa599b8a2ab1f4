"""`rules.pattern`: says what Python's `re.fullmatch` says, in linear time, or is refused."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsmith.recipes.pattern import MOST_STATES, PatternError, compile_pattern

ALPHABET = "ab1-_ \n"


def matches(pattern: str, text: str) -> bool:
    return compile_pattern(pattern).matches(text)


def seconds(work: Callable[[], object]) -> float:
    """The processor time it takes: the best of three, since others may use the machine."""
    times = []
    for _ in range(3):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


# --- against re.fullmatch -------------------------------------------------------------------------


def random_pattern(draw: Random, depth: int = 0) -> str:
    """A pattern of the language."""
    ways: list[Callable[[], str]] = [
        lambda: draw.choice(
            [*"ab1-_ ", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\n", r"\."]
        ),
        lambda: "[" + draw.choice(["", "^"]) + "".join(random_class(draw)) + "]",
    ]
    if depth < 3:
        ways += [
            lambda: f"({draw.choice(['', '?:'])}{random_pattern(draw, depth + 1)})",
            lambda: random_pattern(draw, depth + 1) + "|" + random_pattern(draw, depth + 1),
            lambda: f"({random_pattern(draw, depth + 1)})" + random_repetition(draw),
            lambda: draw.choice(["a", "[ab]", r"\d", "."]) + random_repetition(draw),
        ]
    return "".join(draw.choice(ways)() for _ in range(draw.randint(0 if depth else 1, 3)))


def random_class(draw: Random) -> list[str]:
    parts = ["a", "b", "1", "a-b", "0-9", r"\d", r"\w", r"\s", r"\-", r"\]", "_", r"\n", "."]
    return [draw.choice(parts) for _ in range(draw.randint(1, 3))]


def random_repetition(draw: Random) -> str:
    return draw.choice(["*", "+", "?", "{2}", "{0}", "{1,3}", "{0,2}", "{2,}"]) + draw.choice(
        ["", "?"]
    )


def random_text(draw: Random) -> str:
    return "".join(draw.choice(ALPHABET) for _ in range(draw.randint(0, 7)))


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=True))
def test_thousands_of_random_patterns_match_what_re_matches(draw: Random) -> None:
    for pattern in [random_pattern(draw) for _ in range(30)]:
        ours, theirs = compile_pattern(pattern), re.compile(pattern, re.ASCII)
        for text in [random_text(draw) for _ in range(12)]:
            assert ours.matches(text) == bool(theirs.fullmatch(text)), (pattern, text)


@settings(max_examples=2000, deadline=None)
@given(st.text(r"ab\()[]{}|*+?^$.,-:0129dDé", max_size=12), st.text("ab-:0\\]é", max_size=3))
def test_what_is_typed_is_refused_or_matches_what_re_matches(pattern: str, text: str) -> None:
    try:
        ours = compile_pattern(pattern)
    except PatternError:
        return
    with warnings.catch_warnings(action="ignore", category=FutureWarning):
        theirs = re.compile(pattern, re.ASCII)
    assert ours.matches(text) == bool(theirs.fullmatch(text))


ODD = r"""
a| |a () (|a)* (a*)* ((a?)*)+ a{0} a{0,0}b (){3} []a] [^]a] [a-] [-a] [a^] [*+?.] } ] a} ^a$ ^a|b$
^$ ^ $ a\$ \^a \\$ [\\] é [à-ü] 😀? [^😀] a(?:b|c)d (sk|rk)_[A-Z]{2,}
"""
TEXTS = r"""
a b aa ab b] ] ^ - a- $ a$ ^a \ * } a} é à 😀 x abd acd sk_AB rk_A aaa c
"""


@pytest.mark.parametrize("pattern", ["", r"\ ", *ODD.split()])
def test_odd_patterns_match_what_re_matches(pattern: str) -> None:
    for text in ("", " ", "\n", *TEXTS.split()):
        assert matches(pattern, text) == bool(re.fullmatch(pattern, text, re.ASCII)), text


@pytest.mark.parametrize("text", ["a\n", "\na", "xa", "ax"])
def test_the_whole_value_has_to_match(text: str) -> None:
    assert not matches("a", text)
    assert not matches("^a$", text)


# --- linear time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        "(a|aa)+b",
        "(a*)*b",
        "([a-z]+)*1",
        "(.*)(.*)(.*)b",
        "a?" * 30 + "a" * 30,
    ],
)
def test_what_makes_others_hang_is_done_at_once(pattern: str) -> None:
    assert not matches(pattern, "a" * 5_000)
    assert seconds(lambda: matches(pattern, "a" * 5_000)) < 2


def test_twice_the_text_takes_about_twice_the_time() -> None:
    pattern, short, long = compile_pattern("(a+)+b"), "a" * 10_000, "a" * 40_000
    times = [
        (seconds(lambda: pattern.matches(short)), seconds(lambda: pattern.matches(long)))
        for _ in range(5)
    ]  # by turns: others may use the machine
    assert min(each for _, each in times) < 10 * min(each for each, _ in times)


# --- refusals -------------------------------------------------------------------------------------

REFUSED = {
    "(a": "a ( without its )",
    "a)": "a ) without its (",
    "[a": "a [ without its ]",
    "[]": "a [ without its ]",
    "*a": "* has nothing to repeat",
    "a|+": "+ has nothing to repeat",
    "(?": "(? is not supported",
    "(?=a)": "(? is not supported",
    "(?!a)b": "(? is not supported",
    "(?<=a)b": "(? is not supported",
    "(?i)a": "(? is not supported",
    "(?P<x>a)": "(? is not supported",
    "(?#a)": "(? is not supported",
    "a**": "a repetition of a repetition",
    "a*+": "a repetition of a repetition",
    "a{2}{3}": "a repetition of a repetition",
    "a{": "{ needs counts",
    "a{,3}": "{ needs counts",
    "a{b}": "{ needs counts",
    "a{1": "{ needs counts",
    "a{-1}": "{ needs counts",
    "a{٣}": "{ needs counts",
    "a{3,2}": "the counts are out of order or too large",
    "a{9999}": "the counts are out of order or too large",
    "a^b": "^ can only stand",
    "a$b": "$ can only stand",
    "(^a)": "^ can only stand",
    "a\\": "a \\ at the end",
    r"\b": r"\b is not supported",
    r"(a)\1": r"\1 is not supported",
    r"\Aa": r"\A is not supported",
    r"\x41": r"\x is not supported",
    r"\p{L}": r"\p is not supported",
    "[z-a]": "a range out of order",
    r"[\d-z]": "a range out of order",
    r"[!-\d]": "a range out of order",
    r"[\D]": r"\D \W \S can't stand in a class",
    "[[:alpha:]]": "[:name:] is not supported",
    "(" * 60 + ")" * 60: "more than 50 groups",
    "(" * 100_000: "more than 50 groups",
    "(a{500}){500}": f"the pattern needs more than {MOST_STATES} states",
    "(((a{100}){100}){100}){100}": f"the pattern needs more than {MOST_STATES} states",
    "((((){1000}){1000}){1000}){1000}": f"the pattern needs more than {MOST_STATES} states",
    "a" * 5000: f"the pattern needs more than {MOST_STATES} states",
}


@pytest.mark.parametrize("pattern", REFUSED, ids=lambda pattern: ascii(pattern[:20]))
def test_what_is_outside_the_language_is_refused_at_once(pattern: str) -> None:
    def refusal() -> str:
        with pytest.raises(PatternError) as error:
            compile_pattern(pattern)
        return str(error.value)

    assert refusal().startswith(REFUSED[pattern])
    assert seconds(refusal) < 0.5
