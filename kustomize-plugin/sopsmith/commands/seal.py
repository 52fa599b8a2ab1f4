"""`sopsmith seal`: the emitted Secrets as encrypted files that Flux decrypts before it builds."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sopsmith import checkout, report
from sopsmith.delivery import folders, sealing
from sopsmith.delivery.folders import Folder
from sopsmith.delivery.sealing import Plan, Standing
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import trail
from sopsmith.pipeline import render
from sopsmith.pipeline.render import Rendered
from sopsmith.recipes.template import IDENTITIES, fill, names, parse_template
from sopsmith.tools import files, git, git_write
from sopsmith.transaction import Done, Work, carry_out
from sopsmith.voice import Session


class Asked(NamedTuple):
    """What is to be sealed, and where."""

    paths: Sequence[str]
    directory: str
    component: bool | None  # None keeps what the folder is


class Target(NamedTuple):
    """A sealed folder, and the recipes that fill it."""

    folder: Folder
    overlay: str  # as it was typed
    rendered: tuple[Rendered, ...]


class Job(NamedTuple):
    """A sealed folder, and what there is to do."""

    target: Target
    plan: Plan


def seal(
    session: Session, paths: Sequence[str], directory: str, *, component: bool | None, check: bool,
    commit: bool, output: str,
) -> int:  # fmt: skip
    """Make each folder hold what its recipes give, or with `check` say what it lacks."""
    asked = Asked(paths, directory, component)
    if check and commit:
        message = "--check writes nothing, so there is nothing to commit"
        raise SopsmithError(Finding("usage", message, hint="give one of --check and --commit"))
    if check:
        jobs = _jobs(session, asked)
        findings = [*_deviations(jobs), *_stale(jobs, asked)]
        session.write(report.told(findings, _count(jobs), output=output, colour=session.colour))
        return 1 if findings else 0
    root = checkout.at(paths[0], session.env).root

    def plan() -> tuple[Work, list[Job]]:
        jobs = _jobs(session, asked)
        deviations = _deviations(jobs)
        if deviations:
            raise SopsmithError(deviations)
        return _work(session, root, jobs, commit=commit), jobs

    done, jobs = carry_out(session, root, plan, commit=commit)
    left = _uncommitted(session, root, jobs) if commit and not done.changed else ()
    if output == "json":
        standings = [each._asdict() for job in jobs for each in job.plan.standings]
        tree = {"files": standings, "commit": done.commit, "uncommitted": left}
        session.write(report.as_json(tree))
    else:
        _tell(session, jobs, done)
        if left:
            shown = git_write.shown(git.Repository(root, session.env), left)
            session.write(f"not committed yet: {shown}\n")
    return 0


def _jobs(session: Session, asked: Asked) -> list[Job]:
    return [
        Job(each, sealing.plan(each.folder, each.rendered, component=asked.component))
        for each in _targets(session, asked)
    ]


def _work(session: Session, root: str, jobs: Sequence[Job], *, commit: bool) -> Work:
    recipes = [one.recipe for job in jobs for one in job.target.rendered]
    environments = list(dict.fromkeys(each.environment for each in recipes))
    message = trail.message("seal", environments, _changed_secrets(jobs), "seal")
    edits = [edit for job in jobs for edit in job.plan.edits]
    # A commit of half a folder would not build, so it takes what a run without --commit left.
    also = _uncommitted(session, root, jobs) if commit and edits else ()
    return Work(edits, message, also=also)


def _uncommitted(session: Session, root: str, jobs: Sequence[Job]) -> tuple[str, ...]:
    """The files of these folders that the last commit does not hold as they are."""
    here = git.Repository(root, session.env)
    known = [each.file for job in jobs for each in job.plan.standings]
    return git.changed(here, known)


def _tell(session: Session, jobs: Sequence[Job], done: Done) -> None:
    moved = [s for job in jobs for s in job.plan.standings if s.state != "unchanged"]
    if not moved:
        session.write(f"{_count(jobs)} sealed already: nothing changed\n")
        return
    rows = [(each.state, each.file, ", ".join(each.keys) or "-") for each in moved]
    table = report.table(("STATE", "FILE", "KEYS"), rows, session.colour)
    session.write(table + report.committed(done.commit))


def _targets(session: Session, asked: Asked) -> list[Target]:
    """Each overlay's recipes by the folder that they are sealed into; all of one repository."""
    found: dict[str, Target] = {}
    for path in asked.paths:
        here = checkout.at(path, session.env)
        rendered = checkout.rendered(here)
        render.check(rendered)
        for one in rendered:
            inside = _below(here.root, _filled(asked.directory, one))
            folder = Folder(here.root, session.env, inside)
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
        message = "-o is the root itself" if path == root else "-o leads outside the root"
        hint = "give a folder of its own below the root"
        raise SopsmithError(Finding("path-refused", message, hint=hint))
    return files.relative(path, root)


def _deviations(jobs: Iterable[Job]) -> list[Finding]:
    return [each for job in jobs for each in job.plan.deviations]


def _stale(jobs: Iterable[Job], asked: Asked) -> Iterable[Finding]:
    for target, plan in jobs:
        component = True if plan.is_component else asked.component
        hint = folders.command(target.overlay, asked.directory, component=component)
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


def _changed_secrets(jobs: Iterable[Job]) -> list[str]:
    standings = [each for job in jobs for each in job.plan.standings]
    moved = (each.secret for each in standings if each.state != "unchanged" and each.secret)
    return list(dict.fromkeys(moved))


def _count(jobs: Iterable[Job]) -> str:
    number = sum(len(job.plan.standings) for job in jobs)
    return f"{number} file{'' if number == 1 else 's'}"
