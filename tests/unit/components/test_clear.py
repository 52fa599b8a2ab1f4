"""Where plaintext could stand in an encrypted file."""

from __future__ import annotations

import pytest

from sopsmith.components import clear
from sopsmith.model import Component, Format, Sealed

ENC = "ENC[AES256_GCM,data:AA==,iv:AA==,tag:AA==,type:str]"
YAML = f"""\
# at the top
POSTGRES_DB: {ENC} # behind a value
'quoted # name': {ENC}
sops:
    lastmodified: "2026-11-29T00:00:00Z"
    age:
        - recipient: age1reader
          enc: | # behind a sign
            -----BEGIN-----
            # no comment
            -----END-----
    mac: {ENC}
    unencrypted_suffix: _clear
# at the end: é
"""
DOTENV = f"#at the top\nPOSTGRES_DB={ENC}\nA=# no comment\nsops_mac={ENC}\nsops_note=a note\n"
JSON = f'{{"POSTGRES_DB": "{ENC}", "sops": {{"note": "a note", "mac": "{ENC}"}}}}'


def texts(path: str, form: Format, text: str) -> str:
    component = Component(path, None, None)
    return "|".join(clear.texts(Sealed(component, form, text.encode(), {}, {("A",): "open"}, ())))


@pytest.mark.parametrize(
    ("path", "form", "text", "there"),
    [
        ("a.yaml", "yaml", YAML, ["at the top", "behind a value", "behind a sign", "at the end: é",
                                  "age1reader", "_clear", "-----BEGIN-----", "open"]),
        ("a.env", "dotenv", DOTENV, ["at the top", "a note", "open"]),
        ("a.json", "json", JSON, ["a note", "open"]),
    ],
)  # fmt: skip
def test_comments_clear_leaves_and_metadata_are_told(
    path: str, form: Format, text: str, there: list[str]
) -> None:
    told = texts(path, form, text)
    assert [each for each in there if each not in told] == []
    for name in ("POSTGRES_DB", "quoted", "ENC[", "2026-11-29", "lastmodified"):
        assert name not in told


def test_a_value_shows_where_none_stood_before() -> None:
    assert clear.shows("a\nswordfish\n", ["# swordfish!"], ["# sword"])
    assert not clear.shows("swordfish", ["# swordfish!"], ["swordfish"])
    assert not clear.shows("swordfish", ["# sword", "fish"], [])
    assert not clear.shows("sword", ["# sword"], [])  # it may be part of anything
