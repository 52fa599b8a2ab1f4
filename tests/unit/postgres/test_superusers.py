"""What is believed of a superuser whose password git can no longer make."""

from __future__ import annotations

import pytest

from sopsmith.postgres import plan, scram, superusers
from sopsmith.postgres.applied import identity
from sopsmith.postgres.observation import Mark, Observed, Seen, nothing
from tests.unit.postgres.test_recovery import account

ONE = account(9)._replace(others=())
THEN = scram.verifier("long ago", b"1" * 16)
ANEW = scram.verifier("another one", b"2" * 16)
MD5 = "md5" + "0" * 32


def noted(salt: str | None, verifier: str | None, *, by_superuser: bool = True) -> Observed:
    """A server whose superuser has this verifier, and a note."""
    note = Mark(*identity(ONE), "a", 1, None, salt).text
    role = Seen(True, True, True, (), None, note, (), verifier=verifier)
    return nothing()._replace(roles={"postgres": role}, can_read_verifiers=by_superuser)


def test_who_may_not_look_believes_the_note() -> None:
    (found,) = superusers.known(ONE, noted("gone", None, by_superuser=False))
    assert "postgres, a superuser, was last seen to have version 1" in superusers.state(ONE, found)


@pytest.mark.parametrize(
    ("salt", "verifier", "stands"),
    [
        (scram.salt_shown(THEN), THEN, True),
        (scram.salt_shown(THEN), ANEW, False),
        (scram.salt_shown(THEN), MD5, False),
        (scram.salt_shown(THEN), None, False),
        ("md5", MD5, True),  # nothing tells one from the next
        ("md5", ANEW, False),
        (None, ANEW, True),  # an older note
        (None, None, False),
    ],
)
def test_another_salt_is_another_password(
    salt: str | None, verifier: str | None, stands: bool
) -> None:
    seen = noted(salt, verifier)
    assert bool(superusers.known(ONE, seen)) is stands
    told = plan.words(superusers.noting(ONE, seen))
    assert any("no password of" in each for each in told) is not stands
