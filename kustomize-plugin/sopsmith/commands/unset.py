"""`sopsmith unset`: take a value out of its component."""

from __future__ import annotations

from functools import partial

from sopsmith import aftermath, report, repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.history import trail
from sopsmith.recipes import naming
from sopsmith.transaction import Work, carry_out
from sopsmith.voice import Session


def unset(session: Session, name: str, *, where: str | None, commit: bool, output: str) -> int:
    """Remove a key; one that is not declared any more, or is made now, is found as well."""
    root = repository.root_of(where, session.env)
    plan = partial(_plan, session, name, where)
    done, (environment, places) = carry_out(session, root, plan, commit=commit,
                                            tells_refusal=True)  # fmt: skip
    if output == "json":
        tree = {"value": name, "environment": environment, "files": places,
                "commit": done.commit, "findings": report.findings_json(done.findings)}  # fmt: skip
        session.write(report.as_json(tree))
        return exit_code(done.findings)
    session.write(f"{name} removed from {', '.join(places)}\n" + report.committed(done.commit))
    session.say(aftermath.told(done.findings))
    return exit_code(done.findings)


def _plan(session: Session, name: str, where: str | None) -> tuple[Work, tuple[str, list[str]]]:
    """The removal; the environment and the files."""
    leaf = repository.leaf(where, session.env, [name])
    sealed = repository.sealed_components(leaf)
    standing = placement.standing(sealed, name)
    if name in leaf.recipe.values and not standing:
        placement.kept(leaf.recipe, name)
    keys = {each.file: each.key for each in standing if each.key is not None}
    if not keys:
        message = "stands in no component that could lose it"
        raise SopsmithError(Finding("missing", message, leaf.recipe.file, naming.shown(name)))
    edits = [writeback.ComponentEdit(file, (Change(key, None),)) for file, key in keys.items()]
    message = trail.message("unset", leaf.recipe.environment, [name], "remove")
    work = Work(edits, message, check=partial(aftermath.left, leaf))
    return work, (leaf.recipe.environment, list(keys))
