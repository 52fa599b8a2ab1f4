"""Which version of a password a real server holds, however git and it came apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from sopsmith.postgres.versions import PROBES
from tests.database import Shop, mounted, shop
from tests.repository import Repo
from tests.servers import Server, heard

LEAF = "overlay/recipe.yaml"


@pytest.fixture
def one(repo: Repo, postgres18: Server) -> Iterator[Shop]:
    """An application whose password is changed in place; the server hears none."""
    made = shop(repo, postgres18, "in-place")
    made.bootstrap()
    yield made
    assert heard(postgres18, repo.canaries) == []


def raise_to(one: Shop, version: int) -> None:
    """Git says this version, and nothing of the one before."""
    document = json.loads((one.repo.path / LEAF).read_text())
    document["spec"]["values"]["POSTGRES_PASSWORD"]["version"] = version
    one.repo.write(LEAF, json.dumps(document))


def refusals(one: Shop, role: str = "a") -> int:
    """How often the server has refused the application's role, or another."""
    return one.server.log().count(f'authentication failed for user "{one.name}_{role}"')


def found(one: Shop, verb: str, *argv: str) -> dict[str, Any]:
    """What is told about the application's password."""
    run = one.postgres(verb, *argv, "--output", "json")
    tree = run.document["urls"] if verb == "check" else run.document
    return next(
        e for e in tree if "DATABASE_URL" in e.values() or "POSTGRES_PASSWORD" in e.values()
    )


def test_rotations_that_nobody_applied_are_counted_back(one: Shop) -> None:
    one.rotate()
    one.rotate()
    run = one.postgres("check")
    assert run.code == 1
    assert "wrong password: the database holds version 1; git says version 3 [db-login]" in run.out
    assert "sopsmith postgres recover -e production" in run.out
    role = f"{one.name}_a"
    assert found(one, "check")["holds"] == {"role": role, "version": 1, "git": 3}
    assert one.postgres("recover", "--no-cluster").code == 0
    assert one.postgres("check").code == 0


def test_the_previous_version_needs_no_more_than_apply(one: Shop) -> None:
    one.rotate()
    run = one.postgres("check")
    assert "the database holds version 1; git says version 2 [db-login]" in run.out
    assert "sopsmith postgres apply -e production" in run.out


def test_after_a_revert_the_database_is_ahead(one: Shop) -> None:
    text = (one.repo.path / LEAF).read_text()
    for _ in range(3):
        one.rotate()
        assert one.postgres("apply").code == 0
    one.repo.write(LEAF, text)  # as git revert does
    run = one.postgres("check")
    assert run.code == 1 and "the database holds version 4; git says version 1" in run.out


def test_what_was_applied_last_is_tried_first(one: Shop) -> None:
    raise_to(one, 30)
    before = refusals(one)
    assert found(one, "check")["holds"]["version"] == 1  # the role's comment says it
    assert refusals(one) == before + 1


def test_a_stranger_costs_few_logins(one: Shop) -> None:
    raise_to(one, 30)
    one.server.change(f"{one.name}_a", one.repo.canary())
    before = refusals(one)
    run = one.postgres("check")
    assert run.code == 1 and f"no other version fits either ({PROBES} tried)" in run.out
    assert refusals(one) == before + 1 + PROBES


def test_while_it_waits_it_tries_no_version(one: Shop) -> None:
    raise_to(one, 30)
    one.server.change(f"{one.name}_a", one.repo.canary())
    before = refusals(one)
    run = one.postgres("check", "--wait", "3s")
    tries = refusals(one) - before - PROBES
    assert run.code == 1 and 2 <= tries <= 5


def test_a_login_that_has_two_names_is_tried_once(one: Shop) -> None:
    folder = str(mounted(one))
    one.server.change(f"{one.name}_rotator", one.repo.canary())
    run = one.postgres("check", "--from", folder)
    assert run.code == 1 and "ROTATOR_URL" in run.out and "POSTGRES_PASSWORD.rotator" in run.out
    assert refusals(one, "rotator") == 1


def test_a_verifier_tells_it_without_a_login(one: Shop) -> None:
    one.server.owner_run(f"COMMENT ON ROLE {one.name}_a IS NULL")
    raise_to(one, 120)
    before = refusals(one)
    shown = found(one, "status", "--no-cluster", "--via", one.via)
    assert (shown["roles"][0]["holds"], shown["roles"][0]["version"]) == ("another", 1)
    assert "version 1 " in one.postgres("status", "--no-cluster", "--via", one.via).out
    assert refusals(one) == before


def test_status_asks_the_role_where_nothing_else_tells(one: Shop) -> None:
    one.rotate()
    one.rotate()
    shown = found(one, "status", "--no-cluster")
    assert shown["roles"][0]["version"] == 1


def test_a_server_that_does_not_answer_is_asked_nothing_more(one: Shop) -> None:
    one.repo.edit(LEAF, lambda text: text.replace(str(one.server.port), "1"))
    run = one.postgres("check")
    assert run.code == 3 and "unreachable" in run.out and "version" not in run.out


def test_without_a_key_the_document_is_all_that_is_known(one: Shop) -> None:
    one.rotate()
    one.rotate()
    folder = str(mounted(one))
    run = one.postgres("check", "--from", folder, SOPS_AGE_KEY_FILE=None)
    assert run.code == 1 and "no other version fits either (1 tried)" in run.out


def test_the_role_of_before_has_it_where_two_take_turns(repo: Repo, postgres18: Server) -> None:
    one = shop(repo, postgres18)
    one.bootstrap()
    for _ in range(3):
        one.rotate()
    run = one.postgres("check")
    assert f"the database holds version 1, of {one.roles[0]}; git says version 4" in run.out
