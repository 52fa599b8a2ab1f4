"""Plan, write and commit under one lock: nothing that was read before it decides."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from sopsmith import carried, writeback
from sopsmith.errors import Interrupted, SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import trail
from sopsmith.model import Read
from sopsmith.tools import git, git_write, replace
from sopsmith.voice import Session
from sopsmith.writeback import Draft, Edit

T = TypeVar("T")


class Work(NamedTuple):
    """What a command is to do."""

    edits: Sequence[Edit]
    message: str  # of the commit
    check: Callable[[Read], tuple[Finding, ...]] = lambda _: ()  # of the files as they will be
    also: Sequence[str] = ()  # what belongs to the commit besides the files that change
    begun: Sequence[str] = ()  # what may hold the change already, or part of it, and no commit does
    own: Sequence[str] = ()  # how names begin of what it holds besides the values of its message


class Done(NamedTuple):
    """What came of it."""

    changed: tuple[str, ...]
    commit: str | None
    findings: tuple[Finding, ...]  # of the check, and why there is no commit where that is told


def carry_out(
    session: Session, root: str, plan: Callable[[], tuple[Work, T]], *, commit: bool,
    tells_refusal: bool = False,
) -> tuple[Done, T]:  # fmt: skip
    """Plan the work, check it, write it and commit it, while other writers are kept out.

    `plan` reads everything itself, for another writer may have changed what was read before. It
    asks nobody and writes nothing: others wait for it, and it would wait for itself. What it gives
    besides the work is handed on. A refused commit leaves the files changed: who `tells_refusal`
    gets it as findings, tells the rest, and ends with it. The next run finds the change `begun`,
    and commits it though it writes nothing.
    Who is interrupted before there is a commit has changed nothing.
    Raises SopsmithError: write-locked, and what `plan`, the work's check, `writeback.draft` and
    the commit raise.
    """
    with replace.locked(root):
        work, told = plan()
        draft = writeback.draft(root, session.env, work.edits, commit=commit)
        found = work.check(draft.read)
        begun = _begun(session, root, work) if commit else ()
        found = (*found, *(_along(session, work, draft, begun) if commit else ()))
        with _whole(session, draft) if commit and draft.changed else contextlib.nullcontext():
            changed = draft.write()
            files = tuple(dict.fromkeys((*work.also, *changed, *begun))) if changed else begun
            try:
                made = writeback.finish(session, root, files, work.message, commit=commit)
            except SopsmithError as error:
                if not tells_refusal:
                    raise
                made, found = None, (*found, *error.findings)
    return Done(changed, made, found), told


def _begun(session: Session, root: str, work: Work) -> tuple[str, ...]:
    """The files that hold the change already and that no commit holds so."""
    if not work.begun:
        return ()
    here = git.Repository(root, session.env)
    git_write.check_settled(here, work.begun)
    return git.changed(here, work.begun)


def _along(
    session: Session, work: Work, draft: Draft, begun: Sequence[str]
) -> Iterator[Finding]:  # fmt: skip
    """What else is in the files of the commit, before it is made."""
    files = dict.fromkeys((*(each.file for each in draft.changed), *begun))
    paths = [file for file in files if file not in work.also]
    named = trail.trailers(work.message).get(trail.VALUE, ())
    return carried.along(git.Repository(draft.root, session.env), paths, named, work.own)


@contextlib.contextmanager
def _whole(session: Session, draft: Draft) -> Iterator[None]:
    """Put back what is written where a signal comes before the commit: the same command begins
    again then, and has no files in its way that nobody committed."""
    here = git.Repository(draft.root, session.env)
    before = git.commit_of(here, "HEAD")
    try:
        yield
    except Interrupted:
        if git.commit_of(here, "HEAD") == before:
            draft.undo()
            session.say("sopsmith: nothing was committed, and the files are as they were\n")
        raise


def check_agreed(shown: T, planned: T) -> None:
    """Hold what was shown before the lock against what is planned under it.

    Raises SopsmithError (write-conflict) where they differ.
    """
    if shown != planned:
        message = "someone else changed meanwhile what was shown, so it was not done"
        raise SopsmithError(Finding("write-conflict", message, hint="run the command again"))
