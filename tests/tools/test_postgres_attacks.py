"""What an enemy of `sopsmith postgres` tries: in the database, in git, in a recipe, in a Secret."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal

from tests.database import Make, mounted, shops
from tests.pooler import pgbouncer
from tests.repository import Repo
from tests.servers import Server


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    with shops(repo, postgres18) as made:
        yield made


TRAP = """CREATE FUNCTION public.{name} RETURNS {kind} LANGUAGE plpgsql AS $trap$
BEGIN INSERT INTO public.caught VALUES (session_user); RETURN {value}; END $trap$"""
TRAPS = {
    "concat_ws(text, int, int, int)": ("text", "'1 0 0'"),
    "pg_advisory_lock(int)": ("void", ""),
    "pg_advisory_xact_lock(int)": ("void", ""),
    "current_setting(text)": ("text", "'180000'"),
}


@pytest.mark.parametrize("path", ['"$user", public', "public, pg_catalog"])
def test_nobody_else_runs_what_the_application_made(make: Make, path: str) -> None:
    """It owns its database; of two functions PostgreSQL takes the one that fits better."""
    one = make()
    one.bootstrap()
    assert one.postgres("apply").code == 0
    with psycopg.connect(one.value("DATABASE_URL"), autocommit=True) as app:
        app.execute("CREATE TABLE caught (who text); GRANT ALL ON caught TO PUBLIC")
        for name, (kind, value) in TRAPS.items():
            app.execute(TRAP.format(name=name, kind=kind, value=value).encode())
        app.execute(f"ALTER DATABASE {one.name} SET search_path TO {path}".encode())
    for verb in (
        ("apply",),
        ("check",),
        ("status", "--no-cluster"),
        ("bootstrap", "--via", one.via),
    ):
        assert one.postgres(*verb).code == 0
    caught = one.server.owner_ask("select who from public.caught", one.name)
    assert {who for (who,) in caught} <= {*one.roles}


def test_a_role_name_ends_no_block_of_code(make: Make) -> None:
    """A pull request names a role, and a superuser runs what is made of the name."""
    evil = "x$do$; CREATE ROLE planted SUPERUSER; --"
    one = make(ROLE_B={"default": evil})
    one.bootstrap()
    assert one.server.owner_ask("select from pg_roles where rolname = 'planted'") == []
    assert one.postgres("apply").code == 0 and one.logs_in()


@pytest.mark.parametrize(
    "names",
    [{"ROLE_A": "shop", "ROLE_B": "shop"}, {"ROLE_A": "a" * 64}, {"ROLE_B": "owner_too"},
     {"ROLE_A": "\u202e"}],
    ids=["one role twice", "cut off", "the owner", "from right to left"],
)  # fmt: skip
def test_a_role_with_two_jobs_is_refused(make: Make, names: dict[str, str]) -> None:
    """Retired, it would be the one that the application uses."""
    role = {"strategy": "alternating", "owner": "owner_too", "rotator": "ROTATOR_URL"}
    one = make(
        POSTGRES_PASSWORD={"generate": {"password": {}}, "role": role},
        **{name: {"default": text} for name, text in names.items()},
    )
    run = one.postgres("bootstrap", "--via", one.via)
    assert (run.code, run.codes) == (2, {"db-roles"})


def test_two_passwords_of_one_role_are_refused(make: Make, postgres18: Server) -> None:
    """Each apply would undo the one before, and say that all is well."""
    url = {"scheme": "postgresql", "user": "$(POSTGRES_USER)", "password": "$(SECOND)",
           "host": "127.0.0.1", "port": postgres18.port}  # fmt: skip
    second = {"generate": {"password": {}}, "role": {"strategy": "in-place"}}
    one = make("in-place", SECOND=second, SECOND_URL={"derive": {"url": url}})
    run = one.postgres("apply")
    assert (run.code, run.codes) == (2, {"db-roles"})


@pytest.mark.parametrize("comment", ['{"version": "x"}', "[]", '["a"]' * 9, "[" * 100_000])
@pytest.mark.parametrize("prefix", ["sopsmith ", "\u2028\x85\x1e"])
def test_a_comment_that_lies_is_none(make: Make, comment: str, prefix: str) -> None:
    one = make()
    one.bootstrap()
    if comment.startswith("{"):
        fields = ("app", "environment", "value", "slot", "lowest")
        comment = json.dumps({**dict.fromkeys(fields, "shop"), **json.loads(comment)})
    words = SQL("COMMENT ON ROLE {} IS {}")
    one.server.owner_run(words.format(Identifier(f"{one.name}_owner"), Literal(prefix + comment)))
    one.bootstrap()
    assert one.postgres("apply").code == 0 and one.logs_in()


def test_a_session_named_like_a_url_is_not_quoted(make: Make) -> None:
    one = make()
    one.bootstrap()
    before, secret = one.value("DATABASE_URL"), "a-password-of-another"
    one.rotate()
    with psycopg.connect(before, application_name=f"postgresql://me:{secret}@db"):
        assert one.postgres("apply").code == 0
        run = one.postgres("retire", "--no-cluster")
    assert run.code == 5 and "a session of (a URL)" in run.err and secret not in run.err


HOSTILE = {
    "truncated": lambda tree: json.dumps(tree)[:-9],
    "deep": lambda tree: "[" * 200_000,
    "endless": lambda tree: json.dumps(tree).replace('"version": 1', '"version": 1e999'),
    "no roles": lambda tree: json.dumps(tree | {"roles": [tree["roles"][0] | {"roles": []}]}),
    "no URLs": lambda tree: json.dumps(tree | {"roles": [tree["roles"][0] | {"urls": {}}]}),
    "half a character": lambda tree: json.dumps(tree).replace("127.0.0.1", "\\ud800"),
    "cut off": lambda tree: json.dumps(tree).replace("127.0.0.1", "127.0.0.1\\u0000"),
    "an option": lambda tree: json.dumps(tree).replace("sslmode", "servicefile"),
    "a place": lambda tree: json.dumps(tree).replace("sslmode", "host"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_document_that_is_none_is_refused(make: Make, how: str) -> None:
    one = make()
    file = mounted(one) / "roles.json"
    file.write_text(HOSTILE[how](json.loads(file.read_text())))
    run = one.postgres("apply", "--from", str(file))
    assert (run.code, run.codes) == (2, {"db-roles"})


def test_a_pooler_takes_no_lock(make: Make) -> None:
    """Its connection, with the lock and the limits of who changes passwords, is another's next."""
    role = {"strategy": "in-place"}
    one = make("in-place", POSTGRES_PASSWORD={"generate": {"password": {}}, "role": role})
    one.bootstrap()
    with pgbouncer(one.server, {one.roles[0]: one.value("POSTGRES_PASSWORD")}) as pooler:
        file = one.repo.path / "overlay/recipe.yaml"
        file.write_text(file.read_text().replace(str(one.server.port), str(pooler.port)))
        run = one.postgres("apply", "POSTGRES_PASSWORD")
    assert (run.code, run.codes) == (3, {"db-pooler"})


