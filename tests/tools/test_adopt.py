"""`sopsmith postgres adopt`: a database that runs with one role, and pods that go on meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from secrets import token_hex
from threading import Event
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from ci.cluster.processes import beside
from tests.database import Shop, pods, pushed, shop
from tests.programs import wait_until
from tests.repository import Repo, Run
from tests.servers import Server, heard

Make = Callable[..., Shop]
Session = psycopg.Connection[tuple[Any, ...]]
TABLES = """
CREATE SCHEMA stock CREATE TABLE item (id serial PRIMARY KEY, name text);
CREATE VIEW stock.name AS SELECT name FROM stock.item;
CREATE FUNCTION stock.one() RETURNS int LANGUAGE sql AS 'SELECT 1';
"""


@pytest.fixture
def make(repo: Repo) -> Iterator[Make]:
    """Makes an application whose first role owns all it has; no password is heard in the end."""
    made: list[Shop] = []

    def one(server: Server, **values: Any) -> Shop:
        made.append(shop(repo, server, **values))
        role = repo.cli("get", "ROLE_A").out
        server.role(role, made[-1].value("POSTGRES_PASSWORD"))
        give = SQL("ALTER DATABASE {} OWNER TO {}").format(
            Identifier(made[-1].name), Identifier(role)
        )
        server.owner_run(give)
        with closing(pod(made[-1])) as session:
            session.execute(TABLES)
        return made[-1]

    yield one
    for each in made:
        assert heard(each.server, repo.canaries) == []


@pytest.fixture(params=["postgres18", "postgres16", "postgres15"])
def one(make: Make, request: pytest.FixtureRequest) -> Shop:
    """The application on each version of the server."""
    return make(request.getfixturevalue(request.param))


def pod(one: Shop, url: str | None = None) -> Session:
    """A session as a pod has it."""
    return psycopg.connect(url or one.value("DATABASE_URL"), autocommit=True)


def adopt(one: Shop, *argv: str) -> Run:
    """Run `sopsmith postgres adopt` by break-glass."""
    return one.postgres("adopt", "POSTGRES_PASSWORD", "--via", one.via, *argv)


def adopted(one: Shop, *argv: str) -> Run:
    """The same where it has to succeed."""
    run = adopt(one, *argv)
    assert run.code == 0, run.err
    return run


def ask(one: Shop, question: str, *names: str) -> list[Any]:
    """The first column of the superuser's query, with names put in."""
    query = SQL(question).format(*map(Identifier, names))
    return [row[0] for row in one.server.owner_ask(query, one.name)]


ROLES = "SELECT rolname FROM pg_roles"


def owners(one: Shop) -> set[str]:
    """Who owns the application's objects, and the database."""
    return set(
        ask(one, "SELECT pg_get_userbyid(relowner) FROM pg_class"
            " WHERE relnamespace = 'stock'::regnamespace AND relkind IN ('r', 'v', 'S')"
            " UNION ALL SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'one'"
            " UNION ALL SELECT pg_get_userbyid(datdba) FROM pg_database"
            " WHERE datname = current_database()")
    )  # fmt: skip


def test_a_running_pod_goes_on_and_the_roles_then_take_turns(one: Shop) -> None:
    with closing(pod(one)) as running:
        adopted(one)
        running.execute("INSERT INTO stock.item (name) VALUES ('nut')")
    one.bootstrap()
    before = one.value("DATABASE_URL")
    assert one.logs_in() == (one.name + "_owner", one.name)
    one.rotate()
    assert one.postgres("apply").code == 0 and one.logs_in(before)
    with closing(pod(one)) as session:
        session.execute("ALTER TABLE stock.item ADD COLUMN price int")
    assert one.postgres("retire", "--no-cluster").code == 0
    assert one.logs_in(before) is None and one.logs_in()


def unknown(make: Make, server: Server) -> tuple[Shop, str]:
    """An application whose password no recipe knows, adopted; and its URL."""
    one = make(server)
    held = one.repo.canary(token_hex(16))
    server.change(one.roles[0], held)
    assert "postgres rotate POSTGRES_PASSWORD -e production --now" in adopted(one).out
    return one, server.url(one.roles[0], held, one.name)


