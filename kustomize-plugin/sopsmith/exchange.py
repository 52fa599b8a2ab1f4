"""Put a new data directory in the place of the old one, and undo what a killed run left."""

from __future__ import annotations

import os
from collections.abc import Callable

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import recreation
from sopsmith.tools import data_directory, postgres_programs
from sopsmith.tools.data_directory import Place
from sopsmith.tools.postgres_programs import Programs


def swap(place: Place, before: data_directory.Sign, step: Callable[[str], None]) -> None:
    """Two renames; what fails after the first is undone. `before` is the sign of the old directory
    that was copied. Raises SopsmithError (recreate-failed, recreate-halfway)."""
    step("old aside")
    if data_directory.sign(place.data) != before:
        raise SopsmithError(_used())
    try:
        data_directory.take_aside(place)
        if data_directory.sign(place.before) != before:
            raise SopsmithError(_used())
        step("new in place")
        data_directory.put_in_place(place)
    except BaseException:
        _back(place)
        raise


def _used() -> Finding:
    message = "a server ran from the directory meanwhile, so it may hold more than was dumped"
    return Finding("recreate-failed", message, hint="keep it stopped, and run this again")


def is_aside(place: Place) -> bool:
    """Whether the old directory waits to be put back: then nothing is removed."""
    return os.path.lexists(place.before) and os.path.lexists(place.new)


def _back(place: Place) -> None:
    """Undo the first rename where it was all that was done."""
    if not is_aside(place):
        return
    try:
        data_directory.put_back(place)
    except OSError:
        message = f"the old directory is {place.before}, and could not be put back"
        hint = f"mv -T {place.before} {place.data}"
        raise SopsmithError(Finding("recreate-halfway", message, hint=hint)) from None


def is_left(data: str) -> bool:
    """Whether a killed run left something beside this directory."""
    parent, base = os.path.split(data)
    return any(each.startswith(f"{base}.recreate-") for each in os.listdir(parent))


def recover(programs: Programs, data: str) -> tuple[str, ...]:
    """Undo what a killed run left; what was done, in words.

    Raises SopsmithError (recreate-halfway) where it is not clear which directory is meant.
    """
    parent, base = os.path.split(data)
    names = os.listdir(parent)
    prefix = f"{base}.recreate-"
    stamps = [each.removeprefix(prefix) for each in names if each.startswith(prefix)]
    places = {stamp: Place(data, stamp) for stamp in stamps}
    begun = [stamp for stamp, place in places.items() if os.path.lexists(place.new)]
    done: list[str] = []
    for left in recreation.leftovers(names, base, begun):
        place = places[left.stamp]
        if left.is_foreign:
            message = f"an earlier run left {place.before}, and something else is in its place"
            hint = f"see which of them holds the data; then remove {place.work}"
            raise SopsmithError(Finding("recreate-halfway", message, hint=hint))
        for each in (place.copy, place.new):
            if os.path.lexists(each) and postgres_programs.is_running(programs, each):
                postgres_programs.stop(programs, each, "immediate")
        if left.is_aside:
            _back(place)
            done.append(
                "an earlier run died between its renames; the old directory is in its place"
            )
        data_directory.clear(place.work)
        done.append("removed what an earlier run left")
    return tuple(done)
