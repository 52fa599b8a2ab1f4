"""A server with the roles of every start, put back before each case; and what git says of them.

A start is what git and the database say before the work that a fault befalls. Superusers look at it
from outside: what they read is committed, so looking after each step sees every moment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from secrets import token_hex
from typing import Any, Literal, NamedTuple

from psycopg.sql import SQL, Composed, Identifier
from psycopg.sql import Literal as Text

from sopsmith.database import applying, bootstrapping, retiring, standing, ways
from sopsmith.database.connecting import Way
from sopsmith.model import Sensitive
from sopsmith.postgres import endpoint, recovery, scram, statements
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.channel import Channel
from sopsmith.postgres.recovery import Decision
from sopsmith.tools import postgres
from tests.programs import wait_until
from tests.servers import Server

Layout = Literal["alternating", "in-place", "self-service"]
VALUE, ENVIRONMENT = "POSTGRES_PASSWORD", "production"
DATABASE = "shop"


class Start(NamedTuple):
    """What was done before, and the work that is to be done."""

    name: str
    layout: Layout
    applied: int  # the version that the database has; 0: nobody can log in yet
    retired: bool  # and the role of before is closed
    git: int  # the version that git says
    work: tuple[str, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        """In slots a and b; or the one."""
        prefix = re.sub("[^a-z]", "_", f"{self.layout} {self.name}")
        slots = "ab" if self.layout == "alternating" else "a"
        return tuple(f"{prefix}_{slot}" for slot in slots)

    @property
    def owner(self) -> str | None:
        return f"{self.roles[0]}_owner" if len(self.roles) == 2 else None

    @property
    def rotator(self) -> str | None:
        return None if self.layout == "self-service" else f"{self.roles[0]}_rotator"

    @property
    def key(self) -> str:
        """The name of the role that bears the mark."""
        return self.owner or self.roles[0]


STARTS = {
    f"{each.layout} {each.name}": each
    for each in (
        Start("fresh", "alternating", 0, False, 1, ("apply",)),
        Start("to rotate", "alternating", 1, False, 2, ("apply", "retire")),
        Start("rotated once", "alternating", 2, False, 3, ("retire", "apply")),
        Start("rotated and retired", "alternating", 2, True, 3, ("apply", "retire")),
        Start("fresh", "in-place", 0, False, 1, ("apply",)),
        Start("to rotate", "in-place", 1, False, 2, ("apply",)),
        Start("rotated once", "in-place", 2, False, 3, ("apply",)),
        Start("to rotate", "self-service", 1, False, 2, ("apply",)),
        Start("rotated once", "self-service", 2, False, 3, ("apply",)),
    )
}


@cache
def _password(role: str, version: int) -> str:
    return f"canary-{version}-{token_hex(12)}"


def password(start: Start, version: int) -> str:
    """The password of a version; version 0 is the rotator's."""
    return _password(start.roles[0], version)


