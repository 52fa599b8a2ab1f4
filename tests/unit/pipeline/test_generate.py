"""Generated values: frozen by golden vectors, computed a second way, and unbiased by proof."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sopsmith.model import Generator
from sopsmith.pipeline import generate
from sopsmith.recipes.kinds import FROM_STREAM
from tests.repository import Repo

GOLDEN = Path(__file__).parent.parent.parent / "golden"
VECTORS: list[dict[str, Any]] = json.loads((GOLDEN / "generate.json").read_text())
RFC5869: list[dict[str, Any]] = json.loads((GOLDEN / "rfc5869.json").read_text())


def _value(vector: dict[str, Any]) -> str:
    ((kind, options),) = vector["generator"].items()
    return generate.generated(
        bytes.fromhex(vector["seed"]),
        app=vector["app"],
        environment=vector["environment"],
        value_id=vector["id"],
        version=vector["version"],
        generator=Generator(kind, options, stored=False),
    )


def _expand(seed: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 a second time, from RFC 5869's text alone."""
    key = hmac.digest(bytes(32), seed, hashlib.sha256)
    output = block = b""
    for number in range(1, -(-length // 32) + 1):
        block = hmac.digest(key, block + info + bytes([number]), hashlib.sha256)
        output += block
    return output[:length]


def _second_opinion(vector: dict[str, Any]) -> str:
    """The value as kustomize-plugin/README.md describes it, with nothing of the package."""
    ((kind, options),) = vector["generator"].items()
    canonical = json.dumps(vector["generator"], sort_keys=True, separators=(",", ":"))
    fields = ("sopsmith/v1", vector["app"], vector["environment"], vector["id"])
    raw = [text.encode() for text in fields]
    raw += [vector["version"].to_bytes(4, "big"), canonical.encode()]
    head = b"".join(len(field).to_bytes(4, "big") + field for field in raw)
    stream = (
        byte
        for block in count()
        for byte in _expand(
            bytes.fromhex(vector["seed"]), head + b"\0\0\0\4" + block.to_bytes(4, "big"), 64
        )
    )
    if kind == "password":
        letters, text = options["alphabet"], ""
        while len(text) < options["length"]:
            byte = next(stream)
            text += (
                letters[byte % len(letters)] if byte < 256 // len(letters) * len(letters) else ""
            )
        return text
    content = bytes(next(stream) for _ in range(options["size"]))
    if options["encoding"] == "hex":
        return content.hex()
    encode = base64.b64encode if options["encoding"] == "base64" else base64.urlsafe_b64encode
    encoded = encode(content).decode()
    return encoded if options["encoding"] == "base64" else encoded.rstrip("=")


def test_there_are_fifty_vectors() -> None:
    assert len(VECTORS) >= 50


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_what_v1_produced_it_produces_for_ever(vector: dict[str, Any]) -> None:
    assert _value(vector) == vector["value"]


@pytest.mark.parametrize("vector", VECTORS, ids=range(len(VECTORS)))
def test_the_documented_layout_gives_the_same_value(vector: dict[str, Any]) -> None:
    assert _second_opinion(vector) == vector["value"]


@pytest.mark.parametrize("case", RFC5869, ids=lambda case: case["name"])
def test_hkdf_agrees_with_rfc_5869(case: dict[str, Any]) -> None:
    key, salt, info, okm = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info", "okm"))
    assert HKDF(SHA256(), len(okm), salt or None, info).derive(key) == okm
    if not salt:
        assert generate.hkdf(key, info, len(okm)) == okm


@pytest.mark.parametrize("size", range(2, 95))
def test_every_character_is_drawn_equally_often(size: int) -> None:
    """All 256 bytes once: each character comes exactly 256 // size times, the rest is rejected."""
    alphabet = "".join(map(chr, range(33, 33 + size)))
    accepted = 256 // size * size
    options: dict[str, str | int] = {"alphabet": alphabet, "length": accepted}
    drawn = FROM_STREAM["password"](options, iter(range(256)))
    assert Counter(drawn) == dict.fromkeys(alphabet, 256 // size)


def test_fields_can_not_flow_into_each_other() -> None:
    assert generate.lengthed("prod/app", "db") != generate.lengthed("prod", "app/db")
    assert generate.lengthed("ab", "") != generate.lengthed("a", "b")


def test_no_two_vectors_share_a_value_or_a_prefix() -> None:
    heads = [vector["value"][:16] for vector in VECTORS if len(vector["value"]) >= 16]
    assert len(set(heads)) == len(heads)


def test_the_check_value_tells_seeds_apps_environments_and_numbers_apart() -> None:
    seed = bytes(range(32))
    checks = {
        generate.check_value(seed, "shop", "production", "1"),
        generate.check_value(seed, "shop", "production", "2"),
        generate.check_value(seed, "shop", "staging", "1"),
        generate.check_value(seed, "pay", "production", "1"),
        generate.check_value(bytes(32), "shop", "production", "1"),
    }
    assert len(checks) == 5
    assert all(re.fullmatch("[0-9a-f]{32}", check) for check in checks)


def test_a_frozen_check_value() -> None:
    check = generate.check_value(bytes(range(32)), "shop", "production", "1")
    assert check == "85cf686a919e61b30b351973697e2c8c"


def test_a_renamed_value_keeps_its_id_and_its_content(repo: Repo) -> None:
    repo.shop(values={"OLD": {"generate": {"password": {}}}})
    before = repo.function().secrets["shop"]["OLD"]
    repo.shop(values={"NEW": {"generate": {"password": {}}, "id": "OLD"}})
    assert repo.function().secrets["shop"]["NEW"] == before
