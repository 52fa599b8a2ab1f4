"""What a server was last made to accept, beside what git says now."""

from __future__ import annotations

from sopsmith.postgres import applied
from sopsmith.postgres.observation import Mark
from tests.unit.postgres.test_recovery import IDENTITY, account

ONE = account(3, "a")


def mark(slot: str, version: int) -> Mark:
    return Mark(*IDENTITY, slot, version, None)


def test_where_git_is_ahead_the_other_role_serves() -> None:
    before = applied.served(ONE, mark("b", 2))
    assert (before.active, before.now.version, list(before.urls)) == ("shop_b", 2, ["URL"])
    older = applied.served(ONE, mark("b", 1))
    assert (older.active, older.now.version, older.urls) == ("shop_b", 1, {})


def test_else_what_git_says_does() -> None:
    assert applied.served(ONE, None) is ONE
    assert applied.served(ONE, mark("a", 1)) is ONE
    assert applied.served(ONE, mark("b", 4)) is ONE
    first = ONE._replace(before=None)
    assert applied.served(first, mark("b", 2)) is first
