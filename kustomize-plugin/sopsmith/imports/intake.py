"""What becomes of imported values, and the edits for that. What stands somewhere is kept."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from sopsmith import checkout, repository, settings
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.components.sealed import ENVIRONMENT, SEED, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.imports import foreseen, importing
from sopsmith.imports.destination import Target, inside
from sopsmith.imports.importing import Imported
from sopsmith.imports.suggest import Suggestion
from sopsmith.model import Component, Recipe, Sealed, Sensitive, Values
from sopsmith.pipeline.derive import derive
from sopsmith.recipes import naming, origins
from sopsmith.repository import Leaf
from sopsmith.setup import scaffold
from sopsmith.text import layout, notation
from sopsmith.tools import files
from sopsmith.writeback import (
    ComponentEdit,
    Edit,
    NewComponent,
    TextEdit,
    WholeFile,
    recipe_edit,
)

State = Literal["stored", "derived", "taken", "there already", "differs"]
WRITTEN: tuple[State, ...] = ("stored", "derived", "taken")


class Row(NamedTuple):
    """What becomes of one value."""

    suggestion: Suggestion
    state: State
    file: str | None  # the component that holds it
    key: str | None = None  # in that component; None where the file is the value, or none holds it

    @property
    def name(self) -> str:
        """The value's name."""
        return self.suggestion.name


class Plan(NamedTuple):
    """What an import would do."""

    rows: tuple[Row, ...]
    edits: tuple[Edit, ...]
    findings: tuple[Finding, ...]  # warnings: what `validate` will say of what is imported


class _Standing(NamedTuple):
    """What is there before."""

    recipe: Recipe | None
    sealed: tuple[Sealed, ...]
    values: Values  # as they render now
    previous: Values
    findings: tuple[Finding, ...]  # of today
    places: Mapping[str, str]
    home: str  # the component of new values

    @property
    def files(self) -> set[str]:
        """The components that are there."""
        return {each.component.file for each in self.sealed}


def plan(
    target: Target, imported: Imported, suggestions: Sequence[Suggestion], *, app: str,
    component: str | None, accept: str, take: Collection[str],
) -> Plan:  # fmt: skip
    """What is to be written; values that stand somewhere are replaced where `take` names them.

    Raises SopsmithError: usage, layout-unsafe, what components and recipes raise.
    """
    for name in take:
        if name not in imported.values:
            hint, shown = "sopsmith import --help", naming.shown(name)
            message = (
                "is not in what is imported" if shown else "a --take is not in what is imported"
            )
            raise SopsmithError(Finding("usage", message, None, shown, hint))
    standing = _standing(target, app, component)
    said = [_declarable(target, each) for each in suggestions]
    after = _after(standing, imported, take)
    rows = tuple(_row(standing, after, each, imported, accept, take) for each in said)
    edits = [*_component_edits(target, standing, rows, imported.values)]
    edits += [_recipe_edit(target, standing, rows, imported, app, accept)]
    edits += _overlay_edits(target, imported)
    taken = {row.name: imported.values[row.name] for row in rows if row.state == "taken"}
    values = {**imported.values, **after, **taken}
    return Plan(rows, tuple(edits), _foreseen(target, standing, rows, values, edits))


def _standing(target: Target, app: str, component: str | None) -> _Standing:
    wanted = None if component is None else inside(target.root, component)
    default = scaffold.Application(app, (), "none").component(target.environment)
    if target.leaf is not None:
        sealed = repository.sealed_components(target.leaf)
        home = wanted or _home(target.leaf.recipe, sealed) or default
        if home not in {each.component.file for each in sealed}:
            sealed += _sealed(target, home)
        now = repository.rendered(target.leaf)
        return _Standing(
            now.recipe, sealed, now.values, now.previous, now.findings, now.places, home
        )
    home = wanted or default
    return _Standing(None, _sealed(target, home), {}, {}, (), {}, home)


def _after(standing: _Standing, imported: Imported, take: Collection[str]) -> Values:
    """What the values that are there will be; derived ones follow what they are derived from."""
    if standing.recipe is None:
        return {}
    new = {}
    for name, value in imported.values.items():
        declared = standing.recipe.values.get(name)
        origin = declared.origin if declared else "given"
        is_there = origin == "generated" or placement.standing(standing.sealed, name)
        if origin != "derived" and (name in take or not is_there):
            new[name] = value
    return foreseen.rederived(standing.recipe, standing.values, new, standing.previous)


