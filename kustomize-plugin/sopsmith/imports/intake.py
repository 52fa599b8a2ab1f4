"""What becomes of imported values, and the edits for that. What stands somewhere is kept."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from sopsmith import checkout, repository, settings
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.components.sealed import ENVIRONMENT, SEED, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.imports import importing
from sopsmith.imports.destination import Target, inside
from sopsmith.imports.importing import Imported
from sopsmith.imports.suggest import Suggestion
from sopsmith.model import Component, Recipe, Sealed, Sensitive, Values
from sopsmith.pipeline.derive import derive
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import read_source, resolve
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

State = Literal["stored", "derived", "there already", "differs"]
WRITTEN: tuple[State, ...] = ("stored", "derived")


class Row(NamedTuple):
    """What becomes of one value."""

    suggestion: Suggestion
    state: State
    file: str | None  # the component that holds it
    is_whole: bool = False  # the value is all of that file

    @property
    def name(self) -> str:
        """The value's name."""
        return self.suggestion.name


class Plan(NamedTuple):
    """What an import would do."""

    rows: tuple[Row, ...]
    edits: tuple[Edit, ...]


class _Standing(NamedTuple):
    """What is there before."""

    recipe: Recipe | None
    sealed: tuple[Sealed, ...]
    values: Values  # as they render now
    home: str  # the component of new values


def plan(
    target: Target, imported: Imported, suggestions: Sequence[Suggestion], *, app: str,
    component: str | None, accept: str,
) -> Plan:  # fmt: skip
    """What is to be written; values that stand somewhere already are never replaced.

    Raises SopsmithError: usage, layout-unsafe, what components and recipes raise.
    """
    standing = _standing(target, app, component)
    rows = tuple(
        _row(standing, _declarable(target, each), imported, accept) for each in suggestions
    )
    edits = [*_component_edits(target, standing, rows, imported.values)]
    edits += [_recipe_edit(target, standing, rows, imported, app, accept)]
    edits += _overlay_edits(target, imported)
    _verify(target, rows, {**imported.values, **standing.values}, edits)
    return Plan(rows, tuple(edits))


def _standing(target: Target, app: str, component: str | None) -> _Standing:
    wanted = None if component is None else inside(target.root, component)
    default = scaffold.Application(app, (), "none").component(target.environment)
    if target.leaf is not None:
        sealed = repository.sealed_components(target.leaf)
        home = wanted or _home(target.leaf.recipe, sealed) or default
        if home not in {each.component.file for each in sealed}:
            sealed += _sealed(target, home)
        values = repository.rendered(target.leaf).values
        return _Standing(target.leaf.recipe, sealed, values, home)
    home = wanted or default
    return _Standing(None, _sealed(target, home), {}, home)


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


def _row(standing: _Standing, suggested: Suggestion, imported: Imported, accept: str) -> Row:
    name = suggested.name
    declared = standing.recipe.values.get(name) if standing.recipe else None
    holder = next(
        (each.component.file for each in standing.sealed if name in placement.names_of(each)), None
    )
    if holder or (declared and declared.origin in ("generated", "derived")):
        state: State = "there already" if _is_known(standing, suggested, imported) else "differs"
        return Row(suggested, state, holder)
    is_accepted = suggested.what in importing.ACCEPTED[accept]
    if declared is None and is_accepted and suggested.what == "derived":
        return Row(suggested, "derived", None)
    is_bytes = not _is_text(imported.values[name])
    file = importing.whole_file(standing.home, name) if is_bytes else standing.home
    return Row(suggested, "stored", file, is_bytes)


def _is_known(standing: _Standing, suggested: Suggestion, imported: Imported) -> bool:
    """Whether the value renders as what was imported, or as a URL that reads the same."""
    known = standing.values.get(suggested.name)
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
    stored = {row.name: row.file for row in rows if row.state == "stored"}
    entries = {name: values[name] for name, file in stored.items() if file == standing.home}
    if any(each.component.file == standing.home for each in standing.sealed):
        if entries:
            changes = tuple(Change(name, value) for name, value in entries.items())
            yield ComponentEdit(standing.home, changes)
    elif entries or standing.recipe is None:
        stated = {ENVIRONMENT: Sensitive(target.environment)}
        yield NewComponent(standing.home, {**stated, **entries})
    for name, file in stored.items():
        if file is not None and file != standing.home:
            if os.path.lexists(os.path.join(target.root, file)):
                message = "is there already; name another place with --component"
                raise SopsmithError(Finding("usage", message, file, name))
            yield WholeFile(file, values[name])


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
    known = {each.file for each in target.leaf.recipe.components}
    written = [row for row in rows if row.file is not None and row.file not in known]

    def edit(text: str) -> str:
        for path in _paths(target, written, None):
            text = layout.append_item(text, ("spec", "components"), path)
        fields = [(("spec", "values", name), dict(each)) for name, each in said.items()]
        return layout.set_fields(text, fields)

    return recipe_edit(target.leaf, edit)


def _paths(target: Target, rows: Sequence[Row], home: str | None) -> list[str | dict[str, str]]:
    """The components that these rows need, as the recipe names them."""
    maps: dict[str, None] = {} if home is None else {home: None}
    whole: list[str | dict[str, str]] = []
    for row in rows:
        if row.file is None:
            continue
        if row.is_whole:
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


# --- what is derived is what was imported ---------------------------------------------------------


def _verify(target: Target, rows: Sequence[Row], values: Values, edits: Sequence[Edit]) -> None:
    """Read the new recipe as a render would, and compose what it derives from what was imported."""
    texts = {each.file: each.after for each in edits if isinstance(each, TextEdit)}
    read_now = files.reader(target.root)

    def read(file: str) -> bytes:
        return texts[file] if file in texts else read_now(file)

    (resolved,) = resolve(read_source(target.recipe, read), read)
    recipe = parse(resolved)
    derived = {row.name for row in rows if row.state == "derived"}
    known = {name: value for name, value in values.items() if name not in derived}
    composed = derive(recipe, known, {}).values if derived else {}
    for row in rows:
        if row.state == "derived" and row.suggestion.proposal is not None:
            meant = row.suggestion.proposal.composed.data()
            if row.name not in composed or composed[row.name].data() != meant:
                message = "would not be derived as what was imported"
                hint = "import it without --accept"
                raise SopsmithError(Finding("usage", message, target.recipe, row.name, hint))
