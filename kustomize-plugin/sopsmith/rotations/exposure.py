"""What readers who lose a file know of it, and what makes that worthless."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sopsmith import repository, settings
from sopsmith.components.placement import keys_of, names_of
from sopsmith.components.sealed import ENVIRONMENT, PREVIOUS, SEED, component_of, seal
from sopsmith.delivery import flux, folders
from sopsmith.errors import SopsmithError
from sopsmith.findings import one_line, text
from sopsmith.history import past, readership
from sopsmith.model import Recipe, Sealed
from sopsmith.recipes.recipe import parse
from sopsmith.repository import Leaf
from sopsmith.rotations import rotation
from sopsmith.tools import files, git

Readable = tuple[Leaf, tuple[Sealed, ...]]

_OURS = "SOPSMITH_"
_AT_ITS_SOURCE = "replace it at its source"
_GONE = "revoke it at its source: it is gone from the file, and not from git"


class Seen(NamedTuple):
    """A key whose value somebody knows, and what makes that worthless."""

    file: str
    key: str
    command: str
    gone: bool  # the file does not hold it any more, and older commits do


class Exposed(NamedTuple):
    """What was seen, and what could not be told of it."""

    seen: tuple[Seen, ...]
    notes: str  # for people


def seen(root: str, env: Mapping[str, str], losing: Mapping[str, frozenset[str]]) -> Exposed:
    """What the readers who lose these files know, seeds first: each gives away every value that
    was made from it.

    Who reads a file reads its history too, so what was taken out of it is there as well; a seed
    that was is not, since nothing is made from it.
    """
    if not losing:
        return Exposed((), "")
    here = git.Repository(root, env)
    notes = text([past.SHALLOW], "sopsmith: ") if git.is_shallow(here) else ""
    leaves, broken = _readable(root, env)
    for name in map(one_line, broken):
        notes += f"sopsmith: {name} is broken, so what renews its values is not known\n"
    origins = {**_origins(leaves), **_sealed_origins(root, env, leaves)}
    found: list[Seen] = []
    for file, readers in losing.items():
        if posixpath.basename(file) == flux.GUARD:  # it holds a Secret's name
            continue
        component = component_of(file)
        sealed = seal(component, files.reader(root)(file), settings.read(env).trust)
        if component.whole is not None:
            command = origins.get((file, ""), _AT_ITS_SOURCE)
            found.append(Seen(file, "(the file)", command, gone=False))
            continue
        keys = keys_of(sealed)
        for key in keys:
            command = origins.get((file, key), _AT_ITS_SOURCE)
            if key.startswith(SEED):
                environment = origins.get((file, ""), "ENVIRONMENT, of whose recipe it is the seed")
                command = f"sopsmith rotate --seed -e {environment}"
            if key != ENVIRONMENT:
                found.append(Seen(file, key, command, gone=False))
        known = readership.known_to(readership.versions(here, component), readers)
        gone = (key for key in known.difference(keys) if not key.startswith(_OURS))
        found += [Seen(file, key, _GONE, gone=True) for key in gone]
    found.sort(key=lambda e: (not e.key.startswith(SEED), e.file, e.gone, e.key))
    return Exposed(tuple(found), notes)


def _origins(leaves: Sequence[Readable]) -> dict[tuple[str, str], str]:
    """What renews each key of each component; under the key "" its environment, of a whole file
    what renews that.

    A broken recipe tells nothing of it, and keeps nobody from being removed.
    """
    found: dict[tuple[str, str], str] = {}
    for leaf, components in leaves:
        for sealed in components:
            file, is_whole = sealed.component.file, sealed.component.whole is not None
            if not is_whole:
                found[file, ""] = leaf.recipe.environment
            for name in names_of(sealed):
                key = next((k for n, k in sealed.component.picks or () if n == name), name)
                place = (file, "" if is_whole else key)
                if name in leaf.recipe.values or place not in found:
                    found[place] = _renewal(leaf.recipe, name, is_whole=is_whole)
    return found


def _sealed_origins(
    root: str, env: Mapping[str, str], leaves: Sequence[Readable]
) -> dict[tuple[str, str], str]:
    """The same of the files of sealed folders, which hold what the Secrets' keys hold."""
    found: dict[tuple[str, str], str] = {}
    sealed = list(folders.found(root, env))
    for recipe in (leaf.recipe for leaf, _ in leaves):
        for folder in (each for each in sealed if each.is_of(recipe.app, recipe.environment)):
            for secret in recipe.secrets:
                inside = f"{folder.path}/{flux.folder_of(secret)}"
                for key, name in secret.data.items():
                    renewal = _emitted_renewal(recipe, name)
                    found[f"{inside}/{flux.LINES}", key] = renewal
                    found[f"{inside}/{key}.enc", ""] = renewal
    return found


def _emitted_renewal(recipe: Recipe, name: str) -> str:
    """What renews a value of a Secret, wherever it comes from."""
    origin = recipe.values[name].origin if name in recipe.values else None
    if origin == "derived":
        return "renew what it is derived from"
    if origin == "generated":
        return f"sopsmith rotate {name} -e {recipe.environment}"
    return _renewal(recipe, name, is_whole=False)


def _renewal(recipe: Recipe, name: str, *, is_whole: bool) -> str:
    """What a person has to do, so that the value that stands there now is of no use."""
    value = recipe.values.get(name)
    unset = f"sopsmith unset {name} -e {recipe.environment}"
    if name.startswith(PREVIOUS):
        return f"when nobody uses the old value any more: {unset}"
    if value is None or value.origin in ("generated", "derived"):
        return f"revoke it at its source, then {unset}"
    can_rotate = not is_whole or not rotation.is_needed(recipe, value)  # else it is kept nowhere
    verb = "rotate" if value.origin == "stored" and can_rotate else "set"
    command = f"sopsmith {verb} {name} -e {recipe.environment}"
    problem = rotation.refusal(recipe, value)
    if problem and problem.code == "rotation-never":
        return f"{problem.hint}, and {command}"
    return command


def _readable(root: str, env: Mapping[str, str]) -> tuple[list[Readable], list[str]]:
    """The leaves that can be read with their components, and the files of the others."""
    names = repository.recipe_files(root, env)
    whole, broken = repository.whole_leaves(names, files.reader(root))
    found = []
    for resolved in whole:
        leaf = Leaf(root, env, resolved, parse(resolved))
        try:
            found.append((leaf, repository.sealed_components(leaf)))
        except SopsmithError:
            broken.append(resolved.file)
    return found, broken
