"""What only a superuser can do, once: the owner, the roles, the rotator that changes them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sopsmith.postgres import scram, statements, superusers
from sopsmith.postgres.account import Account
from sopsmith.postgres.observation import Database, Observed, nothing
from sopsmith.postgres.plan import Change, Plan, Verifier, joined, marking, owned, sql
from sopsmith.postgres.refusals import check_rotator, check_server


def bootstrap(account: Account, seen: Observed, verifier: Verifier) -> Plan:
    """All that only a superuser can do: the rotator, the roles, its right to change them.

    Idempotent; a role that has a password keeps it, but for the rotator, which is the way in.
    Raises SopsmithError: db-adopt, and what `check_server` and `check_rotator` raise.
    """
    check_server(account, seen)
    plan: list[Change] = []
    rotator = account.rotator
    if rotator is not None and rotator.password is not None:
        check_rotator(account, rotator.user, seen)
        plan += _rotator(rotator.user, rotator.password.text() or "", seen, verifier)
    if account.owner is not None:
        plan += owned(account.owner, seen)
        for role in account.roles:
            plan += joined(role, account, seen)
        plan += _owning(account.owner, account.databases, seen)
    elif account.active not in seen.roles and not _is_rotator(account):
        made = (statements.create_login(account.active),)
        plan.append(Change(f"{account.active} is made", made))
    plan += _opened(account, seen, verifier)
    if rotator is not None:
        mine = [name for name in (account.owner, *account.roles) if name and name != rotator.user]
        grants = tuple(statements.administer(name, rotator.user) for name in mine)
        plan.append(Change(f"{rotator.user} changes {', '.join(mine)}", grants))
    plan += superusers.noting(account, seen)
    return (*plan, *(() if account.active in seen.roles else marking(account, seen)))


def _owning(owner: str, databases: Sequence[str], seen: Observed) -> Plan:
    """The owner gets what a superuser has so far; a database of somebody else's stays theirs."""
    there = seen.databases
    if there is not None:
        databases = [
            each
            for each in databases
            if each in there and (there[each].is_superusers or there[each].owner == owner)
        ]
    given = tuple(statements.own_database(each, owner) for each in databases)
    return (Change(f"{owner} owns {', '.join(databases)}", given),) if databases else ()


def shortcomings(account: Account, seen: Observed, everyone: Sequence[Account]) -> tuple[str, ...]:
    """What keeps the application out of its databases, with the SQL that puts it right. Of all
    accounts one makes a missing database, and what an owner of theirs has stays that owner's."""
    return tuple(_shortcomings(account, seen.databases or {}, everyone))


def _shortcomings(
    account: Account, there: Mapping[str, Database], everyone: Sequence[Account]
) -> Iterator[str]:
    owner = account.owner and statements.name(account.owner)
    owners = {other.owner for other in everyone}
    for each in account.databases:
        named = statements.name(each)
        if each not in there:
            sharing = [other for other in everyone if each in other.databases]
            owning = [other for other in sharing if other.owner]
            if account == (owning or sharing)[0]:
                made = f"CREATE DATABASE {named}{f' OWNER {owner}' if owner else ''}"
                yield f"there is no database {each}, so nobody can log in to it: {made}"
        elif owner and there[each].owner != account.owner:
            given = statements.give_database(each, account.owner or "")
            if there[each].owner in owners:
                given = f"in it, {statements.let_create(account.owner or '')}"
            yield (f"the database {each} belongs to {there[each].owner}, so {account.owner} may"
                   f" only do what was granted to it: {given}")  # fmt: skip


def first_start(accounts: Sequence[Account]) -> str:
    """The bootstrap of a server that has nothing yet, as one script; the same every time."""
    plans = [bootstrap(each, nothing(), scram.steady_verifier) for each in accounts]
    lines = dict.fromkeys(line for made in plans for line in sql(made))
    return statements.script(lines)


def _rotator(name: str, password: str, seen: Observed, verifier: Verifier) -> Plan:
    """The role that changes passwords, with the password of its URL."""
    there = seen.roles.get(name)
    if there is None:
        made = statements.create_rotator(name, verifier(password, name))
        return (Change(f"{name} is made, and may change passwords", made),)
    may = Change(f"{name} may change passwords", (statements.let_change(name),))
    known = there.verifier or ""
    if scram.is_scram(known) and scram.is_of(known, password, name):
        return (may,)
    given = (statements.set_password(name, verifier(password, name)),)
    return (may, Change(f"{name} was there, and gets the password of its URL", given))


def _opened(account: Account, seen: Observed, verifier: Verifier) -> Plan:
    """A role that is there keeps what it has: `apply` decides about that."""
    if account.active in seen.roles or _is_rotator(account):
        return ()
    hashed = verifier(account.now.text, account.active)
    words = f"{account.active} gets the password of {account.title}"
    return (Change(words, (statements.open_role(account.active, hashed),)),)


def _is_rotator(account: Account) -> bool:
    return account.rotator is not None and account.active == account.rotator.user
