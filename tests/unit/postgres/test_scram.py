"""Verifiers against libpq's own, which is what every client of PostgreSQL hashes with."""

from __future__ import annotations

import base64
import hashlib

import psycopg.pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sopsmith.postgres import scram

PASSWORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


def by_libpq(password: str) -> str:
    made = psycopg.pq.PGconn.connect_start(b"").encrypt_password(
        password.encode(), b"shop", b"scram-sha-256"
    )
    return made.decode()


@given(PASSWORDS)
@example("café")
@example("¡1")
@example("a b")
@example("Ⅸ")
@example("I­X")
@example("اbا")  # from both sides
@example("a\u200bb")  # a space, and one that is mapped to nothing
@example("\ufb2a")  # its last part has no direction
@example("\U0002f868")  # another character since Unicode 4
@example("‮")
@example("𝟘")
@example("\U000e0001")
@example(" ")
def test_it_is_libpqs_verifier(password: str) -> None:
    theirs = by_libpq(password)
    salt = base64.b64decode(theirs.split(":")[1].split("$")[0])
    assert scram.verifier(password, salt) == theirs
    assert scram.is_of(theirs, password, "shop") is True


def test_another_password_has_another_verifier() -> None:
    assert scram.is_of(by_libpq("swordfish"), "swordfisH", "shop") is False


def test_a_steady_verifier_is_steady_and_the_roles_own() -> None:
    made = scram.steady_verifier("swordfish", "shop")
    assert made == scram.steady_verifier("swordfish", "shop")
    assert made != scram.steady_verifier("swordfish", "other")
    assert scram.is_of(made, "swordfish", "shop") is True


def test_md5_is_known_by_its_role() -> None:
    stored = "md5" + hashlib.md5(b"swordfishshop", usedforsecurity=False).hexdigest()
    assert scram.is_of(stored, "swordfish", "shop") is True
    assert scram.is_of(stored, "swordfish", "other") is False


@pytest.mark.parametrize(
    "stored",
    ["", "plain", "SCRAM-SHA-256$4096:!$x:y", "SCRAM-SHA-256$999999999:AAAA$AAAA:AAAA",
     "SCRAM-SHA-256$4096:AAAAA$AAAA:AAAA"],
)  # fmt: skip
def test_what_is_no_verifier_says_nothing(stored: str) -> None:
    assert scram.is_of(stored, "swordfish", "shop") is None


def test_another_salt_is_shown_otherwise_and_nothing_of_the_password_is() -> None:
    one, other = scram.verifier("swordfish", b"1" * 16), scram.verifier("swordfish", b"2" * 16)
    assert scram.salt_shown(one) == scram.salt_shown(scram.verifier("trout", b"1" * 16))
    assert scram.salt_shown(one) != scram.salt_shown(other)
    assert scram.salt_shown("md5" + "0" * 32) == "md5" and scram.salt_shown("what?") is None
