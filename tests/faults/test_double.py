"""Two faults: the second one in what is left of the run, or in the command that was to mend it."""

from __future__ import annotations

from tests.faults.faults import FAULTS, Case
from tests.faults.scenes import Scene
from tests.faults.test_single import Record
from tests.faults.world import STARTS, World


def test_two_faults(world: World, double: Case, record_property: Record) -> None:
    start, second = STARTS[double.start], double.second
    assert second is not None
    scene = Scene(world, start, FAULTS)
    scene.run(start.work, double.first, *(() if double.is_next else (second,)))
    if double.is_next:
        scene.run([scene.next_command()], second)
    runs = scene.converge()
    assert runs <= 2, scene.story()
    happened = scene.happened == 2
    record_property("double", (double.first.point, double.first.fault, runs, happened))
