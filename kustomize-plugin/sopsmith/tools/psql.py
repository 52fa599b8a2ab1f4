"""Run SQL through a command that reaches a server's own socket, such as `kubectl exec -i … psql`.

For the database that nobody can log in to any more. The SQL goes in by stdin and holds verifiers
only; whatever the command says on stderr stays here, and is told in words of ours.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import statements
from sopsmith.postgres.channel import At, SqlError
from sopsmith.tools import process

TIMEOUT = 60.0  # seconds; a cluster's API may take some of them
_FLAGS = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=sqlstate")
_ESCAPED = str.maketrans({"\\": r"\\", "'": r"\'", "\n": r"\n", "\r": r"\r"})  # as psql reads it
_FIRST = f"SET client_encoding TO 'UTF8';\nSET {statements.PATH};\n"
# `ERROR:  55P03`, the first word in the server's language; classes 00 to 02 are no errors.
_STATE = re.compile(rb":  (?!0[0-2])(?=[A-Z]*[0-9])([0-9A-Z]{5})\r?$", re.MULTILINE)

_BY_HAND = "run it by hand, as --via has it, with -c 'SELECT 1'"
_NOBODY = ", or did not reach the database"
_STOPPED = {
    "timeout": f": no answer came in {TIMEOUT:.0f} s",
    "not-startable": ": the program can't be started",
}
_STATUS = {  # of shells, `exec` of containers, and psql
    126: ": a program that it names can't be started",
    127: ": a program that it names is not there",
    2: ": psql did not reach the server, or lost it",
}
# What kubectl, docker, ssh and libpq say in English, with names and maybe more in between.
_REASONS = tuple(
    (re.compile(pattern.encode()), words)
    for pattern, words in (
        (r"executable file not found|command not found", "a program that it names is not there"),
        (r"pods? .*not found|container .*not (?:found|valid)|[Nn]o such container",
         "the pod or container that it names is not there"),
        (r"[Nn]amespaces? .*not found|context .*does not exist",
         "the namespace or context that it names is not there"),
        (r"\(Forbidden\)|\(Unauthorized\)|must be logged in to the server",
         "the cluster does not let this user do that"),
        (r"Unable to connect to the server|did you specify the right host|Docker daemon",
         "the cluster or the container engine can't be reached"),
        (r"(?:unrecognized|unknown|invalid) (?:option|flag|shorthand)|too many command-line",
         "a program that it names does not know its options"),
        (r"FATAL: +role .* does not exist", "the server has no role of the name that psql gives"),
        (r"FATAL: +database .* does not exist",
         "the server has no database of the name that psql gives; -d names one"),
        (r"authentication failed for user|no password supplied|no pg_hba\.conf entry",
         "the server does not let psql log in: a password is wrong, or its pg_hba.conf says how"),
        (r"not translate host name", "the host that it names is not known"),
        (r"[Cc]onnection refused|Is the server running",
         "no server listens at that port or socket"),
    )
)  # fmt: skip


class Psql(NamedTuple):
    """A command that ends in psql; each call of it is a session of its own."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    database: str | None = None  # another than the command's own

    def is_pooled(self) -> bool:
        """No: it is at the server's own socket."""
        return False

    def ask(self, sql: str) -> str | None:
        """Run statements; the first field that the last one gives.

        Raises SqlError, and SopsmithError (db-unreachable) where the command itself fails: a
        question changes nothing, so that nothing is unknown then.
        """
        try:
            answer = self._run(sql)
        except _NoAnswer as error:
            message = f"the command of --via failed{error.why}"
            raise SopsmithError(Finding("db-unreachable", message, hint=_BY_HAND)) from None
        lines = answer.decode("utf-8", "replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), None)

    def transact(self, before: str, made: Sequence[str], at: At) -> None:
        """Run these in one transaction, after `before` in the same; raises SqlError."""
        at("before commit")
        self._run(statements.script(made, before))
        at("after commit")

    def _run(self, sql: str) -> bytes:
        text = f"{_connect(self.database)}{_FIRST}{sql}"
        result = process.run(process.Call(self.argv, text.encode(), self.env), TIMEOUT)
        if isinstance(result, process.Failed):
            raise _NoAnswer(_STOPPED.get(result.reason, _NOBODY))
        if result.status:
            states = _STATE.findall(result.stderr)  # of notices too, and the error's is the last
            raise SqlError(states[-1].decode()) if states else _NoAnswer(_why(result))
        return result.stdout


class _NoAnswer(SqlError):
    """No answer came, and what is known of why, in our words."""

    def __init__(self, why: str) -> None:
        super().__init__(None)
        self.why = why


def _why(done: process.Done) -> str:
    """Of two reasons that show, the first of the list: it is the one that is nearer to us."""
    for pattern, words in _REASONS:
        if pattern.search(done.stderr):
            return f": {words}"
    return _STATUS.get(done.status, _NOBODY)


def _connect(database: str | None) -> str:
    """What makes psql change to a database, with all else as it was: one line, whatever its name
    is, as psql would run what stands on the next one."""
    if database is None:
        return ""
    value = database.replace("\\", r"\\").replace("'", r"\'")
    named = statements.name(f"dbname='{value}'").translate(_ESCAPED)
    return f"\\connect -reuse-previous=on '{named}'\n"


def psql(command: str, env: Mapping[str, str]) -> Psql:
    """The channel of a command line; psql's own flags are added to it.

    Raises SopsmithError: usage, program-missing.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    hint = "--via 'kubectl exec -i postgres-0 -- psql -U postgres'"
    if not words:
        raise SopsmithError(Finding("usage", "--via names no command", hint=hint))
    program = words[0] if os.path.isabs(words[0]) else process.which(words[0], env.get("PATH", ""))
    if program is None:
        raise SopsmithError(Finding("program-missing", f"{words[0]} is not on PATH", hint=hint))
    return Psql((program, *words[1:], *_FLAGS), env)