def test_a_password_that_only_the_application_knows_is_not_replaced(
    make: Make, postgres18: Server
) -> None:
    one, url = unknown(make, postgres18)
    one.bootstrap()
    run = one.postgres("recover", "--no-cluster")  # while no session is there
    assert run.code == 5 and run.codes == {"db-in-use"}
    words = "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now"
    assert words in run.err and words in one.postgres("status", "--no-cluster").out
    assert one.logs_in(url) == (one.name + "_owner", one.name)


def test_a_rotation_takes_an_application_off_the_password_that_it_alone_knows(
    make: Make, postgres18: Server
) -> None:
    one, url = unknown(make, postgres18)
    one.bootstrap()
    pushed(one)
    with pods(one):
        run = one.postgres("rotate", "POSTGRES_PASSWORD", "--now", "--no-cluster")
    assert run.code == 0, run.err
    assert one.logs_in() and one.logs_in(url) is None


def test_what_the_role_had_is_the_owners(one: Shop) -> None:
    run = adopted(one)
    assert "1 function, 1 schema, 1 sequence, 1 table, 1 view" in run.out
    assert owners(one) == {one.name + "_owner"}
    with closing(pod(one)) as session:
        session.execute("CREATE TABLE stock.later ()")
    assert owners(one) == {one.name + "_owner"}


def test_once_more_all_is_as_it_is(one: Shop) -> None:
    adopted(one)
    again = adopted(one)
    assert "as it is" in again.out and "changed" not in again.out


def test_pods_write_all_the_while(one: Shop) -> None:
    url, failed = one.value("DATABASE_URL"), []

    def write(over: Event) -> None:
        while not over.is_set():
            try:
                with closing(pod(one, url)) as session:
                    session.execute("INSERT INTO stock.item (name) VALUES ('nut')")
            except psycopg.Error as error:
                failed.append(error)

    with beside(write):
        wait_until(lambda: count(one) > 0, "the first row")
        run = adopt(one)
        adopted = count(one)
        wait_until(lambda: count(one) > adopted + 1, "a row of after it")
    assert run.code == 0 and failed == []


def count(one: Shop) -> int:
    """How many items there are."""
    (found,) = ask(one, "SELECT count(*) FROM stock.item")
    return int(found)


def test_a_superusers_url_is_a_way_in(make: Make, postgres18: Server) -> None:
    place = {"host": "127.0.0.1", "port": postgres18.port, "path": "postgres",
             "scheme": "postgresql", "query": {"sslmode": "disable"}}  # fmt: skip
    login = {"user": "admin", "password": "$(ADMIN_PASSWORD)"}
    one = make(postgres18, ADMIN_PASSWORD={"generate": {"password": {}}},
               ADMIN_URL={"derive": {"url": {**place, **login}}})  # fmt: skip
    one.server.role("admin", one.repo.canary(one.value("ADMIN_PASSWORD")), "SUPERUSER LOGIN")
    for words in ("changed", "as it is"):
        run = one.postgres("adopt", "POSTGRES_PASSWORD", "--as", "ADMIN_URL")
        assert run.code == 0 and words in run.out, run.err
    assert owners(one) == {one.name + "_owner"}


def test_a_dry_run_changes_nothing(one: Shop) -> None:
    run = adopted(one, "--dry-run")
    assert "1 table" in run.out and "changed" not in run.out
    assert owners(one) == {one.roles[0]}
    assert one.name + "_owner" not in ask(one, "SELECT rolname FROM pg_roles")


BY_NAME = SQL("""
CREATE SCHEMA hr;
CREATE TABLE hr.person (name text, pay int);
INSERT INTO hr.person VALUES ('ann', 1), ('bob', 2);
ALTER TABLE hr.person ENABLE ROW LEVEL SECURITY;
CREATE POLICY "Mine" ON hr.person TO {0} USING (name <> 'bob');
GRANT USAGE ON SCHEMA hr TO {0};
GRANT SELECT (name) ON hr.person TO {0};
ALTER DEFAULT PRIVILEGES IN SCHEMA hr GRANT SELECT ON TABLES TO {0};
GRANT pg_monitor TO {0};
GRANT SET ON PARAMETER log_min_duration_statement TO {0};
""")


