"""The real way to a server: libpq, or psql through a command; fresh salt and a clock that waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sopsmith.database.connecting import Way
from sopsmith.findings import one_line
from sopsmith.postgres.channel import At, Channel
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.scram import SALT
from sopsmith.postgres.verdict import Attempt
from sopsmith.tools import postgres, psql, redis


def real(env: Mapping[str, str], via: str | None = None, at: At = lambda point: None) -> Way:
    """The way to real servers; `via` is a command that ends in psql.

    Raises SopsmithError: usage, program-missing.
    """
    channel = None if via is None else psql.psql(via, env)

    @contextmanager
    def through(database: str | None) -> Iterator[Channel]:
        assert channel is not None  # noqa: S101 - used where there is a command
        yield channel if database is None else channel._replace(database=database)

    return Way(
        login=postgres.login,
        session=postgres.session,
        salt=lambda: os.urandom(SALT),
        pause=time.sleep,
        at=at,
        via=None if channel is None else through,
    )


def watching(
    say: Callable[[str], None], seen: str = "that nobody comes"
) -> Callable[[str, float], None]:
    """What tells that somebody is looked for: as which role, for how long and until when."""

    def begins(role: str, seconds: float) -> None:
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + seconds))
        when = f"for {seconds:.0f} s, until {until}"
        say(f"sopsmith: looking {when}, {seen} as {one_line(role)}\n")

    return begins


def login(to: Endpoint) -> Attempt:
    """Log in to whichever database it is; raises SopsmithError (program-missing)."""
    return postgres.login(to) if to.scheme == "postgresql" else redis.login(to)
