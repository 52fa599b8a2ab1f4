"""Run PostgreSQL's own programs on a data directory of this machine.

Servers that are started here listen on no network, only on a socket in a folder that its owner
alone can enter, and start no background work of their own. What the programs say may quote rows:
it is classified, and never told.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.tools import process

NEEDED = ("postgres", "initdb", "pg_ctl", "pg_controldata", "pg_dump", "pg_dumpall", "pg_restore",
          "psql")  # fmt: skip
OLDEST = 14
_SHORT = 60.0  # seconds
_LONG = 7 * 86400.0
_LONGEST_SOCKET = 90  # characters of the folder; the system takes 107 with the socket's own name
_NO_ROOM = re.compile(rb"No space left on device|File too large|Disk quota exceeded")
_SESSION = ("search_path=pg_catalog", "default_transaction_read_only=off", "statement_timeout=0",
            "lock_timeout=0", "TimeZone=UTC", "datestyle=ISO", "intervalstyle=postgres",
            "extra_float_digits=3", "bytea_output=hex")  # fmt: skip


class Programs(NamedTuple):
    """PostgreSQL's programs of one version."""

    folder: str
    major: int
    env: Mapping[str, str]  # of every child


class Server(NamedTuple):
    """A server: one that runs for us alone, or the one that runs from the directory anyway."""

    programs: Programs
    host: str  # the folder of its socket
    user: str  # the superuser that commands come from
    port: str = "5432"


class Settings(NamedTuple):
    """How a server of ours is started."""

    sockets: str  # a folder that only its owner can enter, with a short path
    hba: str  # a file that says who may log in, in place of the directory's own
    ident: str
    log: str


