"""`sopsmith postgres retire`: close the role that nobody uses any more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sopsmith import report
from sopsmith.database import accounts, consuming, retiring, ways
from sopsmith.database.accounts import Source
from sopsmith.database.applying import Applied
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import consumers
from sopsmith.voice import Session


def retire(
    session: Session, source: Source, names: Sequence[str], *, grace: float,
    namespace: str | None, in_cluster: bool, via: str | None, output: str,
) -> int:  # fmt: skip
    """Retire every pair of alternating roles; print which role was closed.

    Without `in_cluster` only the server's sessions show who uses a role.
    """
    found = [e for e in accounts.accounts(source, session.env, names) if e.other is not None]
    if not found:
        raise SopsmithError(Finding("db-roles", "there are no alternating roles to retire"))
    way = ways.real(session.env, via)

    def who(role: str) -> Sequence[str]:
        return consumers.of(consuming.live(namespace), role) if in_cluster else ()

    done = [retiring.retire(e, way, who, grace=grace, now=time.monotonic) for e in found]
    if output == "json":
        session.write(report.as_json([_tree(each) for each in done]))
    else:
        session.write("".join(map(_line, done)))
    return 0


def _line(done: Applied) -> str:
    words = ", ".join(done.changes)
    return f"changed  {words}\n" if words else f"as it is  {done.account.other} is closed\n"


def _tree(done: Applied) -> dict[str, Any]:
    account = done.account
    return {"value": account.value, "role": account.other, "changes": list(done.changes)}
