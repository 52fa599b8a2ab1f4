"""Which functions a build would run, and the refusal of all but the installed one. Pure.

`kustomize build --enable-exec` starts whatever program a kustomization names, in remote bases too.
So every kustomization that a build would reach is read here, strictly, and kustomize is given what
was read: its own reading of YAML, which knows more notations than ours, decides nothing. How it
reads is in its api/internal/target and api/internal/git (5.8).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

from sopsmith.delivery import kustomization
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import MOST_BYTES, Read
from sopsmith.recipes import overlay
from sopsmith.recipes.resolve import Source, holds_recipe
from sopsmith.recipes.schema import KIND
from sopsmith.text import document

# The fields of a kustomization (kustomize api/types, 5.8). Go takes them in any case, we do not;
# those of Helm start another program, for which --enable-helm would be needed.
_FIELDS = frozenset({
    "apiVersion", "kind", "metadata", "openapi", "namePrefix", "nameSuffix", "namespace",
    "commonLabels", "labels", "commonAnnotations", "patchesStrategicMerge", "patchesJson6902",
    "patches", "images", "imageTags", "replacements", "replicas", "vars", "sortOptions",
    "resources", "components", "crds", "bases", "configMapGenerator", "secretGenerator",
    "generatorOptions", "configurations", "generators", "transformers", "validators",
    "buildMetadata",
})  # fmt: skip
_BASES = ("resources", "bases", "components")
_PLUGINS = ("generators", "transformers", "validators")
_METADATA = frozenset({"name", "namespace", "labels", "annotations"})
# kustomize's own plugins, which are linked into it (api/internal/plugins/builtinhelpers).
_BUILTIN = frozenset({
    "AnnotationsTransformer", "ConfigMapGenerator", "HashTransformer", "IAMPolicyGenerator",
    "ImageTagTransformer", "LabelTransformer", "LegacyOrderTransformer", "NamespaceTransformer",
    "PatchJson6902Transformer", "PatchStrategicMergeTransformer", "PatchTransformer",
    "PrefixSuffixTransformer", "PrefixTransformer", "ReplacementTransformer",
    "ReplicaCountTransformer", "SecretGenerator", "SortOrderTransformer", "SuffixTransformer",
    "ValueAddTransformer",
})  # fmt: skip
# What kustomize takes for a URL (api/internal/git/repospec.go), whatever may lie there on disk.
_REMOTE = re.compile(
    r"\s*(git::)?((ssh|https?|file)://|[a-z][a-z0-9-]*@|github\.com[/:])", re.IGNORECASE
)
_PINNED = re.compile(
    r"(?P<repository>(?:https?|ssh)://[A-Za-z0-9.@:_-]+(?:/[A-Za-z0-9._~+-]+)+)"
    r"//(?P<folder>[A-Za-z0-9._~+/-]*)\?ref=(?P<commit>[0-9a-f]{40})\Z"
)
# sops metadata in a file that a generator reads: it would be built as it is.
_ENCRYPTED = re.compile(rb'^sops_mac=ENC\[|^ +mac: ENC\[|"mac": *"ENC\[|^\[sops\]', re.MULTILINE)
MOST_FOLDERS = 500


class Found(NamedTuple):
    """What a path leads to, once its symlinks are resolved, as kustomize does first."""

    kind: Literal["file", "folder"]
    path: str  # relative to the root, `` for the root itself


Find = Callable[[str], Found | None]
"""Follows a path relative to the root; raises SopsmithError (path-refused) where it leaves it."""


class Tree(NamedTuple):
    """Files in which kustomizations stand: the repository, or a remote base's at one commit."""

    name: str  # "" for the repository itself, else the URL and commit; before paths in messages
    place: str  # where it lies in what kustomize is given, relative to its root
    read: Read
    find: Find
    names: Callable[[str], list[str]]  # of the files in a folder


Fetch = Callable[[str, str], Tree]
"""A repository's URL and a commit's hash → its files; raises SopsmithError (remote-base)."""


class Run(NamedTuple):
    """A recipe that the function would be run on."""

    file: str
    called: str  # by the function, which kustomize tells no file


