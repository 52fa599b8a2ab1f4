"""What every commit changed, from what all of them held. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from sopsmith.components.sealed import plain_length
from sopsmith.history.compare import Row, compare
from sopsmith.history.compare_files import compare_files, compare_rules
from sopsmith.history.snapshot import Snapshot
from sopsmith.history.standing import Key, Standing

_OF_A_MERGE = ("", "previous")  # details of what is encrypted anew, and no more
_OR_ANEW = "or only encrypted anew by the merge"


class Commit(Protocol):
    """What has to be known of a commit."""

    @property
    def hash(self) -> str: ...
    @property
    def parents(self) -> tuple[str, ...]: ...


class Event(NamedTuple):
    """What one commit changed in one leaf."""

    commit: str
    leaf: Key | None  # None: the rules of the whole repository, and recipes that can't be read
    rows: tuple[Row, ...]


def events(
    commits: Sequence[Commit], standings: Mapping[str, Standing], edges: Iterable[str] = ()
) -> tuple[Event, ...]:
    """What each of the commits, given newest first, changed; in their order.

    A merge changed what is otherwise than in each of its parents. A leaf whose recipe can't be read
    is taken to be what it was. `edges` are commits with parents that are not known.
    """
    found: list[Event] = []
    known = {commit: standing.leaves for commit, standing in standings.items()}
    for commit in reversed(commits):
        now = standings[commit.hash]
        parents = [parent for parent in commit.parents if parent in standings]
        known[commit.hash] = leaves = _carried(now, [known[parent] for parent in parents])
        if commit.hash in edges or (commit.parents and not parents):
            continue
        before = [standings[parent] for parent in parents] or [Standing({}, {}, {})]
        of_files = _agreed([of_repository(each, now) for each in before])
        of_leaves = [
            (key, _merged(key, pairs, leaves, [_of_leaf(key, *each, leaves) for each in pairs]))
            for pairs in [list(zip(before, [known[p] for p in parents] or [{}], strict=True))]
            for key in sorted({*leaves, *(key for _, was in pairs for key in was)})
        ]
        found += [
            Event(commit.hash, key, rows)
            for key, rows in reversed([(None, of_files), *of_leaves])
            if rows
        ]
    return tuple(reversed(found))


def _carried(now: Standing, before: Sequence[Mapping[Key, Snapshot]]) -> Mapping[Key, Snapshot]:
    """The leaves, and those that were there and whose recipe can't be read now."""
    lost = {
        key: snapshot
        for leaves in before
        for key, snapshot in leaves.items()
        if now.trouble(snapshot.recipe) and key not in now.leaves
    }
    return {**lost, **now.leaves}


def of_repository(before: Standing, now: Standing) -> tuple[Row, ...]:
    """Recipes that can't be read, or can again, and creation rules."""
    rows = [
        Row("recipe", file, "broken", finding.message)
        for file, finding in now.broken.items()
        if before.broken.get(file) != finding
    ]
    mended = (file for file in before.broken if file not in now.broken)
    rows += [Row("recipe", file, "readable again") for file in mended]
    return (*rows, *compare_rules(before.rules, now.rules))


def _of_leaf(
    key: Key, before: Standing, was: Mapping[Key, Snapshot], leaves: Mapping[Key, Snapshot]
) -> tuple[Row, ...]:
    old, new = was.get(key), leaves.get(key)
    if old is None and new is not None and before.trouble(new.recipe):
        return ()  # it was there, and nobody knows how
    return (*compare(old, new), *compare_files(old, new))


def _agreed(rows: Sequence[tuple[Row, ...]]) -> tuple[Row, ...]:
    """What is new against every parent, as it is against the first."""
    others = [{row[:2] for row in each} for each in rows[1:]]
    return tuple(row for row in rows[0] if all(row[:2] in each for each in others))


def _merged(
    key: Key, pairs: Sequence[tuple[Standing, Mapping[Key, Snapshot]]],
    leaves: Mapping[Key, Snapshot], rows: Sequence[tuple[Row, ...]],
) -> tuple[Row, ...]:  # fmt: skip
    """What is new against every parent. A merge key by key encrypts anew what one side changed, and
    without a key nobody knows whether that is the side's value, where it is as long; so a change
    is told, and that it may be none."""
    now, before = leaves.get(key), [was.get(key) for _, was in pairs]

    def told(row: Row) -> Row:
        plain = [each for of_one in rows for each in of_one
                 if each[:3] == (*row[:2], "changed") and each.detail in _OF_A_MERGE]  # fmt: skip
        sides = [each.places.get(row.name) if each else None for each in before]
        place = now.places.get(row.name) if now else None
        differ = len({side.ciphertext if side else None for side in sides}) > 1
        if row.what != "value" or not (plain and differ and place):
            return row
        lengths = {plain_length(side.ciphertext) for side in sides if side}
        if plain_length(place.ciphertext) not in lengths:
            return row
        return plain[0]._replace(detail=", ".join(filter(None, (plain[0].detail, _OR_ANEW))))

    return tuple(map(told, _agreed(rows)))


def follow(found: Iterable[Event], names: Iterable[str]) -> Iterator[tuple[Event, Row]]:
    """The events of some values, newest first, also under the names that they had before."""
    meant = set(names)
    for event in found:
        for row in event.rows:
            if row.what == "value" and row.name in meant:
                yield event, row
                if row.change == "renamed":
                    meant.add(row.detail.removeprefix("from ").partition(",")[0])
