"""A superuser that the application was: its password is one that no rotation takes away."""

from __future__ import annotations

from collections.abc import Iterator
from secrets import token_hex

import pytest

from tests.database import Make, Shop, shops
from tests.repository import Repo, Run
from tests.servers import Server


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    """Makes applications on a server whose superusers are gone in the end."""
    with shops(repo, postgres18) as made:
        yield made
    for (name,) in postgres18.owner_ask("SELECT rolname FROM pg_roles WHERE rolname LIKE '%\\_su'"):
        postgres18.owner_run(f"ALTER ROLE {name} NOSUPERUSER NOLOGIN PASSWORD NULL")


def image(one: Shop, password: str) -> str:
    """What PostgreSQL's image makes of POSTGRES_USER and POSTGRES_PASSWORD, and its name."""
    one.server.role(name := f"{one.name}_su", password, "SUPERUSER LOGIN")
    one.server.owner_run(f"ALTER DATABASE {one.name} OWNER TO {name}")
    return name


@pytest.fixture
def one(make: Make) -> Shop:
    """The application's database was made by a superuser with the application's password."""
    made = make()
    image(made, made.value("POSTGRES_PASSWORD"))
    return made


def adopted(one: Shop, *argv: str) -> Run:
    run = one.postgres(
        "adopt", "POSTGRES_PASSWORD", "--role", f"{one.name}_su", "--via", one.via, *argv
    )
    assert run.code == 0, run.err
    return run


def taken_over(one: Shop) -> Run:
    """Adopted, and the two roles are there."""
    run = adopted(one)
    one.bootstrap()
    assert one.postgres("apply").code == 0
    return run


def status(one: Shop, *argv: str) -> Run:
    run = one.postgres("status", "--no-cluster", *argv)
    assert run.code in (0, 1), run.err  # 1: the other of the two waits to be closed
    return run


def said(one: Shop, what: str = "version 1") -> str:
    name = f"{one.name}_su"
    return f"{name}, a superuser, has {what} of POSTGRES_PASSWORD, and no rotation takes it away"


def test_adopt_says_that_the_superuser_keeps_the_password_and_what_ends_that(one: Shop) -> None:
    run = adopted(one)
    assert said(one) in run.err
    assert f'\\password "{one.name}_su" in psql' in run.out
    assert f'ALTER ROLE "{one.name}_su" PASSWORD NULL' in run.out
    again = adopted(one, "--output", "json").document
    assert again["steps"] == [] and again["warnings"] == [said(one)]


def test_status_names_it_after_the_rotation_until_it_has_another(one: Shop) -> None:
    taken_over(one)
    before = one.value("POSTGRES_PASSWORD")
    one.rotate()
    assert one.postgres("apply").code == 0
    ways = ((), ("--via", one.via))  # by a login, and by the verifier
    assert all(said(one) in status(one, *argv).err for argv in ways)
    assert one.logs_in(one.server.url(f"{one.name}_su", before, one.name))
    one.server.change(f"{one.name}_su", one.repo.canary(token_hex(16)))
    assert not any("superuser" in status(one, *argv).err for argv in ways)


def test_bootstrap_and_check_name_it_too(one: Shop) -> None:
    taken_over(one)
    run = one.postgres("bootstrap", "--via", one.via)
    assert run.code == 0 and said(one) in run.err and "\\password" in run.err
    check = one.postgres("check")
    assert check.code == 0 and "[db-superuser]" in check.out and said(one) in check.out
    (found,) = one.postgres("check", "--output", "json").document["findings"]
    assert found["code"] == "db-superuser"
    assert status(one, "--output", "json").document[1]["warnings"] != []


def test_bootstrap_takes_the_note_away_once_it_has_another_password(one: Shop) -> None:
    taken_over(one)
    one.server.change(name := f"{one.name}_su", one.repo.canary(token_hex(16)))
    again = one.postgres("bootstrap", "--via", one.via)
    assert f"{name} is noted to have no password of POSTGRES_PASSWORD any more" in again.out
    heard = len(one.server.log())
    for verb in ("status", "check"):
        run = one.postgres(verb, *(() if verb == "check" else ("--no-cluster",)))
        assert run.code == 0 and "superuser" not in run.out + run.err
    assert name not in one.server.log()[heard:]  # nobody tries its password any more


def test_a_superuser_with_a_password_of_its_own_is_no_alarm(make: Make) -> None:
    one = make()
    name = image(one, one.repo.canary(token_hex(16)))
    run = taken_over(one)
    assert "and no rotation takes it away" not in run.err and "is noted" not in run.out
    heard = len(one.server.log())
    for argv in (("status", "--no-cluster"), ("status", "--no-cluster", "--via", one.via),
                 ("check",), ("bootstrap", "--via", one.via)):  # fmt: skip
        run = one.postgres(*argv)
        assert run.code == 0 and "superuser" not in run.out + run.err
    assert f'authentication failed for user "{name}"' not in one.server.log()[heard:]


def test_a_comment_of_somebodys_stays(one: Shop) -> None:
    name = f"{one.name}_su"
    one.server.owner_run(f"COMMENT ON ROLE {name} IS 'ours'")
    taken_over(one)
    kept = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = "
    assert one.server.owner_ask(f"{kept}'{name}'") == [("ours",)]
    assert said(one) in status(one, "--via", one.via).err


def test_a_superuser_without_a_password_is_said_to_have_none(one: Shop) -> None:
    name = f"{one.name}_su"
    one.server.owner_run(f"ALTER ROLE {name} PASSWORD NULL")
    assert f"{name} stays a superuser, and has no password" in adopted(one).out
