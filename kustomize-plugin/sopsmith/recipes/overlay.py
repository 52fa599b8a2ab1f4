"""An overlay's kustomization: which recipes it runs, and how it declares them. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Any

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.recipes.resolve import SUFFIXES, Source, join, parsed, read_source
from sopsmith.recipes.schema import KIND
from sopsmith.text import document

FUNCTION = ("config.kubernetes.io/function", "config.k8s.io/function")
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_CONTAINER = ("config.kubernetes.io/container", "config.k8s.io/container")
_PROGRAM = "sopsmith-krm"
_WITHIN = " (generators"


def sources(kustomization: Source, read: Read) -> Iterator[Source]:
    """The recipes under `generators:`, in files or written there.

    Raises SopsmithError (usage) for a folder: what kustomize makes of it is not seen here.
    """
    for index, entry in enumerate(listed(kustomization, "generators")):
        if not isinstance(entry, str):
            continue
        if is_inline(entry):
            yield from _inline(kustomization, index)
        elif entry.endswith(SUFFIXES):
            file = join(kustomization, entry)
            data = read(file)
            if holds_recipe(data, file):
                source = Source(file, posixpath.dirname(file), parsed(data, file))
                if source.folder != kustomization.folder:
                    raise SopsmithError(_elsewhere(source, kustomization))
                yield source
        else:
            message = f"lists {entry}, which is no recipe file"
            hint = "name the recipe files themselves"
            raise SopsmithError(Finding("usage", message, kustomization.file, "generators", hint))


def held(file: str, read: Read) -> tuple[Source, ...]:
    """The recipes that stand in a file: it is one, or a kustomization with some of its own.

    A file of another kind, which only speaks of recipes, holds none.
    """
    if posixpath.basename(file) in KUSTOMIZATIONS:
        kustomization = read_kustomization(file, read)
        places = range(len(listed(kustomization, "generators")))
        return tuple(source for index in places for source in _inline(kustomization, index))
    source = read_source(file, read)
    kind = source.document.get("kind") if isinstance(source.document, dict) else None
    return () if isinstance(kind, str) and kind != KIND else (source,)


def file_of(name: str) -> str:
    """The file that a recipe stands in, by the recipe's own name."""
    return name.partition(_WITHIN)[0]


def _inline(kustomization: Source, index: int) -> Iterator[Source]:
    """The recipe that is written at this place of the list; each has a name of its own."""
    entries = listed(kustomization, "generators")
    text = entries[index]
    if not isinstance(text, str) or not is_inline(text):
        return
    place = f"[{index}])" if len(entries) > 1 else ")"
    file = f"{kustomization.file}{_WITHIN}{place}"
    if holds_recipe(text.encode(), file):
        yield Source(file, kustomization.folder, parsed(text.encode(), file))


def holds_recipe(data: bytes, file: str) -> bool:
    """Whether a document of a text is a recipe; broken text raises SopsmithError."""
    trees = parsed(data, file, document.parse_shared)
    return any(_field(tree, "kind") == KIND for tree in trees)


def read_kustomization(file: str, read: Read) -> Source:
    """A kustomization as kustomize reads it, which takes more YAML than a recipe may use."""
    trees = parsed(read(file), file, document.parse_shared)
    return Source(file, posixpath.dirname(file), trees[0] if trees else None)


def _elsewhere(source: Source, kustomization: Source) -> Finding:
    """kustomize runs the function in its own folder, so paths would mean something else there."""
    message = f"does not lie beside {kustomization.file}, which lists it"
    hint = "move it there; what is shared goes into a base, under extends"
    return Finding("recipe-extends", message, source.file, hint=hint)


def declares_function(source: Source) -> bool:
    """Whether the recipe asks kustomize to run a function."""
    return any(name in FUNCTION for name in _annotations(source))


def _annotations(source: Source) -> dict[str, Any]:
    tree = source.document if isinstance(source.document, dict) else {}
    metadata = tree.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    return annotations if isinstance(annotations, dict) else {}


def declaration(source: Source, *, bare: bool = False) -> Iterator[Finding]:
    """What the annotation that declares the function must not say, and must.

    `bare`: without a path, so that PATH decides, which is the operator's.
    """
    declared = _annotations(source)
    extra = [name for name in _CONTAINER if name in declared]
    programs = [_program(declared[name], extra) for name in FUNCTION if name in declared]
    field, hint = "metadata.annotations", f"write {FUNCTION[0]}: 'exec: {{path: {_PROGRAM}}}'"
    if extra:
        message = f"the function's annotation carries {', '.join(extra)}"
        why = "the operator sets the environment, not git; keep only exec: {path: sopsmith-krm}"
        yield Finding("function-refused", message, source.file, field, why)
    elif not programs:
        yield Finding("recipe-incomplete", "declares no function", source.file, field, hint)
    elif not all(program and program.rpartition("/")[2] == _PROGRAM for program in programs):
        message = f"declares another function than {_PROGRAM}"
        code = "function-foreign" if bare else "recipe-value"
        yield Finding(code, message, source.file, field, hint)
    elif bare and programs != [_PROGRAM]:
        message = "names the function by a path, or twice"
        yield Finding("function-foreign", message, source.file, field, hint)


def _program(text: object, extra: list[str]) -> str | None:
    """The path of the program that an annotation declares; what else it says goes to `extra`."""
    try:
        tree = document.parse(text.encode()) if isinstance(text, str) else None
    except document.DocumentError as error:  # kustomize may read in it what we do not
        extra.append(f"text that is not plain YAML: {error}")
        return None
    program = tree.get("exec") if isinstance(tree, dict) else None
    if isinstance(tree, dict):
        extra += sorted({*tree} - {"exec"})
    if not isinstance(program, dict):
        return None
    extra += sorted(f"exec.{name}" for name in {*program} - {"path"})
    path = program.get("path")
    return path if isinstance(path, str) else None


def listed(kustomization: Source, field: str) -> list[Any]:
    """What a kustomization lists in a field."""
    found = _field(kustomization.document, field)
    return found if isinstance(found, list) else []


def _field(tree: Any, name: str) -> Any:
    """A field at the top; it may come there by a merge key."""
    merged = tree.get("<<") if isinstance(tree, dict) else None
    maps = [tree, *(merged if isinstance(merged, list) else [merged])]
    return next((each[name] for each in maps if isinstance(each, dict) and name in each), None)


def is_inline(entry: str) -> bool:
    """Whether an entry is a recipe's text and not the path of one, as kustomize tells them."""
    try:
        return any(isinstance(tree, dict) for tree in document.parse_loosely(entry.encode()))
    except document.DocumentError:
        return "\n" in entry
