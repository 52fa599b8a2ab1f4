"""The creation rules of a `.sops.yaml`: which files are encrypted, to whom, and how. Pure.

sops ignores a field that it does not know, takes the first rule whose expression is found in the
path, and takes a broken expression for one that matches nothing. So this reading is strict.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sopsmith.components import rules_shape
from sopsmith.components.recipient import problem as problem_of_recipient
from sopsmith.components.sealed import DEMO_RECIPIENT, Trust
from sopsmith.components.selection import Selection, read_selection
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.recipes import shape
from sopsmith.recipes.pattern import PatternError, compile_search
from sopsmith.text import document

NAME = ".sops.yaml"
_STRICT = Trust()


class Rule(NamedTuple):
    """One creation rule; a group's keys are named by their kind, such as `age:age1…`."""

    path_regex: str | None  # None covers every file
    groups: tuple[frozenset[str], ...]
    threshold: int | None
    selection: Selection
    raw: Mapping[str, Any]  # as it stands in the file


class Rules(NamedTuple):
    """The creation rules of one file, in its order."""

    file: str  # relative to the root
    folder: str  # what `path_regex` is relative to
    rules: tuple[Rule, ...]


_PATHS = ("7", "q", "\u00bf", "q/7.\u00bf", "\u00bf/" * 200 + "q")  # with nothing in common
ANY = Rule(None, (), None, Selection(), {})
"""A rule that takes every file and says nothing of it."""


def parse_rules(data: bytes, file: str) -> Rules:
    """Read a `.sops.yaml`.

    Raises SopsmithError with all that can't be relied on: rules-syntax, rules-field, rules-value,
    crypt-rule. What else is wrong with it, `problems` says.
    """
    entries = _entries(data, file)
    findings = [*_top_problems(entries.top, file)]
    rules = []
    for field, raw in entries.rules:
        found = _rule_problems(raw, file, field)
        findings += found
        if not found:
            rules.append(_rule(raw, file, field))
    if findings:
        raise SopsmithError(findings)
    return Rules(file, posixpath.dirname(file), tuple(rules))


def rule_for(rules: Rules, path: str) -> Rule | None:
    """The first rule that covers a file, by its path relative to the root; None: no rule does."""
    inside = path.removeprefix(f"{rules.folder}/") if rules.folder else path
    return next((rule for rule in rules.rules if matches(rule, inside)), None)


def matches(rule: Rule, inside: str) -> bool:
    """Whether a rule's own expression takes a path relative to the folder of the rules."""
    return not rule.path_regex or compile_search(rule.path_regex)(inside)


def covers_everything(rule: Rule) -> bool:
    """Whether no file in the folder or below escapes the rule."""
    return all(matches(rule, path) for path in _PATHS)


def governing(path: str, is_there: Callable[[str], bool]) -> str | None:
    """The `.sops.yaml` that governs a file: of those there, the nearest in its folder or above."""
    folder = posixpath.dirname(path)
    while True:
        candidate = posixpath.join(folder, NAME)
        if is_there(candidate):
            return candidate
        if not folder:
            return None
        folder = posixpath.dirname(folder)


def linked(file: str) -> Finding:
    """Rules behind a link are none: they could change with no change of the file that says so.

    sops takes them, so rules farther up are none of that folder either.
    """
    hint = f"put the rules themselves there: who may change {NAME} decides who reads"
    return Finding("path-refused", "is a link, and rules have to be a file of their own", file,
                   hint=hint)  # fmt: skip


def problems(data: bytes, file: str, trust: Trust = _STRICT) -> list[Finding]:
    """What is wrong with each rule of a `.sops.yaml`; of their order rules_order.py speaks."""
    try:
        rules = parse_rules(data, file).rules
    except SopsmithError as error:
        return list(error.findings)
    findings: list[Finding] = []
    for index, rule in enumerate(rules):
        field = f"creation_rules[{index}]"
        findings += _group_problems(rule, file, field)
        findings += _key_problems(rule, file, field, trust)
    return findings


# --- reading --------------------------------------------------------------------------------------


class _Entries(NamedTuple):
    """The file as plain data."""

    top: Mapping[str, Any]
    rules: tuple[tuple[str, Any], ...]  # the field that names it, the rule


def _entries(data: bytes, file: str) -> _Entries:
    try:
        tree = document.parse_config(data)
    except document.DocumentError as error:
        raise SopsmithError(Finding("rules-syntax", str(error), file)) from None
    if not isinstance(tree, dict):
        raise SopsmithError(Finding("rules-syntax", "is no map with creation_rules", file))
    rules = tree.get("creation_rules")
    if rules is not None and not isinstance(rules, list):
        raise SopsmithError(Finding("rules-value", "must be a list", file, "creation_rules"))
    return _Entries(
        tree, tuple((f"creation_rules[{i}]", rule) for i, rule in enumerate(rules or ()))
    )


def _top_problems(top: Mapping[str, Any], file: str) -> Iterator[Finding]:
    for problem in rules_shape.TOP.check(top, ""):
        yield _misshapen(problem, file)


def _rule_problems(raw: Any, file: str, field: str) -> list[Finding]:
    found = [_misshapen(problem, file) for problem in rules_shape.RULE.check(raw, field)]
    return found or [*_text_problems(raw, file, field)]


