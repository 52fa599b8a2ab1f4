"""What to do where git, the database and the cluster differ; each was found by random operators."""

from __future__ import annotations

from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.model import Sensitive
from sopsmith.postgres import endpoint, readiness, recovery
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.observation import Mark, Observed, Seen, nothing
from sopsmith.postgres.recovery import Holds, LiveSecret, Standing

IDENTITY = ("shop", "test", "PASSWORD")


def account(
    version: int, slot: str = "a", roles: tuple[str, ...] = ("shop_a", "shop_b")
) -> Account:
    active = roles[1 if slot == "b" else 0]
    return Account(
        *IDENTITY, "alternating" if len(roles) == 2 else "in-place", roles, slot,
        "owner" if len(roles) == 2 else None, Secret(version, Sensitive("now")),
        Secret(version - 1, Sensitive("before")),
        {"URL": endpoint.parse(f"postgresql://{active}:now@db/shop")}, None,
    )  # fmt: skip


def served(role: str, slot: str, version: int, lowest: int | None = None) -> Observed:
    """A server whose mark at this role says so."""
    mark = Mark(*IDENTITY, slot, version, lowest).text
    return nothing()._replace(roles={role: Seen(False, False, True, (), None, mark, ())})


def standing(each: Account, seen: Observed, **fields: Any) -> Standing:
    return Standing(
        **{"account": each, "seen": seen, "others": {}, "secrets": (), "consumers": {}, **fields}
    )


def test_in_place_what_works_for_pods_stays_however_far_git_is_ahead() -> None:
    one = account(3, roles=("shop",))
    held = (LiveSecret("shop-1", "shop", "another", logs_in=True),)
    here = standing(one, served("shop", "a", 1), holds={"shop": "another"}, secrets=held)
    assert recovery.decide(here).action == "wait"
    assert recovery.decide(here._replace(secrets=())).action == "apply"


def test_in_place_a_password_that_was_never_applied_is_a_person_s_to_replace() -> None:
    mine = account(1, roles=("shop",))
    rotated = mine._replace(rotator=endpoint.parse("postgresql://rotator:r@db/shop"))
    here = standing(rotated, nothing(), holds={"shop": "another"})
    assert recovery.decide(here).action == "ask" and "apply" in recovery.advice(here)
    with pytest.raises(SopsmithError, match="db-in-use"):
        readiness.is_ready(here)
    assert recovery.decide(here._replace(seen=served("shop", "a", 1))).action == "apply"
    assert recovery.decide(here._replace(account=mine)).action == "apply"  # which notes nothing


def test_in_place_the_cluster_comes_after() -> None:
    held = (LiveSecret("shop-1", "shop", "another", logs_in=False),)
    here = standing(account(3, roles=("shop",)), nothing(), holds={"shop": "now"}, secrets=held)
    assert recovery.decide(here).action == "wait"


def test_before_the_other_role_is_closed_git_s_version_is_what_was_applied_last() -> None:
    """Else `retire` refuses what `recover` decided."""
    holds: dict[str, Holds] = {"shop_a": "now", "shop_b": "another"}
    there = Seen(True, False, True, (), None, None, ())
    for seen, action in (
        (served("owner", "a", 3), "retire"),
        (served("owner", "a", 1), "apply"),  # somebody set the password by hand
        (served("owner", "b", 4), "apply"),  # git went back
        (nothing(), "apply"),
    ):
        here = standing(account(3, "a"), seen, holds=holds)
        here = here._replace(seen=seen._replace(roles={**seen.roles, "shop_b": there}))
        assert recovery.decide(here).action == action
        assert bool(recovery.following(here, recovery.decide(here))) == (action == "apply")


def test_a_closed_role_that_pods_refer_to_is_no_agreement() -> None:
    holds = {"shop_a": "nothing", "shop_b": "now"}
    here = closed(standing(account(2, "b"), nothing(), holds=holds), "shop_a")
    assert recovery.decide(here).action == "none"
    pods = {"shop_a": ("pod one (shop-1)",)}
    assert recovery.decide(here._replace(consumers=pods)).action == "wait"


def closed(here: Standing, role: str) -> Standing:
    """The same with a role as which nobody can log in."""
    there = Seen(False, False, True, (), None, None, ())
    return here._replace(seen=here.seen._replace(roles={**here.seen.roles, role: there}))


