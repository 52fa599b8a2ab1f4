"""`sopsmith list`: every value, where it comes from, where it goes, and when it is due."""

from __future__ import annotations

from typing import Any

from sopsmith import checkout, report, repository
from sopsmith.model import Recipe
from sopsmith.pipeline.render import Rendered
from sopsmith.recipes import schedule
from sopsmith.recipes.provenance import source
from sopsmith.recipes.template import reached
from sopsmith.voice import Session


def list_values(session: Session, path: str | None, *, where: str | None, output: str) -> int:
    """Print the values of each leaf, absent ones included, never a value's content."""
    rendered = checkout.rendered(repository.meant(path, where, session.env))
    rows = [row for each in rendered for row in _rows(each)]
    if output == "json":
        session.write(report.as_json(rows))
        return 0
    header = ("VALUE", "ORIGIN", "FROM", "ROTATION", "DUE", "SECRETS")
    session.write(
        report.table(
            header,
            [
                (row["value"], row["origin"], row["from"], row["rotation"], row["due"] or "-",
                 ", ".join(row["secrets"]) or "-")
                for row in rows
            ],
            session.colour,
        )
    )  # fmt: skip
    return 0


def _rows(rendered: Rendered) -> list[dict[str, Any]]:
    recipe = rendered.recipe
    rows = []
    for name, value in recipe.values.items():
        day = schedule.due(value)
        rows.append(
            {
                "value": name,
                "environment": recipe.environment,
                "origin": value.origin,
                "present": name in rendered.values,
                "from": source(rendered, name),
                "version": value.version if value.origin == "generated" else None,
                "rotation": value.rotation,
                "rotated": value.rotated,
                "due": None if day is None else day.isoformat(),
                "secrets": _reached(recipe, name),
            }
        )
    return rows


def _reached(recipe: Recipe, name: str) -> list[str]:
    """The Secrets that change with a value, by itself or by what is derived from it."""
    affected = reached(recipe.values, [name])
    return [secret.name for secret in recipe.secrets if affected.intersection(secret.data.values())]
