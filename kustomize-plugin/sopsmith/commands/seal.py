"""`sopsmith seal`: the emitted Secrets as encrypted files that Flux decrypts before it builds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sopsmith import checkout, report, writeback
from sopsmith.delivery import sealing
from sopsmith.delivery.sealing import Folder, Plan, Standing
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import trail
from sopsmith.pipeline import render
from sopsmith.pipeline.render import Rendered
from sopsmith.recipes.template import IDENTITIES, fill, names, parse_template
from sopsmith.tools import files
from sopsmith.voice import Session


class Target(NamedTuple):
    """A sealed folder, and the recipes that fill it."""

    folder: Folder
    overlay: str  # as it was typed
    rendered: tuple[Rendered, ...]


def seal(
    session: Session, paths: Sequence[str], directory: str, *, component: bool, check: bool,
    commit: bool, output: str,
) -> int:  # fmt: skip
    """Make each folder hold what its recipes give, or with `check` say what it lacks."""
    targets = _targets(session, paths, directory)
    plans = [sealing.plan(each.folder, each.rendered, component=component) for each in targets]
    deviations = [each for plan in plans for each in plan.deviations]
    if check:
        findings = [*deviations, *_stale(targets, plans, directory)]
        session.write(report.told(findings, _count(plans), output=output, colour=session.colour))
        return 1 if findings else 0
    if deviations:
        raise SopsmithError(deviations)
    root = targets[0].folder.root
    edits = [edit for plan in plans for edit in plan.edits]
    with writeback.written(root, session.env, edits, commit=commit) as changed:
        recipes = [one.recipe for each in targets for one in each.rendered]
        environments = list(dict.fromkeys(each.environment for each in recipes))
        message = trail.message("seal", environments, _changed_secrets(plans), "seal")
        made = writeback.finish(session, root, changed, message, commit=commit)
    standings = [each for plan in plans for each in plan.standings]
    if output == "json":
        tree = {"files": [each._asdict() for each in standings], "commit": made}
        session.write(report.as_json(tree))
        return 0
    moved = [each for each in standings if each.state != "unchanged"]
    if moved:
        rows = [(each.state, each.file, ", ".join(each.keys) or "-") for each in moved]
        table = report.table(("STATE", "FILE", "KEYS"), rows, session.colour)
        session.write(table + report.committed(made))
    else:
        session.write(f"{_count(plans)} sealed already: nothing changed\n")
    return 0


def _targets(session: Session, paths: Sequence[str], directory: str) -> list[Target]:
    """Each overlay's recipes by the folder that they are sealed into; all of one repository."""
    found: dict[str, Target] = {}
    for path in paths:
        here = checkout.at(path, session.env)
        rendered = checkout.rendered(here)
        render.check(rendered)
        for one in rendered:
            folder = Folder(here.root, session.env, _below(here.root, _filled(directory, one)))
            known = found.get(folder.path, Target(folder, path, ()))
            if known.overlay != path or known.folder.root != here.root:
                message = f"{known.overlay} and {path} would be sealed into one folder"
                hint = "let the environment tell them apart: -o 'flux/$(environment)/secrets'"
                raise SopsmithError(Finding("usage", message, hint=hint))
            found[folder.path] = known._replace(rendered=(*known.rendered, one))
    targets = list(found.values())
    if any(each.folder.root != targets[0].folder.root for each in targets):
        raise SopsmithError(Finding("usage", "the overlays stand in several repositories"))
    return targets


def _filled(directory: str, rendered: Rendered) -> str:
    template = parse_template(directory)
    unknown = sorted(set(names(template)) - set(IDENTITIES))
    if unknown:
        message = "-o takes $(app) and $(environment), and no other name"
        raise SopsmithError(Finding("usage", message))
    recipe = rendered.recipe
    identity = {"app": recipe.app, "environment": recipe.environment}
    return fill(template, lambda name: identity[name])


def _below(root: str, directory: str) -> str:
    path = os.path.realpath(directory)
    if not files.is_inside(path, root) or path == root:
        hint = "give a folder of its own below the root"
        raise SopsmithError(Finding("path-refused", "-o leads outside the root", hint=hint))
    return files.relative(path, root)


def _stale(targets: Iterable[Target], plans: Iterable[Plan], directory: str) -> Iterable[Finding]:
    for target, plan in zip(targets, plans, strict=True):
        hint = f"sopsmith seal {target.overlay} -o '{directory}'"
        for each in plan.standings:
            if each.state != "unchanged":
                yield Finding("seal-stale", _trouble(each), each.file, hint=hint)


def _trouble(standing: Standing) -> str:
    if standing.state == "removed":
        return "belongs to nothing that the recipe emits any more"
    if standing.state == "new":
        return "is missing"
    keys = ", ".join(standing.keys)
    return f"is not what the recipe gives{': ' if keys else ''}{keys}"


def _changed_secrets(plans: Iterable[Plan]) -> list[str]:
    standings = [each for plan in plans for each in plan.standings]
    moved = (each.secret for each in standings if each.state != "unchanged" and each.secret)
    return list(dict.fromkeys(moved))


def _count(plans: Iterable[Plan]) -> str:
    number = sum(len(plan.standings) for plan in plans)
    return f"{number} file{'' if number == 1 else 's'}"