def test_what_goes_by_name_goes_by_the_owners_too(one: Shop) -> None:
    one.server.owner_run(BY_NAME.format(Identifier(one.roles[0])), one.name)
    assert f"policy Mine on hr.person is {one.name}_owner's too" in adopted(one).out
    one.server.owner_run("CREATE TABLE hr.team ()", one.name)
    with closing(pod(one)) as session:
        assert session.execute("SELECT name FROM hr.person").fetchall() == [("ann",)]
        assert session.execute("SELECT count(*) FROM hr.team").fetchall() == [(0,)]
        assert session.execute("SELECT pg_has_role('pg_monitor', 'USAGE')").fetchall() == [(True,)]
        session.execute("SET log_min_duration_statement = 9")  # which takes a grant
    assert "as it is" in adopted(one).out


DEFAULTS = SQL("""
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {0};
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
ALTER DEFAULT PRIVILEGES IN SCHEMA stock GRANT INSERT ON TABLES TO {0};
""")
LATER = """
CREATE TABLE stock.later ();
CREATE FUNCTION stock.two() RETURNS int LANGUAGE sql AS 'SELECT 2';
"""
MAY = """
SELECT relacl::text FROM pg_class WHERE relname = 'later'
UNION ALL SELECT proacl::text FROM pg_proc WHERE proname = 'two'
"""


def test_default_privileges_are_the_owners_too(one: Shop) -> None:
    reader, owner = one.name + "_reader", one.name + "_owner"
    one.server.role(reader)
    with closing(pod(one)) as session:
        session.execute(DEFAULTS.format(Identifier(reader)))
        adopted(one)
    with closing(pod(one)) as session:
        session.execute(LATER)
    table, function = ask(one, MAY)
    assert f"{reader}=ar/{owner}" in table
    assert function == f"{{{owner}=X/{owner}}}"  # and not PUBLIC
    assert "as it is" in adopted(one).out


def test_the_second_role_starts_as_the_first(one: Shop) -> None:
    role = Identifier(one.roles[0])
    path = SQL("ALTER ROLE {} SET search_path TO stock, \"A b\", 'x'").format(role)
    one.server.owner_run(path)
    adopted(one)
    paths = "SELECT array_remove(rolconfig, {0}) FROM pg_roles WHERE rolname LIKE {1}"
    question = SQL(paths).format(f"role={one.name}_owner", f"{one.name}\\__")
    found = [row[0] for row in one.server.owner_ask(question)]
    assert found == [['search_path=stock, "A b", x']] * 2
    assert "as it is" in adopted(one).out


def test_a_schema_of_the_roles_name_is_still_found(one: Shop) -> None:
    schema = Identifier(one.roles[0])
    with closing(pod(one)) as session:
        session.execute(SQL("CREATE SCHEMA {0}; CREATE TABLE {0}.mine ()").format(schema))
    adopted(one)
    with closing(pod(one)) as session:
        assert session.execute("SELECT * FROM mine").fetchall() == []
    assert "as it is" in adopted(one).out


def test_names_with_capitals_and_quotes(make: Make, postgres18: Server) -> None:
    one = make(postgres18, ROLE_A={"default": 'Shop "x" \'=%'}, ROLE_B={"default": "B\\{}"})
    with closing(pod(one)) as session:
        session.execute('CREATE TABLE stock."Odd ""T" ("Č" int)')
    adopted(one)
    assert owners(one) == {one.name + "_owner"}
    assert one.logs_in() == (one.name + "_owner", one.name)
    assert "as it is" in adopted(one).out


def test_work_that_is_not_committed_is_not_waited_for_long(one: Shop) -> None:
    with closing(pod(one)) as busy, busy.transaction():
        busy.execute("INSERT INTO stock.item (name) VALUES ('nut')")
        begin = time.monotonic()
        run = adopt(one)
        assert run.code == 3 and run.codes == {"db-locked"}
        assert time.monotonic() - begin < 50  # psql itself is given up after a minute
    assert owners(one) == {one.roles[0]}
    assert one.name + "_owner" not in ask(one, ROLES)
    assert ask(one, "SELECT name FROM stock.item") == ["nut"]