def _misshapen(problem: shape.Problem, file: str) -> Finding:
    code = "rules-field" if problem.code == "recipe-field" else "rules-value"
    message = problem.message + (", which sops ignores" if code == "rules-field" else "")
    return Finding(code, message, file, problem.path, problem.hint)


def _text_problems(raw: Mapping[str, Any], file: str, field: str) -> Iterator[Finding]:
    """Expressions that sops and we would not read alike."""
    if raw.get("path_regex"):
        try:
            compile_search(raw["path_regex"])
        except PatternError as error:
            hint = "write it with what all readers share: literals, classes, groups, |, *, +, ?"
            where = f"{field}.path_regex"
            yield Finding("rules-value", f"can't be relied on: {error}", file, where, hint)
    try:
        read_selection(raw, file, field)
    except SopsmithError as error:
        yield from error.findings


def _rule(raw: Mapping[str, Any], file: str, field: str) -> Rule:
    groups = raw.get("key_groups") or [
        {**raw, "hc_vault": raw.get("hc_vault_transit_uri")}  # one group, written flat
    ]
    return Rule(
        path_regex=raw.get("path_regex") or None,
        groups=tuple(frozenset(_keys(group)) for group in groups),
        threshold=raw.get("shamir_threshold") or None,
        selection=read_selection(raw, file, field),
        raw=raw,
    )


def _keys(group: Mapping[str, Any]) -> Iterator[str]:
    """A group's keys, as metadata.py names those of a file."""
    for merged in group.get("merge") or ():
        yield from _keys(merged)
    for kind in ("age", "pgp", "kms", "gcp_kms", "hckms"):
        for key in _listed(group.get(kind)):
            name = key if isinstance(key, str) else key[_ID[kind]]
            if kind == "kms":
                name = name.partition("+")[0]  # the role that may use it stands behind it
            yield f"{kind}:{name.replace(' ', '') if kind == 'pgp' else name}"
    for key in _listed(group.get("azure_keyvault")):
        yield f"azure_kv:{_azure(key)}"
    for key in _listed(group.get("hc_vault")):
        yield f"hc_vault:{_VAULT.sub(_SHORT, key).rstrip('/')}"


_ID = {"kms": "arn", "gcp_kms": "resource_id", "hckms": "key_id"}
_VAULT = re.compile("(https?://[^/]+)/v[0-9]+/")
_SHORT = "\\1/"  # a file's metadata name the engine without the version of Vault's API


def _azure(key: str | Mapping[str, str]) -> str:
    if not isinstance(key, str):
        return "/".join((key["vaultUrl"], key["key"], key.get("version") or ""))
    vault, _, rest = key.partition("/keys/")
    name, _, version = rest.partition("/")
    return f"{vault}/{name}/{version}"


def _listed(keys: Any) -> list[Any]:
    """A list, or text with commas; the entries of a list may hold commas too, as in sops."""
    given = [keys] if isinstance(keys, str) else keys or []
    return [
        part
        for entry in given
        for part in ([p.strip() for p in entry.split(",")] if isinstance(entry, str) else [entry])
        if part
    ]


# --- judging --------------------------------------------------------------------------------------

_SSH = re.compile(r"ssh-(ed25519|rsa) [A-Za-z0-9+/]+=*( .*)?")


def _group_problems(rule: Rule, file: str, field: str) -> Iterator[Finding]:
    if rule.raw.get("key_groups"):
        for name in (*rules_shape.FLAT, "hckms"):
            if rule.raw.get(name):
                message = "is ignored by sops, because key_groups stands beside it"
                yield Finding("rules-field", message, file, f"{field}.{name}")
    if not all(rule.groups) or not rule.groups:
        where = f"{field}.key_groups" if any(rule.groups) else field
        hint = "name a recipient, such as age: age1…"
        yield Finding("rules-value", "names nobody who could read the file", file, where, hint)
    count, threshold = len(rule.groups), rule.threshold or 0
    if threshold > count or (threshold == 1 and count > 1):
        message = f"must be from 2 to {count}, the number of key groups"
        message = message if count > 1 else "has no meaning with one key group"
        yield Finding("rules-value", message, file, f"{field}.shamir_threshold")


def _key_problems(rule: Rule, file: str, field: str, trust: Trust) -> Iterator[Finding]:
    keys = sorted(frozenset().union(*rule.groups))
    foreign = sorted({kind for key in keys if (kind := key.partition(":")[0])} - trust.key_types)
    if foreign:
        hint = f"set SOPSMITH_KEY_TYPES=age,{','.join(foreign)} where you trust these services"
        message = f"names keys of the kind {', '.join(foreign)}"
        yield Finding("foreign-key-type", message, file, field, hint)
    where = f"{field}.key_groups" if rule.raw.get("key_groups") else f"{field}.age"
    for recipient in (key[4:] for key in keys if key.startswith("age:")):
        trouble = None if _SSH.fullmatch(recipient) else problem_of_recipient(recipient)
        if trouble:
            hint = "age-keygen -y KEYFILE prints the recipient of a key"
            yield Finding("rules-value", f"a recipient {trouble}", file, where, hint)
        elif recipient == DEMO_RECIPIENT and not trust.demo_key:
            hint = "name a key of your own; only the example sets SOPSMITH_ALLOW_DEMO_KEY=1"
            message = "names the demo key, which everyone has"
            yield Finding("demo-key", message, file, where, hint)
