"""Which functions a build would run, and the refusal of all but the installed one. Pure.

`kustomize build --enable-exec` starts whatever program a kustomization names, in remote bases too.
So before it runs, every kustomization that it would reach is read here, strictly: what could mean
something else to kustomize is refused as well. How kustomize reads is in its api/internal/target
and api/internal/git (5.8).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.recipes import overlay
from sopsmith.recipes.resolve import Source
from sopsmith.recipes.schema import KIND
from sopsmith.text import document

# The fields of a kustomization (kustomize api/types, 5.8). Go takes them in any case, we do not.
_FIELDS = frozenset({
    "apiVersion", "kind", "metadata", "openapi", "namePrefix", "nameSuffix", "namespace",
    "commonLabels", "labels", "commonAnnotations", "patchesStrategicMerge", "patchesJson6902",
    "patches", "images", "imageTags", "replacements", "replicas", "vars", "sortOptions",
    "resources", "components", "crds", "bases", "configMapGenerator", "secretGenerator",
    "helmGlobals", "helmCharts", "helmChartInflationGenerator", "generatorOptions",
    "configurations", "generators", "transformers", "validators", "buildMetadata",
})  # fmt: skip
_BASES = ("resources", "bases", "components")
_PLUGINS = ("generators", "transformers", "validators")
_METADATA = frozenset({"name", "namespace", "labels", "annotations"})
# What kustomize takes for a URL (api/internal/git/repospec.go), whatever may lie there on disk.
_REMOTE = re.compile(
    r"(git::)?((ssh|https?|file)://|[a-z][a-z0-9-]*@|github\.com[/:])", re.IGNORECASE
)
_PINNED = re.compile(
    r"(?P<repository>(?:https?|ssh)://[A-Za-z0-9.@:_-]+(?:/(?!_git/)[A-Za-z0-9._~+-]+)+)"
    r"//(?P<folder>[A-Za-z0-9._~+/-]*)\?ref=(?P<commit>[0-9a-f]{40})\Z"
)
MOST_FOLDERS = 500


class Found(NamedTuple):
    """What a path leads to, once its symlinks are resolved, as kustomize does first."""

    kind: Literal["file", "folder"]
    path: str  # relative to the root, `` for the root itself


Find = Callable[[str], Found | None]
"""Follows a path relative to the root; raises SopsmithError (path-refused) where it leaves it."""


class Tree(NamedTuple):
    """Files in which kustomizations stand: the repository, or a remote base's at one commit."""

    name: str  # "" for the repository itself, else the URL; goes before paths in messages
    read: Read
    find: Find


Fetch = Callable[[str, str], Tree]
"""A repository's URL and a commit's hash → its files; raises SopsmithError (remote-base)."""


class Run(NamedTuple):
    """A recipe that the function would be run on."""

    file: str
    called: str  # by the function, which kustomize tells no file


class Reached(NamedTuple):
    """What a build would run."""

    recipes: tuple[Run, ...]
    refused: tuple[Finding, ...]

    def named(self, finding: Finding) -> Finding:
        """A finding of the function's, with the recipe's file in the place of what it calls it."""
        for each in self.recipes:
            if finding.message.startswith(each.called):
                return finding._replace(message=finding.message.replace(each.called, each.file, 1))
        return finding


def reached(tree: Tree, folder: str, fetch: Fetch | None) -> Reached:
    """Follow the kustomization of a folder through all that it is built from.

    Without `fetch` remote bases are passed over: that is for looking, not for building.
    """
    recipes: list[Run] = []
    refused: list[Finding] = []
    todo = [(tree, folder)]
    seen: set[tuple[str, str]] = set()
    while todo:
        here, path = todo.pop()
        if (here.name, path) in seen:
            continue
        seen.add((here.name, path))
        if len(seen) > MOST_FOLDERS:
            message = f"reaches more than {MOST_FOLDERS} folders"
            return Reached(tuple(recipes), (*refused, Finding("kustomization-unclear", message)))
        try:
            kustomization = _kustomization(here, path)
            recipes += _plugins(here, kustomization, refused)
            for field in _BASES:
                for entry in _entries(kustomization, field):
                    todo += _base(here, kustomization, field, entry, fetch)
        except SopsmithError as error:
            refused += (_named(here, each) for each in error.findings)
    return Reached(tuple(recipes), tuple(refused))


def _named(tree: Tree, finding: Finding) -> Finding:
    """Say whose file it is, where it is not ours."""
    if not tree.name or finding.file is None or finding.file.startswith(tree.name):
        return finding
    return finding._replace(file=f"{tree.name}//{finding.file}")


def _kustomization(tree: Tree, folder: str) -> Source:
    paths = [posixpath.join(folder, name) for name in overlay.KUSTOMIZATIONS]
    found = [path for path in paths if tree.find(path) is not None]
    if len(found) != 1:
        message = "holds several kustomizations" if found else "holds no kustomization"
        raise SopsmithError(Finding("kustomization-unclear", message, folder or "."))
    content = _parsed(tree.read(found[0]), found[0])
    if content is None:
        content = {}
    source = Source(found[0], folder, content)
    if not isinstance(content, dict):
        raise SopsmithError(_unclear(source, "is no map"))
    unknown = sorted(set(content) - _FIELDS)
    if unknown:
        raise SopsmithError(_unclear(source, "is no field of a kustomization", unknown[0]))
    return source


