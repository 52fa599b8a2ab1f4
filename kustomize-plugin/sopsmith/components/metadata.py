"""The `sops` section of an encrypted file, read strictly: it decides what sops contacts. Pure.

Go folds the case of JSON names and takes a map where a list is meant, so a key group can be spelled
in ways that only sops sees. What sops itself would not have written is refused here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding

KEY_TYPES = ("age", "pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms")

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:\d\d)\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
# What blang/semver reads. A newer sops may come to other formats, and then it names them itself.
_VERSION = re.compile(r"v?(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}([-+][0-9A-Za-z.+-]+)?\Z", re.ASCII)


class Metadata(NamedTuple):
    """Who can read a file, and what guards it."""

    kinds: frozenset[str]  # of its keys
    recipients: tuple[str, ...]  # of age, in order
    mac: str
    groups: tuple[frozenset[str], ...]  # each group's keys, such as age:age1…
    threshold: int | None  # of groups that are needed (Shamir)
    modified: str  # time of the last change, as written


def read_metadata(section: Mapping[str, Any], file: str) -> Metadata:
    """Read a file's metadata; raises SopsmithError (tampered) where sops did not write it."""
    modified, mac = section.get("lastmodified"), section.get("mac")
    if not isinstance(modified, str) or not _TIME.match(modified):
        raise _tampered("carries no whole time stamp", file, "sops.lastmodified")
    if not isinstance(mac, str):
        raise _tampered("carries no whole MAC", file, "sops.mac")
    version = section.get("version")
    if not isinstance(version, str) or not _VERSION.match(version):
        raise _tampered(
            "carries no version, without which sops reads nothing", file, "sops.version"
        )
    groups = [section, *_maps(section.get("key_groups"), file, "sops.key_groups")]
    keys_of = [
        [(kind, key) for kind in KEY_TYPES for key in _maps(group.get(kind), file, f"sops.{kind}")]
        for group in groups
    ]
    keys = [key for group in keys_of for key in group]
    for names in (*groups, *(key for _, key in keys)):
        for name in names:
            if not _NAME.match(name):
                raise _tampered("holds a name that sops does not write", file, "sops")
    recipients = [key.get("recipient") for kind, key in keys if kind == "age"]
    return Metadata(
        kinds=frozenset(kind for kind, _ in keys),
        recipients=tuple(dict.fromkeys(each for each in recipients if isinstance(each, str))),
        mac=mac,
        groups=tuple(
            frozenset(f"{kind}:{_identity(kind, key)}" for kind, key in group)
            for group in keys_of
            if group
        ),
        threshold=_threshold(section.get("shamir_threshold")),
        modified=modified,
    )


def data_keys(section: Mapping[str, Any]) -> frozenset[str]:
    """The data key as it is encrypted to each recipient: all are others once it is another."""
    groups = [section, *_entries(section.get("key_groups"))]
    keys = (key for group in groups for kind in KEY_TYPES for key in _entries(group.get(kind)))
    return frozenset(str(key["enc"]) for key in keys if key.get("enc"))


def _entries(node: Any) -> list[Mapping[str, Any]]:
    return [each for each in node if isinstance(each, dict)] if isinstance(node, list) else []


# The field that names a key of each kind (stores/stores.go), as a creation rule names it.
_IDENTITY = {
    "age": "recipient", "pgp": "fp", "kms": "arn", "gcp_kms": "resource_id", "hckms": "key_id",
}  # fmt: skip


def _identity(kind: str, key: Mapping[str, Any]) -> str:
    if kind == "hc_vault":
        parts = (key.get("vault_address"), key.get("engine_path"), "keys", key.get("key_name"))
        return "/".join(str(part).strip("/") for part in parts)
    if kind == "azure_kv":
        return "/".join(str(key.get(part, "")) for part in ("vault_url", "name", "version"))
    return str(key.get(_IDENTITY[kind], ""))


def _threshold(stated: Any) -> int | None:
    text = str(stated or "")
    return int(text) if text.isdecimal() and len(text) < 4 and int(text) else None


def unflatten(flat: Mapping[str, str]) -> dict[str, Any]:
    """The metadata of a dotenv file as a tree: `age__list_0__map_enc` (sops stores/flatten.go)."""
    tree: dict[str, Any] = {}
    for path, text in flat.items():
        name, *steps = re.split(r"__(?=map_|list_)", path)
        place: Any = tree
        for step in steps:
            place = place.setdefault(name, {}) if isinstance(place, dict) else {}
            name = step
        if isinstance(place, dict):
            place[name] = text
    return {name: _listed(node) for name, node in tree.items()}


def _listed(node: Any) -> Any:
    """Turn {list_0: …} into a list and {map_x: …} into a map; anything else stays as it is."""
    if not isinstance(node, dict):
        return node
    if all(name.startswith("list_") for name in node):
        return [_listed(child) for child in node.values()]
    return {name.removeprefix("map_"): _listed(child) for name, child in node.items()}


def _maps(node: Any, file: str, field: str) -> Iterator[Mapping[str, Any]]:
    if node is None:
        return
    if not isinstance(node, list) or not all(isinstance(entry, dict) for entry in node):
        raise _tampered("is no list of keys", file, field)
    yield from node


def _tampered(message: str, file: str, field: str) -> SopsmithError:
    return SopsmithError(Finding("tampered", message, file, field))
