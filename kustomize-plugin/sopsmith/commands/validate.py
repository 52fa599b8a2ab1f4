"""`sopsmith validate`: run every step but the last, and report all findings."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith import absent, checkout, report, settings
from sopsmith.database import accounts, checking, versions, ways
from sopsmith.delivery import behind
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.guard import affected, check, covered
from sopsmith.guard.affected import Target
from sopsmith.model import Recipe
from sopsmith.pipeline import render
from sopsmith.pipeline.render import Rendered
from sopsmith.recipes import guards, roles, schedule
from sopsmith.text.lines import located
from sopsmith.tools import files, git
from sopsmith.voice import Session


def validate(
    session: Session,
    paths: Sequence[str],
    *,
    where: str | None,
    changed: Sequence[str] | None,
    require_key: bool,
    connect: bool,
    output: str,
) -> int:
    """Print the findings of all recipes that are meant; the exit code is theirs.

    They are those at the paths, those of the environment, and those that a change of the files in
    `changed` touches; without any of these, all of the repository. Where no key opens a component,
    what shows without one is checked and a warning says so, unless a key is required. With
    `connect`, which requires one, a login by every database URL follows where nothing else is
    wrong.
    """
    targets = list(_meant(session.env, paths, where, changed))
    outcomes = [_outcome(target, session) for target in targets]
    findings = [finding for each in outcomes for finding in each.findings]
    findings += _behind(outcomes)
    if not (require_key or connect):
        keyless = {each.file for each in findings if each.code == "no-key"}
        findings = [_noted(each) if each.code == "no-key" else each for each in findings]
        findings += _without_key([each for each in targets if each.files & keyless])
    checked = f"{len(targets)} path{'' if len(targets) == 1 else 's'}"
    if connect:
        bad, urls = ([], 0) if exit_code(findings) else _connected(outcomes, session.env)
        findings += bad
        checked += f" and {urls} URL{'' if urls == 1 else 's'}"
    session.write(report.told(findings, checked, output=output, colour=session.colour))
    return exit_code(findings)


# --- what is meant --------------------------------------------------------------------------------


def _meant(
    env: Mapping[str, str],
    paths: Sequence[str],
    where: str | None,
    changed: Sequence[str] | None,
) -> Iterable[Target]:
    """Everything to validate, each once, and why something can't be."""
    found: dict[tuple[str, str], Target] = {}
    named = [target for path in paths for target in _named(path, env)]
    for target in (*named, *(_of_environment(where, env) if where is not None else ())):
        found.setdefault((target.root, target.path), target)
    if changed or not (paths or where is not None or changed is not None):
        root = files.find_root(".", env)
        every = affected.every(root, env)
        if changed is None and not every:
            message = "no recipe of an environment is in this repository"
            raise SopsmithError(Finding("usage", message, hint="sopsmith init makes one"))
        inside = {_inside(path, root) for path in changed or ()}
        for target in every if changed is None else affected.touched(every, inside):
            found.setdefault((target.root, target.path), target)
    return found.values()


def _of_environment(where: str, env: Mapping[str, str]) -> Sequence[Target]:
    """What -e stands for: a path, or by its name all that an environment has."""
    if os.path.isfile(where) or checkout.is_overlay(where):
        return _named(where, env)
    every = affected.every(files.find_root(".", env), env)
    found = [each for each in every if _may_be_of(each, where)]
    if not found:
        hint = "without -e all of the repository is validated"
        raise SopsmithError(Finding("usage", "no environment has that name", hint=hint))
    return found


def _may_be_of(target: Target, environment: str) -> bool:
    """Whether it is this environment's; what is too broken to say whose it is may be."""
    if target.here is None:
        return True
    try:
        stated = [each.spec.get("environment") for each in checkout.resolved(target.here)]
    except SopsmithError:
        stated = [_stated(each.document) for each in target.here.sources]
        return environment in stated or None in stated
    return environment in stated


def _stated(document: object) -> object:
    spec = document.get("spec") if isinstance(document, dict) else None
    return spec.get("environment") if isinstance(spec, dict) else None


def _named(path: str, env: Mapping[str, str]) -> Sequence[Target]:
    """What a path stands for: an overlay or a recipe itself, or what is made from the file."""
    try:
        if os.path.isfile(path) and not _is_rendered(path, env):
            return _reading(path, env)
        here = checkout.at(path, env)
        return [affected.of(_inside(path, here.root), here)]
    except SopsmithError as error:
        return [Target("", path, None, frozenset(), frozenset(), error.findings)]


def _is_rendered(path: str, env: Mapping[str, str]) -> bool:
    """Whether the file is validated by itself; a broken recipe is, so that it is told."""
    root = files.find_root(os.path.dirname(path) or ".", env)
    try:
        return affected.is_rendered(_inside(path, root), files.reader(root))
    except SopsmithError:
        return True