# What waits for a table, or has one or its like for itself.
LOCKS = """SELECT relation::regclass::text FROM pg_locks WHERE granted = {0}
AND mode = 'AccessExclusiveLock' AND relation >= 16384
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


def locks(one: Shop, *, granted: bool) -> list[Any]:
    return [row[0] for row in one.server.owner_ask(SQL(LOCKS).format(granted), one.name)]


def test_while_it_waits_for_a_table_it_holds_nothing_that_its_writer_wants_next(one: Shop) -> None:
    """Such as the sequence of a serial column: each would wait for the other."""
    with closing(pod(one)) as busy, busy.transaction(), ThreadPoolExecutor() as pool:
        busy.execute("LOCK TABLE stock.item IN ROW EXCLUSIVE MODE")  # as INSERT does first
        run = pool.submit(adopt, one)
        wait_until(lambda: run.done() or bool(locks(one, granted=False)), "the wait for a table")
        assert locks(one, granted=True) == []
        busy.execute("INSERT INTO stock.item (name) VALUES ('nut')")
        assert run.result().codes == {"db-locked"}


NO_POLICY = """
CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
CREATE EVENT TRIGGER no ON ddl_command_end WHEN TAG IN ('ALTER POLICY') EXECUTE FUNCTION no();
"""


def test_a_failure_halfway_leaves_nothing(make: Make, postgres18: Server) -> None:
    one = make(postgres18)
    one.server.owner_run(BY_NAME.format(Identifier(one.roles[0])), one.name)
    one.server.owner_run(NO_POLICY, one.name)
    run = adopt(one)
    assert run.code == 3 and run.codes == {"db-failed"}
    assert owners(one) == {one.roles[0]}
    assert one.name + "_owner" not in ask(one, ROLES)


def test_a_failure_in_the_second_database_leaves_the_role_as_useful(one: Shop) -> None:
    one.server.database(other := one.name + "_other")
    one.server.owner_run(BY_NAME.format(Identifier(one.roles[0])), other)
    one.server.owner_run(NO_POLICY, other)
    run = adopt(one, "--database", other)
    assert run.code == 6 and run.codes == {"db-failed", "adopt-halfway"}
    assert f"adopted in {one.name} and not yet in {other}" in run.err
    assert one.logs_in() == (one.roles[0], one.name)
    with closing(pod(one)) as session:
        session.execute("INSERT INTO stock.item (name) VALUES ('nut')")
    one.server.owner_run("DROP EVENT TRIGGER no", other)
    adopted(one, "--database", other)
    assert one.logs_in() == (one.name + "_owner", one.name)


def test_a_role_that_is_none_of_the_two_goes_on(one: Shop) -> None:
    old = one.name + "_old"
    one.server.owner_run(SQL("ALTER ROLE {} RENAME TO {}").format(
        Identifier(one.roles[0]), Identifier(old)))  # fmt: skip
    one.server.change(old, password := one.repo.canary())
    run = adopted(one, "--role", old)
    assert f'ALTER ROLE "{old}" NOLOGIN PASSWORD NULL' in run.out
    with closing(pod(one, one.server.url(old, password, one.name))) as session:
        session.execute("CREATE TABLE stock.later ()")
    assert owners(one) == {one.name + "_owner"}
    one.bootstrap()
    assert one.postgres("apply").code == 0
    assert one.logs_in() == (one.name + "_owner", one.name)


def test_of_a_superuser_goes_what_the_application_made(one: Shop) -> None:
    for each in ("SCHEMA", "TABLE", "VIEW", "FUNCTION", "DATABASE"):
        name = {"SCHEMA": "stock", "TABLE": "stock.item", "VIEW": "stock.name",
                "FUNCTION": "stock.one()", "DATABASE": one.name}[each]  # fmt: skip
        one.server.owner_run(f"ALTER {each} {name} OWNER TO owner", one.name)
    one.server.owner_run(SQL("DROP ROLE {}").format(Identifier(one.roles[0])))
    one.server.owner_run(KEPT, one.name)
    run = adopted(one, "--role", "owner")
    assert "stay owner's" in run.err and "function stock.sudo()" in run.err
    assert owners(one) == {one.name + "_owner"}
    one.bootstrap()
    assert one.postgres("apply").code == 0
    assert one.logs_in() == (one.name + "_owner", one.name)
    assert "as it is" in adopted(one, "--role", "owner").out


KEPT = """
CREATE FUNCTION stock.sudo() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';
CREATE TYPE stock.kind AS ENUM ('a');
CREATE DOMAIN stock.short AS text;
CREATE TYPE stock.span AS RANGE (subtype = int4);
CREATE AGGREGATE stock.total(int) (SFUNC = int4pl, STYPE = int);
CREATE MATERIALIZED VIEW stock.copy AS SELECT * FROM stock.item;
CREATE STATISTICS stock.both ON id, name FROM stock.item;
CREATE OPERATOR stock.@@@ (LEFTARG = int, RIGHTARG = int, FUNCTION = int4pl);
CREATE TEXT SEARCH CONFIGURATION stock.words (COPY = simple);
SELECT lo_create(0);
"""


def test_what_is_refused_says_what_to_do(make: Make, postgres18: Server) -> None:
    one = make(postgres18)
    for verb in ("bootstrap", "apply"):
        run = one.postgres(verb, "--via", one.via)
        assert run.code == 5 and run.codes == {"db-adopt"}
        assert (
            f"sopsmith postgres adopt -e production POSTGRES_PASSWORD --role {one.name}_a"
            in run.err
        )
    missing = adopt(one, "--role", "nobody")
    assert missing.codes == {"db-adopt"} and "--role NAME" in missing.err
    assert owners(one) == {one.roles[0]}


def test_another_owner_of_the_passwords_is_left_alone(make: Make, postgres18: Server) -> None:
    one = make(postgres18)
    with foreign(one.server):
        run = adopt(one)
    assert run.code == 5 and run.codes == {"foreign-owner"}
    assert owners(one) == {one.roles[0]}


@contextmanager
def foreign(server: Server) -> Iterator[None]:
    """The roles of another manager, for as long as it takes."""
    server.owner_run("CREATE ROLE robot_zmon; CREATE ROLE cron_admin")
    try:
        yield
    finally:
        server.owner_run("DROP ROLE robot_zmon; DROP ROLE cron_admin")


def test_what_it_has_where_nobody_looks_stops_it(make: Make, postgres18: Server) -> None:
    one = make(postgres18)
    one.server.database(other := one.name + "_other")
    give = SQL("CREATE SCHEMA far AUTHORIZATION {}").format(Identifier(one.roles[0]))
    one.server.owner_run(give, other)
    run = adopt(one, "--yes")
    assert run.code == 5 and run.codes == {"db-adopt"} and f"--leave {other}" in run.err
    assert owners(one) == {one.roles[0]}
    assert "which the application loses" in adopted(one, "--leave", other).err
    assert owners(one) == {one.name + "_owner"} and "as it is" in adopted(one).out


def test_what_no_command_moves_is_named(make: Make, postgres18: Server) -> None:
    one = make(postgres18)
    one.server.database(other := one.name + "_other")
    one.server.owner_run(SQL("CREATE SCHEMA far AUTHORIZATION {}").format(
        Identifier(one.roles[0])), other)  # fmt: skip
    with closing(pod(one)) as session:
        session.execute("ALTER TABLE stock.item ADD who text DEFAULT session_user")
    run = adopted(one, "--dry-run", "--output", "json")
    told = "\n".join(run.document["warnings"])
    assert f"--database {other}" in told and "default value for stock.item.who" in told
    done = adopted(one, "--database", other, "--output", "json").document
    assert [each["database"] for each in done["steps"]] == [one.name, other] and done["done"]
    assert "as it is" in adopted(one, "--database", other).out


TRAP = SQL("""
CREATE SCHEMA trap;
CREATE FUNCTION trap.pg_is_in_recovery() RETURNS bool LANGUAGE plpgsql AS $$
BEGIN ALTER ROLE {0} SUPERUSER; RETURN false; END $$;
ALTER DATABASE {1} SET search_path TO trap, pg_catalog;
""")


@pytest.mark.parametrize("argv", [["adopt"], ["bootstrap"], ["status", "--no-cluster"]])
def test_no_function_of_a_databases_owner_runs_as_superuser(one: Shop, argv: list[str]) -> None:
    with closing(pod(one)) as session:
        session.execute(TRAP.format(Identifier(one.roles[0]), Identifier(one.name)))
    one.postgres(*argv, "--via", one.via)
    mine = f"{ROLES} WHERE rolsuper AND rolname LIKE current_database() || '%'"
    assert ask(one, mine) == []
