"""Close the role that an application left, once nobody uses it: seen, not guessed by the time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sopsmith.database import applying, connecting, failures, looking
from sopsmith.database.applying import Applied
from sopsmith.database.connecting import Way
from sopsmith.errors import SopsmithError
from sopsmith.postgres import applied, plan
from sopsmith.postgres.account import Account
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.plan import Plan

Consumers = Callable[[Account], Sequence[str]]
"""Who refers to the other one of its roles, in words; raises SopsmithError (db-unseen, …) where
nobody knows that."""
GLANCE = 1.0  # seconds between two looks
Begins = Callable[[str, float], None]
"""Is told, where it takes time to see that nobody comes: as which role, and how many seconds."""


def retire(
    account: Account, way: Way, consumers: Consumers, *, grace: float, now: Callable[[], float],
    begins: Begins = lambda role, seconds: None,
) -> Applied:  # fmt: skip
    """Close the other role after `grace` seconds in which nobody was seen with it.

    The other one is that which the database was not made to accept (`_served`). It first logs in as
    the active one, where git knows its password. Raises SopsmithError: db-in-use (who uses it),
    what `consumers` raises, db-login and its kind, and what `plan.retire` raises.
    """
    with failures.repeatable(account, "retire"):
        seen = looking.glance(account, way)
        account = _served(account, seen, way)
        _watch(account, seen, way, consumers, grace=grace, now=now, begins=begins)
        logins = looking.confirmed(account, way, tries=1)
        bad = looking.failed(account, logins)
        if bad:
            raise SopsmithError(bad)
        with connecting.channel(account, way) as channel:
            seen = looking.looked(account, channel, way)
            made = _closing(account, seen, consumers)
            applying.carry_out(account, made, channel, way, seen)
    return Applied(account, plan.words(made), logins)


def _served(account: Account, seen: Observed, way: Way) -> Account:
    """The account as the database has it: what git says where that logs in, whatever the mark says
    after an apply of former commits; else nobody would ever close the role in its way."""
    marked = applied.served(account, seen.mark(account.marked))
    return account if marked is account or looking.accepts(account, seen, way) else marked


def _closing(account: Account, seen: Observed, consumers: Consumers) -> Plan:
    """What `plan.retire` says; where the role is closed, nobody has to be asked who uses it."""
    there = seen.roles.get(account.other or "")
    is_open = there is not None and there.has_login
    return plan.retire(account, seen, consumers(account) if is_open else ())


def _watch(
    account: Account, seen: Observed, way: Way, consumers: Consumers, *, grace: float,
    now: Callable[[], float], begins: Begins,
) -> None:  # fmt: skip
    """Look again and again; whoever is seen ends it. The lock stays free meanwhile."""
    is_left, until = _closing(account, seen, consumers), now() + grace
    if is_left and grace > 0 and account.other is not None:
        begins(account.other, grace)
    while is_left and (left := until - now()) > 0:
        way.pause(min(GLANCE, left))
        seen = looking.glance(account, way)
        is_left = _closing(account, seen, consumers)