def test_what_pods_hold_comes_back_unless_it_was_retired() -> None:
    held = (LiveSecret("shop-1", "shop_a", "before", logs_in=False),)
    holds = {"shop_a": "nothing", "shop_b": "now"}
    pods = {"shop_a": ("pod one (shop-1)",)}
    here = standing(account(2, "b"), served("owner", "b", 2), holds=holds, secrets=held,
                    consumers=pods)  # fmt: skip
    assert recovery.decide(here).action == "reinstate"
    unread = closed(here._replace(consumers={}), "shop_a")
    assert recovery.decide(unread).action == "none"
    retired = here._replace(seen=served("owner", "b", 2, lowest=2))
    assert recovery.decide(retired).action == "wait"


def test_a_role_in_the_way_is_retired_where_nobody_needs_it() -> None:
    here = standing(account(3, "a"), served("owner", "b", 2), holds={})
    assert "postgres retire" in recovery.advice(here)


def test_else_only_the_other_role_helps() -> None:
    needed = {"shop_a": ("Deployment shop (shop-1)",)}
    here = standing(account(3, "a"), served("owner", "b", 2), holds={}, consumers=needed)
    assert "sopsmith rotate" in recovery.advice(here)
    assert "sopsmith rotate" in recovery.advice(here._replace(seen=served("owner", "a", 1)))


def test_a_rotation_does_not_help_where_it_meets_an_open_role() -> None:
    here = standing(account(2, "b"), served("owner", "b", 2), secrets=None,
                    holds={"shop_a": "before", "shop_b": "another"})  # fmt: skip
    assert "ALTER ROLE" in recovery.advice(here)


MARKS = {"none": nothing(), "its own": served("owner", "a", 1), "other": served("owner", "b", 2)}


@pytest.mark.parametrize(
    ("mark", "other", "looked", "alone"),
    [
        ("none", "nothing", "rotate", "rotate"),  # adopted: only its application knows it
        ("none", "before", "replace", "rotate"),
        ("none", "another", "replace", "rotate"),
        ("its own", "nothing", "replace", "rotate"),
        ("its own", "before", "replace", "rotate"),
        ("its own", "another", "replace", "rotate"),
        ("other", "before", "replace", "retire"),
        ("other", "another", "replace", "retire"),
    ],
)
def test_an_unknown_password_is_replaced_only_where_the_cluster_shows_that_nobody_has_it(
    mark: str, other: Holds, looked: str, alone: str
) -> None:
    holds = {"shop_a": "another", "shop_b": other}
    here = standing(account(3, "a"), MARKS[mark], holds=holds)
    assert recovery.decide(here).action == looked
    served = with_session(here, "shop_b") if alone == "retire" else here
    assert recovery.decide(served._replace(secrets=None)).action == alone
    assert recovery.decide(with_session(here, "shop_a")).action == "rotate"


def with_session(here: Standing, role: str) -> Standing:
    """The same with somebody who is logged in as the role."""
    there = Seen(True, False, True, (), None, None, ("web",))
    return here._replace(seen=here.seen._replace(roles={**here.seen.roles, role: there}))


def test_who_was_adopted_gets_the_free_role() -> None:
    holds: dict[str, Holds] = {"shop_a": "another", "shop_b": "nothing"}
    adopted = standing(account(1, "a"), nothing(), holds=holds, secrets=None)
    for here in (adopted, adopted._replace(secrets=()), with_session(adopted, "shop_a")):
        assert readiness.is_ready(here)
        assert "sopsmith postgres rotate PASSWORD -e test --now" in recovery.advice(here)


def test_where_no_role_is_free_a_person_makes_one_so() -> None:
    holds: dict[str, Holds] = {"shop_a": "another", "shop_b": "another"}
    here = standing(account(1, "a"), nothing(), holds=holds, secrets=None)
    assert 'ALTER ROLE "shop_a" NOLOGIN' in recovery.advice(here)
    with pytest.raises(SopsmithError, match="db-in-use"):
        readiness.is_ready(here)


def test_what_pods_may_hold_in_another_form_than_a_url_is_not_replaced() -> None:
    holds = {"shop_a": "another", "shop_b": "nothing"}
    here = standing(account(3, "a"), served("owner", "a", 1), holds=holds)
    assert recovery.decide(here).action == "replace"
    assert recovery.decide(here._replace(hidden=frozenset({"shop_a"}))).action == "rotate"
