"""One YAML or JSON document, read strictly into plain data. Pure; knows nothing of recipes or SOPS.

The reader sees parser events, so that nothing is resolved behind its back: an alias bomb or a deep
list is refused at the event that starts it, and no text of the document enters an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from math import isfinite
from typing import Any

import yaml

DEEPEST = 64

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_SURROGATE = re.compile("[\ud800-\udfff]")
_NULL = frozenset({"null", "Null", "NULL", "~"})
_BOOL = {**dict.fromkeys(("true", "True", "TRUE"), True),
         **dict.fromkeys(("false", "False", "FALSE"), False)}  # fmt: skip
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
# What kustomize's reader (go-yaml) takes for a number, and rewrites: 0o17 becomes 15, 1e5 100000.
_NUMBER = re.compile(
    r"""([-+]?(?:0[xX][0-9a-fA-F]+ | 0[oO]?[0-7]+ | 0[bB][01]+ | \.(?:inf|Inf|INF))
      | 0b[-+][01]+ | \.(?:nan|NaN|NAN)
      | ([-+]?(?:\.[0-9]+ | [0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?))\Z""",
    re.VERBOSE,
)
_DATE = re.compile(
    r"""([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})
      (?:(?:[Tt](?=.*(?:Z|[-+][0-9]{2}:[0-9]{2})\Z)|\ +(?!.*[-+Z]))
      ([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})?)?\Z""",
    re.VERBOSE,
)


class DocumentError(Exception):
    """The text is not one plain document. The message names the trouble, never the text."""

    def __init__(self, trouble: str, line: int | None = None) -> None:
        super().__init__(trouble if line is None else f"{trouble} (line {line})")


class Unquoted(str):
    """An unquoted scalar that other YAML readers take for a number or a date, such as `1e5`."""

    __slots__ = ()


def parse(data: bytes) -> Any:
    """Read one document into dict, list, str, int, bool, None and Unquoted.

    YAML 1.2 core for null, booleans and decimal integers; every other unquoted scalar is text.
    Duplicate keys, anchors, aliases, merge keys, tags, leading zeros, empty scalars, keys that are
    no text, a second document, UTF-16, NUL and more than 64 levels raise DocumentError.
    """
    if b"\0" in data:
        raise DocumentError("the text holds NUL bytes; save it as UTF-8")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentError("the text is not UTF-8") from None
    try:
        return _document(yaml.parse(text, Loader=Loader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        lines = text.split("\n")  # YAML knows more line breaks, so the number may be past the end
        tab = line is not None and line <= len(lines) and re.match(" *\t", lines[line - 1])
        trouble = "a tab; YAML is indented with spaces" if tab else "the text is not valid YAML"
        raise DocumentError(trouble, line) from None


def parse_loosely(data: bytes) -> tuple[Any, ...]:
    """The documents of a file that is kustomize's to judge: every scalar as text, aliases as None.

    Nothing is resolved or constructed, so no tag, alias or merge key of it costs or does anything.
    """
    return _loosely(data, shares=False)


def parse_shared(data: bytes) -> tuple[Any, ...]:
    """The same, with what an alias stands for in its place: shared, so walk it with a bound."""
    return _loosely(data, shares=True)


def _loosely(data: bytes, *, shares: bool) -> tuple[Any, ...]:
    documents: list[Any] = []
    stack: list[list[Any]] = []  # each open map or list as the flat list of its nodes
    anchors: list[str | None] = []  # theirs
    anchored: dict[str, Any] = {}
    try:
        for event in yaml.parse(data, Loader=Loader):
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                stack.append([])
                anchors.append(event.anchor)
                if len(stack) > DEEPEST:
                    raise DocumentError(f"more than {DEEPEST} levels of nesting", _line(event))
                continue
            anchor: str | None = None
            if isinstance(event, yaml.ScalarEvent):
                node: Any = event.value
                anchor = event.anchor
            elif isinstance(event, yaml.AliasEvent):
                node = anchored.get(event.anchor or "")
            elif isinstance(event, yaml.MappingEndEvent):
                flat, anchor = stack.pop(), anchors.pop()
                pairs = zip(flat[::2], flat[1::2], strict=True)
                node = {key: child for key, child in pairs if isinstance(key, str)}
            elif isinstance(event, yaml.SequenceEndEvent):
                node, anchor = stack.pop(), anchors.pop()
            else:
                continue
            if shares and anchor is not None:
                anchored[anchor] = node
            (stack[-1] if stack else documents).append(node)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise DocumentError("the text is not valid YAML") from None
    return tuple(documents)


def parse_config(data: bytes) -> Any:
    """Read one document that another program reads too, such as `.sops.yaml`, as that one does.

    Anchors, aliases and folded text mean what YAML says, since people write lists of keys so; every
    scalar but null, booleans and decimal integers is text. Duplicate keys, tags, merge keys, a
    second document, deep nesting and aliases that multiply raise DocumentError.
    """
    try:
        _check_depth(yaml.parse(data, Loader=Loader))  # composing nests as deep as the text
        nodes = list(yaml.compose_all(data, Loader=Loader))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = None if mark is None else mark.line + 1
        raise DocumentError("the text is not valid YAML", line) from None
    if len(nodes) > 1:
        raise DocumentError("a second document; one file holds one")
    budget = [MOST_NODES]
    return _built(nodes[0], budget, 0) if nodes else None


MOST_NODES = 100_000  # of a file with aliases, each counted as often as it is used


def _check_depth(events: Iterator[Any]) -> None:
    depth = 0
    for event in events:
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                raise DocumentError(f"more than {DEEPEST} levels of nesting", _line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _built(node: Any, budget: list[int], depth: int) -> Any:
    """A composed node as plain data."""
    budget[0] -= 1
    line = node.start_mark.line + 1
    if budget[0] < 0:
        raise DocumentError("aliases multiply beyond what any file needs", line)
    if depth > DEEPEST:
        raise DocumentError(f"more than {DEEPEST} levels of nesting", line)
    if isinstance(node, yaml.SequenceNode):
        return [_built(child, budget, depth + 1) for child in node.value]
    if isinstance(node, yaml.MappingNode):
        tree: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value == "<<" and not key.style:
                raise DocumentError("a key that is not plain text", line)
            if key.value in tree:
                raise DocumentError("a key stands twice in one map", key.start_mark.line + 1)
            tree[key.value] = _built(child, budget, depth + 1)
        return tree
    text: str = node.value
    if not node.style and node.tag != "tag:yaml.org,2002:str":
        if text in _NULL or text == "":
            return None
        if text in _BOOL:
            return _BOOL[text]
        if _INTEGER.match(text) and len(text) <= 20:
            return int(text)
    return text


def parse_json(data: bytes) -> Any:
    """Read one JSON document; duplicate keys and deep nesting raise DocumentError."""
    import json  # what the function reads first is YAML, and sops starts after that

    try:
        tree = json.loads(
            data.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise DocumentError("the text is not valid JSON", line) from None
    level, depth = [tree], 0
    while level:
        if any(isinstance(node, str) and _SURROGATE.search(node) for node in level):
            raise DocumentError("the text is not valid JSON")
        level = [node for node in level if isinstance(node, dict | list)]
        depth += bool(level)
        if depth > DEEPEST:
            raise DocumentError(f"more than {DEEPEST} levels of nesting")
        level = [child for node in level for child in _children(node)]
    return tree


def _children(node: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node


def _no_number(name: str) -> Any:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) != len(pairs):
        raise DocumentError("a key stands twice in one map")
    return entries


def _document(events: Iterator[Any]) -> Any:
    """Build the one document from its events, with a stack of our own instead of recursion."""
    root: list[Any] = []
    stack: list[Any] = [root]
    keys: list[Any] = [_NOT_A_MAP]
    for event in events:
        if isinstance(event, yaml.ScalarEvent):
            _add(stack[-1], keys, _scalar(event), event)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            _plain(event)
            node: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            _add(stack[-1], keys, node, event)
            stack.append(node)
            keys.append(_NO_KEY if isinstance(node, dict) else _NOT_A_MAP)
            if len(stack) > DEEPEST + 1:
                raise DocumentError(f"more than {DEEPEST} levels of nesting", _line(event))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            stack.pop()
            keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            raise DocumentError("aliases are not accepted", _line(event))
        elif isinstance(event, yaml.DocumentStartEvent) and root:
            raise DocumentError("a second document; one file holds one", _line(event))
    if not root:
        raise DocumentError("the text is empty")
    return root[0]


_NO_KEY = object()  # in a map, the next node is a key
_NOT_A_MAP = object()


def _add(parent: Any, keys: list[Any], node: Any, event: Any) -> None:
    """Put a node where it belongs: into a list, as a map's next key, or as that key's value."""
    if keys[-1] is _NOT_A_MAP:
        parent.append(node)
    elif keys[-1] is _NO_KEY:
        if not isinstance(node, str) or isinstance(node, Unquoted):
            raise DocumentError("a key that is not text; quote it", _line(event))
        if node in parent:
            raise DocumentError("a key stands twice in one map", _line(event))
        keys[-1] = node
    else:
        parent[keys[-1]] = node
        keys[-1] = _NO_KEY


def _scalar(event: Any) -> Any:
    _plain(event)
    text: str = event.value
    if event.style == ">":  # libyaml and go-yaml fold it differently
        raise DocumentError("folded text (>); write | or quotes", _line(event))
    if event.style not in (None, ""):
        return text
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INTEGER.match(text) and len(text) <= 20:
        return int(text)
    if text == "":
        raise DocumentError('an empty value; write "" or null', _line(event))
    if text[0] in "+-.0123456789<" and _is_rewritten(text):
        if re.match(r"[-+]?0[0-9_]+\Z", text):
            raise DocumentError("a number with leading zeros; quote it or drop them", _line(event))
        return Unquoted(text)
    return text


def _is_rewritten(text: str) -> bool:
    """Whether kustomize hands the text on as something else: a number, a date or a merge key."""
    if text == "<<":
        return True
    date = _DATE.match(text)
    if date:
        year, month, day, hour, minute, second = (int(part or 0) for part in date.groups())
        try:  # Go has a year 0, a leap year
            return bool(datetime(year or 4, month, day, hour, minute, second))
        except ValueError:
            return False
    number = _NUMBER.match(text.replace("_", ""))
    return number is not None and (number[2] is None or isfinite(float(number[2])))


def _plain(event: Any) -> None:
    if event.anchor is not None:
        raise DocumentError("anchors are not accepted", _line(event))
    if event.tag is not None:
        raise DocumentError("tags are not accepted", _line(event))


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
