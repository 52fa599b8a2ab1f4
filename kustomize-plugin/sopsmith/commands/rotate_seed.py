"""`sopsmith rotate --seed`: a new seed, and every generated value made from it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from sopsmith import aftermath, report, repository
from sopsmith.components.sealed import SEED
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, one_line, text
from sopsmith.history import past, trail
from sopsmith.rotations import assent, prospect, succession, turnover, uncommitted
from sopsmith.rotations.succession import Make, Standing, Step
from sopsmith.rotations.turnover import Job
from sopsmith.tools import git
from sopsmith.transaction import Work, carry_out, check_agreed
from sopsmith.voice import Session

_UNKNOWN = past.SHALLOW._replace(
    message="the clone is shallow, so whether a removed reader knows this seed is not known"
)
_OWN = (SEED, "spec.seeds")  # what steps before changed, which were not committed


def rotate_seed(
    session: Session, *, where: str | None, dry_run: bool, yes: bool, commit: bool, output: str
) -> int:
    """Take every step that can be taken now, each rendered before the next; one commit a step."""
    standing = succession.look(repository.leaf(where, session.env))
    jobs = succession.moves(standing, standing.target, session.today)
    begun = None if standing.target in standing.holders else _moved(standing)
    if begun is not None:
        return _committed(session, where, standing, begun, commit=commit and not dry_run,
                          output=output)  # fmt: skip
    uncommitted.check_versions(jobs, session.today)
    waiting = succession.waiting(standing, jobs)
    told = [turnover.foreseen(each) for each in jobs]
    moving = sum(len(each.turns) for each in told)
    for file in standing.broken:
        name = one_line(file)
        session.say(f"sopsmith: {name} is broken, so whether it needs a seed is not known\n")
    if standing.target in standing.holders and git.is_shallow(standing.leaves[0].git):
        session.say(text([_UNKNOWN], "sopsmith: "))
    is_text = output == "text"
    if is_text:
        session.write(_plan(standing, moving, waiting))
    if moving:
        assent.show(session, told, is_text=is_text, yes=yes)
    taken: Sequence[dict[str, Any]] = ()
    found: Sequence[Finding] = ()
    if not dry_run and assent.agreed(session, f"rotate to seed {standing.target}", yes=yes):
        taken, found = _steps(session, where, standing, jobs, commit=commit, is_text=is_text)
    if is_text:
        session.say(text(found, "sopsmith: "))
        if not taken and not found:
            session.write("nothing was changed\n")
        elif not exit_code(found):
            is_moved = any(each["step"] == "move" for each in taken)
            session.write(_next(standing, waiting, is_moved=is_moved))
            session.write(turnover.sealing(standing.leaves) if is_moved else "")
    else:
        tree = {"seed": standing.target, "exposed": sorted(standing.exposed, key=int),
                "steps": taken,
                "environments": [prospect.as_tree(each) for each in told],
                "waiting": {number: list(names) for number, names in waiting.items()},
                "findings": report.findings_json(found)}  # fmt: skip
        session.write(report.as_json(tree))
    return exit_code(found)


def _committed(
    session: Session, where: str | None, standing: Standing, names: Sequence[str], *,
    commit: bool, output: str,
) -> int:  # fmt: skip
    """Commit a change of seeds that is made, and begin no other.

    Raises SopsmithError (usage) where no commit is asked for.
    """
    recipe, newest = standing.leaves[0].recipe, standing.newest
    what = f"the change to seed {newest} is made, and no commit holds it"
    if not commit:
        hint = f"sopsmith rotate --seed -e {recipe.environment} --commit commits it, and no other"
        raise SopsmithError(Finding("usage", what, recipe.file, "spec.seeds", hint))
    session.say(f"sopsmith: {what}: it is committed, and no other begun\n")

    def plan() -> tuple[Work, Standing]:
        now = succession.look(repository.leaf(where, session.env))
        check_agreed((newest, names), (now.newest, _moved(now)))
        subject = f"move to seed {newest}:" if names else f"change to seed {newest}"
        message = trail.message("rotate", recipe.environment, names, subject)
        return Work((), message, begun=_parts(now), own=_OWN), now

    done, now = carry_out(session, standing.leaves[0].root, plan, commit=True, tells_refusal=True)
    if output == "text":
        session.write(report.committed(done.commit))
        session.say(text(done.findings, "sopsmith: "))
        if done.commit:
            waiting = succession.waiting(now, ())
            session.write(_next(now, waiting, is_moved=bool(names)))
    else:
        step = {"step": "commit", "values": names, "changed": [], "commit": done.commit}
        tree = {"seed": newest, "exposed": sorted(now.exposed, key=int),
                "steps": [step] if done.commit else [], "environments": [], "waiting": {},
                "findings": report.findings_json(done.findings)}  # fmt: skip
        session.write(report.as_json(tree))
    return exit_code(done.findings)


def _moved(standing: Standing) -> tuple[str, ...] | None:
    return uncommitted.moved(standing.leaves, standing.holders)


def _moving(jobs: Sequence[Job]) -> str:
    return assent.words([turnover.foreseen(each) for each in jobs])


def _steps(
    session: Session, where: str | None, standing: Standing, jobs: Sequence[Job], *,
    commit: bool, is_text: bool,
) -> tuple[list[dict[str, Any]], tuple[Finding, ...]]:  # fmt: skip
    """Take the steps, up to one that can't be taken: those before it are told all the same."""
    taken: list[dict[str, Any]] = []
    found: tuple[Finding, ...] = ()
    target, moving = standing.target, _moving(jobs)
    for make in succession.steps(target, session.today):

        def plan(make: Make = make) -> tuple[Work, Step | None]:
            now = succession.look(repository.leaf(where, session.env))
            if not taken:
                check_agreed(target, now.target)
            if not any(each["step"] == "move" for each in taken):
                check_agreed(moving, _moving(succession.moves(now, target, session.today)))
            step = make(now)
            return _work(now, step), step

        try:
            done, step = carry_out(session, standing.leaves[0].root, plan, commit=commit,
                                   tells_refusal=True)  # fmt: skip
        except SopsmithError as error:
            return taken, (*_taken_along(found), *error.findings)
        if step is None:
            continue
        found = (*_taken_along(found), *done.findings)
        tree = {"step": step.name, "values": list(step.names), "changed": list(done.changed),
                "commit": done.commit}  # fmt: skip
        taken.append(tree)
        if is_text:
            session.write(_told(tree, step))
        if exit_code(found):
            break
    return taken, found


