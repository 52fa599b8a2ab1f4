"""What can be validated in a repository, and which of it a change of files touches."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith import checkout, repository
from sopsmith.checkout import Checkout
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.recipes import overlay
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved, Source, holds_recipe, read_source, resolve
from sopsmith.recipes.schema import KIND
from sopsmith.tools import files as tools_files


class Target(NamedTuple):
    """An overlay with the recipes that it lists, or a leaf that no overlay lists."""

    root: str  # absolute
    path: str  # relative to the root
    here: Checkout | None  # None where `findings` say why it can't be read
    leaves: frozenset[str]  # files
    files: frozenset[str]  # all that its recipes are merged from, and their components
    findings: tuple[Finding, ...] = ()


def every(root: str, env: Mapping[str, str]) -> tuple[Target, ...]:
    """All that a repository holds; a leaf that an overlay or a list of recipes holds comes once."""
    found: dict[str, Target] = {}
    for file in repository.recipe_files(root, env):
        target = _target(root, env, file)
        if target:
            found.setdefault(target.path, target)
    held = {leaf for each in found.values() for leaf in each.leaves - {each.path}}
    return tuple(each for each in found.values() if each.path not in held)


def touched(targets: Sequence[Target], files: Collection[str]) -> tuple[Target, ...]:
    """Those that a change of these files (relative to the root) can change.

    One that lacks a file is among them: nobody names the files that a change removed.
    """
    return tuple(
        each for each in targets if _lacks(each) or any(_touches(file, each) for file in files)
    )


def _lacks(target: Target) -> bool:
    return not all(os.path.lexists(os.path.join(target.root, file)) for file in target.files)


def _touches(file: str, target: Target) -> bool:
    if file in target.files:
        return True
    kustomization = target.here.kustomization if target.here else None
    if kustomization is None:
        return False
    folder = kustomization.folder
    return posixpath.dirname(file) == folder or (folder != "" and file.startswith(f"{folder}/"))


def _target(root: str, env: Mapping[str, str], file: str) -> Target | None:
    """What a file that holds a recipe stands for; a base stands for nothing by itself."""
    try:
        source = _source(file, tools_files.reader(root))
    except SopsmithError as error:
        return Target(root, file, None, frozenset(), frozenset({file}), error.findings)
    is_recipe = isinstance(source.document, dict) and source.document.get("kind") == KIND
    if is_recipe and not (repository.is_leaf(source) or _is_list(source)):
        return None
    beside = _overlay(root, env, source)
    if beside:
        return of(beside.kustomization.folder if beside.kustomization else "", beside)
    return of(file, Checkout(root, env, (source,), None)) if is_recipe else None


def _source(file: str, read: Read) -> Source:
    if posixpath.basename(file) in overlay.KUSTOMIZATIONS:
        return overlay.read_kustomization(file, read)
    return read_source(file, read)


def is_rendered(file: str, read: Read) -> bool:
    """Whether a file is a recipe that is rendered: a leaf, or a list of recipes."""
    data = read(file)
    if not holds_recipe(data):
        return False
    source = read_source(file, read)
    return repository.is_leaf(source) or _is_list(source)


def _is_list(source: Source) -> bool:
    spec = source.document.get("spec") if isinstance(source.document, dict) else None
    return isinstance(spec, dict) and spec.get("recipes") is not None


def _overlay(root: str, env: Mapping[str, str], source: Source) -> Checkout | None:
    """The overlay beside a recipe, where it lists it or holds it."""
    folder = os.path.join(root, source.folder)
    if not checkout.is_overlay(folder):
        return None
    try:
        here = checkout.at(folder, env)
    except SopsmithError:  # it lists none, or can't be read: the recipe stands alone
        return None
    names = {each.file for each in here.sources}
    is_held = here.kustomization is not None and here.kustomization.file == source.file
    return here if source.file in names or is_held else None


def of(path: str, here: Checkout) -> Target:
    """What a checkout is made from; `path` names it."""
    read = {overlay.file_of(source.file) for source in here.sources}
    leaves: list[Resolved] = []

    def recording(file: str) -> bytes:
        read.add(file)
        return here.read(file)

    for source in here.sources:
        try:
            leaves += resolve(source, recording)
        except SopsmithError:
            continue  # validating it says so
    read.update(_components(leaves))
    if here.kustomization:
        read.add(here.kustomization.file)
    names = frozenset(leaf.file for leaf in leaves)
    return Target(here.root, path, here, names, frozenset(read))


def _components(leaves: Sequence[Resolved]) -> Iterator[str]:
    for leaf in leaves:
        try:
            yield from (component.file for component in parse(leaf).components)
        except SopsmithError:
            continue
