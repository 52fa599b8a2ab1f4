"""Who can read an encrypted file, in whatever shape sops wrote it. Pure.

sops encrypts the documents of a YAML file together, each with its metadata, and knows INI files.
Both can be judged; a change of them is sops' own business.
"""

from __future__ import annotations

import re

from sopsmith.components import change, ini
from sopsmith.components.change import Policy
from sopsmith.components.conflict import conflict
from sopsmith.components.sealed import component_of
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import MOST_BYTES, Component
from sopsmith.text.document import DocumentError


def policies(file: str, data: bytes) -> tuple[Policy, ...]:
    """What a file says of itself, each of its documents.

    Raises SopsmithError: conflict-marker, tampered, not-encrypted, crypt-rule, file-unreadable.
    """
    if len(data) >= MOST_BYTES:
        raise SopsmithError(Finding("file-unreadable", "is 8 MiB or more", file))
    torn = conflict(data, file, encrypted=True)
    if torn:
        raise SopsmithError(torn)
    if not is_ini(file, data):
        component = component_of(file)
        return tuple(change.policy_of(component, each)[0] for each in documents(file, data))
    as_map, text = ini_map(file, data)
    try:
        return (change.policy_of(as_map, text)[0],)
    except SopsmithError as error:
        raise SopsmithError(each._replace(file=file) for each in error.findings) from None


def reading(file: str, data: bytes) -> Policy | None:
    """What a file says of itself, or None where that can't be told."""
    try:
        return policies(file, data)[0]
    except SopsmithError:
        return None


def foreign(file: str, data: bytes) -> Finding | None:
    """That sopsmith does not change a file of this shape."""
    if is_ini(file, data):
        what = "is an INI file"
    elif len(documents(file, data)) > 1:
        what = "holds several documents"
    else:
        return None
    return Finding("foreign-format", f"{what}, which sopsmith does not change", file)


def is_ini(file: str, data: bytes) -> bool:
    """Whether sops keeps it as sections; by `--input-type binary` it is a whole file."""
    return file.endswith(".ini") and data[:1] != b"{"


def ini_map(file: str, data: bytes) -> tuple[Component, bytes]:
    """The JSON map that says the same; raises SopsmithError (tampered, not-encrypted)."""
    try:
        return Component(f"{file}.json", None, None), ini.as_json(data)
    except DocumentError as error:
        code = "tampered" if b"ENC[AES256_GCM," in data else "not-encrypted"
        raise SopsmithError(Finding(code, f"can't be judged: {error}", file)) from None


def documents(file: str, data: bytes) -> list[bytes]:
    """The documents of a YAML file; of any other the whole."""
    if not file.endswith((".yaml", ".yml")):
        return [data]
    parts = re.split(rb"^---(?=[ \t\r\n]|\Z)", data, flags=re.MULTILINE)  # one may start behind it
    return [part for part in parts if part.strip()] or [data]
