"""Database and cluster follow what git says: push, apply, wait, retire, each told as it ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sopsmith import aftermath, report, repository
from sopsmith.database import accounts, rollout
from sopsmith.database.rollout import Phase, Terms
from sopsmith.errors import Interrupted, SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.postgres.account import Account
from sopsmith.repository import Leaf
from sopsmith.rotations import prospect, turnover
from sopsmith.rotations.rotating import Rotated
from sopsmith.tools import git, git_write
from sopsmith.voice import Session, outliving

_HALF_DONE = 6  # the exit code


class Course(NamedTuple):
    """Which passwords of a leaf change, on what terms, and who hears of it."""

    session: Session
    leaf: Leaf
    names: Sequence[str]
    terms: Terms
    output: str


def accounts_of(course: Course) -> list[Account]:
    """The accounts of these passwords, as the files are now."""
    found = accounts.of_rendered(accounts.checked(repository.reread(course.leaf)))
    return accounts.named(found, course.names)


def check_committed(leaf: Leaf) -> None:
    """What is not in git must not get into a database: it could be lost.

    Raises SopsmithError (usage).
    """
    changed = repository.uncommitted(leaf)
    if changed:
        message = "is changed and not committed, so it could be lost"
        hint = f"{git_write.by_hand(leaf.git, changed)}; then the same command again"
        raise SopsmithError(Finding("usage", message, changed[0], hint=hint))


def phases(course: Course, to: git_write.Upstream | None, made: str | None) -> Iterator[Phase]:
    """Push the commit that was made, or else the last, and bring it into database and cluster.

    Raises SopsmithError: half done, whatever stops it, as git says what the rest does not know.
    """
    leaf, terms = course.leaf, course.terms
    meant = made or git.commit_of(leaf.git, "HEAD")
    try:
        if to is not None:
            yield rollout.timed("push", lambda: _pushed(leaf, to), terms)
        found = accounts_of(course)
        check_committed(leaf)
        if git.commit_of(leaf.git, "HEAD") != meant:
            message = "somebody else committed meanwhile; the database was not touched"
            raise SopsmithError(Finding("write-conflict", message))
        yield from rollout.roll_out(found, terms)
    except SopsmithError as error:
        raise SopsmithError(_half_done(error.findings, _again(course))) from None


def _pushed(leaf: Leaf, to: git_write.Upstream) -> str:
    commit = git_write.push(leaf.git, to)
    return f"{to.title} has {commit[:12]}"


@contextlib.contextmanager
def heard_of(course: Course) -> Iterator[None]:
    """Who is stopped while git changes hears how it goes on, where there is a commit by then."""
    before = git.commit_of(course.leaf.git, "HEAD")
    try:
        yield
    except Interrupted:
        if git.commit_of(course.leaf.git, "HEAD") != before:
            course.session.say(_stopped(course))
        raise


def _stopped(course: Course) -> str:
    return f"sopsmith: half done; this goes on: {_again(course)}\n"


def _again(course: Course) -> str:
    """What goes on: for a stored password that was rolled back that is `rotate` too."""
    leaf, names = course.leaf, course.names
    values = repository.reread(leaf).recipe.values
    is_back = all(
        each.previous is not None and each.previous.version > each.version
        for each in map(values.__getitem__, names)
    )
    verb = "rollback" if is_back else "rotate"
    command = f"sopsmith postgres {verb} {' '.join(names)} -e {leaf.recipe.environment} --now"
    return f"{command}, with the options of before"


def _half_done(found: Sequence[Finding], command: str) -> Iterator[Finding]:
    """What stops it; and where that does not say so itself, that git has changed and how it goes
    on."""
    for each in found:
        hint = f"the database was not touched; {each.hint}; then {command}"
        yield each._replace(hint=hint) if each.code == "not-pushed" else each
    if exit_code(found) != _HALF_DONE:
        message = "git has changed, and the rest has not followed"
        yield Finding("db-waiting", message, hint=f"mend that, then this goes on: {command}")


# --- what is told ---------------------------------------------------------------------------------


def told(course: Course, made: Rotated, rest: Iterable[Phase]) -> int:
    """Tell what was made, and the rest as it is done; none of that stops where nobody reads it."""
    hint = f"sopsmith postgres status -e {course.leaf.recipe.environment} shows what it came to"
    with outliving(course.session, hint) as lasting:
        course = course._replace(session=lasting)
        _tell_change(course, made)
        ended = _ended(course, made, rest)
        if course.output == "json":
            _write_json(lasting, made, ended)
        elif not made.done.changed and not ended:
            lasting.write("nothing was changed\n")
    return 0


def _tell_change(course: Course, made: Rotated) -> None:
    session, done = course.session, made.done
    session.say(aftermath.told(done.findings))
    if course.output == "text":
        session.write("".join(f"changed  {file}\n" for file in done.changed))
        session.write(report.committed(done.commit))
        session.write(turnover.sealing(made.leaves) if done.changed else "")


def _ended(course: Course, made: Rotated, rest: Iterable[Phase]) -> list[Phase]:
    """Each phase as it ends; and what was done by then where one does not, or somebody stops it."""
    session, ended = course.session, list[Phase]()
    try:
        for phase in rest:
            ended.append(phase)
            if course.output == "text":
                session.write(f"{phase.name:<8} {phase.words}  ({phase.seconds:.1f} s)\n")
    except SopsmithError as error:
        raise SopsmithError(error.findings, _tree(made, ended)) from None
    except Interrupted:
        session.say(_stopped(course))
        if course.output == "json":
            _write_json(session, made, ended)
        raise
    return ended


def _write_json(session: Session, made: Rotated, ended: Sequence[Phase]) -> None:
    findings = report.findings_json(made.done.findings)
    session.write(report.as_json({**_tree(made, ended), "findings": findings}))


def _tree(made: Rotated, ended: Sequence[Phase]) -> dict[str, object]:
    return {"environments": [prospect.as_tree(each) for each in made.told],
            "changed": list(made.done.changed), "commit": made.done.commit,
            "phases": [each._asdict() for each in ended]}  # fmt: skip
