"""Who in a cluster would log in as a role when it starts next."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sopsmith.postgres import account as documents
from sopsmith.postgres import consumers, first_time
from sopsmith.postgres.consumers import Live
from tests.unit.postgres.test_recovery import account

POD = {"containers": [{"envFrom": [{"secretRef": {"name": "shop-1"}}]}]}


def named(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


def secret(text: str) -> dict[str, Any]:
    return named("shop-1", data={"it": base64.b64encode(text.encode()).decode()})


def live(**fields: Any) -> Live:
    url = secret("postgresql://shop_a:x@db/shop")
    return Live(**{"secrets": (url,), "pods": (), "cronjobs": (), "workloads": {}, **fields})


def of(live: Live, role: str = "shop_a") -> tuple[str, ...]:
    return consumers.of(live, role, "p%ss/word")


def names(text: str, role: str = "shop_a") -> bool:
    """Whether a pod that reads this would log in as the role."""
    return bool(of(live(secrets=(secret(text),), pods=(named("one", spec=POD),)), role))


def test_a_pod_that_has_not_ended_does() -> None:
    pods = (named("one", spec=POD), named("two", spec=POD, status={"phase": "Succeeded"}))
    assert of(live(pods=pods)) == ("pod one (shop-1)",)
    assert of(live(pods=pods), "shop_b") == ()


def test_so_does_what_is_scaled_to_nothing() -> None:
    asleep = named("shop", spec={"replicas": 0, "template": {"spec": POD}})
    assert of(live(workloads={"Deployment": (asleep,)})) == ("Deployment shop (shop-1)",)


def test_so_does_a_cronjob_that_is_suspended() -> None:
    spec = {"suspend": True, "jobTemplate": {"spec": {"template": {"spec": POD}}}}
    assert of(live(cronjobs=(named("nightly", spec=spec),))) == ("CronJob nightly (shop-1)",)


def test_a_job_does_between_two_tries_until_it_is_over() -> None:
    job = named("migrate", spec={"template": {"spec": POD}})
    failed = named("migrate-1", spec=POD, status={"phase": "Failed"})
    found = of(live(pods=(failed,), workloads={"Job": (job,)}))
    assert found == ("Job migrate (shop-1)",)
    for end in ("Complete", "Failed"):
        over = {**job, "status": {"conditions": [{"type": end, "status": "True"}]}}
        assert of(live(workloads={"Job": (over,)})) == ()


def test_a_secret_that_nothing_reads_does_not() -> None:
    assert of(live()) == ()


def test_who_has_no_url_may_hold_any_password() -> None:
    pods = (named("one", spec=POD),)
    bare = secret('{"username": "shop_a", "password": "x"}')
    assert consumers.hidden(live(pods=pods), "shop_a", "y") == ()
    assert consumers.hidden(live(pods=pods, secrets=(bare,)), "shop_a", "y") == (
        "pod one (shop-1)",
    )
    assert consumers.hidden(live(pods=pods, secrets=(bare,)), "shop_a", "x") == ()


@pytest.mark.parametrize(
    "text",
    [
        "shop_a",
        "spring.datasource.username=shop_a\nspring.datasource.password=x\n",
        "jdbc:postgresql://db/shop?user=shop_a&password=x",
        "host=db dbname=shop user=shop_a",
        "db:5432:shop:shop_a:x\n",
        '{"username": "shop_a"}',
        "export URL=postgresql://shop_a:x@db/shop\n",
        "p%ss/word",  # the role's, which a ConfigMap may name
        "password: p%25ss%2Fword\n",
    ],
)
def test_a_role_is_known_by_its_name_or_its_password(text: str) -> None:
    assert names(text)


@pytest.mark.parametrize("text", ["shop_ab", "my-shop_a", "shop_a.example.org", "user=shop_b"])
def test_another_name_is_none(text: str) -> None:
    assert not names(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://shop_b:x@db/shop",
        "url=jdbc:postgresql://db:5432/shop\nusername=shop_b\n",
        "host=db dbname=shop user=shop_b",
        "Host=db;Database=shop;Username=shop_b",
    ],
)
def test_a_database_may_be_called_like_the_role(text: str) -> None:
    assert not names(text, "shop") and names(text, "shop_b")


def test_what_makes_the_roles_logs_nobody_in_as_one() -> None:
    both = account(2, "b")._replace(owner="shop_owner")
    for text in (documents.document([both]), first_time.first_start([both])):
        assert "shop_a" in text and not names(text)
