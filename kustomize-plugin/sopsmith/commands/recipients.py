"""`sopsmith recipients`: who can read what, and changes of that."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import NamedTuple

from sopsmith import inventory, report
from sopsmith.components import access, change, shift
from sopsmith.components.shift import Shift
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, one_line, text
from sopsmith.history import trail
from sopsmith.inventory import Encrypted
from sopsmith.rotations import belonging, exposure, rekeying
from sopsmith.rotations.exposure import Exposed, Seen
from sopsmith.rotations.rekeying import Asked, Plan
from sopsmith.tools import files
from sopsmith.transaction import Done, Work, carry_out, check_agreed
from sopsmith.voice import Session


class Row(NamedTuple):
    """An encrypted file of the repository, and how it stands to its rule."""

    file: str
    readers: tuple[str, ...]
    state: str  # "kept", or how its rule is not


def list_recipients(session: Session, *, where: str | None, output: str) -> int:
    """Print who can read which file, from metadata alone; 5 where a file differs from its rule.

    `where` leaves out the files that are not of this environment.
    """
    root = files.find_root(".", session.env)
    known = list(inventory.encrypted(root, session.env))
    scope = belonging.of_environment(where, session.env, known) if where else None
    rows = [_row(each) for each in known if scope is None or each.file in scope.files]
    if output == "json":
        session.write(report.as_json([each._asdict() for each in rows]))
    else:
        shown = [(each.file, ", ".join(each.readers), each.state) for each in rows]
        session.write(report.table(("FILE", "READERS", "RULE"), shown, session.colour))
    return 0 if all(each.state == _FINE for each in rows) else 5


_FINE = "kept"


def _row(each: Encrypted) -> Row:
    readers: tuple[str, ...] = ()
    try:
        policies = access.policies(each.file, each.data)
        keys = {key.removeprefix("age:") for one in policies for g in one.groups for key in g}
        readers = tuple(sorted(keys))
        rule = each.rule
    except SopsmithError as error:
        return Row(each.file, readers, error.findings[0].message)
    if rule is None:
        return Row(each.file, readers, "no rule")
    wanted = change.policy_of_rule(rule)
    found = [change.deviation(each.file, one, wanted) for one in policies]
    return Row(each.file, readers, next((one.message for one in found if one), _FINE))


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
    asked = rekeying.Asked(action, recipient, where)
    shown = rekeying.plan(session, root, asked).besides(recipient)
    _confirm(session, asked, shown, yes=yes, output=output)

    def plan() -> tuple[Work, tuple[Plan, Exposed]]:
        now = rekeying.plan(session, root, asked)
        if not yes:
            check_agreed(shown, now.besides(recipient))
        count = len(now.moved)
        what = f"{action} a reader of {count} file{'' if count == 1 else 's'}"
        work = Work(now.edits, trail.message("recipients", None, [], what), also=now.also)
        return work, (now, exposure.seen(root, session.env, now.losing))

    done, (now, exposed) = carry_out(session, root, plan, commit=commit, tells_refusal=True)
    if output == "json":
        tree = {"changed": list(done.changed), "commit": done.commit,
                "seen": [each._asdict() for each in exposed.seen],
                "readers": [each._asdict() for each in now.moved],
                "findings": report.findings_json(done.findings)}  # fmt: skip
        session.write(report.as_json(tree))
    else:
        _tell(session, done, exposed.seen, now.unlisted)
    session.say(exposed.notes + text(done.findings, "sopsmith: "))
    return exit_code(done.findings)


def _tell(session: Session, done: Done, seen: Sequence[Seen], unlisted: Set[str]) -> None:
    lines = [
        f"changed {one_line(file)}{', which no recipe lists' if file in unlisted else ''}\n"
        for file in done.changed
    ]
    session.write("".join(lines) + report.committed(done.commit) or "nothing to change\n")
    if seen:
        session.write("who was removed keeps what these files held; make it worthless:\n")
        rows = [(each.file, each.key, each.command) for each in seen]
        session.write(report.table(("FILE", "KEY", "COMMAND"), rows, session.colour))


def _confirm(
    session: Session, asked: Asked, shifts: Sequence[Shift], *, yes: bool, output: str
) -> None:
    """Show what nobody named; raise SopsmithError (usage) unless new readers are agreed to."""
    told = shift.text(shifts)
    if output == "text":
        session.write(told)
    new = list(shift.unasked(shifts, asked.command))
    if not new or yes:
        return
    if session.is_terminal:
        session.say(told if output == "json" else "")
        if session.ask("let these new readers in? y/n", "n").lower() in ("y", "yes"):
            return
    raise SopsmithError(new)
