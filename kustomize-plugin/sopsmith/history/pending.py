"""What became of a leaf's values since the last commit: the work tree has it, and nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sopsmith.history import past
from sopsmith.history.compare_values import changes_of_values, unknown
from sopsmith.history.snapshot import Snapshot, absent
from sopsmith.history.standing import Standing
from sopsmith.model import Recipe
from sopsmith.repository import Leaf
from sopsmith.tools import git


class Pending(NamedTuple):
    """A leaf in the last commit, and as its files are."""

    head: Snapshot
    now: Snapshot


def look(leaf: Leaf) -> Pending | None:
    """Both; None where no commit holds the leaf, or it can't be read there."""
    head, now = _both(leaf)
    return Pending(head, now) if head and now else None


def _both(leaf: Leaf) -> tuple[Snapshot | None, Snapshot | None]:
    head = git.commit_of(leaf.git, "HEAD") if git.is_checkout(leaf.git) else None
    if head is None:
        return None, None
    found = past.standing(leaf.git, [head, None], leaf.recipe.environment)
    before, now = (_same(leaf.recipe, each) for each in found)
    return before, now


def _same(recipe: Recipe, standing: Standing) -> Snapshot | None:
    """The leaf of the same file, or else the only one of the same application."""
    found = [
        each for key, each in standing.leaves.items() if key[:2] == (recipe.app, recipe.environment)
    ]
    mine = [each for each in found if each.recipe.file == recipe.file] or found
    return mine[0] if len(mine) == 1 else None


def begun(leaf: Leaf, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Which of these values are what no commit says, and the files of the leaf that hold that."""
    head, now = _both(leaf)
    if now is None:
        return {}
    before = head or absent(now)
    changes = changes_of_values(before, now, unknown)
    found = {name: _files(name, leaf, before, now) for name in names if name in changes}
    return {name: files for name, files in found.items() if files}


def filled(leaf: Leaf, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Which of these values components hold and in the last commit none does, and the files of the
    leaf that came to hold that and its day."""
    head, now = _both(leaf)
    if now is None:
        return {}
    before = head or absent(now)
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        if name in now.places and name not in before.places:
            was = before.recipe.values.get(name)
            is_dated = now.recipe.values[name].rotated != (was.rotated if was else None)
            file = now.places[name].component.file
            found[name] = (file, leaf.resolved.file) if is_dated else (file,)
    return found


def _files(name: str, leaf: Leaf, before: Snapshot, now: Snapshot) -> tuple[str, ...]:
    was, place = before.places.get(name), now.places.get(name)
    files = []
    if place and (was is None or was.ciphertext != place.ciphertext):
        files.append(place.component.file)
    if before.recipe.values.get(name) != now.recipe.values[name]:
        files.append(leaf.resolved.file)
    return tuple(files)
