"""Which versions are looked for, and in which order."""

from __future__ import annotations

import pytest

from sopsmith.model import Sensitive
from sopsmith.postgres import scram
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.observation import Mark, Observed, Seen, nothing
from sopsmith.postgres.versions import Search, by_verifier, candidates, nearest


def account(now: int, slot: str = "a", roles: tuple[str, ...] = ("a", "b")) -> Account:
    """An account of this version, whose passwords say which they are."""
    secrets = {n: Secret(n, Sensitive(f"v{n}")) for n in range(1, now + 4)}
    others = tuple(secrets[n] for n in nearest(now) if n != now - 1)
    strategy = "alternating" if len(roles) == 2 else "in-place"
    return Account("shop", "dev", "P", strategy, roles, slot, None, secrets[now],  # type: ignore[arg-type]
                   secrets.get(now - 1), {}, None, others)  # fmt: skip


def order(found: Account, mark: Mark | None = None) -> list[tuple[str, int | None]]:
    return [(each.role, each.secret.version) for each in candidates(found, mark)]


def test_the_nearest_versions_come_first() -> None:
    assert list(nearest(5)) == [4, 6, 3, 7, 2, 8, 1]
    assert list(nearest(1)) == [2, 3, 4]
    assert len(list(nearest(1000))) == 200
    assert max(nearest(1000)) == 1003


def test_one_role_has_the_previous_one_or_the_nearest() -> None:
    assert order(account(5, roles=("a",))) == [("a", n) for n in (4, 6, 3, 7, 2, 8, 1)]


def test_of_two_roles_the_other_has_the_previous_one_and_this_one_every_other() -> None:
    found = order(account(5))
    assert found[:4] == [("b", 4), ("a", 3), ("a", 7), ("a", 1)]
    assert ("a", 5) not in found and ("b", 5) in found and ("a", 4) in found


@pytest.mark.parametrize("slot", ["a", "b"])
def test_what_was_applied_last_comes_first(slot: str) -> None:
    mark = Mark("shop", "dev", "P", slot, 2, None)
    assert order(account(5), mark)[0] == (slot, 2)
    assert order(account(5, roles=("a",)), mark)[0] == ("a", 2)


def seen(verifier: str, *, can_log_in: bool = True) -> Observed:
    role = Seen(can_log_in, False, True, (), None, None, (), verifier=verifier)
    return nothing()._replace(roles={"a": role})


def test_a_verifier_is_of_one_version() -> None:
    found = candidates(account(9, roles=("a",)), None)
    held = by_verifier(found, seen(scram.verifier("v2", b"salt"))).held
    assert held and held.secret.version == 2
    assert by_verifier(found, seen(scram.verifier("else", b"salt"))) == Search(None, len(found))
    assert by_verifier(found, seen(scram.verifier("v2", b"salt"), can_log_in=False)).tried == 0


def test_a_verifier_that_costs_much_is_compared_with_few() -> None:
    found = candidates(account(199, roles=("a",)), None)
    costly = scram.verifier("else", b"salt", scram.ITERATIONS * 20)
    assert by_verifier(found, seen(costly)).tried == 10
