"""Whether each role has one job: one with two of them is closed, or changed, by mistake. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from sopsmith.postgres.account import Account
from sopsmith.postgres.endpoint import Endpoint

MOST = 63  # bytes of a name: PostgreSQL cuts off the rest, and two names become one
_RESERVED = ("public", "none")


def problems(accounts: Sequence[Account]) -> Iterator[tuple[Account, str]]:
    """What keeps accounts from being carried out, and whose it is."""
    for each in accounts:
        yield from ((each, words) for words in _of_one(each))
    for one, other in combinations(accounts, 2):
        shared = _taken(one) & _taken(other)
        if shared and _servers(one) & _servers(other):
            yield other, f"{min(shared)} is a role of {one.value} too"


def _of_one(account: Account) -> Iterator[str]:
    names = account.names
    for name in names:
        if not _is_name(name):
            yield f"a role's name has to be 1 to {MOST} bytes that can be printed"
        elif name in _RESERVED or name.startswith("pg_"):
            yield f"PostgreSQL keeps {name} for itself, so no role can have this name"
    if not all(_is_name(each.database) for each in _logins(account)):
        yield f"a database's name has to be 1 to {MOST} bytes that can be printed"
    if account.strategy == "alternating":
        if len(account.roles) != 2:
            yield "has to have two roles that take turns"
        if len({*names}) < len(names):
            yield "two roles, their owner and their rotator have to have different names"


def _taken(account: Account) -> set[str]:
    return {*account.roles, *([account.owner] if account.owner else [])}


def _servers(account: Account) -> set[tuple[str, str]]:
    return {(each.host, each.port) for each in _logins(account)}


def _logins(account: Account) -> list[Endpoint]:
    return [*account.urls.values(), *filter(None, (account.rotator,))]


def _is_name(text: str) -> bool:
    return text.isprintable() and 1 <= len(text.encode()) <= MOST
