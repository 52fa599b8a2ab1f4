"""What a statement that fails means to who runs the command."""

from __future__ import annotations

import pytest

from sopsmith.database.failures import sql_finding
from sopsmith.postgres.channel import SqlError
from tests.unit.postgres.test_recovery import account

ONE = account(1)


@pytest.mark.parametrize("state", [None, "08006", "57P01"])
def test_only_of_a_change_is_it_unknown_whether_it_was_made(state: str | None) -> None:
    assert sql_finding(ONE, SqlError(state)).code == "db-unreachable"
    assert sql_finding(ONE, SqlError(state), is_change=True).code == "db-unknown"


@pytest.mark.parametrize("state", ["40001", "42710", "23505", "57014", "XX000"])
def test_what_goes_by_is_told_from_what_is_known_of_it(state: str) -> None:
    found = sql_finding(ONE, SqlError(state))
    is_known = state not in ("57014", "XX000")
    assert found.code == "db-locked" and (found.message.startswith("somebody else") is is_known)
