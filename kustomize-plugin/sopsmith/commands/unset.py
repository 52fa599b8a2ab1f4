"""`sopsmith unset`: take a value out of its component."""

from __future__ import annotations

from sopsmith import aftermath, report, repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import trail
from sopsmith.voice import Session


def unset(session: Session, name: str, *, where: str | None, commit: bool, output: str) -> int:
    """Remove a key; one that is not declared any more, or is made now, is found as well."""
    leaf = repository.leaf(where, session.env, [name])
    sealed = repository.sealed_components(leaf)
    standing = placement.standing(sealed, name)
    if name in leaf.recipe.values and not standing:
        placement.kept(leaf.recipe, name)
    keys = {each.file: each.key for each in standing if each.key is not None}
    if not keys:
        message = "stands in no component that could lose it"
        raise SopsmithError(Finding("missing", message, leaf.recipe.file, name))
    places = list(keys)
    edits = [writeback.ComponentEdit(file, (Change(key, None),)) for file, key in keys.items()]
    with writeback.prepared(leaf.root, leaf.env, edits, commit=commit) as draft:
        left = aftermath.left(leaf, draft.read)
        changed = draft.write()
        message = trail.message("unset", leaf.recipe.environment, [name], "remove")
        made = writeback.finish(session, leaf.root, changed, message, commit=commit)
    if output == "json":
        tree = {"value": name, "environment": leaf.recipe.environment, "files": places,
                "commit": made, "findings": report.findings_json(left)}  # fmt: skip
        session.write(report.as_json(tree))
        return 0
    session.write(f"{name} removed from {', '.join(places)}\n" + report.committed(made))
    session.say(aftermath.told(left))
    return 0
