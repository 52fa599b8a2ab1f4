"""Where in a file a field stands: its line, for editors and reviews. Pure.

The reader sees parser events, as document.py does: nothing is resolved, so no alias or tag costs or
does anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.text.document import DEEPEST, Loader

_IN_MESSAGE = re.compile(r" \(line ([0-9]+)\)\Z")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})


class Node(NamedTuple):
    """A part of a document: a scalar's text, None for an alias, or what a map or list holds."""

    line: int  # of a map's entry the line of its key
    content: str | None | Mapping[str, Node] | tuple[Node, ...]


def nodes(data: bytes) -> tuple[Node, ...]:
    """The documents of a YAML or JSON text; an unquoted null reads as "".

    Raises ValueError where it is none, or more than 64 levels deep.
    """
    found: list[Node] = []
    open_nodes: list[tuple[int, list[Node]]] = []
    try:
        events: Iterator[Any] = yaml.parse(data, Loader=Loader)
        for event in events:
            line = event.start_mark.line + 1
            if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                open_nodes.append((line, []))
                if len(open_nodes) > DEEPEST:
                    raise ValueError("too deep")
                continue
            if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                start, inside = open_nodes.pop()
                is_map = isinstance(event, yaml.MappingEndEvent)
                node = Node(start, _entries(inside) if is_map else tuple(inside))
            elif isinstance(event, yaml.ScalarEvent):
                is_null = event.style in (None, "") and event.value in _NULL
                node = Node(line, "" if is_null else event.value)
            elif isinstance(event, yaml.AliasEvent):
                node = Node(line, None)
            else:
                continue
            (open_nodes[-1][1] if open_nodes else found).append(node)
    except (yaml.YAMLError, UnicodeDecodeError):
        raise ValueError("no YAML") from None
    return tuple(found)


def _entries(flat: list[Node]) -> Mapping[str, Node]:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return {
        key.content: Node(key.line, value.content)
        for key, value in pairs
        if isinstance(key.content, str)
    }


def line_of(data: bytes, file: str, field: str) -> int | None:
    """The line of a field, else of the nearest part above it that is there; None: of none.

    The field is a path such as `spec.values.X.version` or `items[0].data.x`, the key of a
    component, or a value's name, which a recipe has under `spec.values`.
    """
    if file.endswith(".env"):
        return _line_in_dotenv(data, field)
    try:
        documents = nodes(data)
    except ValueError:
        return None
    paths = (field, f"stringData.{field}", f"data.{field}", f"spec.values.{field}")
    asked = [(path, document) for document in documents for path in paths]
    reached = [_reach(document, path) for path, document in asked]
    whole = next((line for line, rest in reached if line and not rest), None)
    return whole or next((line for line, _ in reached[::4] if line), None)


def _line_in_dotenv(data: bytes, field: str) -> int | None:
    """A key's line; the metadata stands in keys of its own, such as sops_mac."""
    key = field.encode("utf-8", "surrogateescape")
    starts = (key + b"=", key.replace(b".", b"_"), b"sops_" if key.startswith(b"sops") else key)
    lines = data.split(b"\n")
    for start in starts:
        for number, line in enumerate(lines, 1):
            if line.removeprefix(b"export ").startswith(start):
                return number
    return None


def _reach(node: Node, path: str) -> tuple[int | None, str]:
    """The line of the deepest part on the path, and what of the path is left."""
    line: int | None = None
    while path:
        step = _step(node.content, path)
        if step is None:
            return line, path
        node, path = step
        line = node.line
    return line, ""


def _step(content: Any, path: str) -> tuple[Node, str] | None:
    """The entry that the path starts with, and the rest of it; keys may hold dots."""
    if isinstance(content, Mapping):
        keys = [k for k in content if k and path.startswith(k) and path[len(k) :][:1] in "[."]
        if not keys:
            return None
        key = max(keys, key=len)
        return content[key], path[len(key) :].removeprefix(".")
    index = re.match(r"\[([0-9]{1,9})\]\.?", path)
    if isinstance(content, tuple) and index and int(index[1]) < len(content):
        return content[int(index[1])], path[index.end() :]
    return None


def located(findings: Iterable[Finding], read: Read) -> Iterator[Finding]:
    """The findings with their lines, as far as the files can be read."""
    texts: dict[str, bytes] = {}
    for finding in findings:
        line = finding.line or _in_message(finding)
        if line is None and finding.file and finding.field:
            if finding.file not in texts:
                texts[finding.file] = _text(finding.file, read)
            line = line_of(texts[finding.file], finding.file, finding.field)
        yield finding._replace(line=line, message=_IN_MESSAGE.sub("", finding.message))


def _text(file: str, read: Callable[[str], bytes]) -> bytes:
    try:
        return read(file)
    except SopsmithError:
        return b""


def _in_message(finding: Finding) -> int | None:
    match = _IN_MESSAGE.search(finding.message)
    return int(match[1]) if match else None
