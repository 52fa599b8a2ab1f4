"""Leaves now against leaves then: what a diff would let pass as harmless. Pure.

A generated value follows from app, environment, id, version, generator and seed alone, so whether
it changed, and whether that was meant, shows without any key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Previous, Recipe, Value
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved
from sopsmith.recipes.template import asks_before


def problems(now: Sequence[Resolved], then: Sequence[Resolved]) -> Iterator[Finding]:
    """What became of versions, what they are made from, seeds, `previous` and origins.

    Leaves belong together by app and environment, or else by file. A new one is fine, one that is
    gone is told. A leaf that is no whole recipe is passed over: `check` reports it by itself.
    """
    new_recipes, old_recipes = _parsed(now), _parsed(then)
    kept = {_identity(recipe) for recipe in new_recipes}
    known = set(kept)  # of which it is told what became of them
    for new in new_recipes:
        earlier = _earlier(new, old_recipes, kept)
        if not earlier:
            continue
        known.update(map(_identity, earlier))
        if _identity(new) == _identity(earlier[0]):
            yield from _seed_problems(new, earlier[0])
        for value in new.values.values():
            found = _before(value, earlier)
            if found:
                yield from _value_problems(new, value, *found)
    broken = {leaf.file for leaf in now} - {recipe.file for recipe in new_recipes}
    for old in old_recipes:
        if _identity(old) not in known and old.file not in broken:
            yield _gone(old)


def _gone(old: Recipe) -> Finding:
    message = f"was the recipe of {old.app} in {old.environment}, and no whole one is now"
    hint = "see that this environment is given up; nothing of it is compared"
    return Finding("recipe-gone", message, old.file, hint=hint)


def _parsed(leaves: Sequence[Resolved]) -> list[Recipe]:
    recipes = []
    for leaf in leaves:
        try:
            recipes.append(parse(leaf))
        except SopsmithError:
            continue
    return recipes


def _identity(recipe: Recipe) -> tuple[str, str]:
    return recipe.app, recipe.environment


def _earlier(new: Recipe, then: Sequence[Recipe], kept: set[tuple[str, str]]) -> list[Recipe]:
    """What the leaf was: those of its identity, its own file first; or its file under another."""
    same = [old for old in then if _identity(old) == _identity(new)]
    renamed = [old for old in then if old.file == new.file and _identity(old) not in kept]
    return sorted(same, key=lambda old: old.file != new.file) or renamed


def _before(value: Value, earlier: Sequence[Recipe]) -> tuple[Recipe, Value] | None:
    """The value as it was, under its name or, renamed, under its id."""
    for old in earlier:
        if value.name in old.values:
            return old, old.values[value.name]
    for old in earlier if value.origin == "generated" else ():
        for before in old.values.values():
            if before.origin == "generated" and before.id == value.id:
                return old, before
    return None


def _seed_problems(new: Recipe, old: Recipe) -> Iterator[Finding]:
    """A seed's check value stays for as long as anything is made from the seed."""
    moving = f"sopsmith rotate --seed -e {new.environment}"
    for number, check in old.seeds.items():
        stated = new.seeds.get(number)
        field = f"spec.seeds.{number}"
        users = [name for name, value in new.values.items() if number in _seeds_of(value)]
        if stated is not None and stated != check:
            message = "is another check value than before: another seed would be taken for it"
            hint = f"restore it; a new seed gets a new number: {moving}"
            yield Finding("seed-changed", message, new.file, field, hint)
        elif stated is None and users:
            message = f"is gone, while {users[0]} is still made from that seed"
            hint = f"restore it; values move to a new seed by {moving}"
            yield Finding("seed-changed", message, new.file, field, hint)


def _seeds_of(value: Value) -> set[str]:
    if value.origin != "generated":
        return set()
    return {value.seed} | ({value.previous.seed} if value.previous else set())


