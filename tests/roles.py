"""The roles of a server as its superuser sees them, and put back as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from sopsmith.postgres import scram

Superuser = psycopg.Connection[Any]
_is_of = cache(scram.is_of)
_ROLES = SQL(
    "SELECT rolname, rolcanlogin, rolpassword, rolvaliduntil < now(),"
    " shobj_description(oid, 'pg_authid') FROM pg_authid WHERE rolname LIKE {} ORDER BY 1"
)


class Row(NamedTuple):
    """One role on the server, as only a superuser sees it."""

    role: str
    can_log_in: bool
    verifier: str | None
    is_expired: bool | None
    comment: str | None

    def lets_in(self, password: str) -> bool:
        """Whether the server takes this password of this role."""
        if not self.can_log_in or self.verifier is None or self.is_expired:
            return False
        return bool(_is_of(self.verifier, password, self.role))


def rows(superuser: Superuser, name: str) -> tuple[Row, ...]:
    """The roles whose names begin with this one."""
    question = _ROLES.format(Literal(f"{name}\\_%"))
    return tuple(Row(*row) for row in superuser.execute(question))


def restore(superuser: Superuser, there: Iterable[Row], backup: Iterable[Row]) -> None:
    """Roles as they were in a backup; those that are younger have gone."""
    kept = {row.role: row for row in backup}
    for row in there:
        for statement in _as_it_was(kept[row.role]) if row.role in kept else _gone(row):
            superuser.execute(statement)


def _gone(row: Row) -> Iterator[Composed]:
    for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
        yield SQL(statement).format(Identifier(row.role))


def _as_it_was(row: Row) -> Iterator[Composed]:
    name = Identifier(row.role)
    login = SQL("LOGIN" if row.can_log_in else "NOLOGIN")
    until = Literal("2020-01-01" if row.is_expired else "infinity")
    yield SQL("ALTER ROLE {} {} PASSWORD {} VALID UNTIL {}").format(
        name, login, Literal(row.verifier), until
    )
    yield SQL("COMMENT ON ROLE {} IS {}").format(name, Literal(row.comment))
