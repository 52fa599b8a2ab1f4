"""The kustomization of a sealed folder: its text, and what a text says of the folder. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sopsmith.delivery.flux import GUARD, LINES, SealedSecret
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Recipe
from sopsmith.text import document

KUSTOMIZATION = "kustomization.yaml"
_MARK = "# Written by sopsmith seal."
_HEAD = f"""\
{_MARK} Change the recipe and seal again; nothing here is edited by hand.
# {GUARD} changes nothing once Flux has decrypted it. Whoever builds this folder without decryption
# gets an error for it, and not Secrets that hold ciphertext.
"""
_APP, _ENVIRONMENT = "sopsmith.dev/app", "sopsmith.dev/environment"
# By such an ending of a *key* Flux takes the file for a document of that format, not for bytes.
_FORMATTED = (".yaml", ".yml", ".json", ".env", ".ini", ".dockerconfigjson")
_OURS = re.compile(rf"(?!\.\.?/)[-._a-z0-9]+/({re.escape(LINES)}|[-._A-Za-z0-9]+\.enc)")


class Identity(NamedTuple):
    """Whose Secrets a folder holds."""

    apps: frozenset[str]
    environments: frozenset[str]

    def __str__(self) -> str:
        return f"{', '.join(sorted(self.apps))} ({', '.join(sorted(self.environments))})"


class Statement(NamedTuple):
    """What the kustomization of a sealed folder says."""

    identity: Identity
    is_component: bool
    files: tuple[str, ...]  # relative to the folder


def is_ours(text: bytes) -> bool:
    """Whether `seal` wrote it."""
    return text.startswith(_MARK.encode())


def identity(recipes: Iterable[Recipe]) -> Identity:
    """Whose Secrets these recipes give."""
    each = list(recipes)
    return Identity(frozenset(r.app for r in each), frozenset(r.environment for r in each))


def written(sealed: Sequence[SealedSecret], of: Identity, *, component: bool, where: str) -> bytes:
    """The text for a sealed folder, whose path `where` is relative to the root."""
    version, kind = ("v1alpha1", "Component") if component else ("v1beta1", "Kustomization")
    names = {_APP: ",".join(sorted(of.apps)), _ENVIRONMENT: ",".join(sorted(of.environments))}
    lines = [
        f"apiVersion: kustomize.config.k8s.io/{version}",
        f"kind: {kind}",
        "metadata:",
        "  annotations:",
        *(f"    {name}: {quoted(text)}" for name, text in names.items()),
        "secretGenerator:",
    ]
    for generator in [*_bytes_first(sealed, where), *map(_generator, sealed)]:
        fields = [f"{name}: {quoted(content)}" for name, content in generator.items() if content]
        lines += [f"  - {fields[0]}", *(f"    {field}" for field in fields[1:])]
    lines += ["patches:", f"  - path: {quoted(GUARD)}"]
    return (_HEAD + "".join(f"{line}\n" for line in lines)).encode()


def _generator(each: SealedSecret) -> dict[str, Any]:
    secret = each.secret
    options = {
        "labels": dict(sorted(secret.labels.items())),
        "annotations": dict(sorted(secret.annotations.items())),
        "immutable": secret.immutable,
        "disableNameSuffixHash": not secret.hash,
    }
    return {
        "name": secret.name,
        "namespace": secret.namespace,
        "behavior": secret.behavior,
        "type": secret.type,
        "envs": [f"{each.folder}/{LINES}"] if each.lines else [],
        "files": [f"{key}={each.path(key)}" for key in each.files],
        "options": {name: content for name, content in options.items() if content},
    }


def _bytes_first(sealed: Iterable[SealedSecret], where: str) -> Iterator[dict[str, Any]]:
    """A Secret that is never applied, under whose keys Flux decrypts such files as bytes.

    It decrypts each file once, by the first key that it meets.
    """
    paths = [each.path(key) for each in sealed for key in each.files if key.endswith(_FORMATTED)]
    if paths:
        told_apart = hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        yield {
            "name": f"sopsmith-bytes-{told_apart}",
            "files": [f"file-{number}={path}" for number, path in enumerate(paths)],
            "options": {
                "annotations": {"config.kubernetes.io/local-config": "true"},
                "disableNameSuffixHash": True,
            },
        }


def quoted(content: Any) -> str:
    """JSON that every YAML reader takes for the same."""
    text = json.dumps(content, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda char: f"\\u{ord(char[0]):04x}", text)


# --- read again -----------------------------------------------------------------------------------


def stated(text: bytes, file: str) -> Statement | None:
    """What a kustomization says; None where it is not one that `seal` wrote.

    Raises SopsmithError (usage) where somebody changed it since, so that it does not say it.
    """
    if not is_ours(text):
        return None
    try:
        return _statement(document.parse(text))
    except (document.DocumentError, LookupError, TypeError, AttributeError, ValueError):
        hint = "take one side of the merge, or git checkout the file; then seal again"
        message = "is not as sopsmith seal wrote it"
        raise SopsmithError(Finding("usage", message, file, hint=hint)) from None


def _statement(tree: Any) -> Statement:
    annotations = tree.get("metadata", {}).get("annotations", {})
    apps, environments = (
        frozenset(filter(None, annotations.get(name, "").split(",")))
        for name in (_APP, _ENVIRONMENT)
    )
    paths = [path for each in tree["secretGenerator"] for path in each.get("envs", [])]
    named = [text for each in tree["secretGenerator"] for text in each.get("files", [])]
    paths += [text.partition("=")[2] for text in named]
    patches = [each["path"] for each in tree.get("patches", [])]
    if not all(map(_OURS.fullmatch, paths)) or set(patches) - {GUARD}:
        raise ValueError
    is_component = {"Component": True, "Kustomization": False}[tree["kind"]]
    names = tuple(dict.fromkeys([*paths, *patches]))
    return Statement(Identity(apps, environments), is_component, names)
