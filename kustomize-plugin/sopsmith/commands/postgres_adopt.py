"""`sopsmith postgres adopt`: from the one role that an application has to two that take turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sopsmith import report
from sopsmith.database import accounts, administrator, adopting, ways
from sopsmith.database.accounts import Source
from sopsmith.database.adopting import Adoption, Meant
from sopsmith.database.failures import repeatable
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, one_line
from sopsmith.postgres.account import Account
from sopsmith.rotations import assent
from sopsmith.voice import Session

_MOST = 12  # lines about one database; --output json has them all


def adopt(
    session: Session, source: Source, names: Sequence[str], *, role: str | None,
    also: Sequence[str], left: Sequence[str], superuser: str | None, via: str | None,
    dry_run: bool, yes: bool, output: str,
) -> int:  # fmt: skip
    """Show what moves to the owner of the account's roles, ask, and move it.

    `role` is the one that the application has so far, by default the first of the two; `also` are
    databases that no URL names, and `left` those where the role's things stay its own.
    """
    way = ways.real(session.env, via)
    account = _meant(accounts.accounts(source, session.env, names))
    way_in = administrator.way_in(session.env, source, way, superuser)
    databases = dict.fromkeys([*(to.database for to in account.urls.values()), *also])
    meant = Meant(account, role or account.roles[0], tuple(databases), tuple(left))
    with repeatable(account, "adopt"):
        shown = adopting.foreseen(meant, way_in)
    is_text = output == "text"
    if is_text or (session.is_terminal and not yes):
        (session.write if is_text else session.say)(_plan(shown, session.colour and is_text))
    session.say("".join(f"sopsmith: warning: {one_line(words)}\n" for words in _told(shown)))
    if shown.refusals and not dry_run:
        raise SopsmithError(shown.refusals)
    shown = shown._replace(remains=session.again(shown.remains))
    is_done = not shown.steps
    if shown.steps and not dry_run and assent.agreed(session, f"adopt {meant.role}", yes=yes):
        with repeatable(account, "adopt"):
            adopting.adopt(shown, way_in, way)
        is_done = True
        session.write(f"changed  {account.owner} owns what {meant.role} had\n" if is_text else "")
    if not is_text:
        session.write(report.as_json(_tree(shown, is_done=is_done)))
    elif is_done:
        session.write(f"{shown.remains}\n")
    return 0


def _meant(found: Sequence[Account]) -> Account:
    alternating = [each for each in found if each.strategy == "alternating"]
    if len(alternating) != 1:
        message = f"{len(alternating)} alternating passwords are meant, and it takes one"
        hint = "name one; of an in-place one change the recipe first: strategy: alternating"
        raise SopsmithError(Finding("db-roles", message, hint=hint))
    return alternating[0]


def _told(shown: Adoption) -> Sequence[str]:
    return (*(shown.cautions if shown.steps else ()), *shown.superusers)


def _plan(shown: Adoption, colour: bool) -> str:
    if not shown.steps:
        return f"as it is  {shown.meant.account.owner} owns what {shown.meant.role} had\n"
    rows = []
    for step in shown.steps:
        words = [each.words for each in step.changes]
        rows += [(step.database, each) for each in words[:_MOST]]
        if len(words) > _MOST:
            rows.append((step.database, f"and {len(words) - _MOST} more: --output json"))
    return report.table(("DATABASE", "CHANGE"), rows, colour)


def _tree(shown: Adoption, *, is_done: bool) -> dict[str, Any]:
    account = shown.meant.account
    steps = [
        {"database": each.database, "changes": [change.words for change in each.changes]}
        for each in shown.steps
    ]
    return {"value": account.value, "role": shown.meant.role, "owner": account.owner,
            "roles": list(account.roles), "steps": steps, "warnings": list(_told(shown)),
            "done": is_done, "remains": shown.remains}  # fmt: skip
