"""`sopsmith recipients`: who can read what, and changes of that."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sopsmith import report, repository, writeback
from sopsmith.components import change, shift
from sopsmith.components.rules import parse_rules, rule_for
from sopsmith.components.sealed import component_of, unpacked
from sopsmith.components.shift import Shift
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, one_line
from sopsmith.history import trail
from sopsmith.model import UNFINISHED
from sopsmith.rotations import exposure
from sopsmith.tools import files, git
from sopsmith.voice import Session


class Encrypted(NamedTuple):
    """An encrypted file of the repository, and how it stands to its rule."""

    file: str
    readers: tuple[str, ...]
    state: str  # "as its rule says", or how not


def list_recipients(session: Session, *, output: str) -> int:
    """Print who can read which file, from metadata alone; 5 where a file differs from its rule."""
    root = files.find_root(".", session.env)
    rows = list(_encrypted(root, session))
    if output == "json":
        session.write(report.as_json([each._asdict() for each in rows]))
    else:
        shown = [(each.file, ", ".join(each.readers), each.state) for each in rows]
        session.write(report.table(("FILE", "READERS", "RULE"), shown, session.colour))
    return 0 if all(each.state == _FINE for each in rows) else 5


_FINE = "kept"


def _encrypted(root: str, session: Session) -> Iterator[Encrypted]:
    for file in encrypted_files(root, session):
        try:
            policy, _ = change.policy_of(component_of(file), files.reader(root)(file))
        except SopsmithError as error:
            yield Encrypted(file, (), error.findings[0].message)
            continue
        readers = tuple(sorted(key.removeprefix("age:") for g in policy.groups for key in g))
        try:
            rule = rule_for(writeback.rules_for(root, file), file)
        except SopsmithError as error:
            yield Encrypted(file, readers, error.findings[0].message)
            continue
        found = rule and change.deviation(file, policy, change.policy_of_rule(rule))
        yield Encrypted(file, readers, "no rule" if rule is None else
                        (found.message if found else _FINE))  # fmt: skip


def encrypted_files(root: str, session: Session) -> Iterator[str]:
    """The files of the work tree that sops encrypted, broken ones too; not what a crash left."""
    read = files.reader(root)
    for file in git.listed(git.Repository(root, session.env)):
        path = os.path.join(root, file)
        is_plain = os.path.isfile(path) and not os.path.islink(path)
        if is_plain and not file.endswith(UNFINISHED):
            data = read(file)
            if b"ENC[AES256_GCM," in data and b"sops" in data and _is_encrypted(file, data):
                yield file


def _is_encrypted(file: str, data: bytes) -> bool:
    """Also where it is torn, by a merge for example: a removed reader may still open the rest."""
    component = component_of(file)
    try:
        unpacked(component, data)
    except SopsmithError as error:
        return component.whole is None and error.findings[0].code == "tampered"
    return True


def change_recipients(
    session: Session, action: str, recipient: str | None, *, where: str | None, yes: bool,
    commit: bool, output: str,
) -> int:  # fmt: skip
    """Add or remove a reader in rules and the files that they cover; or bring files in line.

    Who gains access without being named here has to be confirmed. A removed reader keeps what was
    seen: the output lists it, seeds first, with what renews it.
    """
    if (action == "sync") is (recipient is not None):
        message = "sync takes no recipient" if recipient else f"{action} needs a recipient"
        raise SopsmithError(Finding("usage", message, hint="sopsmith recipients --help"))
    root = files.find_root(".", session.env)
    known = list(encrypted_files(root, session))
    covered = [file for file in known if _is_meant(session, where, file)]
    edits: list[writeback.Edit] = []
    shifts: list[Shift] = []
    for config in sorted({writeback.rules_for(root, file).file for file in covered}):
        before = files.reader(root)(config)
        mine = [file for file in covered if writeback.rules_for(root, file).file == config]
        after = _changed_rules(before, config, action, recipient, mine)
        if after != before:
            _check_others(root, config, before, after, [f for f in known if f not in covered])
            edits.append(writeback.TextEdit(config, before, after))
        found = [_shift(root, file, after, config) for file in mine]
        edits += [writeback.Rekey(e.file, after, new_data_key=bool(e.loses)) for e in found]
        shifts += found
    has_rules = any(isinstance(each, writeback.TextEdit) for each in edits)
    is_begun = action != "sync" and not has_rules  # by a run that was killed
    if is_begun and not _is_behind(root, session, covered, action, recipient):
        named = "can read them already" if action == "add" else "is named by no rule of these"
        what = f"this recipient {named}"
        raise SopsmithError(Finding("usage", what, hint="sopsmith recipients shows who can"))
    seen = exposure.seen(root, session, {each.file: each.lost for each in shifts if each.loses})
    _confirm(session, action, [each.besides(recipient) for each in shifts], yes=yes, output=output)
    with writeback.written(root, session.env, edits, commit=commit) as changed:
        count = sum(isinstance(e, writeback.Rekey) and e.file in changed for e in edits)
        what = f"{action} a reader of {count} file{'' if count == 1 else 's'}"
        message = trail.message("recipients", None, [], what)
        rules = {writeback.rules_for(root, file).file for file in changed if is_begun}
        made = writeback.finish(session, root, (*changed, *rules), message, commit=commit)
    if output == "json":
        tree = {"changed": list(changed), "commit": made, "seen": [s._asdict() for s in seen],
                "readers": [s._asdict() for s in shifts if s.gains or s.loses]}  # fmt: skip
        session.write(report.as_json(tree))
        return 0
    lines = [f"changed {one_line(file)}\n" for file in changed]
    session.write("".join(lines) + report.committed(made) or "nothing to change\n")
    if seen:
        session.write("who was removed keeps what these files held; make it worthless:\n")
        rows = [(each.file, each.key, each.command) for each in seen]
        session.write(report.table(("FILE", "KEY", "COMMAND"), rows, session.colour))
    return 0


def _is_behind(
    root: str, session: Session, covered: Sequence[str], action: str, recipient: str | None
) -> bool:
    """Whether a file is not yet what the rules say of this reader: a run before was killed."""
    rows = (each for each in _encrypted(root, session) if each.file in covered and each.readers)
    return any((recipient in each.readers) is not (action == "add") for each in rows)


def _is_meant(session: Session, where: str | None, file: str) -> bool:
    if where is None:
        return True
    leaf = repository.leaf(where, session.env)
    return file in {component.file for component in leaf.recipe.components}


def _shift(root: str, file: str, rules: bytes, config: str) -> Shift:
    rule = rule_for(parse_rules(rules, config), file)
    actual = change.policy_of(component_of(file), files.reader(root)(file))[0]
    return shift.shift(file, actual, change.policy_of_rule(rule) if rule else None)


def _confirm(
    session: Session, action: str, shifts: Sequence[Shift], *, yes: bool, output: str
) -> None:
    """Show what nobody named; raise SopsmithError (usage) unless new readers are agreed to."""
    told = shift.text(shifts)
    if output == "text":
        session.write(told)
    new = list(shift.unasked(shifts, f"sopsmith recipients {action}"))
    if not new or yes:
        return
    if session.is_terminal:
        session.say(told if output == "json" else "")
        if session.ask("let these new readers in? y/n", "n").lower() in ("y", "yes"):
            return
    raise SopsmithError(new)


def _check_others(
    root: str, config: str, before: bytes, after: bytes, others: Sequence[str]
) -> None:
    """Refuse a change that the rules make of files that are not meant: sync would hand them over.

    Raises SopsmithError (usage).
    """
    old, new = parse_rules(before, config), parse_rules(after, config)
    for file in others:
        if writeback.rules_for(root, file).file == config:
            rules = [rule_for(each, file) for each in (old, new)]
            if rules[0] is not None and rules[1] is not None and rules[0].groups != rules[1].groups:
                hint = "give each environment a rule of its own, or leave out --environment"
                message = f"the rule of these files covers {file} too"
                raise SopsmithError(Finding("usage", message, config, hint=hint))


def _changed_rules(
    before: bytes, config: str, action: str, recipient: str | None, mine: Sequence[str]
) -> bytes:
    if recipient is None:
        return before
    from sopsmith.components import readers

    edit = readers.with_reader if action == "add" else readers.without_reader
    return edit(before, config, recipient, mine)
