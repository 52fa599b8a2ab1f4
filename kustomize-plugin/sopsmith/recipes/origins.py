"""Edits of a leaf's text that give a value another origin, and leave the rest as it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sopsmith.text import layout

_OF_THE_SEED = ("version", "seed", "previous")


def stored(text: str, name: str) -> str:
    """A value that came from the seed is kept in a component."""
    for field in _OF_THE_SEED:
        text = layout.remove_field(text, ("spec", "values", name, field))
    return layout.set_field(text, ("spec", "values", name, "stored"), True)


def given(text: str, name: str) -> str:
    """A value that was derived is given."""
    text = layout.remove_field(text, ("spec", "values", name, "derive"))
    return layout.set_field(text, ("spec", "values", name, "generate"), None)


def derived(text: str, name: str, inherited: Mapping[str, Any], derive: Mapping[str, Any]) -> str:
    """A derived value is derived otherwise; `inherited` is how it is now."""
    patch = _patch(inherited, derive) if inherited.keys() == derive.keys() else derive
    return layout.set_field(text, ("spec", "values", name, "derive"), patch)


def of_unknown_age(text: str, name: str) -> str:
    """Nobody knows when the value was made."""
    return layout.remove_field(text, ("spec", "values", name, "rotated"))


def _patch(old: Any, new: Any) -> Any:
    """What turns one into the other when it is merged over it (RFC 7386)."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    gone = {key: None for key in old if key not in new}
    changed = {key: _patch(old.get(key), each) for key, each in new.items() if old.get(key) != each}
    return {**gone, **changed}
