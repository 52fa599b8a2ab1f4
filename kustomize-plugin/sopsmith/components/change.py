"""A change of a component: where it goes, and whether what sops wrote is just that. Pure.

sops encrypts what the file's own rule selects and writes the rest in plaintext, with exit 0. So
what would become plaintext is refused before, and after it every leaf is held against what was
meant.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith.components import clear
from sopsmith.components.metadata import Metadata, read_metadata
from sopsmith.components.rules import Rule
from sopsmith.components.sealed import Path, leaves_of, sops_section
from sopsmith.components.selection import Selection, encrypts, read_selection
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Sealed, Sensitive
from sopsmith.recipes.schema import NAME
from sopsmith.text import document

_VERIFIED = "the file on disk is as it was; sopsmith doctor shows which sops is used"


class Change(NamedTuple):
    """One key of a component and its new value; None removes it."""

    key: str
    value: Sensitive | None
    is_new: bool = False  # nothing may stand there yet


class Step(NamedTuple):
    """A change as sops makes it: a leaf's path and its new text; None removes it."""

    path: Path
    text: str | None

    def __repr__(self) -> str:
        return f"Step({'.'.join(self.path)}, ***)"


class Policy(NamedTuple):
    """Who can read a file, and which of its leaves are encrypted: from the file or from a rule."""

    groups: tuple[frozenset[str], ...]
    threshold: int | None
    selection: Selection


def policy_of(component: Component, data: bytes) -> tuple[Policy, Metadata]:
    """What a file says of itself; raises SopsmithError (tampered, crypt-rule, not-encrypted)."""
    section = sops_section(component, data)
    metadata = read_metadata(section, component.file)
    selection = read_selection(section, component.file, "sops")
    return Policy(metadata.groups, _threshold(metadata), selection), metadata


def policy_of_rule(rule: Rule) -> Policy:
    """What a creation rule says."""
    groups = tuple(group for group in rule.groups if group)
    threshold = rule.threshold if len(groups) > 1 else None
    return Policy(groups, threshold or (len(groups) if len(groups) > 1 else None), rule.selection)


def _threshold(metadata: Metadata) -> int | None:
    """Of one group none is stated, and without a word all groups are needed (sops.go)."""
    if len(metadata.groups) < 2:
        return None
    return metadata.threshold or len(metadata.groups)


def deviation(file: str, actual: Policy, rule: Policy) -> Finding | None:
    """How a file differs from its creation rule."""
    if sorted(map(sorted, actual.groups)) != sorted(map(sorted, rule.groups)):
        more = _names(actual, rule)
        less = _names(rule, actual)
        message = "; ".join(
            f"{word} {', '.join(names)}"
            for word, names in (("also readable for", more), ("not readable for", less))
            if names
        )
        hint = "if the rule is right: sopsmith recipients sync"
        what = message or "its keys are grouped otherwise than the rule says"
        return Finding("recipients-differ", what, file, "sops", hint)
    if actual.threshold != rule.threshold:
        message = "needs another number of key groups than the rule says"
        return Finding("recipients-differ", message, file, "sops.shamir_threshold")
    if actual.selection != rule.selection:
        kind, text = rule.selection
        message = f"is encrypted by another rule than {kind}: {text}"
        hint = "encrypt it anew by the rule; sops never takes over a changed one"
        return Finding("crypt-rule", message, file, "sops", hint)
    return None


def _names(one: Policy, other: Policy) -> list[str]:
    """The keys of one that the other lacks, age recipients without their kind."""
    keys = frozenset().union(*one.groups) - frozenset().union(*other.groups)
    return sorted(key.removeprefix("age:") for key in keys)


# --- before: where changes go -------------------------------------------------------------------


def steps(sealed: Sealed, selection: Selection, changes: Sequence[Change]) -> tuple[Step, ...]:
    """The steps that make these changes; the removal of what is not there is none.

    Raises SopsmithError: usage (no name for a key), would-be-plaintext, write-conflict (something
    stands already where it may not).
    """
    found = []
    for change in changes:
        _check_name(sealed.component.file, change.key)
        path, is_base64 = _place(sealed, change.key)
        if change.is_new and path in sealed.ciphertexts:
            hint = "run the command again"
            message = "was put there by someone else meanwhile, and is left as it is"
            raise SopsmithError(
                Finding("write-conflict", message, sealed.component.file, change.key, hint)
            )
        if change.value is None:
            if path in sealed.ciphertexts:
                found.append(Step(path, None))
            continue
        _check_encrypts(sealed.component.file, selection, path)
        found.append(Step(path, _text(sealed, change, is_base64)))
    return tuple(found)


def tree(file: str, selection: Selection, leaves: Mapping[Path, Sensitive]) -> dict[str, Any]:
    """A document with texts at these paths; raises SopsmithError (would-be-plaintext)."""
    top: dict[str, Any] = {}
    for path, value in leaves.items():
        _check_encrypts(file, selection, path)
        node = top
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node[path[-1]] = value.text()
    return top


