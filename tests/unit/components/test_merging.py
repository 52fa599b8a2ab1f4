"""Three sides of a component, joined leaf by leaf."""

from __future__ import annotations

import pytest

from sopsmith.components.change import Step
from sopsmith.components.merging import Leaves, merge
from sopsmith.components.sealed import Path

BASE: dict[Path, str] = {("A",): "1", ("B",): "1"}


@pytest.mark.parametrize(
    ("chosen", "other", "steps"),
    [
        ({("A",): "2", ("B",): "1"}, {("A",): "1", ("B",): "2"}, [Step(("B",), "2")]),
        ({("A",): "2", ("B",): "1"}, {("A",): "2", ("B",): "1"}, []),
        (BASE, {("A",): "1"}, [Step(("B",), None)]),
        (BASE, {**BASE, ("C",): "3"}, [Step(("C",), "3")]),
        ({**BASE, ("C",): "3"}, BASE, []),
        ({("A",): "1"}, BASE, []),
        ({("A",): "1"}, {("A",): "1"}, []),
    ],
    ids=["each another", "both the same", "removed there", "added there", "added here",
         "removed here", "removed by both"],
)  # fmt: skip
def test_what_only_one_side_changed_is_joined(
    chosen: dict[Path, str], other: dict[Path, str], steps: list[Step]
) -> None:
    found = merge(BASE, chosen, other)
    assert (list(found.steps), found.conflicts) == (steps, ())


@pytest.mark.parametrize(
    ("chosen", "other"),
    [
        ({("A",): "2", ("B",): "1"}, {("A",): "3", ("B",): "1"}),
        ({("B",): "1"}, {("A",): "3", ("B",): "1"}),
        ({("A",): "2", ("B",): "1"}, {("B",): "1"}),
    ],
    ids=["two values", "removed and changed", "changed and removed"],
)
def test_what_both_changed_is_a_conflict(chosen: dict[Path, str], other: dict[Path, str]) -> None:
    assert merge(BASE, chosen, other).conflicts == (("A",),)


@pytest.mark.parametrize(("was", "theirs"), [(1, True), (0, False), (1, 1.0), (True, 1)])
def test_another_type_is_another_value(was: object, theirs: object) -> None:
    """Python takes `True == 1` for true, and sops writes each in its own way."""
    base: Leaves = {("A",): was, ("B",): "1"}
    other: Leaves = {("A",): theirs, ("B",): "1"}
    assert merge(base, {**base, ("B",): "2"}, other) == ((), (("A",),))
    assert merge(base, other, base) == ((), ())


def test_two_files_that_are_new_on_both_sides_join_where_they_agree() -> None:
    found = merge({}, {("A",): "1", ("B",): "1"}, {("A",): "1", ("C",): "1", ("B",): "2"})
    assert found.steps == (Step(("C",), "1"),) and found.conflicts == (("B",),)
