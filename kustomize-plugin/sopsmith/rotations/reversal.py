"""Back to the password of before, as a new change: what the leaf and its components have to say."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import Any

from sopsmith import aftermath, repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.components.sealed import PREVIOUS
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import restoration, trail
from sopsmith.model import Value
from sopsmith.repository import Leaf
from sopsmith.rotations import rotation, turnover
from sopsmith.rotations.prospect import Prospect
from sopsmith.rotations.rotation import Plan, Turn
from sopsmith.rotations.turnover import Job
from sopsmith.text import layout
from sopsmith.tools import git
from sopsmith.transaction import Work

ROLLBACK = "postgres rollback"  # the command, as commits say it


def foreseen(leaf: Leaf, names: Iterable[str]) -> Prospect:
    """What that does. Raises SopsmithError (usage) where nothing is known of before."""
    turns = tuple(_turn(leaf.recipe.values[name]) for name in names)
    return turnover.foreseen(Job(leaf, Plan(turns), {}))


def work(leaf: Leaf, names: tuple[str, ...], today: date) -> Work:
    """The change that gives each value what it was before its last rotation, and remembers what it
    is now. Raises SopsmithError (usage) where nothing is known of before, layout-unsafe.
    """
    values = [leaf.recipe.values[name] for name in names]
    text = partial(_text, values=values, today=today)
    edits: list[writeback.Edit] = [writeback.recipe_edit(leaf, text)]
    edits += (_swapped(leaf, each.name) for each in values if each.origin == "stored")
    environment = leaf.recipe.environment
    message = trail.message(ROLLBACK, environment, names, "roll back")
    return Work(edits, message, check=partial(aftermath.checked, [leaf]))


def is_last(leaf: Leaf, names: Iterable[str]) -> bool:
    """Whether the leaf is what a rollback of all of these made it, by git's last commit of it."""
    changed, files = repository.uncommitted(leaf), repository.files_of(leaf)
    last = None if changed else next(git.log(leaf.git, ["HEAD"], files), None)
    said = trail.trailers(last.message) if last else {}
    return (
        said.get(trail.COMMAND) == [ROLLBACK]
        and leaf.recipe.environment in said.get(trail.ENVIRONMENT, ())
        and {*said.get(trail.VALUE, ())} >= {*names}
    )


def _before(value: Value) -> Value:
    """The value before its last rotation; else SopsmithError (usage)."""
    slot, last = value.slot, value.previous
    if rotation.alternates(value):
        slot = "a" if value.slot == "b" else "b"
    if value.origin == "stored":
        return value._replace(slot=slot)
    if value.origin != "generated" or last is None:
        raise SopsmithError(_unknown(value))
    return value._replace(version=last.version, seed=last.seed, generator=last.generator, slot=slot)


def _turn(value: Value) -> Turn:
    before = _before(value)
    fields: dict[str, Any] = {"version": before.version} if value.origin == "generated" else {}
    if before.seed != value.seed:
        fields["seed"] = before.seed
    if before.slot != value.slot:
        fields["slot"] = before.slot
    return Turn(value, fields, keeps=True, is_back=True)


def _text(text: str, values: list[Value], today: date) -> str:
    for value in values:
        before = _before(value)
        if value.origin == "generated":
            text = restoration.text_of(text, value, before, today)
            continue
        here = ("spec", "values", value.name)
        if before.slot is not None:
            text = layout.set_field(text, (*here, "slot"), before.slot)
        text = layout.set_field(text, (*here, "rotated"), today.isoformat())
    return text


def _swapped(leaf: Leaf, name: str) -> writeback.ComponentEdit:
    rendered = repository.rendered(leaf)
    place = placement.place(leaf.recipe, repository.sealed_components(leaf), name)
    now, before = rendered.values.get(name), rendered.previous.get(name)
    if now is None or before is None or place.key is None:
        raise SopsmithError(_unknown(leaf.recipe.values[name]))
    changes = (Change(place.key, before), Change(PREVIOUS + name, now))
    return writeback.ComponentEdit(place.file, changes)


def _unknown(value: Value) -> Finding:
    message = "has no password of before to go back to"
    return Finding("usage", message, value.file, value.name, f"sopsmith rotate {value.name}")
