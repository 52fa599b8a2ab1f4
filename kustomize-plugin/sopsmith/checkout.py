"""A checkout: from a folder to its recipes and what they render, bounded by the root."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sopsmith import consistency, settings
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read, Recipe
from sopsmith.pipeline.render import Rendered, render
from sopsmith.recipe import parse
from sopsmith.resolve import Resolved, Source, join, read_source, resolve
from sopsmith.schema import KIND
from sopsmith.tools import files, sops

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")


class Checkout(NamedTuple):
    """Where files are read, and under which settings."""

    root: str  # absolute
    read: Read
    env: Mapping[str, str]


def enter(folder: str, env: Mapping[str, str]) -> Checkout:
    """The checkout that holds the folder; SopsmithError (path-refused) where there is none."""
    root = files.find_root(folder, env)
    return Checkout(root, files.reader(root), env)


def source_at(path: str, env: Mapping[str, str]) -> tuple[Checkout, tuple[Source, ...]]:
    """The recipes at a path: the file itself, or those under `generators:` of an overlay."""
    if not os.path.exists(path):
        raise SopsmithError(Finding("file-unreadable", "does not exist", path))
    folder = path if os.path.isdir(path) else os.path.dirname(path) or "."
    checkout = enter(folder, env)
    inside = files.relative(folder, checkout.root)
    if not os.path.isdir(path):
        file = posixpath.join(inside, os.path.basename(path))
        return checkout, (read_source(file, checkout.read),)
    sources = tuple(_generators(checkout, folder, inside))
    if not sources:
        hint = "name the recipe file itself, or list it under generators: in kustomization.yaml"
        raise SopsmithError(Finding("usage", "lists no SecretRecipe", inside or ".", hint=hint))
    return checkout, sources


def resolved(checkout: Checkout, sources: Iterable[Source]) -> tuple[Resolved, ...]:
    """Every leaf, merged."""
    return tuple(leaf for source in sources for leaf in resolve(source, checkout.read))


def recipes(checkout: Checkout, sources: Iterable[Source]) -> tuple[Recipe, ...]:
    """Every leaf, merged and checked, all problems of all leaves at once."""
    parsed: list[Recipe] = []
    problems: list[Finding] = []
    for leaf in resolved(checkout, sources):
        try:
            parsed.append(parse(leaf))
        except SopsmithError as error:
            problems += error.findings
    problems += consistency.collisions(parsed)
    if problems:
        raise SopsmithError(problems)
    return tuple(parsed)


def rendered(checkout: Checkout, sources: Iterable[Source]) -> tuple[Rendered, ...]:
    """Run the five steps on every leaf."""
    chosen = settings.read(checkout.env)
    found = recipes(checkout, sources)
    engine = sops.engine(checkout.env, chosen.trust.key_types, chosen.timeout)
    return render(found, checkout.read, engine, chosen.trust)


def _generators(checkout: Checkout, folder: str, inside: str) -> Iterable[Source]:
    name = next((n for n in _KUSTOMIZATIONS if os.path.isfile(os.path.join(folder, n))), None)
    if name is None:
        hint = "name a recipe file, or a folder that holds a kustomization.yaml"
        raise SopsmithError(Finding("usage", "holds no kustomization", inside or ".", hint=hint))
    kustomization = read_source(posixpath.join(inside, name), checkout.read)
    tree: Any = kustomization.document
    listed = tree.get("generators") if isinstance(tree, dict) else None
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, str) and entry.endswith((".yaml", ".yml", ".json")):
            source = read_source(join(kustomization, entry), checkout.read)
            if isinstance(source.document, dict) and source.document.get("kind") == KIND:
                yield source
