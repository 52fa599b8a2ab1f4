"""An operator's way to a server on which an accident happens, and the break-glass."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

import psycopg

from sopsmith.database.connecting import Way, WayIn
from sopsmith.postgres import scram
from sopsmith.postgres.channel import Channel, SqlError
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.verdict import Attempt
from sopsmith.tools import postgres
from tests.servers import Server

_LOST = ("after begin", "after alter", "before commit", "after commit")


class Fault(NamedTuple):
    """An accident at the so many-th point that an operator comes to."""

    kind: Literal["dies", "lost reply", "cut off"]
    after: int


class Died(Exception):
    """The operator's process is gone."""


class Quick(Way):
    """A way whose verifiers cost no time; a server takes any number of iterations."""

    def verifier(self, password: str, role: str) -> str:
        """With one iteration in place of 4,096."""
        return scram.verifier(password, self.salt(), 1)


def way(fault: Fault | None, via: WayIn | None) -> Way:
    """A real way, until the accident; `via` as in `Way`."""
    points = itertools.count()
    is_cut = False

    def at(point: str) -> None:
        nonlocal is_cut
        if fault is None or next(points) != fault.after:
            return
        if fault.kind == "dies":
            raise Died
        if fault.kind == "lost reply" and point in _LOST:
            raise SqlError(None)
        is_cut = fault.kind == "cut off"

    def login(to: Endpoint) -> Attempt:
        return Attempt("unreachable", False) if is_cut else postgres.login(to)

    return Quick(login, postgres.session, lambda: os.urandom(scram.SALT), lambda seconds: None,
                 at, via)  # fmt: skip


@contextmanager
def superuser(server: Server) -> Iterator[Channel]:
    """The break-glass: the superuser's session by the socket."""
    with psycopg.connect(host=str(server.folder), port=server.port, user="owner",
                         dbname="postgres", autocommit=True) as connection:  # fmt: skip
        yield postgres.Session(connection.pgconn)
