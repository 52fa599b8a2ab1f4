"""`sopsmith postgres apply`: make the running database accept what git says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sopsmith import report
from sopsmith.database import accounts, applying, ways
from sopsmith.database.accounts import Source
from sopsmith.database.applying import Applied
from sopsmith.database.failures import telling
from sopsmith.findings import one_line
from sopsmith.voice import Session


def apply(
    session: Session, source: Source, names: Sequence[str], *, via: str | None, output: str
) -> int:
    """Apply every password of a role, those that need no rotator first; print what changed."""
    way = ways.real(session.env, via)
    found = accounts.accounts(source, session.env, names)
    session.say(accounts.at_risk(source, session.env, names))
    done: list[Applied] = []
    with telling(lambda: {"done": [_tree(each) for each in done]}):
        for account in found:
            done.append(applying.apply(account, way))
            session.say("".join(f"sopsmith: warning: {one_line(e)}\n" for e in done[-1].warnings))
            if output == "text":  # as it goes: the next one may fail
                session.write(_lines(done[-1]))
    if output == "json":
        session.write(report.as_json([_tree(each) for each in done]))
    return 0


def _lines(done: Applied) -> str:
    """What changed, and who logs in."""
    made = [f"changed  {words}" for words in done.changes]
    if not made:
        made = [f"as it is  {done.account.active} has the password of {done.account.title}"]
    logins = [f"logs in  {done.account.urls[name].user} by {name}" for name in done.logins]
    return "".join(f"{line}\n" for line in (*made, *logins))


def _tree(done: Applied) -> dict[str, Any]:
    account = done.account
    return {
        "value": account.value, "version": account.now.version, "strategy": account.strategy,
        "role": account.active, "changes": list(done.changes),
        "logins": {name: each.verdict for name, each in done.logins.items()},
    }  # fmt: skip
