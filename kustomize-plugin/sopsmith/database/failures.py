"""What stops the work at a server, in our words, and the command that goes on."""

from __future__ import annotations

from collections.abc import Iterator
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
def spoken(account: Account) -> Iterator[None]:
    """Turn an SqlError into the finding that people see."""
    try:
        yield
    except SqlError as error:
        raise SopsmithError(sql_finding(account, error)) from None


def sql_finding(account: Account, error: SqlError) -> Finding:
    """What a failed statement means."""
    if error.state is None or error.state.startswith(("08", "57P")):
        message = "no answer came, so nobody knows whether the change was made"
        hint = "the server's log says why, or the command of --via, run by hand"
        return Finding("db-unknown", message, field=account.value, hint=hint)
    if error.state == "42501":
        message = "the server does not let this login do that"
        hint = f"sopsmith postgres bootstrap -e {account.environment} gives the right"
        return Finding("db-privilege", message, field=account.value, hint=hint)
    if error.state in ("22021", "22P05"):
        return refusals.foreign_characters(account)
    if error.state in ("55P03", "57014", "XX000", "40001", "40P01"):
        message = "somebody else changes the same roles"
        return Finding("db-locked", message, field=account.value)
    if error.state == "25006":
        message = "the server is read-only"
        hint = "name the primary in the rotator's URL"
        return Finding("db-standby", message, field=account.value, hint=hint)
    message = f"the server refuses a statement, SQLSTATE {error.state}"
    hint = "PostgreSQL's appendix A says what it means, and the server's log the rest"
    return Finding("db-failed", message, field=account.value, hint=hint)
