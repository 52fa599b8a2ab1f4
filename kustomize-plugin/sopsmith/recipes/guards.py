"""The patches that make a build fail whose function was skipped, and what they name. Pure.

A patch without a target has to find its object. So one that names an emitted Secret is a guard, and
one that names a Secret of yesterday breaks every build.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from sopsmith.findings import Finding
from sopsmith.model import Read, Recipe
from sopsmith.recipes import overlay
from sopsmith.recipes.consumers import content, documents, items, text
from sopsmith.recipes.overlay import KUSTOMIZATIONS, listed
from sopsmith.recipes.resolve import Source, join

_ELSEWHERE = ("helmCharts", "helmChartInflationGenerator", "namePrefix", "nameSuffix")
_DEEPEST = 16  # folders that include each other


class Provided(NamedTuple):
    """Secrets that a kustomization has besides those of our recipes."""

    names: frozenset[str]
    is_all: bool  # no other can come from where nothing is seen


def problems(
    kustomization: Source, sources: Iterable[Source], recipes: Iterable[Recipe], read: Read
) -> Iterator[Finding]:
    """What kustomize would stumble over, or pass over in silence."""
    ours = list(sources)
    for source in ours:
        yield from overlay.declaration(source)
    emitted = {secret.name for recipe in recipes for secret in recipe.secrets}
    named = dict(_patched(kustomization, read))
    stale = []
    if len(ours) == len(listed(kustomization, "generators")):  # another may make any Secret
        stale = list(_stale(named, emitted, kustomization, read))
    yield from stale
    if emitted.isdisjoint(named) and not stale:
        message = "no patch names a Secret that its recipes emit"
        hint = "add a guard, or a forgotten --enable-exec emits nothing and says nothing"
        yield Finding("guard-missing", message, kustomization.file, "patches", hint)


def _stale(
    named: dict[str, str], emitted: Set[str], kustomization: Source, read: Read
) -> Iterator[Finding]:
    left = [name for name in named if name not in emitted]
    provided = _provided(kustomization, read, _DEEPEST) if left else Provided(frozenset(), False)
    if provided.is_all:
        for name in left:
            if name not in provided.names:
                message = f"patches a Secret {name} that nothing in the overlay makes"
                hint = f"its recipes emit {', '.join(sorted(emitted))}; correct the patch"
                yield Finding("guard-stale", message, named[name], None, hint)


def _patched(kustomization: Source, read: Read) -> Iterator[tuple[str, str]]:
    """The Secrets that patches have to find, by name, and the file that says so."""
    for field in ("patches", "patchesStrategicMerge"):
        for entry in listed(kustomization, field):
            if isinstance(entry, str):
                entry = {"patch": entry} if "\n" in entry else {"path": entry}
            if isinstance(entry, dict) and "target" not in entry:  # with one, none has to be there
                for name in _secrets(text(entry, "patch").encode()):
                    yield name, kustomization.file
                path = text(entry, "path")
                for name in _secrets(content(kustomization, path, read)):
                    yield name, join(kustomization, path)


def _secrets(data: bytes) -> Iterator[str]:
    for each in documents(data):
        if text(each, "kind") == "Secret" and text(each, "metadata", "name"):
            yield text(each, "metadata", "name")


def _provided(here: Source, read: Read, depth: int) -> Provided:
    """What the kustomization and its bases hold; what is not seen may hold anything."""
    names = {text(each, "name") for each in items(here.document, "secretGenerator")}
    tree = here.document if isinstance(here.document, dict) else {}
    is_base = depth < _DEEPEST
    unseen = (*_ELSEWHERE, "generators") if is_base else _ELSEWHERE
    is_all = not any(field in tree for field in unseen)
    for field in ("resources", "bases", "components"):
        for entry in listed(here, field):
            found = _of_resource(here, entry, read, depth) if isinstance(entry, str) else None
            names |= found.names if found else frozenset()
            is_all = is_all and found is not None and found.is_all
    return Provided(frozenset(names), is_all)


def _of_resource(here: Source, entry: str, read: Read, depth: int) -> Provided | None:
    """The Secrets of a file or folder; None for what lies elsewhere or can't be read."""
    data = content(here, entry, read)
    if data:
        return Provided(frozenset(_secrets(data)), bool(documents(data)))
    for name in KUSTOMIZATIONS:
        trees = documents(content(here, posixpath.join(entry, name), read))
        if trees and depth:
            folder = join(here, entry)
            inner = Source(posixpath.join(folder, name), folder, trees[0])
            return _provided(inner, read, depth - 1)
    return None
