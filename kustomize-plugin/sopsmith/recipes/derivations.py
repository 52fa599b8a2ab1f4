"""What is wrong with the derivations of a merged recipe, without any value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sopsmith.findings import Finding
from sopsmith.model import Alternate, PreviousOf, Recipe, Url
from sopsmith.recipes import shape
from sopsmith.recipes.resolve import Resolved
from sopsmith.recipes.template import (
    IDENTITIES,
    bare_names,
    derivation_order,
    filled_in,
    names,
    parse_template,
)

_REQUIRED = {"url": ("scheme", "host"), "alternate": ("a", "b", "slotOf")}


def of_spec(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """What keeps a value of the merged spec from being derived."""
    yield from _incomplete(resolved, name, spec)
    yield from _literal_password(resolved, name, spec)


def of_recipe(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    """What is derived from what is not there, from itself, or openly from public text."""
    yield from _references(recipe)
    yield from _other_sides(recipe)
    yield from _public_passwords(recipe, resolved)
    yield from _cycles(recipe)


def _references(recipe: Recipe) -> Iterator[Finding]:
    for value in recipe.values.values():
        field = f"spec.values.{value.name}"
        for name in dict.fromkeys(filled_in(value)):
            if name == "":
                message, hint = "holds a $( that is not closed", "close it, or write $$( for $("
                yield Finding("recipe-name", message, value.file, field, hint)
            elif name not in recipe.values and name not in IDENTITIES:
                known = {**recipe.values, **dict.fromkeys(IDENTITIES)}
                message = f"$({name}) is no declared value"
                hint = shape.unknown(name, known)
                yield Finding("recipe-name", message, value.file, field, hint)
        for name in dict.fromkeys(bare_names(value)):
            if name not in recipe.values:
                yield undeclared(name, name, recipe, value.file, field)
        for name in value.rules.differs_from:
            if name not in recipe.values:
                yield undeclared(name, f"differsFrom: {name}", recipe, value.file, field)


def _other_sides(recipe: Recipe) -> Iterator[Finding]:
    """Earlier values and slots, asked of values that have none."""
    for value in recipe.values.values():
        derivation, where = value.derivation, (value.file, f"spec.values.{value.name}")
        if isinstance(derivation, PreviousOf):
            asked = recipe.values.get(derivation.name)
            if asked and asked.origin == "derived":
                message = f"{asked.name} is derived, so nothing keeps what it was"
                hint = "name the value that is rotated"
                yield Finding("recipe-value", message, *where, hint)
        if isinstance(derivation, Alternate):
            asked = recipe.values.get(derivation.slot_of)
            if asked and asked.origin not in ("generated", "stored"):
                message = f"{asked.name} is {asked.origin}, so it has no slot"
                hint = "slotOf names a generated or stored value"
                yield Finding("recipe-value", message, *where, hint)
            if derivation.a and derivation.a == derivation.b:
                yield Finding("recipe-value", "a and b are the same value", *where)


def _cycles(recipe: Recipe) -> Iterator[Finding]:
    """The first circle of derivations, spelled out."""
    try:
        derivation_order(recipe.values)
    except ValueError as error:  # graphlib.CycleError
        circle = error.args[1][::-1]
        first = circle.index(min(circle))
        circle = [*circle[first:-1], *circle[:first], circle[first]]
        value = recipe.values[circle[0]]
        message = f"is derived in a circle: {' → '.join(circle)}"
        yield Finding("recipe-cycle", message, value.file, f"spec.values.{value.name}")


def _incomplete(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A leaf may change one part of an inherited one, so only the merged one has to be whole."""
    for kind, options in spec.get("derive", {}).items():
        for part in _REQUIRED.get(kind, ()):
            if options.get(part) is None:
                file, field = resolved.where("values", name, "derive", kind)
                yield Finding("recipe-incomplete", "must be given", file, f"{field}.{part}")


def _literal_password(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    url = spec.get("derive", {}).get("url")
    password = None if url is None else url.get("password")
    if password is not None and not set(names(parse_template(password))) - set(IDENTITIES):
        message = "the password of a URL is literal text in the recipe"
        hint = "refer to a value with $(NAME), and replace the password: git has seen it"
        path = ("values", name, "derive", "url", "password")
        yield Finding("literal-password", message, *resolved.where(*path), hint)


def _public_passwords(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    """A password by way of a `default` is as literal as one in the URL."""
    for value in recipe.values.values():
        password = value.derivation.password if isinstance(value.derivation, Url) else None
        for name in names(password or ()):
            if name in recipe.values and recipe.values[name].default is not None:
                message = f"is the password of {value.name}, in plain text in the recipe"
                hint = "generate it or give it in a component, and replace it: git has seen it"
                where = resolved.where("values", name, "default")
                yield Finding("literal-password", message, *where, hint)


def undeclared(name: str, shown: str, recipe: Recipe, file: str, field: str) -> Finding:
    """A name that no value of the recipe has."""
    hint = shape.unknown(name, recipe.values) if recipe.values else "no values are declared"
    return Finding("recipe-name", f"{shown} is no declared value", file, field, hint)
