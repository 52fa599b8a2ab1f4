"""Whether a look into a cluster was at the right place."""

from __future__ import annotations

import base64

import pytest

from sopsmith.model import Sensitive
from sopsmith.postgres import endpoint, presence, recovery
from sopsmith.postgres.account import Account, Secret, document
from sopsmith.postgres.consumers import Live, Place
from sopsmith.postgres.observation import Mark, Seen, nothing
from sopsmith.postgres.recovery import Holds, Standing

PLACE = Place("shpo", "kind")


def account() -> Account:
    """Two roles, the second of which has version 3; an older one is known too."""
    urls = {"URL": endpoint.parse("postgresql://shop_b:now@db/shop")}
    return Account(
        "shop", "production", "PASSWORD", "alternating", ("shop_a", "shop_b"), "b", "owner",
        Secret(3, Sensitive("now-3")), Secret(2, Sensitive("before-2")), urls, None,
        (Secret(1, Sensitive("older-1")),),
    )  # fmt: skip


def live(*texts: str) -> Live:
    """A namespace with these texts in its Secrets, which nothing reads."""
    data = {str(n): base64.b64encode(each.encode()).decode() for n, each in enumerate(texts)}
    return Live(({"metadata": {"name": "s"}, "data": data},), (), (), {}, PLACE)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://shop_b:now-3@db/shop",
        "postgresql://shop_a:before-2@db/shop",
        "jdbc:postgresql://db/shop?user=shop_b&password=now-3",
        "postgresql://shop_b:older-1@db/shop",
        "spring.datasource.password=now-3",
        "before-2",
    ],
)
def test_a_password_tells_whose_a_secret_is(text: str) -> None:
    assert presence.is_shown(account(), live("else", text))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "postgresql://shop_b:staging@db/shop",
        "postgresql://other:now-3@db/shop",
        "user=shop_b",
        document([account()]),  # what a Job reads logs in nobody as one of them
    ],
)
def test_a_name_does_not(text: str) -> None:
    assert not presence.is_shown(account(), live(text))


def standing(**holds: Holds) -> Standing:
    """Git, a database like that which was applied last, and a look that saw nothing."""
    mark = Mark("shop", "production", "PASSWORD", "b", 3, None).text
    closed = Seen(False, False, True, (), None, None, ())
    seen = nothing()._replace(roles={"owner": closed._replace(comment=mark), "shop_a": closed})
    return Standing(account(), seen, holds, {}, (), {}, place=PLACE, is_shown=False)


@pytest.mark.parametrize(("before", "now"), [("before", "now"), ("nothing", "another")])
def test_what_silence_would_allow_waits_for_a_look(before: Holds, now: Holds) -> None:
    found = standing(shop_a=before, shop_b=now)
    decision = recovery.decide(found)
    assert decision.action == "look" and PLACE.words in decision.words
    assert recovery.decide(found._replace(is_shown=True)).action in ("retire", "replace")


def test_what_harms_nobody_is_done_all_the_same() -> None:
    decision = recovery.decide(standing(shop_a="nothing", shop_b="nothing"))
    assert decision.action == "apply"


def test_what_was_not_seen_does_not_agree() -> None:
    decision = recovery.decide(standing(shop_a="nothing", shop_b="now"))
    assert decision.action == "none" and "cluster agree" not in decision.words
