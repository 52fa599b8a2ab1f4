"""Whether each role has one job: one with two of them is closed, or changed, by mistake. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from sopsmith.postgres.account import Account

MOST = 63  # bytes of a name: PostgreSQL cuts off the rest, and two names become one


def problems(accounts: Sequence[Account]) -> Iterator[tuple[Account, str]]:
    """What keeps accounts from being carried out, and whose it is."""
    for each in accounts:
        yield from ((each, words) for words in _of_one(each))
    for one, other in combinations(accounts, 2):
        shared = _taken(one) & _taken(other)
        if shared and _servers(one) & _servers(other):
            yield other, f"{min(shared)} is a role of {one.value} too"


def _of_one(account: Account) -> Iterator[str]:
    rotator = account.rotator.user if account.rotator else None
    owners = [] if account.owner is None else [account.owner]
    names = [*account.roles, *owners, *([] if rotator is None else [rotator])]
    for name in names:
        if not name.isprintable() or not 1 <= len(name.encode()) <= MOST:
            yield f"a role's name has to be 1 to {MOST} bytes that can be printed"
    if account.strategy == "alternating":
        if len(account.roles) != 2:
            yield "has to have two roles that take turns"
        if len({*names}) < len(names):
            yield "two roles, their owner and their rotator have to have different names"


def _taken(account: Account) -> set[str]:
    return {*account.roles, *([account.owner] if account.owner else [])}


def _servers(account: Account) -> set[tuple[str, str]]:
    logins = [*account.urls.values(), *([account.rotator] if account.rotator else [])]
    return {(each.host, each.port) for each in logins}
