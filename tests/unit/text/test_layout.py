"""Edits of a recipe's text: one field changes, every other byte stays."""

from __future__ import annotations

import copy
import json
from difflib import unified_diff
from time import perf_counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sopsmith.errors import SopsmithError
from sopsmith.text import document
from sopsmith.text.layout import append_item, remove_field, remove_item, set_field, set_fields
from sopsmith.text.splice import is_json

RECIPE = """\
# production: rotated twice
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
spec:
  environment: production   # the leaf
  extends: "../base.yaml"
  components: [a.enc.yaml, b.enc.yaml]
  values:
    # the database
    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02}  # twice
    JWT_SECRET:
      # its generator is the base's
      version: 2
      rotated: '2026-01-31'

    HOST: {default: "db # not a comment"}
  # SMTP comes later
  secrets:
    shop:
      keys:
      - HOST    # public
      - JWT_SECRET
"""
V = ("spec", "values")
P, J, H = (*V, "POSTGRES_PASSWORD"), (*V, "JWT_SECRET"), (*V, "HOST")


def changed(before: str, after: str) -> list[str]:
    """The lines that went and came."""
    lines = list(unified_diff(before.splitlines(), after.splitlines(), n=0))[2:]
    return [line for line in lines if line[0] in "+-"]


@pytest.mark.parametrize(
    ("path", "value", "diff"),
    [
        ((*P, "version"), 4,
         ["-    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02}  # twice",
          "+    POSTGRES_PASSWORD: {version: 4, rotated: 2026-11-02}  # twice"]),
        ((*P, "rotated"), "2027-02-28",
         ["-    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02}  # twice",
          "+    POSTGRES_PASSWORD: {version: 3, rotated: 2027-02-28}  # twice"]),
        ((*P, "previous"), {"version": 3, "seed": "1"},
         ["-    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02}  # twice",
          "+    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02, "
          'previous: {version: 3, seed: "1"}}  # twice']),
        ((*J, "version"), 3, ["-      version: 2", "+      version: 3"]),
        ((*J, "rotated"), "2027-02-28",
         ["-      rotated: '2026-01-31'", "+      rotated: '2027-02-28'"]),
        ((*J, "slot"), "b", ["+      slot: b"]),
        ((*H, "default"), "db", [
          '-    HOST: {default: "db # not a comment"}', '+    HOST: {default: "db"}']),
        ((*V, "NEW"), {}, ["+    NEW: {}"]),
        ((*V, "NEW", "version"), 2, ["+    NEW: {version: 2}"]),
        (("spec", "seeds", "2"), "0a" * 16, ['+  seeds: {"2": 0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a}']),
        (("spec", "a", "b", "c", "d"), True, ["+  a:", "+    b:", "+      c: {d: true}"]),
        (("metadata", "name"), "shop", ["+metadata: {name: shop}"]),
        (("spec", "extends"), ["a.yaml", "b c"],
         ['-  extends: "../base.yaml"', '+  extends: [a.yaml, "b c"]']),
    ],
)  # fmt: skip
def test_setting_a_field_changes_its_line_alone(
    path: tuple[str, ...], value: Any, diff: list[str]
) -> None:
    assert changed(RECIPE, set_field(RECIPE, path, value)) == diff


