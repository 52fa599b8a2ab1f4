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


def said(one: Shop, has: str = "has version 1") -> str:
    name = f"{one.name}_su"
    return f"{name}, a superuser, {has} of POSTGRES_PASSWORD, and no rotation takes it away"


def rotated(one: Shop, *argv: str) -> None:
    """One rotation, to its end."""
    run = one.repo.cli("rotate", *argv)
    assert run.code == 0, run.err
    for name in ("POSTGRES_PASSWORD", "ROTATOR_PASSWORD"):
        one.repo.canary(one.value(name))
    for verb in (("apply",), ("retire", "--no-cluster")):
        run = one.postgres(*verb)
        assert run.code == 0, run.err


def tries(one: Shop, since: int) -> bool:
    """Whether a login as the superuser failed since then."""
    return f'authentication failed for user "{one.name}_su"' in one.server.log()[since:]


def bootstrapped(one: Shop) -> Run:
    run = one.postgres("bootstrap", "--via", one.via)
    assert run.code == 0, run.err
    return run


WAS = "was last seen to have version 1"
NO_MORE = "is noted to have no password of POSTGRES_PASSWORD any more"


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
    assert said(one) in status(one, "--via", one.via).err  # by the verifier
    assert said(one, WAS) in status(one).err  # by the note
    assert one.logs_in(one.server.url(f"{one.name}_su", before, one.name))
    one.server.change(f"{one.name}_su", one.repo.canary(token_hex(16)))
    assert "superuser" not in status(one, "--via", one.via).err


def test_bootstrap_and_check_name_it_too(one: Shop) -> None:
    taken_over(one)
    run = bootstrapped(one)
    assert said(one) in run.err and "\\password" in run.err
    check = one.postgres("check")
    assert check.code == 0 and "[db-superuser]" in check.out and said(one, WAS) in check.out
    (found,) = one.postgres("check", "--output", "json").document["findings"]
    assert found["code"] == "db-superuser"
    assert status(one, "--output", "json").document[1]["warnings"] != []


def test_nobody_tries_its_password_and_bootstrap_ends_the_warning(one: Shop) -> None:
    taken_over(one)
    one.server.change(name := f"{one.name}_su", one.repo.canary(token_hex(16)))
    heard = len(one.server.log())
    for verb in (("status", "--no-cluster"), ("check",)):
        told = one.postgres(*verb)
        assert said(one, WAS) in told.out + told.err
        assert "then, to have it noted, sopsmith postgres bootstrap -e " in told.out + told.err
    assert not tries(one, heard)
    assert f"{name} {NO_MORE}" in bootstrapped(one).out
    for verb in (("status", "--no-cluster"), ("check",)):
        run = one.postgres(*verb)
        assert run.code == 0 and "superuser" not in run.out + run.err


def test_a_password_that_git_can_no_longer_make_still_opens_it(one: Shop) -> None:
    """Its seed is gone, and the next seed's version 1 is another password."""
    first = one.value("POSTGRES_PASSWORD")
    taken_over(one)
    keep_readable(one)
    rotated(one, "--seed")
    rotated(one, "POSTGRES_PASSWORD", "ROTATOR_PASSWORD")
    rotated(one, "--seed")
    heard = len(one.server.log())
    still_told(one)
    assert not tries(one, heard)
    assert one.logs_in(one.server.url(name := f"{one.name}_su", first, one.name))
    one.server.change(name, one.repo.canary(token_hex(16)))
    assert f"{name} {NO_MORE}" in bootstrapped(one).out
    assert "superuser" not in status(one).err + status(one, "--via", one.via).err


def keep_readable(one: Shop) -> None:
    """What a new seed is sealed by."""
    rules = f"creation_rules:\n- path_regex: enc\n  age: {one.repo.recipient}\n"
    one.repo.write(".sops.yaml", rules)


def still_told(one: Shop, has: str = WAS) -> None:
    """By every verb, and `bootstrap` says nothing else."""
    told = [status(one), status(one, "--via", one.via), one.postgres("check"), bootstrapped(one)]
    assert [said(one, has) in each.out + each.err for each in told] == [True] * 4
    assert "is noted" not in told[-1].out


def test_a_stored_password_of_two_rotations_ago_still_opens_it(make: Make) -> None:
    role = {"strategy": "alternating", "rotator": "ROTATOR_URL", "owner": "owner_of_stored"}
    one = make(POSTGRES_PASSWORD={"generate": {"password": {}}, "stored": True, "role": role})
    keep_readable(one)
    assert one.repo.cli("fill").code == 0
    image(one, one.repo.canary(one.value("POSTGRES_PASSWORD")))
    assert said(one, "has the current one") in adopted(one).err
    one.bootstrap()
    assert one.postgres("apply").code == 0
    for _ in range(2):
        rotated(one, "POSTGRES_PASSWORD")
    still_told(one, "was last seen to have a stored version")


def test_a_superuser_with_a_password_of_its_own_is_no_alarm(make: Make) -> None:
    one = make()
    image(one, one.repo.canary(token_hex(16)))
    run = taken_over(one)
    assert "and no rotation takes it away" not in run.err and "is noted" not in run.out
    heard = len(one.server.log())
    for argv in (("status", "--no-cluster"), ("status", "--no-cluster", "--via", one.via),
                 ("check",), ("bootstrap", "--via", one.via)):  # fmt: skip
        run = one.postgres(*argv)
        assert run.code == 0 and "superuser" not in run.out + run.err
    assert not tries(one, heard)


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
