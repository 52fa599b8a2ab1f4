"""Secrets as a kustomization whose files Flux decrypts before it builds. Pure.

kustomize-controller runs no function, but decrypts what `secretGenerator` names before it builds
(internal/decryptor of fluxcd/kustomize-controller 1.7), so hashed names and the references to them
come out as kustomize makes them from our function's output.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Secret, Sensitive, Values
from sopsmith.text import document

KUSTOMIZATION = "kustomization.yaml"
LINES = "values.enc.env"  # of one Secret: the values that fit on a line each
MARK = "# Written by sopsmith seal."
_MOST_ON_A_LINE = 60_000  # bytes; kustomize drops, without a word, what follows a line of 64 KiB
# By such an ending of a *key* Flux takes the file for a document of that format, not for bytes.
_FORMATTED = (".yaml", ".yml", ".json", ".env", ".ini", ".dockerconfigjson")
# What Flux takes for an encrypted file in the data of a built Secret.
_TAKEN_FOR_ENCRYPTED = (b"sops_mac=ENC[", b"[sops]", b"mac: ENC[", b'"mac": "ENC[')


class SealedSecret(NamedTuple):
    """One Secret by the files that make it, whose paths are relative to the sealed folder."""

    secret: Secret
    folder: str
    lines: Mapping[str, Sensitive]  # what LINES holds
    files: Mapping[str, Sensitive]  # what files of their own hold, by the Secret's key

    @property
    def wanted(self) -> dict[str, Mapping[str, Sensitive] | Sensitive]:
        """Every file: a map of lines, or one whole content."""
        found: dict[str, Mapping[str, Sensitive] | Sensitive] = {}
        if self.lines:
            found[f"{self.folder}/{LINES}"] = self.lines
        return found | {self.path(key): content for key, content in self.files.items()}

    def path(self, key: str) -> str:
        """The file that holds one key alone."""
        return f"{self.folder}/{key}.enc"


def sealed(secret: Secret, values: Values) -> SealedSecret:
    """Lay one Secret out as files.

    Raises SopsmithError (looks-encrypted) for what Flux would decrypt once more.
    """
    data = {key: values[name] for key, name in sorted(secret.data.items()) if name in values}
    problems = [
        Finding("looks-encrypted", "holds text that Flux takes for an encrypted file", field=name)
        for key, name in sorted(secret.data.items())
        if key in data and any(mark in data[key].data() for mark in _TAKEN_FOR_ENCRYPTED)
    ]
    if problems:
        raise SopsmithError(problems)
    lines = {key: value for key, value in data.items() if _fits_a_line(key, value)}
    files = {key: value for key, value in data.items() if key not in lines}
    # No name of a Secret or a namespace has an underscore, so no two share a folder.
    folder = f"{secret.namespace}_{secret.name}" if secret.namespace else secret.name
    return SealedSecret(secret, folder, lines, files)


def _fits_a_line(key: str, value: Sensitive) -> bool:
    """Whether sops, Flux and kustomize all hand the value on unchanged as a dotenv line.

    sops reads `\\n` as a line break and keys that start with sops_ as its own (stores/dotenv);
    kustomize strips carriage returns (api/kv).
    """
    text = value.text()
    if text is None or re.search(r"[\0\r\n]|\\n", text) or key.startswith("sops_"):
        return False
    return len(key) + len(value.data()) < _MOST_ON_A_LINE


def kustomization(sealed: Iterable[SealedSecret], *, component: bool, where: str) -> bytes:
    """The kustomization of a sealed folder, whose path `where` is relative to the root."""
    version, kind = ("v1alpha1", "Component") if component else ("v1beta1", "Kustomization")
    each = list(sealed)
    generators = [*_bytes_first(each, where), *map(_generator, each)]
    lines = [
        f"{MARK} Change the recipe and seal again; nothing here is edited by hand.",
        f"apiVersion: kustomize.config.k8s.io/{version}",
        f"kind: {kind}",
        "secretGenerator:" if generators else "secretGenerator: []",
    ]
    for generator in generators:
        fields = [f"{name}: {_quoted(content)}" for name, content in generator.items() if content]
        lines += [f"  - {fields[0]}", *(f"    {field}" for field in fields[1:])]
    return "".join(f"{line}\n" for line in lines).encode()


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


def _quoted(content: Any) -> str:
    """JSON that every YAML reader takes for the same."""
    text = json.dumps(content, ensure_ascii=False)
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda char: f"\\u{ord(char[0]):04x}", text)


def is_ours(text: bytes) -> bool:
    """Whether a kustomization is one that `seal` wrote."""
    return text.startswith(MARK.encode())


def differing_keys(plain: bytes, wanted: Mapping[str, Sensitive]) -> tuple[str, ...]:
    """The keys of a decrypted LINES file (as JSON) that are not as wanted, or too many."""
    tree = document.parse_json(plain)
    now = tree if isinstance(tree, dict) else {}
    meant = {key: value.text() for key, value in wanted.items()}
    return tuple(sorted(key for key in {*now, *meant} if now.get(key) != meant.get(key)))
