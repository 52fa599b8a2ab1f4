"""`sopsmith restore`: an old value comes back as a new change; history stays what it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

from sopsmith import aftermath, report, repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.history import past, pending, restoration, trail
from sopsmith.history.reopened import contents, held
from sopsmith.history.snapshot import Snapshot
from sopsmith.model import Recipe, Sensitive, Value
from sopsmith.pipeline.render import given_anew
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import read_source, resolve
from sopsmith.recipes.template import IDENTITIES, reached, references
from sopsmith.tools import git
from sopsmith.transaction import Work, carry_out
from sopsmith.voice import Session

_KEPT = ("given", "stored")


class Plan(NamedTuple):
    """What is to be done; no edits where the value is what it was."""

    edits: tuple[writeback.Edit, ...]
    words: str  # for people


def restore(
    session: Session, name: str, *, to: str, where: str | None, commit: bool, dry_run: bool,
    output: str,
) -> int:  # fmt: skip
    """Give a value what it was in a commit. Nothing is written with `dry_run`."""
    root = repository.root_of(where, session.env)
    revision = past.commit_of(git.Repository(root, session.env), to)
    planned = partial(_planned, session, name, where, revision)
    made, found = None, tuple[Finding, ...]()
    if dry_run:
        work, (recipe, words) = planned()
        changed: Sequence[str] = [edit.file for edit in work.edits]
    else:
        (changed, made, found), (recipe, words) = carry_out(
            session, root, planned, commit=commit, tells_refusal=True
        )
    derived = sorted(reached(recipe.values, [name]) - {name}) if changed else []
    secrets = repository.secrets_with(recipe, [name]) if changed else []
    if output == "json":
        tree = {"value": name, "environment": recipe.environment, "to": revision,
                "files": list(changed), "dryRun": dry_run, "derived": derived,
                "secrets": secrets, "commit": made,
                "findings": report.findings_json(found)}  # fmt: skip
        session.write(report.as_json(tree))
        return exit_code(found)
    if not changed:
        session.write(f"{name} is what it was in {revision[:12]}: nothing changed\n")
    else:
        session.write(f"{name} {'would be' if dry_run else 'is'} {words}\n")
        for words, names in (("derived from it", derived), ("Secrets that change", secrets)):
            session.write(f"{words}: {', '.join(names)}\n" if names else "")
    session.write(report.committed(made))
    session.say(aftermath.told(found))
    return exit_code(found)


def _planned(
    session: Session, name: str, where: str | None, revision: str
) -> tuple[Work, tuple[Recipe, str]]:
    """The edits; the recipe, and what is told."""
    leaf = repository.leaf(where, session.env, [name])
    value = placement.declared(leaf.recipe, name)
    if value.origin == "derived":
        raise SopsmithError(_derived(leaf.recipe, value))
    edits, words = _plan(leaf, value, revision, session.today)
    message = trail.message("restore", leaf.recipe.environment, [name], "restore")
    begun = pending.begun(leaf, [name]).get(name, ())
    return Work(edits, message, begun=begun), (leaf.recipe, words)


def _derived(recipe: Recipe, value: Value) -> Finding:
    needs = [name for name in references(value) if name not in IDENTITIES]
    hint = f"restore what it is derived from: {', '.join(needs)}"
    return Finding("usage", "is derived, so it has no versions of its own", value.file, value.name,
                   hint)  # fmt: skip


def _plan(leaf: repository.Leaf, value: Value, revision: str, today: date) -> Plan:
    then = _then(leaf, revision)
    before = restoration.before_of(then.recipe, value, revision)
    if value.origin == "generated" and before.origin == "generated":
        return _version(leaf, value, then.recipe, before, revision, today)
    if value.origin in _KEPT and before.origin in _KEPT:
        return _content(leaf, value, then, before, revision)
    message = f"is {value.origin} now and was {before.origin} in {revision[:12]}"
    hint = "change its origin in the recipe first, or bring the recipe back with git"
    raise SopsmithError(Finding("usage", message, value.file, value.name, hint))


def _then(leaf: repository.Leaf, revision: str) -> Snapshot:
    """The leaf as it was."""
    recipe = leaf.recipe
    (standing,) = past.standing(leaf.git, [revision], recipe.environment)
    found = [
        each for key, each in standing.leaves.items() if key[:2] == (recipe.app, recipe.environment)
    ]
    found = [each for each in found if each.recipe.file == recipe.file] or found
    if found:
        return found[0]
    broken = standing.trouble(recipe)
    if broken:
        message = f"can't be read as it was in {revision[:12]}: {broken.message}"
        raise SopsmithError(Finding("usage", message, recipe.file, hint="name another commit"))
    message = f"has no leaf of {recipe.app} for {recipe.environment}"
    raise SopsmithError(Finding("usage", f"{revision[:12]} {message}", hint="name a later commit"))


# --- given and stored values ----------------------------------------------------------------------


def _content(
    leaf: repository.Leaf, value: Value, then: Snapshot, before: Value, revision: str
) -> Plan:
    """Take the value from the old file, and set it in today's."""
    place = then.places.get(before.name)
    short = revision[:12]
    if place is None:
        if then.findings:
            raise SopsmithError(then.findings)
        message = f"stood in no component in {short}"
        hint = f"sopsmith unset {value.name} -e {leaf.recipe.environment} removes it now"
        if before.default is not None:
            hint = f"it was the recipe's default: git show {short}:./{before.file}"
        raise SopsmithError(Finding("usage", message, then.recipe.file, value.name, hint))
    content = contents(leaf.env, git.reader(leaf.git, revision), [place.component])[place.component]
    if isinstance(content, SopsmithError):
        raise SopsmithError(each._replace(message=f"{each.message} (as of {short})")
                            for each in content.findings)  # fmt: skip
    stated = content.environment
    if stated is not None and leaf.recipe.environment not in stated:
        message = f"belonged to another environment in {short}"
        raise SopsmithError(Finding("wrong-environment", message, place.component.file))
    sensitive = held(content, place.key)
    if sensitive is None:
        problem = content.findings.get(place.key)
        raise SopsmithError(problem or Finding("usage", f"can't be used as of {short}", None,
                                               value.name))  # fmt: skip
    rendered = repository.rendered(leaf)
    now = placement.place(leaf.recipe, repository.sealed_components(leaf), value.name)
    words = f"what it was in {short}, in {now.file}"
    current = rendered.values.get(value.name) if now.exists else None
    if current is not None and current.data() == sensitive.data():
        return Plan((), words)
    errors = [
        each
        for each in given_anew(rendered, {value.name: sensitive})
        if each.severity == "error" and each.field == value.name
    ]
    if errors:
        raise SopsmithError(errors)
    return Plan((_edit(now, sensitive),), words)


