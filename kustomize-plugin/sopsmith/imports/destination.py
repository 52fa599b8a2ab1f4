"""Which recipe an import is for: one that is there, or one that is to be made."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping
from typing import NamedTuple

from sopsmith import checkout, repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.repository import Leaf
from sopsmith.setup import scaffold
from sopsmith.tools import files


class Target(NamedTuple):
    """The recipe that gets the values."""

    root: str  # absolute
    env: Mapping[str, str]
    environment: str
    recipe: str  # its file, relative to the root
    leaf: Leaf | None  # None: it is new


def target(root: str, env: Mapping[str, str], where: str | None, recipe: str | None) -> Target:
    """The leaf that is meant, or the one that is to be made.

    Raises SopsmithError (usage) where that is open, and what the recipes raise.
    """
    if recipe is not None and os.path.exists(recipe):
        there = _existing(repository.leaf(recipe, env))
        if where not in (None, there.environment):
            message = f"is the recipe of {there.environment}"
            raise SopsmithError(Finding("usage", message, there.recipe, "--environment"))
        return there
    if recipe is None:
        environments = [each.spec.get("environment") for each in repository.leaves(root, env)]
        if where is None and not environments and not checkout.is_overlay("."):
            hint = "sopsmith import … -e ENVIRONMENT makes the recipe as well"
            raise SopsmithError(Finding("usage", "there is no recipe to import into", hint=hint))
        if where is None or where in environments or os.path.exists(where):
            return _existing(repository.leaf(where, env))
    name = where or ""
    problem = scaffold.environments_problem((name,))
    if problem:
        message = f"a new recipe needs its environment's name; names {problem}"
        raise SopsmithError(Finding("usage", message, field="--environment"))
    file = inside(root, recipe) if recipe else f"{scaffold.overlay(name)}/recipe.yaml"
    return Target(root, env, name, file, None)


def _existing(leaf: Leaf) -> Target:
    return Target(leaf.root, leaf.env, leaf.recipe.environment, leaf.resolved.file, leaf)


def inside(root: str, path: str) -> str:
    """A path that was typed, relative to the root; raises SopsmithError (path-refused)."""
    folder = files.relative(os.path.dirname(path) or ".", root)
    if folder.startswith(".."):
        raise SopsmithError(Finding("path-refused", "leads outside the root", path))
    return posixpath.join(folder, os.path.basename(path))
