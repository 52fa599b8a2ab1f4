"""`sopsmith postgres rotate` and `rollback`: a database password, from git to the last pod."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sopsmith import aftermath, report, repository
from sopsmith.database import accounts, looking, rollout, ways
from sopsmith.database.connecting import Way
from sopsmith.database.consuming import Cluster
from sopsmith.database.rollout import Phase, Terms
from sopsmith.database.standing import standing
from sopsmith.errors import Interrupted, SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.history import trail
from sopsmith.postgres import presence, readiness, recovery
from sopsmith.postgres.account import Account
from sopsmith.postgres.recovery import Standing
from sopsmith.repository import Leaf
from sopsmith.rotations import assent, prospect, reversal, rotating, turnover
from sopsmith.rotations.rotating import Rotated
from sopsmith.tools import git, git_write
from sopsmith.transaction import Done, Work, carry_out, check_agreed
from sopsmith.voice import Session, outliving

_HALF_DONE = 6  # the exit code
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
    leaf, terms = _begun(session, names, manner)
    to = _upstream(session, leaf, manner)  # first: nobody has looked at what is committed later
    found = _standings(leaf, names, terms)
    if any(readiness.is_rolled_back(each.account) for each in found):
        _check_committed(leaf)  # or git would see a version left out
    unfinished = [each.account for each in found if not readiness.is_ready(each)]
    if unfinished and not manner.is_now:
        raise SopsmithError(map(_unfinished, unfinished))
    if unfinished or (to is not None and _is_unpushed(leaf, names, to)):
        _check_committed(leaf)
        verb = _would_be(manner)
        words = f"the last rotation is not finished; that {verb} done, and no other"
        session.say(f"sopsmith: {words}\n")
        made, goes_on = _NOTHING, not manner.is_dry
    else:
        if manner.is_now:
            _check_seen(found)
            _check_logins(found, terms.way)
        with _telling(session, leaf, names, manner):
            terms.way.at("before promote")
            made = _rotated(session, leaf, names, manner, found)
            terms.way.at("after promote")
        goes_on = manner.is_now and bool(made.done.changed)
    rest = _finished(leaf, names, terms, to, made.done.commit) if goes_on else ()
    return _end(session, leaf, names, manner, made, rest)


def rollback(session: Session, names: Sequence[str], manner: Manner) -> int:
    """Go back to the password of before while the database still has it; then as `rotate`.

    With --now, one that is in git goes on instead, or is over.
    """
    leaf, terms = _begun(session, names, manner)
    found = _standings(leaf, names, terms)
    if manner.is_now and _is_rolled_back(leaf, names, found):
        return _resume(session, leaf, names, manner, terms, found)
    for each in found:
        readiness.check_rollback(each)
    to = _upstream(session, leaf, manner)
    told = [reversal.foreseen(leaf, names)]
    assent.show(session, told, is_text=manner.output == "text", yes=manner.yes)
    made = Rotated(told, tuple(names), (leaf,), _NOTHING.done)
    what = f"roll back {', '.join(names)}"
    if manner.is_dry or not assent.agreed(session, what, yes=manner.yes):
        return _end(session, leaf, names, manner, made, ())

    def plan() -> tuple[Work, None]:
        _check_unchanged(leaf, names, found)
        return reversal.work(repository.reread(leaf), tuple(names), session.today), None

    commit = manner.is_committed or manner.is_now
    with _telling(session, leaf, names, manner):
        done, _ = carry_out(session, leaf.root, plan, commit=commit)
    rest = _finished(leaf, names, terms, to, done.commit) if manner.is_now else ()
    return _end(session, leaf, names, manner, made._replace(done=done), rest)


def _is_rolled_back(leaf: Leaf, names: Sequence[str], found: Sequence[Standing]) -> bool:
    """Whether git has gone back with all of these, and nothing forbids that the rest follows."""
    if any(map(recovery.is_retired, found)):
        return False
    return reversal.is_last(leaf, names) or all(
        readiness.is_rolled_back(each.account) for each in found
    )


def _resume(
    session: Session, leaf: Leaf, names: Sequence[str], manner: Manner, terms: Terms,
    found: Sequence[Standing],
) -> int:  # fmt: skip
    """Bring a rollback that is in git to its end, where it is not there yet."""
    _check_committed(leaf)
    to = _upstream(session, leaf, manner)
    is_waiting = to is not None and _is_unpushed(leaf, names, to)
    is_over = all(map(readiness.is_ready, found)) and not is_waiting
    rest = "nothing is left to do" if is_over else f"what is left {_would_be(manner)} done"
    session.say(f"sopsmith: it was rolled back already; {rest}\n")
    goes_on = not (is_over or manner.is_dry)
    phases = _finished(leaf, names, terms, to, None) if goes_on else ()
    return _end(session, leaf, names, manner, _NOTHING, phases)


def _would_be(manner: Manner) -> str:
    return "would be" if manner.is_dry else "is"


# --- before ---------------------------------------------------------------------------------------


def _begun(session: Session, names: Sequence[str], manner: Manner) -> tuple[Leaf, Terms]:
    way, cluster = ways.real(session.env, manner.via), manner.cluster
    place = cluster.place()
    session.say(place.told if place else "")
    terms = Terms(way, cluster.live, cluster.users, manner.wait, manner.grace, time.monotonic,
                  session.say)  # fmt: skip
    return repository.leaf(manner.where, session.env, names), terms


def _upstream(session: Session, leaf: Leaf, manner: Manner) -> git_write.Upstream | None:
    """Where it will be pushed, and who hears what else goes there; raises what `upstream` does."""
    if not (manner.is_now and manner.is_pushed):
        return None
    to = git_write.upstream(leaf.git)
    if to.ahead:
        what = "1 commit" if len(to.ahead) == 1 else f"{len(to.ahead)} commits"
        session.say(f"sopsmith: {what} that {to.title} lacks will be pushed too\n")
    return to


def _accounts(leaf: Leaf, names: Sequence[str]) -> list[Account]:
    """The accounts of these passwords, as the files are now."""
    found = accounts.of_rendered(accounts.checked(repository.reread(leaf)))
    return accounts.named(found, names)


def _standings(leaf: Leaf, names: Sequence[str], terms: Terms) -> list[Standing]:
    live = terms.live()
    return [standing(each, terms.way, live) for each in _accounts(leaf, names)]


def _unfinished(account: Account) -> Finding:
    """Without --now git alone is changed, so that the database has to be ready as it is."""
    where = f"{account.value} -e {account.environment}"
    hint = f"sopsmith postgres rotate {where} --now finishes it; or recover, or retire"
    return Finding(
        "db-waiting", "its last rotation is not finished", field=account.title, hint=hint
    )


def _is_unpushed(leaf: Leaf, names: Sequence[str], to: git_write.Upstream) -> bool:
    """Whether one of these was rotated or rolled back by a commit of ours that waits to be pushed:
    the database may look ready then, as after a rollback of what it never got."""
    said = [trail.trailers(each.message) for each in to.ahead]
    return any(
        {*each.get(trail.COMMAND, ())} & _TURNS
        and leaf.recipe.environment in each.get(trail.ENVIRONMENT, ())
        and {*each.get(trail.VALUE, ())} & {*names}
        for each in said
    )


def _check_committed(leaf: Leaf) -> None:
    """What is not in git must not get into a database: it could be lost."""
    changed = repository.uncommitted(leaf)
    if changed:
        message = "is changed and not committed, so it could be lost"
        hint = f"{git_write.by_hand(leaf.git, changed)}; then the same command again"
        raise SopsmithError(Finding("usage", message, changed[0], hint=hint))


def _check_seen(found: Sequence[Standing]) -> None:
    """Nobody waits for a cluster that has nothing of the application; raises SopsmithError
    (db-unseen)."""
    for each in found:
        if each.place is not None and not each.is_shown:
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


def _check_unchanged(leaf: Leaf, names: Sequence[str], found: Sequence[Standing]) -> None:
    """Under the lock: what the database was looked at for must be what changes.

    Raises SopsmithError (write-conflict), and what rendering raises.
    """
    check_agreed(_said(each.account for each in found), _said(_accounts(leaf, names)))


def _said(found: Iterable[Account]) -> list[tuple[str, str, str | None]]:
    """What git says of each."""
    return [(each.slot, each.now.text, each.before and each.before.text) for each in found]


def _rotated(
    session: Session, leaf: Leaf, names: Sequence[str], manner: Manner, found: Sequence[Standing]
) -> Rotated:
    return rotating.rotate(
        session, names, choice="named", where=manner.where, dry_run=manner.is_dry, yes=manner.yes,
        commit=manner.is_committed or manner.is_now, is_text=manner.output == "text",
        first=lambda: _check_unchanged(leaf, names, found),
    )  # fmt: skip


def _finished(
    leaf: Leaf, names: Sequence[str], terms: Terms, to: git_write.Upstream | None,
    made: str | None,
) -> Iterator[Phase]:  # fmt: skip
    """Push the commit that was made, or else the last, and bring it into database and cluster.

    Raises SopsmithError: half done, whatever stops it, as git says what the rest does not know.
    """
    meant = made or git.commit_of(leaf.git, "HEAD")
    try:
        if to is not None:
            yield rollout.timed("push", lambda: _pushed(leaf, to), terms)
        found = _accounts(leaf, names)
        _check_committed(leaf)
        if git.commit_of(leaf.git, "HEAD") != meant:
            message = "somebody else committed meanwhile; the database was not touched"
            raise SopsmithError(Finding("write-conflict", message))
        for account in found:
            yield from rollout.roll_out(account, terms)
    except SopsmithError as error:
        raise SopsmithError(_half_done(error.findings, _again(leaf, names))) from None


@contextlib.contextmanager
def _telling(session: Session, leaf: Leaf, names: Sequence[str], manner: Manner) -> Iterator[None]:
    """Who is stopped while git changes hears how it goes on, where there is a commit by then."""
    before = git.commit_of(leaf.git, "HEAD") if manner.is_now else None
    try:
        yield
    except Interrupted:
        if manner.is_now and git.commit_of(leaf.git, "HEAD") != before:
            session.say(f"sopsmith: half done; this goes on: {_again(leaf, names)}\n")
        raise


def _again(leaf: Leaf, names: Sequence[str]) -> str:
    """What goes on: for a stored password that was rolled back that is `rotate` too."""
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


def _pushed(leaf: Leaf, to: git_write.Upstream) -> str:
    commit = git_write.push(leaf.git, to)
    return f"{to.title} has {commit[:12]}"


# --- what is told ---------------------------------------------------------------------------------


def _end(
    session: Session, leaf: Leaf, names: Sequence[str], manner: Manner, made: Rotated,
    rest: Iterable[Phase],
) -> int:  # fmt: skip
    """Tell what was made, and the rest as it is done; none of that stops where nobody reads it."""
    hint = f"sopsmith postgres status -e {leaf.recipe.environment} shows what it came to"
    with outliving(session, hint) as lasting:
        _tell_change(lasting, manner, made)
        phases = _told(lasting, leaf, names, manner, made, rest)
        if manner.output == "json":
            _write_json(lasting, made, phases)
        elif not made.done.changed and not phases:
            lasting.write("nothing was changed\n")
    return 0


def _tell_change(session: Session, manner: Manner, made: Rotated) -> None:
    done = made.done
    session.say(aftermath.told(done.findings))
    if manner.output == "text":
        session.write("".join(f"changed  {file}\n" for file in done.changed))
        session.write(report.committed(done.commit))
        session.write(turnover.sealing(made.leaves) if done.changed else "")


def _told(
    session: Session, leaf: Leaf, names: Sequence[str], manner: Manner, made: Rotated,
    phases: Iterable[Phase],
) -> list[Phase]:  # fmt: skip
    """Each phase as it ends; and what was done by then where one does not, or somebody stops it."""
    ended: list[Phase] = []
    try:
        for phase in phases:
            ended.append(phase)
            if manner.output == "text":
                session.write(f"{phase.name:<8} {phase.words}  ({phase.seconds:.1f} s)\n")
    except SopsmithError as error:
        raise SopsmithError(error.findings, _tree(made, ended)) from None
    except Interrupted:
        session.say(f"sopsmith: half done; this goes on: {_again(leaf, names)}\n")
        if manner.output == "json":
            _write_json(session, made, ended)
        raise
    return ended


def _write_json(session: Session, made: Rotated, phases: Sequence[Phase]) -> None:
    findings = report.findings_json(made.done.findings)
    session.write(report.as_json({**_tree(made, phases), "findings": findings}))


def _tree(made: Rotated, phases: Sequence[Phase]) -> dict[str, object]:
    return {"environments": [prospect.as_tree(each) for each in made.told],
            "changed": list(made.done.changed), "commit": made.done.commit,
            "phases": [each._asdict() for each in phases]}  # fmt: skip