def _check_encrypts(file: str, selection: Selection, path: Path) -> None:
    if not encrypts(selection, path):
        hint = "give it another name, or keep it in another component"
        message = f"would be written in plaintext: {selection.kind} {selection.text} leaves it"
        field = ".".join(path)
        raise SopsmithError(Finding("would-be-plaintext", message, file, field, hint))


def _check_name(file: str, key: str) -> None:
    if not re.fullmatch(NAME, key):
        message = "a key has 1 to 253 characters of A-Z a-z 0-9 - _ ."
        raise SopsmithError(Finding("usage", message, file))


def _text(sealed: Sealed, change: Change, is_base64: bool) -> str:
    value = change.value or Sensitive("")
    if is_base64:
        return base64.b64encode(value.data()).decode()
    text = value.text()
    if text is None or "\0" in text:
        hint = "keep bytes in a file of their own: {path: …, as: NAME}"
        message = "is not text that a component can hold"
        raise SopsmithError(Finding("not-text", message, sealed.component.file, change.key, hint))
    if sealed.format == "dotenv" and ("\\n" in text or "\r" in text):
        hint = "keep it in a .yaml component"
        message = "can't be held by a .env file, which reads \\n as a line break"
        raise SopsmithError(Finding("not-text", message, sealed.component.file, change.key, hint))
    return text


def _place(sealed: Sealed, key: str) -> tuple[Path, bool]:
    """The path of a key, there or to be, and whether its text is base64."""
    if sealed.clear.get(("kind",)) != "Secret":
        return (key,), False
    for section in ("stringData", "data"):
        if (section, key) in sealed.ciphertexts:
            return (section, key), section == "data"
    has_text = any(path[0] == "stringData" for path in sealed.ciphertexts)
    return (("stringData", key), False) if has_text else (("data", key), True)


# --- after: what came of it -----------------------------------------------------------------------


def verify(
    before: Sealed, after: Sealed, plain: bytes, changed: bytes, steps: Sequence[Step]
) -> None:
    """Hold a changed component against the one before and what was meant.

    `plain` and `changed` are the decrypted JSON of both. Raises SopsmithError (write-unverified).
    """
    file = before.component.file
    touched = {step.path for step in steps}
    paths = set(before.ciphertexts) | set(after.ciphertexts)
    for path in paths - touched:
        if not _same_leaf(before.ciphertexts.get(path), after.ciphertexts.get(path)):
            raise unverified(file, "another value than the one meant was changed", path)
    if before.clear != after.clear:
        raise unverified(file, "a clear field was changed")
    expected = _with(leaves(plain, file), steps)
    if not _all_same(leaves(changed, file), expected):
        raise unverified(file, "what was written does not read back as what was meant")
    _check_clear([step.text for step in steps if step.text], after, clear.texts(before))


def verify_new(
    sealed: Sealed, changed: bytes, entries: Mapping[Path, Sensitive], rule: Rule
) -> None:
    """Hold a new component against what was meant; `changed` is the decrypted JSON of it.

    Raises SopsmithError (write-unverified).
    """
    expected = {path: value.text() for path, value in entries.items()}
    if not _all_same(leaves(changed, sealed.component.file), expected):
        raise unverified(sealed.component.file, "it does not read back as what was meant")
    stated = [rule.selection.text, *(key for group in rule.groups for key in group)]
    _check_clear([text for text in expected.values() if text], sealed, stated)


def _check_clear(values: Sequence[str], sealed: Sealed, before: Sequence[str]) -> None:
    """Refuse a file that shows one of these values where none stood before, as in a comment."""
    now = clear.texts(sealed)
    if any(clear.shows(value, now, before) for value in values):
        what = "a value stands beside its ciphertext in plaintext"
        raise unverified(sealed.component.file, what)


def _same_leaf(before: str | None, after: str | None) -> bool:
    return before == after or not (before or after)


def _with(leaves: Mapping[Path, Any], steps: Sequence[Step]) -> dict[Path, Any]:
    changed = dict(leaves)
    for path, text in steps:
        if text is None:
            changed.pop(path, None)
            continue
        changed.pop(path[:-1], None)  # data: {} was a leaf of its own
        changed[path] = text
    emptied = {step.path[:-1] for step in steps if step.text is None and len(step.path) > 1}
    for path in emptied:
        if not any(each[: len(path)] == path for each in changed):
            changed[path] = {}
    return changed


def leaves(plain: bytes, file: str) -> dict[Path, Any]:
    """The leaves of a decrypted component."""
    try:
        return dict(leaves_of(document.parse_json(plain)))
    except document.DocumentError:
        raise unverified(file, "sops printed something else than plaintext") from None


def same(one: Any, other: Any) -> bool:
    """Whether two leaves are alike in value and type: `true` is not 1."""
    return type(one) is type(other) and bool(one == other)


def _all_same(some: Mapping[Path, Any], others: Mapping[Path, Any]) -> bool:
    return some.keys() == others.keys() and all(same(some[path], others[path]) for path in some)


def unverified(file: str, what: str, path: Path = ()) -> SopsmithError:
    """The refusal of what sops wrote."""
    return SopsmithError(Finding("write-unverified", what, file, ".".join(path) or None, _VERIFIED))