@pytest.mark.parametrize(
    ("path", "diff"),
    [
        ((*P, "version"),
         ["-    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02}  # twice",
          "+    POSTGRES_PASSWORD: {rotated: 2026-11-02}  # twice"]),
        ((*P, "rotated"),
         ["-    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02}  # twice",
          "+    POSTGRES_PASSWORD: {version: 3}  # twice"]),
        ((*H, "default"), ['-    HOST: {default: "db # not a comment"}', "+    HOST: {}"]),
        ((*J, "version"), ["-      version: 2"]),
        (P, ["-    POSTGRES_PASSWORD: {version: 3, rotated: 2026-11-02}  # twice"]),
        (("spec", "nothing", "here"), []),
        ((*P, "nothing"), []),
    ],
)  # fmt: skip
def test_removing_a_field_takes_its_line_alone(path: tuple[str, ...], diff: list[str]) -> None:
    assert changed(RECIPE, remove_field(RECIPE, path)) == diff


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("values: {}\n", ("values", "A"), {"version": 2}, "values: {A: {version: 2}}\n"),
        ("values: null # none\n", ("values", "A"), {}, "values: {A: {}} # none\n"),
        ("a: 1", ("b",), 2, "a: 1\nb: 2"),
        ("a: 1\r\nb:\r\n  c: 2 # x\r\nd: 3\r\n", ("b", "e"), 4,
         "a: 1\r\nb:\r\n  c: 2 # x\r\n  e: 4\r\nd: 3\r\n"),
        ("\ufeffa: é\n", ("a",), "ü", '\ufeffa: "ü"\n'),
        ("a: {b: 1,}\n", ("a", "c"), 2, "a: {b: 1, c: 2,}\n"),
        ("a: { b: 1 }\n", ("a", "c"), 2, "a: { b: 1, c: 2 }\n"),
        ("a: {\n  b: 1,  # one\n}\n", ("a", "c"), 2, "a: {\n  b: 1,  # one\n  c: 2,\n}\n"),
        ("a: {\n  b: 1  # one\n}\n", ("a", "c"), 2, "a: {\n  b: 1,  # one\n  c: 2\n}\n"),
        ("a: {\n  b: 1}\n", ("a", "c"), 2, "a: {\n  b: 1,\n  c: 2}\n"),
        ("a:\n  b: |\n    x\n\n\nc: 1\n", ("a", "d"), 2, "a:\n  b: |\n    x\n  d: 2\n\n\nc: 1\n"),
        ("a:\n  b: |+\n    x\n\n\nc: 1\n", ("a", "d"), 2, "a:\n  b: |+\n    x\n\n\n  d: 2\nc: 1\n"),
        ("a:\n  b: |\n    x\n  c: 1\n", ("a", "b"), "z", "a:\n  b: z\n  c: 1\n"),
        ("a:\n  b: 1\n  # c\nd: 1\n", ("a",), {}, "a: {}\n  # c\nd: 1\n"),
        ("a: {b: 1}\n", ("a",), {"c": 2}, "a: {c: 2}\n"),
        ("a:\n  b: 1 # x\n  c: 2\n", ("a",), {"b": 1, "d": 3}, "a:\n  b: 1 # x\n  d: 3\n"),
        ("rules:\n  - path: x\n    age: a\n", ("rules", 0, "age"), "b,c",
         'rules:\n  - path: x\n    age: "b,c"\n'),
        ("rules:\n  - path: x\n", ("rules", 0, "age"), "b", "rules:\n  - path: x\n    age: b\n"),
        ("a: text\n", ("a",), None, "a: null\n"),
        ("a: 1\n", ("2",), "3", 'a: 1\n"2": "3"\n'),
        ("a: 1\n", ("b",), "yes", 'a: 1\nb: "yes"\n'),
        ("a: 1\n", ("true",), "1e5", 'a: 1\n"true": "1e5"\n'),
        ("a: 1\n", ("2026-11-21",), "a\nb\x7f", 'a: 1\n"2026-11-21": "a\\nb\\u007f"\n'),
        ('{"a": {"b": "x"}}', ("a", "c"), "2026-11-21",
         '{"a": {"b": "x", "c": "2026-11-21"}}'),
        ('{\n "a": {\n  "b": 1\n }\n}\n', ("a", "c"), {"d": "e"},
         '{\n "a": {\n  "b": 1,\n  "c": {"d": "e"}\n }\n}\n'),
    ],
)  # fmt: skip
def test_set_keeps_the_way_a_text_is_written(
    before: str, path: tuple[str, ...], value: Any, after: str
) -> None:
    assert set_field(before, path, value) == after


