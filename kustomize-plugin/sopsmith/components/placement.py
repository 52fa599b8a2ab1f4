"""In which component a value stands, or belongs: known without a key, as keys are clear. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sopsmith.components.sealed import ENVIRONMENT, PREVIOUS, SEED, format_of
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Recipe, Sealed, Value
from sopsmith.recipes import naming, shape

_SECTIONS = ("data", "stringData")


class Place(NamedTuple):
    """A component and the key in it; no key: the file is the value."""

    file: str
    key: str | None
    exists: bool


def declared(recipe: Recipe, name: str) -> Value:
    """The value of that name; raises SopsmithError (recipe-name) where the recipe has none."""
    if name in recipe.values:
        return recipe.values[name]
    said = naming.shown(name)
    what = "is no declared value" if said else "what was typed is no declared value"
    close = shape.nearest(name, recipe.values)
    hint = f"did you mean {close}?" if close else f"declare it under values: {said or 'NAME'}: {{}}"
    hint = _of_sopsmith(recipe, name) or hint
    raise SopsmithError(Finding("recipe-name", what, recipe.file, said, hint))


def _of_sopsmith(recipe: Recipe, name: str) -> str | None:
    """What to do about a key that is sopsmith's own, and that no recipe can declare."""
    if name.startswith(SEED):
        anew = f"sopsmith rotate --seed -e {recipe.environment} makes a new one"
        return f"an old seed comes back with its file: git checkout COMMIT -- FILE; {anew}"
    if name.startswith(PREVIOUS):
        before = f"derive: {{previousOf: {name.removeprefix(PREVIOUS)}}}"
        return f"a value with {before} shows what it holds"
    return "it says whose the component is" if name == ENVIRONMENT else None


def kept(recipe: Recipe, name: str) -> Value:
    """The value, where a component keeps it; raises SopsmithError (usage) for one that is made."""
    value = declared(recipe, name)
    if value.origin == "generated":
        mine = f"{name} -e {recipe.environment}"
        hint = f"sopsmith rotate {mine} makes a new one; sopsmith pin {mine} lets it be set"
        raise SopsmithError(
            Finding("usage", "is generated from the seed, not kept", value.file, name, hint)
        )
    if value.origin == "derived":
        hint = "change the values that it is derived from"
        raise SopsmithError(Finding("usage", "is derived, not kept", value.file, name, hint))
    return value


def keys_of(sealed: Sealed) -> tuple[str, ...]:
    """The keys of a component's map; those of a Secret without their section."""
    is_secret = sealed.clear.get(("kind",)) == "Secret"
    return tuple(
        path[1] if is_secret and path[0] in _SECTIONS and len(path) > 1 else path[0]
        for path in sealed.ciphertexts
        if len(path) == 1 or is_secret
    )


def absent(component: Component) -> Sealed:
    """A component whose file is not there yet: it gives nothing, and may take values."""
    return Sealed(component, format_of(component), b"", {}, {}, ())


def names_of(sealed: Sealed) -> tuple[str, ...]:
    """The values that a component gives."""
    if not sealed.data:
        return ()
    if sealed.component.whole is not None:
        return (sealed.component.whole,)
    keys = keys_of(sealed)
    if sealed.component.picks is None:
        return keys
    return tuple(name for name, key in sealed.component.picks if key in keys)


def standing(sealed: Sequence[Sealed], name: str) -> list[Place]:
    """Where a value of that name stands, read as the recipe reads it; declared or not."""
    return [
        Place(each.component.file, key, True)
        for each in sealed
        if each.data
        for key in _read_as(each, name)
        if key is None or key in keys_of(each)
    ]


def place(recipe: Recipe, sealed: Sequence[Sealed], name: str, wanted: str | None = None) -> Place:
    """Where a value stands, or where a new one belongs.

    A new one goes where the recipe reads it from by name, also into a file of its own, else to the
    component of its group, else to the one with the seed. `wanted` is a file that the user names.
    Raises SopsmithError (usage) where that leaves several or none.
    """
    there = standing(sealed, name)
    if there:
        if wanted not in (None, there[0].file):
            hint = f"take it out there first: sopsmith unset {name} -e {recipe.environment}"
            message = f"stands in {there[0].file} already"
            raise SopsmithError(Finding("usage", message, recipe.file, name, hint))
        return there[0]
    picked = [
        Place(each.component.file, key, False)
        for each in sealed
        if each.component.whole is not None or each.component.picks is not None
        for key in _read_as(each, name)
    ]
    maps = [each for each in sealed if each.component.whole is None and not each.component.picks]
    if picked and wanted in (None, picked[0].file):
        return picked[0]
    if wanted is not None:
        maps = [each for each in maps if each.component.file == wanted]
    files = [each.component.file for each in maps]
    if len(files) > 1:
        files = _nearest(recipe, maps, name) or files
    if len(files) != 1:
        listed = ", ".join(each.component.file for each in sealed if not each.component.whole)
        what = "no component could hold it" if not files else "several components could hold it"
        hint = f"name one of the recipe's components with --component: {listed or 'none'}"
        raise SopsmithError(Finding("usage", what, recipe.file, name, hint))
    return Place(files[0], name, False)


def _read_as(sealed: Sealed, name: str) -> Iterator[str | None]:
    """The keys under which a component gives the value; None for a whole file."""
    if sealed.component.whole is not None:
        if sealed.component.whole == name:
            yield None
    elif sealed.component.picks is None:
        yield name
    else:
        yield from _picked(sealed, name)


def _picked(sealed: Sealed, name: str) -> Iterator[str]:
    yield from (key for value, key in sealed.component.picks or () if value == name)


def _nearest(recipe: Recipe, maps: Sequence[Sealed], name: str) -> list[str]:
    group = recipe.values[name].group
    mates = {v.name for v in recipe.values.values() if group and v.group == group} - {name}
    with_mates = [each.component.file for each in maps if mates.intersection(keys_of(each))]
    with_seed = [
        each.component.file for each in maps if any(k.startswith(SEED) for k in keys_of(each))
    ]
    return with_mates[:1] or with_seed
