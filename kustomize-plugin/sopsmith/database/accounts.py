"""The database roles to work on: rendered from a recipe, or read from what a render left."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sopsmith import repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Access, Recipe
from sopsmith.pipeline import render
from sopsmith.pipeline.render import Rendered
from sopsmith.postgres import account, distinct, versions
from sopsmith.postgres.account import Account, Secret
from sopsmith.recipes import naming, roles
from sopsmith.repository import Leaf
from sopsmith.tools import files

_SAY = "say beside a password how it is changed: role: {strategy: alternating, …}"
FILE = "roles.json"  # in the folder of a mounted Secret


class Source(NamedTuple):
    """Where the roles come from: a recipe's environment, or a file or folder."""

    where: str | None
    path: str | None  # what `derive: {rolesOf: …}` gave; no key is needed then


def accounts(source: Source, env: Mapping[str, str], names: Sequence[str] = ()) -> list[Account]:
    """The accounts of these passwords, or of all.

    Raises SopsmithError: db-roles, usage, file-unreadable, and what rendering raises.
    """
    if source.path is not None:
        if source.where is not None:
            message = "--from and --environment both say what is meant"
            raise SopsmithError(Finding("usage", message, hint="give one of the two"))
        found = _from_file(source.path)
    else:
        leaf = repository.leaf(source.where, env, names)
        found = of_rendered(checked(leaf))
    return named(found, names)


def named(found: Sequence[Account], names: Sequence[str]) -> list[Account]:
    """Those of these passwords, or all; raises SopsmithError (db-roles)."""
    unknown = set(names) - {each.value for each in found}
    if unknown:
        said = [naming.shown(each) or "a name that was typed" for each in sorted(unknown)]
        message = f"{', '.join(said)} is the password of no role here"
        known = ", ".join(each.value for each in found)
        hint = f"known: {known}; {_SAY}" if found else _SAY
        raise SopsmithError(Finding("db-roles", message, hint=hint))
    if not found:
        raise SopsmithError(Finding("db-roles", "no value is the password of a role", hint=_SAY))
    return [each for each in found if not names or each.value in names]


def checked(leaf: Leaf) -> Rendered:
    """The leaf, rendered; raises SopsmithError with its findings where it could not be deployed."""
    rendered = repository.rendered(leaf)
    render.check([rendered])
    return rendered


def of_rendered(rendered: Rendered) -> list[Account]:
    """The accounts of a rendered leaf; raises SopsmithError (db-roles)."""
    found = [_account(rendered, each) for each in roles.passwords(rendered.recipe)]
    return _distinct(found, rendered.recipe.file)


def _distinct(found: list[Account], file: str) -> list[Account]:
    bad = [Finding("db-roles", words, file, each.value) for each, words in distinct.problems(found)]
    if bad:
        raise SopsmithError(bad)
    return account.related(found)


def _account(rendered: Rendered, access: Access) -> Account:
    recipe: Recipe = rendered.recipe
    try:
        found = account.of(recipe, access, rendered.values, rendered.previous)
        return found._replace(others=_others(rendered, found))
    except KeyError as error:
        message = f"can't be used while {error.args[0]} is absent"
    except ValueError as error:
        message = str(error)
    raise SopsmithError(Finding("db-roles", message, recipe.file, access.password)) from None


def _others(rendered: Rendered, found: Account) -> tuple[Secret, ...]:
    """The versions that a database may hold besides those that git names; of a generated value."""
    if found.now.version is None:
        return ()
    numbers = versions.nearest(found.now.version)
    made = itertools.starmap(Secret, render.versions(rendered, found.value, numbers))
    named = {each.text for each in (found.now, found.before) if each}
    return tuple(each for each in made if each.text not in named)


def _from_file(path: str) -> list[Account]:
    name = os.path.join(path, FILE) if os.path.isdir(path) else path
    hint = f"name what `derive: {{rolesOf: …}}` gave, or a folder that holds it as {FILE}"
    try:
        found = list(account.read(files.named(name)))
    except SopsmithError as error:
        raise SopsmithError(each._replace(hint=hint) for each in error.findings) from None
    except ValueError as error:
        raise SopsmithError(Finding("db-roles", str(error), name, hint=hint)) from None
    return _distinct(found, name)
