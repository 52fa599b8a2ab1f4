"""Secrets from Kubernetes manifests, for import: one, many documents, or a List. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Sensitive
from sopsmith.text import document

# What the cluster or a program makes anew by itself: a copy of it in git would be wrong soon.
_MADE_BY_OTHERS = ("kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token",
                   "helm.sh/release.v1")  # fmt: skip


class Manifest(NamedTuple):
    """One Secret as it is to be emitted again."""

    name: str
    namespace: str | None
    type: str
    immutable: bool
    entries: Mapping[str, Sensitive]


def parse_manifests(data: bytes, file: str) -> tuple[Manifest, ...]:
    """Every Secret in the text, YAML or JSON; other kinds and those of controllers are left out.

    Raises SopsmithError (import-source): no Secret, encrypted already, or a key that can't be read.
    """
    try:
        documents = document.parse_loosely(data)
    except document.DocumentError as error:
        raise SopsmithError(Finding("import-source", str(error), file)) from None
    found = list(_secrets(documents))
    if not found:
        message = "holds no Secret with values of its own"
        raise SopsmithError(Finding("import-source", message, file))
    problems = [problem for secret in found for problem in _problems(secret, file)]
    if problems:
        raise SopsmithError(problems)
    return tuple(_manifest(secret) for secret in found)


def _secrets(nodes: Any) -> Iterator[dict[str, Any]]:
    for node in nodes:
        if not isinstance(node, dict):
            continue
        if isinstance(node.get("items"), list) and str(node.get("kind", "")).endswith("List"):
            yield from _secrets(node["items"])
        elif node.get("kind") == "Secret" and node.get("type") not in _MADE_BY_OTHERS:
            yield node


def _problems(secret: Mapping[str, Any], file: str) -> Iterator[Finding]:
    if "sops" in secret:
        hint = f"name it under components; or sops decrypt {file} | sopsmith import -"
        yield Finding("import-source", "is encrypted by sops already", file, "sops", hint)
        return
    if not _name(secret):
        yield Finding("import-source", "must be given", file, "metadata.name")
    for section in ("data", "stringData"):
        entries = secret.get(section, {})
        if not isinstance(entries, dict):
            if entries not in (None, "", "null", "~"):
                yield Finding("import-source", "must be a map", file, section)
            continue
        for key, text in entries.items():
            if not isinstance(text, str) or (section == "data" and _decoded(text) is None):
                what = "must be text" if section == "stringData" else "is no base64"
                yield Finding("import-source", what, file, f"{section}.{key}")


def _name(secret: Mapping[str, Any]) -> str:
    metadata = secret.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _manifest(secret: Mapping[str, Any]) -> Manifest:
    data, texts = (_map(secret.get(section)) for section in ("data", "stringData"))
    decoded = {key: Sensitive(_decoded(text) or b"") for key, text in data.items()}
    namespace = _map(secret.get("metadata")).get("namespace")
    return Manifest(
        name=_name(secret),
        namespace=namespace if isinstance(namespace, str) and namespace else None,
        type=secret.get("type") or "Opaque",
        immutable=secret.get("immutable") == "true",
        entries={**decoded, **{key: Sensitive(text) for key, text in texts.items()}},
    )


def _map(node: Any) -> Mapping[str, Any]:
    return node if isinstance(node, dict) else {}


def _decoded(text: str) -> bytes | None:
    """The bytes of base64 as Kubernetes reads it, which may be broken into lines."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