@pytest.mark.parametrize(
    ("before", "path", "after"),
    [
        ("a: 1\nb: 2", ("b",), "a: 1"),
        ("a: 1\nb: 2", ("a",), "b: 2"),
        ("a:\n  b: 1\nc: 2\n", ("a", "b"), "a: {}\nc: 2\n"),
        ("a:\n  b:\n    c: 1\n    # of c\n\n  d: 2\n", ("a", "b"),
         "a:\n    # of c\n\n  d: 2\n"),
        ("a: {b: 1, c: 2, d: 3}\n", ("a", "c"), "a: {b: 1, d: 3}\n"),
        ("a: {\n  b: 1, # one\n  c: 2 # two\n}\n", ("a", "c"), "a: {\n  b: 1 # one\n}\n"),
        ("a: {\n  b: 1, # one\n  c: 2, # two\n}\n", ("a", "b"), "a: {\n  c: 2, # two\n}\n"),
        ("- a: 1 # x\n  b: 2\n", (0, "a"), "- b: 2\n"),
        ('{\n "a": 1,\n "b": 2\n}', ("b",), '{\n "a": 1\n}'),
        ('{\n "a": 1,\n "b": 2\n}', ("a",), '{\n "b": 2\n}'),
    ],
)  # fmt: skip
def test_remove_keeps_the_way_a_text_is_written(
    before: str, path: tuple[str, ...], after: str
) -> None:
    assert remove_field(before, path) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a: []\n", "a: [x]\n"),
        ("a: [b] # c\n", "a: [b, x] # c\n"),
        ("a:\n- b # c\n# d\n", "a:\n- b # c\n- x\n# d\n"),
        ("a:\n  - - b\n    - c\n", "a:\n  - - b\n    - c\n  - x\n"),
        ("a:\n  -\n    b: 1\n", "a:\n  -\n    b: 1\n  - x\n"),
        ("b: 1\n", "b: 1\na: [x]\n"),
    ],
)
def test_items_are_appended_and_removed_as_the_list_is_written(before: str, after: str) -> None:
    assert append_item(before, ("a",), "x") == after
    last = len(document.parse(after.encode())["a"]) - 1
    restored = before if "a:" in before else "b: 1\na: []\n"
    assert remove_item(after, ("a",), last) == restored


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("values: [A]\n", ("values", "A", "version")),
        ("values: text\n", ("values", "A")),
        ("a: 1\n---\nb: 1\n", ("a",)),
        ("a: [\n", ("a",)),
        ("? a\n: 1\nb:\n  ? c\n  : 2\n  ? d\n  : 3\n", ("b",)),
        ("a: [{b: 1}]\n", ("a", 7, "b")),
    ],
)
def test_what_would_not_come_out_as_meant_is_refused(text: str, path: tuple[str, ...]) -> None:
    with pytest.raises(SopsmithError) as caught:
        set_field(text, path, {"c": 1})
    assert [each.code for each in caught.value.findings] == ["layout-unsafe"]
    assert caught.value.findings[0].hint == "edit it by hand"


def test_a_comment_that_would_be_lost_keeps_a_field_from_being_removed() -> None:
    with pytest.raises(SopsmithError):
        remove_field("a: {b: 1, # of b\n  c: 2}\n", ("a", "c"))


Fields = list[tuple[tuple[str | int, ...], Any]]


def one_by_one(text: str, fields: Fields) -> str:
    for path, value in fields:
        text = remove_field(text, path) if value is None else set_field(text, path, value)
    return text


@pytest.mark.parametrize("text", [RECIPE, RECIPE.replace("\n", "\r\n"), RECIPE.rstrip("\n")])
def test_many_fields_at_once_come_out_as_one_by_one(text: str) -> None:
    fields: Fields = [
        ((*P, "version"), 4),
        ((*P, "rotated"), "2027-02-28"),
        ((*P, "previous"), {"version": 3, "seed": "1"}),
        ((*J, "version"), 3),
        ((*J, "rotated"), "2027-02-28"),
        ((*J, "seed"), "2"),
        ((*J, "slot"), "b"),
        ((*V, "NEW"), {"version": 1}),
        ((*V, "NEWER"), {}),
        (("spec", "secrets", "other"), {"keys": ["NEW"]}),
        (("spec", "app"), "shop"),
    ]
    assert set_fields(text, fields) == one_by_one(text, fields)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("a: {b: {}}\n", [(("a", "b", "x"), 1), (("a", "b", "y"), 2)]),
        ("a: {b: }\n", [(("a", "b", "x"), 1), (("a", "b", "y"), 2)]),
        ("a: 1\n", [(("b", "c", "x"), 1), (("b", "c", "y"), 2)]),
        ("a: {b: {x: 1, y: 2}}\n", [(("a", "b"), {"x": 3}), (("a", "c"), 4)]),
        ("a: {b: 1, c: 2}\n", [(("a", "b"), None), (("a", "d"), 4), (("a", "e"), 5)]),
        ("a:\n- {b: 1} # one\n- c: 2 # two\n", [(("a", 0, "b"), 3), (("a", 1, "c"), 4)]),
        ('{"a": {"b": 1}}', [(("a", "b"), 2), (("a", "c"), 3), (("a", "d"), "x")]),
        ("a: 1\n", []),
    ],
)
def test_fields_that_go_their_own_way_are_set_too(text: str, fields: Fields) -> None:
    after = set_fields(text, fields)
    assert document.parse_config(after.encode()) == document.parse_config(
        one_by_one(text, fields).encode()
    )
    assert is_json(after) == is_json(text)
    assert ("# one" in after) is ("# one" in text)


