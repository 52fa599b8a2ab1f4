"""`sopsmith audit`: who changed what, when, and whether the commit is signed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sopsmith import report
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, text
from sopsmith.history import chronicle, past, trail
from sopsmith.history.standing import labels
from sopsmith.tools import files, git
from sopsmith.voice import Session

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2})?)?\Z")
_SIGNATURES = {
    "G": "good", "U": "good, trust unknown", "X": "good, expired", "Y": "good, key expired",
    "R": "key revoked", "B": "BAD", "E": "can't be checked", "N": "no",
}  # fmt: skip


def audit(session: Session, *, since: str | None, where: str | None, output: str) -> int:
    """Print the trail, newest first. It is a report: a bad signature is marked, and no failure."""
    here = git.Repository(files.find_root(".", session.env), session.env)
    environment = past.environment(where, session.env)
    lived = _lived(here, since, environment)
    past.check_known(environment, lived.standings.values())
    found = chronicle.events(lived.commits, lived.standings, lived.edges)
    signed = git.signatures(here, list(dict.fromkeys(event.commit for event in found)))
    commits = {each.hash: each for each in lived.commits}
    rows = [
        _row(commits[event.commit], signed.get(event.commit, "N"), event, row)
        for event in found
        for row in event.rows
    ]
    if lived.edges:
        session.say(text([past.SHALLOW], "sopsmith: "))
    if output == "json":
        session.write(report.as_json(rows))
    elif output == "jsonl":
        session.write("".join(report.as_json(row, indent=None) for row in rows))
    else:
        session.write(_table(rows, session.colour) if rows else "no commit changed a secret\n")
    return 0


def _lived(here: git.Repository, since: str | None, environment: str | None) -> past.Lived:
    """The commits that are asked for: after a commit, or from a day on."""
    if since is None:
        return past.along(here, environment)
    commit = git.commit_of(here, since)
    if commit is not None:
        return past.along(here, environment, since=commit)
    if not _is_day(since):
        hint = "name a commit, a branch, a tag or a day such as 2026-11-21"
        if git.is_shallow(here):
            hint += "; the clone is shallow: git fetch --unshallow brings older commits"
        raise SopsmithError(Finding("usage", "--since is no commit and no day", hint=hint))
    return past.along(here, environment, is_meant=lambda each: each.date >= since)


def _is_day(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return _DAY.match(text) is not None


def _row(commit: git.Commit, letter: str, event: chronicle.Event, row: Any) -> dict[str, Any]:
    app, environment, _ = event.leaf or (None, None, None)
    commands = trail.trailers(commit.message).get(trail.COMMAND, [])
    return {
        **past.as_data(commit),
        "signed": _SIGNATURES.get(letter, "can't be checked"),
        "command": commands[0] if commands else None,
        "app": app,
        "environment": environment,
        **row._asdict(),
    }


def _table(rows: Sequence[dict[str, Any]], colour: bool) -> str:
    header = ("COMMIT", "DATE", "AUTHOR", "SIGNED", "COMMAND", "ENVIRONMENT", "WHAT", "NAME",
              "CHANGE", "DETAIL")  # fmt: skip
    leaves = {(row["app"], row["environment"], "") for row in rows if row["app"]}
    label = labels(leaves)
    body = [
        (row["commit"][:12], row["date"][:10], report.brief(row["author"]), row["signed"],
         row["command"] or "-",
         label((row["app"], row["environment"], "") if row["app"] else None),
         row["what"], row["name"], row["change"], row["detail"] or "-")
        for row in rows
    ]  # fmt: skip
    return report.table(header, body, colour)
