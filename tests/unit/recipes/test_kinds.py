"""One entry a kind: its options, its defaults, its strength and how it is kept agree everywhere."""

from __future__ import annotations

from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.model import Generator
from sopsmith.recipes import recipe
from sopsmith.recipes.entropy import STRONG, of_generator
from sopsmith.recipes.kinds import FROM_STREAM, KINDS, is_host, is_stored
from sopsmith.recipes.resolve import Resolved
from sopsmith.recipes.schema import VALUE, json_schema

KIND_NAMES = sorted(KINDS)
NEEDED: dict[str, dict[str, Any]] = {"certificate": {"dnsNames": ["shop.example"]}}
OTHERS: dict[str, dict[str, Any]] = {
    "password": {"length": 12, "alphabet": "ab"},
    "bytes": {"size": 64, "encoding": "hex"},
    "rsa": {"bits": 4096},
    "ecdsa": {"curve": "P-384"},
    "ssh": {"type": "rsa"},
    "certificate": {"days": 7, "commonName": "shop", "dnsNames": ["a.example", "::1"]},
}


def problems(kind: str, options: Any) -> list[str]:
    return [each.code for each in VALUE.check({"generate": {kind: options}}, "")]


def generator(kind: str, options: dict[str, Any]) -> Generator:
    """The generator of a leaf's only value, as the pipeline gets it."""
    spec = {
        "app": "shop",
        "environment": "production",
        "values": {"A": {"generate": {kind: options}}},
        "secrets": {"shop": {"keys": ["A"]}},
    }
    made = recipe.parse(Resolved("recipe.yaml", spec, {})).values["A"].generator
    assert made is not None
    return made


def test_the_kinds_are_these() -> None:
    assert KIND_NAMES == [
        "age", "bytes", "certificate", "ecdsa", "ed25519", "password", "rsa", "ssh",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_kind_takes_no_options_its_own_and_no_others(kind: str) -> None:
    assert problems(kind, {}) == []
    assert problems(kind, OTHERS.get(kind, {})) == []
    assert problems(kind, {"lenght": 3}) == ["recipe-field"]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_the_defaults_are_options_that_fit(kind: str) -> None:
    assert problems(kind, dict(KINDS[kind].defaults)) == []


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_every_default_is_named_where_the_option_is_described(kind: str) -> None:
    described = json_schema()["properties"]["spec"]["properties"]["values"]
    options = described["additionalProperties"]["properties"]["generate"]["properties"][kind]
    for option, default in KINDS[kind].defaults.items():
        shown = "A-Za-z0-9" if option == "alphabet" else str(default)
        assert f"default {shown}" in options["properties"][option]["description"]


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_defaults_are_filled_in_beside_what_is_said(kind: str) -> None:
    assert generator(kind, NEEDED.get(kind, {})).options == {
        **KINDS[kind].defaults, **NEEDED.get(kind, {}),
    }  # fmt: skip
    said = OTHERS.get(kind, {})
    assert generator(kind, said).options == {**KINDS[kind].defaults, **said}


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_the_defaults_are_strong(kind: str) -> None:
    assert of_generator(generator(kind, NEEDED.get(kind, {}))) >= STRONG


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_what_no_stream_gives_is_stored(kind: str) -> None:
    stored = kind not in ("password", "bytes")
    assert KINDS[kind].stored is stored is (kind not in FROM_STREAM)
    assert generator(kind, NEEDED.get(kind, {})).stored is stored
    assert is_stored({"generate": {kind: {}}}) is stored
    assert is_stored({"generate": {kind: {}}, "stored": True})


def test_what_is_not_generated_is_not_stored() -> None:
    assert not is_stored({})
    assert not is_stored({"generate": None})


@pytest.mark.parametrize("options", [{}, {"days": 30}, {"dnsNames": []}])
def test_a_certificate_needs_a_name(options: dict[str, Any]) -> None:
    with pytest.raises(SopsmithError) as refused:
        generator("certificate", options)
    (found,) = refused.value.findings
    assert (found.code, found.field) == ("recipe-incomplete", "spec.values.A.generate.certificate")
    assert found.message == "must be given dnsNames or commonName"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop", True),
        ("shop.example", True),
        ("*.shop.example", True),
        ("10.0.0.1", True),
        ("fd00::1", True),
        ("_dmarc.example", True),
        ("Shop CA", False),
        ("shop..example", False),
        ("a.*.example", False),
        ("bücher.example", False),
        ("-a", False),
        ("", False),
        (None, False),
    ],
)
def test_a_host_is_a_name_a_wildcard_or_an_address(text: str | None, expected: bool) -> None:
    assert is_host(text) is expected
    if text is not None:
        assert (problems("certificate", {"dnsNames": [text]}) == []) is expected


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_a_common_name_has_up_to_64_characters(name: str) -> None:
    assert problems("certificate", {"commonName": name}) == ["recipe-value"]
