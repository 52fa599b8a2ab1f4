"""What a rotation does, told before it is done: for people and for machines. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sopsmith import findings, report
from sopsmith.components.sealed import PREVIOUS
from sopsmith.findings import Finding
from sopsmith.model import Recipe
from sopsmith.recipes import roles
from sopsmith.recipes.consumers import Workload
from sopsmith.rotations.rotation import Effects, Turn, effects


class Prospect(NamedTuple):
    """One leaf's part in it."""

    recipe: Recipe
    turns: tuple[Turn, ...]
    left_out: tuple[Finding, ...]
    effects: Effects
    restarts: tuple[Workload, ...]
    others: tuple[Workload, ...]  # read a Secret that changes and keeps its name
    warnings: tuple[Finding, ...]  # what else somebody has to do


def prospect(
    recipe: Recipe,
    turns: Sequence[Turn],
    left_out: Sequence[Finding],
    workloads: Iterable[Workload],
) -> Prospect:
    """Work out what follows from a leaf's rotations."""
    names = [each.value.name for each in turns]
    found = effects(recipe, names)
    readers = [each for each in workloads if each.secrets.intersection(found.secrets)]
    restarting = [each for each in readers if each.secrets.intersection(found.hashed)]
    others = [each for each in readers if each not in restarting]
    return Prospect(
        recipe, tuple(turns), tuple(left_out), found, tuple(restarting), tuple(others),
        tuple(roles.unset(recipe, names)),
    )  # fmt: skip


def text(one: Prospect, colour: bool) -> str:
    """For people."""
    lines = []
    if one.turns:
        lines.append(f"{one.recipe.environment} ({one.recipe.file})\n")
        rows = [(each.value.name, _now(each), _then(each), _kept(each)) for each in one.turns]
        lines.append(report.table(("VALUE", "NOW", "THEN", "KEPT"), rows, colour))
    lines += _consequences(one)
    lines.append(findings.text(one.warnings, colour=colour))
    for each in one.left_out:
        lines.append(f"left out: {each.field} ({one.recipe.environment}): {each.message}\n")
        lines.append(f"  {each.hint}\n" if each.hint else "")
    return "".join(lines)


def _consequences(one: Prospect) -> list[str]:
    told = (
        ("derived from it", one.effects.derived),
        ("Secrets that change", one.effects.secrets),
        ("restarts", _names(one.restarts)),
        ("reads it and is not restarted, since the Secret keeps its name", _names(one.others)),
    )
    return [f"{words}: {', '.join(names)}\n" for words, names in told if names]


def _names(workloads: Iterable[Workload]) -> list[str]:
    return [f"{each.kind}/{each.name}" for each in workloads]


def _now(turn: Turn) -> str:
    value = turn.value
    words = [f"version {value.version}" if value.origin == "generated" else "stored"]
    words += [f"seed {value.seed}"] if "seed" in turn.fields else []
    words += [f"slot {value.slot}"] if value.slot else []
    return ", ".join(words)


def _then(turn: Turn) -> str:
    drawn = "what it was before" if turn.is_back else "drawn anew"
    words = [drawn if turn.version is None else f"version {turn.version}"]
    words += [f"{field} {turn.fields[field]}" for field in ("seed", "slot") if field in turn.fields]
    return ", ".join(words)


def _kept(turn: Turn) -> str:
    if not turn.keeps:
        return "-"
    return "previous" if turn.version is not None else PREVIOUS + turn.value.name


def as_tree(one: Prospect) -> dict[str, Any]:
    """For machines."""
    return {
        "environment": one.recipe.environment,
        "file": one.recipe.file,
        "rotated": [_turn_tree(each) for each in one.turns],
        "derived": list(one.effects.derived),
        "secrets": list(one.effects.secrets),
        "restarts": _names(one.restarts),
        "notRestarted": _names(one.others),
        "leftOut": report.findings_json(one.left_out),
        "warnings": report.findings_json(one.warnings),
    }


def _turn_tree(turn: Turn) -> dict[str, Any]:
    value = turn.value
    is_generated = value.origin == "generated"
    return {
        "value": value.name,
        "origin": value.origin,
        "from": value.version if is_generated else None,
        "to": turn.version,
        "seed": turn.fields.get("seed", value.seed) if is_generated else None,
        "slot": turn.fields.get("slot"),
        "keepsPrevious": turn.keeps,
    }
