"""The servers, the standby and the faults that other tests stand on do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from secrets import token_hex

import psycopg
import pytest
from psycopg.sql import SQL, Literal

from tests.programs import needed, wait_until
from tests.servers import LOUD, Server, follow, heard, pause, resume, server, standby


@pytest.fixture(params=[18, 16, 15])
def each(request: pytest.FixtureRequest) -> Server:
    """Each server in turn."""
    found: Server = request.getfixturevalue(f"postgres{request.param}")
    return found


@pytest.fixture
def own() -> Iterator[Server]:
    """One that a test may break."""
    with server(needed(18), settings=LOUD) as started:
        yield started


def test_only_the_right_password_comes_in(each: Server) -> None:
    right = token_hex()
    each.role("careful", right)
    assert each.login(each.url("careful", right)) == ("careful", "postgres")
    assert each.login(each.url("careful", token_hex())) is None
    assert heard(each, [right]) == []


def test_who_has_logged_in_is_no_session_any_more(each: Server) -> None:
    each.role("careful", right := token_hex())
    sessions = "select 1 from pg_stat_activity where usename = 'careful'"
    with closing(each.owner()) as looking:
        for _ in range(20):
            assert each.login(each.url("careful", right))
            assert looking.execute(sessions).fetchall() == []


def test_what_is_said_is_heard(each: Server) -> None:
    canary = token_hex()
    each.role("loud")
    each.owner_run(SQL("ALTER ROLE loud PASSWORD {}").format(Literal(canary)))
    places = ["log", *(["pg_stat_statements"] if "statements" in preloaded(each) else [])]
    wait_until(lambda: "pg_stat_activity" not in where(each, canary), "the session to leave")
    assert where(each, canary) == places


def where(each: Server, canary: str) -> list[str]:
    """The places in which it is heard."""
    return [line.split(":")[0] for line in heard(each, [canary])]


def test_a_session_is_heard_while_it_lasts(each: Server) -> None:
    canary = token_hex()
    with closing(each.owner()) as session:
        session.execute(SQL("select {}").format(Literal(canary)))
        assert f"pg_stat_activity: {canary}" in heard(each, [canary])


def test_statistics_are_kept_where_the_build_can(
    postgres18: Server, postgres16: Server, postgres15: Server
) -> None:
    assert [preloaded(each) for each in (postgres18, postgres16, postgres15)] == [
        "pg_stat_statements",
        "",
        "pg_stat_statements",
    ]


def test_rules_change_while_it_runs(own: Server) -> None:
    own.reload(hba="host all guest all trust\n")
    own.role("guest")
    own.role("careful", "right")
    assert "guest" in str(asked(own.url("guest", None), "select current_user"))
    assert own.login(own.url("careful", "right")) is None
    with pytest.raises(ValueError, match="can't read"):
        own.reload(hba="host all\n")


def test_it_stops_and_comes_back_with_what_it_had(own: Server) -> None:
    own.role("careful", "right")
    own.stop()
    assert own.login(own.url("careful", "right")) is None
    own.start()
    own.restart("immediate")
    assert own.login(own.url("careful", "right")) is not None


def test_the_owner_has_a_password_where_one_is_given() -> None:
    with server(needed(16), superuser_password="right") as own:
        assert own.login(own.url("owner", "right")) == ("owner", "postgres")
        assert own.login(own.url("owner", "wrong")) is None


def test_a_standby_shows_a_change_when_it_goes_on(each: Server) -> None:
    each.role("careful", "old")
    with standby(each) as behind:
        follow(behind, each)
        pause(behind)
        each.change("careful", "new")
        assert behind.login(behind.url("careful", "old")) is not None
        resume(behind)
        follow(behind, each)
        assert behind.login(behind.url("careful", "old")) is None
        assert behind.login(behind.url("careful", "new")) is not None


def asked(url: str, question: str) -> list[tuple[object, ...]]:
    with closing(psycopg.connect(url)) as session:
        return session.execute(SQL(question)).fetchall()


def preloaded(each: Server) -> str:
    ((libraries,),) = each.owner_ask("show shared_preload_libraries")
    return str(libraries)
