"""Log in to PostgreSQL and run SQL there, by libpq through psycopg.

Straight on libpq's own functions: of a login that fails only libpq's trace tells the SQLSTATE, and
whatever hangs ends at a time limit. The texts of libpq and the server quote values and stay here.
"""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres.channel import At, SqlError
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.statements import PATH
from sopsmith.postgres.verdict import Attempt, Refusal, attempt

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

CONNECT = 10.0  # seconds for a login at one host; a URL may say less
QUERY = 30.0  # seconds for one statement
LEAVE = 5.0  # seconds in which a server ends a session that is over
_CODE = re.compile(rb'\tErrorResponse\t.* C "([0-9A-Z]{5})"')
_SILENT = Refusal(None, "network")
_PROVEN = b"\tAuthenticationSASLFinal\t"
# Nothing but the URL may give the password or the way, and nothing but SCRAM prove it.
_ALONE = {"passfile": f"{os.devnull}/none", "client_encoding": "UTF8", "gssencmode": "disable",
          "require_auth": "scram-sha-256"}  # fmt: skip
_STATE = (
    "SELECT concat_ws(' ', pg_backend_pid(), pg_is_in_recovery()::int,"
    " (current_setting('transaction_read_only') = 'on')::int,"
    " (has_database_privilege(current_database(), 'CREATE') OR EXISTS (SELECT FROM pg_namespace"
    " WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'"
    " AND has_schema_privilege(oid, 'CREATE')))::int)"
)


class Session(NamedTuple):
    """A login that stands."""

    conn: PGconn
    seconds: float = QUERY  # for one statement

    def is_pooled(self) -> bool:
        """Whether a pooler answers: it tells every client a number of its own. Raises SqlError."""
        return self.ask("SELECT pg_backend_pid()") != str(self.conn.backend_pid)

    def ask(self, sql: str) -> str | None:
        """Run statements; the first field that the last one gives, as text. Raises SqlError."""
        alone = f"SET LOCAL {PATH}; {sql}"  # one message is one transaction
        result = _result(self.conn, alone, time.monotonic() + self.seconds)
        value = result.get_value(0, 0) if result.ntuples else None
        return None if value is None else bytes(value).decode("utf-8", "replace")

    def transact(self, before: str, made: Sequence[str], at: At) -> None:
        """Run these in one transaction, after `before` in the same; raises SqlError.

        Where no answer to the COMMIT comes, nobody knows whether it was carried out.
        """
        steps = (("begin", f"BEGIN; {before}"), ("alter", ";\n".join(made)),
                 ("commit", "COMMIT"))  # fmt: skip
        for name, sql in steps:
            at(f"before {name}")
            self.ask(sql)
            at(f"after {name}")


def login(to: Endpoint, seconds: float = CONNECT) -> Attempt:
    """Try a login by SCRAM alone, so that it proves the password.

    Raises SopsmithError (program-missing).
    """
    if to.password is None:
        return Attempt("no-password", False)
    with _dialled(to, seconds) as (conn, refusal):
        if refusal is not None:
            return attempt(refusal)
        try:
            state = (Session(conn, seconds).ask(_STATE) or "").split()
        except SqlError as error:
            return attempt(Refusal(error.state, "server", proven=True))
        if len(state) != 4:
            return attempt(Refusal(None, "network"))
        pid, in_recovery, read_only, can_create = state
        is_pooled = pid != str(conn.backend_pid)  # a pooler tells every client a number of its own
        return Attempt("reachable", True, in_recovery == "1", read_only == "1", is_pooled,
                       can_create == "1")  # fmt: skip


@contextmanager
def session(
    to: Endpoint, name: str, *, connect: float = CONNECT, query: float = QUERY
) -> Iterator[Session]:
    """A session for SQL; `name` is the URL's, and the seconds are for the login and a statement.

    Raises SopsmithError: program-missing, and db-unreachable, db-login or db-unverified where the
    login fails.
    """
    with _dialled(to, connect) as (conn, refusal):
        if refusal is not None:
            raise SopsmithError(attempt(refusal).finding(name, to))
        yield Session(conn, query)


@contextmanager
def _dialled(to: Endpoint, seconds: float) -> Iterator[tuple[PGconn, Refusal | None]]:
    """A connection, and why it does not stand where it does not; closed in the end.

    Where a URL limits the time of each of several hosts, libpq passes over one that is silent. It
    does so only where it waits itself, so here it starts again with the others.
    """
    psycopg = _psycopg()
    limit = _limit(to)
    with _trace() as trace:
        with _own_environment():
            conn = psycopg.pq.PGconn.connect_start(_conninfo(psycopg, to))
        try:
            refusal = _dial(conn, trace, min(limit or seconds, seconds))
            others = _without(to, conn) if limit and refusal is _SILENT else None
            if others is None:
                yield conn, refusal
        finally:
            _end(conn)
    if others is not None:
        with _dialled(others, seconds) as found:
            yield found


