"""Servers lock out who tries passwords: what old Secrets hold is tried only where it matters."""

from __future__ import annotations

import base64

import pytest

from sopsmith.database.standing import standing
from sopsmith.postgres.consumers import Live, Object
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.verdict import Attempt
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