class Reached(NamedTuple):
    """What a build would run, and the kustomizations that it is to be given."""

    recipes: tuple[Run, ...]
    refused: tuple[Finding, ...]
    doubtful: tuple[str, ...]  # files that look like ours where something is refused
    kustomizations: Mapping[str, bytes]  # by path in what kustomize is given

    def named(self, finding: Finding) -> Finding:
        """A finding of the function's, with the recipe's file in the place of what it calls it."""
        for each in self.recipes:
            if finding.message.startswith(each.called):
                return finding._replace(message=finding.message.replace(each.called, each.file, 1))
        return finding


class _Walk(NamedTuple):
    """What is collected on the way: the lists and the map grow."""

    fetch: Fetch | None
    recipes: list[Run]
    refused: list[Finding]
    doubtful: list[str]
    kustomizations: dict[str, bytes]


def reached(tree: Tree, folder: str, fetch: Fetch | None) -> Reached:
    """Follow the kustomization of a folder through all that it is built from.

    Without `fetch` remote bases are passed over: that is for looking, not for building.
    """
    walk = _Walk(fetch, [], [], [], {})
    todo = [(tree, folder)]
    seen: set[tuple[str, str]] = set()
    while todo:
        here, path = todo.pop()
        if (here.place, path) in seen:
            continue
        seen.add((here.place, path))
        if len(seen) > MOST_FOLDERS:
            message = f"reaches more than {MOST_FOLDERS} folders"
            walk.refused.append(Finding("kustomization-unclear", message))
            break
        before = len(walk.refused)
        try:
            todo += _folder(walk, here, path)
        except SopsmithError as error:
            walk.refused.extend(_named(here, each) for each in error.findings)
        if len(walk.refused) > before:
            walk.doubtful.extend(_ours(here, path))
    return Reached(
        tuple(walk.recipes), tuple(walk.refused), tuple(walk.doubtful), walk.kustomizations
    )


def _named(tree: Tree, finding: Finding) -> Finding:
    """Say whose file it is, where it is not ours."""
    if not tree.name or finding.file is None or finding.file.startswith(tree.name):
        return finding
    return finding._replace(file=f"{tree.name}//{finding.file}")


def _ours(tree: Tree, folder: str) -> Iterator[str]:
    """The files of a folder that read like recipes, or that `seal` wrote."""
    for name in tree.names(folder):
        path = posixpath.join(folder, name)
        try:
            text = tree.read(path)
        except SopsmithError:
            continue  # a folder, or what the refusal has told of
        if holds_recipe(text) or kustomization.is_ours(text):
            yield path


def _folder(walk: _Walk, tree: Tree, folder: str) -> Iterator[tuple[Tree, str]]:
    """Read one kustomization, and give the folders that it is built from."""
    source = _kustomization(tree, folder)
    content = dict(source.document)
    for field in _BASES:
        followed = [_base(walk, tree, source, field, each) for each in _entries(source, field)]
        if followed:
            content[field] = [entry for entry, _ in followed]
        yield from (found for _, found in followed if found is not None)
    for field in _PLUGINS:
        plugins = [_plugin(walk, tree, source, field, each) for each in _entries(source, field)]
        if plugins:
            content[field] = plugins
    walk.refused.extend(_named(tree, each) for each in _data_problems(tree, source))
    file = posixpath.join(tree.place, source.file)
    walk.kustomizations[file] = kustomization.quoted(content).encode()


def _kustomization(tree: Tree, folder: str) -> Source:
    paths = [posixpath.join(folder, name) for name in overlay.KUSTOMIZATIONS]
    found = [path for path in paths if tree.find(path) is not None]
    if len(found) != 1:
        message = "holds several kustomizations" if found else "holds no kustomization"
        raise SopsmithError(Finding("kustomization-unclear", message, folder or "."))
    content = _parsed(tree.read(found[0]), found[0])
    source = Source(found[0], folder, {} if content is None else content)
    if not isinstance(source.document, dict):
        raise SopsmithError(_unclear(source, "is no map"))
    unknown = sorted(set(source.document) - _FIELDS)
    if unknown:
        known = "helm" not in unknown[0].lower()
        message = (
            "is no field of a kustomization" if known else "would start helm, which is not run"
        )
        raise SopsmithError(_unclear(source, message, unknown[0]))
    return source