def _reading(path: str, env: Mapping[str, str]) -> tuple[Target, ...]:
    """What is made from a file that is no leaf: a component, a base, a manifest of an overlay."""
    root = files.find_root(os.path.dirname(path) or ".", env)
    file = _inside(path, root)
    found = affected.touched(affected.every(root, env), {file})
    if not found:
        hint = "name an overlay, a recipe, or a file that one of them reads"
        raise SopsmithError(Finding("usage", "no recipe reads it", file, hint=hint))
    return found


def _inside(path: str, root: str) -> str:
    """A file's path relative to the root; it need not exist."""
    folder = files.relative(os.path.dirname(path) or ".", root)
    return posixpath.join(folder, os.path.basename(path))


# --- what is found --------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What came of a target; what it renders, where that is in order."""

    target: Target
    findings: Sequence[Finding]
    rendered: Sequence[Rendered] = ()


def _outcome(target: Target, session: Session) -> Outcome:
    here = target.here
    if here is None:
        return Outcome(target, target.findings)
    rendered: Sequence[Rendered] = ()
    findings: list[Finding] = []
    recipes: Sequence[Recipe] = ()
    try:
        rendered = checkout.rendered(here)
        recipes = [each.recipe for each in rendered]
        findings += [finding for each in rendered for finding in each.findings]
    except SopsmithError as error:
        findings += error.findings
        if {finding.code for finding in findings} == {"no-key"}:  # so the recipes are in order
            recipes = checkout.recipes(here)
    for recipe in recipes:
        lacking = absent.optional(here.root, here.env, recipe)
        findings += schedule.overdue(recipe, session.today, lacking)
        findings += roles.first_starts(recipe)
    for component in dict.fromkeys(each for recipe in recipes for each in recipe.components):
        findings += covered.comment_problems(component, here.read(component.file))
    if here.kustomization and recipes:
        findings += guards.problems(here.kustomization, here.sources, recipes, here.read)
    if not here.kustomization:
        findings += checkout.unlisted(here)
    is_whole = not exit_code([finding for each in rendered for finding in each.findings])
    return Outcome(target, tuple(located(findings, here.read)), rendered if is_whole else ())


def _behind(outcomes: Iterable[Outcome]) -> list[Finding]:
    """Sealed folders that are what none of these targets gives, though it gives their Secrets."""
    found: dict[tuple[str, str], list[Finding | None]] = {}
    for target, _, rendered in outcomes:
        if target.here and rendered:
            each = behind.behind(target.root, target.here.env, rendered, target.path or ".")
            for folder, finding in each:
                found.setdefault((target.root, folder), []).append(finding)
    return [each[0] for each in found.values() if each[0] and all(each)]


def _connected(outcomes: Iterable[Outcome], env: Mapping[str, str]) -> tuple[list[Finding], int]:
    """What is wrong with a login by each database URL of each leaf; how many there are."""
    leaves = {
        (target.root, each.recipe.file, each.recipe.environment): (each, files.reader(target.root))
        for target, _, rendered in outcomes
        for each in rendered
    }
    findings: list[Finding] = []
    count = 0
    for leaf, read in leaves.values():
        try:
            bad, tried = _logins(leaf, env)
        except SopsmithError as error:
            findings += error.findings
            continue
        count += tried
        values = leaf.recipe.values
        placed = [each._replace(file=values[each.field or ""].file) for each in bad]
        findings += located(render.of_leaf(leaf.recipe, placed), read)
    return findings, count


def _logins(leaf: Rendered, env: Mapping[str, str]) -> tuple[list[Finding], int]:
    urls, unread = checking.of_values(leaf.recipe, leaf.values)
    tried = list(checking.check(urls, accounts.of_rendered(leaf), ways.login))
    found = versions.named(tried, ways.real(env))
    return [*(each.finding for each in found if each.finding), *unread], len(tried)


def _without_key(targets: Sequence[Target]) -> Iterator[Finding]:
    """What shows without a key of all that these are made from."""
    for here in {each.root: each.here for each in targets if each.here}.values():
        asked = {file for each in targets if each.root == here.root for file in each.files}
        tracked = git.listed(git.Repository(here.root, here.env), untracked=False)
        known = list(dict.fromkeys([*tracked, *asked]))
        found = check.check(known, here.read, settings.read(here.env).trust, sorted(asked))
        yield from located(found.findings, here.read)


def _noted(finding: Finding) -> Finding:
    """What would be an error where a key is required."""
    message = f"{finding.message}, so its values were not validated"
    return finding._replace(code="validated-keyless", message=message)
