"""The rest of a rotation once git has it: the database, the cluster, the end of the former role."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from sopsmith.database import applying, looking, retiring
from sopsmith.database.connecting import Way
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, one_line
from sopsmith.postgres import presence, readiness
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live

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
    for account in accounts:
        yield timed("apply", partial(_applied, account, terms), terms)
    try:
        yield timed("wait", partial(_followed, accounts, terms), terms)
    except SopsmithError as error:
        back = [each for each in (_taken_back(one, terms) for one in accounts) if each]
        said = {(each.code, each.field) for each in back}
        rest = [each for each in error.findings if (each.code, each.field) not in said]
        raise SopsmithError([*back, *rest]) from None
    for account in accounts:
        if account.other is not None:
            yield timed("retire", partial(_retired, account, terms), terms)


def _applied(account: Account, terms: Terms) -> str:
    applied = applying.apply(account, terms.way)
    return ", ".join(applied.changes) or f"{account.active} has {account.title} already"


def _retired(account: Account, terms: Terms) -> str:
    """Close the former role; what was done, in words."""
    done = retiring.retire(
        account, terms.way, terms.users, grace=terms.grace, now=terms.now, begins=terms.begins
    )
    return ", ".join(done.changes) or f"{account.other} is closed already"


def _followed(accounts: Sequence[Account], terms: Terms) -> str:
    """Look until nobody lags; raises SopsmithError: db-waiting, db-locked where the database has
    another password by now, and why nobody could look, where that does not go by."""
    start, said = terms.now(), ""
    until = start + terms.wait
    while True:
        found = [(account, *_late(account, terms)) for account in accounts]
        late = [(account, each, live) for account, those, live in found for each in those]
        if not late:
            seconds = terms.now() - start
            return ", ".join(_agreed(account, live, seconds) for account, _, live in found)
        if terms.now() >= until:
            raise SopsmithError(dict.fromkeys(each for _, each, _ in late))
        account, first, live = late[0]
        if first.message != said:
            said = first.message
            limit = f"for {terms.wait:.0f} s at most"
            terms.say(f"sopsmith: waiting, {limit}: {one_line(said)}\n")
            if first.code == "db-waiting" and live is None and account.other is not None:
                terms.say(f"sopsmith: hint: {_unused(account)}\n")
        terms.way.pause(min(GLANCE, max(until - terms.now(), 0)))


def _unused(account: Account) -> str:
    """What ends the wait for somebody who does not come."""
    command = f"sopsmith postgres retire {account.value} -e {account.environment}"
    return f"where no application runs, {command} ends it"


def _agreed(account: Account, live: Live | None, seconds: float) -> str:
    if account.other is None and live is None:  # sessions of one role do not tell the password
        return f"{account.active} has {account.title}; nobody looked who still has the one before"
    window = "" if account.other else f"; in place, {seconds:.1f} s of refusals"
    where = f" in {live.place.words}" if live else ""
    return f"everybody who was seen{where} uses {account.title}{window}"


def _late(account: Account, terms: Terms) -> tuple[Sequence[Finding], Live | None]:
    """Who has not followed, or why nobody could look this time; and what runs in the cluster."""
    try:
        seen = looking.glance(account, terms.way)
        live = _live(account, terms)
        lag = readiness.lagging(account, seen, live)
        is_overtaken = bool(lag) and not looking.accepts(account, seen, terms.way)
    except SopsmithError as error:
        if any(each.code not in _PASSING for each in error.findings):
            raise
        return error.findings, None
    if is_overtaken:
        raise SopsmithError(_overtaken(account))
    return [_waiting(account, lag, live is not None)] if lag else [], live


def _live(account: Account, terms: Terms) -> Live | None:
    """What runs in the cluster; of a rotator that the cluster does not have, nobody looks there."""
    live = terms.live()
    is_absent = live is not None and account.is_rotator and not presence.is_shown(account, live)
    return None if is_absent else live


def _overtaken(account: Account) -> Finding:
    message = f"somebody else changed {account.active} meanwhile"
    hint = f"sopsmith postgres status -e {account.environment} shows what it has now"
    return Finding("db-locked", message, field=account.title, hint=hint)


def _waiting(account: Account, lag: tuple[str, ...], in_cluster: bool) -> Finding:
    more = f", and {len(lag) - 1} more" if len(lag) > 1 else ""
    where = f"{account.value} -e {account.environment}"
    who, follow = "the cluster lags", "sync it (argocd app sync, flux reconcile)"
    if not in_cluster:
        who, follow = "not everybody follows", "restart what uses the database, with the new URL"
    verb = "rollback" if readiness.is_rolled_back(account) else "rotate"
    again = f"sopsmith postgres {verb} {where} --now, with the options of before"
    hint = f"{follow}, then this goes on: {again}"
    if account.other is not None and not in_cluster:
        hint += f"; {_unused(account)}"
    return Finding("db-waiting", f"{who}: {lag[0]}{more}", field=account.title, hint=hint)


def _taken_back(account: Account, terms: Terms) -> Finding | None:
    """The password of before in place again, where no Secret has the one of now, and the database
    still has that."""
    earlier = account.as_of_before()
    is_stuck = account.strategy == "in-place" and not readiness.is_delivered(
        account, _live(account, terms)
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
