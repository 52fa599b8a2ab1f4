"""Encrypted files that are copies of one another, seen without a key. Pure.

sops draws a nonce for every value and wraps the data key anew for every file, so a ciphertext that
stands in two files was copied, and one data key opens both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sopsmith.components import access, change
from sopsmith.components.change import Policy
from sopsmith.components.rules import Rule
from sopsmith.findings import Finding

# The nonce and tag of a ciphertext; the second line of a wrapped data key, which is random too: the
# first is next to the same in all that is for one SSH key.
_MARK = re.compile(
    rb",iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+),type:"
    rb"|-----BEGIN AGE ENCRYPTED FILE-----"
    rb"(?:\\n|\s)+[A-Za-z0-9+/=]{64}(?:\\n|\s)+([A-Za-z0-9+/=]{64})"
)


class Held(NamedTuple):
    """An encrypted file, who reads it, and who is to by its rule."""

    data: bytes
    actual: Policy | None  # None where that can't be told
    wanted: Policy

    @property
    def is_astray(self) -> bool:
        """Whether others read it than its rule says."""
        return self.actual is not None and self.actual.groups != self.wanted.groups


def held(file: str, data: bytes, rule: Rule) -> Held:
    """An encrypted file under the rule that covers it."""
    return Held(data, access.reading(file, data), change.policy_of_rule(rule))


class Copied(NamedTuple):
    """A file that shares ciphertext with one that others read."""

    file: str
    twin: str
    is_astray: bool  # of the two it alone is not encrypted as its rule says, so it is the copy

    @property
    def finding(self) -> Finding:
        """What to do about it; nothing hands it over to anybody."""
        message = f"shares ciphertext with {self.twin}, which others read"
        hint = "take the copy away, and encrypt by its rule what is to stand there"
        return Finding("copied-ciphertext", message, self.file, hint=hint)


def copied(held: Mapping[str, Held]) -> list[Copied]:
    """The files that share ciphertext with one whose rule names other readers.

    Of two, the one that is not as its rule says is the copy; else nobody can tell, and both are.
    """
    found = []
    for file, twin in sorted(_pairs(held)):
        one, other = held[file], held[twin]
        strays = (one.is_astray, other.is_astray)
        if one.wanted.groups != other.wanted.groups and strays != (False, True):
            found.append(Copied(file, twin, strays == (True, False)))
    return found


def _pairs(held: Mapping[str, Held]) -> set[tuple[str, str]]:
    holders: dict[tuple[bytes, ...], set[str]] = {}
    for file, each in held.items():
        for mark in _MARK.findall(each.data):
            holders.setdefault(mark, set()).add(file)
    shared = {frozenset(files) for files in holders.values() if len(files) > 1}
    return {(one, other) for files in shared for one in files for other in files if one != other}