def _parsed(data: bytes, file: str) -> Any:
    try:
        return document.parse(data)
    except document.DocumentError as error:
        raise SopsmithError(Finding("kustomization-unclear", str(error), file)) from None


def _unclear(source: Source, message: str, field: str | None = None) -> Finding:
    return Finding("kustomization-unclear", message, source.file, field)


def _entries(source: Source, field: str) -> list[str]:
    listed = source.document.get(field)
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(type(each) is str for each in listed):
        raise SopsmithError(_unclear(source, "has to be a list of texts", field))
    return listed


# --- bases ----------------------------------------------------------------------------------------


def _base(
    tree: Tree, source: Source, field: str, entry: str, fetch: Fetch | None
) -> Iterator[tuple[Tree, str]]:
    """The folder that an entry leads to, where it is one and no plain file of resources."""
    if _REMOTE.match(entry):
        if fetch is not None:
            yield _remote(source, field, entry, fetch)
        return
    found = tree.find(_joined(source, field, entry))
    if found is None:
        message = f"{entry} does not exist"
        raise SopsmithError(Finding("file-unreadable", message, source.file, field))
    if found.kind == "folder":
        yield tree, found.path
    elif field == "components":
        raise SopsmithError(_unclear(source, f"{entry} is no folder", field))


def _joined(source: Source, field: str, entry: str) -> str:
    joined = posixpath.normpath(posixpath.join(source.folder, entry))
    if entry.startswith("/") or joined == ".." or joined.startswith("../") or "\0" in entry:
        message = f"{entry} leads outside the root"
        raise SopsmithError(Finding("path-refused", message, source.file, field))
    return "" if joined == "." else joined


def _remote(source: Source, field: str, entry: str, fetch: Fetch) -> tuple[Tree, str]:
    """A remote base at a commit: what was looked at is what kustomize will fetch."""
    match = _PINNED.match(entry)
    if match is None:
        message = f"{entry} is not pinned to a commit"
        hint = "write https://HOST/REPOSITORY//FOLDER?ref=HASH, or copy it into the repository"
        raise SopsmithError(Finding("remote-base", message, source.file, field, hint))
    folder = posixpath.normpath(match["folder"]) if match["folder"].strip("/") else ""
    if folder.startswith(("/", "..")):
        raise SopsmithError(Finding("remote-base", f"{entry} leaves it", source.file, field))
    try:
        return fetch(match["repository"], match["commit"]), folder
    except SopsmithError as error:
        raise SopsmithError(
            [each._replace(file=source.file, field=field) for each in error.findings]
        ) from None


# --- plugins --------------------------------------------------------------------------------------


def _plugins(tree: Tree, source: Source, refused: list[Finding]) -> Iterator[Run]:
    """The recipes among a kustomization's plugins; whatever else would run goes to `refused`."""
    for field in _PLUGINS:
        for entry in _entries(source, field):
            try:
                for each in _listed(tree, source, field, entry):
                    trouble = _trouble(each, field)
                    if trouble is not None:
                        refused.append(_named(tree, trouble))
                    elif each.document["kind"] == KIND:
                        name = each.document["metadata"].get("name")
                        file = f"{tree.name}//{each.file}" if tree.name else each.file
                        yield Run(file, f"{source.folder or '.'} (recipe {name})")
            except SopsmithError as error:
                refused += (_named(tree, each) for each in error.findings)


def _listed(tree: Tree, source: Source, field: str, entry: str) -> Iterator[Source]:
    """What an entry says: written there, or in a file below the root."""
    if "\n" in entry or entry.lstrip().startswith(("{", "[")):
        where = f"{source.file} ({field})"
        yield Source(where, source.folder, _parsed(entry.encode(), where))
        return
    if _REMOTE.match(entry):
        message = f"{entry} comes from elsewhere"
        raise SopsmithError(Finding("function-foreign", message, source.file, field))
    path = _joined(source, field, entry)
    found = tree.find(path)
    if found is None or found.kind != "file":
        message = f"{entry} is no file, and what a folder is built into is not seen here"
        hint = "name the recipe files themselves"
        raise SopsmithError(Finding("function-foreign", message, source.file, field, hint))
    yield Source(path, source.folder, _parsed(tree.read(path), path))


def _trouble(each: Source, field: str) -> Finding | None:
    """Why one plugin's configuration is refused."""
    content = each.document
    if isinstance(content, dict) and content.get("apiVersion") == "builtin":
        return None  # kustomize's own, linked into it; --enable-helm is not given
    if not isinstance(content, dict) or content.get("kind") != KIND or field != "generators":
        message = f"runs another function than sopsmith-krm (under {field})"
        return Finding("function-foreign", message, each.file)
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not set(metadata) <= _METADATA:
        return Finding("function-foreign", "declares a function in its metadata", each.file)
    return next(overlay.declaration(each, bare=True), None)
