"""The strict reader: what YAML means to us, what is refused on which line, in words of our own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sopsmith.errors import SopsmithError
from sopsmith.recipes.resolve import read_source
from sopsmith.text.document import DEEPEST, DocumentError, Unquoted, parse, parse_json
from sopsmith.tools import files

# --- what is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scalar", "meaning"),
    [
        *[(null, None) for null in ("null", "Null", "NULL", "~")],
        *[(true, True) for true in ("true", "True", "TRUE")],
        *[(false, False) for false in ("false", "False", "FALSE")],
        ("0", 0),
        ("42", 42),
        ("-7", -7),
        ("+5", 5),
        ("4294967296", 4294967296),
        *[
            (word, word)
            for word in ("yes", "no", "on", "off", "y", "n", "nULL", "tRUE", "12:30:45")
        ],
        *[
            (word, word)
            for word in ("a b", "10m", "1.2.3", "=", "$(NAME)", "a#b", "a:b", "1-2", "é")
        ],
        ("a\n  b", "a b"),
        ('"5"', "5"),
        ("'null'", "null"),
        ('""', ""),
        ('"a\\tb\\u00e9\\U0001f600"', "a\tbé😀"),
        ("|\n  5\n", "5\n"),
        ("|-\n  true\n", "true"),
    ],
)
def test_scalars_mean_what_yaml_1_2_core_says(scalar: str, meaning: object) -> None:
    found = parse(f"key: {scalar}".encode())["key"]
    assert (found, type(found)) == (meaning, type(meaning))


@pytest.mark.parametrize(
    "scalar",
    ["1e5", "1.5", ".5", "1.", "0x1F", "0o17", "0b11", "0b+1", "1_000", ".inf", "-.INF", ".nan",
     "<<", "2026-11-21", "2026-11-21 10:00:00", "2026-11-21T10:00:00Z", "123456789012345678901"],
)  # fmt: skip
def test_what_other_readers_take_for_a_number_or_date_is_marked(scalar: str) -> None:
    found = parse(f"key: {scalar}".encode())["key"]
    assert isinstance(found, Unquoted)
    assert found == scalar


@pytest.mark.parametrize("quoted", ['"{}"', "'{}'", "|-\n  {}"])
@pytest.mark.parametrize("scalar", ["1e5", "0o17", "2026-11-21", "<<", "1_000"])
def test_quoted_it_is_text(scalar: str, quoted: str) -> None:
    assert type(parse(f"key: {quoted.format(scalar)}".encode())["key"]) is str


def test_maps_and_lists_in_both_styles_are_one() -> None:
    block = b"a:\n  - b: c\n    d: {}\n  - []\n  -\n    - x\n"
    flow = b"{a: [{b: c, d: {}}, [], [x]]}"
    assert parse(block) == parse(flow) == {"a": [{"b": "c", "d": {}}, [], ["x"]]}


def test_comments_a_byte_order_mark_and_a_marker_change_nothing() -> None:
    assert parse("\ufeff# first\n---\na: b  # last\n...\n".encode()) == {"a": "b"}


# --- what is refused ------------------------------------------------------------------------------

REFUSED = {
    "nothing": (b"# only a comment\n", "the text is empty"),
    "broken": (b"a: b\nc: [1\nd: e\n", "the text is not valid YAML (line 3)"),
    "tab": (b"a:\n\tb: c\n", "a tab; YAML is indented with spaces (line 2)"),
    "unclosed": (b'a: b\nc: "d\n', "the text is not valid YAML (line 3)"),
    "escape": (b'a: "\\ud800"\n', "the text is not valid YAML (line 1)"),
    "control character": (b"a: \x1b\n", "the text is not valid YAML"),
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", "a key stands twice in one map (line 3)"),
    "duplicate key, quoted": (b'{a: 1,\n "a": 2}', "a key stands twice in one map (line 2)"),
    "anchor": (b"a: b\nc: &x d\n", "anchors are not accepted (line 2)"),
    "anchor of a map": (b"a: &x {b: c}\n", "anchors are not accepted (line 1)"),
    "anchor of a key": (b"&x a: b\n", "anchors are not accepted (line 1)"),
    "alias": (b"a: b\nc: *x\n", "aliases are not accepted (line 2)"),
    "alias as a key": (b"*x : b\n", "aliases are not accepted (line 1)"),
    "merge key": (b"a: b\n<<: {c: d}\n", "a key that is not text; quote it (line 2)"),
    "tag": (b"a: b\nc: !!str 5\n", "tags are not accepted (line 2)"),
    "tag of our own": (b"a: !env HOME\n", "tags are not accepted (line 1)"),
    "tag of a list": (b"a: !!set {b}\n", "tags are not accepted (line 1)"),
    "bare tag": (b"a: ! 5\n", "tags are not accepted (line 1)"),
    "second document": (b"a: b\n---\nc: d\n", "a second document; one file holds one (line 2)"),
    "empty value": (b"a: b\nc:\n", 'an empty value; write "" or null (line 2)'),
    "empty item": (b"- a\n-\n- b\n", 'an empty value; write "" or null (line 2)'),
    "empty document": (b"---\n", 'an empty value; write "" or null (line 2)'),
    "folded text": (b"a: b\nc: >-\n  d\n", "folded text (>); write | or quotes (line 2)"),
    "leading zero": (b"a: 017\n", "a number with leading zeros; quote it or drop them (line 1)"),
    "leading zeros": (b"a: -00\n", "a number with leading zeros; quote it or drop them (line 1)"),
    "number as a key": (b"a: b\n5: c\n", "a key that is not text; quote it (line 2)"),
    "1e5 as a key": (b"1e5: c\n", "a key that is not text; quote it (line 1)"),
    "null as a key": (b"~: c\n", "a key that is not text; quote it (line 1)"),
    "true as a key": (b"true: c\n", "a key that is not text; quote it (line 1)"),
    "map as a key": (b"? {a: b}\n: c\n", "a key that is not text; quote it (line 1)"),
    "NUL": (b"a: b\0c\n", "the text holds NUL bytes; save it as UTF-8"),
    "UTF-16": ("a: b".encode("utf-16"), "the text holds NUL bytes; save it as UTF-8"),
    "UTF-16, no mark": ("a: b".encode("utf-16-be"), "the text holds NUL bytes; save it as UTF-8"),
    "UTF-32": ("a: b".encode("utf-32"), "the text holds NUL bytes; save it as UTF-8"),
    "Latin-1": ("a: é".encode("latin-1"), "the text is not UTF-8"),
    "surrogate": (b"a: \xed\xa0\x80", "the text is not UTF-8"),
    "deep": (b"[" * 65 + b"]" * 65, f"more than {DEEPEST} levels of nesting (line 1)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_plain_is_refused_and_the_line_named(case: str) -> None:
    text, message = REFUSED[case]
    with pytest.raises(DocumentError, match=f"^{re.escape(message)}$"):
        parse(text)


@pytest.mark.parametrize("read", [parse, parse_json])
def test_as_many_levels_as_are_allowed_are_read(read: Callable[[bytes], Any]) -> None:
    text = "[" * DEEPEST + "1" + "]" * DEEPEST
    assert json.dumps(read(text.encode())) == text


BOMB = b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (level, level, b",".join([b"*a%d" % (level - 1)] * 10))
    for level in range(1, 9)
)
HEAVY = {
    "alias bomb of 430 bytes": BOMB,
    "10,000 lists": b"a: " + b"[" * 10_000,
    "10,000 maps": b"{a: " * 10_000,
    "10,000 lists in block style": b"- " * 10_000,
    "10,000 maps in block style": "".join(" " * n + "a:\n" for n in range(10_000)).encode(),
    "10,000 maps as keys": b"? " * 10_000,
}


def own_seconds(work: Callable[[], Any], refusal: type[Exception]) -> float:
    """The processor time until the refusal: the best of five, since others may use the machine."""
    times = []
    for _ in range(5):
        start = time.process_time()
        with pytest.raises(refusal):
            work()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("case", HEAVY)
def test_a_heavy_text_is_refused_at_once(case: str) -> None:
    assert len(BOMB) == 430
    assert own_seconds(lambda: parse(HEAVY[case]), DocumentError) < 1


@pytest.mark.parametrize("line", ["a: b\n", "# a comment\n", " \n", "x"])
def test_a_recipe_of_100_mib_is_refused_at_once(tmp_path: Path, line: str) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(line * (100 * 2**20 // len(line)))
    read = files.reader(str(tmp_path))
    assert own_seconds(lambda: read_source("recipe.yaml", read), SopsmithError) < 0.2
    recipe.unlink()  # before the disk has to take it, and others wait for that


# --- whatever comes in ----------------------------------------------------------------------------

SAYINGS = {re.sub(r" \(line \d+\)$", "", message) for _, message in REFUSED.values()}
PIECES = st.sampled_from(
    ["a", "b: ", "- ", "? ", ": ", "\n", "\n  ", "[", "]", "{", "}", ",", "&x", "*x", "!t ",
     "!%ff ", "<<: ", "---\n", "...\n", "%YAML 1.1\n", "%TAG ! tag:x,2000:\n", "'", '"', "\\",
     '"\\u00', "|", ">-\n", "#", " #", "0o17", "1e5", "017", "~", "null", "\t", "\x85", "\u2028",
     "\ufeff", "\x7f", "\x1b", "\0", "\r", "😀", "\ufffe", "@", "`", "="]
)  # fmt: skip
YAMLISH = st.lists(PIECES | st.text(max_size=5), max_size=40).map("".join)


@settings(max_examples=600, deadline=None)
@given(st.binary() | YAMLISH.map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"!%ff x")
@example(b"a: !<tag:%c3%28> x")
def test_any_text_is_read_or_refused_in_our_own_words(data: bytes) -> None:
    try:
        parse(data)
    except DocumentError as error:
        message, _, line = str(error).partition(" (line ")
        assert message in SAYINGS
        assert not line or 1 <= int(line[:-1]) <= len(data) + 2


def is_plain(node: object) -> bool:
    if isinstance(node, dict):
        return all(type(key) is str and is_plain(child) for key, child in node.items())
    if isinstance(node, list):
        return all(map(is_plain, node))
    return node is None or type(node) in (str, int, bool, Unquoted)


@settings(max_examples=400, deadline=None)
@given(YAMLISH)
def test_what_is_read_is_plain_data(text: str) -> None:
    try:
        assert is_plain(parse(text.encode("utf-8", "replace")))
    except DocumentError:
        return


LEAVES = st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text()
TREES = st.recursive(LEAVES, lambda n: st.lists(n) | st.dictionaries(st.text(), n), max_leaves=20)


@settings(max_examples=300, deadline=None)
@given(TREES)
def test_json_is_read_as_what_it_says(tree: object) -> None:
    assert parse_json(json.dumps(tree).encode()) == tree


# --- JSON -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": 1,\n "b"}', "the text is not valid JSON (line 2)"),
        (b'{"a": 1, "a": 2}', "a key stands twice in one map"),
        (b"[" * 100_000, "the text is not valid JSON"),
        (b"[" * 65 + b"]" * 65, "more than 64 levels of nesting"),
        (b'"' + b"\xff" + b'"', "the text is not valid JSON"),
        (b"1" * 5000, "the text is not valid JSON"),
        (b'["\\ud800"]', "the text is not valid JSON"),
        (b"[NaN]", "the text is not valid JSON"),
        (b"", "the text is not valid JSON (line 1)"),
    ],
    ids=["broken", "duplicate key", "deeper than Python", "deep", "not UTF-8", "huge number",
         "half a surrogate pair", "NaN", "nothing"],
)  # fmt: skip
def test_json_is_refused_in_our_own_words(text: bytes, message: str) -> None:
    with pytest.raises(DocumentError, match=f"^{re.escape(message)}$"):
        parse_json(text)
