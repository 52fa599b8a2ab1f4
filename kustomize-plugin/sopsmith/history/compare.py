"""Two snapshots of a leaf → what changed between them, in rows that hold no value. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Literal, NamedTuple

from sopsmith.history.compare_values import Same, changes_of_values, previous_moved, unknown
from sopsmith.history.snapshot import Snapshot, absent
from sopsmith.model import Secret, Value
from sopsmith.recipes.template import asks_before, reached, references

What = Literal["recipe", "value", "seed", "secret", "component", "recipient", "rule"]


class Row(NamedTuple):
    """One thing that changed."""

    what: What
    name: str
    change: str  # in a word or two, such as `rotated`
    detail: str = ""


def compare(
    before: Snapshot | None, after: Snapshot | None, same: Same = unknown
) -> tuple[Row, ...]:
    """What changed by itself: values, seeds, and how Secrets are put together.

    None stands for the leaf that is not there yet, or is no more.
    """
    if before is after or before is None and after is None:
        return ()
    old, new = _both(before, after)
    changes = changes_of_values(old, new, same)
    return (
        *(Row("value", name, each.word, ", ".join(each.details)) for name, each in changes.items()),
        *_seeds(old.recipe.seeds, new.recipe.seeds),
        *_secrets(old, new),
    )


def effects(
    before: Snapshot | None, after: Snapshot | None, same: Same = unknown
) -> tuple[Row, ...]:
    """What changes because of that: derived values, and Secrets whose content is another."""
    if before is after or before is None and after is None:
        return ()
    old, new = _both(before, after)
    changes = changes_of_values(old, new, same)
    moved = {name for name, each in changes.items() if each.moves}
    found = _reached(old, new, moved, same)
    rows = [
        Row("value", name, "changes", f"by {_causes(value, found)}")
        for name, value in new.recipe.values.items()
        if name in found and name not in moved and name in old.recipe.values
    ]
    known = {secret.name for secret in old.recipe.secrets}
    for secret in new.recipe.secrets:
        names = sorted(found.intersection(secret.data.values()))
        if names and secret.name in known:
            rows.append(Row("secret", secret.name, "changes", f"by {', '.join(names)}"))
    return tuple(rows)


def _causes(value: Value, found: Collection[str]) -> str:
    """Which of the values that it is derived from changed."""
    needs = references(value)
    return ", ".join(need for need in needs if need in found) or f"what {', '.join(needs)} was"


def _both(before: Snapshot | None, after: Snapshot | None) -> tuple[Snapshot, Snapshot]:
    if before is not None:
        return before, after if after is not None else absent(before)
    if after is not None:
        return absent(after), after
    raise ValueError("a leaf that has never been")


def _reached(old: Snapshot, new: Snapshot, moved: Collection[str], same: Same) -> set[str]:
    """All values that are others now."""
    earlier = {
        name
        for name in old.recipe.values.keys() & new.recipe.values.keys()
        if previous_moved(name, name, old, new, same)
    }
    starts = {
        name
        for name, value in new.recipe.values.items()
        if earlier.intersection(asks_before(value))
    }
    return reached(new.recipe.values, {*moved, *starts})


# --- seeds and Secrets ----------------------------------------------------------------------------


def _seeds(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Row]:
    for number in sorted({*before, *after}, key=int):
        if number not in before or number not in after:
            yield Row("seed", number, "added" if number in after else "removed")
        elif before[number] != after[number]:
            yield Row("seed", number, "replaced")


def _secrets(old: Snapshot, new: Snapshot) -> Iterator[Row]:
    before = {(each.namespace, each.name): each for each in old.recipe.secrets}
    after = {(each.namespace, each.name): each for each in new.recipe.secrets}
    for each in sorted({*before, *after}, key=str):
        if each not in before or each not in after:
            yield Row("secret", each[1], "added" if each in after else "removed")
        elif details := list(_secret(before[each], after[each])):
            yield Row("secret", each[1], "changed", ", ".join(details))


def _secret(before: Secret, after: Secret) -> Iterator[str]:
    for key in sorted({*before.data, *after.data}):
        if key not in before.data or key not in after.data:
            yield f"{'+' if key in after.data else '-'}{key}"
        elif before.data[key] != after.data[key]:
            yield f"{key}: {before.data[key]} → {after.data[key]}"
    for field in ("type", "hash", "behavior", "immutable", "labels", "annotations"):
        if getattr(before, field) != getattr(after, field):
            yield field
