"""`sopsmith postgres`: a real server and a recipe, from the first role to a rotation's end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.database import Shop, mounted, shop
from tests.repository import Repo
from tests.servers import Server, heard

Make = Callable[..., Shop]


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    """Makes the application; in the end the server has heard no password."""
    made: list[Shop] = []

    def one(strategy: str = "alternating", server: Server = postgres18, **values: Any) -> Shop:
        made.append(shop(repo, server, strategy, **values))
        return made[-1]

    yield one
    for each in made:
        assert heard(each.server, repo.canaries) == []


def test_a_database_gets_its_roles_and_then_a_password(make: Make) -> None:
    one = make()
    one.bootstrap()
    run = one.postgres("apply")
    assert run.code == 0, run.err
    assert one.logs_in() == (one.name + "_owner", one.name)
    again = one.postgres("apply")
    assert again.code == 0 and "changed" not in again.out


def test_a_rotation_takes_the_other_role_and_the_former_stays(make: Make) -> None:
    one = make()
    one.bootstrap()
    before = one.value("DATABASE_URL")
    one.rotate()
    assert one.leaf()["POSTGRES_PASSWORD"]["slot"] == "b"
    assert one.logs_in() is None
    run = one.postgres("apply")
    assert run.code == 0, run.err
    assert one.logs_in() and one.logs_in(before)
    assert one.roles[1] in one.value("DATABASE_URL")
