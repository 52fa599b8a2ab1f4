"""What a superuser does once, and to whom not."""

from __future__ import annotations

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.postgres import endpoint, first_time, plan, scram
from sopsmith.postgres.observation import Database, Mark, Observed, Seen, nothing
from tests.unit.postgres.test_recovery import account

ONE = account(1)._replace(rotator=endpoint.parse("postgresql://turner:secret@db/shop"))
ROTATOR = Seen(True, False, True, (), None, None, (), verifier=scram.steady_verifier("old", "x"))


def server(rotator: Seen) -> Observed:
    return nothing()._replace(roles={"turner": rotator})


def done(rotator: Seen) -> str:
    return ", ".join(plan.words(first_time.bootstrap(ONE, server(rotator), scram.steady_verifier)))


def test_a_rotator_that_has_its_password_keeps_it() -> None:
    assert "turner was there, and gets the password of its URL" in done(ROTATOR)
    known = ROTATOR._replace(verifier=scram.steady_verifier("secret", "turner"))
    assert "turner may change passwords" in done(known) and "its URL" not in done(known)


@pytest.mark.parametrize(
    "stranger",
    [{"is_superuser": True}, {"comment": Mark("blog", "test", "PASSWORD", "a", 3, None).text}],
)
def test_who_is_something_else_is_no_rotator(stranger: dict[str, object]) -> None:
    with pytest.raises(SopsmithError, match="db-privilege|db-other-app"):
        done(ROTATOR._replace(**stranger))  # type: ignore[arg-type]


def test_a_database_that_two_share_is_taken_from_neither() -> None:
    mine = ONE._replace(
        owner="reports", urls={"URL": endpoint.parse("postgresql://shop_a:p@db/shop")}
    )
    seen = nothing()._replace(databases={"shop": Database("owner", is_superusers=False)})
    (shared,) = first_time.shortcomings(mine, seen, [mine, mine._replace(owner="owner")])
    assert shared.endswith('in it, GRANT CREATE ON SCHEMA public TO "reports"')
    (taken,) = first_time.shortcomings(mine, seen, [mine])
    assert taken.endswith('ALTER DATABASE "shop" OWNER TO "reports"')
