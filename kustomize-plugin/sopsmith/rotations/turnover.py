"""Rotations carried out: new values drawn, old ones kept where they are needed, leaves changed."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

from sopsmith import checkout, repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.components.placement import Place
from sopsmith.components.sealed import PREVIOUS
from sopsmith.delivery import folders
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Recipe, Sensitive, Value, Values
from sopsmith.recipes import consumers
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Source
from sopsmith.repository import Leaf
from sopsmith.rotations import prospect, rotation
from sopsmith.rotations.prospect import Prospect
from sopsmith.rotations.rotation import Plan, Turn
from sopsmith.tools import age, draw, files


class Job(NamedTuple):
    """What rotates in one leaf, and where the stored values among it stand."""

    leaf: Leaf
    plan: Plan
    places: Mapping[str, Place]


def job(leaf: Leaf, plan: Plan) -> Job:
    """Look up where stored values stand; one that can't be rotated there is left out."""
    stored = [each for each in plan.turns if each.value.origin == "stored"]
    if not stored:
        return Job(leaf, plan, {})
    sealed = repository.sealed_components(leaf)
    present = {name for each in sealed for name in placement.names_of(each)}
    places: dict[str, Place] = {}
    left_out = list(plan.left_out)
    for each in stored:
        name = each.value.name
        if name in present:
            places[name] = placement.place(leaf.recipe, sealed, name)
        problem = _problem(leaf.recipe, each, places.get(name))
        if problem:
            places.pop(name, None)
            left_out.append(problem)
    turns = tuple(t for t in plan.turns if t.value.origin != "stored" or t.value.name in places)
    return Job(leaf, Plan(turns, tuple(left_out)), places)


def _problem(recipe: Recipe, turn: Turn, place: Place | None) -> Finding | None:
    where = (recipe.file, turn.value.name)
    if place is None:
        hint = f"sopsmith fill {turn.value.name} -e {recipe.environment}"
        return Finding("stored-missing", "was never drawn, so there is nothing to rotate", *where,
                       hint)  # fmt: skip
    if place.key is None and turn.keeps:
        message = f"is all of {place.file}, where what it was can't be kept"
        return Finding("usage", message, *where, "keep it under a key of a component")
    return None


def with_sharing(jobs: Sequence[Job], today: date) -> tuple[tuple[Job, ...], list[str]]:
    """Add what else reads the same key of the same file: it rotates with it.

    Gives the broken recipes as well, of which nobody knows what they read.
    Raises SopsmithError (rotation-never) where another leaf forbids it.
    """
    shared = {place for each in jobs for place in each.places.values()}
    if not shared:
        return tuple(jobs), []
    first = jobs[0].leaf
    known = {each.leaf.resolved.file: each for each in jobs}
    names = repository.recipe_files(first.root, first.env)
    whole, broken = repository.whole_leaves(names, files.reader(first.root))
    for resolved in whole:
        leaf = Leaf(first.root, first.env, resolved, parse(resolved))
        mine = known.get(resolved.file, Job(leaf, Plan(()), {}))
        for place in shared:
            for value in _read_from(mine.leaf.recipe, place):
                if value.name not in mine.places:
                    mine = _joined(mine, value, place, today)
        if mine.plan.turns:
            known[resolved.file] = mine
    return tuple(known.values()), broken


def _read_from(recipe: Recipe, place: Place) -> Iterator[Value]:
    """The values that a recipe reads from there."""
    for component in recipe.components:
        if component.file != place.file:
            continue
        if component.whole is not None:
            names = [component.whole]
        elif component.picks is not None:
            names = [name for name, key in component.picks if key == place.key]
        else:
            names = [place.key or ""]
        for name in names:
            value = recipe.values.get(name)
            if value and value.origin in ("given", "stored"):
                yield value


def _joined(mine: Job, value: Value, place: Place, today: date) -> Job:
    recipe = mine.leaf.recipe
    problem = rotation.refusal(recipe, value)
    if problem and problem.code == "rotation-never":
        raise SopsmithError(problem)
    turn = rotation.turn(recipe, value, today)
    plan = mine.plan._replace(turns=(*mine.plan.turns, turn))
    return mine._replace(plan=plan, places={**mine.places, value.name: place})


# --- edits ----------------------------------------------------------------------------------------


