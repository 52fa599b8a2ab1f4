"""What `recover` decided is not done where the server is not as it was when it was looked at."""

from __future__ import annotations

import base64
import time

import psycopg
import pytest

from sopsmith.database import applying, recovering, ways
from sopsmith.database.standing import standing
from sopsmith.errors import SopsmithError
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live
from sopsmith.postgres.recovery import Standing
from tests.faults.world import DATABASE, STARTS, World, password


def recover(found: Standing, world: World) -> str:
    """Do what is decided now; how it is called."""
    done = recovering.recover(found, world.way(), lambda account: (), grace=0, now=time.monotonic)
    return done.decision.action


def synced(account: Account) -> Live:
    """A cluster whose one Secret has the URL, which no pod reads yet."""
    to = account.urls["DATABASE_URL"]
    url = f"postgresql://{to.user}:{account.now.text}@{to.host}:{to.port}/{to.database}"
    data = {"URL": base64.b64encode(url.encode()).decode()}
    return Live(({"metadata": {"name": "shop-1"}, "data": data},), (), (), {})


def holding_former(account: Account) -> Live:
    """A cluster whose one Secret has the URL of before, which a pod reads."""
    earlier = account.as_of_before()
    assert earlier is not None
    spec = {"containers": [{"envFrom": [{"secretRef": {"name": "shop-1"}}]}]}
    return synced(earlier)._replace(pods=({"metadata": {"name": "web"}, "spec": spec},))


def test_a_role_that_nobody_held_is_replaced_unless_somebody_comes(world: World) -> None:
    start = STARTS["alternating rotated and retired"]
    world.arrange(start)
    stray = password(start, 8)
    world.server.change(start.roles[0], stray)
    world.owner.execute(f"ALTER ROLE {start.roles[0]} LOGIN".encode())
    account = world.account(start)
    found = standing(account, world.way(), synced(account))
    url = world.server.url(start.roles[0], stray, DATABASE)
    with psycopg.connect(url), pytest.raises(SopsmithError, match="db-in-use"):
        recover(found, world)
    world.quiet(start)
    assert recover(found, world) == "replace" and world.accepted(start) == {2, 3}


def test_who_comes_within_the_grace_keeps_the_password(world: World) -> None:
    start = STARTS["alternating rotated and retired"]
    world.arrange(start)
    world.server.change(start.roles[0], password(start, 8))
    world.owner.execute(f"ALTER ROLE {start.roles[0]} LOGIN".encode())
    url = world.server.url(start.roles[0], password(start, 8), DATABASE)
    came: list[psycopg.Connection[object]] = []
    way = world.way()._replace(pause=lambda _: came.append(psycopg.connect(url)))
    account = world.account(start)
    found, told = standing(account, way, synced(account)), list[tuple[str, float]]()
    with pytest.raises(SopsmithError, match="db-in-use"):
        recovering.recover(found, way, lambda account: (), grace=60, now=time.monotonic,
                           begins=lambda *each: told.append(each))  # fmt: skip
    assert told == [(account.active, 60)]
    for each in (*came, psycopg.connect(url)):
        each.close()
    world.quiet(start)


def test_what_pods_hold_comes_back_unless_another_application_came(world: World) -> None:
    start = STARTS["alternating rotated once"]
    world.arrange(start)
    world.owner.execute(f"ALTER ROLE {start.roles[0]} NOLOGIN".encode())
    account = world.account(start, 2)
    found = standing(account, world.way(), holding_former(account))
    _, _, mark = world.role(start.key)
    foreign = (mark or "").replace('"app":"shop"', '"app":"mail"')
    world.owner.execute(f"COMMENT ON ROLE {start.key} IS '{foreign}'".encode())
    with pytest.raises(SopsmithError, match="db-other-app"):
        recover(found, world)
    assert world.accepted(start) == {2}
    world.owner.execute(f"COMMENT ON ROLE {start.key} IS '{mark}'".encode())
    assert recover(found, world) == "reinstate" and world.accepted(start) == {1, 2}


def test_by_psql_which_holds_no_lock_who_is_late_changes_nothing(world: World) -> None:
    start = STARTS["alternating rotated and retired"]
    world.arrange(start)
    server, newer = world.server, world.account(start, 5)
    psql = f"{server.programs}/psql -h {server.folder} -p {server.port} -U owner -d {DATABASE}"

    def at(point: str) -> None:
        if point == "before commit":
            applying.apply(newer, world.way())

    with pytest.raises(SopsmithError, match="db-locked"):
        applying.apply(world.account(start, 3), ways.real({}, psql, at))
    assert world.accepted(start) == {2, 5}
