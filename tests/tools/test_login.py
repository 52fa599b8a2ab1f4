"""A login at several hosts, as libpq takes them one after another."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from secrets import token_hex

import pytest
from psycopg.sql import SQL

from sopsmith.postgres import endpoint
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.tools import postgres
from tests.programs import free_port
from tests.servers import Server


@pytest.fixture
def to(postgres18: Server) -> Endpoint:
    """A login that the server takes, as slow as it may be."""
    password = token_hex(12)
    postgres18.role("hosted", password)
    return endpoint.parse(postgres18.url("hosted", password, connect_timeout="10"))


@pytest.fixture
def silent() -> Iterator[str]:
    """The port of somebody who takes connections and says nothing."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield str(listener.getsockname()[1])


def at(to: Endpoint, *ports: str) -> Endpoint:
    """The same login where it is tried at these ports in turn."""
    return to._replace(host=",".join(["127.0.0.1"] * len(ports)), port=",".join(ports))


def test_a_login_that_is_over_is_no_session(to: Endpoint, postgres18: Server) -> None:
    """Who asks at once for the role's sessions would take it for the application's."""
    sessions = SQL("SELECT count(*) FROM pg_stat_activity WHERE usename = {}").format(to.user)
    with closing(postgres18.owner()) as asking:
        for _ in range(20):
            assert postgres.login(to).verdict == "reachable"
            assert asking.execute(sessions).fetchone() == (0,)


def test_a_silent_host_is_passed_over_as_the_url_says(to: Endpoint, silent: str) -> None:
    assert postgres.login(at(to, silent, to.port)).verdict == "reachable"
    assert postgres.login(at(to, str(free_port()), silent, to.port)).verdict == "reachable"


def test_where_all_are_silent_it_ends(to: Endpoint, silent: str) -> None:
    to = to._replace(options={**to.options, "connect_timeout": "2"})
    assert postgres.login(at(to, silent)).verdict == "unreachable"
    assert postgres.login(at(to, silent, silent)).verdict == "unreachable"


def test_a_wrong_password_is_tried_at_no_other_host(to: Endpoint, silent: str) -> None:
    wrong = to.of(to.user, endpoint.parse("postgresql://a:b@c").password)
    assert postgres.login(at(wrong, to.port, silent)).verdict == "wrong-password"