def edits(jobs: Sequence[Job], today: date) -> list[writeback.Edit]:
    """All that changes. A value that several leaves read is drawn once.

    Raises SopsmithError: what rendering raises where an old value has to be kept, layout-unsafe,
    usage (a recipe inside a kustomization).
    """
    drawn = _drawn(jobs, today)
    changes: dict[str, dict[str, Sensitive | None]] = {}
    whole: dict[str, Sensitive] = {}
    for each in jobs:
        for place in each.places.values():
            if place.key is None:
                whole[place.file] = drawn[place]
            else:
                changes.setdefault(place.file, {})[place.key] = drawn[place]
        for name, kept in _kept(each).items():
            into = changes.setdefault(each.places[name].file, {})
            into[PREVIOUS + name] = kept or into.get(PREVIOUS + name)
    found: list[writeback.Edit] = [
        writeback.ComponentEdit(file, tuple(Change(*change) for change in mine.items()))
        for file, mine in changes.items()
    ]
    found += [writeback.WholeFile(file, content) for file, content in whole.items()]
    for each in jobs:
        if any(turn.fields for turn in each.plan.turns):
            found.append(recipe_edit(each.leaf, _rotated(each.plan.turns)))
    return found


def _drawn(jobs: Sequence[Job], today: date) -> dict[Place, Sensitive]:
    """A new value for each place, by the generator of the leaf that asked for it."""
    drawn: dict[Place, Sensitive] = {}
    for each in jobs:
        env = each.leaf.env
        for turn in each.plan.turns:
            place, generator = each.places.get(turn.value.name), turn.value.generator
            if place is not None and generator is not None and place not in drawn:
                drawn[place] = draw.draw(generator, today, partial(age.new_identity, env))
    return drawn


def _kept(each: Job) -> dict[str, Sensitive | None]:
    """What stays known of stored values, by name; None where nothing has to."""
    turns = [turn for turn in each.plan.turns if turn.value.name in each.places]
    now: Values = {}
    if any(turn.keeps for turn in turns):
        now = repository.rendered(each.leaf).values
    in_maps = [turn for turn in turns if each.places[turn.value.name].key is not None]
    return {t.value.name: now.get(t.value.name) if t.keeps else None for t in in_maps}


def _rotated(turns: Iterable[Turn]) -> Callable[[str], str]:
    return lambda text: rotation.text_of(text, turns)


def recipe_edit(leaf: Leaf, edit: Callable[[str], str]) -> writeback.TextEdit:
    """The change of a leaf's recipe file; where it can't be made, the file is named."""
    try:
        return writeback.recipe_edit(leaf, edit)
    except SopsmithError as error:
        raise SopsmithError(
            each._replace(file=each.file or leaf.resolved.file) for each in error.findings
        ) from None


# --- around it ------------------------------------------------------------------------------------


def foreseen(one: Job) -> Prospect:
    """What a leaf's rotations do, to its overlay's workloads too."""
    overlay = _overlay(one.leaf)
    objects = consumers.manifests(overlay, one.leaf.read) if overlay else ()
    workloads = consumers.workloads(objects)
    return prospect.prospect(one.leaf.recipe, one.plan.turns, one.plan.left_out, workloads)


def sealing(leaves: Iterable[Leaf]) -> str:
    """What there is to do, for people, where sealed folders hold Secrets of these leaves."""
    lines = []
    for leaf in leaves:
        overlay = _overlay(leaf)
        source = overlay.folder or "." if overlay else leaf.resolved.file
        app, environment = leaf.recipe.app, leaf.recipe.environment
        held = (f for f in folders.known(leaf.root, leaf.env) if f.is_of(app, environment))
        lines += [f"next: {each.command(source)}\n" for each in held]
    return "".join(dict.fromkeys(lines))


def _overlay(leaf: Leaf) -> Source | None:
    """The overlay that lists the leaf, where one stands beside it."""
    folder = os.path.join(leaf.root, posixpath.dirname(leaf.resolved.file))
    if not checkout.is_overlay(folder):
        return None
    try:
        here = checkout.at(folder, leaf.env)
    except SopsmithError:  # it lists none, or can't be read: kustomize says so
        return None
    listed = {each.file for each in checkout.resolved(here)}
    return here.kustomization if leaf.resolved.file in listed else None
