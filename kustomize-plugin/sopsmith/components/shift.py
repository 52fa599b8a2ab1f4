"""Who gains and who loses access to a file, where it gets the readers of its rule. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from sopsmith.components.change import Policy
from sopsmith.findings import Finding, one_line


class Shift(NamedTuple):
    """One file, and the readers that are not the same after."""

    file: str
    gains: tuple[str, ...]
    loses: tuple[str, ...]

    @property
    def lost(self) -> frozenset[str]:
        """The keys of those who lose it, such as age:age1…"""
        return frozenset(each if ":" in each else f"age:{each}" for each in self.loses)

    def besides(self, recipient: str | None) -> Shift:
        """What nobody asked for by name."""
        gains, loses = (tuple(r for r in each if r != recipient) for each in self[1:])
        return Shift(self.file, gains, loses)


def shift(file: str, actual: Policy, wanted: Policy | None) -> Shift:
    """Compare who can read a file with who is to."""
    now, then = (_readers(each) for each in (actual, wanted))
    return Shift(file, tuple(sorted(then - now)), tuple(sorted(now - then)))


def _readers(policy: Policy | None) -> frozenset[str]:
    keys = frozenset().union(*policy.groups) if policy else frozenset()
    return frozenset(key.removeprefix("age:") for key in keys)


def text(shifts: Iterable[Shift]) -> str:
    """A line for each reader that a file gains or loses."""
    return "".join(
        f"{one_line(each.file)} {verb} {one_line(reader)}\n"
        for each in shifts
        for verb, readers in (("gains", each.gains), ("loses", each.loses))
        for reader in readers
    )


def unasked(shifts: Iterable[Shift], command: str) -> Iterator[Finding]:
    """New readers that somebody has to confirm: an edited rule is easily missed in a review."""
    for each in shifts:
        if each.gains:
            message = f"would be readable for {', '.join(each.gains)}"
            hint = f"see that .sops.yaml says what is meant; then {command} --yes"
            yield Finding("usage", message, each.file, hint=hint)
