"""Who in a cluster would log in as a role when it starts next."""

from __future__ import annotations

import base64
from typing import Any

from sopsmith.postgres import consumers
from sopsmith.postgres.consumers import Live

POD = {"containers": [{"envFrom": [{"secretRef": {"name": "shop-1"}}]}]}


def named(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


SECRET = named("shop-1", data={"URL": base64.b64encode(b"postgresql://shop_a:x@db/shop").decode()})


def live(**fields: Any) -> Live:
    return Live(**{"secrets": (SECRET,), "pods": (), "cronjobs": (), "workloads": {}, **fields})


def test_a_pod_that_has_not_ended_does() -> None:
    pods = (named("one", spec=POD), named("two", spec=POD, status={"phase": "Succeeded"}))
    assert consumers.of(live(pods=pods), "shop_a") == ("pod one (shop-1)",)
    assert consumers.of(live(pods=pods), "shop_b") == ()


def test_so_does_what_is_scaled_to_nothing() -> None:
    asleep = named("shop", spec={"replicas": 0, "template": {"spec": POD}})
    found = consumers.of(live(workloads={"Deployment": (asleep,)}), "shop_a")
    assert found == ("Deployment shop (shop-1)",)


def test_a_secret_that_nothing_reads_does_not() -> None:
    assert consumers.of(live(), "shop_a") == ()


def test_who_has_no_url_may_hold_any_password() -> None:
    pods = (named("one", spec=POD),)
    bare = named("shop-1", data={"username": base64.b64encode(b"shop_a").decode()})
    assert consumers.hidden(live(pods=pods), "shop_a") == ()
    assert consumers.hidden(live(pods=pods, secrets=(bare,)), "shop_a") == ("pod one (shop-1)",)
