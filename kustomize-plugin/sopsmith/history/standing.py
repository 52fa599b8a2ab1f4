"""All leaves of a repository at one moment, from the contents of its files by id. Pure.

Whoever goes through many commits meets the same contents again and again, so each is read once.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from typing import NamedTuple

from sopsmith.components.rules import NAME as RULES
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history.snapshot import Part, Snapshot, part, take
from sopsmith.model import Component, Recipe
from sopsmith.recipes import overlay
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import SUFFIXES, Source, holds_recipe, resolve

Key = tuple[str, str, str]  # app, environment, and the recipe's file where two have these


class Standing(NamedTuple):
    """All leaves at one moment."""

    leaves: Mapping[Key, Snapshot]
    broken: Mapping[str, Finding]  # a recipe, or the file that holds it: why it can't be read
    rules: Mapping[str, bytes]  # each `.sops.yaml` above a component

    def trouble(self, recipe: Recipe) -> Finding | None:
        """Why a recipe that is known from another moment can't be read in this one."""
        return self.broken.get(recipe.file) or self.broken.get(overlay.file_of(recipe.file))


Ids = Mapping[str, Hashable]
"""The files of a moment and the ids of their contents."""
Content = Callable[[Hashable], bytes]
"""The content of an id; raises SopsmithError for one that can't be had."""


class _Recipes(NamedTuple):
    """What came of one recipe, and from which contents."""

    read: Mapping[str, Hashable | None]
    recipes: tuple[Recipe, ...]
    finding: Finding | None


class Memory(NamedTuple):
    """What has been read so far; it grows with every look."""

    content: Content
    environment: str | None  # only leaves of this one, where one is named
    sources: dict[tuple[str, Hashable], tuple[Source, ...] | Finding]
    recipes: dict[tuple[str, Hashable], list[_Recipes]]
    parts: dict[tuple[Component, Hashable], Part | Finding]
    snapshots: dict[tuple[int, tuple[Hashable, ...]], tuple[Recipe, Snapshot]]


def memory(content: Content, environment: str | None = None) -> Memory:
    """A memory of nothing yet."""
    return Memory(content, environment, {}, {}, {}, {})


def observe(known: Memory, ids: Ids) -> tuple[Standing, frozenset[str]]:
    """All leaves of a moment, and the files that matter to them, present or not.

    `ids` has every file that may hold a recipe; when the files that matter are more than it has,
    ask again with those too.
    """
    found: list[Snapshot] = []
    broken: dict[str, Finding] = {}
    matter: set[str] = set()
    sources: list[Source] = []
    for file in (file for file in ids if file.endswith(SUFFIXES)):
        held = _sources(known, file, ids[file])
        if isinstance(held, Finding):
            broken[file] = held
        else:
            sources += (each for each in held if _is_meant(each, known.environment))
    for source in sources:
        came = _recipes(known, source, ids)
        matter.update(came.read)
        if came.finding:
            broken[source.file] = came.finding
        for recipe in came.recipes:
            found.append(_snapshot(known, recipe, ids))
            matter |= {component.file for component in recipe.components}
            matter |= {path for each in recipe.components for path in _above(each.file)}
    rules = {path: known.content(ids[path]) for path in sorted(ids) if _is_rules(path)}
    return Standing(_keyed(found), broken, rules), frozenset(matter)


def _sources(known: Memory, file: str, content_id: Hashable) -> tuple[Source, ...] | Finding:
    """The recipes that stand in a file, or why it can't be read."""
    key = (file, content_id)
    if key not in known.sources:
        try:
            data = known.content(content_id)
            held = overlay.held(file, lambda _: data) if holds_recipe(data) else ()
            known.sources[key] = held
        except SopsmithError as error:
            known.sources[key] = error.findings[0]
    return known.sources[key]


def _recipes(known: Memory, source: Source, ids: Ids) -> _Recipes:
    """The leaves of a recipe, from what it and all that it extends hold."""
    file = overlay.file_of(source.file)
    earlier = known.recipes.setdefault((source.file, ids[file]), [])
    for each in earlier:
        if all(ids.get(name) == content_id for name, content_id in each.read.items()):
            return each
    read: dict[str, Hashable | None] = {file: ids[file]}

    def reading(name: str) -> bytes:
        read[name] = ids.get(name)
        if name not in ids:
            raise SopsmithError(Finding("file-unreadable", "does not exist", name))
        return known.content(ids[name])

    try:
        earlier.append(_Recipes(read, tuple(map(parse, resolve(source, reading))), None))
    except SopsmithError as error:
        earlier.append(_Recipes(read, (), error.findings[0]))
    return earlier[-1]


def _snapshot(known: Memory, recipe: Recipe, ids: Ids) -> Snapshot:
    key = (id(recipe), tuple(ids.get(each.file) for each in recipe.components))
    if key not in known.snapshots:  # the recipe is kept beside it, so that its id stays its own
        found = take(recipe, lambda component: _part(known, component, ids))
        known.snapshots[key] = recipe, found
    return known.snapshots[key][1]


def _part(known: Memory, component: Component, ids: Ids) -> Part:
    if component.file not in ids:
        raise SopsmithError(Finding("file-unreadable", "does not exist", component.file))
    key = (component, ids[component.file])
    if key not in known.parts:
        try:
            known.parts[key] = part(component, known.content(key[1]))
        except SopsmithError as error:
            known.parts[key] = error.findings[0]
    found = known.parts[key]
    if isinstance(found, Finding):
        raise SopsmithError(found)
    return found


def _is_meant(source: Source, environment: str | None) -> bool:
    """Whether it is a leaf that is asked for."""
    spec = source.document.get("spec") if isinstance(source.document, dict) else None
    stated = spec.get("environment") if isinstance(spec, dict) else None
    return stated is not None and environment in (None, stated)


def _above(file: str) -> Iterator[str]:
    """Where the creation rules of a file may stand."""
    folder = file
    while folder:
        folder = posixpath.dirname(folder)
        yield posixpath.join(folder, RULES)


def _is_rules(file: str) -> bool:
    return posixpath.basename(file) == RULES


def _keyed(snapshots: list[Snapshot]) -> dict[Key, Snapshot]:
    names = [(each.recipe.app, each.recipe.environment) for each in snapshots]
    return {
        (*name, each.recipe.file if names.count(name) > 1 else ""): each
        for name, each in zip(names, snapshots, strict=True)
    }


def labels(keys: Collection[Key]) -> Callable[[Key | None], str]:
    """What to call leaves in a table: by environment, and by app too where there are several."""
    apps = {app for app, _, _ in keys}

    def label(key: Key | None) -> str:
        if key is None:
            return "-"
        app, environment, file = key
        name = environment if len(apps) < 2 else f"{app}/{environment}"
        return f"{name} ({file})" if file else name

    return label
