"""What a person has to know or do where a role gives its things away: nothing moves these. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sopsmith.findings import Finding
from sopsmith.postgres import statements, superusers
from sopsmith.postgres.account import Account
from sopsmith.postgres.holdings import Holdings
from sopsmith.postgres.observation import Observed

_SHOWN = 5  # of many names


def cautions(
    account: Account, old: str, seen: Observed, held: Sequence[Holdings]
) -> tuple[str, ...]:
    """All of them, in words."""
    is_superuser = seen.roles[old].is_superuser
    found = [*_of_server(account, old, seen, held[0])]
    found += (f"{words}, which the application loses: --database {database} moves these too"
              for database, words in _elsewhere(old, held))  # fmt: skip
    for each in held:
        found += _of_database(account.owner or "", old, each)
        found += _of_superuser(account.owner or "", old, each) if is_superuser else ()
    return tuple(dict.fromkeys(found))


def _of_server(account: Account, old: str, seen: Observed, held: Holdings) -> Iterator[str]:
    owner = account.owner or ""
    is_superuser = seen.roles[old].is_superuser
    for each in () if is_superuser else ("CREATEROLE", "REPLICATION"):
        if each in held.attributes.get(old, ()) and each not in held.attributes.get(owner, ()):
            yield f"{old} has {each}, which {owner} does not get"
    others = sorted({*held.members} - {account.rotator.user if account.rotator else ""})
    if others:
        yield f"what {_some(others)} make as {old} belongs to {old}"
    if held.rules:
        lines = ", ".join(map(str, held.rules))
        yield f"pg_hba.conf names {old} and not {' and '.join(account.roles)}: line {lines}"
    if held.limit >= 0:
        yield f"{old} has CONNECTION LIMIT {held.limit}, and a role made now has none"
    if held.free < held.sessions:
        yield (f"{held.free} connections are free, and {old} has {held.sessions}: while two roles "
               "overlap there are twice as many (max_connections)")  # fmt: skip


def unnamed(
    account: Account, old: str, held: Sequence[Holdings], left: Sequence[str]
) -> tuple[Finding, ...]:
    """Why nothing may move yet: what the application would lose in databases that nobody named."""
    return tuple(
        Finding("db-adopt", f"{words}, which nobody named", field=account.value,
                hint=f"--database {database} moves these too, --leave {database} gives them up")
        for database, words in _elsewhere(old, held) if database not in left
    )  # fmt: skip


def _elsewhere(old: str, held: Sequence[Holdings]) -> Iterator[tuple[str, str]]:
    """The databases that were not looked at, and what the role has there."""
    looked_at = {each.database for each in held}
    for database, count in sorted(held[0].elsewhere.items()):
        if database not in looked_at:
            yield database, f"{old} has {count} objects or rights in {database}"


def _of_database(owner: str, old: str, held: Holdings) -> Iterator[str]:
    if held.mentions:
        names = _some(f"{each.kind} {each.identity}" for each in held.mentions)
        yield (f"{held.database}: in a new session current_user is {owner}, and session_user any "
               f"of the roles; they are asked for in {names}")  # fmt: skip
    for server in held.mappings:
        yield f"{held.database}: {old} has a user mapping for {server}; {owner} needs one"


def _of_superuser(owner: str, old: str, held: Holdings) -> Iterator[str]:
    yield (f"{held.database}: {owner} may only what is its own or granted to it, where {old} "
           "could do anything")  # fmt: skip
    if held.kept:
        names = _some(f"{each.kind} {each.identity}" for each in held.kept)
        yield f"{held.database}: these stay {old}'s, and with a superuser's rights: {names}"


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def _closing(account: Account, old: str, seen: Observed) -> str:
    """What is left to do about a superuser: its password may be none that git knows."""
    has_none = seen.can_read_verifiers and seen.roles[old].verifier is None
    return ", and has no password" if has_none else f": {superusers.remedy(account, old)}"


def remains(account: Account, old: str, seen: Observed) -> str:
    """What is left to do about the old role, and what comes next."""
    there = seen.roles[old]
    bootstrap = f"sopsmith postgres bootstrap -e {account.environment}"
    password = f"{account.value} -e {account.environment}"
    then = f"sopsmith postgres apply -e {account.environment}, which opens {account.active}"
    if old == account.active:
        then = f"sopsmith postgres rotate {password} --now, to {account.other}"
    following = f"next, as the same superuser: {bootstrap}, the rotator's rights; then {then}"
    if old in account.roles:
        return following
    if there.is_superuser:
        return f"{old} stays a superuser{_closing(account, old, seen)}; {following}"
    count = len(there.sessions)
    return (f"{old} still logs in ({count} session{'' if count == 1 else 's'}), for pods that run; "
            f"with none left: {statements.close_role(old)}; {following}")  # fmt: skip