def _parsed(data: bytes, file: str) -> Any:
    if len(data) >= MOST_BYTES:
        raise SopsmithError(Finding("kustomization-unclear", "is 8 MiB or more", file))
    try:
        return document.parse(data)
    except document.DocumentError as error:
        hint = "write it as plain YAML: what another reader could take otherwise is refused"
        raise SopsmithError(Finding("kustomization-unclear", str(error), file, hint=hint)) from None


def _unclear(source: Source, message: str, field: str | None = None) -> Finding:
    return Finding("kustomization-unclear", message, source.file, field)


def _entries(source: Source, field: str) -> list[str]:
    entries = source.document.get(field)
    if entries is None:
        return []
    if not isinstance(entries, list) or not all(type(each) is str for each in entries):
        raise SopsmithError(_unclear(source, "has to be a list of texts", field))
    return entries


# --- bases ----------------------------------------------------------------------------------------


def _base(
    walk: _Walk, tree: Tree, source: Source, field: str, entry: str
) -> tuple[str, tuple[Tree, str] | None]:
    """What the entry is replaced by, and the folder that it leads to, where it leads to one."""
    if _REMOTE.match(entry):
        if walk.fetch is None:
            return entry, None
        there, path = _remote(source, field, entry, walk.fetch)
        start = posixpath.join(tree.place, source.folder)
        way = posixpath.relpath(posixpath.join(there.place, path), start)
        return f"./{way}", (there, path)  # a folder's name may be like a URL
    found = tree.find(_joined(source, field, entry))
    if found is None:
        message = f"{entry} does not exist"
        raise SopsmithError(Finding("file-unreadable", message, source.file, field))
    if found.kind == "folder":
        return entry, (tree, found.path)
    if field == "components":
        raise SopsmithError(_unclear(source, f"{entry} is no folder", field))
    return entry, None


def _joined(source: Source, field: str, entry: str) -> str:
    if not entry.isprintable():
        raise SopsmithError(_unclear(source, "holds a character that is not printable", field))
    joined = posixpath.normpath(posixpath.join(source.folder, entry))
    if entry.startswith("/") or joined == ".." or joined.startswith("../") or "\0" in entry:
        message = f"{entry} leads outside the root"
        raise SopsmithError(Finding("path-refused", message, source.file, field))
    return "" if joined == "." else joined


def _remote(source: Source, field: str, entry: str, fetch: Fetch) -> tuple[Tree, str]:
    """A remote base at a commit, fetched once: what is looked at is what is built."""
    match = _PINNED.match(entry)
    if match is None or "_git/" in entry:
        message = f"{entry} is not pinned to a commit"
        hint = "write https://HOST/REPOSITORY//FOLDER?ref=HASH, or copy it into the repository"
        raise SopsmithError(Finding("remote-base", message, source.file, field, hint))
    folder = posixpath.normpath(match["folder"]) if match["folder"].strip("/") else ""
    if folder.startswith(("/", "..")):
        raise SopsmithError(Finding("remote-base", f"{entry} leaves it", source.file, field))
    try:
        tree = fetch(match["repository"], match["commit"])
        found = tree.find(folder)
    except SopsmithError as error:
        raise SopsmithError(
            [each._replace(file=source.file, field=field) for each in error.findings]
        ) from None
    if found is None or found.kind != "folder":
        message = f"{entry} has no such folder"
        raise SopsmithError(Finding("remote-base", message, source.file, field))
    return tree, found.path


# --- plugins --------------------------------------------------------------------------------------


def _plugin(walk: _Walk, tree: Tree, source: Source, field: str, entry: str) -> str:
    """The entry as kustomize is given it: the configuration itself, in JSON."""
    try:
        each = _configuration(tree, source, field, entry)
        trouble = _trouble(tree, each, field)
    except SopsmithError as error:
        walk.refused.extend(_named(tree, finding) for finding in error.findings)
        return entry
    if trouble is not None:
        walk.refused.append(_named(tree, trouble))
    elif each.document["kind"] == KIND:
        name = each.document["metadata"].get("name")
        walk.recipes.append(Run(each.file, f"{source.folder or '.'} (recipe {name})"))
    return kustomization.quoted(each.document)


