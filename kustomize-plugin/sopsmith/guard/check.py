"""The rules that a commit has to keep, checked without any key. Pure; `read` is passed in."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith.components import copies, rules, rules_order
from sopsmith.components.conflict import conflict
from sopsmith.components.rules import ANY, Rule, Rules, governing, parse_rules, rule_for
from sopsmith.components.sealed import Trust, component_of
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.guard import covered, keyless, leaks
from sopsmith.model import MOST_BYTES, UNFINISHED, Component, Read
from sopsmith.recipes import listing
from sopsmith.recipes.resolve import SUFFIXES, Resolved, holds_recipe


class Checked(NamedTuple):
    """What was found, and the leaves that it was found in."""

    findings: tuple[Finding, ...]
    files: int  # that were looked at
    leaves: tuple[Resolved, ...]


class _Tree(NamedTuple):
    """The repository's files, and what is known of all of them."""

    known: frozenset[str]
    read: Read
    glance: Read  # the same, remembering nothing
    beyond: Callable[[str], Iterable[bytes]]
    trust: Trust
    rules: Mapping[str, Rules | SopsmithError]
    recipes: frozenset[str]  # files that hold one
    components: Mapping[str, Component]  # of all recipes


def check(
    known: Sequence[str],
    read: Read,
    trust: Trust,
    asked: Sequence[str] | None = None,
    links: Sequence[str] = (),
    beyond: Callable[[str], Iterable[bytes]] = lambda file: (),
) -> Checked:
    """Check the files that are asked for, else all that are known, and what depends on them.

    A changed `.sops.yaml` touches every file it governs, a changed base or component every recipe
    that reads it. What can't be read is passed over, unless a recipe needs it. Of links, only
    rules matter, which may be none, and recipes that kustomize finds behind them: what others lead
    to has a name of its own.
    `beyond` gives in pieces what of a file is behind MOST_BYTES.
    """
    glance, read = read, _once(read)
    named = listing.recipes(listing.kustomizations((*known, *links)), read)
    recipes = dict.fromkeys((*(file for file in known if _is_recipe(file, read)), *named))
    judged = [keyless.judge(file, read, trust) for file in recipes]
    tree = _Tree(
        frozenset(known),
        read,
        glance,
        beyond,
        trust,
        {file: _rules(file, read) for file in known if _is_rules(file)}
        | {file: SopsmithError(rules.linked(file)) for file in links if _is_rules(file)},
        frozenset(recipes),
        {part.file: part for each in judged for part in each.components},
    )
    wanted = tree.known if asked is None else _touched(frozenset(asked), tree)
    findings: list[Finding] = []
    for file in sorted(wanted):
        findings += _file_problems(file, tree)
    for each in judged:
        if asked is None or each.files & wanted or each.files - tree.known:  # gone
            findings += each.findings
    findings += _copies(wanted, tree)
    findings += _shared(wanted, tree)
    leaves = tuple(leaf for each in judged for leaf in each.leaves)
    return Checked(tuple(_first_causes(findings)), len(wanted), leaves)


