"""How hard a value is to guess, in bits: computed for generators, estimated for text. Pure."""

from __future__ import annotations

import math

from sopsmith.model import Generator
from sopsmith.recipes.kinds import KINDS

STRONG = 128  # bits; NIST SP 800-57 part 1 asks 112 to 2030 and 128 after

_CLASSES = (
    frozenset("0123456789"),
    frozenset("abcdefghijklmnopqrstuvwxyz"),
    frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
)
_OTHERS = 33  # printable ASCII that is neither letter nor digit
_HEX = frozenset("0123456789abcdef")
_UPPER_HEX = frozenset("0123456789ABCDEF")
MOST_ESTIMATED = 4096  # characters; a minEntropy can't ask for more bits than these hold


def of_generator(generator: Generator) -> float:
    """The entropy of what a generator yields; keys of stored kinds count as 256 bits."""
    return KINDS[generator.kind].entropy(generator.options)


def estimate(text: str) -> float:
    """An upper estimate for text of unknown origin.

    Length times the bits of the smallest usual alphabet that holds it, where a character counts
    only if it neither continues a run (aaaa, 1234) nor ends a chunk that stood before. Chunks are
    as long as it takes to be rare by chance, so a random value loses next to nothing;
    `passwordpassword` loses half.
    """
    text = text[:MOST_ESTIMATED]
    if not text:
        return 0.0
    pool, length = _alphabet(set(text))
    seen: set[str] = set()
    counted = 0
    for index in range(len(text)):
        step = ord(text[index]) - ord(text[index - 1]) if index else None
        before = ord(text[index - 1]) - ord(text[index - 2]) if index > 1 else None
        chunk = text[max(index + 1 - length, 0) : index + 1]
        run = step in (-1, 0, 1) and step == before
        if not run and not (len(chunk) == length and chunk in seen):
            counted += 1
        seen.add(chunk)
    return counted * math.log2(pool)


def _alphabet(present: set[str]) -> tuple[int, int]:
    """The size of the smallest usual alphabet that holds these characters, and of a rare chunk."""
    if present <= _CLASSES[0]:
        return 10, 6
    if present <= _HEX or present <= _UPPER_HEX:
        return 16, 5
    pool = sum(len(each) for each in _CLASSES if present & each)
    return pool + (_OTHERS if present - frozenset().union(*_CLASSES) else 0), 3
