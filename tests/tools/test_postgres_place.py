"""A look that saw nothing of the application, and a real server: it closes and replaces nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from sopsmith.database import recovering, retiring, ways
from sopsmith.database.consuming import Cluster
from sopsmith.database.standing import standing
from sopsmith.errors import SopsmithError
from sopsmith.postgres import account
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live, Place
from tests.database import Make, Shop, shops
from tests.repository import Repo
from tests.servers import Server


class Elsewhere(Cluster):
    """A namespace that is none of the application's."""

    def live(self) -> Live:
        """What runs there."""
        return Live((), (), (), {}, Place("shpo", None))


ELSEWHERE = Elsewhere(None, is_asked=True)


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    """Makes applications."""
    with shops(repo, postgres18) as made:
        yield made


def rotated(make: Make, strategy: str) -> tuple[Shop, str, Account]:
    """An application that has rotated, its URL of before, and what git says now."""
    one = make(strategy)
    one.bootstrap()
    assert one.postgres("apply").code == 0
    before = one.value("DATABASE_URL")
    one.rotate()
    return one, before, account.read(one.value("ROLES").encode())[1]


def recover(one: Account) -> None:
    """As `sopsmith postgres recover` does."""
    found = standing(one, ways.real({}), ELSEWHERE.live())
    recovering.recover(found, ways.real({}), ELSEWHERE.users, grace=0, now=time.monotonic)


def test_what_it_left_stays_open(make: Make) -> None:
    one, before, mine = rotated(make, "alternating")
    assert one.postgres("apply").code == 0
    for act in (
        lambda: recover(mine),
        lambda: retiring.retire(mine, ways.real({}), ELSEWHERE.users, grace=0, now=time.monotonic),
    ):
        with pytest.raises(SopsmithError, match="db-unseen"):
            act()
    assert one.logs_in(before) and one.logs_in()


def test_in_place_what_pods_may_hold_stays(make: Make) -> None:
    one, before, mine = rotated(make, "in-place")
    with pytest.raises(SopsmithError, match="db-unseen"):
        recover(mine)
    assert one.logs_in(before)
