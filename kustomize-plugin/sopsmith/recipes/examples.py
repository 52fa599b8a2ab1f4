"""Texts that an expression is found in, odd wherever it leaves a choice. Pure.

Whether one expression matches all that another does is hard to prove and easy to try: a text made
for the one holds nothing that the other asks for, unless both ask for it.
"""

from __future__ import annotations

from functools import lru_cache

from sopsmith.recipes.pattern import END, START, Chars, Node, Repeat, Seq, compile_search, parse

_TRIES = 64
_ODD = "\u00bfq7"  # what stands where anything may
_BEFORE, _BEHIND = ("", "q\u00bf", "\u00bf/"), ("", "\u00bfq", "/\u00bf" * 200)
_MARKS = {START: "\x02", END: "\x03"}


class _Choices:
    """The same row of choices every time."""

    def __init__(self, seed: int) -> None:
        self._state = seed * 7919 + 1

    def among(self, count: int) -> int:
        self._state = (self._state * 1103515245 + 12345) & 0x7FFFFFFF
        return (self._state >> 16) % count


@lru_cache(maxsize=64)
def examples(text: str) -> tuple[str, ...]:
    """Some dozen of texts that a search for the expression finds; raises PatternError."""
    search, node = compile_search(text), parse(text)
    made = (_whole(node, _Choices(number)) for number in range(_TRIES))
    return tuple(dict.fromkeys(each for each in made if each and search(each)))


def _whole(node: Node, choices: _Choices) -> str:
    """A text with what the expression asks for, and something around it where it may be."""
    found = _text(node, choices)
    before, behind = (way[choices.among(len(way))] for way in (_BEFORE, _BEHIND))
    whole = ("" if "\x02" in found else before) + found + ("" if "\x03" in found else behind)
    return whole.replace("\x02", "").replace("\x03", "")


def _text(node: Node, choices: _Choices) -> str:
    if isinstance(node, Chars):
        return _MARKS.get(node) or _char(node, choices)
    if isinstance(node, Seq):
        return "".join(_text(item, choices) for item in node.items)
    if isinstance(node, Repeat):
        most = node.low + 3 if node.high is None else min(node.high, node.low + 3)
        count = node.low + choices.among(most - node.low + 1)
        return "".join(_text(node.item, choices) for _ in range(count))
    return _text(node.items[choices.among(len(node.items))], choices)


def _char(chars: Chars, choices: _Choices) -> str:
    fit = [char for char in _ODD if chars.holds(ord(char))]
    if fit or chars.negated:
        return fit[choices.among(len(fit))] if fit else "\u2021"
    low, high = chars.ranges[choices.among(len(chars.ranges))]
    return chr((low, high)[choices.among(2)])
