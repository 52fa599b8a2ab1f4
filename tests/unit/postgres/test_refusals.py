"""What must not be touched, and what the reader is told to do instead."""

from __future__ import annotations

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.postgres import refusals
from sopsmith.postgres.observation import Mark, Seen
from tests.unit.postgres.test_recovery import IDENTITY, account, served

ONE = account(3, "a")


def test_what_frees_a_role_depends_on_what_was_applied() -> None:
    def hint(slot: str, version: int) -> str:
        return refusals.freeing(ONE, Mark(*IDENTITY, slot, version, None))

    assert hint("a", 1) == (
        "sopsmith rotate PASSWORD -e test --commit and git push take the other role"
    )
    assert "postgres retire" in hint("b", 2) and "postgres retire" in hint("b", 1)
    assert "postgres recover" in hint("b", 4) and "postgres recover" in refusals.freeing(ONE, None)


def test_what_was_retired_or_is_not_ours_is_not_touched() -> None:
    refusals.check_server(ONE, served("owner", "b", 2, lowest=3))
    with pytest.raises(SopsmithError, match="db-retired"):
        refusals.check_server(ONE, served("owner", "b", 4, lowest=4))
    with pytest.raises(SopsmithError, match="db-other-app"):
        refusals.check_server(ONE._replace(app="blog"), served("owner", "b", 2))


def test_who_may_not_change_a_role_says_so_before_a_change() -> None:
    seen = served("owner", "b", 2)
    foreign = Seen(True, False, False, (), None, None, ())
    less = seen._replace(is_superuser=False, roles={**seen.roles, "shop_a": foreign})
    refusals.check_rights(ONE, less, ())
    with pytest.raises(SopsmithError, match="db-privilege"):
        refusals.check_rights(ONE, less, ("a change",))
