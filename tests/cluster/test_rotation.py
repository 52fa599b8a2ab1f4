"""`sopsmith postgres rotate --now` and a real API server: it goes on when the last pod has."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from ci.cluster.api import Api
from tests.database import Shop, once_taken, published, shop
from tests.repository import Repo, Run
from tests.servers import Server, heard

Make = Callable[..., Shop]
Rotate = Callable[..., Run]


@pytest.fixture
def make(repo: Repo, api: Api, database: Server | None, namespace: str) -> Iterator[Make]:
    """Makes the application, synced, with a pod that reads its Secret."""
    if database is None:
        pytest.skip("its database is outside of the cluster, where kind's nodes do not reach it")
    made: list[Shop] = []

    def one(strategy: str = "alternating") -> Shop:
        made.append(shop(repo, database, strategy))
        published(made[-1])
        sync(made[-1], api, namespace)
        api.apply(pod("web", "shop", namespace))
        return made[-1]

    yield one
    assert heard(database, repo.canaries) == []


@pytest.fixture
def rotate(api: Api, namespace: str) -> Rotate:
    """Runs the command, whose kubeconfig names the API server."""

    def run(one: Shop, *argv: str, name: str = "POSTGRES_PASSWORD", verb: str = "rotate") -> Run:
        words = (verb, name, "--now", "--namespace", namespace, *argv)
        return one.postgres(*words, KUBECONFIG=str(api.kubeconfig))

    return run


def sync(one: Shop, api: Api, namespace: str) -> None:
    """The cluster gets the Secrets of git."""
    for name, data in one.repo.cli("render", "overlay").secrets.items():
        api.apply(secret(name, data, namespace))


def secret(name: str, data: dict[str, bytes], namespace: str) -> dict[str, Any]:
    """A Secret."""
    encoded = {key: base64.b64encode(text).decode() for key, text in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "data": encoded,
            "metadata": {"name": name, "namespace": namespace}}  # fmt: skip


def pod(name: str, reads: str, namespace: str) -> dict[str, Any]:
    """A pod that reads a Secret; without nodes it stays pending, which is not ended."""
    source = [{"secretRef": {"name": reads}}]
    spec = {"containers": [{"name": "web", "image": "web", "envFrom": source}]}
    return {"apiVersion": "v1", "kind": "Pod", "spec": spec,
            "metadata": {"name": name, "namespace": namespace}}  # fmt: skip


def phases(run: Run) -> list[str]:
    """What was gone through."""
    assert run.code == 0, run.err
    return [each["name"] for each in run.document["phases"]]


def test_it_goes_on_when_the_cluster_has_followed(
    make: Make, rotate: Rotate, api: Api, namespace: str
) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    waiting = rotate(one, "--wait", "0s")
    assert waiting.code == 6 and "no Secret has POSTGRES_PASSWORD version 2 yet" in waiting.err
    assert one.logs_in(before) and one.logs_in()
    sync(one, api, namespace)
    run = rotate(one, "--output", "json")
    assert phases(run) == ["push", "apply", "wait", "retire"]
    assert f"in the namespace {namespace} of the context" in run.document["phases"][2]["words"]
    assert one.logs_in(before) is None


def test_a_pod_with_the_former_secret_is_named_and_keeps_its_role(
    make: Make, rotate: Rotate, api: Api, namespace: str
) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    api.apply(secret("former", {"URL": before.encode()}, namespace))
    api.apply(pod("worker", "former", namespace))
    assert rotate(one, "--wait", "0s").code == 6
    sync(one, api, namespace)
    run = rotate(one, "--wait", "0s")
    assert run.code == 6 and "pod worker (former)" in run.err and one.logs_in(before)
    api.delete("Pod", "worker", namespace)
    assert rotate(one, "--wait", "300s").code == 0 and one.logs_in(before) is None


def test_in_place_a_cluster_that_does_not_follow_keeps_what_it_has(
    make: Make, rotate: Rotate, api: Api, namespace: str
) -> None:
    one = make("in-place")
    before = one.value("DATABASE_URL")
    run = rotate(one, "--wait", "1s")
    assert run.code == 6 and "the password of before again" in run.err
    assert one.logs_in(before) and one.logs_in() is None
    sync(one, api, namespace)
    assert rotate(one).code == 0 and one.logs_in()


def test_a_rotator_follows_too(make: Make, rotate: Rotate, api: Api, namespace: str) -> None:
    one = make()
    with once_taken(one, partial(sync, one, api, namespace), "ROTATOR_URL"):
        run = rotate(one, "--wait", "300s", name="ROTATOR_PASSWORD")
    assert run.code == 0 and one.logs_in(one.value("ROTATOR_URL"))


def test_a_rollback_waits_for_the_pods_too(
    make: Make, rotate: Rotate, api: Api, namespace: str
) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    assert rotate(one, "--wait", "0s").code == 6
    run = rotate(one, "--output", "json", verb="rollback")  # the cluster never had the new one
    assert phases(run) == ["push", "apply", "wait", "retire"]
    assert one.value("DATABASE_URL") == before and one.logs_in()


def test_what_others_keep_in_secrets_stops_nothing(
    make: Make, rotate: Rotate, api: Api, namespace: str
) -> None:
    one = make()
    roles = one.value("ROLES")
    texts = (b"\xff" * 9, b"postgresql://[", b"postgresql://a:b@h:1,i:2/d", b"{" * 100_000,
             b"redis://%00", b"postgresql://%ff:%00@h/d", b"x" * 900_000, b"",
             roles.replace('"version":1', '"version":1e999').encode())  # fmt: skip
    data = {str(number): text for number, text in enumerate(texts)}
    api.apply(secret("hostile", data, namespace))
    api.apply({**secret("empty", {}, namespace), "data": None})
    with once_taken(one, partial(sync, one, api, namespace)):
        run = rotate(one, "--wait", "300s", "--output", "json")
    assert phases(run) == ["push", "apply", "wait", "retire"]


def test_in_place_who_is_overtaken_takes_nothing_back(
    make: Make, rotate: Rotate, api: Api, namespace: str
) -> None:
    one = make("in-place")

    def other() -> None:
        one.rotate()
        sync(one, api, namespace)
        one.postgres("apply")

    with once_taken(one, other):
        run = rotate(one, "--wait", "300s")
    assert run.code == 6 and "db-locked" in run.codes and one.logs_in()
