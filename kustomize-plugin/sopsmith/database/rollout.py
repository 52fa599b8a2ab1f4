"""The rest of a rotation once git has it: the database, the cluster, the end of the former role."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from sopsmith.database import applying, looking, retiring
from sopsmith.database.connecting import Way
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, one_line
from sopsmith.postgres import presence, readiness, refusals
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live, Place
from sopsmith.postgres.readiness import Lag

GLANCE = 2.0  # seconds between two looks at the cluster
_PASSING = (  # what may stop a look, which changes nothing, and not the next one
    "cluster-failed", "db-failed", "db-locked", "db-standby", "db-unknown", "db-unreachable",
)  # fmt: skip


class Terms(NamedTuple):
    """What a rollout may take and touch."""

    way: Way
    live: Callable[[], Live | None]  # the cluster now; None where nobody looks into one
    users: retiring.Consumers
    wait: float  # seconds for the cluster and its pods to follow
    grace: float  # seconds in which nobody may be seen with the former role
    now: Callable[[], float]  # a clock, seconds
    say: Callable[[str], None]  # what it waits for
    begins: retiring.Begins = lambda role, seconds: None


class Phase(NamedTuple):
    """One that has ended."""

    name: str
    words: str
    seconds: float


class _Look(NamedTuple):
    """What was seen of one password at one moment."""

    account: Account
    late: Sequence[Finding] = ()  # who has not followed, or why nobody could look this time
    live: Live | None = None  # what runs in the cluster, where that tells anything
    place: Place | None = None  # where that is, also where it tells nothing
    ends: str | None = None  # what ends the wait for somebody who does not come


def timed(name: str, run: Callable[[], str], terms: Terms) -> Phase:
    """Run a phase between its two points."""
    terms.way.at(f"before {name}")
    start = terms.now()
    words = run()
    seconds = terms.now() - start
    terms.way.at(f"after {name}")
    return Phase(name, words, seconds)


def roll_out(accounts: Sequence[Account], terms: Terms) -> Iterator[Phase]:
    """Apply all, wait until the cluster has followed with all, retire all: each phase as it ends.

    All of them first, as one sync brings the cluster all of them. A password in place that the
    cluster does not take in time is taken back, as nobody could log in newly until then; of two
    roles the former goes on working. Run again, it goes on.
    Raises SopsmithError: db-waiting, db-locked where somebody overtakes it, what stops every look
    until the time is over, and what `applying.apply` and `retiring.retire` raise.
    """
    changed: list[Account] = []
    for account in accounts:
        yield timed("apply", partial(_applied, account, terms, changed), terms)
    try:
        yield timed("wait", partial(_followed, accounts, terms, changed), terms)
    except SopsmithError as error:
        back = [each for each in (_taken_back(one, terms) for one in accounts) if each]
        said = {(each.code, each.field) for each in back}
        rest = [each for each in error.findings if (each.code, each.field) not in said]
        raise SopsmithError([*back, *rest]) from None
    for account in accounts:
        if account.other is not None:
            yield timed("retire", partial(_retired, account, terms), terms)


def _applied(account: Account, terms: Terms, changed: list[Account]) -> str:
    """Apply it; what was done, in words. It is among the `changed` where the role had another."""
    applied = applying.apply(account, terms.way)
    if applied.is_new:
        changed.append(account)
    return ", ".join(applied.changes) or f"{account.active} has {account.title} already"


def _retired(account: Account, terms: Terms) -> str:
    """Close the former role; what was done, in words."""
    done = retiring.retire(
        account, terms.way, terms.users, grace=terms.grace, now=terms.now, begins=terms.begins
    )
    return ", ".join(done.changes) or f"{account.other} is closed already"


def _followed(accounts: Sequence[Account], terms: Terms, changed: Sequence[Account]) -> str:
    """Look until nobody lags; raises SopsmithError: db-waiting, db-locked where the database has
    another password by now, and why nobody could look, where that does not go by."""
    start, said = terms.now(), list[str]()
    until = start + terms.wait
    while True:
        found = [_look(account, terms) for account in accounts]
        late = [each for each in found if each.late]
        if not late:
            seconds = terms.now() - start
            return ", ".join(
                _agreed(each, seconds if each.account in changed else None) for each in found
            )
        if terms.now() >= until:
            raise SopsmithError(dict.fromkeys(one for each in late for one in each.late))
        _tell(late[0], terms, said)
        terms.way.pause(min(GLANCE, max(until - terms.now(), 0)))


def _tell(look: _Look, terms: Terms, said: list[str]) -> None:
    """Say for whom it waits where that is new, and what ends it, once."""
    words = look.late[0].message
    if words != next(reversed(said), None):
        limit = f"for {terms.wait:.0f} s at most"
        terms.say(f"sopsmith: waiting, {limit}: {one_line(words)}\n")
        if look.ends and look.ends not in said:
            terms.say(f"sopsmith: hint: {look.ends}\n")
            said.append(look.ends)
        said.append(words)


def _agreed(look: _Look, refusing: float | None) -> str:
    """That all have followed, as far as was seen; `refusing`: for how long it was not so."""
    account, live = look.account, look.live
    if account.other is None and live is None:  # sessions of one role do not tell the password
        unseen = "nobody looked who still has the one before"
        if look.place is not None:
            unseen = presence.words(account, look.place)
        return f"{account.active} has {account.title}; {unseen}"
    window = (
        "" if account.other or refusing is None else f"; in place, {refusing:.1f} s of refusals"
    )
    where = f" in {live.place.words}" if live else ""
    return f"everybody who was seen{where} uses {account.title}{window}"


def _look(account: Account, terms: Terms) -> _Look:
    """Who has not followed, or why nobody could look this time; and what runs in the cluster.

    Raises SopsmithError: db-locked, and what stops every look.
    """
    try:
        seen = looking.glance(account, terms.way)
        there = terms.live()
        live = _telling(account, there)
        lag = readiness.lagging(account, seen, live)
        is_overtaken = lag is not None and not looking.accepts(account, seen, terms.way)
    except SopsmithError as error:
        if any(each.code not in _PASSING for each in error.findings):
            raise
        return _Look(account, error.findings)
    if is_overtaken:
        raise SopsmithError(_overtaken(account))
    place = there and there.place
    if lag is None:
        return _Look(account, (), live, place)
    is_unheard = live is None and account.other is not None and not lag.former
    ends = refusals.unused(account) if is_unheard else None
    return _Look(account, [_waiting(account, lag, live is not None, ends)], live, place, ends)


def _telling(account: Account, live: Live | None) -> Live | None:
    """What runs in the cluster; nothing there tells of a rotator that the cluster does not have."""
    is_absent = live is not None and account.is_rotator and not presence.is_shown(account, live)
    return None if is_absent else live


def _overtaken(account: Account) -> Finding:
    message = f"somebody else changed {account.active} meanwhile"
    hint = f"sopsmith postgres status -e {account.environment} shows what it has now"
    return Finding("db-locked", message, field=account.title, hint=hint)


def _waiting(account: Account, lag: Lag, in_cluster: bool, ends: str | None) -> Finding:
    where = f"{account.value} -e {account.environment}"
    who, follow = "the cluster lags", "sync it (argocd app sync, flux reconcile)"
    if not in_cluster:
        who, follow = "not everybody follows", "restart what uses the database, with the new URL"
    verb = "rollback" if readiness.is_rolled_back(account) else "rotate"
    again = f"sopsmith postgres {verb} {where} --now, with the options of before"
    hint = f"{follow}, then this goes on: {again}" + (f"; {ends}" if ends else "")
    return Finding("db-waiting", f"{who}: {lag.words}", field=account.title, hint=hint)


def _taken_back(account: Account, terms: Terms) -> Finding | None:
    """The password of before in place again, where no Secret has the one of now, and the database
    still has that."""
    earlier = account.as_of_before()
    is_stuck = account.strategy == "in-place" and not readiness.is_delivered(
        account, _telling(account, terms.live())
    )
    if earlier is None or not is_stuck:
        return None
    if not looking.accepts(account, looking.glance(account, terms.way), terms.way):
        return None
    applying.apply(earlier, terms.way)
    message = f"no Secret got it in time, so {account.active} has the password of before again"
    hint = (
        f"sync it, then sopsmith postgres apply -e {account.environment}; or go back in git too: "
        f"sopsmith postgres rollback {account.value} -e {account.environment} --now"
    )
    return Finding("db-waiting", message, field=account.title, hint=hint)
