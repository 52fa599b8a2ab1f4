"""Regular expressions for `rules.pattern`, matched in linear time. Pure.

Python's `re` backtracks, so `(a+)+b` never ends on thirty `a`, and google-re2 would be a fourth
dependency of the function. Here a set of states walks the text once (Thompson, CACM 11(6), 1968).
The language is what RE2 and `re` agree on: literals, `.`, classes, \\d \\w \\s (ASCII), groups,
`|`, `* + ? {m,n}`; the whole value has to match, so `^` and `$` may only stand at the ends.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

MOST_STATES = 2000
MOST_KNOWN = 4096  # steps remembered while matching


class PatternError(Exception):
    """The pattern is not in the language; the message says why."""


class Chars(NamedTuple):
    """A set of characters, as ranges of code points."""

    ranges: tuple[tuple[int, int], ...]
    negated: bool = False

    def holds(self, code: int) -> bool:
        """Whether the character is in the set."""
        return any(low <= code <= high for low, high in self.ranges) is not self.negated


START, END = Chars(((-1, -1),)), Chars(((-2, -2),))  # ^ and $ inside a search: no character at all


class State(NamedTuple):
    """One state: with chars it consumes one of them, without it leads on at once."""

    chars: Chars | None
    then: list[int]


Steps = dict[tuple[frozenset[int], str], frozenset[int]]


class Pattern(NamedTuple):
    """A compiled pattern."""

    states: tuple[State, ...]
    start: int
    accept: int

    def matches(self, text: str, known: Steps | None = None) -> bool:
        """Whether the whole text matches; time grows with len(text) × len(states).

        Who asks often passes the same `known` each time.
        """
        known = {} if known is None else known  # a DFA, as far as it is used
        current = self._reach({self.start}, {START, END} if not text else {START})
        for char in text:
            step = (current, char)
            if step not in known:
                if len(known) == MOST_KNOWN:
                    known.clear()
                known[step] = self._after(current, ord(char))
            current = known[step]
            if not current:
                return False
        return self.accept in self._reach(current, {END})

    def _after(self, current: frozenset[int], code: int) -> frozenset[int]:
        return self._reach(
            target
            for index in current
            if (chars := self.states[index].chars) is not None and chars.holds(code)
            for target in self.states[index].then
        )

    def _reach(self, starts: Iterable[int], here: Collection[Chars] = ()) -> frozenset[int]:
        """All states that these lead to without consuming anything; the anchors `here` hold."""
        seen = set(starts)
        stack = list(seen)
        while stack:
            state = self.states[stack.pop()]
            if state.chars is None or state.chars in here:
                fresh = set(state.then) - seen
                seen |= fresh
                stack += fresh
        return frozenset(seen)


@lru_cache(maxsize=256)
def compile_pattern(text: str) -> Pattern:
    """Compile, or raise PatternError."""
    body = text.removeprefix("^")
    if body.endswith("$") and (len(body) - len(body[:-1].rstrip("\\"))) % 2 == 1:
        body = body[:-1]
    node, end = _alternatives(body, 0, 0)
    if end < len(body):
        raise PatternError("a ) without its (")
    states: list[State] = [State(None, [])]
    start = _build(node, 0, states)
    return Pattern(tuple(states), start, 0)


@lru_cache(maxsize=256)
def compile_search(text: str) -> Callable[[str], bool]:
    """A function that says whether the expression matches anywhere in a text, as Go's does.

    `^` and `$` mean the ends of the text. Raises PatternError.
    """
    anything = Repeat(Chars((), negated=True), 0, None)
    states: list[State] = [State(None, [])]
    start = _build(Seq((anything, parse(text), anything)), 0, states)
    pattern, known = Pattern(tuple(states), start, 0), Steps()
    return lambda found: pattern.matches(found, known)


def parse(text: str) -> Node:
    """What an expression for a search asks for; raises PatternError."""
    node, end = _alternatives(text, 0, 0, {"^": START, "$": END})
    if end < len(text):
        raise PatternError("a ) without its (")
    return node


class Seq(NamedTuple):
    """One after the other."""

    items: tuple[Node, ...]


class Alt(NamedTuple):
    """Any one of them."""

    items: tuple[Node, ...]


class Repeat(NamedTuple):
    """From low to high times; None is without end."""

    item: Node
    low: int
    high: int | None


Node = Chars | Seq | Alt | Repeat

_DIGIT = ((48, 57),)
_WORD = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE = ((9, 13), (32, 32))
_NAMED = {
    "d": Chars(_DIGIT), "w": Chars(_WORD), "s": Chars(_SPACE),
    "D": Chars(_DIGIT, True), "W": Chars(_WORD, True), "S": Chars(_SPACE, True),
}  # fmt: skip
_CONTROL = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11}
_ANY = Chars(((10, 10),), negated=True)
_NONE: Mapping[str, Chars] = MappingProxyType({})
_QUANTIFIERS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


def _alternatives(
    text: str, at: int, depth: int, anchors: Mapping[str, Chars] = _NONE
) -> tuple[Node, int]:
    """Read up to the end or a closing bracket; return what was read, and where it ends."""
    if depth > 50:
        raise PatternError("more than 50 groups inside each other")
    branches: list[Node] = []
    items: list[Node] = []
    while at < len(text) and text[at] != ")":
        if text[at] == "|":
            branches.append(Seq(tuple(items)))
            items = []
            at += 1
        else:
            item, at = _atom(text, at, depth, anchors)
            item, at = _quantified(item, text, at)
            items.append(item)
    return Alt((*branches, Seq(tuple(items)))), at


def _atom(text: str, at: int, depth: int, anchors: Mapping[str, Chars]) -> tuple[Node, int]:
    char = text[at]
    if char == "(":
        at += 3 if text.startswith("(?:", at) else 1
        if text.startswith("?", at):
            raise PatternError("(? is not supported: no look-around, no flags, no names")
        node, at = _alternatives(text, at, depth + 1, anchors)
        if at == len(text):
            raise PatternError("a ( without its )")
        return node, at + 1
    if char == "[":
        return _class(text, at + 1)
    if char == "\\":
        return _escape(text, at + 1)
    if char in "*+?{":
        raise PatternError(f"{char} has nothing to repeat")
    if char in anchors:
        if text[at + 1 : at + 2] in ("*", "+", "?", "{"):
            raise PatternError(f"{char} can't be repeated")
        return anchors[char], at + 1
    if char in "^$":
        raise PatternError(f"{char} can only stand at the end it means; the whole value is matched")
    return (_ANY if char == "." else Chars(((ord(char), ord(char)),))), at + 1


def _quantified(item: Node, text: str, at: int) -> tuple[Node, int]:
    if at == len(text):
        return item, at
    if text[at] in _QUANTIFIERS:
        low, high = _QUANTIFIERS[text[at]]
        at += 1
    elif text[at] == "{":
        low, high, at = _counts(text, at + 1)
    else:
        return item, at
    if text.startswith("?", at):  # lazy or greedy is the same when the whole text has to match
        at += 1
    if text[at : at + 1] in ("*", "+", "?", "{"):
        raise PatternError("a repetition of a repetition; use a group")
    return Repeat(item, low, high), at


def _counts(text: str, at: int) -> tuple[int, int | None, int]:
    end = text.find("}", at)
    low, comma, high = text[at : max(end, at)].partition(",")
    if not re.fullmatch("[0-9]{1,4}", low) or not re.fullmatch("[0-9]{0,4}", high):
        raise PatternError("{ needs counts such as {3} or {3,5}; write \\{ for the character")
    least = int(low)
    most = (int(high) if high else None) if comma else least
    if least > MOST_STATES or (most is not None and not least <= most <= MOST_STATES):
        raise PatternError("the counts are out of order or too large")
    return least, most, end + 1


def _escape(text: str, at: int) -> tuple[Chars, int]:
    if at == len(text):
        raise PatternError("a \\ at the end")
    char = text[at]
    if char in _NAMED:
        return _NAMED[char], at + 1
    if char.isalnum() and char not in _CONTROL:
        raise PatternError(f"\\{char} is not supported")
    code = _CONTROL.get(char, ord(char))
    return Chars(((code, code),)), at + 1


def _class(text: str, at: int) -> tuple[Chars, int]:
    """The characters of [...], from behind the bracket."""
    negated = text.startswith("^", at)
    at += negated
    ranges: list[tuple[int, int]] = []
    first = at
    while at < len(text) and (text[at] != "]" or at == first):
        if text.startswith("[:", at):
            raise PatternError("[:name:] is not supported; spell the characters out")
        part, at = _class_char(text, at)
        if part.negated:
            raise PatternError("\\D \\W \\S can't stand in a class")
        if text.startswith("-", at) and text[at + 1 : at + 2] not in ("", "]"):
            end, at = _class_char(text, at + 1)
            (low, _), (_, high) = part.ranges[0], end.ranges[-1]
            if part in _NAMED.values() or end in _NAMED.values() or low > high:
                raise PatternError("a range out of order in a class")
            ranges.append((low, high))
        else:
            ranges += part.ranges
    if at == len(text):
        raise PatternError("a [ without its ]")
    return Chars(tuple(ranges), negated), at + 1


def _class_char(text: str, at: int) -> tuple[Chars, int]:
    if text[at] == "\\":
        return _escape(text, at + 1)
    return Chars(((ord(text[at]), ord(text[at])),)), at + 1


def _build(node: Node, then: int, states: list[State]) -> int:
    """Add the states of a node that leads to `then`; return where it starts."""
    if len(states) > MOST_STATES:
        raise PatternError(f"the pattern needs more than {MOST_STATES} states")
    if isinstance(node, Chars):
        return _state(node, [then], states)
    if isinstance(node, Seq):
        for item in reversed(node.items):
            then = _build(item, then, states)
        return then
    if isinstance(node, Alt):
        return _state(None, [_build(item, then, states) for item in node.items], states)
    if node.high is None:
        loop = _state(None, [then], states)
        states[loop].then.append(_build(node.item, loop, states))
        then = loop
    for _ in range((node.high or node.low) - node.low):
        then = _state(None, [then, _build(node.item, then, states)], states)
    for _ in range(node.low):
        then = _build(node.item, then, states)
    return then


def _state(chars: Chars | None, then: list[int], states: list[State]) -> int:
    states.append(State(chars, then))
    return len(states) - 1
