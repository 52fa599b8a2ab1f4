"""Which superusers have a password of the application's: by their verifiers, else by a login."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sopsmith.database import connecting, versions
from sopsmith.database.checking import Checked
from sopsmith.database.connecting import Way
from sopsmith.findings import Finding
from sopsmith.postgres import superusers
from sopsmith.postgres.account import Account
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.versions import Held


def open_to(account: Account, seen: Observed, way: Way) -> tuple[Held, ...]:
    """The superusers that a password of the account opens now.

    Without verifiers only what was noted is tried, once: servers lock out who tries passwords.
    """
    if seen.can_read_verifiers:
        return superusers.by_verifier(account, seen)
    to = connecting.at_primary(account)[0]
    return tuple(
        each
        for each in superusers.noted(account, seen)
        if way.login(to.probe(each.role, each.secret.password)).proven
    )


def findings(accounts: Sequence[Account], tried: Sequence[Checked], way: Way) -> Iterator[Finding]:
    """That it is so, beside what came of logins; only where a rotator comes in to look."""
    for account in accounts:
        seen = versions.looked(account, way, tried)
        for each in () if seen is None else open_to(account, seen, way):
            message, hint = superusers.state(account, each), superusers.remedy(each.role)
            yield Finding("db-superuser", message, field=account.value, hint=hint)