def _home(recipe: Recipe, sealed: Sequence[Sealed]) -> str | None:
    """The one component for new values; None where there is none yet."""
    maps = [s for s in sealed if s.component.whole is None and s.component.picks is None]
    seeded = [s for s in maps if any(k.startswith(SEED) for k in placement.keys_of(s))]
    found = [each.component.file for each in (seeded if len(maps) > 1 and seeded else maps)]
    if len(found) > 1:
        hint = f"say which with --component: {', '.join(found)}"
        message = "several components could hold new values"
        raise SopsmithError(Finding("usage", message, recipe.file, hint=hint))
    return found[0] if found else None


def _sealed(target: Target, file: str) -> tuple[Sealed, ...]:
    """A component that no recipe reads yet, if it is there."""
    if not os.path.lexists(os.path.join(target.root, file)):
        return ()
    trust = settings.read(target.env).trust
    return (seal(Component(file, None, None), files.reader(target.root)(file), trust),)


def _declarable(target: Target, suggestion: Suggestion) -> Suggestion:
    """The suggestion as the recipe can say it."""
    leaf = target.leaf
    if leaf is None or suggestion.name in leaf.recipe.values:
        return suggestion
    has_bases = {*leaf.resolved.origins.values()} != {leaf.resolved.file}
    return importing.undeclared(suggestion) if has_bases else suggestion


def _row(
    standing: _Standing, after: Values, suggested: Suggestion, imported: Imported, accept: str,
    take: Collection[str],
) -> Row:  # fmt: skip
    name = suggested.name
    declared = standing.recipe.values.get(name) if standing.recipe else None
    place = next(iter(placement.standing(standing.sealed, name)), None)
    is_made = declared is not None and declared.origin in ("generated", "derived")
    is_derived = suggested.what == "derived" and suggested.what in importing.ACCEPTED[accept]
    if place or is_made:
        is_derived_now = declared is not None and declared.origin == "derived"
        if _is_known(after if is_derived_now else standing.values, suggested, imported):
            return Row(suggested, "there already", place and place.file)
        if name not in take:
            return Row(suggested, "differs", place and place.file)
        if place:
            return Row(suggested, "taken", place.file, place.key)
    if is_derived and (declared is None or declared.origin == "derived"):
        return Row(suggested, "derived", None)
    is_bytes = not _is_text(imported.values[name])
    file = importing.whole_file(standing.home, name) if is_bytes else standing.home
    return Row(suggested, "taken" if is_made else "stored", file, None if is_bytes else name)


def _is_known(values: Values, suggested: Suggestion, imported: Imported) -> bool:
    """Whether the value renders as what was imported, or as a URL that reads the same."""
    known = values.get(suggested.name)
    same = [imported.values[suggested.name]]
    same += [suggested.proposal.composed] if suggested.proposal else []
    return known is not None and known.data() in [each.data() for each in same]


def _is_text(value: Sensitive) -> bool:
    text = value.text()
    return text is not None and "\0" not in text


# --- edits ----------------------------------------------------------------------------------------


def _component_edits(
    target: Target, standing: _Standing, rows: Sequence[Row], values: Values
) -> Iterator[Edit]:
    stored = [(row, row.file) for row in rows if row.state in ("stored", "taken") and row.file]
    maps: dict[str, list[Change]] = {} if standing.recipe else {standing.home: []}
    for row, file in stored:
        if row.key is not None:
            change = Change(row.key, values[row.name], is_new=row.state == "stored")
            maps.setdefault(file, []).append(change)
    for file, changes in maps.items():
        if file not in standing.files:
            new = {each.key: each.value for each in changes if each.value is not None}
            yield NewComponent(file, {ENVIRONMENT: Sensitive(target.environment), **new})
        elif changes:
            yield ComponentEdit(file, tuple(changes))
    for row, file in stored:
        if row.key is None:
            is_there = os.path.lexists(os.path.join(target.root, file))
            if is_there and file not in standing.files:
                message = "is there already; name another place with --component"
                raise SopsmithError(Finding("usage", message, file, row.name))
            yield WholeFile(file, values[row.name], is_new=row.state == "stored")