def _taken_along(found: Sequence[Finding]) -> Iterator[Finding]:
    """What stays true of a step's commit; what else there was to tell, the next step may mend."""
    return (each for each in found if each.code == "taken-along")


def _work(now: Standing, step: Step | None) -> Work:
    """One step; everything has to render after it."""
    if step is None:
        return Work((), "")
    recipe = now.leaves[0].recipe
    message = trail.message("rotate", recipe.environment, step.names, step.subject)
    check = partial(aftermath.checked, now.leaves)
    return Work(step.edits, message, check=check, begun=_parts(now), own=_OWN)


def _parts(now: Standing) -> tuple[str, ...]:
    """The recipes and the components with the seeds: a step that was written and not committed, by
    a hook's refusal for example, belongs to the next commit, or a recipe names a seed that no
    commit holds."""
    root = now.leaves[0].root
    recipes = (leaf.resolved.file for leaf in now.leaves)
    there = (file for file in recipes if os.path.isfile(os.path.join(root, file)))
    return tuple(dict.fromkeys((*there, *now.holders.values())))


def _gone(standing: Standing, waiting: Mapping[str, Sequence[str]]) -> list[str]:
    """The old seeds that nothing keeps."""
    return [number for number in standing.old if number not in waiting]


def _plan(standing: Standing, moving: int, waiting: Mapping[str, Sequence[str]]) -> str:
    target = standing.target
    file = standing.holders[standing.newest]
    is_there = target in standing.holders
    lines = [f"1. seed {target} is {'there already' if is_there else f'drawn, into {file}'}\n"]
    if not is_there and standing.newest in standing.exposed:
        lines.append(f"   seed {standing.newest} is known to who was a reader and is none now\n")
    count = f"{moving} value{'' if moving == 1 else 's'} to move to it, each to a new version"
    lines.append(f"2. {count if moving else 'no value is left to move to it'}\n")
    gone = _gone(standing, waiting)
    lines += [f"3. seed {number} is removed\n" for number in gone]
    lines += [
        f"3. seed {number} stays for the old values that are kept of {', '.join(names)}\n"
        for number, names in waiting.items()
    ]
    return "".join(lines)


def _told(tree: Mapping[str, Any], step: Step) -> str:
    committed = f"; committed {tree['commit'][:12]}" if tree["commit"] else ""
    return f"{step.words}: changed {', '.join(tree['changed'])}{committed}\n"


def _next(standing: Standing, waiting: Mapping[str, Sequence[str]], *, is_moved: bool) -> str:
    """What is left to do."""
    lines = ["next: deploy it; until then the old values are in use\n"] if is_moved else []
    names = " ".join(dict.fromkeys(name for each in waiting.values() for name in each))
    if names:
        recipe = standing.leaves[0].recipe
        haste = ", and soon: who was removed knows them" if standing.exposed & {*waiting} else ""
        lines += [
            f"when nobody uses the old values any more{haste}:\n",
            f"  sopsmith rotate {names} -e {recipe.environment}, "
            f"or remove previous there in {recipe.file}\n",
            f"  sopsmith rotate --seed -e {recipe.environment}, which then removes the old seed\n",
        ]
    return "".join(lines)
