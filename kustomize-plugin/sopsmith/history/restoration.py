"""What a leaf has to say for an old generated value to come back. Pure."""

from __future__ import annotations

from datetime import date
from typing import Any

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Generator, Recipe, Value
from sopsmith.rotations.rotation import previous_of
from sopsmith.text import layout


def before_of(recipe: Recipe, value: Value, revision: str) -> Value:
    """The value as it was, under its name or, renamed, under its id; else SopsmithError (usage)."""
    if value.name in recipe.values:
        return recipe.values[value.name]
    for before in recipe.values.values():
        if before.origin == value.origin == "generated" and before.id == value.id:
            return before
    named = f"{value.name} -e {recipe.environment}"
    hint = f"sopsmith history {named} shows the commits that have it"
    message = f"is no value yet in {revision[:12]}"
    raise SopsmithError(Finding("usage", message, recipe.file, value.name, hint))


def made_from(value: Value) -> tuple[str, int, str, Generator | None]:
    """All that a generated value follows from, within one app and environment."""
    return value.id, value.version, value.seed, value.generator


def check_seed(now: Recipe, value: Value, then: Recipe, before: Value, revision: str) -> None:
    """The old value can only be made again from the old seed; else SopsmithError (seed-refused)."""
    check = now.seeds.get(before.seed)
    if check is None or check != then.seeds.get(before.seed):
        what = "is no more" if check is None else "is another one now"
        message = f"was made from seed {before.seed} in {revision[:12]}, which {what}"
        hint = (
            f"bring SOPSMITH_SEED_{before.seed} and its check under seeds back from git first; "
            "where its reader was removed, rotate instead"
        )
        raise SopsmithError(Finding("seed-refused", message, now.file, value.name, hint))


def text_of(text: str, value: Value, before: Value, today: date) -> str:
    """The leaf's text with the value made as it was, and in `previous` what it was until now."""
    here = ("spec", "values", value.name)
    text = layout.set_field(text, (*here, "version"), before.version)
    if before.seed != value.seed:
        text = layout.set_field(text, (*here, "seed"), before.seed)
    if before.id != value.id:
        text = layout.set_field(text, (*here, "id"), before.id)
    if before.generator and before.generator != value.generator:
        text = layout.set_field(text, (*here, "generate"), _as_spec(before.generator))
    if before.slot != value.slot:  # the role whose password it was
        text = layout.set_field(text, (*here, "slot"), before.slot or "a")
    text = layout.set_field(text, (*here, "rotated"), today.isoformat())
    return layout.set_field(text, (*here, "previous"), _previous(value))


def _previous(value: Value) -> dict[str, Any]:
    """What the value was until now. A higher version that was used before stays: the next rotation
    has to go past it, or it would bring back a value that was in use."""
    last = value.previous
    if last and last.version > value.version:
        return previous_of(value._replace(version=last.version, seed=last.seed), last.generator)
    return previous_of(value, value.generator) if value.generator else {}


def _as_spec(generator: Generator) -> dict[str, dict[str, Any]]:
    return {generator.kind: dict(generator.options)}
