"""Edits of YAML and JSON text that touch one field: every other byte stays as it is. Pure.

The edit is made in splice.py; what comes of it is read again and held against what was meant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.text import document, splice

Path = tuple[str | int, ...]  # keys, and places in lists

_BOM = "\ufeff"


def set_field(text: str, path: Path, value: Any) -> str:
    """Set the field at `path` to plain data; maps that are missing on the way are made.

    A field that is new goes to the end of its map. Maps and lists are written in flow style; a map
    that is there already is changed field by field. Raises SopsmithError (layout-unsafe) where the
    text can't be read, the way leads through what is no map, or the result would not read as meant.
    """
    return _edited(text, path, lambda tree: _with(tree, path, value),
                   lambda inner: _set(inner, path, value))  # fmt: skip


def set_fields(text: str, changes: Iterable[tuple[Path, Any]]) -> str:
    """Set many fields, each as set_field would; None removes one. Raises as set_field.

    The text is read twice, however many they are: those that go their own way are set one by one.
    """
    alone = list(changes)
    try:
        tree = _parsed(text.removeprefix(_BOM))
        together = [change for change in alone if _is_plain(tree, *change)]
        text = _edited(
            text, (), lambda _: _with_all(tree, together),
            lambda inner: splice.put_all(inner, _news(tree, _with_all(tree, together))),
        )  # fmt: skip
        alone = [change for change in alone if not _is_plain(tree, *change)]
    except (document.DocumentError, SopsmithError):
        pass  # one by one, the one that can't be set is named
    for path, value in alone:
        text = remove_field(text, path) if value is None else set_field(text, path, value)
    return text


def remove_field(text: str, path: Path) -> str:
    """Remove the field at `path`, with its line; nothing happens where there is none.

    A map that loses its last field becomes `{}`. Raises SopsmithError as set_field.
    """
    return _edited(text, path, lambda tree: _without(tree, path),
                   lambda inner: splice.cut(inner, path))  # fmt: skip


def append_item(text: str, path: Path, value: Any) -> str:
    """Add an item to the list at `path`; a list that is missing is made. Raises as set_field."""
    return _edited(text, path, lambda tree: _with(tree, path, [*(_at(tree, path) or []), value]),
                   lambda inner: splice.append(inner, path, value))  # fmt: skip


def remove_item(text: str, path: Path, index: int) -> str:
    """Remove one item of the list at `path`. Raises SopsmithError as set_field."""
    return remove_field(text, (*path, index))


def _edited(text: str, path: Path, meant: Callable[[Any], Any], edit: Callable[[str], str]) -> str:
    """Make the edit, and see that it reads as what was meant."""
    bom = _BOM if text.startswith(_BOM) else ""
    inner = text.removeprefix(_BOM)
    try:
        tree = _parsed(inner)
        intended = meant(tree)
        if _same(intended, tree):
            return text
        edited = edit(inner)
        if _same(_parsed(edited), intended) and splice.is_json(edited) >= splice.is_json(inner):
            return bom + edited
    except (document.DocumentError, splice.NoPlace, UnicodeEncodeError):
        pass  # the same refusal for all: nothing was changed
    field = ".".join(map(str, path))
    message = "can't be changed with all that surrounds it kept"
    raise SopsmithError(Finding("layout-unsafe", message, field=field, hint="edit it by hand"))


def _set(text: str, path: Path, value: Any) -> str:
    tree = _parsed(text)
    old = _at(tree, path)
    if isinstance(old, dict) and isinstance(value, dict) and old and value:
        for key in value:
            text = _set(text, (*path, key), value[key])
        for key in old.keys() - value.keys():
            text = splice.cut(text, (*path, key))
        return text
    if _same(_with(tree, path, value), tree):
        return text
    return splice.put(text, path, value)


def _parsed(text: str) -> Any:
    return document.parse_config(text.encode("utf-8"))  # .sops.yaml has anchors, too


# --- what is meant --------------------------------------------------------------------------------


def _with(tree: Any, path: Path, value: Any) -> Any:
    """The tree with one field set; maps on the way are made where there is none, or null."""
    if not path:
        return value
    key, *rest = path
    if isinstance(tree, list) and key in range(len(tree)):
        return [_with(e, tuple(rest), value) if i == key else e for i, e in enumerate(tree)]
    if not isinstance(tree, dict | None) or not isinstance(key, str):
        raise splice.NoPlace
    fields = tree or {}
    return {**fields, key: _with(fields.get(key), tuple(rest), value)}


def _with_all(tree: Any, changes: Iterable[tuple[Path, Any]]) -> Any:
    for path, value in changes:
        tree = _with(tree, path, value)
    return tree


def _is_plain(tree: Any, path: Path, value: Any) -> bool:
    """Whether the field is set by writing alone, and into a map that shows how fields are written:
    nothing of the old one goes, and no map is to be made for the map that is to be made for it."""
    if value is None or not all(isinstance(step, str) for step in path):
        return False
    above = _at(tree, path[:-2])
    is_shown = isinstance(above, dict) and above and _at(tree, path[:-1]) != {}
    return bool(is_shown) and _is_kept(_at(tree, path), value)


def _is_kept(old: Any, value: Any) -> bool:
    """Whether no key of the old map is missing in the new one, however deep."""
    if not isinstance(old, dict):
        return True
    is_map = isinstance(value, dict) and old and old.keys() <= value.keys()
    return bool(is_map) and all(_is_kept(old[key], value[key]) for key in old)


def _news(tree: Any, meant: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """What one tree has and the other has not, each with its way: the fields to be written."""
    for key, value in meant.items():
        if key not in tree:
            yield (*path, key), value
        elif isinstance(tree[key], dict) and isinstance(value, dict):
            yield from _news(tree[key], value, (*path, key))
        elif not _same(tree[key], value):
            yield (*path, key), value


def _without(tree: Any, path: Path) -> Any:
    key, *rest = path
    if rest:
        inner = _at(tree, (key,))
        return tree if inner is None else _with(tree, (key,), _without(inner, tuple(rest)))
    if isinstance(tree, dict):
        return {name: each for name, each in tree.items() if name != key}
    if isinstance(tree, list):
        return [each for index, each in enumerate(tree) if index != key]
    raise splice.NoPlace


def _at(tree: Any, path: Path) -> Any:
    """What stands at the path; None where nothing does."""
    for key in path:
        entries: Any = dict(enumerate(tree)) if isinstance(tree, list) else tree
        if not isinstance(entries, dict):
            return None
        tree = entries.get(key)
    return tree


def _same(one: Any, other: Any) -> bool:
    """Equal in value and type: `true` is not 1."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
