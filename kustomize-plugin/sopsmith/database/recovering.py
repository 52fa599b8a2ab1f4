"""Do the one right thing for an account, whatever was interrupted before."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from sopsmith.database import applying, retiring
from sopsmith.database.applying import Applied, Way
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import plan, recovery, statements
from sopsmith.postgres.account import Account
from sopsmith.postgres.plan import Change
from sopsmith.postgres.recovery import Decision, Standing


class Recovered(NamedTuple):
    """What was found, decided and done."""

    standing: Standing
    decision: Decision
    applied: Applied | None  # None: nothing was to be done


def recover(
    standing: Standing, way: Way, consumers: retiring.Consumers, *, grace: float,
    now: Callable[[], float],
) -> Recovered:  # fmt: skip
    """Do what `recovery.decide` says.

    Raises SopsmithError: db-in-use where only a rotation helps, db-waiting where the cluster has
    to come after, and what `applying.apply` and `retiring.retire` raise.
    """
    account = standing.account
    decision = recovery.decide(standing)
    done = None
    if decision.action in ("apply", "replace"):
        done = applying.apply(account, way, unused=decision.action == "replace")
    elif decision.action == "reinstate":
        done = _reinstated(account, way)
    elif decision.action == "retire":
        done = retiring.retire(account, way, consumers, grace=grace, now=now)
    elif decision.action == "rotate":
        again = f"then sopsmith postgres recover -e {account.environment} again"
        hint = f"{plan.way_out(account, standing.mark)}; {again}"
        if recovery.is_retired(standing):
            hint = f"sopsmith rotate {account.value} -e {account.environment}"
        raise SopsmithError(Finding("db-in-use", decision.words, field=account.title, hint=hint))
    elif decision.action == "wait":
        hint = f"then run it again: sopsmith postgres recover -e {account.environment}"
        raise SopsmithError(Finding("db-waiting", decision.words, field=account.title, hint=hint))
    return Recovered(standing, decision, done)


def _reinstated(account: Account, way: Way) -> Applied:
    """The other role gets back the previous password, which pods hold."""
    other, before = account.other, account.before
    if other is None or before is None:
        raise SopsmithError(Finding("db-failed", "there is no previous password to give back"))
    with applying.channel(account, way) as channel:
        applying.looked(account, channel, way)
        words = f"{other} gets back the password of version {before.version}"
        opened = statements.open_role(other, way.verifier(before.text, other))
        applying.carry_out(account, (Change(words, (opened,)),), channel, way)
    return Applied(account, (words,), {})
