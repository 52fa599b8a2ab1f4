"""PgBouncer before a server: the machine's, or Debian's taken out of its package."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest

from tests.programs import account, free_port, lend, short_folder, wait_until
from tests.repository import ROOT
from tests.servers import Server

UNPACKED = ROOT / ".tools" / "pgbouncer"
PACKAGES = ("pgbouncer", "libc-ares2", "libevent-2.1-7")  # of Debian, with what images lack
SECONDS = 60


class Pooler(NamedTuple):
    """A pooler: where its files are, its port, and the server behind it."""

    folder: Path
    port: int
    of: Server

    def url(self, user: str, password: str | None, database: str = "postgres", **query: str) -> str:
        """The URL of a login through the pooler."""
        return self.of._replace(port=self.port).url(user, password, database, **query)

    def log(self) -> str:
        """All that it has written."""
        return (self.folder / "log").read_text(errors="replace")


@contextmanager
def pgbouncer(
    of: Server,
    users: Mapping[str, str],
    *,
    auth_type: str = "scram-sha-256",
    login: str = "",
    settings: Mapping[str, str] | None = None,
) -> Iterator[Pooler]:
    """A pooler that knows the users by these passwords or verifiers, whatever the server says.

    `login` is what it adds to the server's address, such as `user=… password=…`.
    """
    program = needed()
    with short_folder() as folder:
        for each in (program, *program.parent.glob("lib*")):
            shutil.copy(each, folder)  # the account can't look where we unpack
        made = Pooler(folder, free_port(), of)
        _write(made, users, {"auth_type": auth_type, **(settings or {})}, login)
        env = {"LD_LIBRARY_PATH": str(folder), "LC_ALL": "C", "TZ": "UTC"}
        argv = (folder / "pgbouncer", "--quiet", folder / "pgbouncer.ini")
        with (folder / "log").open("wb") as words, subprocess.Popen(
            argv, env=env, cwd="/", stdout=words, stderr=words, **account()
        ) as process:  # fmt: skip
            try:
                wait_until(lambda: _answers(made, process), "the pooler")
                yield made
            finally:
                process.kill()


def needed() -> Path:
    """The program; skips the test where there is none."""
    return program() or pytest.skip("no pgbouncer is here, and its Debian package can't be had")


@cache
def program() -> Path | None:
    """The program, with libraries beside it that it may need; None where it can't be had."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found:
        return Path(found)
    ours = UNPACKED / "pgbouncer"
    return ours if ours.exists() or _unpack() else None


def _unpack() -> bool:
    """Take it out of Debian's packages; installed, it would start as a service."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    UNPACKED.parent.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="pgbouncer-", dir=UNPACKED.parent) as name:
        folder = Path(name)
        download = ("download", *PACKAGES)
        if not (_apt(folder, *download) or (_apt(folder, "update") and _apt(folder, *download))):
            return False
        for package in folder.glob("*.deb"):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
        chosen = folder / "chosen"
        chosen.mkdir()
        for each in (*folder.glob("usr/sbin/pgbouncer"), *folder.glob("usr/lib/*/lib*.so.*")):
            shutil.copy(each, chosen)
        with suppress(OSError):  # another test process may have been faster
            chosen.rename(UNPACKED)
    return UNPACKED.exists()


def _apt(folder: Path, *words: str) -> bool:
    argv = ("apt-get", "--quiet=2", "-o", "APT::Sandbox::User=root", *words)
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _write(made: Pooler, users: Mapping[str, str], settings: Mapping[str, str], login: str) -> None:
    known = {
        "listen_addr": "127.0.0.1",
        "listen_port": str(made.port),
        "unix_socket_dir": "",
        "auth_file": str(made.folder / "users"),
        "pool_mode": "transaction",
        **settings,
    }
    lines = ["[databases]", f"* = host=127.0.0.1 port={made.of.port} {login}", "[pgbouncer]"]
    lines += [f"{name} = {value}" for name, value in known.items()]
    files = {
        "pgbouncer.ini": "\n".join(lines),
        "users": "\n".join(f'"{user}" "{secret}"' for user, secret in users.items()),
    }
    for name, text in files.items():
        path = made.folder / name
        path.touch(mode=0o600)
        path.write_text(text + "\n")
        lend(path)


def _answers(made: Pooler, process: subprocess.Popen[bytes]) -> bool:
    """Whether it takes connections. Raises RuntimeError with its last words if it has ended."""
    if process.poll() is not None:
        raise RuntimeError("no pooler: " + "\n".join(made.log().splitlines()[-10:]))
    try:
        socket.create_connection(("127.0.0.1", made.port)).close()
    except ConnectionRefusedError:
        return False
    return True
