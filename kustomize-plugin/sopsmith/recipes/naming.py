"""Words typed in the place of a value's name, where a secret gets pasted too. Pure."""

from __future__ import annotations

import re

from sopsmith.recipes import schema

_LONGEST = 253  # characters of a key in a Kubernetes Secret
_LONGEST_SHOWN = 63
_CHARACTERS = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))


def is_possible(word: str) -> bool:
    """Whether a value can have that name."""
    return len(word) <= _LONGEST and re.fullmatch(schema.NAME, word) is not None


def shown(word: str) -> str | None:
    """A name that nothing has, for a message: None for what may be a secret.

    Tokens mix capitals, small letters and digits; names next to never do.
    """
    is_mixed = all(each.search(word) for each in _CHARACTERS)
    return None if is_mixed or len(word) > _LONGEST_SHOWN or not is_possible(word) else word
