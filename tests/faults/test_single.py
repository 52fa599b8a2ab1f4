"""Every fault at every point of the work: one command that is printed puts it right.

At every moment a password that git had as the current or the previous one logs in, and of two roles
the former one until somebody retires it. What holds at each point is in `scenes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest

from sopsmith.database import connecting
from sopsmith.postgres import statements
from sopsmith.tools import postgres
from tests.faults.faults import FAULTS, Case, points, singles, some
from tests.faults.scenes import Hit, Scene
from tests.faults.world import STARTS, World

Record = Callable[[str, object], None]
TO_ROTATE = "alternating to rotate"


@pytest.mark.parametrize("name", STARTS)
def test_the_points_are_those_of_the_work(world: World, name: str) -> None:
    start = STARTS[name]
    scene = Scene(world, start, FAULTS)
    assert scene.run(start.work).how == "done"
    seen = [line.partition(":")[0] for line in scene.history]
    assert tuple(seen[:-1]) == points(start)
    assert scene.is_settled()


def test_one_fault(world: World, single: Case, record_property: Record) -> None:
    start = STARTS[single.start]
    scene = Scene(world, start, FAULTS)
    scene.run(start.work, single.first)
    runs = scene.converge()
    assert runs <= 2, scene.story()
    record_property("single", (single.first.point, single.first.fault, runs, True))


def test_a_second_operator_waits_until_the_first_is_done(world: World) -> None:
    start = STARTS["in-place to rotate"]
    for point in ("after lock", "before login test"):
        scene = Scene(world, start, FAULTS)
        scene.run(start.work, Hit(points(start).index(point), point, "second rotate"))
        told = [line.partition(":")[0] for line in scene.history]
        assert told.index("after login test") < told.index("second apply")
        assert world.accepted(start) == {scene.git} == {start.git + 1}


def test_a_lock_outlives_the_machine_of_who_holds_it_by_seconds(world: World) -> None:
    start = STARTS[TO_ROTATE]
    world.arrange(start)
    account = world.account(start)
    with postgres.session(*connecting.at_primary(account)) as session:
        session.ask(statements.lock(account.marked))
        asked = ("idle", "interval", "count")
        told = [session.ask(f"SHOW tcp_keepalives_{each}") or "" for each in asked]
    idle, interval, count = map(int, told)
    assert 0 < idle + interval * count <= 30


def test_the_former_role_logs_in_all_the_while(world: World) -> None:
    start = STARTS[TO_ROTATE]._replace(work=("apply",))
    cases = [each for each in singles() if each.start == TO_ROTATE and "retire" not in each.title]
    for case in some(cases, 1, seed=1)[:12]:
        scene = Scene(world, start, FAULTS)
        with logging_in(scene) as refused:
            scene.run(start.work, case.first)
        assert refused == [], scene.story()


@contextmanager
def logging_in(scene: Scene) -> Iterator[list[str]]:
    """Somebody who logs in as the former role again and again."""
    refused: list[str] = []
    ended = Event()

    def work() -> None:
        while not ended.is_set():
            if not scene.world.logs_in(scene.start, scene.start.applied):
                refused.append(scene.history[-1])

    thread = Thread(target=work)
    thread.start()
    try:
        yield refused
    finally:
        ended.set()
        thread.join()
