"""A `.env` file as people write it, for import. Pure.

sops' own dotenv is raw: quotes are part of the value and there is no `export`. Here they mean what
they mean to docker compose and the dotenv libraries. Nothing is expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Sensitive

_NAME = re.compile(r"[ \t]*(?:export[ \t]+)?([A-Za-z_][-.A-Za-z0-9_]*)[ \t]*=[ \t]*")
_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_QUOTED = {
    '"': re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL),
    "'": re.compile(r"'([^']*)'"),
}
_COMMENT = re.compile(r"[ \t]+#.*")  # A=a#b and A=#b hold no comment
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "$": "$", "\n": ""}
_BRACED = re.compile(r"\$\{[A-Za-z_]")
_BARE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")


class Entry(NamedTuple):
    """One line, or several, that gives a value."""

    name: str
    value: Sensitive
    line: int  # its first one
    notes: tuple[str, ...]  # what was not taken as it stands, without a value


def parse_dotenv(data: bytes, file: str) -> tuple[Entry, ...]:
    """The entries in the order of their lines; a name that stands twice is there twice.

    Raises SopsmithError (import-source) with every line that gives no value; none is quoted.
    """
    text = _text(data, file)
    entries: list[Entry] = []
    findings: list[Finding] = []
    at, line = 0, 1
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank:
            end = blank.end()
        else:
            entry, end = _entry(text, at, line)
            if isinstance(entry, Entry):
                entries.append(entry)
            else:
                findings.append(Finding("import-source", f"line {line}: {entry}", file))
        line += text.count("\n", at, end)
        at = end
    if findings:
        raise SopsmithError(findings)
    names = {entry.name for entry in entries}
    return tuple(_with_references(entry, names) for entry in entries)


def _text(data: bytes, file: str) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SopsmithError(Finding("import-source", "is not UTF-8 text", file)) from None
    if "\0" in text:
        raise SopsmithError(Finding("import-source", "holds NUL bytes", file))
    return text.replace("\r\n", "\n").removesuffix("\r")


def _entry(text: str, at: int, line: int) -> tuple[Entry | str, int]:
    """The entry that starts here, or what is wrong with it, and where the next line starts."""
    name = _NAME.match(text, at)
    if name is None:
        return "is no NAME=value", _line_end(text, at)
    start = name.end()
    quote = text[start : start + 1]
    if quote not in _QUOTED:
        end = _line_end(text, start)
        raw = text[start - 1 : end].removesuffix("\n")  # with the blank before it, if there is one
        value = _COMMENT.sub("", raw)
        cut = ("an inline comment was left out",) if value != raw else ()
        value = value.removeprefix("=").strip(" \t")
        return Entry(name[1], Sensitive(value), line, cut), end
    quoted = _QUOTED[quote].match(text, start)
    if quoted is None:
        return "its quote is never closed", len(text)
    rest = _BLANK.match(text, quoted.end())
    if rest is None:
        return "text follows the closing quote", _line_end(text, quoted.end())
    value = quoted[1] if quote == "'" else _ESCAPE.sub(_unescaped, quoted[1])
    notes = list(_notes(quoted[1], value, rest[0]))
    return Entry(name[1], Sensitive(value), line, tuple(notes)), rest.end()


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPED.get(match[1], match[0])


def _notes(raw: str, value: str, rest: str) -> Iterator[str]:
    yield "the quotes around it were taken off"
    if raw != value:
        yield "escapes in it were read"
    if "#" in rest:
        yield "an inline comment was left out"


def _with_references(entry: Entry, names: set[str]) -> Entry:
    """Say where a loader might put in another value: `${X}`, or `$X` where X is a name here."""
    text = entry.value.text() or ""
    bare = (match[1] for match in _BARE.finditer(text))
    if not _BRACED.search(text) and not names.intersection(bare):
        return entry
    note = "holds $NAME, which was not filled in"
    return entry._replace(notes=(*entry.notes, note))
