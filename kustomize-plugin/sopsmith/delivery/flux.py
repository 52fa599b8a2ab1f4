"""Secrets as files that Flux decrypts before it builds. Pure.

kustomize-controller runs no function, but decrypts what `secretGenerator` and `patches` name before
it builds (internal/decryptor of fluxcd/kustomize-controller 1.7), so hashed names and the
references to them come out as kustomize makes them from our function's output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sopsmith.components.sealed import Path
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Secret, Sensitive, Values
from sopsmith.text import document

LINES = "values.enc.env"  # of one Secret: the values that fit on a line each
GUARD = "guard.enc.yaml"
_MOST_ON_A_LINE = 60_000  # bytes; kustomize drops, without a word, what follows a line of 64 KiB
# What Flux takes for an encrypted file in the data of a built Secret.
_TAKEN_FOR_ENCRYPTED = (b"sops_mac=ENC[", b"[sops]", b"mac: ENC[", b'"mac": "ENC[')


class Guard(NamedTuple):
    """An encrypted patch that changes nothing once it is decrypted.

    Undecrypted it has no kind that anything is of, so who builds the folder without decryption gets
    an error, and not Secrets that hold ciphertext.
    """

    leaves: Mapping[Path, Sensitive]


Content = Mapping[str, Sensitive] | Sensitive | Guard
"""What a file of a sealed folder holds: lines, one whole content, or the guard."""


class SealedSecret(NamedTuple):
    """One Secret by the files that make it, whose paths are relative to the sealed folder."""

    secret: Secret
    folder: str
    lines: Mapping[str, Sensitive]  # what LINES holds
    files: Mapping[str, Sensitive]  # what files of their own hold, by the Secret's key

    @property
    def wanted(self) -> dict[str, Content]:
        """Every file of it."""
        found: dict[str, Content] = {}
        if self.lines:
            found[f"{self.folder}/{LINES}"] = self.lines
        return found | {self.path(key): content for key, content in self.files.items()}

    def path(self, key: str) -> str:
        """The file that holds one key alone."""
        return f"{self.folder}/{key}.enc"


def sealed(secret: Secret, values: Values, encrypts: Callable[[str], bool]) -> SealedSecret:
    """Lay one Secret out as files; `encrypts` says of a key whether sops encrypts its line.

    Raises SopsmithError (looks-encrypted) for what Flux would decrypt once more.
    """
    data = {key: values[name] for key, name in sorted(secret.data.items()) if name in values}
    problems = [
        Finding("looks-encrypted", "holds text that Flux takes for an encrypted file", field=name)
        for key, name in sorted(secret.data.items())
        if key in data and any(mark in data[key].data() for mark in _TAKEN_FOR_ENCRYPTED)
    ]
    problems += _unfit_names(secret, data)
    if problems:
        raise SopsmithError(problems)
    lines = {k: value for k, value in data.items() if encrypts(k) and _fits_a_line(k, value)}
    files = {key: value for key, value in data.items() if key not in lines}
    return SealedSecret(secret, folder_of(secret), lines, files)


def _unfit_names(secret: Secret, data: Iterable[str]) -> Iterator[Finding]:
    """Keys that secretGenerator writes as they are, and then reads as numbers: its error would
    quote the whole Secret."""
    for what, names in (
        ("key", data),
        ("label", secret.labels),
        ("annotation", secret.annotations),
    ):
        for name in names:
            if not _is_text(name):
                message = f"{name} is a {what} that kustomize's own generator takes for no text"
                yield Finding("flux-name", message, field=f"secrets.{secret.handle}")


def _is_text(name: str) -> bool:
    try:
        return type(document.parse(name.encode())) is str
    except document.DocumentError:
        return True


def folder_of(secret: Secret) -> str:
    """The folder of its files; no name of a Secret or a namespace has an underscore."""
    return f"{secret.namespace}_{secret.name}" if secret.namespace else secret.name


def _fits_a_line(key: str, value: Sensitive) -> bool:
    """Whether sops, Flux and kustomize all hand the value on unchanged as a dotenv line.

    sops reads `\\n` as a line break and keys that start with sops_ as its own (stores/dotenv), and
    takes no other name for its metadata than sops; kustomize strips carriage returns (api/kv).
    """
    text = value.text()
    if text is None or re.search(r"[\0\r\n]|\\n", text):
        return False
    if key.startswith("sops_") or key.casefold() == "sops":
        return False
    return len(key) + len(value.data()) < _MOST_ON_A_LINE


def guard(secret: Secret) -> Guard:
    """The patch that finds this Secret, and nothing else about it."""
    leaves = {
        ("apiVersion",): Sensitive("v1"),
        ("kind",): Sensitive("Secret"),
        ("metadata", "name"): Sensitive(secret.name),
    }
    if secret.namespace:
        leaves["metadata", "namespace"] = Sensitive(secret.namespace)
    return Guard(leaves)


def differing_keys(plain: bytes, wanted: Mapping[str, Sensitive]) -> tuple[str, ...]:
    """The keys of a decrypted LINES file (as JSON) that are not as wanted, or too many."""
    tree = document.parse_json(plain)
    now = tree if isinstance(tree, dict) else {}
    meant = {key: value.text() for key, value in wanted.items()}
    return tuple(sorted(key for key in {*now, *meant} if now.get(key) != meant.get(key)))
