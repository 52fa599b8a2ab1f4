"""Public age keys: whether a text is one, before it decides who reads a secret. Pure."""

from __future__ import annotations

_ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CHECKSUM = 6  # characters
_LENGTHS = {"age": 62, "age1pq": 1959}  # of a whole recipient, by its prefix


def problem(text: str) -> str | None:
    """Why a text is no recipient that sops takes without asking anybody; None where it is one.

    The answer never quotes the text, which may be a private key in the wrong place.
    """
    if "AGE-SECRET-KEY-" in text.upper():
        return "is a private key; give its public half, which starts with age1"
    prefix, _, data = text.rpartition("1")
    if prefix not in _LENGTHS:
        return "is no public age key, which starts with age1"
    if len(text) != _LENGTHS[prefix] or not set(data) <= set(_ALPHABET):
        return "is no whole age key: characters are missing, or too many"
    if _polymod(_expanded(prefix) + [_ALPHABET.index(char) for char in data]) != 1:
        return "is mistyped: its checksum is wrong"
    return None


def _expanded(prefix: str) -> list[int]:
    return [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]


def _polymod(values: list[int]) -> int:
    """The Bech32 checksum (BIP 173), without its limit of 90 characters, as age has it."""
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_GENERATOR):
            state ^= generator if top >> bit & 1 else 0
    return state
