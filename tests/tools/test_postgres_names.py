"""Databases in another encoding, language or dialect, and names that PostgreSQL takes otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.database import Make, Shop, shops
from tests.repository import Repo
from tests.servers import Server


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    with shops(repo, postgres18) as made:
        yield made


def encoded(one: Shop, encoding: str) -> None:
    """The same database, empty and in another encoding."""
    one.server.owner_run(f"DROP DATABASE {one.name}")
    as_c = "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    one.server.owner_run(f"CREATE DATABASE {one.name} ENCODING '{encoding}' {as_c}")


OTHERS = """
CREATE TABLE "café" ("prix" int);
GRANT SELECT ("prix") ON "café" TO {0};
CREATE FUNCTION who() RETURNS name LANGUAGE sql AS 'SELECT current_user';
"""


def adopted(one: Shop) -> str:
    """What adopting says; another's table has rights by name and is called café."""
    one.server.role(one.roles[0], one.value("POSTGRES_PASSWORD"))
    one.server.owner_run(SQL(OTHERS).format(Identifier(one.roles[0])), one.name)
    run = one.postgres("adopt", "POSTGRES_PASSWORD", "--via", one.via)
    assert run.code == 0, run.err
    with closing(psycopg.connect(one.value("DATABASE_URL"))) as pod:
        assert pod.execute('SELECT prix FROM "café"').fetchall() == []
    return run.out + run.err


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JIS_2004"])
def test_tables_are_named_whatever_the_encoding(make: Make, encoding: str) -> None:
    one = make()
    encoded(one, encoding)
    adopted(one)


def test_who_asks_for_the_user_is_found_where_a_backslash_is_none(make: Make) -> None:
    one = make()
    one.server.owner_run(f"ALTER DATABASE {one.name} SET standard_conforming_strings TO off")
    assert "they are asked for in function public.who()" in adopted(one)


@pytest.mark.parametrize("role", ["café", "名前"])
def test_a_role_that_no_login_would_mean_is_not_made(make: Make, role: str) -> None:
    """The database makes other bytes of its name than a login has."""
    one = make(ROLE_A={"default": role})
    encoded(one, "LATIN1")
    run = one.postgres("bootstrap", "--via", one.via)
    assert (run.code, run.codes) == (3, {"db-failed"}) and "in UTF8" in run.err
    assert one.server.owner_ask("SELECT FROM pg_roles WHERE rolname ~ '^(caf|[^ -z])'") == []


def test_a_comment_that_is_no_text_is_replaced(make: Make) -> None:
    """A database without an encoding takes any byte, and roles are every database's."""
    one = make("in-place")
    one.bootstrap()
    one.server.owner_run("CREATE DATABASE raw ENCODING 'SQL_ASCII' TEMPLATE template0")
    one.server.owner_run(f"COMMENT ON ROLE {one.roles[0]} IS E'\\377'", "raw")
    one.rotate()
    run = one.postgres("apply")
    assert run.code == 0 and one.logs_in(), run.err


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"ROLE_A": {"default": "pg_shop"}}, "PostgreSQL keeps pg_shop for itself"),
        ({"ROLE_B": {"default": "public"}}, "PostgreSQL keeps public for itself"),
        ({"ROLE_B": {"default": "é" * 32}}, "a role's name has to be 1 to 63 bytes"),
    ],
)
def test_what_is_no_name_is_found_before_it_is_deployed(
    make: Make, values: dict[str, object], words: str
) -> None:
    run = make(**values).repo.cli("validate", "overlay")
    assert run.code == 2 and words in run.out


def test_a_database_that_would_be_cut_off_is_refused(make: Make) -> None:
    one = make()
    file = one.repo.path / "overlay/recipe.yaml"
    file.write_text(file.read_text().replace(f'"path": "{one.name}"', f'"path": "{"d" * 64}"'))
    run = one.postgres("apply")
    assert (run.code, run.codes) == (2, {"db-roles"}) and "a database's name" in run.err


def test_psqls_answer_is_understood_in_every_language(make: Make) -> None:
    """With VERBOSITY=sqlstate psql says a word and the code; here what a German server says."""
    via = "sh -c 'cat >/dev/null; echo \"FEHLER:  55P03\" >&2; exit 3'"
    run = make().postgres("bootstrap", "--via", via)
    assert (run.code, run.codes) == (3, {"db-locked"})


@pytest.mark.parametrize("rest", ["CREATE ROLE planted; --", "'\"\\\r`\\"])
def test_a_databases_name_is_no_command_of_psqls(make: Make, rest: str) -> None:
    one = make()
    one.server.role(one.roles[0])
    one.server.database(f"a\n{rest}")
    run = one.postgres("adopt", "--via", one.via, "--database", f"a\n{rest}")
    assert one.server.owner_ask("SELECT FROM pg_roles WHERE rolname = 'planted'") == []
    assert run.code == 0, run.err
