"""A real Redis on loopback that asks for a password, where the machine has one."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.programs import free_port, wait_until


@contextmanager
def redis(password: str, port: int | None = None) -> Iterator[int]:
    """The port of a new server, which keeps nothing; skips the test where there is none."""
    program = shutil.which("redis-server") or pytest.skip("this machine has no Redis")
    port = port or free_port()
    settings = f'bind 127.0.0.1\nport {port}\nsave ""\nrequirepass {password}\n'
    pipe = subprocess.PIPE
    server = subprocess.Popen([program, "-"], stdin=pipe, stdout=subprocess.DEVNULL, cwd="/")
    try:
        assert server.stdin
        server.stdin.write(settings.encode())
        server.stdin.close()
        wait_until(lambda: _answers(port), "Redis")
        yield port
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port)).close()
        return True
    return False
