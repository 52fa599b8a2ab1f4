"""The first time: what only a superuser can do, so that a rotator can do the rest."""

from __future__ import annotations

from collections.abc import Sequence

from sopsmith.database import applying, failures, looking
from sopsmith.database.connecting import Way
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import first_time, plan, superusers
from sopsmith.postgres.account import Account
from sopsmith.postgres.channel import Channel
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.plan import Plan

BEFORE_16 = 160000
_NEARLY = "before PostgreSQL 16 CREATEROLE is nearly a superuser: it may change any role but those"


def planned(account: Account, channel: Channel, way: Way) -> Plan:
    """What has to be done, under the lock; raises SopsmithError (db-privilege, …)."""
    seen = looking.looked(account, channel, way)
    check_superuser(seen, "bootstrap")
    return first_time.bootstrap(account, seen, way.verifier)


def check_superuser(seen: Observed, verb: str) -> None:
    """Refuse a login that can't do it; raises SopsmithError (db-privilege)."""
    if not seen.is_superuser:
        message = f"{seen.user or 'the login'} is no superuser"
        hint = f"sopsmith postgres {verb} --as NAME_OF_ITS_URL, or --via 'COMMAND … psql'"
        raise SopsmithError(Finding("db-privilege", message, hint=hint))


def bootstrap(account: Account, channel: Channel, way: Way) -> tuple[str, ...]:
    """Do it; what was done, in words. Raises what `planned` and `applying.carry_out` raise."""
    with failures.repeatable(account, "bootstrap"):
        made = planned(account, channel, way)
        applying.carry_out(account, made, channel, way)
    return plan.words(made)


def warnings(accounts: Sequence[Account], channel: Channel) -> tuple[str, ...]:
    """What is not as it should be, though all was done: databases, and what the server can't
    restrict."""
    told: dict[str, None] = {}
    for account in accounts:
        with failures.spoken(account):
            seen = looking.look(account, channel)
        told |= dict.fromkeys(first_time.shortcomings(account, seen, accounts))
        found = superusers.known(account, seen)
        told |= dict.fromkeys(superusers.words(account, each) for each in found)
        if seen.version < BEFORE_16 and account.rotator is not None:
            told[_NEARLY] = None
    return tuple(told)
