"""What stops the work at a server, in our words, and the command that goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import refusals
from sopsmith.postgres.account import Account
from sopsmith.postgres.channel import SqlError

PASSING = (
    "db-locked",
    "db-login",
    "db-pooler",
    "db-unknown",
    "db-unreachable",
    "db-unverified",
)  # may go by
_OTHERS = "somebody else changes the same roles"
_LOCKED = {
    "40001": _OTHERS,
    "40P01": _OTHERS,
    "42710": _OTHERS,  # by now it is there; so it is with the next
    "23505": _OTHERS,
    "55P03": _OTHERS,
    "57014": "a statement took too long: the server is busy, or somebody else is at the roles",
    "XX000": "the server gave up, as where two change the same role at once; its log says why",
}


@contextmanager
def repeatable(account: Account, verb: str) -> Iterator[None]:
    """Name the command that does what is left, where none is named for what stops us."""
    command = f"sopsmith postgres {verb} -e {account.environment}"
    try:
        yield
    except SopsmithError as error:
        raise SopsmithError(_again(each, command) for each in error.findings) from None


def _again(finding: Finding, command: str) -> Finding:
    if finding.code not in PASSING or "sopsmith " in (finding.hint or ""):
        return finding
    before = f"{finding.hint}; then run" if finding.hint else "run"
    return finding._replace(hint=f"{before} it again: {command}")


@contextmanager
def telling(done: Callable[[], Mapping[str, object]]) -> Iterator[None]:
    """Where one of several accounts stops us, tell who asked for JSON what was done by then."""
    try:
        yield
    except SopsmithError as error:
        raise SopsmithError(error.findings, done()) from None


@contextmanager
def spoken(account: Account, *, is_change: bool = False) -> Iterator[None]:
    """Turn an SqlError into the finding that people see; without an answer to a change nobody knows
    whether it was made."""
    try:
        yield
    except SqlError as error:
        raise SopsmithError(sql_finding(account, error, is_change=is_change)) from None


def sql_finding(account: Account, error: SqlError, *, is_change: bool = False) -> Finding:
    """What a failed statement means."""
    if error.state is None or error.state.startswith(("08", "57P")):
        return _unanswered(account, is_change)
    if error.state == "42501":
        message = "the server does not let this login do that"
        hint = f"sopsmith postgres bootstrap -e {account.environment} gives the right"
        return Finding("db-privilege", message, field=account.value, hint=hint)
    if error.state in ("22021", "22P05"):
        return refusals.foreign_characters(account)
    if error.state in _LOCKED:
        return Finding("db-locked", _LOCKED[error.state], field=account.value)
    if error.state == "25006":
        message = "the server is read-only"
        hint = "name the primary in the rotator's URL"
        return Finding("db-standby", message, field=account.value, hint=hint)
    message = f"the server refuses a statement, SQLSTATE {error.state}"
    hint = "PostgreSQL's appendix A says what it means, and the server's log the rest"
    return Finding("db-failed", message, field=account.value, hint=hint)


def _unanswered(account: Account, is_change: bool) -> Finding:
    hint = "the server's log says why, or the command of --via, run by hand"
    if not is_change:
        message = "no answer came; nothing was changed"
        return Finding("db-unreachable", message, field=account.value, hint=hint)
    message = "no answer came, so nobody knows whether the change was made"
    return Finding("db-unknown", message, field=account.value, hint=hint)
