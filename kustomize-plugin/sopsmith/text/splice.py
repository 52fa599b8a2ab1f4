"""Text surgery on YAML and JSON: one field or item put in or cut out, all else left as it is. Pure.

Fields are found by the parser that recipes are read with; the text between them is never written
anew. layout.py checks what comes of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import yaml

from sopsmith.text import document
from sopsmith.text.notation import field, flow, key, scalar

Path = tuple[str | int, ...]

_INDENT = "  "
_AFTER = re.compile(r"[ \t]*(,?)[ \t]*(#[^\r\n]*)?(?=\r?\n)")  # an entry that ends its line
_KEEPS_BREAKS = re.compile(r"[|>][1-9]?\+")


class NoPlace(Exception):
    """There is no good place for the edit."""


class _Span(NamedTuple):
    """An entry of a map or list: from its key or dash to the end of its value."""

    start: int
    end: int


def put(text: str, path: Path, value: Any) -> str:
    """Write a value at the path, over what stands there or behind its siblings.

    These functions trust the caller to check that the path makes sense and what comes of the edit;
    they raise NoPlace where they see themselves that nothing good would.
    """
    node, rest = _walk(_compose(text), path)
    return _put(text, node, rest, value, as_json=is_json(text))


def put_all(text: str, changes: Iterable[tuple[Path, Any]]) -> str:
    """Write several values, each where `put` would; none of them lies within another.

    From the last to the first, so that all that was found in the text stays where it was found.
    """
    root, as_json = _compose(text), is_json(text)
    places = []
    for order, (path, value) in enumerate(changes):
        node, rest = _walk(root, path)
        is_behind = rest and isinstance(node, yaml.MappingNode) and node.value
        start = _end(text, node.value[-1][1]) if is_behind else node.start_mark.index
        depth = len(path) - len(rest)  # what is behind a map is behind all in it
        places.append((start, -depth, order, node, rest, value))
    for _, _, _, node, rest, value in sorted(places, key=lambda each: each[:3], reverse=True):
        text = _put(text, node, rest, value, as_json=as_json)
    return text


def _put(text: str, node: yaml.Node, rest: Path, value: Any, *, as_json: bool) -> str:
    names = tuple(map(str, rest))
    if not names:
        return _replaced(text, node, value, as_json=as_json)
    if not isinstance(node, yaml.MappingNode):  # null, which gives way to a map
        for name in reversed(names):
            value = {name: value}
        return _replaced(text, node, value, as_json=as_json)
    if node.flow_style:
        return _inserted_in_flow(text, node, field(names, value, is_json=as_json))
    lines = [f"{_INDENT * depth}{key(name)}:" for depth, name in enumerate(names[:-2])]
    lines.append(_INDENT * len(lines) + field(names[-2:], value))
    return _inserted_in_block(text, node, lines)


def cut(text: str, path: Path) -> str:
    """Take out the field or item at the path."""
    node, rest = _walk(_compose(text), path[:-1])
    if rest or not isinstance(node, yaml.CollectionNode):
        raise NoPlace
    spans = _spans(text, node)
    index = _index(node, path[-1])
    if len(spans) == 1:
        empty: Any = {} if isinstance(node, yaml.MappingNode) else []
        return _replaced(text, node, empty, as_json=is_json(text))
    return (_cut_of_flow if node.flow_style else _cut_of_block)(text, spans, index)


def append(text: str, path: Path, item: Any) -> str:
    """Write an item behind the last of the list at the path."""
    node, rest = _walk(_compose(text), path)
    if rest or not isinstance(node, yaml.SequenceNode):
        return put(text, path, [item])
    written = flow(item, is_json=is_json(text))
    if node.flow_style:
        return _inserted_in_flow(text, node, written)
    return _inserted_in_block(text, node, [f"- {written}"])


def is_json(text: str) -> bool:
    """Whether all of the text is JSON, and has to stay so."""
    try:
        document.parse_json(text.encode("utf-8"))
    except document.DocumentError:
        return False
    return True


def _replaced(text: str, node: yaml.Node, value: Any, *, as_json: bool) -> str:
    """Another value in the node's place; text stays in the quotes that it was in."""
    before, after = text[: node.start_mark.index], text[_end(text, node) :]
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:  # it has lines of its own
        before = re.sub(r"(?<=[:-])\s+\Z", " ", before)
    quotes = node.style if isinstance(node, yaml.ScalarNode) and isinstance(value, str) else None
    if quotes in ("'", '"'):
        return before + scalar(value, is_json=as_json, quotes=str(quotes)) + after
    return before + flow(value, is_json=as_json) + after


def _inserted_in_flow(text: str, node: yaml.CollectionNode, entry: str) -> str:
    spans = _spans(text, node)
    if not spans:
        return _spliced(text, node.start_mark.index + 1, entry)
    start, end = spans[-1]
    if not _is_first_on_line(text, start):
        return _spliced(text, end, f", {entry}")
    line = _line_break(text) + text[_line_start(text, start) : start] + entry
    rest = _AFTER.match(text, end, node.end_mark.index - 1)
    if rest is None:
        return _spliced(text, end, f",{line}")
    inserted = _spliced(text, rest.end(), line + rest[1])
    return inserted if rest[1] else _spliced(inserted, end, ",")


