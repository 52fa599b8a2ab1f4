"""What became of each value of a leaf, as far as its recipe and its ciphertexts tell. Pure.

sops keeps the ciphertext of an unchanged value byte for byte. Only under another data key all of
them are others, and then nobody knows without a key whether a value is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from sopsmith.components.sealed import PREVIOUS, SEED, plain_length
from sopsmith.history.snapshot import Part, Place, Snapshot
from sopsmith.model import Component, Generator, Recipe, Value


class Made(NamedTuple):
    """A value that a seed made; only a key can compare it with what a place holds."""

    recipe: Recipe
    value: Value
    seed: Place

    @property
    def component(self) -> Component:
        """The file with the seed."""
        return self.seed.component


Same = Callable[[Place | Made, Place], bool | None]
"""Whether two places of different data keys hold one value; None where that can't be known."""


class Change(NamedTuple):
    """What became of one value."""

    word: str
    details: tuple[str, ...] = ()
    moves: bool = True  # whether what is derived from it changes as well


def unknown(old: Place | Made, new: Place) -> bool | None:
    """Nobody has a key."""
    return None


def changes_of_values(old: Snapshot, new: Snapshot, same: Same) -> dict[str, Change]:
    """What became of every value that is not what it was, by its name now."""
    before, after = old.recipe.values, new.recipe.values
    renamed = _renamed(old, new)
    found = {}
    for name, value in after.items():
        if name in renamed:
            change = _change(renamed[name], name, old, new, same)
            words = (f"from {renamed[name]}", *(change.details if change else ()))
            found[name] = Change("renamed", words, bool(change and change.moves))
        elif name not in before:
            found[name] = Change("added", (_described(value, new),))
        else:
            change = _change(name, name, old, new, same)
            if change:
                found[name] = change
    for name in before.keys() - after.keys() - set(renamed.values()):
        found[name] = Change("removed")
    return dict(sorted(found.items()))


def _described(value: Value, snapshot: Snapshot) -> str:
    if value.origin == "generated":
        return f"generated, version {value.version}"
    if value.origin == "derived":
        return "derived"
    if value.name in snapshot.places:
        return f"{value.origin} in {snapshot.places[value.name].component.file}"
    return f"{value.origin}, default" if value.default is not None else f"{value.origin}, absent"


def _renamed(old: Snapshot, new: Snapshot) -> dict[str, str]:
    """The values that have another name and are what they were: by their id or ciphertext."""
    gone = [value for name, value in old.recipe.values.items() if name not in new.recipe.values]
    found: dict[str, str] = {}
    for name, value in new.recipe.values.items():
        if name not in old.recipe.values:
            for before in gone:
                if before.name not in found.values() and _is_renamed(before, value, old, new):
                    found[name] = before.name
                    break
    return found


def _is_renamed(before: Value, value: Value, old: Snapshot, new: Snapshot) -> bool:
    if value.origin != before.origin:
        return False
    if value.origin == "generated":
        return value.id == before.id
    one, other = old.places.get(before.name), new.places.get(value.name)
    return bool(one and other and one.ciphertext and one.ciphertext == other.ciphertext)


def _change(was: str, name: str, old: Snapshot, new: Snapshot, same: Same) -> Change | None:
    before, value = old.recipe.values[was], new.recipe.values[name]
    settings = tuple(_settings(before, value, old, new, same))
    if before.origin != value.origin:
        # `pin` keeps what was generated, so this alone says nothing of the value.
        origin = _made(was, name, old, new)
        is_other = origin is not None and same(origin, new.places[name]) is False
        is_pinned = before.origin == "generated" and name in new.places and not is_other
        details = (f"{before.origin} → {value.origin}", *(("another value",) if is_other else ()))
        return Change("origin changed", (*details, *settings), not is_pinned)
    rotated = tuple(_rotation(before, value, old, new))
    made = tuple(_making(before, value, old, new))
    kept = _kept(was, name, old, new, same)
    if rotated:
        news = (each for each in settings if each not in _OF_A_ROTATION)
        return Change("rotated", (*rotated, *made, *news))
    if kept is False or made:
        told = _told(was, name, old, new) if kept is False else ()
        return Change("changed", (*made, *told, *settings))
    if kept is None:
        return Change("re-encrypted", settings, False)
    return Change("settings", settings, False) if settings else None


def _made(was: str, name: str, old: Snapshot, new: Snapshot) -> Made | None:
    """What a value was, where a seed made it and it stands in a component now."""
    before = old.recipe.values[was]
    seed = old.places.get(f"{SEED}{before.seed}")
    is_pinned = before.origin == "generated" != new.recipe.values[name].origin
    return Made(old.recipe, before, seed) if seed and is_pinned and name in new.places else None


def _rotation(before: Value, value: Value, old: Snapshot, new: Snapshot) -> Iterator[str]:
    if value.origin == "generated":
        if before.version != value.version:
            yield f"version {before.version} → {value.version}"
        checks = old.recipe.seeds.get(before.seed), new.recipe.seeds.get(value.seed)
        if before.seed != value.seed:
            yield f"seed {before.seed} → {value.seed}"
        elif checks[0] != checks[1]:
            yield f"seed {value.seed} replaced"
    if before.slot != value.slot:
        yield f"slot {before.slot or '-'} → {value.slot or '-'}"


