"""Put values where a recipe keeps them: into components that are there, or that are made for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sopsmith import repository, writeback
from sopsmith.components.change import Change
from sopsmith.components.placement import Place
from sopsmith.components.sealed import ENVIRONMENT
from sopsmith.model import Sensitive
from sopsmith.recipes.recipe import parse
from sopsmith.repository import Leaf
from sopsmith.text import layout
from sopsmith.tools import files


class Deposit(NamedTuple):
    """A value, and where it belongs."""

    leaf: Leaf  # that keeps it there
    place: Place
    value: Sensitive
    is_new: bool = False  # nothing may stand there yet


def edits(deposits: Iterable[Deposit]) -> list[writeback.Edit]:
    """What stores these values; a map that has to be made says whose it is."""
    maps: dict[str, list[Deposit]] = {}
    found: list[writeback.Edit] = []
    for each in deposits:
        if each.place.key is None:
            found.append(writeback.WholeFile(each.place.file, each.value, is_new=each.is_new))
        else:
            maps.setdefault(each.place.file, []).append(each)
    return found + [_of_map(file, mine) for file, mine in maps.items()]


def _of_map(file: str, mine: Sequence[Deposit]) -> writeback.Edit:
    values = [(each.place.key or "", each.value, each.is_new) for each in mine]
    if os.path.lexists(os.path.join(mine[0].leaf.root, file)):
        return writeback.ComponentEdit(file, tuple(Change(*each) for each in values))
    entries = {key: value for key, value, _ in values}
    return new_map([each.leaf for each in mine], file, entries)


def new_map(
    leaves: Sequence[Leaf], file: str, entries: Mapping[str, Sensitive]
) -> writeback.NewComponent:
    """A map for the leaves that read it, these among them."""
    stated = Sensitive(_environments(file, leaves))
    return writeback.NewComponent(file, {ENVIRONMENT: stated, **entries})


def _environments(file: str, leaves: Sequence[Leaf]) -> str:
    """Whose a map is: of every leaf that reads it, or the others would refuse it."""
    root, env = leaves[0].root, leaves[0].env
    whole, _ = repository.whole_leaves(repository.recipe_files(root, env), files.reader(root))
    recipes = [*(leaf.recipe for leaf in leaves), *map(parse, whole)]
    names = (r.environment for r in recipes if any(c.file == file for c in r.components))
    return ",".join(dict.fromkeys(names))


def dated(leaf: Leaf, names: Iterable[str], today: date) -> list[writeback.Edit]:
    """The day in the leaf, for the values among these whose age the recipe counts."""
    counted = [name for name in names if leaf.recipe.values[name].max_age is not None]

    def edit(text: str) -> str:
        for name in counted:
            text = layout.set_field(text, ("spec", "values", name, "rotated"), today.isoformat())
        return text

    return [writeback.recipe_edit(leaf, edit)] if counted else []
