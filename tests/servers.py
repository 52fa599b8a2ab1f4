"""Real PostgreSQL servers on loopback: started in a folder of their own, gone with it.

Each listens on 127.0.0.1 and on a socket in its folder, and runs as `nobody` where we are root,
which PostgreSQL refuses. Its superuser `owner` comes in by the socket, whose folder is closed to
other users; everybody else by the rules (`hba`) that a test gives it.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from tests.programs import free_port, has_library, run, short_folder, wait_until

OWNER_RULES = "local all owner trust\nlocal replication owner trust\n"
RULES = "host all all 127.0.0.1/32 scram-sha-256\n"
STATEMENTS = "pg_stat_statements"
LEAVE = 30  # seconds in which a server ends a session that is over

LOUD: Mapping[str, str] = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_parameter_max_length_on_error": "-1",
    "log_error_verbosity": "verbose",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_replication_commands": "on",
    "shared_preload_libraries": STATEMENTS,  # left out where the build has none
}
"""A server that says everything it hears, so that `heard` can look for what it must not hear."""


class Server(NamedTuple):
    """A server: where its programs, its files and its port are."""

    programs: Path
    folder: Path  # holds the socket, `data` and `log`
    port: int

    def url(self, user: str, password: str | None, database: str = "postgres", **query: str) -> str:
        """The URL of a login on loopback, percent-encoded; without TLS if the query asks none."""
        secret = "" if password is None else f":{quote(password, safe='')}"
        place = f"{quote(user, safe='')}{secret}@127.0.0.1:{self.port}/{quote(database, safe='')}"
        return f"postgresql://{place}?{urlencode({'sslmode': 'disable', **query})}"

    def login(self, url: str, **options: Any) -> tuple[str, str] | None:
        """The role and database that libpq gets to by the URL and its password; None if refused."""
        try:
            with leaving(psycopg.connect(url, require_auth="scram-sha-256", **options)) as into:
                return into.execute("select current_user, current_database()").fetchone()
        except psycopg.Error:  # refused, or no URL that libpq reads
            return None

    def owner(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the superuser's, in autocommit; the caller closes it."""
        where: dict[str, Any] = {"host": str(self.folder), "port": self.port, "user": "owner"}
        return psycopg.connect(dbname=database, autocommit=True, **where)

    def owner_run(self, statement: str | Composed, database: str = "postgres") -> None:
        """Run statements as the superuser."""
        with closing(self.owner(database)) as connection:
            connection.execute(statement)

    def owner_ask(
        self, question: str | Composed, database: str = "postgres"
    ) -> list[tuple[Any, ...]]:
        """All rows of the superuser's query."""
        with closing(self.owner(database)) as connection:
            return connection.execute(question).fetchall()

    def role(self, user: str, password: str | None = None, options: str = "LOGIN") -> None:
        """Create a role; the server hears only a verifier.

        It takes the place of one that may be there and of what that one has in `postgres`.
        """
        name = Identifier(user)
        known = SQL("select 1 from pg_roles where rolname = {}").format(Literal(user))
        if self.owner_ask(known):
            self.owner_run(SQL("DROP OWNED BY {}").format(name))
            self.owner_run(SQL("DROP ROLE {}").format(name))
        self.owner_run(SQL("CREATE ROLE {} ").format(name) + SQL(options))
        if password is not None:
            self.change(user, password)

    def change(self, user: str, password: str, algorithm: str = "scram-sha-256") -> None:
        """Give a role another password, likewise."""
        with closing(self.owner()) as connection:
            pair = password.encode(), user.encode()
            verifier = connection.pgconn.encrypt_password(*pair, algorithm.encode()).decode()
            alter = SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(user), Literal(verifier))
            connection.execute(alter)

    def database(self, name: str) -> None:
        """Create an empty database, in place of one that may be there."""
        self.owner_run(SQL("DROP DATABASE IF EXISTS {}").format(Identifier(name)))
        self.owner_run(SQL("CREATE DATABASE {} STRATEGY file_copy").format(Identifier(name)))

    def log(self) -> str:
        """All that it has written since it was made."""
        return (self.folder / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start it and wait until it answers. Raises RuntimeError with its last words."""
        try:
            self._control("--log", self.folder / "log", "start")
        except subprocess.CalledProcessError:
            raise RuntimeError("no start: " + "\n".join(self.log().splitlines()[-10:])) from None

    def stop(self, mode: str = "fast") -> None:
        """Stop it, if it runs; `immediate` is a crash."""
        if (self.folder / "data/postmaster.pid").exists():
            self._control(f"--mode={mode}", "stop")

    def restart(self, mode: str = "fast") -> None:
        """Stop and start it, on the same port."""
        self.stop(mode)
        self.start()

    def reload(self, *, hba: str | None = None, settings: Mapping[str, str] | None = None) -> None:
        """Put other rules or more settings in force. Raises ValueError for rules it can't read."""
        before = self.owner_ask("select pg_conf_load_time()")
        self.write(hba=hba, settings=settings or {})
        self._control("reload")
        wait_until(lambda: self.owner_ask("select pg_conf_load_time()") != before, "the reload")
        if wrong := self.owner_ask(
            "select line_number, error from pg_hba_file_rules where error>''"
        ):
            raise ValueError(f"rules that PostgreSQL can't read: {wrong}")

    def write(self, *, hba: str | None, settings: Mapping[str, str]) -> None:
        """Write the rules below the owner's own, and settings that replace earlier ones."""
        data = self.folder / "data"
        if hba is not None:
            (data / "pg_hba.conf").write_text(OWNER_RULES + hba)
        with (data / "postgresql.conf").open("a") as file:
            for name, value in settings.items():
                file.write(f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n")

    def _control(self, *words: str | Path) -> None:
        run(self.programs / "pg_ctl", "--pgdata", self.folder / "data", "--wait", *words)


@contextmanager
def leaving(
    connection: psycopg.Connection[tuple[Any, ...]],
) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Closed in the end, and gone from the server: who looks for its sessions next sees it not."""
    with socket.socket(fileno=os.dup(connection.fileno())) as line:
        with closing(connection):
            yield connection
        line.settimeout(LEAVE)
        with suppress(OSError):  # reset: it is gone, too
            while line.recv(1 << 12):
                pass


@contextmanager
def server(
    programs: Path,
    *,
    hba: str | None = None,
    settings: Mapping[str, str] | None = None,
    superuser_password: str | None = None,
) -> Iterator[Server]:
    """A new server that runs; with a password, its owner may also come in by the rules."""
    with short_folder() as folder:
        run(programs / "initdb", "--pgdata", folder / "data", "--username=owner",
            "--auth=reject", "--encoding=UTF8", "--locale=C", "--no-sync")  # fmt: skip
        made = Server(programs, folder, free_port())
        made.write(hba=RULES if hba is None else hba, settings=_place(made))
        made.write(hba=None, settings=_known(programs, settings or {}))
        with _running(made):
            if _has_statements(made):
                made.owner_run(f"CREATE EXTENSION {STATEMENTS}")
            if superuser_password is not None:
                made.change("owner", superuser_password)
            yield made


@contextmanager
def standby(of: Server, *, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A hot standby that streams from a server and has its rules and settings.

    It lags for good with `recovery_min_apply_delay`, or between `pause` and `resume`.
    """
    with short_folder() as folder:
        run(of.programs / "pg_basebackup", "--pgdata", folder / "data", "--host", of.folder,
            "--port", str(of.port), "--username=owner", "--write-recovery-conf",
            "--checkpoint=fast", "--no-sync")  # fmt: skip
        made = Server(of.programs, folder, free_port())
        made.write(hba=None, settings={**_place(made), **(settings or {})})
        with _running(made):
            yield made


def pause(standby: Server) -> None:
    """From now on it receives but doesn't show what changes."""
    standby.owner_run("select pg_wal_replay_pause()")
    state = "select pg_get_wal_replay_pause_state()"
    wait_until(lambda: standby.owner_ask(state) == [("paused",)], "the pause")


def resume(standby: Server) -> None:
    """It shows again what changes."""
    standby.owner_run("select pg_wal_replay_resume()")


def follow(standby: Server, of: Server) -> None:
    """Wait until it shows all that its primary shows now."""
    ((there,),) = of.owner_ask("select pg_current_wal_lsn()::text")
    question = SQL("select pg_last_wal_replay_lsn() >= {}::pg_lsn").format(Literal(there))
    wait_until(lambda: standby.owner_ask(question) == [(True,)], "the standby to follow")


def heard(server: Server, canaries: Iterable[str]) -> list[str]:
    """Where the server has a canary: its log, its statistics, what its sessions last ran."""
    places = {"log": server.log(), "pg_stat_activity": _column(server, "pg_stat_activity")}
    if _has_statements(server):
        places[STATEMENTS] = _column(server, STATEMENTS)
    sought = list(canaries)
    return [f"{place}: {each}" for place, text in places.items() for each in sought if each in text]


@contextmanager
def _running(made: Server) -> Iterator[None]:
    try:
        made.start()
        yield
    finally:
        made.stop("immediate")


def _place(made: Server) -> dict[str, str]:
    return {
        "port": str(made.port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(made.folder),
        "fsync": "off",
    }


def _known(programs: Path, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings without the library that some builds lack."""
    there = has_library(programs, STATEMENTS)
    return {name: value for name, value in settings.items() if there or value != STATEMENTS}


def _has_statements(server: Server) -> bool:
    return server.owner_ask("show shared_preload_libraries") == [(STATEMENTS,)]


def _column(server: Server, view: str) -> str:
    rows = server.owner_ask(SQL("select query from {}").format(Identifier(view)))
    return "\n".join(query or "" for (query,) in rows)
