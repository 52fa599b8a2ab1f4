"""The same recipe, read from its file and in the form that kustomize hands to the function.

kustomize resolves YAML before we see it (`0o17` becomes 15, a date gets a time). So text that is
accepted in the file has to come out of kustomize as the same text: it never silently means
something else. A probe in place of the function records what real kustomize sends.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsmith.recipes import schema
from sopsmith.text import document

PROBE = """#!/bin/sh
cat >"$(dirname "$0")/sent"
echo '{apiVersion: config.kubernetes.io/v1, kind: ResourceList, items: []}'
"""
RECIPE = """\
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata:
  name: shop
  annotations:
    config.kubernetes.io/function: "exec: {{path: ./probe}}"
spec:
  app: shop
  values:
    TOKEN:
      {field}
"""


class Reading(NamedTuple):
    """A recipe's spec as one way in gives it; None where it is refused."""

    spec: Any | None

    @property
    def value(self) -> dict[str, Any]:
        """The value's fields."""
        return {} if self.spec is None else self.spec["values"]["TOKEN"]

    @property
    def text(self) -> object:
        """The text field in question."""
        return self.value.get("default")


REFUSED = Reading(None)
Read = Callable[[str], tuple[Reading, Reading | None]]
ReadRaw = Callable[[list[str]], tuple[list[Any], list[Any]]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An overlay whose function only records what it is sent."""
    folder = tmp_path_factory.mktemp("overlay")
    (folder / "probe").write_text(PROBE)
    (folder / "probe").chmod(0o755)
    (folder / "kustomization.yaml").write_text("generators: [recipe.yaml]\n")
    return folder


def sent(folder: Path, recipe: bytes) -> bytes | None:
    """What kustomize sends to the function; None where it refuses the recipe itself."""
    (folder / "recipe.yaml").write_bytes(recipe)
    (folder / "sent").unlink(missing_ok=True)
    argv = ["kustomize", "build", "--enable-alpha-plugins", "--enable-exec", str(folder)]
    subprocess.run(argv, capture_output=True)
    return (folder / "sent").read_bytes() if (folder / "sent").exists() else None


@pytest.fixture(scope="module")
def both(folder: Path) -> Read:
    """Read a recipe directly and from what kustomize sends; None where it sends nothing."""

    def read(field: str) -> tuple[Reading, Reading | None]:
        recipe = RECIPE.format(field=field).encode()
        call = sent(folder, recipe)
        return checked(recipe), None if call is None else checked(call, "functionConfig")

    return read


def checked(data: bytes, *path: str) -> Reading:
    """A recipe that the strict reader and the schema accept."""
    try:
        recipe = document.parse(data)
    except document.DocumentError:
        return REFUSED
    for key in path:
        recipe = recipe[key]
    return REFUSED if list(schema.check(recipe)) else Reading(recipe["spec"])


@pytest.fixture(scope="module")
def raw(folder: Path) -> ReadRaw:
    """Read a list of scalars both ways, before any check."""

    def read(scalars: list[str]) -> tuple[list[Any], list[Any]]:
        lines = "".join(f"\n        - {scalar}" for scalar in scalars)
        recipe = RECIPE.format(field=f"default:{lines}").encode()
        call = document.parse(sent(folder, recipe) or b"")
        values = (document.parse(recipe)["spec"], call["functionConfig"]["spec"])
        direct, through_kustomize = (spec["values"]["TOKEN"]["default"] for spec in values)
        return direct, through_kustomize

    return read


WORDS = """
0 7 42 -1 +5 -0 00 007 017 -017 +017 08 09 0o17 0O17 -0o17 +0o17 0o18 0x1F 0X1f -0x1F 0x 0xg 0b11
0b12 -0b1 0b-1 0b+1 -0b-1 0B-1 0-7 1_000 _1 1_ __ -_1 0x_F 1__0 123456789012345678901
99999999999999999999 1e400 1e-400
18446744073709551616 1e5 1E5 1e-5 -1e5 +1e5 1e 1e+ e5 1.5 1. .5 -.5 +.5 . .. ... - + -- +- 1.2.3
1.5e3 1_0.5 .inf .Inf .INF -.inf +.inf .iNF inf Infinity -Infinity .nan .NaN .NAN nan NaN .na 12:30
12:30:45 190:20:30.15 1:2 -1:30 2026-11-21 2026-1-2 2026-13-45 2026-02-30 0000-00-00 2026-11-21-1
2026-11-21T10:00:00Z 2026-11-21t10:00:00z 2026-11-21T00:00:00Z 2026-11-21T10:00:00+02:00 2026-11
2026-11-21T10:00 2026-11-21T 2026-11-21x 20261121 y Y n N yes Yes YES no No NO on On ON off Off OFF
true True TRUE tRUE false False FALSE null Null NULL nULL ~ ~~ ~x = == << <<< !x ! !!str !!int &x &
*x * @x `x %x % |x > >x ? ?x : :x ,x ]x }x [x {x #x x# 'x "x \\\\ \\\\n $(X) $$( a:b a#b a,b a]b //
/x 10m 1d 5Gi 0.0.0.0 ::1 key:value 1,000 1'0 ½ ٣ １ é 😀 \ufeffx \u200bx \u202ex \ue000
"""
PLAIN = WORDS.split()
SPACED = {
    "date and time": "2026-11-21 10:00:00",
    "short date and time": "2026-1-2 1:2:3",
    "date, time, zone": "2026-11-21 10:00:00 +02:00",
    "date and time apart": "2026-11-21   10:00:00",
    "date, time, fraction": "2026-11-21 10:00:00.5",
    "date, time, comma": "2026-11-21 10:00:00,5",
    "date, T, time, comma": "2026-11-21T10:00:00,5Z",
    "date, tab, time": "2026-11-21\t10:00:00",
    "date and word": "2026-11-21 is the day",
    "number and comment": "5 # five",
    "text and comment": "five # 5",
    "tab inside": "a\tb",
    "tab at the end": "a\t",
    "blanks at the end": "a   ",
    "dash and word": "- a",
    "question and word": "? a",
    "colon and word": "a: b",
    "two lines": "a\n        b",
    "two lines and a gap": "a\n\n        b",
    "number on two lines": "1\n        2",
    "tag and text": "!!str 5",
    "tag and number": "!!int 5",
    "tag and bytes": "!!binary aGVsbG8=",
    "anchor and text": "&x y",
    "empty": "",
    "U+2028": "a\u2028b",
    "U+00A0": "a\u00a0b",
    "U+0085": "a\u0085b",
    "list": "[a, b]",
    "map": "{a: b}",
    "literal": "|\n        a\n          b\n\n        c\n",
    "literal, stripped": "|-\n        0o17\n",
    "literal, kept": "|+\n        a\n\n\n",
    "literal, blanks at the ends": "|\n        a  \n        b\t\n",
    "literal, indented": "|2\n          a\n",
    "literal of a tab": "|\n        \ta\n",
    "literal of nothing": "|\n\n",
    "folded": ">\n        a\n        b\n\n        c\n          d\n        e\n",
    "folded, stripped": ">-\n        null\n",
    "folded, blanks": ">-\n        a \n        b\n",
    "folded, kept": ">+\n        a\n\n\n",
    "long": "word " * 100 + "end",
    "long, no blanks": "x" * 3000,
}
SCALARS = {**{f"{word!a}": word for word in PLAIN}, **SPACED}
ESCAPES = r"""
\N a\Nb a\u0085b a\x85 a\u2028b a\Pb \ufeffa a\_ a\x7f \x9f \a \e[0m a\0 a\r\nb a\fb \ta\t a\n \n\n
\na a\nb a\n\nb \x20\x20a\x20 \x20 \x20a\x20\n\x20b\x20 \U0001f600 e\u0301 \ufffe \uffff \ufffd
\u202ea \U0010ffff \"a'b\" \\n \\ \/ a:\x20b a\x20#b --- ... a\n---\nb a\n...\nb
-----BEGIN\x20X-----\nAA== {{.x}} {\"a\":[1]} %x @x a\tb\n #\n \x20\n \n\x20 \t\n \n\t 'x'
\"\" x\n\x20\x20y\nz |\nx
"""
QUOTED = {
    **{word: f'"{word}"' for word in ESCAPES.split()},
    "nothing": '""',
    "nothing, single": "''",
    "single": "'it''s \\n \"x\"'",
    "folded": '"a\n        b"',
    "folded twice": '"a\n\n        b"',
    "folded, blanks": '"a  \n        b  "',
    "continued": '"a\\\n        b"',
    "long": '"' + "word " * 100 + '"',
    "long lines": '"' + ("x" * 200 + " \\n") * 3 + '"',
    "tabs in lines": '"a\n        \tb"',
}


def assert_one_meaning(direct: Reading, through_kustomize: Reading | None) -> None:
    """Refused in the file or by kustomize itself, or the same text (null deletes it in both)."""
    if direct != REFUSED and through_kustomize is not None:
        assert through_kustomize == direct
        assert direct.text is None or type(direct.text) is str


def test_there_are_more_than_a_hundred_awkward_scalars() -> None:
    assert len(PLAIN) == len(set(PLAIN))
    assert len(SCALARS) > 200
    assert len(QUOTED) > 60


@pytest.mark.parametrize("case", SCALARS)
def test_a_plain_scalar_has_one_meaning(both: Read, case: str) -> None:
    assert_one_meaning(*both(f"default: {SCALARS[case]}"))


@pytest.mark.parametrize("case", QUOTED)
def test_a_quoted_scalar_has_one_meaning(both: Read, case: str) -> None:
    assert_one_meaning(*both(f"default: {QUOTED[case]}"))


DATELIKE = ("2026-11-21T10:00:00", "2026-11-21 10:00:00Z", "2026-11-21 10:00 is the time")


@pytest.mark.parametrize("word", [*(word for word in PLAIN if word != "<<"), *DATELIKE], ids=ascii)
def test_quoted_text_is_accepted_both_ways(both: Read, word: str) -> None:
    direct, through_kustomize = both(f"default: {json.dumps(word, ensure_ascii=False)}")
    assert through_kustomize is not None
    assert direct.text == through_kustomize.text == word


def test_a_quoted_merge_key_is_refused_because_kustomize_sends_it_with_a_tag(both: Read) -> None:
    direct, through_kustomize = both('default: "<<"')
    assert (direct.text, through_kustomize) == ("<<", REFUSED)


def test_an_octal_with_a_sign_inside_is_text_in_quotes_and_else_a_number(both: Read) -> None:
    """kustomize sends that text without quotes, so the reader can't take it for a number."""
    direct, through_kustomize = both('default: "0o-7"')
    assert through_kustomize is not None
    assert direct.text == through_kustomize.text == "0o-7"
    assert both("default: 0o-7")[1] == REFUSED  # it sends -7


def readable(word: str) -> bool:
    """Both readers take it; kustomize refuses infinity, sends << with a tag, and see above."""
    try:
        document.parse(f"- {word}".encode())
    except document.DocumentError:
        return False
    is_octal = word.replace("_", "").startswith(("0o-", "0o+"))
    return not is_octal and word.lower().lstrip("+-") not in (".inf", ".nan", "<<")


FIELDS = ("version", "rotated", "optional", "rotation", "seed", "maxAge")


@pytest.mark.parametrize("field", FIELDS)
def test_other_fields_have_one_meaning(raw: ReadRaw, field: str) -> None:
    words = [word for word in PLAIN if readable(word)]
    for direct, through_kustomize in zip(*raw(words), strict=True):
        if not list(schema.VALUE.check({field: direct}, "")):
            assert not list(schema.VALUE.check({field: through_kustomize}, ""))
            assert through_kustomize in (direct, f"{direct}T00:00:00Z")


@pytest.mark.parametrize("word", PLAIN, ids=ascii)
def test_a_key_has_one_meaning(both: Read, word: str) -> None:
    labels = f"labels:\n        {word}: x"
    assert_one_meaning(*both(f"rules: {{}}\n  secrets:\n    shop:\n      {labels}"))


NUMBERLIKE = st.text("0123456789+-._eExXoObBTtZz:", min_size=1, max_size=12)
PRINTABLE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.lists((NUMBERLIKE | PRINTABLE).filter(lambda text: text != "<<"), min_size=1))
def test_any_quoted_text_comes_through(raw: ReadRaw, texts: list[str]) -> None:
    _, through_kustomize = raw([json.dumps(text, ensure_ascii=False) for text in texts])
    assert through_kustomize == texts


@settings(max_examples=60, deadline=None)
@given(st.lists(NUMBERLIKE.filter(readable), min_size=1, max_size=60))
def test_any_plain_scalar_that_is_accepted_comes_through(raw: ReadRaw, words: list[str]) -> None:
    for direct, through_kustomize in zip(*raw(words), strict=True):
        if not isinstance(direct, document.Unquoted):
            assert (through_kustomize, type(through_kustomize)) == (direct, type(direct))
