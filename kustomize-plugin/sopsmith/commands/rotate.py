"""`sopsmith rotate`: new values, told before they are made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Literal

from sopsmith import aftermath, report, repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, one_line
from sopsmith.history import trail
from sopsmith.rotations import assent, prospect, rotation, turnover
from sopsmith.rotations.prospect import Prospect
from sopsmith.rotations.turnover import Job
from sopsmith.transaction import Work, carry_out, check_agreed
from sopsmith.voice import Session

Choice = Literal["named", "due", "all"]


def rotate(
    session: Session, names: Sequence[str], *, choice: Choice, where: str | None, dry_run: bool,
    yes: bool, commit: bool, output: str,
) -> int:  # fmt: skip
    """Rotate these values, those that are due (of every leaf, without `where`), or all of a leaf.

    The new state is rendered before it is written: what a rotation would break it does not do, and
    what was broken before is a warning.
    """
    if bool(names) != (choice == "named"):
        hint = "sopsmith rotate KEY…, or one of --due, --all and --seed"
        raise SopsmithError(Finding("usage", "say what is to be rotated", hint=hint))
    jobs, broken = _jobs(session, names, choice, where)
    for file in broken:
        name = one_line(file)
        session.say(f"sopsmith: {name} is broken, so whether it reads what rotates is not known\n")
    told = [turnover.foreseen(each) for each in jobs]
    rotated = list(dict.fromkeys(turn.value.name for each in told for turn in each.turns))
    is_text = output == "text"
    assent.show(session, told, is_text=is_text, yes=yes)
    changed: tuple[str, ...] = ()
    found: tuple[Finding, ...] = ()
    made = None
    if rotated and not dry_run and assent.agreed(session, f"rotate {_count(rotated)}", yes=yes):
        shown = assent.words(told)

        def plan() -> tuple[Work, list[Prospect]]:
            jobs, _ = _jobs(session, names, choice, where)
            told = [turnover.foreseen(each) for each in jobs]
            check_agreed(shown, assent.words(told))
            return _work(session, jobs), told

        leaves = [each.leaf for each in jobs if each.plan.turns]
        command = f"sopsmith rotate {' '.join(names) or f'--{choice}'}"
        with repository.one_at_a_time(leaves, command):
            root = jobs[0].leaf.root
            (changed, made, found), told = carry_out(session, root, plan, commit=commit)
    if is_text:
        session.write(_outcome(rotated, changed, made, choice))
        if changed:
            session.write(turnover.sealing(each.leaf for each in jobs if each.plan.turns))
        session.say(aftermath.told(found))
    else:
        tree = {"environments": [prospect.as_tree(each) for each in told],
                "changed": list(changed), "commit": made,
                "findings": report.findings_json(found)}  # fmt: skip
        session.write(report.as_json(tree))
    return 0


def _work(session: Session, jobs: Sequence[Job]) -> Work:
    turning = [each for each in jobs if each.plan.turns]
    scope = dict.fromkeys(each.leaf.recipe.environment for each in turning)
    names = dict.fromkeys(turn.value.name for each in turning for turn in each.plan.turns)
    message = trail.message("rotate", tuple(scope), tuple(names), "rotate")
    check = partial(aftermath.checked, [each.leaf for each in turning])
    return Work(turnover.edits(jobs, session.today), message, check=check)


def _jobs(
    session: Session, names: Sequence[str], choice: Choice, where: str | None
) -> tuple[tuple[Job, ...], list[str]]:
    """What rotates by leaf, with what shares it; and the broken recipes."""
    if choice == "due" and where is None:
        leaves = repository.every_leaf(session.env)
    else:
        leaves = (repository.leaf(where, session.env, names),)
    jobs = []
    for leaf in leaves:
        recipe, today = leaf.recipe, session.today
        if choice == "named":
            mine = turnover.job(leaf, rotation.named(recipe, names, today))
            if mine.plan.left_out:  # what is named is not passed over
                raise SopsmithError(mine.plan.left_out)
        elif choice == "due":
            mine = turnover.job(leaf, rotation.overdue(recipe, today))
        else:
            mine = turnover.job(leaf, rotation.everything(recipe, today))
        jobs.append(mine)
    return turnover.with_sharing(jobs, session.today)


def _count(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"these {len(names)} values"


def _outcome(
    rotated: Sequence[str], changed: Sequence[str], made: str | None, choice: Choice
) -> str:
    if not rotated:
        return "nothing is due\n" if choice == "due" else "nothing may be rotated\n"
    if not changed:
        return "nothing was changed\n"
    return "".join(f"changed {file}\n" for file in changed) + report.committed(made)
