"""A reader more or less: what that changes in rules and files, planned from both as they are."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import NamedTuple

from sopsmith import inventory, writeback
from sopsmith.components import access, change, readers, shift
from sopsmith.components.rules import Rules, parse_rules, rule_for
from sopsmith.components.shift import Shift
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.inventory import Encrypted
from sopsmith.rotations import belonging
from sopsmith.tools import files, git, git_write
from sopsmith.voice import Session


class Asked(NamedTuple):
    """What somebody asked for."""

    action: str  # add, remove, or sync with the rules as they are
    recipient: str | None  # None where it is sync
    where: str | None  # an environment, None for all files

    @property
    def command(self) -> str:
        """What asks for it, for a person's shell."""
        environment = ("-e", self.where) if self.where else ()
        words = (self.action, *filter(None, (self.recipient,)), *environment)
        return f"sopsmith recipients {shlex.join(words)}"


class Plan(NamedTuple):
    """What is to be changed, and who reads more or less for it."""

    edits: tuple[writeback.Edit, ...]
    shifts: tuple[Shift, ...]  # of the files that are encrypted for others
    also: tuple[str, ...]  # the rules, where a person or a run that was killed changed them
    unlisted: frozenset[str]  # files that no recipe lists, and that go along with their rule

    @property
    def losing(self) -> dict[str, frozenset[str]]:
        """The files that somebody can't read any more, and who."""
        return {each.file: each.lost for each in self.shifts if each.loses}

    @property
    def moved(self) -> tuple[Shift, ...]:
        """The files that somebody reads who did not, or the other way round."""
        return tuple(each for each in self.shifts if each.gains or each.loses)

    def besides(self, recipient: str | None) -> tuple[Shift, ...]:
        """Who reads more or less without being named."""
        found = (each.besides(recipient) for each in self.shifts)
        return tuple(each for each in found if each.gains or each.loses)


def plan(session: Session, root: str, asked: Asked) -> Plan:
    """Plan it for all files that are meant.

    Raises SopsmithError: usage (nothing to do, or not so), and of every file that is meant what
    keeps it from being judged or changed, or from being given to whom it would be. A file that is
    passed over would keep a removed reader.
    """
    known = list(inventory.encrypted(root, session.env))
    scope = belonging.of_environment(asked.where, session.env, known) if asked.where else None
    covered = [each for each in known if scope is None or each.file in scope.files]
    edits: list[writeback.Edit] = []
    shifts: list[Shift] = []
    problems: list[Finding] = []
    configs = _by_config(covered)
    ruled = {each.file: belonging.rule_of(each) for each in known}
    for config, mine in configs.items():
        before = files.reader(root)(config)
        after = _changed_rules(before, config, asked, [each.file for each in mine])
        rules = parse_rules(after, config)
        if after != before:
            _check_others(rules, [each for each in known if each not in covered])
            edits.append(writeback.TextEdit(config, before, after))
        for each in mine:
            ruled[each.file] = rule_for(rules, each.file)
            try:
                found = _shift(each, rules)
            except SopsmithError as error:
                problems += error.findings
                continue
            if found is not None:
                shifts.append(found)
                edits.append(writeback.Rekey(each.file, after, new_data_key=bool(found.loses)))
    gaining = [each for each in shifts if each.gains]
    problems += belonging.refusals(root, session.env, known, ruled, gaining)
    if problems:
        here = git.Repository(root, session.env)
        raise SopsmithError(_with_hint(each, here, asked) for each in problems)
    is_begun = asked.recipient is not None and not any(map(_is_of_rules, edits))
    if is_begun and not _is_behind(shifts, asked):
        named = "can read them already" if asked.action == "add" else "is named by no rule of these"
        what = f"this recipient {named}"
        raise SopsmithError(Finding("usage", what, hint="sopsmith recipients shows who can"))
    planned = Plan(tuple(edits), tuple(shifts), (), scope.unlisted if scope else frozenset())
    moved = {each.file for each in planned.moved}
    also = [name for name, mine in configs.items() if moved & {each.file for each in mine}]
    return planned._replace(also=tuple(also))


def _by_config(covered: Sequence[Encrypted]) -> dict[str, list[Encrypted]]:
    """The files by the rules that govern them, in the order of those."""
    found: dict[str, list[Encrypted]] = {}
    for each in covered:
        if isinstance(each.rules, SopsmithError):
            raise each.rules
        found.setdefault(each.rules.file, []).append(each)
    return dict(sorted(found.items()))


def _changed_rules(before: bytes, config: str, asked: Asked, mine: Collection[str]) -> bytes:
    if asked.recipient is None:
        return before
    edit = readers.with_reader if asked.action == "add" else readers.without_reader
    return edit(before, config, asked.recipient, mine)


def _check_others(after: Rules, others: Sequence[Encrypted]) -> None:
    """Refuse a change that the rules make of files that are not meant: sync would hand them over.

    Raises SopsmithError (usage).
    """
    for each in others:
        if isinstance(each.rules, Rules) and each.rules.file == after.file:
            old, new = each.rule, rule_for(after, each.file)
            if old is not None and new is not None and old.groups != new.groups:
                hint = "give each environment a rule of its own, or leave out --environment"
                message = f"the rule of these files covers {each.file} too"
                raise SopsmithError(Finding("usage", message, after.file, hint=hint))


def _shift(each: Encrypted, rules: Rules) -> Shift | None:
    """Who reads a file more or less by these rules; None where it is not changed and need not be.

    Raises SopsmithError with what keeps it from being changed.
    """
    actual = access.policies(each.file, each.data)
    rule = rule_for(rules, each.file)
    if rule is None:
        hint = "add a rule whose path_regex matches it"
        message = f"no rule of {rules.file} covers it"
        raise SopsmithError(Finding("rule-missing", message, each.file, hint=hint))
    wanted = change.policy_of_rule(rule)
    foreign = access.foreign(each.file, each.data)
    if foreign is None:
        return shift.shift(each.file, actual[0], wanted)
    for one in actual:
        differing = change.deviation(each.file, one, wanted)
        if differing:
            is_of_readers = differing.code == "recipients-differ"
            raise SopsmithError(foreign if is_of_readers else differing)
    return None


def _with_hint(finding: Finding, here: git.Repository, asked: Asked) -> Finding:
    """What to do about a file that keeps the others from being changed."""
    if finding.code != "foreign-format":
        hint = "nothing was changed; mend it first, or restore it from git"
        return finding._replace(hint=finding.hint or hint)
    file = git_write.shown(here, [finding.file or ""])
    command = {
        "add": f"sops rotate -i --add-age {asked.recipient} {file}",
        "remove": f"sops rotate -i --rm-age {asked.recipient} {file}, and replace what it holds",
        "sync": f"sops updatekeys -y {file} && sops rotate -i {file}",
    }[asked.action]
    return finding._replace(hint=f"{command}; then run this again for the other files")


def _is_of_rules(edit: writeback.Edit) -> bool:
    return isinstance(edit, writeback.TextEdit)


def _is_behind(shifts: Sequence[Shift], asked: Asked) -> bool:
    """Whether a file is not yet what the rules say of this reader: a run before was killed."""
    return any(
        asked.recipient in (each.gains if asked.action == "add" else each.loses) for each in shifts
    )
