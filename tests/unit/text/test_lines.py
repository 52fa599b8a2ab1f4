"""Where in a file a field stands."""

from __future__ import annotations

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.text.lines import line_of, located, nodes

RECIPE = b"""\
kind: SecretRecipe
spec:
  app: shop
  components:
    - a.enc.yaml
    - {path: b.enc,
       as: KEY}
  values:
    TOKEN: {}
    my.name: {version: 2}
    my: {name: 5}
    URL:
      derive:
        url:
          host: x
  secrets: {shop: {keys: [
    TOKEN]}}
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("kind", 1),
        ("spec.values", 8),
        ("spec.values.TOKEN", 9),
        ("TOKEN", 9),
        ("spec.values.my.name", 10),
        ("spec.values.my.name.version", 10),
        ("spec.values.URL.derive.url.host", 15),
        ("spec.values.URL.derive.url.scheme", 14),
        ("spec.values.TOKEN.version", 9),
        ("spec.values.OTHER", 8),
        ("spec.components[1].as", 7),
        ("spec.components[5]", 4),
        ("spec.secrets.shop.keys[0]", 17),
        ("spec.seeds.1", 2),
        ("OTHER", None),
    ],
)
def test_a_field_of_a_recipe_or_the_nearest_above_it(field: str, line: int | None) -> None:
    assert line_of(RECIPE, "recipe.yaml", field) == line


def test_a_key_of_a_component() -> None:
    assert line_of(b"A: x\nB: y\nsops:\n  mac: z\n", "c.yaml", "B") == 2
    assert line_of(b"A: x\nB: y\nsops:\n  mac: z\n", "c.yaml", "sops.mac") == 4
    assert line_of(b'{\n "A": "x",\n\t"B": "y"\n}', "c.json", "B") == 3
    assert line_of(b"kind: Secret\ndata:\n  tls.crt: y\n", "c.yaml", "tls.crt") == 3
    assert line_of(b"kind: Secret\nstringData:\n  A: y\n", "c.yaml", "A") == 3


def test_a_key_of_a_later_document() -> None:
    assert line_of(b"a: 1\n---\nb: 2\n", "x.yaml", "b") == 3


@pytest.mark.parametrize(
    ("field", "line"),
    [("A", 2), ("B", 3), ("sops.mac", 5), ("sops.age", 4), ("sops", 4), ("C", None)],
)
def test_a_line_of_a_dotenv(field: str, line: int | None) -> None:
    text = b"# A=\nA=1\nexport B=2\nsops_age__list_0__map_enc=x\nsops_mac=y\n"
    assert line_of(text, "c.env", field) == line


@pytest.mark.parametrize("text", [b"a: [", b"\xff\xfe", b"a: \x00", b"[" * 100_000, b"", b"5"])
def test_what_is_no_document_has_no_lines(text: bytes) -> None:
    assert line_of(text, "x.yaml", "a") is None


def test_nothing_is_resolved() -> None:
    (node,) = nodes(b"a: &a [x]\nb: *a\nc: !!python/object:os.system {}\nd: ~\ne: '~'\n")
    assert isinstance(node.content, dict)
    assert {key: each.content for key, each in node.content.items()}.items() >= {
        ("b", None), ("d", ""), ("e", "~"),
    }  # fmt: skip


# --- findings -------------------------------------------------------------------------------------


def read(file: str) -> bytes:
    if file == "gone":
        raise SopsmithError(Finding("file-unreadable", "does not exist", file))
    return RECIPE


def test_findings_get_their_lines() -> None:
    given = [
        Finding("weak", "m", "r.yaml", "TOKEN"),
        Finding("weak", "m", "r.yaml", "TOKEN", line=3),
        Finding("recipe-syntax", "broken (line 7)", "r.yaml"),
        Finding("weak", "m", "gone", "TOKEN"),
        Finding("weak", "m", "r.yaml"),
        Finding("usage", "m"),
    ]
    found = list(located(given, read))
    assert [each.line for each in found] == [9, 3, 7, None, None, None]
    assert found[2].message == "broken"  # the line stands before it now
    assert [each.code for each in found] == [each.code for each in given]
