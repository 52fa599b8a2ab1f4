"""`sopsmith postgres rotate` and `rollback`: a database password, from git to the last pod."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from sopsmith import repository
from sopsmith.database import looking, ways
from sopsmith.database.connecting import Way
from sopsmith.database.consuming import Cluster
from sopsmith.database.rollout import Terms
from sopsmith.database.standing import standing
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import trail
from sopsmith.postgres import presence, readiness, recovery
from sopsmith.postgres.account import Account
from sopsmith.postgres.recovery import Standing
from sopsmith.rotations import assent, following, reversal, rotating
from sopsmith.rotations.following import Course
from sopsmith.rotations.rotating import Rotated
from sopsmith.tools import git_write
from sopsmith.transaction import Done, Work, carry_out, check_agreed
from sopsmith.voice import Session

_NOTHING = Rotated((), (), (), Done((), None, ()))
_TURNS = {"rotate", reversal.ROLLBACK}  # the commands whose commits a database has to follow


class Manner(NamedTuple):
    """How far to go, and where."""

    where: str | None
    cluster: Cluster
    via: str | None
    is_now: bool  # all of it: commit, push, apply, wait, retire
    is_pushed: bool  # else the cluster gets the commit in another way
    is_committed: bool
    wait: float  # seconds
    grace: float  # seconds
    is_dry: bool
    yes: bool
    output: str


def rotate(session: Session, names: Sequence[str], manner: Manner) -> int:
    """Rotate passwords of roles whose database is ready for it; print what changes and is done.

    A rotation that was interrupted is finished instead, so that who runs the command again until it
    succeeds has rotated once. Where only the output fails (output-failed) all else is done.
    """
    course = _begun(session, names, manner)
    to = _upstream(course, manner)  # first: nobody has looked at what is committed later
    found = _standings(course)
    if manner.is_now:
        _check_seen(found)
    if any(readiness.is_rolled_back(each.account) for each in found):
        following.check_committed(course.leaf)  # or git would see a version left out
    unfinished = [each.account for each in found if not readiness.is_ready(each)]
    if unfinished and not manner.is_now:
        raise SopsmithError(map(_unfinished, unfinished))
    if unfinished or (to is not None and _is_unpushed(course, to)):
        following.check_committed(course.leaf)
        words = f"the last rotation is not finished; that {_would_be(manner)} done, and no other"
        session.say(f"sopsmith: {words}\n")
        made, goes_on = _NOTHING, not manner.is_dry
    else:
        if manner.is_now:
            _check_logins(found, course.terms.way)
        with _stoppable(course, manner):
            course.terms.way.at("before promote")
            made = _rotated(course, manner, found)
            course.terms.way.at("after promote")
        goes_on = manner.is_now and bool(made.done.changed)
    return following.told(
        course, made, following.phases(course, to, made.done.commit) if goes_on else ()
    )


def rollback(session: Session, names: Sequence[str], manner: Manner) -> int:
    """Go back to the password of before while the database still has it; then as `rotate`.

    With --now, one that is in git goes on instead, or is over.
    """
    course = _begun(session, names, manner)
    leaf, found = course.leaf, _standings(course)
    if manner.is_now:
        _check_seen(found)
    if manner.is_now and _is_rolled_back(course, found):
        return _resume(course, manner, found)
    for each in found:
        readiness.check_rollback(each)
    to = _upstream(course, manner)
    told = [reversal.foreseen(leaf, names)]
    assent.show(session, told, is_text=manner.output == "text", yes=manner.yes)
    made = Rotated(told, tuple(names), (leaf,), _NOTHING.done)
    what = f"roll back {', '.join(names)}"
    if manner.is_dry or not assent.agreed(session, what, yes=manner.yes):
        return following.told(course, made, ())

    def plan() -> tuple[Work, None]:
        _check_unchanged(course, found)
        return reversal.work(repository.reread(leaf), tuple(names), session.today), None

    commit = manner.is_committed or manner.is_now
    with _stoppable(course, manner):
        done, _ = carry_out(session, leaf.root, plan, commit=commit)
    rest = following.phases(course, to, done.commit) if manner.is_now else ()
    return following.told(course, made._replace(done=done), rest)


def _is_rolled_back(course: Course, found: Sequence[Standing]) -> bool:
    """Whether git has gone back with all of these, and nothing forbids that the rest follows."""
    if any(map(recovery.is_retired, found)):
        return False
    return reversal.is_last(course.leaf, course.names) or all(
        readiness.is_rolled_back(each.account) for each in found
    )


def _resume(course: Course, manner: Manner, found: Sequence[Standing]) -> int:
    """Bring a rollback that is in git to its end, where it is not there yet."""
    following.check_committed(course.leaf)
    to = _upstream(course, manner)
    is_waiting = to is not None and _is_unpushed(course, to)
    is_over = all(map(readiness.is_ready, found)) and not is_waiting
    words = "nothing is left to do" if is_over else f"what is left {_would_be(manner)} done"
    course.session.say(f"sopsmith: it was rolled back already; {words}\n")
    goes_on = not (is_over or manner.is_dry)
    return following.told(course, _NOTHING, following.phases(course, to, None) if goes_on else ())


def _would_be(manner: Manner) -> str:
    return "would be" if manner.is_dry else "is"


def _stoppable(course: Course, manner: Manner) -> AbstractContextManager[None]:
    """Around the change of git: without --now nothing has to follow it."""
    return following.heard_of(course) if manner.is_now else nullcontext()


# --- before ---------------------------------------------------------------------------------------


def _begun(session: Session, names: Sequence[str], manner: Manner) -> Course:
    way, cluster = ways.real(session.env, manner.via), manner.cluster
    leaf = repository.leaf(manner.where, session.env, names)
    place = cluster.place()
    session.say(place.told if place else "")
    terms = Terms(way, cluster.live, cluster.users, manner.wait, manner.grace, time.monotonic,
                  session.say, ways.watching(session.say))  # fmt: skip
    return Course(session, leaf, names, terms, manner.output)


def _upstream(course: Course, manner: Manner) -> git_write.Upstream | None:
    """Where it will be pushed, and who hears what else goes there; raises what `upstream` does."""
    if not (manner.is_now and manner.is_pushed):
        return None
    to = git_write.upstream(course.leaf.git)
    if to.ahead:
        what = "1 commit" if len(to.ahead) == 1 else f"{len(to.ahead)} commits"
        course.session.say(f"sopsmith: {what} that {to.title} lacks will be pushed too\n")
    return to


def _standings(course: Course) -> list[Standing]:
    live = course.terms.live()
    return [standing(each, course.terms.way, live) for each in following.accounts_of(course)]


def _unfinished(account: Account) -> Finding:
    """Without --now git alone is changed, so that the database has to be ready as it is."""
    where = f"{account.value} -e {account.environment}"
    hint = f"sopsmith postgres rotate {where} --now finishes it; or recover, or retire"
    return Finding(
        "db-waiting", "its last rotation is not finished", field=account.title, hint=hint
    )


def _is_unpushed(course: Course, to: git_write.Upstream) -> bool:
    """Whether one of these was rotated or rolled back by a commit of ours that waits to be pushed:
    the database may look ready then, as after a rollback of what it never got."""
    said = [trail.trailers(each.message) for each in to.ahead]
    return any(
        {*each.get(trail.COMMAND, ())} & _TURNS
        and course.leaf.recipe.environment in each.get(trail.ENVIRONMENT, ())
        and {*each.get(trail.VALUE, ())} & {*course.names}
        for each in said
    )


def _check_seen(found: Sequence[Standing]) -> None:
    """Nobody waits for a cluster that has nothing of the application; raises SopsmithError
    (db-unseen). Of one that was adopted the role's name has to do: nobody knows its password. A
    rotator need not be there: no application logs in as it."""
    for each in found:
        is_named = recovery.is_adopted(each) and each.consumers.get(each.account.active)
        is_known = each.is_shown or is_named or each.account.is_rotator
        if each.place is not None and not is_known:
            raise SopsmithError(presence.unseen(each.account, each.place))


def _check_logins(found: Sequence[Standing], way: Way) -> None:
    """What does not log in today is mended first, or a rotation would hide why."""
    for each in found:
        account = each.account
        if recovery.is_retired(each) or recovery.is_adopted(each):
            continue  # it can't, and the rotation mends it
        bad = looking.failed(account, looking.confirmed(account, way, 1))
        if bad:
            raise SopsmithError(bad)


# --- meanwhile ------------------------------------------------------------------------------------


def _check_unchanged(course: Course, found: Sequence[Standing]) -> None:
    """Under the lock: what the database was looked at for must be what changes.

    Raises SopsmithError (write-conflict), and what rendering raises.
    """
    check_agreed(_said(each.account for each in found), _said(following.accounts_of(course)))


def _said(found: Iterable[Account]) -> list[tuple[str, str, str | None]]:
    """What git says of each."""
    return [(each.slot, each.now.text, each.before and each.before.text) for each in found]


def _rotated(course: Course, manner: Manner, found: Sequence[Standing]) -> Rotated:
    return rotating.rotate(
        course.session, course.names, choice="named", where=manner.where, dry_run=manner.is_dry,
        yes=manner.yes, commit=manner.is_committed or manner.is_now,
        is_text=manner.output == "text", first=lambda: _check_unchanged(course, found),
    )  # fmt: skip
