"""`sopsmith fill`: draw every stored value that is missing, and keep it in its component."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sopsmith import report, repository, store, writeback
from sopsmith.components import placement
from sopsmith.components.placement import Place
from sopsmith.history import trail
from sopsmith.model import Sealed, Sensitive, Value
from sopsmith.repository import Leaf
from sopsmith.store import Deposit
from sopsmith.tools import age, draw
from sopsmith.voice import Session


class Missing(NamedTuple):
    """A stored value that no component holds yet."""

    leaf: Leaf
    value: Value
    place: Place


def fill(
    session: Session, names: Sequence[str], *, where: str | None, component: str | None,
    dry_run: bool, commit: bool, output: str,
) -> int:  # fmt: skip
    """Fill one environment, or without a word all of them: what is there stays as it is."""
    leaves = (
        repository.every_leaf(session.env)
        if where is None
        else (repository.leaf(where, session.env),)
    )
    for name in names:
        if not any(name in leaf.recipe.values for leaf in leaves):
            placement.declared(leaves[0].recipe, name)  # says what is wrong with it
    missing: list[Missing] = []
    given: list[tuple[str, str]] = []
    for leaf in leaves:
        sealed = repository.receiving_components(leaf)
        missing += _missing(leaf, sealed, names, component)
        given += [(leaf.recipe.environment, name) for name in _not_given(leaf, sealed)]
    dates = _dates(missing)
    missing = list({(each.place.file, each.place.key): each for each in missing}.values())
    changed: tuple[str, ...] = ()
    made = None
    if missing and not dry_run:
        edits = _edits(session, missing)
        for leaf, dated in dates:
            edits += store.dated(leaf, dated, session.today)
        with writeback.written(leaves[0].root, session.env, edits, commit=commit) as changed:
            filled = dict.fromkeys(each.leaf.recipe.environment for each in missing)
            names = [each.value.name for each in missing]
            message = trail.message("fill", tuple(filled), names, "fill")
            made = writeback.finish(session, leaves[0].root, changed, message, commit=commit)
    rows = [
        (each.leaf.recipe.environment, each.value.name, _kind(each.value), each.place.file)
        for each in missing
    ]
    if output == "json":
        keys = ("environment", "value", "kind", "file")
        tree = {"drawn": [dict(zip(keys, row, strict=True)) for row in rows],
                "written": bool(changed), "commit": made,
                "missing": [{"environment": e, "value": n} for e, n in given]}  # fmt: skip
        session.write(report.as_json(tree))
        return 0
    if rows:
        session.write(report.table(("ENVIRONMENT", "VALUE", "KIND", "COMPONENT"), rows,
                                   session.colour))  # fmt: skip
    session.write(_summary(len(rows), dry_run) + report.committed(made))
    for environment, name in given:
        session.write(f"still to be given: sopsmith set {name} -e {environment}\n")
    return 0


def _summary(count: int, dry_run: bool) -> str:
    if not count:
        return "no stored value is missing\n"
    what = "1 value" if count == 1 else f"{count} values"
    return f"{what} to draw\n" if dry_run else f"{what} drawn\n"


def _missing(
    leaf: Leaf, sealed: Sequence[Sealed], names: Sequence[str], component: str | None
) -> list[Missing]:
    found = []
    for value in leaf.recipe.values.values():
        if value.origin == "stored" and (not names or value.name in names):
            place = placement.place(leaf.recipe, sealed, value.name, component)
            if not place.exists:
                found.append(Missing(leaf, value, place))
    return found


def _not_given(leaf: Leaf, sealed: Sequence[Sealed]) -> list[str]:
    """Values that a person has to give, and has not."""
    present = {key for each in sealed for key in placement.names_of(each)}
    return [
        value.name
        for value in leaf.recipe.values.values()
        if value.origin == "given"
        and value.default is None
        and not value.optional
        and value.name not in present
    ]


def _edits(session: Session, missing: Sequence[Missing]) -> list[writeback.Edit]:
    def new_identity() -> Sensitive:
        return age.new_identity(session.env)

    return store.edits(
        Deposit(each.leaf, each.place, draw.draw(generator, session.today, new_identity), True)
        for each in missing
        if (generator := each.value.generator) is not None
    )


def _dates(missing: Sequence[Missing]) -> list[tuple[Leaf, list[str]]]:
    """The values that become of today, by leaf: each leaf counts the age of what it reads."""
    found: dict[str, tuple[Leaf, list[str]]] = {}
    for each in missing:
        found.setdefault(each.leaf.resolved.file, (each.leaf, []))[1].append(each.value.name)
    return list(found.values())


def _kind(value: Value) -> str:
    return value.generator.kind if value.generator else ""
