"""Do the one right thing for an account, whatever was interrupted before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sopsmith.database import applying, connecting, looking, retiring
from sopsmith.database.applying import Applied
from sopsmith.database.connecting import Way
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import plan, presence, recovery
from sopsmith.postgres.recovery import Decision, Standing


class Recovered(NamedTuple):
    """What was found, decided and done."""

    standing: Standing
    decision: Decision
    applied: Applied | None  # None: nothing was to be done


def recover(
    standing: Standing, way: Way, consumers: retiring.Consumers, *, grace: float,
    now: Callable[[], float], begins: retiring.Begins = lambda role, seconds: None,
    awaits: retiring.Begins = lambda role, seconds: None,
) -> Recovered:  # fmt: skip
    """Do what `recovery.decide` says.

    What nobody seems to hold is replaced after `grace` seconds in which nobody was seen with it,
    and so long somebody is looked for who has to be seen first.
    Raises SopsmithError: db-in-use where a person has to say so, db-waiting where the cluster has
    to come after, db-unseen where a look into it tells nothing, and what `applying.apply`,
    `plan.reinstate` and `retiring.retire` raise.
    """
    account = standing.account
    standing = _awaited(standing, way, grace=grace, now=now, awaits=awaits)
    decision = recovery.decide(standing)
    done = None
    if decision.action in ("apply", "make"):
        done = applying.apply(account, way)
    elif decision.action == "replace":
        _watch(standing, way, grace=grace, now=now, begins=begins)
        done = applying.apply(account, way, unused=standing.seen)
    elif decision.action == "reinstate":
        done = _reinstated(standing, way)
    elif decision.action == "retire":
        done = retiring.retire(account, way, consumers, grace=grace, now=now, begins=begins)
    elif decision.action in ("rotate", "ask"):
        raise SopsmithError(recovery.in_use(standing, decision))
    elif decision.action == "look" and standing.place is not None:
        raise SopsmithError(presence.unseen(account, standing.place))
    elif decision.action == "wait":
        again = f"then run it again: sopsmith postgres recover -e {account.environment}"
        hint = decision.hint or again
        raise SopsmithError(Finding("db-waiting", decision.words, field=account.title, hint=hint))
    return Recovered(standing, decision, done)


def _awaited(
    standing: Standing, way: Way, *, grace: float, now: Callable[[], float], awaits: retiring.Begins
) -> Standing:
    """Look again and again while somebody has to be seen: what there is once it is decided, or the
    time is over."""
    role, until = recovery.decide(standing).awaits, now() + grace
    if role is not None and grace > 0:
        awaits(role, grace)
    while role is not None and (left := until - now()) > 0:
        way.pause(min(retiring.GLANCE, left))
        standing = standing._replace(seen=looking.glance(standing.account, way))
        role = recovery.decide(standing).awaits
    return standing


def _watch(
    standing: Standing, way: Way, *, grace: float, now: Callable[[], float], begins: retiring.Begins
) -> None:
    """Look again and again; raises SopsmithError (db-in-use) where somebody is seen as the role."""
    until = now() + grace
    if grace > 0:
        begins(standing.account.active, grace)
    while (left := until - now()) > 0:
        way.pause(min(retiring.GLANCE, left))
        again = standing._replace(seen=looking.glance(standing.account, way))
        if again.sessions(standing.account.active):
            raise SopsmithError(recovery.in_use(again, recovery.decide(again)))


def _reinstated(standing: Standing, way: Way) -> Applied:
    """The other role gets back the previous password, which pods hold."""
    account, earlier = standing.account, standing.account.as_of_before()
    assert earlier is not None  # noqa: S101 - else it was not decided
    with connecting.channel(account, way) as channel:
        seen = looking.looked(account, channel, way)
        made = plan.reinstate(earlier, seen, standing.seen, way.verifier)
        applying.carry_out(account, made, channel, way, seen)
    logins = looking.confirmed(earlier, way)
    bad = looking.failed(earlier, logins)
    if bad:
        raise SopsmithError(bad)
    return Applied(account, plan.words(made), logins)
