"""Values that stand in no component, as far as that shows without a key."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sopsmith import settings
from sopsmith.components import placement
from sopsmith.errors import SopsmithError
from sopsmith.model import Recipe
from sopsmith.pipeline import render
from sopsmith.tools import files


def optional(root: str, env: Mapping[str, str], recipe: Recipe) -> frozenset[str]:
    """The optional values with a maxAge that nobody gave."""
    asked = {
        value.name
        for value in recipe.values.values()
        if value.origin in ("given", "stored") and value.max_age is not None
        if value.optional and value.default is None
    }
    return _nowhere(root, env, recipe, asked)


def by_default(root: str, env: Mapping[str, str], recipe: Recipe) -> frozenset[str]:
    """The values that are what the recipe says in clear, since no component gives another."""
    asked = {
        v.name for v in recipe.values.values() if v.origin == "given" and v.default is not None
    }
    return _nowhere(root, env, recipe, asked)


def _nowhere(root: str, env: Mapping[str, str], recipe: Recipe, asked: set[str]) -> frozenset[str]:
    """Those of these values that stand in no component; none where that does not show."""
    if not asked:
        return frozenset()
    there = (c for c in recipe.components if os.path.lexists(os.path.join(root, c.file)))
    found, trust = recipe._replace(components=tuple(there)), settings.read(env).trust
    try:
        sealed = render.sealed([found], files.reader(root), trust).values()
    except SopsmithError:  # a broken one may hold any; validate says what is wrong with it
        return frozenset()
    return frozenset(asked.difference(*map(placement.names_of, sealed)))