def test_a_comment_that_is_no_text_stops_nobody(make: Make) -> None:
    """A database without an encoding takes any byte, and roles are every database's."""
    one = make()
    one.bootstrap()
    raw = f"{one.name}_raw"
    one.server.owner_run(f"CREATE DATABASE {raw} ENCODING 'SQL_ASCII' TEMPLATE template0")
    one.server.owner_run(f"COMMENT ON ROLE {one.roles[1]} IS E'\\377'", raw)
    assert one.postgres("apply").code == 0 and one.logs_in()


NAMES = ("a\"b'c", "$do$;", "q\nr", "u\u2028v\x85", "\x1b[31m", "%s{x}:v", "\\connect a", "Ä" * 31)


def test_adopt_takes_any_name_and_says_none_to_the_terminal(make: Make) -> None:
    one = make()
    one.server.role(one.roles[0], one.value("POSTGRES_PASSWORD"))
    one.server.owner_run(f"ALTER DATABASE {one.name} OWNER TO {one.roles[0]}")
    words = """CREATE SCHEMA {0} CREATE TABLE {0} ({0} int);
        CREATE POLICY {0} ON {0}.{0} TO CURRENT_USER USING (current_user = '');
        ALTER DEFAULT PRIVILEGES IN SCHEMA {0} GRANT SELECT ON TABLES TO PUBLIC"""
    with psycopg.connect(one.value("DATABASE_URL"), autocommit=True) as app:
        for each in NAMES:
            app.execute(SQL(words).format(Identifier(each)))
    run = one.postgres("adopt", "--via", one.via)
    assert run.code == 0, run.err
    assert (run.out + run.err).replace("\n", "").isprintable()
    assert "as it is" in one.postgres("adopt", "--via", one.via).out