def _first_causes(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Each finding once; where a merge was left in a file, nothing else of it means anything, and
    who reads a copy is no question of its rule."""
    torn, copied = (
        {finding.file for finding in findings if finding.code == code}
        for code in ("conflict-marker", "copied-ciphertext")
    )
    for finding in dict.fromkeys(findings):
        if finding.file in torn and finding.code != "conflict-marker":
            continue
        if not (finding.file in copied and finding.code == "recipients-differ"):
            yield finding


def _once(read: Read) -> Read:
    """The same, reading each file once."""
    texts: dict[str, bytes | SopsmithError] = {}

    def remembered(file: str) -> bytes:
        if file not in texts:
            try:
                texts[file] = read(file)
            except SopsmithError as error:
                texts[file] = error
        text = texts[file]
        if isinstance(text, SopsmithError):
            raise text
        return text

    return remembered


def _text(file: str, read: Read) -> bytes | None:
    """The file, or None: a link that leads nowhere is no business of a check."""
    try:
        return read(file)
    except SopsmithError:
        return None


def _is_rules(file: str) -> bool:
    return posixpath.basename(file) == rules.NAME


def _is_recipe(file: str, read: Read) -> bool:
    return file.endswith(SUFFIXES) and holds_recipe(_text(file, read) or b"")


def _rules(file: str, read: Read) -> Rules | SopsmithError:
    try:
        return parse_rules(read(file), file)
    except SopsmithError as error:
        return error


def _touched(asked: frozenset[str], tree: _Tree) -> frozenset[str]:
    """The files themselves, and those that a changed `.sops.yaml` among them governs."""
    changed = {file for file in asked if _is_rules(file)}
    governed = {file for file in tree.known if governing(file, tree.rules.__contains__) in changed}
    return asked | (governed if changed else frozenset())


def _file_problems(file: str, tree: _Tree) -> Iterator[Finding]:
    data = _text(file, tree.read)
    if data is None:
        return
    text = leaks.as_utf8(data)
    yield from leaks.private_keys(text, file, demo_key=tree.trust.demo_key)
    if len(data) >= MOST_BYTES:
        yield from leaks.later_keys(data, tree.beyond(file), file, demo_key=tree.trust.demo_key)
    if file.endswith(UNFINISHED):
        hint = "take it out; the file that it was for is whole"
        yield Finding("leftover", "is what a killed write left behind", file, hint=hint)
        return
    rule = _rule(file, tree)
    is_sealed = (
        file in tree.components
        or covered.has_metadata(file, data)
        or covered.is_covered(_by_name(rule), file, data)
    )
    if is_sealed or _is_rules(file) or file in tree.recipes:
        torn = conflict(data, file, encrypted=is_sealed)
        if torn:
            yield torn
            return
    if _is_rules(file):
        known = tree.rules[file]
        if isinstance(known, SopsmithError):
            yield from known.findings
            return
        yield from rules.problems(data, file, tree.trust)
        yield from _order_problems(file, tree)
        return
    if isinstance(rule, SopsmithError):  # so nobody can say what the file has to be
        yield from rule.findings
    found = list(_sealing(file, data, rule, tree)) if is_sealed else []
    yield from found
    if not any(finding.severity == "error" for finding in found):
        yield from leaks.plaintext_secrets(text, file)


def _order_problems(file: str, tree: _Tree) -> Iterator[Finding]:
    """Rules in each other's way, by what they say and by the files that are encrypted."""
    known = tree.rules[file]
    if isinstance(known, SopsmithError) or len(known.rules) < 2:
        return
    start = f"{known.folder}/" if known.folder else ""
    governed = (each for each in tree.known if governing(each, tree.rules.__contains__) == file)
    sealed = [
        each for each in governed if covered.has_metadata(each, _text(each, tree.read) or b"")
    ]
    yield from rules_order.problems(known, {each.removeprefix(start) for each in sealed})


def _rule(file: str, tree: _Tree) -> Rule | SopsmithError | None:
    """The creation rule that covers a file, or why that can't be said."""
    config = governing(file, tree.rules.__contains__)
    known = tree.rules[config] if config else None
    return rule_for(known, file) if isinstance(known, Rules) else known


def _by_name(rule: Rule | SopsmithError | None) -> Rule:
    """Where no rule says what a file has to be, `.enc` in its name still does."""
    return rule if isinstance(rule, Rule) else ANY


def _sealing(
    file: str, data: bytes, rule: Rule | SopsmithError | None, tree: _Tree
) -> Iterator[Finding]:
    component = tree.components.get(file) or component_of(file)
    is_ours = file in tree.components
    known = rule if isinstance(rule, Rule) else None
    for finding in covered.sealing_problems(component, data, known, tree.trust, is_ours=is_ours):
        if not (finding.code == "rule-missing" and rule):  # there is one, and it is broken
            yield finding


def _shared(wanted: Iterable[str], tree: _Tree) -> Iterator[Finding]:
    """Copies of encrypted files for other readers, where either of the two is asked for.

    Of the others only what a rule covers is read, and of that only what is encrypted is kept.
    """
    wanted = frozenset(wanted)
    asked = {file for file in wanted if covered.has_metadata(file, _text(file, tree.read) or b"")}
    if not asked:  # then the others are not read for it
        return
    held = {}
    for file in tree.known:
        rule = _rule(file, tree)
        if isinstance(rule, Rule):
            data = _text(file, tree.read if file in wanted else tree.glance) or b""
            if covered.has_metadata(file, data):
                held[file] = copies.held(file, data, rule)
    for each in copies.copied(held):
        if asked & {each.file, each.twin}:
            yield each.finding


def _copies(wanted: Iterable[str], tree: _Tree) -> Iterator[Finding]:
    """Decrypted files beside encrypted ones, where either is asked for."""
    asked = frozenset(wanted)
    hint = "remove it and replace its values: git has seen them"
    for file in sorted(tree.known):
        if file in asked and covered.looks_decrypted(file):
            data = _text(file, tree.read)
            if data is not None and not covered.has_metadata(file, data):
                message = "is a decrypted copy by its name"
                yield Finding("decrypted-sibling", message, file, hint=hint)
        for copy in covered.copies_of(file):
            if copy in tree.known and (copy in asked or file in asked):
                yield from _copy(file, copy, tree, hint)


def _copy(file: str, copy: str, tree: _Tree, hint: str) -> Iterator[Finding]:
    ciphertext, plaintext = _text(file, tree.read), _text(copy, tree.read)
    if ciphertext is None or plaintext is None or not covered.has_metadata(file, ciphertext):
        return
    key = covered.shared_key(file, ciphertext, copy, plaintext)
    if key is not None:
        message = f"is in plaintext what {file} encrypts"
        yield Finding("decrypted-sibling", message, copy, key or None, hint)
