"""Which superusers have a password of the application's, beside what came of logins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sopsmith.database import versions
from sopsmith.database.checking import Checked
from sopsmith.database.connecting import Way
from sopsmith.findings import Finding
from sopsmith.postgres import superusers
from sopsmith.postgres.account import Account


def findings(accounts: Sequence[Account], tried: Sequence[Checked], way: Way) -> Iterator[Finding]:
    """That it is so; only where a rotator comes in to look. No superuser's password is tried."""
    for account in accounts:
        seen = versions.looked(account, way, tried)
        for each in () if seen is None else superusers.known(account, seen):
            message, hint = superusers.state(account, each), superusers.remedy(account, each.role)
            yield Finding("db-superuser", message, field=account.value, hint=hint)
