"""The fields of a `.sops.yaml`, as sops knows them (config/config.go). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sopsmith.components.selection import COMMENT_KINDS, KINDS
from sopsmith.recipes import shape

FLAT = ("age", "pgp", "kms", "gcp_kms", "azure_keyvault", "hc_vault_transit_uri")

_KEYS = shape.list_of(shape.text(), or_one=True)
_LIST = shape.list_of(shape.text())
_TEXT = shape.text()


def _check_merged(value: Any, path: str) -> Iterator[shape.Problem]:
    return shape.list_of(_GROUP).check(value, path)


_MERGED = shape.Shape(_check_merged, {})
_GROUP: shape.Shape = shape.record(
    merge=(_MERGED, "groups whose keys are this one's too"),
    age=(_LIST, "recipients"),
    pgp=(_LIST, "fingerprints"),
    kms=(shape.list_of(shape.record(
        ("arn",),
        arn=(_TEXT, ""), role=(_TEXT, ""), aws_profile=(_TEXT, ""),
        context=(shape.map_of(_TEXT), ""),
    )), "AWS keys"),
    gcp_kms=(shape.list_of(shape.record(("resource_id",), resource_id=(_TEXT, ""))), ""),
    hckms=(shape.list_of(shape.record(("key_id",), key_id=(_TEXT, ""))), ""),
    azure_keyvault=(shape.list_of(shape.record(
        ("vaultUrl", "key"), vaultUrl=(_TEXT, ""), key=(_TEXT, ""), version=(_TEXT, ""),
    )), ""),
    hc_vault=(_LIST, "URIs of Vault transit keys"),
)  # fmt: skip
RULE = shape.record(
    path_regex=(_TEXT, ""),
    aws_profile=(_TEXT, ""),
    hckms=(_LIST, ""),
    key_groups=(shape.list_of(_GROUP), ""),
    shamir_threshold=(shape.integer(0, 100), ""),
    mac_only_encrypted=(shape.flag(), ""),
    **dict.fromkeys(FLAT, (_KEYS, "")),
    **dict.fromkeys((*KINDS, *COMMENT_KINDS), (_TEXT, "")),
)

_DESTINATION = shape.record(
    vault_kv_version=(shape.integer(0, 2), ""),
    recreation_rule=(RULE, ""),
    omit_extensions=(shape.flag(), ""),
    **dict.fromkeys(
        ("path_regex", "s3_bucket", "s3_prefix", "gcs_bucket", "gcs_prefix", "vault_path",
         "vault_address", "vault_kv_mount_name"), (_TEXT, ""),
    ),
)  # fmt: skip
_LAYOUT = shape.record(indent=(shape.integer(-1, 9), "spaces; in JSON -1 is a tab"))
_PLAIN = shape.record()
_STORES = shape.record(
    dotenv=(_PLAIN, ""), ini=(_PLAIN, ""),
    json_binary=(_LAYOUT, ""), json=(_LAYOUT, ""), yaml=(_LAYOUT, ""),
)  # fmt: skip


def _anything(value: Any, path: str) -> Iterator[shape.Problem]:
    return iter(())


# The creation rules are read one by one, each with what is wrong with it. `keys` is no field of
# sops: people anchor their recipients there.
_ANYTHING = shape.Shape(_anything, {})
TOP = shape.record(
    creation_rules=(_ANYTHING, ""), destination_rules=(shape.list_of(_DESTINATION), ""),
    stores=(_STORES, ""), keys=(_ANYTHING, ""),
)  # fmt: skip
