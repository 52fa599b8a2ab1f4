"""Whether a cluster has what git says, in whichever form its Secrets hold it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sopsmith.model import Sensitive
from sopsmith.postgres import account as documents
from sopsmith.postgres import endpoint, readiness
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.consumers import Live
from sopsmith.postgres.observation import nothing
from sopsmith.postgres.readiness import Lag

NOW, BEFORE = "new/p%ss", "of before"


def account(roles: tuple[str, ...] = ("shop",)) -> Account:
    active = roles[-1]
    return Account(
        "shop", "test", "PASSWORD", "in-place" if len(roles) == 1 else "alternating", roles,
        "a" if len(roles) == 1 else "b", None, Secret(2, Sensitive(NOW)),
        Secret(1, Sensitive(BEFORE)),
        {"URL": endpoint.parse(f"postgresql://{active}:new%2Fp%25ss@db/shop")}, None,
    )  # fmt: skip


def secret(name: str, **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    return {"metadata": {"name": name}, "data": encoded}


def read(*secrets: dict[str, Any]) -> Live:
    """A cluster with a pod for each Secret, which reads it."""
    return Live(secrets, tuple(map(pod, secrets)), (), {})


def pod(each: dict[str, Any]) -> dict[str, Any]:
    source = {"secretRef": each["metadata"]}
    return {"metadata": each["metadata"], "spec": {"containers": [{"envFrom": [source]}]}}


DELIVERED = {
    "a URL": {"URL": "postgresql://shop:new%2Fp%25ss@db/shop"},
    "keys": {"username": "shop", "password": NOW},
    "a password alone": {"password": NOW},
    "properties": {"application.properties": f"user=shop\npassword={NOW}\n"},
    "a URL within a text": {"env": "export URL=postgresql://shop:new%2Fp%25ss@db/shop\n"},
}


@pytest.mark.parametrize("form", DELIVERED)
def test_a_secret_with_the_password_has_what_git_says(form: str) -> None:
    live = read(secret("db", **DELIVERED[form]))
    assert readiness.is_delivered(account(), live)
    assert readiness.lagging(account(), nothing(), live) is None


def test_who_lags_is_named_and_of_many_how_many_more() -> None:
    lag = Lag("no Secret has it yet", ("pod a", "pod b", "pod c", "pod d"))
    assert lag.words == (
        "no Secret has it yet; still with the one before: pod a, pod b, pod c and 1 more"
    )
    assert lag._replace(former=()).words == "no Secret has it yet"


def test_of_two_roles_that_ends_the_wait_too() -> None:
    live = read(secret("db", username="shop_b", password=NOW))
    assert readiness.lagging(account(("shop_a", "shop_b")), nothing(), live) is None


def test_who_reads_the_password_of_before_lags() -> None:
    live = read(secret("db", password=NOW), secret("old", username="shop", password=BEFORE))
    assert readiness.lagging(account(), nothing(), live) == Lag(None, ("pod old (old)",))


@pytest.mark.parametrize("text", [BEFORE, "verifier SCRAM-SHA-256$4096:" + NOW])
def test_anything_else_is_not_delivered(text: str) -> None:
    assert not readiness.is_delivered(account(), read(secret("db", password=text)))


def test_what_the_job_reads_delivers_nothing() -> None:
    live = read(secret("roles", **{"roles.json": documents.document([account()])}))
    assert not readiness.is_delivered(account(), live)
    assert readiness.is_delivered(account(), None)  # nobody could look: nobody undoes it
