"""What came of a login, in words that hold for every server and language. Pure.

By SQLSTATE (PostgreSQL, appendix A) and by how far the login came, never by a server's text.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sopsmith.findings import Finding
from sopsmith.postgres.endpoint import Endpoint

Verdict = Literal[
    "reachable",  # the password logs in, and the server has checked it
    "wrong-password",  # or no such role, or one that has expired: a server tells these from nobody
    "not-allowed",  # the role may not log in, or not from here
    "no-database",
    "stale",  # a pooler or a standby lets in, and the primary does not
    "unverified",  # the server lets in without checking the password, or asks for it in the clear
    "no-password",  # the URL holds none, so whatever logs in proves nothing
    "tls",  # the connection is not encrypted as the URL asks
    "busy",  # too many connections
    "starting",  # or shutting down
    "unreachable",
    "refused",  # for another reason of the server's
]


class Refusal(NamedTuple):
    """How a login failed, as libpq saw it."""

    state: str | None  # the server's SQLSTATE
    stage: Literal["network", "auth", "tls", "server"]
    proven: bool = False  # the server had checked the password by then


class Attempt(NamedTuple):
    """What came of one login."""

    verdict: Verdict
    proven: bool  # this password is the role's
    in_recovery: bool = False
    read_only: bool = False
    pooled: bool = False  # it is a pooler's word
    can_create: bool = True  # something, in a schema of this database

    @property
    def is_good(self) -> bool:
        """Whether an application can log in and the password was checked."""
        return self.verdict == "reachable"

    @property
    def is_answer(self) -> bool:
        """Whether the server said yes or no to the password: else nothing is known of it."""
        return self.proven or self.verdict == "wrong-password"

    @property
    def words(self) -> str:
        """For people."""
        notes = {"standby": self.in_recovery, "read-only": self.read_only, "pooler": self.pooled}
        said = ", ".join(word for word, holds in notes.items() if holds)
        return _WORDS[self.verdict] + (f" ({said})" if said else "")

    def finding(self, name: str, to: Endpoint) -> Finding:
        """The same as a finding about a URL of this name."""
        code, hint = _FINDINGS[self.verdict]
        if to.scheme != "postgresql":
            hint = _REDIS.get(self.verdict, hint)
        message = f"{to.user} at {to.place}: {self.words}"
        return Finding(code, message, field=name, hint=hint)


_WORDS: dict[Verdict, str] = {
    "reachable": "logs in",
    "wrong-password": "wrong password, or the role is missing or expired",
    "not-allowed": "the role may not log in, or not from here",
    "no-database": "the database does not exist",
    "stale": "logs in here, and not at the primary",
    "unverified": "the server does not check the password, so a login proves nothing",
    "no-password": "the URL holds no password, so a login proves nothing",
    "tls": "no connection encrypted as the URL asks",
    "busy": "too many connections",
    "starting": "the server is starting or stopping",
    "unreachable": "unreachable",
    "refused": "the server refuses the login",
}
CREATE_IT = "create it, or correct the URL's path"
_FINDINGS: dict[Verdict, tuple[str, str | None]] = {
    "reachable": ("db-unreachable", None),
    "wrong-password": ("db-login", "sopsmith postgres status shows which password it holds"),
    "not-allowed": ("db-login", "pg_hba.conf and ALTER ROLE … LOGIN decide; see the server's log"),
    "no-database": ("db-login", CREATE_IT),
    "stale": (
        "db-unverified",
        "a pooler or a standby answers with what it knew: wait, or reload it",
    ),
    "unverified": ("db-unverified", "let pg_hba.conf ask for scram-sha-256"),
    "no-password": ("db-unverified", "derive the URL with password: $(NAME)"),
    "tls": ("db-unreachable", "sslmode and sslrootcert of the URL have to fit the server"),
    "busy": (
        "db-unreachable",
        "raise max_connections, or the role's or database's CONNECTION LIMIT; or close some",
    ),
    "starting": ("db-unreachable", "check --wait 60s waits until it is up"),
    "unreachable": ("db-unreachable", "look at host, port and network; check --wait 60s waits"),
    "refused": ("db-login", "the server's log says why"),
}
_REDIS: dict[Verdict, str] = {
    "wrong-password": "it reads its password at its start: restart it with the current Secret",
    "not-allowed": "ACL LIST there says who may do what",
    "unverified": "give it the password: requirepass, or ACL SETUSER",
}
_BY_STATE: dict[str, Verdict] = {
    "28P01": "wrong-password",
    "28000": "not-allowed",
    "3D000": "no-database",
    "42501": "not-allowed",  # no CONNECT on the database
    "53300": "busy",
    "57P03": "starting",
    "57P01": "starting",
    "57P02": "starting",
    "0A000": "unverified",
    "08P01": "refused",
}


def attempt(refusal: Refusal) -> Attempt:
    """What a refusal means."""
    if refusal.state is not None:
        verdict = _BY_STATE.get(refusal.state, "refused")
        return Attempt(verdict, refusal.proven)
    by_stage: dict[str, Verdict] = {"auth": "unverified", "tls": "tls"}
    return Attempt(by_stage.get(refusal.stage, "unreachable"), refusal.proven)
