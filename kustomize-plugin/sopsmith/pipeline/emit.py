"""Step 5: values → Secret manifests, as one ResourceList in JSON. Pure.

JSON with base64 `data`, because kustomize turns an unquoted `1e5` into 100000 and can't carry
U+007F in `stringData`; sorted, so that the same recipe gives the same bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from itertools import islice
from typing import Any

from sopsmith.findings import MOST, Finding, words
from sopsmith.model import Recipe, Secret, Values

_HASH = "kustomize.config.k8s.io/needs-hash"
_BEHAVIOR = "kustomize.config.k8s.io/behavior"
_LINE = 70  # characters


def emit(recipe: Recipe, values: Values) -> list[dict[str, Any]]:
    """The manifests of a recipe's Secrets; absent optional values have no key."""
    return [_manifest(secret, values) for secret in recipe.secrets]


def resource_list(items: Iterable[dict[str, Any]], findings: Iterable[Finding] = ()) -> bytes:
    """One ResourceList (KRM functions specification v1), with `results` where there are any."""
    document: dict[str, Any] = {
        "apiVersion": "config.kubernetes.io/v1",
        "kind": "ResourceList",
        "items": list(items),
    }
    results = [_result(finding) for finding in islice(findings, MOST)]
    if results:
        document["results"] = results
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
    return text.encode("utf-8", "backslashreplace")  # a folder's name need not be UTF-8


def _manifest(secret: Secret, values: Values) -> dict[str, Any]:
    annotations = dict(secret.annotations)
    if secret.hash:
        annotations[_HASH] = "true"
    if secret.behavior:
        annotations[_BEHAVIOR] = secret.behavior
    metadata: dict[str, Any] = {"name": secret.name}
    if secret.namespace:
        metadata["namespace"] = secret.namespace
    if secret.labels:
        metadata["labels"] = dict(sorted(secret.labels.items()))
    if annotations:
        metadata["annotations"] = dict(sorted(annotations.items()))
    manifest: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata}
    manifest["type"] = secret.type
    if secret.immutable:
        manifest["immutable"] = True
    manifest["data"] = {
        key: _encoded(values[name].data())
        for key, name in sorted(secret.data.items())
        if name in values
    }
    return manifest


def _encoded(content: bytes) -> str:
    """Base64 in lines, as secretGenerator has it (kyaml/yaml/datamap.go): kustomize hashes the text
    itself, and so a Secret has the same name whichever of both made it."""
    text = base64.b64encode(content).decode()
    if len(text) < _LINE:
        return text
    return "".join(f"{text[at : at + _LINE]}\n" for at in range(0, len(text), _LINE))


def _result(finding: Finding) -> dict[str, Any]:
    result: dict[str, Any] = {
        "message": "; ".join(text for text in (words(finding), finding.hint) if text),
        "severity": finding.severity,
        "tags": {"code": finding.code},
    }
    if finding.field:
        result["tags"]["field"] = finding.field
    if finding.file:
        result["file"] = {"path": finding.file}
    return result
