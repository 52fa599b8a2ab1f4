"""A rotation from the plan that is shown to the commit: what every command that rotates does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal, NamedTuple

from sopsmith import absent, aftermath, repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import one_line
from sopsmith.history import trail
from sopsmith.rotations import assent, rotation, turnover, uncommitted
from sopsmith.rotations.prospect import Prospect
from sopsmith.rotations.turnover import Job
from sopsmith.transaction import Done, Work, carry_out, check_agreed
from sopsmith.voice import Session

Choice = Literal["named", "due", "all"]
_MADE = (
    "sopsmith: this is rotated already, and no commit holds it: it is committed, and not rotated "
    "again\n"
)


class Rotated(NamedTuple):
    """What was told, and what came of it."""

    told: Sequence[Prospect]
    names: tuple[str, ...]  # of the values that rotate
    leaves: tuple[repository.Leaf, ...]  # in which they do
    done: Done
    is_committed: bool = False  # it was made before, and is committed now


def rotate(
    session: Session, names: Sequence[str], *, choice: Choice, where: str | None, dry_run: bool,
    yes: bool, commit: bool, is_text: bool, first: Callable[[], object] = lambda: None,
    tells_refusal: bool = False,
) -> Rotated:  # fmt: skip
    """Rotate these values, those that are due (of every leaf, without `where`), or all of a leaf.

    The plan is shown first, and people are asked. The new state is rendered before it is written:
    what a rotation would break it does not do, and what was broken before is among the findings.
    `first` is called under the lock, and may refuse. What was rotated before and never committed is
    committed and not rotated again; without `commit` it is refused.
    """
    read = partial(_jobs, session, names, choice, where, commit)
    jobs, broken, is_made = read()
    for file in broken:
        name = one_line(file)
        session.say(f"sopsmith: {name} is broken, so whether it reads what rotates is not known\n")
    told = [turnover.foreseen(each) for each in jobs]
    rotated = tuple(dict.fromkeys(turn.value.name for each in told for turn in each.turns))
    leaves = tuple(each.leaf for each in jobs if each.plan.turns)
    if is_made:
        session.say(_MADE)
    assent.show(session, told, is_text=is_text, yes=yes)
    done = Done((), None, ())
    what = f"{'commit the rotation of' if is_made else 'rotate'} {_count(rotated)}"
    if rotated and not dry_run and assent.agreed(session, what, yes=yes):
        shown = assent.words(told)

        def plan() -> tuple[Work, list[Prospect]]:
            first()
            jobs, _, is_made_now = read()
            told = [turnover.foreseen(each) for each in jobs]
            check_agreed((is_made, shown), (is_made_now, assent.words(told)))
            return _work(session, jobs, is_made=is_made), told

        command = f"sopsmith rotate {' '.join(names) or f'--{choice}'}"
        with repository.one_at_a_time(leaves, command):
            done, told = carry_out(session, jobs[0].leaf.root, plan, commit=commit,
                                   tells_refusal=tells_refusal)  # fmt: skip
        if is_made and done.commit:
            done = done._replace(changed=uncommitted.files_of(jobs))
    return Rotated(told, rotated, leaves, done, is_made)


def _work(session: Session, jobs: Sequence[Job], *, is_made: bool) -> Work:
    turning = [each for each in jobs if each.plan.turns]
    scope = dict.fromkeys(each.leaf.recipe.environment for each in turning)
    names = dict.fromkeys(turn.value.name for each in turning for turn in each.plan.turns)
    message = trail.message("rotate", tuple(scope), tuple(names), "rotate")
    check = partial(aftermath.checked, [each.leaf for each in turning])
    if is_made:
        return Work((), message, check=check, begun=uncommitted.files_of(turning))
    return Work(turnover.edits(jobs, session.today), message, check=check)


def _jobs(
    session: Session, names: Sequence[str], choice: Choice, where: str | None, commit: bool
) -> tuple[tuple[Job, ...], list[str], bool]:
    """What rotates by leaf, with what shares it; the broken recipes; and whether all of it is made
    already, so that only the commit is left."""
    found = _meant(session, names, choice, where, commit)
    jobs, broken = turnover.with_sharing(found, session.today)
    made = uncommitted.made(jobs, session.today)
    count, asked = (sum(len(each.plan.turns) for each in some) for some in (made, jobs))
    if made and (count != asked or not commit):
        raise uncommitted.refused(made)
    return made or jobs, broken, bool(made)


def _meant(
    session: Session, names: Sequence[str], choice: Choice, where: str | None, commit: bool
) -> list[Job]:
    if choice == "due" and where is None:
        leaves = repository.every_leaf(session.env)
    else:
        leaves = (repository.leaf(where, session.env, names),)
    jobs, today = [], session.today
    made = uncommitted.dated(leaves, today) if choice == "due" and commit else {}
    for leaf in leaves:
        recipe = leaf.recipe
        if choice == "named":
            mine = turnover.job(leaf, rotation.named(recipe, names, today))
            if mine.plan.left_out:  # what is named is not passed over
                raise SopsmithError(mine.plan.left_out)
        elif choice == "due":
            lacking = absent.optional(leaf.root, leaf.env, recipe)
            plan = rotation.overdue(recipe, today, lacking)
            due = {turn.value.name for turn in plan.turns}
            more = (t for t in made.get(leaf.resolved.file, ()) if t.value.name not in due)
            mine = turnover.job(leaf, plan._replace(turns=(*plan.turns, *more)))
        else:
            public = absent.by_default(leaf.root, leaf.env, recipe)
            mine = turnover.job(leaf, rotation.everything(recipe, today, public))
        jobs.append(mine)
    return jobs


def _count(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"these {len(names)} values"
