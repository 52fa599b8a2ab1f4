"""Plain data as YAML or JSON on one line, written so that it reads as the same data. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from sopsmith.text import document

_BARE = re.compile(r"[A-Za-z0-9_$./][-A-Za-z0-9_$./()+=@]*\Z")
_YAML_1_1 = frozenset(("y", "n", "yes", "no", "on", "off"))  # booleans for older readers
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_SIMPLE = re.compile(r"[ !-&(-~]*\Z")  # what single quotes can hold as it is


def scalar(value: str | int | None, *, is_json: bool, quotes: str = "") -> str:
    """One scalar. Text is bare where that reads as the same text, or is a day, unless `quotes`."""
    if not isinstance(value, str):
        return json.dumps(value)
    if quotes == "'" and _SIMPLE.match(value):
        return f"'{value}'"
    if not is_json and not quotes and (_DAY.match(value) or _is_bare(value)):
        return value
    escaped = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", escaped)


def flow(tree: Any, *, is_json: bool = False) -> str:
    """Data on one line, in flow style."""
    if isinstance(tree, dict):
        fields = (field((name,), each, is_json=is_json) for name, each in tree.items())
        return f"{{{', '.join(fields)}}}"
    if isinstance(tree, list | tuple):
        return f"[{', '.join(flow(each, is_json=is_json) for each in tree)}]"
    return scalar(tree, is_json=is_json)


def field(path: tuple[str, ...], value: Any, *, is_json: bool = False) -> str:
    """A field on one line; maps round the value for the rest of the path."""
    first, *rest = path
    for name in reversed(rest):
        value = {name: value}
    return f"{key(first, is_json=is_json)}: {flow(value, is_json=is_json)}"


def key(text: str, *, is_json: bool = False) -> str:
    """A day is text where a value stands, and refused as a key."""
    return scalar(text, is_json=is_json, quotes='"' if _DAY.match(text) else "")


def _is_bare(text: str) -> bool:
    """Whether it is the same text without quotes, for every reader."""
    if not _BARE.match(text) or text.lower() in _YAML_1_1:
        return False
    try:
        return type(document.parse(text.encode())) is str
    except document.DocumentError:  # leading zeros
        return False
