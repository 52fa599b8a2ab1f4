"""The liars lie: without this, tests of who sees through them would prove nothing."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from sopsmith.database import ways
from sopsmith.postgres.endpoint import parse
from tests.servers import Server
from tests.tools.liars import COMES_IN, LIARS


@pytest.mark.parametrize("name", LIARS)
def test_it_lies(liars: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with LIARS[name](liars, tmp_path) as lie:
        for variable, value in lie.env.items():
            monkeypatch.setenv(variable, value)
        assert comes_in(lie.url) == (lie.verdict in COMES_IN)


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "reject": "pg_hba.conf rejects connection",
        "no rule": "no pg_hba.conf entry",
        "NOLOGIN": "not permitted to log in",
        "no CONNECT": "permission denied for database",
        "expired": "password authentication failed",
        "no role": "password authentication failed",
        "replica lag of the new": "password authentication failed",
    }.items(),
)
def test_it_refuses_in_these_words(liars: Server, tmp_path: Path, name: str, said: str) -> None:
    with LIARS[name](liars, tmp_path) as lie, pytest.raises(psycopg.OperationalError, match=said):
        psycopg.connect(lie.url)


@pytest.mark.parametrize("name", [".pgpass", "PGPASSWORD", "service file"])
def test_without_its_surroundings_it_asks(liars: Server, tmp_path: Path, name: str) -> None:
    with LIARS[name](liars, tmp_path) as lie:
        assert not comes_in(lie.url)


@pytest.mark.parametrize("name", ["trust", "peer", "ident", "cert", "clear text", "md5"])
def test_scram_sees_through_it(liars: Server, tmp_path: Path, name: str) -> None:
    with LIARS[name](liars, tmp_path) as lie:
        assert liars.login(lie.url) is None


@pytest.mark.parametrize("name", ["pooler cache", "replica lag"])
def test_scram_does_not(liars: Server, tmp_path: Path, name: str) -> None:
    with LIARS[name](liars, tmp_path) as lie:
        assert liars.login(lie.url) == ("user", "postgres")


def comes_in(url: str) -> bool:
    try:
        with closing(psycopg.connect(url)) as session:
            return session.execute("select 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


@pytest.mark.parametrize("name", LIARS)
def test_sopsmith_says_what_a_login_proves(
    liars: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with LIARS[name](liars, tmp_path) as lie:
        for variable, value in lie.env.items():
            monkeypatch.setenv(variable, value)
        assert said_of(lie.url) == lie.verdict


def said_of(url: str) -> str:
    """The product's verdict, in the liars' words."""
    try:
        attempt = ways.login(parse(url))
    except ValueError:  # the URL leaves open where or as whom: something else decides
        return "unverified"
    if attempt.is_good and (attempt.pooled or attempt.in_recovery):
        return "pooler" if attempt.pooled else "standby"
    return "unverified" if attempt.verdict == "no-password" else attempt.verdict