def _making(before: Value, value: Value, old: Snapshot, new: Snapshot) -> Iterator[str]:
    """What a value is made from, besides what a rotation changes."""
    if value.origin == "generated":
        if before.id != value.id:
            yield f"id {before.id} → {value.id}"
        if before.generator and value.generator and before.generator != value.generator:
            yield from _generator(before.generator, value.generator)
    if before.derivation != value.derivation:
        yield "derivation"
    stands = value.name in new.places
    if before.default != value.default and not stands:
        yield "default"


def _generator(before: Generator, generator: Generator) -> Iterator[str]:
    if before.kind != generator.kind:
        yield f"{before.kind} → {generator.kind}"
        return
    for name in sorted({*before.options, *generator.options}):
        one, other = before.options.get(name), generator.options.get(name)
        if one != other:
            is_long = any(len(str(each)) > 20 for each in (one, other))
            yield name if is_long else f"{name} {one} → {other}"


_CALLED = {"max_age": "maxAge", "rotated": "day of rotation"}
_OF_A_ROTATION = (_CALLED["rotated"], "previous")  # no news beside a new version


def _settings(
    before: Value, value: Value, old: Snapshot, new: Snapshot, same: Same
) -> Iterator[str]:
    """What is said of a value and does not change it."""
    for name in ("rules", "optional", "group", "rotation", "max_age", "rotated"):
        if getattr(before, name) != getattr(value, name):
            yield _CALLED.get(name, name)
    if previous_moved(before.name, value.name, old, new, same):
        yield "previous"
    if value.origin == before.origin == "stored" and before.generator != value.generator:
        yield "generator"


def previous_moved(was: str, name: str, old: Snapshot, new: Snapshot, same: Same) -> bool:
    """Whether what a value was before its last rotation is something else now."""
    one, other = old.places.get(PREVIOUS + was), new.places.get(PREVIOUS + name)
    made = _made_before(was, name, old, new)
    if made and other:  # `pin` keeps that too
        return same(made, other) is False
    if old.recipe.values[was].previous != new.recipe.values[name].previous:
        return True
    if one is None or other is None:
        return one is not other and not (old.findings or new.findings)
    kept = kept_at(one, other, old.parts, new.parts)
    return (same(one, other) if kept is None else kept) is False


def _made_before(was: str, name: str, old: Snapshot, new: Snapshot) -> Made | None:
    """What a value was before its last rotation, where a seed made that and a component holds it
    now."""
    before = old.recipe.values[was]
    is_pinned = before.origin == "generated" != new.recipe.values[name].origin
    if before.previous is None or not is_pinned or PREVIOUS + name not in new.places:
        return None
    made = before._replace(**before.previous._asdict())
    seed = old.places.get(f"{SEED}{made.seed}")
    return Made(old.recipe, made, seed) if seed else None


# --- what components hold -------------------------------------------------------------------------


def _kept(was: str, name: str, old: Snapshot, new: Snapshot, same: Same) -> bool | None:
    """Whether a component still holds what it held; None where nobody can know."""
    one, other = old.places.get(was), new.places.get(name)
    if one is None and other is None:
        return True
    if one is None or other is None:
        unread = old.findings if one is None else new.findings
        return None if unread else False
    kept = kept_at(one, other, old.parts, new.parts)
    return same(one, other) if kept is None else kept


def kept_at(
    one: Place, other: Place, old: Mapping[str, Part], new: Mapping[str, Part]
) -> bool | None:
    """Whether two places hold one value, as far as their ciphertexts tell.

    Under one data key another ciphertext is another value. Under another data key only the length
    tells, which encryption keeps.
    """
    if one.ciphertext == other.ciphertext:
        return True
    if plain_length(one.ciphertext) != plain_length(other.ciphertext):
        return False
    if not one.ciphertext or not other.ciphertext:
        return False
    files = old[one.component.file], new[other.component.file]
    return False if has_one_key(*files) else None


def has_one_key(one: Part, other: Part) -> bool:
    """Whether two files surely are of one data key; after `sops updatekeys` only values tell."""
    shared = set(one.ciphertexts.values()) & set(other.ciphertexts.values())
    return bool(one.data_keys & other.data_keys or shared - {""})


def unsettled(before: Snapshot, after: Snapshot) -> tuple[tuple[Place | Made, Place], ...]:
    """What only a key can compare."""
    both = before.recipe.values.keys() & after.recipe.values.keys()
    pinned = [(_made(name, name, before, after), name) for name in sorted(both)]
    pinned += [(_made_before(n, n, before, after), PREVIOUS + n) for n in sorted(both)]
    pairs = (
        (before.places[name], after.places[name]) for name in before.places if name in after.places
    )
    return (
        *((made, after.places[name]) for made, name in pinned if made),
        *(each for each in pairs if kept_at(*each, before.parts, after.parts) is None),
    )


def _told(was: str, name: str, old: Snapshot, new: Snapshot) -> tuple[str, ...]:
    """Where a changed value stands, if that is news."""
    one, other = old.places.get(was), new.places.get(name)
    if one is None and other is not None:
        return (f"now in {other.component.file}",)
    if other is None and one is not None:
        return (f"no longer in {one.component.file}",)
    return ()
