"""What a way to a server has to give: somewhere to run SQL. Two are in tools: a login, and psql."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

At = Callable[[str], None]
"""Told each point that work comes to, such as `before commit`."""


class Channel(Protocol):
    """A server that runs SQL, with nothing but PostgreSQL's own in the path."""

    def is_pooled(self) -> bool:
        """Whether it is a pooler's, so that others get the session next. Raises SqlError."""

    def ask(self, sql: str) -> str | None:
        """Run statements; the first field that the last one gives, as text. Raises SqlError."""

    def transact(self, before: str, made: Sequence[str], at: At) -> None:
        """Run these in one transaction, after `before` in the same; raises SqlError."""


class SqlError(Exception):
    """A statement failed; its SQLSTATE says why, or None where no answer came.

    Without an answer nobody knows whether the statement was carried out.
    """

    def __init__(self, state: str | None) -> None:
        super().__init__(state or "no answer")
        self.state = state
