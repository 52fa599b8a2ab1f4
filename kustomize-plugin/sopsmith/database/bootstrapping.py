"""The first time: what only a superuser can do, so that a rotator can do the rest."""

from __future__ import annotations

from collections.abc import Sequence

from sopsmith.database import applying, failures, looking
from sopsmith.database.connecting import Way
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import first_time, plan
from sopsmith.postgres.account import Account
from sopsmith.postgres.channel import Channel
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.plan import Plan

BEFORE_16 = 160000


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
    """What the server can't restrict."""
    with failures.spoken(accounts[0]):
        version = int(channel.ask("SELECT current_setting('server_version_num')") or 0)
    if version >= BEFORE_16:
        return ()
    return (
        "before PostgreSQL 16 CREATEROLE is nearly a superuser: it may change any role but those",
    )
