"""`sopsmith pin`: a generated value becomes a stored one, unchanged: the way out of the seed."""

from __future__ import annotations

from functools import partial

from sopsmith import aftermath, report, repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.components.placement import Place
from sopsmith.components.sealed import PREVIOUS
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.history import reopened, trail
from sopsmith.model import Component, Sensitive
from sopsmith.recipes import origins
from sopsmith.repository import Leaf
from sopsmith.transaction import Work, carry_out
from sopsmith.voice import Session


def pin(
    session: Session, name: str, *, where: str | None, component: str | None, commit: bool,
    output: str,
) -> int:  # fmt: skip
    """Store today's value, and that of before where it is read, in a component, and say so in the
    leaf; no Secret changes."""
    root = repository.root_of(where, session.env)
    plan = partial(_plan, session, name, where, component)
    done, (environment, file) = carry_out(session, root, plan, commit=commit,
                                           tells_refusal=True)  # fmt: skip
    if output == "json":
        tree = {"value": name, "environment": environment, "file": file, "commit": done.commit,
                "findings": report.findings_json(done.findings)}  # fmt: skip
        session.write(report.as_json(tree))
    else:
        session.write(f"{name} is stored in {file} now, unchanged\n")
        mine = f"{name} -e {environment}"
        session.write(f"from here on: sopsmith set {mine}, or sopsmith rotate {mine}\n")
        session.write(report.committed(done.commit))
        session.say(aftermath.told(done.findings))
    return exit_code(done.findings)


def _plan(
    session: Session, name: str, where: str | None, component: str | None
) -> tuple[Work, tuple[str, str]]:
    """The edits; the environment and the file."""
    leaf = repository.leaf(where, session.env, [name])
    value = placement.declared(leaf.recipe, name)
    if value.origin != "generated":
        message = f"is {value.origin}; only what comes from the seed can be pinned"
        raise SopsmithError(Finding("usage", message, value.file, name))
    place = placement.place(leaf.recipe, repository.sealed_components(leaf), name, component)
    rendered = repository.rendered(leaf)
    current, before = rendered.values[name], rendered.previous.get(name)
    if place.key is None or (place.exists and not _is_begun(leaf, place, current)):
        message = f"stands in {place.file} as well: remove it there first"
        hint = f"sopsmith unset {name} -e {leaf.recipe.environment}"
        raise SopsmithError(Finding("origin-conflict", message, place.file, name, hint))
    edits: list[writeback.Edit] = [
        writeback.recipe_edit(leaf, lambda text: origins.stored(text, name))
    ]
    changes = [] if place.exists else [Change(place.key, current, is_new=True)]
    if before is not None:  # somebody still reads it: old sessions, or the role of the other slot
        changes.append(Change(PREVIOUS + name, before))
    if changes:
        edits.insert(0, writeback.ComponentEdit(place.file, tuple(changes)))
    message = trail.message("pin", leaf.recipe.environment, [name], "pin")
    return Work(edits, message, begun=[place.file]), (leaf.recipe.environment, place.file)


def _is_begun(leaf: Leaf, place: Place, current: Sensitive) -> bool:
    """Whether an earlier run stored today's value and was killed before it said so in the leaf."""
    component = Component(place.file, None, None)
    content = reopened.contents(leaf.env, leaf.read, [component])[component]
    if isinstance(content, SopsmithError):
        raise content
    kept = reopened.held(content, place.key or "")
    return kept is not None and kept.data() == current.data()
