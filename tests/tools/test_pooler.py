"""PgBouncer before a server, and TLS to one."""

from __future__ import annotations

from contextlib import closing
from secrets import token_hex

import psycopg
import pytest

from tests.certificates import authority
from tests.pooler import pgbouncer
from tests.programs import needed, short_folder
from tests.servers import Server, server


def test_a_pooler_asks_for_the_password_it_knows(postgres18: Server) -> None:
    right = token_hex()
    postgres18.role("pooled", right)
    with pgbouncer(postgres18, {"pooled": right}) as pooler:
        assert postgres18.login(pooler.url("pooled", right)) == ("pooled", "postgres")
        assert postgres18.login(pooler.url("pooled", token_hex())) is None


def test_tls_is_checked_on_both_sides() -> None:
    with short_folder() as folder, short_folder() as elsewhere:
        ours, strange = authority(folder), authority(elsewhere)
        rules = "hostssl all shown all cert\nhostssl all all all scram-sha-256\n"
        with server(needed(15), hba=rules, settings=ours.settings()) as own:
            own.role("shown", None)
            own.role("careful", "right")
            assert own.login(own.url("careful", "right", **ours.query())) is not None
            assert own.login(own.url("careful", "right")) is None
            assert own.login(own.url("careful", "right", **strange.query())) is None
            url = own.url("shown", None, **ours.query(ours.issue("shown")))
            with closing(psycopg.connect(url)) as session:
                assert session.execute("select current_user").fetchone() == ("shown",)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(own.url("shown", None, **ours.query(ours.issue("other"))))
