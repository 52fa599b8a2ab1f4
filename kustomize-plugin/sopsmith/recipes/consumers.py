"""Which workloads of an overlay read which Secrets: who restarts when one gets another name. Pure.

Manifests are kustomize's to judge, so they are read loosely: what can't be read, lies outside the
root or comes from elsewhere is passed over.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.model import Read
from sopsmith.recipes.overlay import KUSTOMIZATIONS
from sopsmith.recipes.resolve import Source, join
from sopsmith.text import document

_DEEPEST = 16  # folders that include each other
_TEMPLATES = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"),
        ("spec", "template", "spec"),
    ),
}
_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


class Workload(NamedTuple):
    """Something that runs pods, and the Secrets that these refer to."""

    kind: str
    name: str
    secrets: frozenset[str]


def workloads(objects: Iterable[Any]) -> tuple[Workload, ...]:
    """The workloads among Kubernetes objects, joined where a patch adds to one."""
    found: dict[tuple[str, str], set[str]] = {}
    for each in objects:
        kind, name = text(each, "kind"), text(each, "metadata", "name")
        if kind in _TEMPLATES and name:
            referred = filter(None, _referred(_at(each, *_TEMPLATES[kind])))
            found.setdefault((kind, name), set()).update(referred)
    return tuple(Workload(*key, frozenset(names)) for key, names in sorted(found.items()))


def _referred(pod: Any) -> Iterator[str]:
    """The Secrets that a pod's spec names; empty where it names none."""
    for kind in _CONTAINERS:
        for container in items(pod, kind):
            for each in items(container, "env"):
                yield text(each, "valueFrom", "secretKeyRef", "name")
            for each in items(container, "envFrom"):
                yield text(each, "secretRef", "name")
    for volume in items(pod, "volumes"):
        yield text(volume, "secret", "secretName")
        yield text(volume, "csi", "nodePublishSecretRef", "name")
        for each in items(_at(volume, "projected"), "sources"):
            yield text(each, "secret", "name")
    for each in items(pod, "imagePullSecrets"):
        yield text(each, "name")


def _at(tree: Any, *path: str) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def text(tree: Any, *path: str) -> str:
    """The text at a path of keys; empty where there is none."""
    found = _at(tree, *path)
    return found if isinstance(found, str) else ""


def items(tree: Any, key: str) -> list[Any]:
    """The list under a key; empty where there is none."""
    found = _at(tree, key)
    return found if isinstance(found, list) else []


# --- the manifests of an overlay ------------------------------------------------------------------


def manifests(kustomization: Source, read: Read) -> Iterator[Any]:
    """The Kubernetes objects that a kustomization builds from, its bases' and patches included."""
    yield from _manifests(kustomization, read, {kustomization.folder}, _DEEPEST)


def _manifests(here: Source, read: Read, seen: set[str], depth: int) -> Iterator[Any]:
    for field in ("resources", "bases", "components"):
        for entry in items(here.document, field):
            if isinstance(entry, str):
                yield from _resource(here, entry, read, seen, depth)
    for field in ("patches", "patchesStrategicMerge"):
        for entry in items(here.document, field):
            if isinstance(entry, str):
                entry = {"patch": entry} if "\n" in entry else {"path": entry}
            yield from documents(text(entry, "patch").encode())
            yield from documents(content(here, text(entry, "path"), read))


def _resource(here: Source, entry: str, read: Read, seen: set[str], depth: int) -> Iterator[Any]:
    data = content(here, entry, read)
    if data:
        yield from documents(data)
        return
    for name in KUSTOMIZATIONS:
        trees = documents(content(here, posixpath.join(entry, name), read))
        if not trees:
            continue
        folder = join(here, entry)
        if folder not in seen and depth:
            seen.add(folder)
            inner = Source(posixpath.join(folder, name), folder, trees[0])
            yield from _manifests(inner, read, seen, depth - 1)
        return


def content(here: Source, path: str, read: Read) -> bytes:
    """A file's content; nothing where there is none of that name below the root."""
    if not path or "://" in path:
        return b""
    try:
        return read(join(here, path))
    except SopsmithError:
        return b""


def documents(data: bytes) -> tuple[Any, ...]:
    """The documents of a text, read loosely; none where it is no YAML."""
    try:
        return document.parse_loosely(data)
    except document.DocumentError:
        return ()
