"""Move what one login role owns to the owner of two: look, plan, and do it a database at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import NamedTuple

from sopsmith.database import bootstrapping, failures, looking
from sopsmith.database.connecting import Way, WayIn
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import adoption, cautions, holdings, statements, superusers
from sopsmith.postgres.account import Account
from sopsmith.postgres.adoption import Step
from sopsmith.postgres.channel import Channel, SqlError
from sopsmith.postgres.holdings import Holdings
from sopsmith.postgres.observation import Observed

VERB = "adopt"


class Meant(NamedTuple):
    """Whose things move, and where."""

    account: Account
    role: str  # the one that the application has so far
    databases: tuple[str, ...]
    left: tuple[str, ...]  # databases in which its things stay its own


class Adoption(NamedTuple):
    """What is meant, and what is to be done about it."""

    meant: Meant
    steps: tuple[Step, ...]
    refusals: tuple[Finding, ...]  # why it is shown and not done
    cautions: tuple[str, ...]
    superusers: tuple[str, ...]  # that have a password of the application's
    remains: str


def foreseen(meant: Meant, way_in: WayIn) -> Adoption:
    """What adopting would do; nothing is changed.

    Raises SopsmithError: db-adopt, db-privilege, and what `refusals.check_server` and a way in
    raise.
    """
    account, role, databases, left = meant
    held = []
    seen: Observed | None = None
    for database in databases:
        with way_in(database) as channel, failures.spoken(account):
            if seen is None:
                seen = _looked(account, role, channel)
            held.append(_held(account, role, channel, seen.version))
    if seen is None:
        raise SopsmithError(Finding("db-roles", "no URL names a database", field=account.value))
    steps = adoption.steps(account, role, seen, held)
    refusals = cautions.unnamed(account, role, held, left) if steps else ()
    told = cautions.cautions(account, role, seen, held)
    have = tuple(superusers.state(account, each) for each in superusers.known(account, seen))
    remains = cautions.remains(account, role, seen)
    return Adoption(meant, steps, refusals, told, have, remains)


def _looked(account: Account, role: str, channel: Channel) -> Observed:
    """The roles of the account and the old one, none of them refused."""
    wide = account._replace(roles=tuple(dict.fromkeys((*account.roles, role))))
    seen = looking.look(wide, channel)
    adoption.check(account, role, seen)
    bootstrapping.check_superuser(seen, VERB)
    return seen


def _held(account: Account, role: str, channel: Channel, version: int) -> Holdings:
    logins = tuple(dict.fromkeys((*account.roles, role)))
    answer = channel.ask(holdings.question(role, account.owner or "", logins, version))
    try:
        return holdings.read(answer or "")
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SqlError(None) from None


def adopt(shown: Adoption, way_in: WayIn, way: Way) -> None:
    """Do what was shown and not refused; where it is not that any more, nothing.

    Each database is changed whole or not at all, and the old role goes on in either state.
    Raises SopsmithError: db-locked where somebody else is at it, adopt-halfway, and what `foreseen`
    raises.
    """
    account, _, databases, _ = shown.meant
    with way_in(databases[0]) as first:
        with failures.spoken(account):
            looking.lock(account, first, way)
        now = foreseen(shown.meant, way_in)
        if (now.steps, now.refusals) != (shown.steps, shown.refusals):
            message = "what the role has is not what was shown"
            hint = f"run it again: sopsmith postgres {VERB} -e {account.environment}"
            raise SopsmithError(Finding("db-locked", message, field=account.value, hint=hint))
        for number, step in enumerate(now.steps):
            is_first = step.database == databases[0]
            with nullcontext(first) if is_first else way_in(step.database) as channel:
                try:
                    _carry_out(account, step, channel, way)
                except SopsmithError as error:
                    raise SopsmithError((*error.findings, *_halfway(now, number))) from None


def _carry_out(account: Account, step: Step, channel: Channel, way: Way) -> None:
    with failures.spoken(account, is_change=True):
        channel.transact(statements.settings(account.marked), step.sql, way.at)


def _halfway(shown: Adoption, number: int) -> Iterator[Finding]:
    """That the steps before this one are done, if there are any."""
    account, role, _, _ = shown.meant
    done, left = (", ".join(each.database for each in those)
                  for those in (shown.steps[:number], shown.steps[number:]))  # fmt: skip
    if done:
        message = f"adopted in {done} and not yet in {left}; {role} goes on in either"
        hint = "the same command again does the rest"
        yield Finding("adopt-halfway", message, field=account.value, hint=hint)
