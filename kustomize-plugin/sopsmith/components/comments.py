"""Comments in an encrypted file: sops encrypts those that its crypt rule selects. Pure.

A clear one among them was put there by other hands. sops decrypts the file all the same, and its
MAC covers no comment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from sopsmith.components.sealed import Path, is_encrypted_comment
from sopsmith.components.selection import Selection, encrypts
from sopsmith.model import Format
from sopsmith.text.document import Loader

_PERHAPS = re.compile(
    rb"(?:^|[ \t])#", re.MULTILINE
)  # most files have none, and are not read twice
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#([^\n]*)", re.MULTILINE)
_NO_BREAK = re.compile(r"[^\n]")


class Comment(NamedTuple):
    """A comment, and the path of the map or list that it stands in."""

    line: int
    text: str
    path: Path


class _Block(NamedTuple):
    """A map or list of a document, and which comments are its own."""

    path: Path
    behind: int  # its key
    start: int
    end: int
    column: int

    def holds(self, at: int, column: int, alone: bool) -> bool:
        """Whether a comment is its own: one behind its key, on the same line, is not."""
        return (self.behind if alone else self.start) <= at < self.end and column >= self.column


def clear_comments(data: bytes, form: Format, selection: Selection) -> Iterator[int]:
    """The lines of comments in plaintext where sops would have written ciphertext.

    JSON has none. An empty comment stays as it is.
    """
    if form not in ("yaml", "dotenv") or not _PERHAPS.search(data):
        return
    text = data.decode("utf-8", "replace")
    for comment in _in_yaml(text) if form == "yaml" else _in_dotenv(text):
        is_clear = comment.text.strip() and not is_encrypted_comment(comment.text.rstrip("\r"))
        if is_clear and encrypts(selection, comment.path):
            yield comment.line


def _in_dotenv(text: str) -> Iterator[Comment]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.startswith("#"):
            yield Comment(number, line[1:], ())


def _in_yaml(text: str) -> Iterator[Comment]:
    parts: list[str] = []  # the text, with scalars masked: a # in one begins no comment
    blocks: list[_Block] = []
    done = 0
    try:
        for found in _walked(text):
            if isinstance(found, _Block):
                blocks.append(found)
            else:
                start, end = found
                parts += (text[done:start], _NO_BREAK.sub("x", text[start:end]))
                done = end
    except yaml.YAMLError:  # the reading of the file says so
        return
    masked = "".join((*parts, text[done:]))
    for match in _COMMENT.finditer(masked):
        at = match.start()
        begin = masked.rfind("\n", 0, at) + 1
        alone = not masked[begin:at].strip()
        around = (each for each in blocks if each.holds(at, at - begin, alone))
        inner = max(around, key=lambda each: each.start, default=None)
        yield Comment(masked.count("\n", 0, at) + 1, match[1], inner.path if inner else ())


def _walked(text: str) -> Iterator[_Block | tuple[int, int]]:
    """The maps and lists of all documents, and where the text of each scalar begins and ends."""
    open_nodes: list[_Open] = []
    events: Iterator[Any] = yaml.parse(text, Loader=Loader)
    for event in events:
        mark: Any = event.start_mark
        at, end = mark.index, event.end_mark.index
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            key, behind = _taken(open_nodes, "", at)
            path = (*open_nodes[-1].path, *key) if open_nodes else ()
            is_map = isinstance(event, yaml.MappingStartEvent)
            open_nodes.append(_Open(path, behind, at, mark.column, is_map, []))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            node = open_nodes.pop()
            yield _Block(node.path, node.behind, node.start, at, node.column)
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            value = event.value if isinstance(event, yaml.ScalarEvent) else ""
            _taken(open_nodes, value, end)
            if isinstance(event, yaml.ScalarEvent) and event.style in ("|", ">"):
                at = text.find("\n", at, end) + 1 or end  # behind the mark a comment may stand
            yield at, end


class _Open(NamedTuple):
    """A map or list that is being read."""

    path: Path
    behind: int
    start: int
    column: int
    is_map: bool
    key: list[tuple[str, int]]  # whose value comes next, and where it ended; none: a key does


def _taken(open_nodes: list[_Open], value: str, end: int) -> tuple[tuple[str, ...], int]:
    """Note a node in the map that it stands in: as a key, or as the value of the key returned."""
    if not open_nodes or not open_nodes[-1].is_map:
        return (), end
    pending = open_nodes[-1].key
    if pending:
        key, behind = pending.pop()
        return (key,), behind
    pending.append((value, end))
    return (), end
