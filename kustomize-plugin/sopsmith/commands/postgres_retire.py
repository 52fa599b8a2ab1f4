"""`sopsmith postgres retire`: close the role that nobody uses any more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sopsmith import report
from sopsmith.database import accounts, retiring, ways
from sopsmith.database.accounts import Source
from sopsmith.database.applying import Applied
from sopsmith.database.consuming import Cluster
from sopsmith.database.failures import telling
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres.consumers import Place
from sopsmith.voice import Session


def retire(
    session: Session, source: Source, names: Sequence[str], cluster: Cluster, *, grace: float,
    via: str | None, output: str,
) -> int:  # fmt: skip
    """Retire every pair of alternating roles; print which role was closed.

    Where the cluster is not asked, only the server's sessions show who uses a role.
    """
    found = [e for e in accounts.accounts(source, session.env, names) if e.other is not None]
    if not found:
        raise SopsmithError(Finding("db-roles", "there are no alternating roles to retire"))
    way, users, place = ways.real(session.env, via), cluster.users, cluster.place()
    session.say(place.told if place else "")
    done: list[Applied] = []
    with telling(lambda: {"done": [_tree(each, place) for each in done]}):
        for each in found:
            begins = ways.watching(session.say)
            done.append(
                retiring.retire(each, way, users, grace=grace, now=time.monotonic, begins=begins)
            )
            if output == "text":  # as it goes: the next one may fail
                session.write(_line(done[-1]))
    if output == "json":
        session.write(report.as_json([_tree(each, place) for each in done]))
    return 0


def _line(done: Applied) -> str:
    words = ", ".join(done.changes)
    return f"changed  {words}\n" if words else f"as it is  {done.account.other} is closed\n"


def _tree(done: Applied, place: Place | None) -> dict[str, Any]:
    account = done.account
    return {"value": account.value, "role": account.other, "changes": list(done.changes),
            "cluster": place and place._asdict()}  # fmt: skip
