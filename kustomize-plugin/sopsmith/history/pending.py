"""What became of a leaf's values since the last commit: the work tree has it, and nobody else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sopsmith import repository
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


def look(leaves: Iterable[Leaf]) -> dict[str, Pending]:
    """Both, by the leaf's file, for the leaves of a repository with files that are not as the last
    commit has them; without those that it does not hold, or that can't be read there."""
    both = _both(leaves)
    return {file: Pending(head, now) for file, (head, now) in both.items() if head and now}


def _both(leaves: Iterable[Leaf]) -> dict[str, tuple[Snapshot | None, Snapshot | None]]:
    changed = _changed(list(leaves))
    head = git.commit_of(changed[0].git, "HEAD") if changed else None
    if head is None:
        return {}
    environments = {leaf.recipe.environment for leaf in changed}
    only = environments.pop() if len(environments) == 1 else None
    before, now = past.standing(changed[0].git, [head, None], only)
    return {
        leaf.resolved.file: (_same(leaf.recipe, before), _same(leaf.recipe, now))
        for leaf in changed
    }  # fmt: skip


def _changed(leaves: Sequence[Leaf]) -> list[Leaf]:
    """Those among leaves of one repository that the last commit does not hold as they are: one look
    at their files costs far less than all leaves of a commit."""
    if not leaves or not git.is_checkout(leaves[0].git):
        return []
    files = {leaf.resolved.file: frozenset(repository.files_of(leaf)) for leaf in leaves}
    asked = sorted(frozenset[str]().union(*files.values()))
    changed = frozenset(git.changed(leaves[0].git, asked))
    return [leaf for leaf in leaves if files[leaf.resolved.file] & changed]


def _same(recipe: Recipe, standing: Standing) -> Snapshot | None:
    """The leaf of the same file, or else the only one of the same application."""
    found = [
        each for key, each in standing.leaves.items() if key[:2] == (recipe.app, recipe.environment)
    ]
    mine = [each for each in found if each.recipe.file == recipe.file] or found
    return mine[0] if len(mine) == 1 else None


def begun(leaf: Leaf, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Which of these values are what no commit says, and the files of the leaf that hold that."""
    head, now = _both([leaf]).get(leaf.resolved.file, (None, None))
    if now is None:
        return {}
    before = head or absent(now)
    changes = changes_of_values(before, now, unknown)
    found = {name: _files(name, leaf, before, now) for name in names if name in changes}
    return {name: files for name, files in found.items() if files}


def filled(leaves: Iterable[Leaf]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Which stored values components hold and in the last commit none does, by the leaf's file; and
    the files of the leaf that came to hold that and its day."""
    return {
        file: dict(_filled(file, head or absent(now), now))
        for file, (head, now) in _both(leaves).items()
        if now is not None
    }


def _filled(
    file: str, before: Snapshot, now: Snapshot
) -> Iterator[tuple[str, tuple[str, ...]]]:  # fmt: skip
    for name, value in now.recipe.values.items():
        if value.origin == "stored" and name in now.places and name not in before.places:
            was = before.recipe.values.get(name)
            is_dated = value.rotated != (was.rotated if was else None)
            yield name, (now.places[name].component.file, *((file,) if is_dated else ()))


def _files(name: str, leaf: Leaf, before: Snapshot, now: Snapshot) -> tuple[str, ...]:
    was, place = before.places.get(name), now.places.get(name)
    files = []
    if place and (was is None or was.ciphertext != place.ciphertext):
        files.append(place.component.file)
    if before.recipe.values.get(name) != now.recipe.values[name]:
        files.append(leaf.resolved.file)
    return tuple(files)
