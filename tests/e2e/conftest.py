"""A real PostgreSQL 18 on loopback, started once, that asks for passwords."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.programs import programs
from tests.servers import Server, server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """The server, with nothing in it."""
    found = programs(18)
    assert found is not None, "the wheel of PostgreSQL 18 is in the lock"
    with server(found) as started:
        yield started
