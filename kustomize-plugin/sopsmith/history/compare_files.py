"""Who can read the files of a leaf, and by which rules they are encrypted: before and now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sopsmith.components.rules import Rule, parse_rules
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history.compare import Row
from sopsmith.history.compare_values import Same, has_one_key, unknown, unsettled
from sopsmith.history.snapshot import Part, Snapshot


def compare_files(
    before: Snapshot | None, after: Snapshot | None, same: Same = unknown
) -> tuple[Row, ...]:
    """Components that came and went, were encrypted anew, can't be read; and their readers."""
    if before is after:
        return ()
    rows: list[Row] = []
    files = {*_files(before), *_files(after)}
    for file in sorted(files):
        one, other = _part(before, file), _part(after, file)
        if file not in _files(before) or file not in _files(after):
            there = other if file in _files(after) else one
            detail = "" if there is None else _count(len(there.readers), "recipient")
            word = "added" if file in _files(after) else "removed"
            rows.append(Row("component", file, word, detail))
        elif one and other:
            rows += _compared(file, one, other, before, after, same)
        else:
            rows += _readable(file, before, after)
    return tuple(rows)


def _files(snapshot: Snapshot | None) -> tuple[str, ...]:
    return tuple(each.file for each in snapshot.recipe.components) if snapshot else ()


def _part(snapshot: Snapshot | None, file: str) -> Part | None:
    return snapshot.parts.get(file) if snapshot else None


def _compared(
    file: str, one: Part, other: Part, before: Snapshot | None, after: Snapshot | None, same: Same
) -> Iterator[Row]:
    for key in sorted(one.readers ^ other.readers):
        word = "added" if key in other.readers else "removed"
        yield Row("recipient", file, word, key.removeprefix("age:"))
    if one.threshold != other.threshold:
        detail = f"needs {other.threshold or 'all'} key groups, was {one.threshold or 'all'}"
        yield Row("recipient", file, "changed", detail)
    if any(one.ciphertexts.values()) and not has_one_key(one, other) and before and after:
        told = [same(*pair) for pair in unsettled(before, after) if pair[1].component.file == file]
        detail = "values unknown without a key" if None in told else "values compared with a key"
        yield Row("component", file, "re-encrypted", detail if told else "")


def _readable(file: str, before: Snapshot | None, after: Snapshot | None) -> Iterator[Row]:
    """A file that can't be read is told once, when that is news."""
    was, now = (_finding(each, file) for each in (before, after))
    if now and (was is None or was.message != now.message):
        yield Row("component", file, "unreadable", now.message)
    elif was and now is None:
        yield Row("component", file, "readable again", f"before: {was.message}")


def _finding(snapshot: Snapshot | None, file: str) -> Finding | None:
    findings = snapshot.findings if snapshot else ()
    return next((each for each in findings if each.file == file), None)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


# --- creation rules -------------------------------------------------------------------------------


def compare_rules(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[Row, ...]:
    """What became of the creation rules, by the text of each `.sops.yaml`."""
    rows: list[Row] = []
    for file in sorted({*before, *after}):
        one, other = before.get(file), after.get(file)
        if one == other:
            continue
        if one is None or other is None:
            rows.append(Row("rule", file, "removed" if other is None else "added"))
            continue
        try:
            rows += _rules(file, parse_rules(one, file).rules, parse_rules(other, file).rules)
        except SopsmithError as error:
            finding = error.findings[0]
            rows.append(Row("rule", file, "changed", f"can't be relied on: {finding.message}"))
    return tuple(rows)


def _rules(file: str, before: tuple[Rule, ...], after: tuple[Rule, ...]) -> Iterator[Row]:
    old, new = ({rule.path_regex or "": rule for rule in rules} for rules in (before, after))
    for name in [*(n for n in old if n not in new), *new]:
        shown = name or "every file"
        if name not in new or name not in old:
            yield Row("rule", file, "added" if name in new else "removed", shown)
        elif details := list(_rule(old[name], new[name])):
            yield Row("rule", file, "changed", f"{shown}: {', '.join(details)}")
    if [n for n in old if n in new] != [n for n in new if n in old]:
        yield Row("rule", file, "changed", "order")


def _rule(before: Rule, after: Rule) -> Iterator[str]:
    old, new = (frozenset().union(*rule.groups) for rule in (before, after))
    for key in sorted(old ^ new):
        yield f"{'+' if key in new else '-'}{key.removeprefix('age:')}"
    if old == new and sorted(map(sorted, before.groups)) != sorted(map(sorted, after.groups)):
        yield "key groups"
    if before.threshold != after.threshold:
        yield "threshold"
    if before.selection != after.selection:
        yield f"{after.selection.kind} {after.selection.text}"
