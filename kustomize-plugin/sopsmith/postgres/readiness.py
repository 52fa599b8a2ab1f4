"""Whether a password may be rotated or rolled back now, or a rotation has to be finished. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import applied, consumers, plan, recovery, refusals
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.recovery import Standing

_SHOWN = 3  # of those who have not followed


def is_ready(standing: Standing) -> bool:
    """Whether a password may be rotated; else its last rotation has to be finished first.

    Raises SopsmithError: db-in-use where somebody uses, or may use, a role whose password git never
    said or said rotations ago, db-adopt where the next role is none yet, db-unverified where the
    server does not tell, and what `refusals.check_server` raises.
    """
    account = standing.account
    if account.other is not None:
        plan.joined(account.other, account, standing.seen)
    if recovery.is_retired(standing):
        return True  # forward is the only way
    refusals.check_server(account, standing.seen)
    if recovery.is_adopted(standing):
        return True  # likewise: nobody here ever knew what its application logs in with
    decision = recovery.decide(standing)
    if decision.action in ("rotate", "ask"):
        raise SopsmithError(recovery.in_use(standing, decision))
    if standing.holds[account.active] == "unknown":
        hint = f"sopsmith postgres check -e {account.environment}"
        raise SopsmithError(
            Finding("db-unverified", decision.words, field=account.title, hint=hint)
        )
    return decision.action in ("none", "make")  # the next apply makes it too


def is_rolled_back(account: Account) -> bool:
    """Whether git has gone back already; of a stored password nothing in it tells that."""
    before = account.before
    return before is not None and applied.is_earlier(account.now.version, before.version)


def check_rollback(standing: Standing, *, is_now: bool = False) -> None:
    """Raise SopsmithError where the previous password can't come back: db-retired where it was
    retired or is nobody's, usage where none is known or git has gone back already, and what
    `refusals.check_server` raises. `is_now`: what is named instead goes all the way too.
    """
    account = standing.account
    earlier = account.as_of_before()
    refusals.check_server(account, standing.seen)
    rotation = f"sopsmith postgres rotate {account.value} -e {account.environment}"
    forward = f"{rotation} --now" if is_now else rotation
    if account.before is None:
        message = "has no previous password to go back to"
        raise SopsmithError(Finding("usage", message, field=account.value, hint=forward))
    if is_rolled_back(account):
        message = f"was rolled back already, from version {account.before.version}"
        back = f"sopsmith postgres rollback {account.value} -e {account.environment}"
        hint = f"{rotation} --now" if recovery.is_retired(standing) else f"{back} --now goes on"
        raise SopsmithError(Finding("usage", message, field=account.title, hint=hint))
    if earlier is None or account.other is None:
        return  # in place it is set again
    former = earlier.active
    if standing.holds[former] == "unknown":
        message = f"the server does not tell whether {former} has the password of before"
        raise SopsmithError(Finding("db-unverified", message, field=earlier.title))
    lost = standing.holds[former] != "before" or applied.is_retired(earlier, standing.mark)
    if lost:
        message = f"{former} has not the password of before any more"
        hint = f"forward, not back: {forward}"
        raise SopsmithError(Finding("db-retired", message, field=earlier.title, hint=hint))


class Lag(NamedTuple):
    """Who has not followed a rotation yet."""

    missing: str | None  # what nobody was seen with, in words
    former: tuple[str, ...] = ()  # who still has the one before, in words

    @property
    def words(self) -> str:
        """For people."""
        more = len(self.former) - _SHOWN
        shown = ", ".join(self.former[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
        held = shown and f"still with the one before: {shown}"
        return "; ".join(filter(None, (self.missing, held)))


def lagging(account: Account, seen: Observed, live: Live | None) -> Lag | None:
    """Who has not followed a rotation yet; None where all have.

    Where nobody looks into a cluster, only sessions show it: one of the active role has to be seen.
    """
    missing = None
    if live is not None and not _delivered(account, live):
        missing = f"no Secret has {account.title} yet"
    active = seen.roles.get(account.active)
    if live is None and account.other is not None and not (active and active.sessions):
        missing = f"nobody was seen as {account.active} yet"
    former = tuple(dict.fromkeys(_former(account, seen, live)))
    return Lag(missing, former) if missing or former else None


def _former(account: Account, seen: Observed, live: Live | None) -> Iterator[str]:
    if live is not None:
        yield from _in_cluster(account, live)
    other = seen.roles.get(account.other or "")
    if other is not None and other.can_log_in:
        yield from (f"a session of {each or '(no name)'} as {account.other}"
                    for each in other.sessions)  # fmt: skip


def _in_cluster(account: Account, live: Live) -> tuple[str, ...]:
    if account.other is not None:
        return consumers.former(live, account)
    others = {name for name, _ in consumers.passwords(live, account.active)}
    if account.before is not None:
        others |= consumers.holding(live, account.before.text)
    return consumers.reading(live, others - _delivered(account, live))


def is_delivered(account: Account, live: Live | None) -> bool:
    """Whether a Secret of the cluster has what git says; unknown is yes: then nobody undoes it."""
    return live is None or bool(_delivered(account, live))


def _delivered(account: Account, live: Live) -> set[str]:
    """The Secrets that have what git says, in a URL or as it is."""
    found = consumers.passwords(live, account.active)
    in_urls = {name for name, text in found if text == account.now.text}
    return in_urls | consumers.holding(live, account.now.text)
