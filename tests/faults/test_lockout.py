"""Servers lock out who tries passwords: what old Secrets hold is tried only where it matters."""

from __future__ import annotations

import base64

import pytest

from sopsmith.database.standing import standing
from sopsmith.postgres.consumers import Live, Object
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.verdict import Attempt
from sopsmith.postgres.versions import PROBES
from tests.faults.world import DATABASE, STARTS, Start, World, password


def secret(world: World, start: Start, version: int) -> Object:
    """The hashed Secret of a version, which nobody pruned."""
    role = start.roles[version % 2 == 0]
    url = world.server.url(role, password(start, version), DATABASE)
    data = {"URL": base64.b64encode(url.encode()).decode()}
    return {"metadata": {"name": f"shop-{version}"}, "data": data}


@pytest.mark.parametrize("name", ["alternating rotated once", "alternating rotated and retired"])
def test_secrets_that_nobody_pruned_are_not_tried(world: World, name: str) -> None:
    start = STARTS[name]
    world.arrange(start)
    refused: list[str] = []

    def login(to: Endpoint) -> Attempt:
        attempt = way.login(to)
        refused.extend([] if attempt.is_good else [attempt.verdict])
        return attempt

    way = world.way()
    live = Live(tuple(secret(world, start, each) for each in range(1, 9)), (), (), {})
    found = standing(world.account(start, 2), way._replace(login=login), live)
    good = {each.name for each in found.secrets or () if each.logs_in}
    assert good == {f"shop-{each}" for each in world.accepted(start)} and refused == []


def test_of_many_old_secrets_a_few_are_tried_and_first_what_pods_read(world: World) -> None:
    start = STARTS["alternating rotated once"]
    world.arrange(start)
    role = start.roles[1]
    world.server.change(role, password(start, 24))
    tried: list[str] = []

    def login(to: Endpoint) -> Attempt:
        tried.extend([to.password.text() or ""] if to.user == role and to.password else [])
        return way.login(to)

    way = world.way()
    pod = {"spec": {"containers": [{"envFrom": [{"secretRef": {"name": "shop-24"}}]}]}}
    live = Live(tuple(secret(world, start, each) for each in range(4, 26, 2)), (pod,), (), {})
    found = standing(world.account(start, 2), way._replace(login=login), live, probes=PROBES)
    assert {each.name for each in found.secrets or () if each.logs_in} == {"shop-24"}
    assert len(set(tried)) == len(tried) == 1 + PROBES  # what git says, and these