def _end(conn: PGconn) -> None:
    """Close a connection; one at rest has left the server then.

    libpq says goodbye and waits for nothing, and until the server is done with it, whoever looks
    for sessions of the role sees ours, and takes it for the application's.
    """
    from psycopg import pq

    if conn.transaction_status != pq.TransactionStatus.IDLE:
        conn.finish()
        return
    until = time.monotonic() + LEAVE
    with socket.socket(fileno=os.dup(conn.socket)) as line, suppress(OSError):  # reset: it is over
        conn.finish()
        line.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0 and any(select.select([line], [], [], left)):
            if not line.recv(1 << 12):
                return


def _limit(to: Endpoint) -> int | None:
    """The seconds that a URL gives each host; None where it sets no limit."""
    text = to.options.get("connect_timeout", "").strip()
    return max(int(text), 2) if text.isdecimal() and int(text) else None  # as libpq before 17


def _without(to: Endpoint, conn: PGconn) -> Endpoint | None:
    """The hosts but the one that is being dialled; None where there are no others."""
    hosts, ports = to.host.split(","), to.port.split(",")
    places = list(zip(hosts, ports * len(hosts) if len(ports) == 1 else ports, strict=False))
    silent = (conn.host.decode(), conn.port.decode())
    left = [number for number, place in enumerate(places) if place != silent]

    def kept(text: str) -> str:
        each = text.split(",")
        return text if len(each) == 1 else ",".join(each[number] for number in left)

    if not left or len(left) == len(places):
        return None
    options = {n: kept(text) if n == "hostaddr" else text for n, text in to.options.items()}
    return to._replace(host=kept(to.host), port=kept(to.port), options=options)


@contextmanager
def _trace() -> Iterator[int]:
    """A file in memory, for what libpq tells of a login; it sees no password there."""
    descriptor = os.memfd_create("libpq") if hasattr(os, "memfd_create") else _nameless()
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _nameless() -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _conninfo(psycopg: Any, to: Endpoint) -> bytes:
    secret = {} if to.password is None else {"password": to.password.text() or ""}
    place = {"host": to.host, "port": to.port, "dbname": to.database, "user": to.user}
    text: str = psycopg.conninfo.make_conninfo(**{**to.options, **_ALONE}, **place, **secret)
    return text.encode()


@contextmanager
def _own_environment() -> Iterator[None]:
    """Hide libpq's own variables (PGPASSWORD, PGSERVICE, PGOPTIONS, …) while it reads them."""
    hidden = {name: text for name, text in os.environ.items() if name.startswith("PG")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)


def _dial(conn: PGconn, trace: int, seconds: float) -> Refusal | None:
    """Wait for the login to stand, or say why it does not; the seconds are for each host."""
    from psycopg import pq

    if conn.status == pq.ConnStatus.BAD:
        return Refusal(None, "network")
    conn.trace(trace)
    step = int(pq.PollingStatus.WRITING)
    place = until = None
    while step not in (pq.PollingStatus.OK, pq.PollingStatus.FAILED):
        if until is None or place != (conn.host, conn.port):
            place, until = (conn.host, conn.port), time.monotonic() + seconds
        if not _ready(conn, until, write=step == pq.PollingStatus.WRITING):
            return _SILENT
        step = conn.connect_poll()
    conn.untrace()  # which writes out what it has
    if step == pq.PollingStatus.OK:
        return None
    seen = os.pread(trace, 1 << 20, 0)
    codes = _CODE.findall(seen)
    return Refusal(codes[-1].decode() if codes else None, _stage(conn), _PROVEN in seen)


def _stage(conn: PGconn) -> Any:
    """How far a login came: libpq's own words, which no server translates."""
    text = conn.get_error_message()
    if "authentication method requirement" in text or "channel binding" in text:
        return "auth"
    is_tls = any(word in text for word in ("SSL", "certificate", "TLS"))
    return "tls" if is_tls else "network"


def _ready(conn: PGconn, until: float, *, write: bool) -> bool:
    """Wait until the connection can be read, or written; False when the time is over."""
    ends = ([], [conn.socket]) if write else ([conn.socket], [])
    left = until - time.monotonic()
    return left > 0 and any(select.select(*ends, [], left))


def _result(conn: PGconn, sql: str, until: float) -> PGresult:
    """What the last of these statements gives; raises SqlError for the first that fails."""
    import psycopg
    from psycopg import pq

    last: PGresult | None = None
    state: str | None = None
    is_bad = False
    try:
        conn.send_query(sql.encode())
        while True:
            while conn.is_busy():
                if not _ready(conn, until, write=False):
                    raise SqlError(None)
                conn.consume_input()
            result = conn.get_result()
            if result is None:
                break
            last = result
            if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
                is_bad = True
                field = result.error_field(pq.DiagnosticField.SQLSTATE)
                state = bytes(field).decode() if field else None
    except psycopg.Error:
        raise SqlError(None) from None
    if is_bad or last is None or conn.status != pq.ConnStatus.OK:
        raise SqlError(state)
    return last


def _psycopg() -> Any:
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError:
        hint = "pip install 'PATH_OF_THE_CHECKOUT[postgres]'"
        message = "the psycopg package is not installed"
        raise SopsmithError(Finding("program-missing", message, hint=hint)) from None
    return psycopg
