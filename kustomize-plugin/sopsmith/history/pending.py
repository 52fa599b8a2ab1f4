"""What became of a leaf's values since the last commit: the work tree has it, and nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sopsmith.history import past
from sopsmith.history.compare_values import changes_of_values, unknown
from sopsmith.history.snapshot import Snapshot
from sopsmith.history.standing import Standing
from sopsmith.model import Recipe
from sopsmith.repository import Leaf
from sopsmith.tools import git

_NO_NEWS = ("settings", "re-encrypted")  # the value is what it was


class Pending(NamedTuple):
    """A leaf in the last commit, and as its files are."""

    head: Snapshot
    now: Snapshot


def look(leaf: Leaf) -> Pending | None:
    """Both; None where no commit holds the leaf, or it can't be read there."""
    head = git.commit_of(leaf.git, "HEAD") if git.is_checkout(leaf.git) else None
    if head is None:
        return None
    environment = leaf.recipe.environment
    before, now = (
        _same(leaf.recipe, each) for each in past.standing(leaf.git, [head, None], environment)
    )
    return Pending(before, now) if before and now else None


def _same(recipe: Recipe, standing: Standing) -> Snapshot | None:
    """The leaf of the same file, or else the only one of the same application."""
    found = [
        each for key, each in standing.leaves.items() if key[:2] == (recipe.app, recipe.environment)
    ]
    mine = [each for each in found if each.recipe.file == recipe.file] or found
    return mine[0] if len(mine) == 1 else None


def changed(leaf: Leaf, names: Iterable[str]) -> tuple[str, ...]:
    """Which of these values are what no commit says; all of them where none holds the leaf."""
    pending = look(leaf)
    if pending is None:
        return tuple(names)
    found = changes_of_values(pending.head, pending.now, unknown)
    moved = {name for name, each in found.items() if each.word not in _NO_NEWS}
    return tuple(name for name in names if name in moved)
