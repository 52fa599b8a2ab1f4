"""Three sides of a component, decrypted → the steps that join them, and the conflicts. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from sopsmith.components.change import Step, same
from sopsmith.components.sealed import Path

Leaves = Mapping[Path, Any]


class Merge(NamedTuple):
    """What the chosen side still needs of the other, and what both changed, each in its way."""

    steps: tuple[Step, ...]
    conflicts: tuple[Path, ...]


def merge(base: Leaves, chosen: Leaves, other: Leaves) -> Merge:
    """Join two sides leaf by leaf. In a conflict the chosen side's value stays."""
    steps, conflicts = [], []
    for path in sorted(set(base) | set(other)):
        was, mine, theirs = (side.get(path) for side in (base, chosen, other))
        if same(theirs, was) or same(theirs, mine) or theirs in ({}, []):  # no value is in those
            continue
        if same(mine, was) and isinstance(theirs, str | None):
            steps.append(Step(path, theirs))
        else:
            conflicts.append(path)
    return Merge(tuple(steps), tuple(conflicts))