def test_of_many_the_field_that_can_not_be_set_is_named() -> None:
    text = "a: {b: 1}\nc: [1]\n"
    with pytest.raises(SopsmithError) as stop:
        set_fields(text, [(("a", "b"), 2), (("c", "x"), 3)])
    assert [finding.field for finding in stop.value.findings] == ["c.x"]


def test_many_fields_are_set_in_little_time() -> None:
    """One after the other, each reads the whole text: minutes for as many."""
    values = "".join(f"    V{n}: {{version: 1}} # of {n}\n" for n in range(2000))
    fields: Fields = [
        ((*V, f"V{n}", *field), value)
        for n in range(2000)
        for field, value in ((("version",), 2), (("rotated",), "2026-11-29"))
    ]
    start = perf_counter()
    after = set_fields(f"spec:\n  values:\n{values}", fields)
    assert perf_counter() - start < 60
    assert after.count("{version: 2, rotated: 2026-11-29} # of ") == 2000


# --- any recipe -----------------------------------------------------------------------------------

NAMES = st.sampled_from(["A", "POSTGRES_PASSWORD", "x.y-z", "1", "null", "2026-11-21", "é"])
SCALARS = st.one_of(
    st.integers(0, 99), st.booleans(), st.none(), st.sampled_from(["2026-11-21"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
)  # fmt: skip
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.dictionaries(NAMES, inner, max_size=3), st.lists(inner, max_size=3)),
    max_leaves=12,
)
RECIPES = st.dictionaries(NAMES, TREES, min_size=1, max_size=4)


@st.composite
def texts(draw: st.DrawFn) -> tuple[Any, str]:
    """A tree, and the same as text: block and flow mixed, with comments, blank lines and quotes."""
    tree = draw(RECIPES)
    if draw(st.integers(0, 4)) == 0:
        return tree, json.dumps(tree, indent=draw(st.sampled_from([None, 1, 2])))
    line_break = draw(st.sampled_from(["\n", "\r\n"]))
    lines = list(block(draw, tree, 0))
    text = line_break.join(lines)
    return tree, text + draw(st.sampled_from([line_break, ""]))


def block(draw: st.DrawFn, tree: Any, depth: int) -> Any:
    """The lines of a map or list in block style; some of what it holds is in flow style."""
    pad = " " * depth
    entries = tree.items() if isinstance(tree, dict) else [(None, each) for each in tree]
    for key, value in entries:
        if draw(st.integers(0, 5)) == 0:
            yield draw(st.sampled_from([f"{pad}# of the next, {{a: [", "", "# at the margin"]))
        label = pad + ("-" if key is None else f"{json.dumps(key)}:")
        if isinstance(value, dict | list) and value and draw(st.booleans()):
            yield label + draw(st.sampled_from(["", "  # more below"]))
            yield from block(draw, value, depth + draw(st.integers(1, 3)))
        elif isinstance(value, dict | list) and value and draw(st.booleans()):
            yield f"{label} {'{' if isinstance(value, dict) else '['}"
            yield from flow_lines(draw, value, pad + "    ")
            yield f"{pad}  {'}' if isinstance(value, dict) else ']'}"
        else:
            yield f"{label} {flow_text(value)}" + draw(st.sampled_from(["", "   # - a: }, 'x"]))


def flow_lines(draw: st.DrawFn, tree: Any, pad: str) -> Any:
    """A flow collection with a line for each entry."""
    entries = list(tree.items()) if isinstance(tree, dict) else [(None, each) for each in tree]
    for index, (key, value) in enumerate(entries):
        label = "" if key is None else f"{json.dumps(key)}: "
        comma = "," if index < len(entries) - 1 else draw(st.sampled_from(["", ","]))
        yield f"{pad}{label}{flow_text(value)}{comma}" + draw(st.sampled_from(["", " # , }"]))


