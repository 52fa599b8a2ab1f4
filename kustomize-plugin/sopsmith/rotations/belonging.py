"""Whose a file is: which ones an environment's are, and who may not become a reader of one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith import repository, settings
from sopsmith.components import copies
from sopsmith.components.copies import Held
from sopsmith.components.rules import Rule
from sopsmith.components.sealed import component_of, seal
from sopsmith.components.shift import Shift
from sopsmith.delivery import folders
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import ruled
from sopsmith.inventory import Encrypted
from sopsmith.pipeline import decrypt
from sopsmith.recipes.recipe import parse
from sopsmith.tools import files, git, sops


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
    recipes = _recipes(leaf.root, env)
    taken = tuple(f"{each.path}/" for each in sealed)
    free = frozenset(
        each.file
        for each in known
        if not recipes.broken and each.file not in own and each.file not in recipes.listed
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
    texts = {each.file: each.data for each in known}
    try:
        stated = _stated(env, {each.file: texts[each.file] for each in gains})
    except SopsmithError as error:
        yield from error.findings
        return
    recipes, held = _recipes(root, env), _held(known)
    if stated and recipes.broken:
        hint = "mend it first: sopsmith check tells what is wrong with it"
        message = "is broken, so that nobody can tell whose readers these are"
        yield from (Finding("usage", message, file, hint=hint) for file in recipes.broken)
        return
    told, here = set(), git.Repository(root, env)
    for each in gains:
        mine = stated.get(each.file)
        if mine is None:
            continue
        is_in_place = not recipes.environments & set(mine) and not _is_brought_in(
            here, each.file, held
        )
        problem = _problem(each, mine, recipes, after, is_in_place=is_in_place)
        if problem:
            told.add(each.file)
            yield problem
    for copy in copies.copied(held):
        if copy.is_astray and copy.file in {each.file for each in gains} - told:
            told.add(copy.file)
            yield copy.finding


def _problem(
    gain: Shift, stated: Sequence[str], recipes: _Recipes, after: Mapping[str, Rule | None],
    *, is_in_place: bool,
) -> Finding | None:  # fmt: skip
    """That a file says whose it is, and others list it, or, unless it is known to lie in its
    place, lie under its rule or gain it."""
    mine, listing = set(stated), recipes.listed.get(gain.file, set())
    reasons = [(listing - mine, "lists it")]
    if not is_in_place:
        reading = recipes.readers(after)
        for key in gain.gains:
            read = reading.get(key, set())
            reasons.append((set() if read & mine else read, f"is what {key} reads"))
        if not listing:
            ruled = recipes.under(after.get(gain.file), after)
            reasons.append((set() if ruled & mine else ruled, "has this rule"))
    for others, why in reasons:
        if others:
            names = ", ".join(sorted(others))
            hint = f"take it away, and give {names} a component of its own"
            message = f"{decrypt.whose(stated)}, and {names} {why}"
            return Finding("wrong-environment", message, gain.file, hint=hint)
    return None


def _is_brought_in(here: git.Repository, file: str, held: Mapping[str, Held]) -> bool:
    """Whether its rule never said who reads a file now. Where it once did, only the rule changed,
    and what is of an environment without a recipe lies in its place for all that anybody knows."""
    mine = held.get(file)
    if mine is None or mine.actual is None or not mine.is_astray:
        return False
    return mine.actual.groups not in ruled.groups(here, file)


class _Recipes(NamedTuple):
    """What the recipes of the repository list."""

    listed: Mapping[str, set[str]]  # component: its environments
    environments: frozenset[str]
    broken: Sequence[str]  # files that nobody can tell it of

    def readers(self, after: Mapping[str, Rule | None]) -> dict[str, set[str]]:
        """The environments that each key reads."""
        found: dict[str, set[str]] = {}
        for file, environments in self._telling():
            rule = after.get(file)
            for key in itertools.chain(*rule.groups) if rule else ():
                found.setdefault(key.removeprefix("age:"), set()).update(environments)
        return found

    def under(self, rule: Rule | None, after: Mapping[str, Rule | None]) -> set[str]:
        """The environments that have components under a rule."""
        found = (names for file, names in self._telling() if rule and after.get(file) is rule)
        return set[str]().union(*found)

    def _telling(self) -> Iterator[tuple[str, set[str]]]:
        """What tells environments apart: their own components, before those that they share."""
        alone = {name for names in self.listed.values() if len(names) == 1 for name in names}
        for file, names in self.listed.items():
            yield file, names if len(names) == 1 else names - alone


def _recipes(root: str, env: Mapping[str, str]) -> _Recipes:
    names = repository.recipe_files(root, env)
    whole, broken = repository.whole_leaves(names, files.reader(root))
    listed: dict[str, set[str]] = {}
    recipes = [parse(each) for each in whole]
    for recipe in recipes:
        for component in recipe.components:
            listed.setdefault(component.file, set()).add(recipe.environment)
    return _Recipes(listed, frozenset(each.environment for each in recipes), broken)


def _stated(env: Mapping[str, str], texts: Mapping[str, bytes]) -> dict[str, tuple[str, ...]]:
    """The environments that files state which a key opens."""
    chosen = settings.read(env)
    sealed = [seal(component_of(file), data, chosen.trust) for file, data in texts.items()]
    with sops.engine(env, chosen.trust.key_types, chosen.timeout)(sealed) as wait:
        opened = wait()
    return {
        one.component.file: stated
        for one, plain in zip(sealed, opened, strict=True)
        if isinstance(plain, bytes) and (stated := decrypt.environment_of(one, plain)) is not None
    }


def _held(known: Sequence[Encrypted]) -> dict[str, Held]:
    """The files that a rule covers."""
    rules = ((each, rule_of(each)) for each in known)
    return {each.file: copies.held(each.file, each.data, rule) for each, rule in rules if rule}


def rule_of(each: Encrypted) -> Rule | None:
    """The rule that covers a file; None also where that can't be said."""
    try:
        return each.rule
    except SopsmithError:
        return None