def _edit(place: placement.Place, sensitive: Sensitive) -> writeback.Edit:
    if place.key is None:
        return writeback.WholeFile(place.file, sensitive)
    return writeback.ComponentEdit(place.file, (Change(place.key, sensitive),))


# --- generated values -----------------------------------------------------------------------------


def _version(
    leaf: repository.Leaf, value: Value, then: Recipe, before: Value, revision: str, today: date
) -> Plan:
    """Make the value from what it was made from, and remember what it is made from today."""
    restoration.check_seed(leaf.recipe, value, then, before, revision)
    words = (
        f"version {before.version} of seed {before.seed} again, as in {revision[:12]}; "
        f"until now version {value.version} of seed {value.seed}"
    )
    if restoration.made_from(value) == restoration.made_from(before):
        return Plan((), words)
    edit = writeback.recipe_edit(leaf, lambda text: restoration.text_of(text, value, before, today))
    _verify(leaf, edit.after, value, before)
    return Plan((edit,), words)


def _verify(leaf: repository.Leaf, text: bytes, value: Value, before: Value) -> None:
    """Read the changed leaf as anybody would, and see that the value is made from what it was."""

    def read(file: str) -> bytes:
        return text if file == leaf.recipe.file else leaf.read(file)

    for resolved in resolve(read_source(leaf.recipe.file, read), read):
        changed = parse(resolved).values.get(value.name)
        if changed is None or restoration.made_from(changed) != restoration.made_from(before):
            message = "can't be brought back by fields of the leaf alone"
            hint = "bring the recipes back with git"
            raise SopsmithError(Finding("usage", message, leaf.recipe.file, value.name, hint))