def flow_text(tree: Any) -> str:
    """In flow style, everything quoted that can be."""
    written = json.dumps(tree)  # escapes what YAML would not take as it is
    return written.replace("/", "\\u002f")


def paths(tree: Any, path: tuple[Any, ...] = ()) -> Any:
    """The path of every node below the top."""
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in entries:
        yield (*path, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*path, key))


def comments(text: str) -> list[str]:
    """The comments that the texts above are written with."""
    known = ("# of the next, {a: [", "# at the margin", "# more below", "# - a: }, 'x", "# , }")
    return [each for line in text.splitlines() for each in known if line.endswith(each)]


def put(tree: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The tree with one field set."""
    changed_tree = copy.deepcopy(tree)
    inner = changed_tree
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return changed_tree


def writable(tree: Any) -> bool:
    """Whether the text can be read at all: surrogates pairs that JSON escapes can't."""
    return all(ord(char) < 0x10000 for char in json.dumps(tree, ensure_ascii=False))


@settings(max_examples=300, deadline=None)
@given(texts(), st.data())
def test_any_field_can_be_set_in_any_text(source: tuple[Any, str], data: st.DataObject) -> None:
    tree, text = source
    if not writable(tree) or document.parse(text.encode()) != tree:
        return
    path = data.draw(st.sampled_from(list(paths(tree))))
    value = data.draw(SCALARS)
    if isinstance(path[-1], str) and data.draw(st.booleans()):
        path = (*path[:-1], "NEW")
    after = set_field(text, path, value)
    assert document.parse(after.encode()) == put(tree, path, value)
    assert is_json(after) == is_json(text)
    if not is_collection(tree, path):
        assert comments(after) == comments(text)
        assert len(changed(text, after)) <= 4  # the line, and the one before that gets a comma


@settings(max_examples=300, deadline=None)
@given(texts(), st.data())
def test_any_fields_can_be_set_at_once(source: tuple[Any, str], data: st.DataObject) -> None:
    tree, text = source
    if not writable(tree) or document.parse(text.encode()) != tree:
        return
    known = [path for path in paths(tree) if not is_collection(tree, path)]
    named = [path for path in known if isinstance(path[-1], str)]
    named += [(*path[:-1], name) for path in named for name in ("NEW", "NEWER")]
    scalars = SCALARS.filter(lambda value: value is not None)
    chosen = st.lists(st.sampled_from(named), unique=True, max_size=8) if named else st.just([])
    fields: Fields = [(path, data.draw(scalars)) for path in data.draw(chosen)]
    after = set_fields(text, fields)
    expected = tree
    for path, value in fields:
        expected = put(expected, path, value)
    assert document.parse(after.encode()) == expected
    assert is_json(after) == is_json(text)
    assert comments(after) == comments(text)


def is_collection(tree: Any, path: tuple[Any, ...]) -> bool:
    """Whether more than a scalar goes."""
    for key in path:
        if isinstance(tree, dict) and key not in tree:
            return False
        tree = tree[key]
    return isinstance(tree, dict | list)


@settings(max_examples=300, deadline=None)
@given(texts(), st.data())
def test_any_field_can_be_removed_from_any_text(
    source: tuple[Any, str], data: st.DataObject
) -> None:
    tree, text = source
    if not writable(tree) or document.parse(text.encode()) != tree:
        return
    path = data.draw(st.sampled_from(list(paths(tree))))
    expected = copy.deepcopy(tree)
    inner = expected
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    after = remove_field(text, path)
    assert document.parse(after.encode()) == expected


@settings(max_examples=300, deadline=None)
@given(texts(), st.data())
def test_what_is_appended_goes_with_its_removal(
    source: tuple[Any, str], data: st.DataObject
) -> None:
    tree, text = source
    lists = [path for path in paths(tree) if isinstance(at(tree, path), list)]
    if not writable(tree) or document.parse(text.encode()) != tree or not lists:
        return
    path = data.draw(st.sampled_from(lists))
    after = append_item(text, path, "x")
    count = len(at(tree, path))
    assert document.parse(after.encode()) == put(tree, path, [*at(tree, path), "x"])
    assert comments(after) == comments(text)
    assert document.parse(remove_item(after, path, count).encode()) == tree


def at(tree: Any, path: tuple[Any, ...]) -> Any:
    """What stands there."""
    for key in path:
        tree = tree[key]
    return tree
