"""From one login role that owns things to two that belong to an owner: what has to change. Pure.

The sessions of the old role go on: it belongs to the owner, and may all that the owner may. A new
session of it becomes the owner, so whatever went by the old role's name has to go by the owner's.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import plan, refusals, statements, superusers
from sopsmith.postgres.account import Account
from sopsmith.postgres.applied import identity
from sopsmith.postgres.holdings import Default, Holdings, Right, Setting
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.plan import Change, Plan
from sopsmith.postgres.statements import literal, name

# Whoever waits for a lock makes others wait behind it, and here these are the application.
LOCK_TIMEOUT = 2  # seconds
# Of two who wait for each other, the one that finds out first is stopped: not the application.
DEADLOCK_TIMEOUT = 100  # milliseconds
_COPIED = ("CREATEDB", "BYPASSRLS")  # attributes that the owner gets; no role inherits one
_PATH = "search_path"
_LISTS = (_PATH, "temp_tablespaces", "local_preload_libraries",
          "session_preload_libraries")  # fmt: skip
_GRANTED = {"view": "TABLE", "materialized view": "TABLE", "foreign table": "TABLE",
            "function": "ROUTINE", "procedure": "ROUTINE", "aggregate": "ROUTINE",
            "domain": "TYPE", "server": "FOREIGN SERVER",
            "foreign-data wrapper": "FOREIGN DATA WRAPPER",
            "parameter ACL": "PARAMETER"}  # fmt: skip
_ALTERED = {"function": "ROUTINE", "procedure": "ROUTINE", "aggregate": "ROUTINE",
            "statistics object": "STATISTICS"}  # fmt: skip
_DEFAULTS = {"r": "TABLES", "S": "SEQUENCES", "f": "FUNCTIONS", "T": "TYPES", "n": "SCHEMAS",
             "L": "LARGE OBJECTS"}  # fmt: skip


class Step(NamedTuple):
    """What one transaction changes."""

    database: str
    changes: Plan

    @property
    def sql(self) -> tuple[str, ...]:
        """The statements, and what they begin with."""
        limits = f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"
        first = f"SET LOCAL deadlock_timeout = '{DEADLOCK_TIMEOUT}ms'"
        return (limits, first, *plan.sql(self.changes))


def check(account: Account, old: str, seen: Observed) -> None:
    """Refuse what can't be adopted; `seen` has the old role too.

    Raises SopsmithError: db-adopt, and what `refusals.check_server` raises.
    """
    refusals.check_server(account, seen)
    there, mark = seen.roles.get(old), seen.mark(old)
    message = hint = None
    if account.owner is None:
        message = "has one role by its recipe"
        hint = "role: {strategy: alternating, owner: …, rotator: …}"
    elif there is None:
        message = f"the role {old} does not exist"
        hint = "--role NAME says which one the application has so far"
    elif old == account.owner:
        message = f"{old} can't be the owner of what it gives away"
        hint = "name another owner in the recipe"
    elif there.is_superuser and old in account.roles:
        message = f"{old} is a superuser"
        hint = "name two other roles in the recipe; the superuser stays what it is"
    elif account.rotator is not None and account.rotator.user == old and not there.is_superuser:
        message = f"{old} is the rotator too"
        hint = "name a rotator of its own: in the owner's place it could change no password"
    elif mark is not None and not there.is_superuser and mark[:2] != identity(account)[:2]:
        message = f"{old} belongs to {mark.value} of {mark.app} in {mark.environment}"
        hint = "another database, or other names for the roles"
    if message:
        raise SopsmithError(Finding("db-adopt", message, field=account.value, hint=hint))


def steps(account: Account, old: str, seen: Observed, held: Sequence[Holdings]) -> tuple[Step, ...]:
    """What is to be done, a transaction a database; none where all is as it should be.

    The old role becomes the owner with the last one: until then it keeps whatever is its own.
    Raises what `plan.owned` and `plan.joined` raise.
    """
    owner = account.owner or ""
    made = [*_roles(account, old, seen, held[0]), *superusers.noting(account, seen)]
    if not seen.roles[old].is_superuser:
        made += _shared(old, owner, held[0])
    found = [Step(held[0].database, (*made, *_moved(account, old, seen, held[0])))]
    found += [Step(each.database, _moved(account, old, seen, each)) for each in held[1:]]
    becomes = _becomes(old, owner, seen)
    if becomes:
        found[-1] = found[-1]._replace(changes=(*found[-1].changes, *becomes))
    return tuple(each for each in found if each.changes)


def _roles(account: Account, old: str, seen: Observed, held: Holdings) -> Iterator[Change]:
    owner, there = account.owner or "", seen.roles[old]
    yield from plan.owned(owner, seen)
    for role in account.roles:
        if role != old:
            yield from plan.joined(role, account, seen)
    if there.is_superuser or owner in there.member_of:
        return
    inherit = () if held.inherits else (f"ALTER ROLE {name(old)} INHERIT",)
    grant, _ = statements.join(old, owner)
    yield Change(f"{old} joins {owner}", (*inherit, grant))


def _becomes(old: str, owner: str, seen: Observed) -> Plan:
    there = seen.roles[old]
    if there.is_superuser or there.becomes == owner:
        return ()
    _, become = statements.join(old, owner)
    return (Change(f"new sessions of {old} become {owner}", (become,)),)


def _shared(old: str, owner: str, held: Holdings) -> Iterator[Change]:
    """What holds for the whole server."""
    theirs, ours = held.attributes.get(old, ()), held.attributes.get(owner, ())
    for each in _COPIED:
        if each in theirs and each not in ours:
            yield Change(f"{owner} gets {each}, as {old}", (f"ALTER ROLE {name(owner)} {each}",))
    for role in held.joined:
        yield Change(f"{owner} joins {role}, as {old}", (f"GRANT {name(role)} TO {name(owner)}",))


def _moved(account: Account, old: str, seen: Observed, held: Holdings) -> Plan:
    """What changes in one database."""
    owner, is_superuser = account.owner or "", seen.roles[old].is_superuser
    logins = [*account.roles, *(() if is_superuser or old in account.roles else (old,))]
    moves: list[Change] = []
    if held.owned:
        made: tuple[str, ...] = (f"REASSIGN OWNED BY {name(old)} TO {name(owner)}",)
        if is_superuser:
            made = tuple(
                f"ALTER {_ALTERED.get(each.kind, each.kind).upper()} {each.identity}"
                f" OWNER TO {name(owner)}" for each in held.owned
            )  # fmt: skip
        kinds = Counter(each.kind for each in held.owned)
        moves.append(Change(f"{owner} owns {_counted(kinds)} of {old}", (*_locked(held), *made)))
    moves += _granted(old, owner, held.rights)
    moves += _as_default(old, owner, held.defaults)
    for policy in held.policies:
        if owner not in policy.roles:
            roles = ", ".join(map(name, (*policy.roles, owner)))
            alter = f"ALTER POLICY {name(policy.name)} ON {policy.table} TO {roles}"
            words = f"policy {policy.name} on {policy.table} is {owner}'s too"
            moves.append(Change(words, (alter,)))
    return (*moves, *_settings(old, logins, held))


def _locked(held: Holdings) -> Iterator[str]:
    """First the tables, as who writes does: who has a table and wants its sequence, which was made
    before it, would wait for us, and we for them."""
    tables = [f"ONLY {each.identity}" for each in held.owned if each.kind == "table"]
    if tables:
        yield f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE"


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{n} {kind}{'' if n == 1 else 's'}" for kind, n in sorted(kinds.items()))


# --- rights ---------------------------------------------------------------------------------------


def _granted(old: str, owner: str, rights: Iterable[Right]) -> Iterator[Change]:
    have = {each for each in rights if each.grantee == owner}
    for each in rights:
        if each.grantee != old or each._replace(grantee=owner) in have:
            continue
        column = "" if each.column is None else f" ({name(each.column)})"
        kind = _GRANTED.get(each.kind, each.kind.upper())
        grant = f"GRANT {each.privilege}{column} ON {kind} {each.identity} TO {name(owner)}"
        what = "parameter" if kind == "PARAMETER" else each.kind
        words = f"{owner} may {each.privilege}{column} on {what} {each.identity}, as {old}"
        yield Change(words, (grant + _option(each.grantable),))


def _option(grantable: bool) -> str:
    return " WITH GRANT OPTION" if grantable else ""


def _as_default(old: str, owner: str, defaults: Sequence[Default]) -> Iterator[Change]:
    """The owner's default privileges as the old role's, and the old role's share in others'."""
    have = set(defaults)
    places = {(each.role, each.schema, each.kind) for each in defaults}
    begun: set[tuple[str | None, str]] = set()
    for each in defaults:
        wanted = each._replace(
            role=owner if each.role == old else each.role,
            grantee=owner if each.grantee == old else each.grantee,
        )
        if wanted in have:
            continue
        first: tuple[str, ...] = ()
        place = (wanted.schema, wanted.kind)
        if wanted.role == owner and wanted.schema is None and place not in begun:
            begun.add(place)
            if (owner, *place) not in places:  # what is built in does not hold where one says other
                kind = f"ALL ON {_DEFAULTS[wanted.kind]} FROM"
                start = _for_role(wanted)
                first = (f"{start} REVOKE {kind} PUBLIC", f"{start} REVOKE {kind} {name(owner)}")
        yield Change(_default_words(wanted, old), (*first, _default(wanted)))


def _for_role(each: Default) -> str:
    schema = "" if each.schema is None else f" IN SCHEMA {name(each.schema)}"
    return f"ALTER DEFAULT PRIVILEGES FOR ROLE {name(each.role)}{schema}"


def _default(each: Default) -> str:
    grantee = "PUBLIC" if each.grantee is None else name(each.grantee)
    grant = f"GRANT {each.privilege} ON {_DEFAULTS[each.kind]} TO {grantee}"
    return f"{_for_role(each)} {grant}{_option(each.grantable)}"


def _default_words(each: Default, old: str) -> str:
    what = f"{each.privilege} on new {_DEFAULTS[each.kind].lower()}"
    where = "" if each.schema is None else f" in {each.schema}"
    return f"default: {each.grantee or 'PUBLIC'} may {what}{where} of {each.role}, as with {old}"


# --- settings -------------------------------------------------------------------------------------


def _settings(old: str, logins: Sequence[str], held: Holdings) -> Iterator[Change]:
    """What a session of the old role starts with, for each that takes its place."""
    have = {each._replace(value=_value(each)) for each in held.settings}
    for each in _wanted(old, held):
        for role in logins:
            if each._replace(role=role, value=_value(each)) in have:
                continue
            where = f" IN DATABASE {name(held.database)}" if each.is_here else ""
            change = f"ALTER ROLE {name(role)}{where} SET {name(each.name)} TO {_value(each)}"
            yield Change(f"{role} starts with {each.name} as {old}", (change,))


def _wanted(old: str, held: Holdings) -> list[Setting]:
    mine = [each for each in held.settings if each.role == old and each.name != "role"]
    paths = {(each.role, each.is_here): each for each in held.settings if each.name == _PATH}
    order = ((old, True), (old, False), (None, True), (None, False))
    path = next((paths[each].value for each in order if each in paths), '"$user", public')
    words = _elements(path)
    if held.has_schema and "$user" in words:  # which means the owner from now on
        shown = ", ".join(name(old if each == "$user" else each) for each in words)
        mine = [each for each in mine if (each.name, each.is_here) != (_PATH, True)]
        mine.append(Setting(old, True, _PATH, shown))
    return mine


def _value(each: Setting) -> str:
    """A setting's value as SQL; a list is stored as one text, of quoted names."""
    if each.name not in _LISTS:
        return literal(each.value)
    return ", ".join(map(literal, _elements(each.value))) or "''"


def _elements(text: str) -> list[str]:
    found = re.findall(r'"((?:[^"]|"")*)"|([^",\s][^",\s]*)', text)
    return [bare.lower() if bare else quoted.replace('""', '"') for quoted, bare in found]