class World:
    """The server, and where to find it; `port` may be a proxy's."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.owner = server.owner()
        self.saved: dict[str, list[SQL | Composed]] = {}
        self._is_of = cache(scram.is_of)
        server.database(DATABASE)
        self.canaries()  # drawn before anything forks

    # --- what git says ------------------------------------------------------------------------

    def account(self, start: Start, version: int | None = None, port: int | None = None) -> Account:
        """What a recipe of this version renders to."""
        now = start.git if version is None else version
        slot = "b" if len(start.roles) == 2 and now % 2 == 0 else "a"
        role = start.roles[slot == "b"]
        place = self.server._replace(port=port or self.server.port)
        url = endpoint.parse(place.url(role, password(start, now), DATABASE))
        rotator = None
        if start.rotator is not None:
            rotator = endpoint.parse(place.url(start.rotator, password(start, 0), DATABASE))
        return Account(
            app="shop", environment=ENVIRONMENT, value=VALUE,
            strategy="alternating" if start.layout == "alternating" else "in-place",
            roles=start.roles, slot=slot, owner=start.owner, now=_secret(start, now),
            before=_secret(start, now - 1) if now > 1 else None,
            urls={"DATABASE_URL": url}, rotator=rotator,
        )  # fmt: skip

    def canaries(self) -> list[str]:
        """Every password that there is."""
        return [password(each, version) for each in STARTS.values() for version in range(9)]

    # --- what the database has ----------------------------------------------------------------

    def arrange(self, start: Start) -> None:
        """Put the roles into the state of a start."""
        if start.roles[0] not in self.saved:
            self._make(start)
            self.saved[start.roles[0]] = list(self._restoring(start))
        for statement in self.saved[start.roles[0]]:
            self.owner.execute(statement)

    def _make(self, start: Start) -> None:
        """Come to the start as people do: bootstrap, apply, retire."""
        if start.applied == 0:
            self._make_fresh(start)
            return
        way = self.way()
        with self.superuser() as channel:
            bootstrapping.bootstrap(self.account(start, 1), channel, way)
        if start.rotator is None:  # by hand, as a provider's console does
            self.server.change(start.roles[0], password(start, 1))
        for version in range(1, start.applied + 1):
            applying.apply(self.account(start, version), way)
        if start.retired:
            retire(self.account(start, start.applied), way)

    def _make_fresh(self, start: Start) -> None:
        """A rotator and no more; it makes alternating roles itself."""
        assert start.rotator is not None
        self.server.role(start.rotator, password(start, 0), "LOGIN CREATEROLE NOINHERIT")
        if start.layout == "in-place":
            self.server.role(start.roles[0], None, "NOLOGIN")
            self.owner.execute(statements.administer(start.roles[0], start.rotator).encode())

    def _restoring(self, start: Start) -> Iterator[SQL | Composed]:
        names = [*start.roles, *filter(None, (start.owner,))]
        if start.applied == 0 and start.layout == "alternating":
            for name in names:
                yield SQL("DROP ROLE IF EXISTS {}").format(Identifier(name))
            return
        for name in names:
            can_log_in, verifier, comment = self.role(name)
            yield SQL("ALTER ROLE {} {} PASSWORD {}; COMMENT ON ROLE {} IS {}").format(
                Identifier(name), SQL("LOGIN" if can_log_in else "NOLOGIN"), Text(verifier),
                Identifier(name), Text(comment))  # fmt: skip

    def role(self, name: str) -> tuple[bool, str | None, str | None]:
        """Whether it can log in, its verifier and its comment."""
        question = SQL(
            "SELECT rolcanlogin, rolpassword, shobj_description(oid, 'pg_authid')"
            " FROM pg_authid WHERE rolname = {}"
        ).format(Text(name))
        found = self.owner.execute(question).fetchone()
        return found or (False, None, None)

    def accepted(self, start: Start) -> set[int]:
        """The versions by whose URL the database lets in now."""
        found = set()
        for version in range(1, start.git + 4):
            slot = 1 if len(start.roles) == 2 and version % 2 == 0 else 0
            can_log_in, verifier, _ = self.role(start.roles[slot])
            if can_log_in and verifier is not None:
                given = (verifier, password(start, version), start.roles[slot])
                found |= {version} if self._is_of(*given) else set()
        return found

    @contextmanager
    def superuser(self) -> Iterator[Channel]:
        """The break-glass, as psql on the server's own socket is."""
        with closing(self.server.owner(DATABASE)) as connection:
            yield postgres.Session(connection.pgconn)

    def logs_in(self, start: Start, version: int) -> bool:
        """The same by a real login."""
        (to,) = self.account(start, version).urls.values()
        return postgres.login(to).is_good

    def quiet(self, start: Start) -> None:
        """Wait until no session of ours is left: what was killed may still be at work."""
        names = [*start.roles, *filter(None, (start.rotator,))]
        question = SQL("SELECT 1 FROM pg_stat_activity WHERE usename IN ({})").format(
            SQL(", ").join(map(Text, names))
        )
        wait_until(lambda: not self.owner.execute(question).fetchall(), "the end of all sessions")

    def waits(self) -> bool:
        """Whether anybody waits for an advisory lock."""
        question = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return bool(self.owner.execute(question).fetchall())

    # --- ways ---------------------------------------------------------------------------------

    def way(
        self, at: Callable[[str], None] = lambda point: None, seconds: float | None = None
    ) -> Way:
        """The real way, which waits for no long time where `seconds` says how long."""
        way = ways.real({}, at=at)._replace(pause=lambda _: time.sleep(0.01))
        if seconds is None:
            return way

        def session(to: endpoint.Endpoint, name: str) -> Any:
            return postgres.session(to, name, connect=seconds, query=seconds)

        return way._replace(login=lambda to: postgres.login(to, seconds), session=session)

    def decided(self, start: Start, version: int) -> Decision:
        """What `status` says is to be done."""
        return recovery.decide(standing.standing(self.account(start, version), self.way(), None))


def retire(account: Account, way: Way) -> None:
    """`sopsmith postgres retire --no-cluster --grace 0`."""
    retiring.retire(account, way, lambda account: (), grace=0, now=time.monotonic)


def _secret(start: Start, version: int) -> Secret:
    return Secret(version, Sensitive(password(start, version)))