def _value_problems(new: Recipe, value: Value, old: Recipe, before: Value) -> Iterator[Finding]:
    field = f"spec.values.{value.name}"
    if before.rotation == "never" and value.rotation != "never":
        message = f"was never to be rotated, and now is {value.rotation}"
        hint = "keep `rotation: never` while data at rest is encrypted with it"
        yield Finding("rotation-loosened", message, new.file, f"{field}.rotation", hint)
    if value.origin != before.origin:
        message = f"was {before.origin} and is {value.origin} now"
        hint = "see that the value itself is what its consumers expect"
        yield Finding("origin-changed", message, new.file, field, hint)
    elif value.origin == "generated":
        finding = _version_problem(new, value, old, before)
        if finding:
            yield finding
        if not finding or finding.severity == "warning":
            yield from _previous_problem(new, value, before)


def _version_problem(new: Recipe, value: Value, old: Recipe, before: Value) -> Finding | None:
    field = f"spec.values.{value.name}.version"
    highest = _highest(before)
    if value.version < before.version:
        known = (_as_previous(before), before.previous)  # the second after two restores in a row
        if _is_renewed(value, before) or (value.previous and value.previous in known):
            message = f"goes back from {before.version} to {value.version}"
            hint = "an old value comes back into use; see that it never leaked"
            return Finding("version-restored", message, new.file, field, hint)
        message = f"is {value.version} and was {before.version}"
        named = f"{value.name} -e {new.environment}"
        hint = f"sopsmith restore brings an old value back, from one of sopsmith history {named}"
        return Finding("version-lowered", message, new.file, field, hint)
    if value.version > highest + 1:
        message = f"is {value.version} and was {before.version}"
        hint = f"one rotation raises it by one: version: {highest + 1}"
        return Finding("version-jump", message, new.file, field, hint)
    changed = _changed(new, value, old, before) if value.version == before.version else []
    if changed:
        message = f"is still {value.version}, and its {' and '.join(changed)} changed"
        hint = f"the value changes with it, so say so: version: {highest + 1}; or undo the change"
        return Finding("version-unraised", message, new.file, field, hint)
    return None


def _changed(new: Recipe, value: Value, old: Recipe, before: Value) -> list[str]:
    """What the value is made from, besides its version, that is not what it was."""
    inputs = (
        ("app", new.app, old.app),
        ("environment", new.environment, old.environment),
        ("id", value.id, before.id),
        ("generator", value.generator, before.generator),
        ("seed", value.seed, before.seed),
    )
    return [name for name, is_, was in inputs if is_ != was]


def _previous_problem(new: Recipe, value: Value, before: Value) -> Iterator[Finding]:
    """`previous` is what the value was before this rotation, or what it said all along."""
    is_rotated = value.version != before.version
    right = _as_previous(before) if is_rotated else before.previous
    if value.previous == right or (not is_rotated and _is_renewed(value, before)):
        return
    if not is_rotated and _is_back(value, before):
        return
    if value.version < before.version and value.previous == before.previous:
        return  # restored twice in a row: the highest version stays known
    if value.previous is None and not (is_rotated and _is_needed(new, value)):
        return
    message = "is not what the value was before this rotation"
    hint = f"version {before.version} of seed {before.seed}, with the generator it had then"
    if not is_rotated:
        message = "changed without a rotation"
        hint = "restore it; it may be removed once nobody needs the old value"
    yield Finding("previous-wrong", message, new.file, f"spec.values.{value.name}.previous", hint)


def _is_back(value: Value, before: Value) -> bool:
    """Whether it was rotated and rolled back in one change: the next version stays known, as a
    database may have got it. Where the day is another too, `_is_renewed` tells already."""
    return value.previous == _as_previous(value._replace(version=_highest(before) + 1))


def _highest(value: Value) -> int:
    """The highest version that is known of it."""
    return max(value.version, value.previous.version if value.previous else 0)


def _is_needed(recipe: Recipe, value: Value) -> bool:
    """Whether another value is derived from what this one was."""
    return any(value.name in asks_before(each) for each in recipe.values.values())


def _as_previous(before: Value) -> Previous | None:
    if before.generator is None:
        return None
    return Previous(before.version, before.seed, before.generator)


def _is_renewed(value: Value, before: Value) -> bool:
    return value.rotated is not None and value.rotated > (before.rotated or "")
