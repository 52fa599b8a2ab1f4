"""The proxy's faults are what a client of a bad network sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from threading import Thread
from time import sleep
from typing import Any

import psycopg
import pytest

from tests.programs import wait_until
from tests.proxy import (
    Fault,
    Proxy,
    close_before,
    garbage_for,
    hang_on,
    lose_reply_to,
    proxy,
)
from tests.servers import Server

DELIVERED = {
    "lose_reply_to": (lose_reply_to, True),
    "close_before": (close_before, False),
    "garbage_for": (garbage_for, False),
}


@pytest.fixture
def counted(postgres18: Server) -> Server:
    postgres18.owner_run("DROP TABLE IF EXISTS tally")
    postgres18.role("careful", "right")
    postgres18.owner_run("CREATE TABLE tally (n int)")
    postgres18.owner_run("GRANT ALL ON tally TO careful")
    return postgres18


@contextmanager
def through(server: Server, made: Proxy) -> Iterator[psycopg.Connection[Any]]:
    url = server._replace(port=made.port).url("careful", "right")
    with closing(psycopg.connect(url)) as connection:
        yield connection


def rows(server: Server) -> int:
    ((count,),) = server.owner_ask("select count(*) from tally")
    return int(count)


@pytest.mark.parametrize("name", DELIVERED)
def test_a_commit_fails_for_the_client(counted: Server, name: str) -> None:
    make, done = DELIVERED[name]
    with proxy(counted.port, make(b"COMMIT")) as made, through(counted, made) as connection:
        connection.execute("INSERT INTO tally VALUES (1)")
        with pytest.raises(psycopg.Error):  # an InternalError after garbage
            connection.commit()
        assert rows(counted) == done
        assert made.done


@pytest.mark.parametrize("deliver", [True, False])
def test_no_answer_comes(counted: Server, deliver: bool) -> None:
    hang = hang_on(b"INSERT", deliver=deliver)
    with proxy(counted.port, hang) as made, through(counted, made) as connection:
        connection.autocommit = True
        waiting = Thread(target=execute, args=(connection, "INSERT INTO tally VALUES (1)"))
        waiting.start()
        if deliver:
            wait_until(lambda: rows(counted) == 1, "the row")
        sleep(0.3)
        assert waiting.is_alive()
        assert rows(counted) == deliver
    waiting.join()


def execute(connection: psycopg.Connection[Any], statement: str) -> None:
    with suppress(psycopg.Error):
        connection.execute(statement)


@pytest.mark.parametrize("fault", [close_before, garbage_for])
def test_nobody_comes_in(counted: Server, fault: Callable[[bytes], Fault]) -> None:
    with proxy(counted.port, fault(b"")) as made:
        with pytest.raises(psycopg.OperationalError), through(counted, made):
            pass
        with through(counted, made) as connection:  # a fault happens once
            assert connection.execute("select 1").fetchone() == (1,)


def test_faults_wait_for_their_turn(counted: Server) -> None:
    faults = (lose_reply_to(b"INSERT", skip=1), close_before(b"INSERT"))
    with proxy(counted.port, *faults) as made:
        for inserts in (2, 1):
            with through(counted, made) as connection:
                connection.autocommit = True
                for _ in range(inserts - 1):
                    connection.execute("INSERT INTO tally VALUES (1)")
                with pytest.raises(psycopg.OperationalError):
                    connection.execute("INSERT INTO tally VALUES (1)")
        assert rows(counted) == 2
        assert [len(made.faults), len(made.done)] == [0, 2]
