"""What is changed on a server, and what is taken back."""

from __future__ import annotations

from sopsmith.postgres import plan, scram, statements
from sopsmith.postgres.observation import Mark, Observed, Seen, nothing
from tests.unit.postgres.test_recovery import IDENTITY, account

ONE = account(2, roles=("shop",))
OLD = Mark(*IDENTITY, "a", 1, None).text
OPEN = Seen(True, False, True, (), None, OLD, (), has_login=True)


def server(**roles: Seen) -> Observed:
    return nothing()._replace(roles=roles)


def undone(was: Seen) -> str:
    return "; ".join(plan.sql(plan.undo(ONE, server(shop=was), scram.steady_verifier)))


def test_what_is_taken_back_is_what_was_applied() -> None:
    guard = statements.unchanged("shop", Mark(*IDENTITY, "a", 2, None).text)
    assert undone(OPEN).startswith(guard) and undone(OPEN).endswith(statements.mark("shop", OLD))


def test_what_had_expired_is_not_made_anew() -> None:
    assert undone(OPEN._replace(can_log_in=False)) == ""
    assert "NOLOGIN" in undone(OPEN._replace(can_log_in=False, has_login=False))


def test_who_has_only_expired_is_closed() -> None:
    former = OPEN._replace(can_log_in=False, comment=None)
    owner = Seen(False, False, True, (), None, Mark(*IDENTITY, "b", 2, None).text, ())
    made = plan.retire(account(2, "b"), server(shop_a=former, owner=owner), ())
    assert plan.words(made) == ("shop_a is closed",)
    closed = former._replace(has_login=False)
    assert plan.retire(account(2, "b"), server(shop_a=closed, owner=owner), ()) == ()
