"""A reader more or less in the creation rules of a `.sops.yaml`, its layout kept. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sopsmith.components.recipient import problem
from sopsmith.components.rules import Rules, parse_rules, rule_for
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.text import layout

_Path = tuple[str | int, ...]


def with_reader(text: bytes, config: str, recipient: str, files: Collection[str]) -> bytes:
    """The rules after a recipient was added to those that cover these files.

    Raises SopsmithError (usage) for no age recipient, and for several key groups: which is meant?
    """
    why = problem(recipient)
    if why:
        raise SopsmithError(Finding("usage", f"the recipient {why}"))
    return _changed(text, config, recipient, files, adding=True)


def without_reader(text: bytes, config: str, recipient: str, files: Collection[str]) -> bytes:
    """The rules after a recipient was taken out of those that cover these files.

    Raises SopsmithError (usage) where nobody would be left, and where the recipient stands in a
    merged group or beside another one in one text.
    """
    return _changed(text, config, recipient, files, adding=False)


def _changed(
    data: bytes, config: str, recipient: str, files: Collection[str], *, adding: bool
) -> bytes:
    rules = parse_rules(data, config)
    text = data.decode("utf-8")
    for index in sorted({found for file in files if (found := _index(rules, file)) is not None}):
        rule = rules.rules[index]
        named = any(f"age:{recipient}" in group for group in rule.groups)
        if named is adding:
            continue
        if len(rule.groups) > 1:
            hint = f"edit {config} by hand, then sopsmith recipients sync"
            where = f"creation_rules[{index}]"
            raise SopsmithError(Finding("usage", "has several key groups", config, where, hint))
        path, listed = _age_of(rule.raw, index)
        if not adding and recipient not in listed:
            hint = f"edit {config} by hand, then sopsmith recipients sync"
            message = "names it, and not as an entry of its own"
            raise SopsmithError(Finding("usage", message, config, f"creation_rules[{index}]", hint))
        left = [*listed, recipient] if adding else [key for key in listed if key != recipient]
        if not left:
            hint = "add another reader first: nobody could open the files any more"
            where = f"creation_rules[{index}].age"
            raise SopsmithError(Finding("usage", "names no other reader", config, where, hint))
        text = _edited(text, path, rule.raw, listed, left, recipient)
    return text.encode("utf-8")


def _index(rules: Rules, file: str) -> int | None:
    rule = rule_for(rules, file)
    return next((i for i, each in enumerate(rules.rules) if each is rule), None)


def _age_of(raw: Any, index: int) -> tuple[_Path, list[str]]:
    """Where a rule lists its age recipients, and those."""
    path: _Path = ("creation_rules", index, "age")
    place = raw
    if raw.get("key_groups"):
        path, place = ("creation_rules", index, "key_groups", 0, "age"), raw["key_groups"][0]
    listed = place.get("age") or []
    parts = listed.split(",") if isinstance(listed, str) else listed
    return path, [part.strip() for part in parts if part.strip()]


def _edited(
    text: str, path: _Path, raw: Any, listed: list[str], left: list[str], recipient: str
) -> str:
    place = raw["key_groups"][0] if "key_groups" in path else raw
    if not isinstance(place.get("age"), list) and "key_groups" not in path:
        return layout.set_field(text, path, ",".join(left))
    if len(left) > len(listed):
        return layout.append_item(text, path, recipient)
    return layout.remove_item(text, path, listed.index(recipient))
