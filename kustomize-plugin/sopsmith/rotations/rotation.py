"""What a rotation makes of values: their new versions, and which old ones stay known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import date
from typing import Any, NamedTuple

from sopsmith.components.placement import declared
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Generator, Recipe, Value
from sopsmith.recipes import schedule
from sopsmith.recipes.kinds import KINDS
from sopsmith.recipes.template import IDENTITIES, asks_before, reached, references
from sopsmith.text import layout


class Turn(NamedTuple):
    """The rotation of one generated or stored value, or its way back."""

    value: Value
    fields: Mapping[str, Any]  # of the value in its leaf; None removes one
    keeps: bool  # what the value was stays known
    is_back: bool = False  # to what it was before

    @property
    def version(self) -> int | None:
        """The new version; a stored value has none."""
        return self.fields.get("version")


class Plan(NamedTuple):
    """What rotates in one leaf, and what was asked for and does not, with the reason."""

    turns: tuple[Turn, ...]
    left_out: tuple[Finding, ...] = ()


def named(recipe: Recipe, names: Iterable[str], today: date) -> Plan:
    """The rotation of these values; raises SopsmithError with the reason for each that can't be.

    Codes: recipe-name, rotation-never, usage (a value that is given or derived).
    """
    turns: list[Turn] = []
    problems: list[Finding] = []
    for name in dict.fromkeys(names):
        try:
            value = declared(recipe, name)
        except SopsmithError as error:
            problems += error.findings
            continue
        problem = refusal(recipe, value)
        if problem:
            problems.append(problem)
        else:
            turns.append(turn(recipe, value, today))
    if problems:
        raise SopsmithError(problems)
    return Plan(tuple(turns))


def everything(recipe: Recipe, today: date, public: Set[str] = frozenset()) -> Plan:
    """The rotation of all that may rotate. Derived values are not worth a word, as they follow, nor
    are `public` ones, which the recipe says in clear."""
    values = (v for v in recipe.values.values() if v.origin != "derived" and v.name not in public)
    return _plan(recipe, values, today)


def overdue(recipe: Recipe, today: date, absent: Set[str] = frozenset()) -> Plan:
    """The rotation of what is past its maxAge; nobody knows that of what has no date, and what is
    absent has none."""
    there = [value for value in recipe.values.values() if value.name not in absent]
    due = [(value, schedule.due(value)) for value in there]
    past = (value for value, day in due if day is not None and day <= today)
    undated = (schedule.undated(recipe, v) for v in there if v.max_age and not v.rotated)
    plan = _plan(recipe, past, today)
    return plan._replace(left_out=(*plan.left_out, *undated))


def _plan(recipe: Recipe, values: Iterable[Value], today: date) -> Plan:
    turns: list[Turn] = []
    left_out: list[Finding] = []
    for value in values:
        problem = refusal(recipe, value)
        if problem:
            left_out.append(problem)
        else:
            turns.append(turn(recipe, value, today))
    return Plan(tuple(turns), tuple(left_out))


def turn(recipe: Recipe, value: Value, today: date, seed: str | None = None) -> Turn:
    """The rotation of one value, to another seed where one is named.

    The version goes past every known one, also where an older value was restored.
    """
    keeps = is_needed(recipe, value)
    fields: dict[str, Any] = {}
    if value.origin == "generated":
        highest = max(value.version, value.previous.version if value.previous else 0)
        fields["version"] = highest + 1
    if value.origin == "generated" or value.max_age is not None or value.rotated is not None:
        fields["rotated"] = today.isoformat()
    if seed is not None and seed != value.seed:
        fields["seed"] = seed
    if alternates(value):
        fields["slot"] = "a" if value.slot == "b" else "b"
    if value.generator and value.origin == "generated" and (keeps or value.previous):
        fields["previous"] = previous_of(value, value.generator) if keeps else None
    return Turn(value, fields, keeps)


def is_needed(recipe: Recipe, value: Value) -> bool:
    """Whether somebody needs the old value after a rotation: an overlap, a derivation, a role."""
    is_asked = any(value.name in asks_before(each) for each in recipe.values.values())
    has_role = value.role is not None or alternates(value)
    return is_asked or value.rotation == "overlap" or has_role


def alternates(value: Value) -> bool:
    """Whether two roles take turns with the value; without a word, slot a has it."""
    is_said = value.role is not None and value.role.strategy == "alternating"
    return is_said or value.slot is not None


def previous_of(value: Value, generator: Generator) -> dict[str, Any]:
    """What a value is now, as `previous` says it: with its generator, so that another one in the
    base never changes what the value was."""
    defaults = KINDS[generator.kind].defaults
    stated = {
        name: option
        for name, option in generator.options.items()
        if name not in defaults or option != defaults[name]
    }
    return {"version": value.version, "seed": value.seed, "generate": {generator.kind: stated}}


def text_of(text: str, turns: Iterable[Turn]) -> str:
    """The leaf's text after these rotations; raises SopsmithError (layout-unsafe)."""
    return layout.set_fields(
        text,
        [
            (("spec", "values", each.value.name, field), content)
            for each in turns
            for field, content in each.fields.items()
        ],
    )


