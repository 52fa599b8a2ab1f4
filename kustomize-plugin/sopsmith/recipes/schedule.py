"""When values are due: findings that depend on the day, so they never fail a render. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Set
from datetime import date, timedelta

from sopsmith.findings import Finding
from sopsmith.model import Recipe, Value


def due(value: Value) -> date | None:
    """The day on which the value has reached its maxAge; None where the recipe does not say."""
    if value.max_age is None or value.rotated is None:
        return None
    try:
        return date.fromisoformat(value.rotated) + timedelta(days=value.max_age)
    except OverflowError:  # the calendar ends before
        return date.max


def overdue(recipe: Recipe, today: date, absent: Set[str] = frozenset()) -> Iterator[Finding]:
    """A finding for every value past its maxAge, or whose age nobody knows; not for one that is
    absent."""
    for value in recipe.values.values():
        day = due(value)
        if value.name in absent:
            continue
        if value.max_age is not None and value.rotated is None:
            yield undated(recipe, value)
        elif day is not None and day <= today:
            hint = _renewing(recipe, value)
            yield Finding("overdue", f"was due on {day}", recipe.file, value.name, hint)


def undated(recipe: Recipe, value: Value) -> Finding:
    """What is to be said of a value whose age nobody knows."""
    # The leaf may say nothing of the value, and then there would be no line to point at.
    message = "has a maxAge and no rotated date to count from"
    hint = f"{_renewing(recipe, value)}, or set rotated in the leaf"
    return Finding("overdue", message, value.file, value.name, hint)


def _renewing(recipe: Recipe, value: Value) -> str:
    verb = "set" if value.origin == "given" else "rotate"
    return f"sopsmith {verb} {value.name} -e {recipe.environment}"
