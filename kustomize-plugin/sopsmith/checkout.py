"""From a path to the recipes there and what they render, bounded by the root."""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sopsmith import settings
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read, Recipe
from sopsmith.pipeline.render import Rendered, render
from sopsmith.recipes import consistency, overlay
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import (
    SUFFIXES,
    Resolved,
    Source,
    holds_recipe,
    read_source,
    resolve,
)
from sopsmith.tools import files, sops


class Checkout(NamedTuple):
    """Recipes and where they stand: files are read below `root`, under the settings in `env`."""

    root: str  # absolute
    env: Mapping[str, str]
    sources: tuple[Source, ...]
    kustomization: Source | None  # of the overlay that lists them

    @property
    def read(self) -> Read:
        """Reads a file below the root."""
        return files.reader(self.root)


def at(path: str, env: Mapping[str, str]) -> Checkout:
    """The recipes at a path: the file itself, or those under `generators:` of an overlay.

    Raises SopsmithError: file-unreadable, path-refused, usage, recipe-syntax, recipe-unlisted.
    """
    if not os.path.exists(path):
        raise SopsmithError(Finding("file-unreadable", "does not exist", path))
    is_folder = os.path.isdir(path)
    folder = path if is_folder else os.path.dirname(path) or "."
    root = files.find_root(folder, env)
    inside, read = files.relative(folder, root), files.reader(root)
    if not is_folder:
        file = posixpath.join(inside, os.path.basename(path))
        return Checkout(root, env, (read_source(file, read),), None)
    name = _kustomization(folder)
    if name is None:
        hint = "name a recipe file, or a folder that holds a kustomization.yaml"
        raise SopsmithError(Finding("usage", "holds no kustomization", inside or ".", hint=hint))
    kustomization = overlay.read_kustomization(posixpath.join(inside, name), read)
    sources = tuple(overlay.sources(kustomization, read))
    if not sources:
        forgotten = tuple(_unlisted(_beside(root, inside), kustomization, root))
        if forgotten:
            raise SopsmithError(forgotten)
        hint = "name the recipe file itself, or list it there; its kind has to be SecretRecipe"
        message = "lists no SecretRecipe"
        raise SopsmithError(Finding("usage", message, kustomization.file, "generators", hint))
    return Checkout(root, env, sources, kustomization)


def unlisted(here: Checkout) -> Iterator[Finding]:
    """Recipes named by themselves that kustomize should run, and the kustomization forgets."""
    for source in here.sources:
        name = _kustomization(os.path.join(here.root, source.folder))
        if name is not None:
            with contextlib.suppress(
                SopsmithError
            ):  # a kustomization that can't be read lists none
                file = posixpath.join(source.folder, name)
                kustomization = overlay.read_kustomization(file, here.read)
                yield from _unlisted([source], kustomization, here.root)


def _unlisted(sources: Iterable[Source], kustomization: Source, root: str) -> Iterator[Finding]:
    """A kustomization may list a recipe itself, or one that lists it under `recipes`."""
    read = files.reader(root)
    listed = tuple(overlay.sources(kustomization, read))
    known = {each.file for each in listed}
    known.update(leaf.file for each in listed for leaf in resolve(each, read))
    has_guard = os.path.isfile(os.path.join(root, kustomization.folder, "guard.yaml"))
    for source in sources:
        if overlay.declares_function(source) and source.file not in known:
            yield _forgotten(source, kustomization.file, has_guard)


def _forgotten(source: Source, kustomization: str, has_guard: bool) -> Finding:
    """No render finds this: nothing runs the function that would."""
    name = posixpath.basename(source.file)
    message = f"does not list {name}, so a build emits none of its Secrets and says nothing"
    guard = ", patches: [{path: guard.yaml}]" if has_guard else ""
    hint = f"add to it: generators: [{name}]{guard}"
    return Finding("recipe-unlisted", message, kustomization, "generators", hint)


def _beside(root: str, folder: str) -> Iterator[Source]:
    """The recipes in a folder that can be read."""
    read = files.reader(root)
    for name in sorted(os.listdir(os.path.join(root, folder))):
        file = posixpath.normpath(posixpath.join(folder, name))
        is_plain = name.endswith(SUFFIXES) and os.path.isfile(os.path.join(root, file))
        with contextlib.suppress(SopsmithError):
            if is_plain and holds_recipe(read(file)):
                yield read_source(file, read)


def is_overlay(folder: str) -> bool:
    """Whether the folder holds a kustomization."""
    return _kustomization(folder) is not None


def _kustomization(folder: str) -> str | None:
    return next(
        (n for n in overlay.KUSTOMIZATIONS if os.path.isfile(os.path.join(folder, n))), None
    )


def resolved(checkout: Checkout) -> tuple[Resolved, ...]:
    """Every leaf, merged."""
    return tuple(leaf for source in checkout.sources for leaf in resolve(source, checkout.read))


def recipes(checkout: Checkout) -> tuple[Recipe, ...]:
    """Every leaf, merged and checked; all problems of all leaves at once."""
    parsed: list[Recipe] = []
    problems: list[Finding] = []
    for leaf in resolved(checkout):
        try:
            parsed.append(parse(leaf))
        except SopsmithError as error:
            problems += error.findings
    problems += consistency.collisions(parsed)
    if problems:
        raise SopsmithError(problems)
    return tuple(parsed)


def rendered(checkout: Checkout) -> tuple[Rendered, ...]:
    """Run the five steps on every leaf."""
    chosen = settings.read(checkout.env)
    found = recipes(checkout)
    engine = sops.engine(checkout.env, chosen.trust.key_types, chosen.timeout)
    return render(found, checkout.read, engine, chosen.trust)
