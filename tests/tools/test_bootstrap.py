"""`sopsmith postgres bootstrap` says what is so of the databases, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.database import Make, Shop, shops
from tests.repository import Repo, Run
from tests.servers import Server


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    with shops(repo, postgres18) as made:
        yield made


def bootstrap(one: Shop, *flags: str) -> Run:
    """By a command that does not need the database of the application."""
    elsewhere = one.via.replace(f"-d {one.name}", "-d postgres")
    run = one.postgres("bootstrap", "--via", elsewhere, *flags)
    assert run.code == 0, run.err
    return run


def can_create(one: Shop) -> bool:
    with psycopg.connect(one.value("DATABASE_URL")) as session:
        try:
            session.execute("CREATE TABLE made ()")
        except psycopg.errors.InsufficientPrivilege:
            return False
    return True


@pytest.fixture
def of_somebody(make: Make) -> Shop:
    """A database that was made for another role than a superuser."""
    one = make()
    one.server.role(f"{one.name}_somebody")
    one.server.owner_run(f"ALTER DATABASE {one.name} OWNER TO {one.name}_somebody")
    return one


def test_the_owner_gets_a_database_that_a_superuser_has(make: Make) -> None:
    one = make()
    for _ in range(2):
        run = bootstrap(one)
        assert f"{one.name}_owner owns {one.name}\n" in run.out and "warning" not in run.err
    assert can_create(one) and "warning" not in one.postgres("check").out.split("checked")[0]


def test_a_database_that_is_not_there_is_told_with_what_makes_it(make: Make) -> None:
    one = make()
    one.server.owner_run(f"DROP DATABASE {one.name}")
    run = bootstrap(one)
    made = f'CREATE DATABASE "{one.name}" OWNER "{one.name}_owner"'
    assert "owns" not in run.out
    assert f"there is no database {one.name}, so nobody can log in to it: {made}\n" in run.err
    assert run.err.count("CREATE DATABASE") == 1  # though the rotator's URL names it too
    one.server.owner_run(made)
    assert one.postgres("apply").code == 0 and can_create(one)


@pytest.mark.parametrize("verb", ["status", "recover", "apply", "check"])
def test_where_it_is_not_there_nothing_else_is_advised(make: Make, verb: str) -> None:
    one = make()
    bootstrap(one)
    one.server.owner_run(f"DROP DATABASE {one.name}")
    run = one.postgres(verb, *(() if verb in ("apply", "check") else ("--no-cluster",)))
    said = run.out + run.err
    assert run.code == 1 and "[db-login]" in said
    assert "create it, or correct the URL's path" in said and "--via" not in said


def test_a_database_of_somebody_stays_theirs_and_that_is_told(of_somebody: Shop) -> None:
    one = of_somebody
    run = bootstrap(one)
    given = f'ALTER DATABASE "{one.name}" OWNER TO "{one.name}_owner"'
    assert "owns" not in run.out and given in run.err
    assert f"the database {one.name} belongs to {one.name}_somebody, so" in run.err
    assert bootstrap(one, "--output", "json").document["warnings"] == [
        run.err.removeprefix("sopsmith: warning: ").removesuffix("\n")
    ]
    one.server.owner_run(given)
    assert "warning" not in bootstrap(one).err and can_create(one)


def test_check_says_that_the_owner_may_create_nothing(of_somebody: Shop) -> None:
    one = of_somebody
    bootstrap(one)
    assert one.postgres("apply").code == 0 and not can_create(one)
    run = one.postgres("check")
    assert run.code == 0 and "[db-owner]" in run.out
    assert f"{one.name}_owner may create nothing in {one.name}" in run.out
    one.server.owner_run(f"GRANT CREATE ON SCHEMA public TO {one.name}_owner", one.name)
    assert "[db-owner]" not in one.postgres("check").out


def test_that_a_rotator_is_nearly_a_superuser_is_told_where_there_is_one(
    make: Make, postgres15: Server
) -> None:
    words = "before PostgreSQL 16 CREATEROLE is nearly a superuser"
    assert words in bootstrap(make(server=postgres15)).err
    password: dict[str, object] = {"generate": {"password": {}}}
    one = make(server=postgres15, ROTATOR_PASSWORD=password,
               POSTGRES_PASSWORD={**password, "role": {"strategy": "in-place"}},
               ROLES={"derive": {"rolesOf": ["POSTGRES_PASSWORD"]}})  # fmt: skip
    run = bootstrap(one)
    assert words not in run.err and f"{one.name}_a is made" in run.out