def _configuration(tree: Tree, source: Source, field: str, entry: str) -> Source:
    """What an entry says: written there, or in a file below the root."""
    if overlay.is_inline(entry):
        where = f"{source.file} ({field})"
        return Source(where, source.folder, _parsed(entry.encode(), where))
    if _REMOTE.match(entry):
        message = f"{entry} comes from elsewhere"
        raise SopsmithError(Finding("function-foreign", message, source.file, field))
    path = _joined(source, field, entry)
    found = tree.find(path)
    if found is None or found.kind != "file":
        message = f"{entry} is no file, and what a folder is built into is not seen here"
        hint = "name the recipe files themselves"
        raise SopsmithError(Finding("function-foreign", message, source.file, field, hint))
    return Source(path, source.folder, _parsed(tree.read(path), path))


def _trouble(tree: Tree, each: Source, field: str) -> Finding | None:
    """Why one plugin's configuration is refused."""
    content = each.document if isinstance(each.document, dict) else {}
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not set(metadata) <= _METADATA:
        message = "has no metadata with a name, or declares a function there"
        return Finding("function-foreign", message, each.file)
    if content.get("apiVersion") == "builtin" and content.get("kind") in _BUILTIN:
        is_plain = "items" not in content and not overlay.declares_function(each)
        return None if is_plain else Finding("function-foreign", "is no plain plugin", each.file)
    if content.get("kind") != KIND or field != "generators":
        message = f"runs another function than sopsmith-krm (under {field})"
        return Finding("function-foreign", message, each.file)
    if tree.name:
        hint = "list a recipe of your own, and extend what you copied from there"
        message = "is a recipe in a remote base, which is given no key"
        return Finding("function-foreign", message, each.file, hint=hint)
    return next(overlay.declaration(each, bare=True), None)


# --- files that are data --------------------------------------------------------------------------


def _data_problems(tree: Tree, source: Source) -> Iterator[Finding]:
    """Files from elsewhere, which nobody looked at, and files that would be built as ciphertext."""
    for field, name in _data_files(source.document):
        if _REMOTE.match(name):
            message = f"{name} comes from elsewhere, and what is sent may change"
            hint = "copy it into the repository"
            yield Finding("remote-base", message, source.file, field, hint)
        elif field == "secretGenerator" and _is_encrypted(tree, source, name):
            message = f"{name} is encrypted, and only Flux decrypts it before it builds"
            hint = "build the overlay with the recipe; what seal wrote is for Flux alone"
            yield Finding("sealed-for-flux", message, source.file, field, hint)


def _is_encrypted(tree: Tree, source: Source, name: str) -> bool:
    try:
        return bool(_ENCRYPTED.search(tree.read(_joined(source, "secretGenerator", name))))
    except SopsmithError:
        return False  # kustomize will say what is wrong with it


def _data_files(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every file that kustomize reads as data, with the field that names it."""
    for field in ("crds", "configurations", "patchesStrategicMerge"):
        yield from ((field, each) for each in _texts(content.get(field)) if "\n" not in each)
    openapi = content.get("openapi")
    yield from (("openapi", each) for each in _texts([*openapi.values()] if openapi else []))
    for field in ("patches", "patchesJson6902", "replacements"):
        for each in _maps(content.get(field)):
            yield from ((field, path) for path in _texts([each.get("path")]))
    for field in ("secretGenerator", "configMapGenerator"):
        for each in _maps(content.get(field)):
            for name in (*_texts(each.get("envs")), *_texts([each.get("env")])):
                yield field, name
            for name in _texts(each.get("files")):
                yield field, name.partition("=")[2] or name


def _texts(listed: Any) -> list[str]:
    return [each for each in listed if isinstance(each, str)] if isinstance(listed, list) else []


def _maps(listed: Any) -> list[dict[str, Any]]:
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
