"""What Kubernetes refuses of a Secret (ValidateSecret in pkg/apis/core/validation). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from sopsmith.findings import Finding
from sopsmith.model import Secret
from sopsmith.text import document

MOST_BYTES = 1_048_576
# Base64 and the rest of the object have to fit into annotations of 262,144 bytes.
MOST_BYTES_CLIENT_SIDE = 190 * 1024

_KEY = re.compile(r"(?!\.\Z|\.\.)[-._a-zA-Z0-9]{1,253}\Z")
_ALL_OF: dict[str, tuple[str, ...]] = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}
_JSON_MAP = (".dockercfg", ".dockerconfigjson")
_ACCOUNT = "kubernetes.io/service-account"
_ONE_OF: dict[str, tuple[str, ...]] = {"kubernetes.io/basic-auth": ("username", "password")}


def _is_json_map(data: bytes) -> bool:
    try:
        return isinstance(document.parse_json(data), dict)
    except document.DocumentError:
        return False


def of_secret(secret: Secret, file: str, data: Mapping[str, bytes]) -> Iterator[Finding]:
    """Yield what Kubernetes would refuse of the Secret with this decoded data."""
    field = f"spec.secrets.{secret.handle}"
    for key in data:
        if not _KEY.match(key):
            message = "has a key that Kubernetes refuses"
            yield Finding("secret-key", f"{message}: {key!r}", file, field)
    missing = [key for key in _ALL_OF.get(secret.type, ()) if not data.get(key)]
    if missing:
        message = f"of type {secret.type} needs {' and '.join(missing)}"
        yield Finding("secret-type", message, file, field)
    for key in set(_ALL_OF.get(secret.type, ())).intersection(_JSON_MAP, data):
        if not _is_json_map(data[key]):
            message = f"of type {secret.type} needs a JSON map as {key}"
            yield Finding("secret-type", message, file, field)
    if secret.type == f"{_ACCOUNT}-token" and not secret.annotations.get(f"{_ACCOUNT}.name"):
        message = f"of type {secret.type} needs the annotation {_ACCOUNT}.name"
        yield Finding("secret-type", message, file, field)
    one_of = _ONE_OF.get(secret.type, ())
    if one_of and not any(key in data for key in one_of):
        message = f"of type {secret.type} needs {' or '.join(one_of)}"
        yield Finding("secret-type", message, file, field)
    size = sum(map(len, data.values()))
    if size > MOST_BYTES:
        message = f"holds {size:,} bytes; Kubernetes takes {MOST_BYTES:,}"
        yield Finding("secret-size", message, file, field)
    elif size > MOST_BYTES_CLIENT_SIDE:
        message = f"holds {size:,} bytes, too many for client-side apply"
        yield Finding("secret-large", message, file, field)