def _recipe_edit(
    target: Target, standing: _Standing, rows: Sequence[Row], imported: Imported, app: str,
    accept: str,
) -> TextEdit:  # fmt: skip
    said = {
        row.name: importing.fields(row.suggestion, accept)
        for row in rows
        if standing.recipe is None or row.name not in standing.recipe.values
    }
    if target.leaf is None:
        paths = _paths(target, rows, standing.home)
        text = importing.new_leaf(app, target.environment, paths, said, imported.secrets)
        return TextEdit(target.recipe, None, text.encode("utf-8"))
    leaf = target.leaf
    replaced = [row for row in rows if row.state in WRITTEN and row.name not in said]
    known = {each.file for each in leaf.recipe.components}
    written = [row for row in rows if row.file is not None and row.file not in known]

    def edit(text: str) -> str:
        for path in _paths(target, written, None):
            text = layout.append_item(text, ("spec", "components"), path)
        fields = [(("spec", "values", name), dict(each)) for name, each in said.items()]
        text = layout.set_fields(text, fields)
        for row in replaced:
            text = _replaced(leaf, row, text)
        return text

    return recipe_edit(leaf, edit)


def _replaced(leaf: Leaf, row: Row, text: str) -> str:
    """What the recipe says of a value that it declares and that is another from here on."""
    if row.state == "stored":
        return text
    text = origins.of_unknown_age(text, row.name)
    declared = leaf.recipe.values[row.name]
    if row.state == "derived":
        inherited = leaf.resolved.spec["values"][row.name]["derive"]
        return origins.derived(text, row.name, inherited, row.suggestion.fields["derive"])
    if declared.origin == "generated":
        return origins.stored(text, row.name)
    return origins.given(text, row.name) if declared.origin == "derived" else text


def _paths(target: Target, rows: Sequence[Row], home: str | None) -> list[str | dict[str, str]]:
    """The components that these rows need, as the recipe names them."""
    maps: dict[str, None] = {} if home is None else {home: None}
    whole: list[str | dict[str, str]] = []
    for row in rows:
        if row.file is None:
            continue
        if row.key is None:
            path = importing.relative(row.file, target.recipe)
            whole.append({"path": path, "as": row.name})
        else:
            maps[row.file] = None
    return [*(importing.relative(file, target.recipe) for file in maps), *whole]


def _overlay_edits(target: Target, imported: Imported) -> Iterator[TextEdit]:
    """The kustomization of a new leaf, where its folder has none."""
    folder = posixpath.dirname(target.recipe)
    path = os.path.join(target.root, folder)
    if target.leaf is not None or checkout.is_overlay(path):
        return
    head = "kind: Kustomization\n"
    placed = (
        f"{head}namespace: {notation.flow(imported.namespace)}\n" if imported.namespace else head
    )
    text = scaffold.KUSTOMIZATION.replace(head, placed)
    text = text.replace("recipe.yaml", posixpath.basename(target.recipe))
    yield TextEdit(posixpath.join(folder, "kustomization.yaml"), None, text.encode())
    if not os.path.lexists(os.path.join(path, "guard.yaml")):
        guard = scaffold.guard([secret.name for secret in imported.secrets])
        yield TextEdit(posixpath.join(folder, "guard.yaml"), None, guard.encode())


# --- what will come of it ---------------------------------------------------------------------


def _foreseen(
    target: Target, standing: _Standing, rows: Sequence[Row], values: Values, edits: Sequence[Edit]
) -> tuple[Finding, ...]:
    """What the new recipe says of the values; what it derives has to be what was imported."""
    texts = {each.file: each.after for each in edits if isinstance(each, TextEdit)}
    recipe = foreseen.recipe(target.recipe, files.reader(target.root), texts)
    derived = {row.name for row in rows if row.state == "derived"}
    known = {name: value for name, value in values.items() if name not in derived}
    composed = derive(recipe, known, standing.previous)
    differing = {row.name for row in rows if row.state == "differs"}
    for row in rows:
        proposal = row.suggestion.proposal
        if row.state == "derived" and proposal is not None:
            made = composed.values.get(row.name)
            if made is None or made.data() != proposal.composed.data():
                takes = " ".join(f"--take {name}" for name in proposal.names if name in differing)
                hint = f"{takes}, or import it without --accept" if takes else "leave out --accept"
                message = "would not be derived as what was imported"
                raise SopsmithError(Finding("usage", message, target.recipe, row.name, hint))
    places = {row.name: row.file for row in rows if row.file and row.state in WRITTEN}
    return foreseen.findings(recipe, composed, {**standing.places, **places}, standing.findings)
