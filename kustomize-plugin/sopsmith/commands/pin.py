"""`sopsmith pin`: a generated value becomes a stored one, unchanged: the way out of the seed."""

from __future__ import annotations

from sopsmith import report, repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import trail
from sopsmith.voice import Session

_OF_THE_SEED = ("version", "seed", "previous")


def pin(
    session: Session, name: str, *, where: str | None, component: str | None, commit: bool,
    output: str,
) -> int:  # fmt: skip
    """Store today's value in a component and say so in the leaf; no Secret changes."""
    leaf = repository.leaf(where, session.env, [name])
    value = placement.declared(leaf.recipe, name)
    if value.origin != "generated":
        message = f"is {value.origin}; only what comes from the seed can be pinned"
        raise SopsmithError(Finding("usage", message, value.file, name))
    place = placement.place(leaf.recipe, repository.sealed_components(leaf), name, component)
    if place.exists or place.key is None:
        message = f"stands in {place.file} as well: remove it there first"
        hint = f"sopsmith unset {name} -e {leaf.recipe.environment}"
        raise SopsmithError(Finding("origin-conflict", message, place.file, name, hint))
    current = repository.rendered(leaf).values[name]
    edits: list[writeback.Edit] = [
        writeback.ComponentEdit(place.file, (Change(place.key, current, is_new=True),)),
        writeback.recipe_edit(leaf, lambda text: _stored(text, name)),
    ]
    with writeback.written(leaf.root, leaf.env, edits, commit=commit) as changed:
        message = trail.message("pin", leaf.recipe.environment, [name], "pin")
        made = writeback.finish(session, leaf.root, changed, message, commit=commit)
    if output == "json":
        tree = {"value": name, "environment": leaf.recipe.environment, "file": place.file,
                "commit": made}  # fmt: skip
        session.write(report.as_json(tree))
    else:
        session.write(f"{name} is stored in {place.file} now, unchanged\n")
        mine = f"{name} -e {leaf.recipe.environment}"
        session.write(f"from here on: sopsmith set {mine}, or sopsmith rotate {mine}\n")
        session.write(report.committed(made))
    return 0


def _stored(text: str, name: str) -> str:
    from sopsmith.text import layout

    for field in _OF_THE_SEED:
        text = layout.remove_field(text, ("spec", "values", name, field))
    return layout.set_field(text, ("spec", "values", name, "stored"), True)
