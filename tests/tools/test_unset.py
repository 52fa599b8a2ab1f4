"""Where no role is known: what a database keeps then, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.database import Shop, shops
from tests.repository import Repo
from tests.servers import Server

PLAIN: dict[str, Any] = {"generate": {"password": {}}}
ROLES = {"derive": {"rolesOf": ["ROTATOR_PASSWORD"]}}
TOKEN = '"values": {"TOKEN": {"generate": {"password": {}}}, '
KEEPS = "the running database of DATABASE_URL keeps the password that it has [db-unset]"


@pytest.fixture
def one(repo: Repo, postgres18: Server) -> Iterator[Shop]:
    """What `init` makes: one role, of which the recipe says nothing, and it logs in."""
    with shops(repo, postgres18) as made:
        shop = made("in-place", POSTGRES_PASSWORD=PLAIN, ROLES=ROLES)
        shop.bootstrap()
        postgres18.role(shop.roles[0], shop.value("POSTGRES_PASSWORD"))
        yield shop


def test_who_rotates_it_is_told_and_what_is_advised_sets_it(one: Shop) -> None:
    assert one.logs_in()
    run = one.repo.cli("rotate", "POSTGRES_PASSWORD", "-e", "production")
    assert run.code == 0 and f"POSTGRES_PASSWORD: {KEEPS}" in run.out
    assert "say beside it role: {strategy: in-place}" in run.out and one.logs_in() is None
    plain, with_role = ('"POSTGRES_PASSWORD": {' + each
                        for each in ("", '"role": {"strategy": "in-place"}, '))  # fmt: skip
    one.repo.edit("overlay/recipe.yaml", lambda text: text.replace(plain, with_role, 1))
    assert "postgres apply -e production --via 'COMMAND … psql' sets it" in run.out
    assert one.postgres("apply", "-e", "production", "--via", one.via).code == 0
    assert one.logs_in()


def test_machines_are_told_before_it_is_done(one: Shop) -> None:
    run = one.repo.cli("rotate", "POSTGRES_PASSWORD", "--dry-run", "--output", "json")
    (environment,) = run.document["environments"]
    assert [each["code"] for each in environment["warnings"]] == ["db-unset"]


def test_what_has_a_role_or_no_database_is_rotated_without_a_word(one: Shop) -> None:
    one.repo.edit("overlay/recipe.yaml", lambda text: text.replace('"values": {', TOKEN))
    for name in ("ROTATOR_PASSWORD", "TOKEN"):
        assert "warning" not in one.repo.cli("rotate", name, "--dry-run").out


def test_the_hint_is_the_same_wherever_no_role_is_known(one: Shop) -> None:
    run = one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster")
    assert run.code == 2 and run.codes == {"db-roles"}
    assert "known: ROTATOR_PASSWORD; say beside a password how it is changed: role:" in run.err


def test_a_file_of_roles_that_is_not_there_is_told_as_one(one: Shop) -> None:
    run = one.postgres("apply", "--from", "nothere")
    assert (
        run.code == 3 and run.codes == {"file-unreadable"} and "nothere: does not exist" in run.err
    )
    assert "a folder that holds it as roles.json" in run.err and "relative" not in run.err
