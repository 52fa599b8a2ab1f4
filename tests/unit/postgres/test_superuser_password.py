"""Which value of a recipe may be a superuser's password."""

from __future__ import annotations

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.model import Sensitive
from sopsmith.postgres import account
from sopsmith.postgres.superuser_password import check_superuser
from sopsmith.recipes import roles
from tests.unit.recipes.test_consistency import recipe

RECIPE = recipe("""{values: {
    TOKEN: {}, GIVEN: {}, ABSENT: {optional: true}, PUBLIC: {default: postgres},
    MADE: {generate: {password: {}}}, HEX: {generate: {bytes: {encoding: hex}}},
    KEY: {generate: {ed25519: {}}}, TLS: {generate: {certificate: {commonName: db}}},
    TEXT: {derive: {template: $(MADE)}},
    OWN: {generate: {bytes: {}}, role: {strategy: in-place}},
    OWN_URL: {derive: {url: {scheme: postgresql+psycopg, user: boss, password: $(OWN), host: db}}},
    CACHE: {generate: {password: {}}},
    CACHE_URL: {derive: {url: {scheme: redis, user: boss, password: $(CACHE), host: db}}},
    OTHER: {generate: {password: {}}},
    OTHER_URL: {derive: {url: {scheme: postgres, user: shop, password: $(OTHER), host: db}}},
    A: {default: boss}, B: {default: shop_b},
    SLOT: {derive: {alternate: {a: A, b: B, slotOf: TWO}}},
    TWO: {generate: {password: {}}, role: {strategy: alternating, owner: o, rotator: OWN_URL}},
    TWO_URL: {derive: {url: {scheme: postgres, user: $(SLOT), password: $(TWO), host: db}}},
  }}""")
VALUES = {name: Sensitive(f"some {name}") for name in RECIPE.values if name != "ABSENT"} | {
    "PUBLIC": Sensitive("postgres"),
    "A": Sensitive("boss"),
    "B": Sensitive("shop_b"),
    "OWN_URL": Sensitive("postgresql+psycopg://boss:x@db"),
    "OTHER_URL": Sensitive("postgres://shop:x@db"),
    "TWO_URL": Sensitive("postgres://boss:x@db"),
}


def check(name: str, user: str = "boss", *passwords: str) -> None:
    """The same beside the accounts of these passwords."""
    found = [account.of(RECIPE, roles.access(each, RECIPE.values), VALUES, {})
             for each in passwords]  # fmt: skip
    check_superuser(RECIPE, name, user, VALUES, found)


def refused(name: str, words: str, user: str = "boss", *passwords: str) -> str | None:
    """What the hint says."""
    with pytest.raises(SopsmithError) as caught:
        check(name, user, *passwords)
    (found,) = caught.value.findings
    assert (found.code, found.field, found.message) == ("recreate-refused", name, words)
    return found.hint


@pytest.mark.parametrize("name", ["GIVEN", "MADE", "HEX", "PUBLIC", "OWN"])
def test_a_password_is_taken_and_what_a_url_of_his_says_is_one(name: str) -> None:
    check(name, "boss", *(["OWN"] if name == "OWN" else []))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("OTHER", "is the password of shop in OTHER_URL"),
        ("CACHE", "is the password of something else in CACHE_URL"),
        ("TWO", "is the password of two roles that take turns"),
        ("KEY", "is no password: it is generated as ed25519"),
        ("TLS", "is no password: it is generated as certificate"),
        ("TEXT", "is derived, and no password"),
        ("ABSENT", "is absent"),
    ],
)
def test_what_is_anothers_or_no_password_is_refused(name: str, words: str) -> None:
    refused(name, words)


def test_where_another_value_is_his_password_that_one_is_meant() -> None:
    refused("MADE", "is not the password of boss: that is OWN", "boss", "OWN")
    refused("OWN", "is the password of boss in OWN_URL", "postgres")


def test_the_hint_names_who_the_superuser_is_where_a_url_tells() -> None:
    said = refused("OWN", "is the password of boss in OWN_URL", "postgres")
    assert said and said.startswith("--user boss where that is the superuser; else --superuser")
    for name, words in (
        ("CACHE", "is the password of something else in CACHE_URL"),
        ("TWO", "is the password of two roles that take turns"),
    ):
        assert (refused(name, words, "postgres") or "").startswith("--superuser names")