# --- what can't be rotated ------------------------------------------------------------------------


def refusal(recipe: Recipe, value: Value) -> Finding | None:
    """Why the value is not rotated here, and what to do instead."""
    where = (recipe.file, value.name)
    if value.rotation == "never":
        message = "is never rotated: what it encrypted could not be read any more"
        hint = f"encrypt that data anew first; then change rotation: never in {value.file}"
        return Finding("rotation-never", message, *where, hint)
    if value.origin == "given":
        message = "is given, so whoever gave it has to change it"
        hint = f"get a new one where it comes from, then sopsmith set {value.name}"
        return Finding("usage", message, *where, f"{hint} -e {recipe.environment}")
    if value.origin == "derived":
        rotating = " ".join(_inputs(recipe, value))
        hint = "change what it is derived from"
        if rotating:
            hint = f"sopsmith rotate {rotating} -e {recipe.environment}"
        return Finding("usage", "is derived, so it follows its inputs", *where, hint)
    return None


def _inputs(recipe: Recipe, value: Value) -> list[str]:
    """What can be rotated among all that a value is derived from."""
    found: dict[str, None] = {}
    ahead = list(references(value))
    seen: set[str] = set(IDENTITIES)
    while ahead:
        name = ahead.pop(0)
        if name in seen or name not in recipe.values:
            continue
        seen.add(name)
        each = recipe.values[name]
        if each.origin in ("generated", "stored") and each.rotation != "never":
            found[name] = None
        ahead += references(each)
    return list(found)


# --- what follows ---------------------------------------------------------------------------------


class Effects(NamedTuple):
    """What changes with values that rotate."""

    derived: tuple[str, ...]
    secrets: tuple[str, ...]  # names of Secrets
    hashed: tuple[str, ...]  # those among them that get another name, so that pods roll


def effects(recipe: Recipe, names: Sequence[str]) -> Effects:
    """The derived values and Secrets that change with these values."""
    changed = reached(recipe.values, names)
    secrets = [each for each in recipe.secrets if changed.intersection(each.data.values())]
    return Effects(
        derived=tuple(sorted(changed.difference(names))),
        secrets=tuple(sorted({each.name for each in secrets})),
        hashed=tuple(sorted({each.name for each in secrets if each.hash})),
    )


# --- seeds ----------------------------------------------------------------------------------------


def elsewhere(recipe: Recipe, seed: str) -> tuple[Value, ...]:
    """The generated values that are not made from this seed."""
    values = recipe.values.values()
    return tuple(each for each in values if each.origin == "generated" and each.seed != seed)


def move(recipe: Recipe, seed: str, today: date) -> tuple[Turn, ...]:
    """The rotation of every generated value that is not made from this seed, to it."""
    return tuple(turn(recipe, each, today, seed) for each in elsewhere(recipe, seed))


def needed_by(recipe: Recipe, seed: str, turns: Iterable[Turn] = ()) -> tuple[str, ...]:
    """The values that need a seed after these rotations: for what they are or what they were."""
    turned = {each.value.name: each for each in turns}
    found = []
    for name, value in recipe.values.items():
        seeds = {value.seed, value.previous.seed if value.previous else value.seed}
        if name in turned:
            seeds = {value.seed} if turned[name].keeps else set()
        if value.origin == "generated" and seed in seeds:
            found.append(name)
    return tuple(found)
