"""Make a database accept what git says of one password, or leave it as it is.

Look, plan, change, log in, under one lock; idempotent, so that whoever was interrupted runs it
again. Whatever is impure is in a Way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sopsmith.database.connecting import Way, at_primary, channel
from sopsmith.database.failures import repeatable, spoken
from sopsmith.database.looking import accepts, confirmed, failed, looked
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import plan, statements
from sopsmith.postgres.account import Account
from sopsmith.postgres.applied import is_earlier
from sopsmith.postgres.channel import Channel
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.plan import Plan
from sopsmith.postgres.verdict import Attempt


class Applied(NamedTuple):
    """What came of it."""

    account: Account
    changes: tuple[str, ...]  # in words; none where all was right
    logins: Mapping[str, Attempt]  # by the URLs' names
    newer: int | None = None  # the version that had been applied, where it is newer than this one
    is_new: bool = False  # the role did not have the password before

    @property
    def warnings(self) -> tuple[str, ...]:
        """Where a newer version was there: a rollback means it, an old checkout does not."""
        words = f"{self.account.title} takes the place of version {self.newer}"
        again = "where that is no rollback, git pull and apply again"
        return () if self.newer is None else (f"{words}; {again}",)


def apply(account: Account, way: Way, *, unused: Observed | None = None) -> Applied:
    """Make the server accept the account's password; `unused` as in `plan.apply`.

    Raises SopsmithError: db-unreachable, db-login, db-unverified, db-unknown, db-locked, db-failed,
    and what `plan.apply` raises. Nothing is changed then, but where db-unknown or apply-halfway
    says so.
    """
    with repeatable(account, "recover" if unused else "apply"), channel(account, way) as server:
        seen = looked(account, server, way)
        is_right = accepts(account, seen, way)
        made = plan.apply(account, seen, accepts=is_right, verifier=way.verifier, unused=unused)
        known = account if is_right else _known(account, seen, way)
        carry_out(account, made, server, way, seen)
        logins = confirmed(account, way)
        bad = failed(account, logins)
        if bad and not is_right:
            bad += _undone(known, seen, server, way)
        if bad:
            raise SopsmithError(bad)
    last = seen.mark(account.marked)
    newer = (
        last.version if made and last and is_earlier(account.now.version, last.version) else None
    )
    return Applied(account, plan.words(made), logins, newer, is_new=not is_right)


def _known(account: Account, seen: Observed, way: Way) -> Account:
    """The account, with no password of before where the role has another one that nobody can read:
    looked at before the change, as nothing tells it afterwards."""
    there = seen.roles.get(account.active)
    is_open = there is not None and there.can_log_in and there.verifier is None
    if account.strategy != "in-place" or account.before is None or not is_open:
        return account
    to, _ = at_primary(account)
    is_of_before = way.login(to.of(account.active, account.before.password)).proven
    return account if is_of_before else account._replace(before=None)


def _undone(account: Account, seen: Observed, server: Channel, way: Way) -> list[Finding]:
    """Take back a change that no login confirms; what is wrong where that fails too."""
    made = plan.undo(account, seen, way.verifier)
    if not made:
        message = f"{account.active} keeps it, as nobody can put back what it had before"
        hint = f"mend the login, then sopsmith postgres apply -e {account.environment}"
        return [Finding("apply-halfway", message, field=account.title, hint=hint)]
    try:
        carry_out(account, made, server, way)
    except SopsmithError as error:
        return list(error.findings)
    return []


def carry_out(
    account: Account, made: Plan, channel: Channel, way: Way, seen: Observed | None = None
) -> None:
    """Run a plan in one transaction, while what was applied last is what was `seen`.

    Raises SopsmithError: db-unknown, db-locked, db-failed, ….
    """
    if made:
        before = statements.settings(account.marked)
        if seen is not None:
            before += f"; {statements.unchanged(account.marked, seen.comment(account.marked))}"
        with spoken(account, is_change=True):
            channel.transact(before, plan.sql(made), way.at)