def find(folder: str | None, env: Mapping[str, str]) -> Programs:
    """The programs in a folder, by default that of the initdb on PATH, else of `pg_config`.

    Raises SopsmithError (program-missing, or recreate-refused for root).
    """
    if os.geteuid() == 0:
        hint = "run it as the user who owns the data directory, e.g. `runuser -u postgres -- …`"
        message = "PostgreSQL does not run as root"
        raise SopsmithError(Finding("recreate-refused", message, hint=hint))
    child = {"PATH": env.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
    folder = os.path.abspath(folder) if folder else _folder(env.get("PATH", ""), child)
    missing = [name for name in NEEDED if process.which(name, folder) is None]
    if missing:
        message = f"PostgreSQL's programs are not all in {folder}: {', '.join(missing)}"
        raise SopsmithError(_missing(message))
    versions = {process.version((os.path.join(folder, name), "--version"), child)
                for name in NEEDED}  # fmt: skip
    majors = {version[0] if version else 0 for version in versions}
    if len(majors) > 1 or min(majors) < OLDEST:
        raise SopsmithError(_missing(f"PostgreSQL's programs in {folder} are not of one version, "
                                     f"{OLDEST} or newer"))  # fmt: skip
    return Programs(folder, majors.pop(), child)


def _folder(path: str, child: Mapping[str, str]) -> str:
    initdb, config = process.which("initdb", path), process.which("pg_config", path)
    if initdb is None and config is not None:
        done = process.run(process.Call((config, "--bindir"), b"", child), _SHORT)
        if isinstance(done, process.Done) and done.status == 0:
            return os.fsdecode(done.stdout.strip())
    if initdb is None:
        raise SopsmithError(_missing("PostgreSQL's server programs are not on PATH"))
    return os.path.dirname(os.path.realpath(initdb))


def _missing(message: str) -> Finding:
    hint = "--bin names their folder, e.g. /usr/lib/postgresql/18/bin"
    return Finding("program-missing", message, hint=hint)


# --- a directory ----------------------------------------------------------------------------------


def setting(programs: Programs, data: str, name: str) -> str:
    """What a setting would be at the next start by the directory's files; "" where it is unset."""
    done = _run(programs, "postgres", ("-D", data, "-C", name), timeout=_SHORT)
    if isinstance(done, process.Failed) or done.status != 0:
        return ""
    return done.stdout.decode("utf-8", "replace").strip()


def state(programs: Programs, data: str) -> str:
    """The state that the directory's control file tells, e.g. "shut down"."""
    told = _must(programs, "pg_controldata", ("-D", data), what="read the control file of")
    found = re.search(rb"^Database cluster state: +(.+)$", told, re.MULTILINE)
    return found[1].decode() if found else "unknown"


def is_running(programs: Programs, data: str) -> bool:
    """Whether a server runs from the directory, in this container."""
    done = _run(programs, "pg_ctl", ("status", "-D", data), timeout=_SHORT)
    return isinstance(done, process.Done) and done.status == 0


def stop(programs: Programs, data: str, mode: str = "fast") -> None:
    """Stop its server and wait for the end; raises SopsmithError (recreate-failed)."""
    _must(programs, "pg_ctl", ("stop", "-D", data, "-m", mode, "-w", "-t", "3600"), what="stop")


def start_again(programs: Programs, data: str, log: str) -> None:
    """Start the server that was stopped, with the options that it had; raises SopsmithError."""
    options = ("restart", "-D", data, "-w", "-t", "3600", "-l", log)  # only this reads the options
    _must(programs, "pg_ctl", options, what="start")


def initialise(programs: Programs, data: str, options: Sequence[str], password: bytes) -> None:
    """Make a new directory whose superuser has this password, which goes through a pipe."""
    receiving, sending = os.pipe()
    try:
        try:
            os.write(sending, password + b"\n")  # a pipe holds more than any password
        finally:
            os.close(sending)
        options = ("-D", data, *options, "--pwfile=/dev/fd/3", "--auth=scram-sha-256")
        _must(programs, "initdb", options, what="make", descriptors=(receiving,))
    finally:
        os.close(receiving)


def settle(programs: Programs, data: str) -> None:
    """Have everything in the directory on the disk itself."""
    _must(programs, "initdb", ("--sync-only", "-D", data), what="settle")


@contextlib.contextmanager
def serving(programs: Programs, data: str, user: str, how: Settings) -> Iterator[Server]:
    """A server of ours from this directory, stopped at the end, whatever happens."""
    if len(os.fsencode(how.sockets)) > _LONGEST_SOCKET:
        message = "the path of the temporary folder is too long for a socket"
        raise SopsmithError(Finding("recreate-failed", message, hint="set TMPDIR, e.g. to /tmp"))
    ours = {
        "data_directory": data, "hba_file": how.hba, "ident_file": how.ident,
        "listen_addresses": "", "port": "5432", "unix_socket_directories": how.sockets,
        "unix_socket_permissions": "0700", "external_pid_file": "", "ssl": "off",
        "archive_mode": "off", "logging_collector": "off", "log_destination": "stderr",
        "log_statement": "none", "log_min_duration_statement": "-1", "log_duration": "off",
        "log_min_error_statement": "panic", "autovacuum": "off", "max_worker_processes": "0",
        "max_logical_replication_workers": "0", "synchronous_standby_names": "",
    }  # fmt: skip
    options = " ".join(f"-c {name}={_quoted(value)}" for name, value in ours.items())
    try:
        start = ("start", "-D", data, "-w", "-t", "3600", "-l", how.log, "-o", options)
        _must(programs, "pg_ctl", start, what="start", timeout=_LONG)
        yield Server(programs, how.sockets, user)
        stop(programs, data)  # a failure to write the last of it is one
    finally:
        if is_running(programs, data):
            stop(programs, data, "immediate")


def _quoted(value: str) -> str:
    """For the shell of pg_ctl, which starts the server by one."""
    return "'" + value.replace("'", "'\\''") + "'"


# --- a server -------------------------------------------------------------------------------------


def query(server: Server, database: str, sql: str) -> bytes:
    """What statements answer, one row a line; raises SopsmithError at the first that fails."""
    options = ("--no-psqlrc", "--no-password", "--quiet", "--tuples-only", "--no-align",
               "--set=ON_ERROR_STOP=1", "--file=-", _database(database))  # fmt: skip
    stdin = sql.encode("utf-8", "surrogateescape")
    env = {**_env(server), "PGCLIENTENCODING": "UTF8"}
    return _must(server.programs, "psql", options, what="ask", stdin=stdin, env=env)


def can_log_in(server: Server, database: str, password: bytes) -> bool:
    """Whether this password lets the superuser in; it goes by a file in memory without a name."""
    escaped = password.replace(b"\\", b"\\\\").replace(b":", b"\\:")
    descriptor = os.memfd_create("sopsmith")
    try:
        os.fchmod(descriptor, 0o600)  # or libpq ignores it
        os.write(descriptor, b"*:*:*:*:" + escaped + b"\n")
        env = {**_env(server), "PGPASSFILE": "/dev/fd/3",
               "PGREQUIREAUTH": "scram-sha-256"}  # fmt: skip
        options = ("--no-psqlrc", "--no-password", "--quiet", "--file=-", _database(database))
        done = _run(server.programs, "psql", options, stdin=b"SELECT 1;", env=env,
                    descriptors=(descriptor,))  # fmt: skip
    finally:
        os.close(descriptor)
    return isinstance(done, process.Done) and done.status == 0


def roles(server: Server, *, passwords: bool) -> bytes:
    """The SQL that makes all roles; with their verifiers, or without."""
    options = ("--globals-only", *(() if passwords else ("--no-role-passwords",)))
    return _must(server.programs, "pg_dumpall", (*options, "--database=template1"),
                 what="dump the roles of", env=_env(server))  # fmt: skip


def schema(server: Server, database: str) -> bytes:
    """The SQL that makes a database and all in it but rows."""
    options = ("--create", "--schema-only", _database(database))
    return _must(server.programs, "pg_dump", options, what="read", env=_env(server))


def dump(server: Server, database: str, file: str) -> None:
    """Write a whole database to a file of pg_dump's own format."""
    options = ("--format=custom", f"--file={file}", _database(database))
    _must(server.programs, "pg_dump", options, what=f"dump {database} of", env=_env(server))


def restore(server: Server, database: str, file: str) -> None:
    """Make a database from its dump, in place of one that initdb made; stops at any error."""
    replaced = database in ("postgres", "template1")
    other = "postgres" if database == "template1" else "template1"
    options = ("--create", *(("--clean", "--if-exists") if replaced else ()), "--exit-on-error",
               _database(other), file)  # fmt: skip
    _must(server.programs, "pg_restore", options, what=f"restore {database} in", env=_env(server))


def _database(name: str) -> str:
    return f"--dbname={_conninfo(name)}"


def _conninfo(name: str) -> str:
    """libpq reads some names as a whole connection string, so each is given as a part of one."""
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"dbname='{escaped}'"


def _env(server: Server) -> dict[str, str]:
    options = " ".join(f"-c {each}" for each in _SESSION)
    return {**server.programs.env, "PGHOST": server.host, "PGPORT": server.port,
            "PGUSER": server.user, "PGOPTIONS": options, "PGAPPNAME": "sopsmith"}  # fmt: skip


# --- one program ----------------------------------------------------------------------------------


def _must(
    programs: Programs, name: str, options: Sequence[str], *, what: str, timeout: float = _LONG,
    stdin: bytes = b"", env: Mapping[str, str] | None = None, descriptors: tuple[int, ...] = (),
) -> bytes:  # fmt: skip
    """Its stdout; raises SopsmithError (recreate-failed) unless it did its work."""
    done = _run(programs, name, options, timeout=timeout, stdin=stdin, env=env,
                descriptors=descriptors)  # fmt: skip
    if isinstance(done, process.Done) and done.status == 0:
        return done.stdout
    message = f"{name} could not {what} the database"
    if isinstance(done, process.Failed):
        message += f" ({done.reason})"
    elif _NO_ROOM.search(done.stderr):
        message += ": there is no room left on the disk"
    raise SopsmithError(Finding("recreate-failed", message))


def _run(
    programs: Programs, name: str, options: Sequence[str], *, timeout: float = _LONG,
    stdin: bytes = b"", env: Mapping[str, str] | None = None, descriptors: tuple[int, ...] = (),
) -> process.Done | process.Failed:  # fmt: skip
    argv = (os.path.join(programs.folder, name), *options)
    return process.run(process.Call(argv, stdin, env or programs.env, descriptors), timeout)
