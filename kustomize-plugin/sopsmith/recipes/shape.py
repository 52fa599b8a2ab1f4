"""What a field may hold: a check, and the same as JSON Schema, made of small pieces. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sopsmith.text.document import Unquoted


class Problem(NamedTuple):
    """A field that does not fit its shape."""

    code: str
    path: str
    message: str
    hint: str | None = None


class Shape(NamedTuple):
    """What a field may hold: a check that yields problems, and the same as JSON Schema."""

    check: Callable[[Any, str], Iterator[Problem]]
    json: dict[str, Any]


def nearest(word: str, known: Mapping[str, Any] | frozenset[str] | tuple[str, ...]) -> str | None:
    """The known word that was probably meant, or None."""
    import difflib  # costs 5 ms, and only a misspelt word needs it

    if len(known) > 1000:  # it compares with each of them
        return None
    return next(iter(difflib.get_close_matches(word, list(known), 1, 0.6)), None)


def unknown(word: str, known: Mapping[str, Any]) -> str:
    """The hint for an unknown word: the nearest known one, or all of them."""
    close = nearest(word, known)
    names = sorted(known)
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"did you mean {close}?" if close else f"known here: {listed}"


def text(pattern: str = "", what: str = "text") -> Shape:
    """A string; with a pattern, one that matches it as a whole."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, Unquoted) or not isinstance(value, str):
            hint = "quote it" if isinstance(value, int | Unquoted) else None
            yield Problem("recipe-value", path, f"must be {what}", hint)
        elif pattern and not re.fullmatch(pattern, value):
            yield Problem("recipe-value", path, f"must be {what}")
        elif any(ord(c) < 32 and c not in "\n\t" or 127 <= ord(c) < 160 for c in value):
            yield Problem("recipe-value", path, "holds control characters, which YAML tools change")

    return Shape(check, {"type": "string"} | ({"pattern": f"^(?:{pattern})$"} if pattern else {}))


def integer(low: int, high: int) -> Shape:
    """A decimal integer from low to high."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            yield Problem("recipe-value", path, f"must be an integer from {low} to {high}")

    return Shape(check, {"type": "integer", "minimum": low, "maximum": high})


def flag() -> Shape:
    """true or false."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, bool):
            yield Problem("recipe-value", path, "must be true or false")

    return Shape(check, {"type": "boolean"})


def choice(*words: str) -> Shape:
    """One of the words."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if value not in words or isinstance(value, Unquoted):
            yield Problem("recipe-value", path, f"must be one of {', '.join(words)}")

    return Shape(check, {"enum": list(words)})


def date() -> Shape:
    """An ISO date; kustomize turns 2026-11-21 into 2026-11-21T00:00:00Z, so both are one."""
    pattern = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T00:00:00Z)?"

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or not _is_day(value):
            yield Problem("recipe-value", path, "must be a date such as 2026-11-21")

    return Shape(check, {"type": "string", "pattern": f"^{pattern}$"})


def _is_day(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text[:10]))
    except ValueError:
        return False


def list_of(item: Shape, *, or_one: bool = False) -> Shape:
    """A list; with or_one, a single item stands for a list of one."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, list):
            for index, entry in enumerate(value):
                yield from item.check(entry, f"{path}[{index}]")
        elif or_one and not isinstance(value, dict):
            yield from item.check(value, path)
        else:
            yield Problem("recipe-value", path, "must be a list")

    many = {"type": "array", "items": item.json}
    return Shape(check, {"anyOf": [item.json, many]} if or_one else many)


def map_of(item: Shape, key: str = "", what: str = "a name") -> Shape:
    """A map from names that match `key` to items; null deletes an inherited one."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem("recipe-value", path, "must be a map")
            return
        for name, entry in value.items():
            if key and not re.fullmatch(key, name):
                yield Problem("recipe-value", f"{path}.{name}", f"must be named by {what}")
            if entry is not None:
                yield from item.check(entry, f"{path}.{name}")

    names = {"propertyNames": {"pattern": f"^(?:{key})$"}} if key else {}
    return Shape(check, {"type": "object", "additionalProperties": _or_null(item.json)} | names)


def record(required: tuple[str, ...] = (), /, **fields: tuple[Shape, str]) -> Shape:
    """A map with exactly these fields, each with its description; null deletes an inherited one.

    Names that are no Python identifiers end in an underscore (`hash_` for `hash`).
    """
    known = {name.rstrip("_"): field for name, field in fields.items()}

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem("recipe-value", path, "must be a map")
            return
        for name, entry in value.items():
            here = f"{path}.{name}" if path else name
            if name not in known:
                yield Problem("recipe-field", here, "unknown field", unknown(name, known))
            elif entry is not None:
                yield from known[name][0].check(entry, here)
        for name in required:
            if value.get(name) is None:
                yield Problem("recipe-incomplete", f"{path}.{name}", "must be given")

    properties = {
        name: (shape.json if name in required else _or_null(shape.json))
        | {"description": description}
        for name, (shape, description) in known.items()
    }
    json: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return Shape(check, json | ({"required": list(required)} if required else {}))


def one_kind(what: str, **kinds: tuple[Shape, str]) -> Shape:
    """A map with one key, the kind, which holds the kind's options."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict) or len(value) != 1:
            yield Problem("recipe-value", path, f"must name one {what}: {', '.join(kinds)}")
            return
        ((kind, options),) = value.items()
        if kind not in kinds:
            yield Problem("recipe-field", f"{path}.{kind}", f"unknown {what}", unknown(kind, kinds))
        else:
            yield from kinds[kind][0].check(options, f"{path}.{kind}")

    json = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            kind: shape.json | {"description": description}
            for kind, (shape, description) in kinds.items()
        },
    }
    return Shape(check, json)


def either(first: Shape, second: Shape, when: Callable[[Any], bool]) -> Shape:
    """The first shape when `when(value)`, else the second."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        return (first if when(value) else second).check(value, path)

    return Shape(check, {"anyOf": [first.json, second.json]})


def _or_null(json: dict[str, Any]) -> dict[str, Any]:
    """The same or null; by `anyOf` only where it must, or no editor finds the wrong field."""
    if isinstance(json.get("type"), str):
        return json | {"type": [json["type"], "null"]}
    if "enum" in json:
        return json | {"enum": [*json["enum"], None]}
    return {"anyOf": [json, {"type": "null"}]}