def _inserted_in_block(text: str, node: yaml.CollectionNode, lines: list[str]) -> str:
    """Lines behind the block's last one, and its comment."""
    line_break = _line_break(text)
    pad = " " * node.start_mark.column
    added = line_break.join(pad + line for line in lines)
    end = text.find("\n", _spans(text, node)[-1].end) + 1
    return _spliced(text, end, added + line_break) if end else text + line_break + added


def _cut_of_block(text: str, spans: list[_Span], index: int) -> str:
    start, end = spans[index]
    if not _is_first_on_line(text, start):  # behind a dash
        return _cut_to_next(text, spans, index)
    first, last = _line_start(text, start), text.find("\n", end) + 1
    return text[:first] + text[last:] if last else text[:first].rstrip("\r\n")


def _cut_of_flow(text: str, spans: list[_Span], index: int) -> str:
    start, end = spans[index]
    rest = _AFTER.match(text, end)
    if rest is None or not _is_first_on_line(text, start):
        if index:
            return _joined(text, spans[index - 1].end, end, text[spans[index - 1].end : start])
        return _cut_to_next(text, spans, index)
    lines = text[: _line_start(text, start)] + text[text.find("\n", end) + 1 :]
    if index < len(spans) - 1 or rest[1]:
        return lines
    comma = re.compile(r"\s*,").match(text, spans[index - 1].end)
    if comma is None:
        raise NoPlace
    return _joined(lines, comma.end() - 1, comma.end(), "")  # it separates nothing any more


def _cut_to_next(text: str, spans: list[_Span], index: int) -> str:
    """Without an entry that others follow on its line; its own line's comment goes with it."""
    if index == len(spans) - 1:  # the last one, behind a question mark
        raise NoPlace
    (start, end), following = spans[index], spans[index + 1].start
    return _joined(text, start, following, re.sub(r"\A[^\n]*", "", text[end:following]))


def _joined(text: str, start: int, end: int, lost: str) -> str:
    """The text without this part; nothing that is lost beside the entry may be a comment."""
    if "#" in lost:
        raise NoPlace
    return text[:start] + text[end:]


# --- where it stands ------------------------------------------------------------------------------


def _compose(text: str) -> yaml.Node:
    try:
        node = yaml.compose(text, Loader=document.Loader)
    except yaml.YAMLError:  # an edit before this one went wrong
        raise NoPlace from None
    if node is None:
        raise NoPlace
    return node


def _walk(node: yaml.Node, path: Path) -> tuple[yaml.Node, Path]:
    """The deepest node on the way, and the rest of the way."""
    for depth, step in enumerate(path):
        if isinstance(node, yaml.MappingNode):
            found = [child for name, child in node.value if name.value == step]
        else:
            found = [child for index, child in enumerate(node.value) if index == step]
        if not found:
            return node, path[depth:]
        node = found[0]
    return node, ()


def _index(node: yaml.CollectionNode, step: str | int) -> int:
    """Which entry a key, or a place in a list, means."""
    steps = (
        [name.value for name, _ in node.value]
        if isinstance(node, yaml.MappingNode)
        else list(range(len(node.value)))
    )
    if step not in steps:
        raise NoPlace
    return steps.index(step)


def _spans(text: str, node: yaml.CollectionNode) -> list[_Span]:
    if isinstance(node, yaml.MappingNode):
        return [_Span(key.start_mark.index, _end(text, value)) for key, value in node.value]
    starts = [item.start_mark.index for item in node.value]
    if not node.flow_style:
        starts = [_dash(text, start, node.start_mark.column) for start in starts]
    return [_Span(start, _end(text, item)) for start, item in zip(starts, node.value, strict=True)]


def _dash(text: str, start: int, column: int) -> int:
    """The dash of an item: in the list's column, on the item's line or above it."""
    line = _line_start(text, start)
    while line and text[line + column : line + column + 1] != "-":
        line = _line_start(text, line - 1)
    return line + column


def _end(text: str, node: yaml.Node) -> int:
    """Where the node's own text ends; a block's mark lies behind the comments that follow it."""
    start, end = node.start_mark.index, node.end_mark.index
    if isinstance(node, yaml.ScalarNode):
        if node.style not in ("|", ">"):
            return int(end)
        block = text[start:end]
        kept = block.removesuffix("\n").removesuffix("\r")
        return int(start) + len(kept if _KEEPS_BREAKS.match(block) else block.rstrip())
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return int(end)
    last = node.value[-1]
    return _end(text, last[1] if isinstance(node, yaml.MappingNode) else last)


def _line_start(text: str, index: int) -> int:
    return text.rfind("\n", 0, index) + 1


def _is_first_on_line(text: str, index: int) -> bool:
    return not text[_line_start(text, index) : index].strip()


def _line_break(text: str) -> str:
    """As the first line ends."""
    return "\r\n" if "\n" in text and text[: text.index("\n")].endswith("\r") else "\n"


def _spliced(text: str, index: int, added: str) -> str:
    return text[:index] + added + text[index:]
