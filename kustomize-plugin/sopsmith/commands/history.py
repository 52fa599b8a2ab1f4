"""`sopsmith history`: every version of a value, from git alone."""

from __future__ import annotations

from collections.abc import Iterable

from sopsmith import report, repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, text
from sopsmith.history import chronicle, past
from sopsmith.history.chronicle import Event
from sopsmith.model import Recipe
from sopsmith.recipes import naming, shape
from sopsmith.recipes.template import IDENTITIES, references
from sopsmith.voice import Session


def history(session: Session, name: str, *, where: str | None, output: str) -> int:
    """Print each commit that changed a value, newest first; of a derived one, also its inputs."""
    leaf = repository.leaf(where, session.env, [name])
    lived = past.along(leaf.git, leaf.recipe.environment)
    identity = (leaf.recipe.app, leaf.recipe.environment)
    found = [
        event
        for event in chronicle.events(lived.commits, lived.standings, lived.edges)
        if event.leaf is not None and event.leaf[:2] == identity
    ]
    commits = {each.hash: each for each in lived.commits}
    rows = [
        {"value": row.name, "change": row.change, "detail": row.detail,
         **past.as_data(commits[event.commit])}
        for event, row in chronicle.follow(found, _meant(leaf.recipe, name))
        if row.change != "settings"
    ]  # fmt: skip
    if lived.edges:
        session.say(text([past.SHALLOW], "sopsmith: "))
    if not rows and name not in leaf.recipe.values:
        raise SopsmithError(_never_there(leaf.recipe, name, found))
    if output == "json":
        session.write(report.as_json(rows))
    elif rows:
        header = ("COMMIT", "DATE", "AUTHOR", "VALUE", "CHANGE", "DETAIL")
        body = [
            (row["commit"][:12], row["date"][:10], report.brief(row["author"]), row["value"],
             row["change"], row["detail"] or "-")
            for row in rows
        ]  # fmt: skip
        session.write(report.table(header, body, session.colour))
    else:
        session.write(f"no commit that is here has changed {name}\n")
    return 0


def _never_there(recipe: Recipe, name: str, found: Iterable[Event]) -> Finding:
    """A name that no value has, or had; that of one that is gone by now may be meant as well."""
    lived = {row.name for event in found for row in event.rows if row.what == "value"}
    close = shape.nearest(name, {**recipe.values, **dict.fromkeys(sorted(lived))})
    hint = (
        f"did you mean {close}?"
        if close
        else f"sopsmith list -e {recipe.environment} shows the names of today"
    )
    message = "is no declared value, and no commit that is here knows one of that name"
    return Finding("recipe-name", message, recipe.file, naming.shown(name), hint)


def _meant(recipe: Recipe, name: str) -> set[str]:
    """The value, and all that it is derived from."""
    meant: set[str] = set()
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each not in meant:
            meant.add(each)
            value = recipe.values.get(each)
            waiting += [n for n in references(value) if n not in IDENTITIES] if value else []
    return meant
