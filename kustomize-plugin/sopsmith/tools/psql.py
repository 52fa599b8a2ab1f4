"""Run SQL through a command that reaches a server's own socket, such as `kubectl exec -i … psql`.

For the database that nobody can log in to any more. The SQL goes in by stdin and holds verifiers
only; whatever the command says on stderr stays here.
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
        except SqlError as error:
            if error.state is not None:
                raise
            message = "the command of --via failed, or did not reach the database"
            hint = "run it by hand, as --via has it, with -c 'SELECT 1'"
            raise SopsmithError(Finding("db-unreachable", message, hint=hint)) from None
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
            raise SqlError(None)
        if result.status:
            states = _STATE.findall(result.stderr)  # of notices too, and the error's is the last
            raise SqlError(states[-1].decode() if states else None)
        return result.stdout


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
    if not words:
        hint = "--via 'kubectl exec -i postgres-0 -- psql -U postgres'"
        raise SopsmithError(Finding("usage", "--via names no command", hint=hint))
    program = words[0] if os.path.isabs(words[0]) else process.which(words[0], env.get("PATH", ""))
    if program is None:
        raise SopsmithError(Finding("program-missing", f"{words[0]} is not on PATH"))
    return Psql((program, *words[1:], *_FLAGS), env)
