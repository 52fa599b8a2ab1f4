"""Whose a file is: which ones an environment's are, and who may not become a reader of one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith import repository, settings
from sopsmith.components import access, change, copies
from sopsmith.components.copies import Held
from sopsmith.components.rules import Rule
from sopsmith.components.sealed import component_of, seal
from sopsmith.components.shift import Shift
from sopsmith.delivery import folders
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.inventory import Encrypted
from sopsmith.pipeline import decrypt
from sopsmith.recipes.recipe import parse
from sopsmith.tools import files, sops


class Scope(NamedTuple):
    """The files of one environment."""

    files: frozenset[str]
    unlisted: frozenset[str]  # those of them that only their rule tells to be


def of_environment(where: str, env: Mapping[str, str], known: Sequence[Encrypted]) -> Scope:
    """The files that the environment's recipe lists, those of its sealed folders, and those under
    the same rules that are nobody's by a recipe: a reader of the rule reads them too.

    Raises SopsmithError: what `repository.leaf` raises.
    """
    leaf = repository.leaf(where, env)
    app, environment = leaf.recipe.app, leaf.recipe.environment
    sealed = list(folders.found(leaf.root, env))
    inside = tuple(f"{each.path}/" for each in sealed if each.is_of(app, environment))
    own = {component.file for component in leaf.recipe.components}
    own.update(each.file for each in known if each.file.startswith(inside))
    ruling = {id(rule) for each in known if each.file in own and (rule := rule_of(each))}
    listed, is_whole = _listed(leaf.root, env)
    taken = tuple(f"{each.path}/" for each in sealed)
    free = frozenset(
        each.file
        for each in known
        if is_whole and each.file not in own and each.file not in listed
        and not each.file.startswith(taken) and id(rule_of(each)) in ruling
    )  # fmt: skip
    return Scope(free | own, free)


def refusals(
    root: str, env: Mapping[str, str], known: Sequence[Encrypted],
    after: Mapping[str, Rule | None], gains: Sequence[Shift],
) -> Iterator[Finding]:  # fmt: skip
    """Why these files may not get the readers that they would gain: they are of another
    environment by what they say themselves, or copies of a file that others read.

    `after` is the rule that each file is to have. What a file says is encrypted; one that no key
    opens is passed over, for nobody can change it either.
    """
    if not gains:
        return
    listed, _ = _listed(root, env)
    reading: dict[str, set[str]] = {}  # the environments that each reader reads
    for file, environments in listed.items():
        rule = after.get(file)
        for key in itertools.chain(*rule.groups) if rule else ():
            reading.setdefault(key.removeprefix("age:"), set()).update(environments)
    texts = {each.file: each.data for each in known}
    try:
        stated = _stated(env, {each.file: texts[each.file] for each in gains})
    except SopsmithError as error:
        yield from error.findings
        return
    gaining = {each.file for each in gains}
    told = set()
    for each in gains:
        problem = _problem(each, stated.get(each.file), listed.get(each.file, set()), reading)
        if problem:
            told.add(each.file)
            yield problem
    for copy in copies.copied(_held(known)):
        if copy.is_astray and copy.file in gaining - told:
            told.add(copy.file)
            yield copy.finding


def _problem(
    gain: Shift, stated: tuple[str, ...] | None, listing: set[str],
    reading: Mapping[str, set[str]],
) -> Finding | None:  # fmt: skip
    """That a file says whose it is, and would be given to others."""
    if stated is None:
        return None
    others, whose = sorted(listing - set(stated)), decrypt.whose(stated)
    message = f"{whose}, and {', '.join(others)} lists it"
    for reader in gain.gains:
        theirs = reading.get(reader, set())
        if theirs and not theirs & set(stated) and not others:
            others = sorted(theirs)
            message = f"{whose}, and {reader} reads {', '.join(others)}"
    if not others:
        return None
    hint = f"take it away, and give {', '.join(others)} a component of its own"
    return Finding("wrong-environment", message, gain.file, hint=hint)


def _stated(
    env: Mapping[str, str], texts: Mapping[str, bytes]
) -> dict[str, tuple[str, ...] | None]:
    """What the files that a key opens say of themselves; None for nothing."""
    chosen = settings.read(env)
    sealed = [seal(component_of(file), data, chosen.trust) for file, data in texts.items()]
    with sops.engine(env, chosen.trust.key_types, chosen.timeout)(sealed) as wait:
        opened = wait()
    return {
        one.component.file: decrypt.environment_of(one, plain)
        for one, plain in zip(sealed, opened, strict=True)
        if isinstance(plain, bytes)
    }


def _listed(root: str, env: Mapping[str, str]) -> tuple[dict[str, set[str]], bool]:
    """The environments whose recipes list each component, and whether no recipe is broken."""
    names = repository.recipe_files(root, env)
    whole, broken = repository.whole_leaves(names, files.reader(root))
    found: dict[str, set[str]] = {}
    for recipe in map(parse, whole):
        for component in recipe.components:
            found.setdefault(component.file, set()).add(recipe.environment)
    return found, not broken


def _held(known: Sequence[Encrypted]) -> dict[str, Held]:
    """The files that a rule covers."""
    rules = ((each, rule_of(each)) for each in known)
    return {
        each.file: Held(
            each.data, access.reading(each.file, each.data), change.policy_of_rule(rule)
        )
        for each, rule in rules
        if rule
    }


def rule_of(each: Encrypted) -> Rule | None:
    """The rule that covers a file; None also where that can't be said."""
    try:
        return each.rule
    except SopsmithError:
        return None
