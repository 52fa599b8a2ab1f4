"""Redis without a disk, for Argo CD's cache, and a way to read all that is in it."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import which
from typing import IO, NamedTuple

from ci.cluster.processes import accepts, running
from ci.ports import free_ports

# Debian ships one program under both names; the second comes without a service that starts.
NAMES = ("redis-server", "redis-check-rdb")
Reply = bytes | int | list["Reply"] | None


class Redis(NamedTuple):
    """A running server."""

    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def entries(self) -> dict[str, bytes]:
        """Every text that is kept, unpacked where it was packed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            reader = connection.makefile("rb")

            def ask(*words: bytes) -> Reply:
                parts = (b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
                connection.sendall(b"*%d\r\n" % len(words) + b"".join(parts))
                return _reply(reader)

            keys = ask(b"KEYS", b"*")
            names = [key for key in keys if isinstance(key, bytes)] if type(keys) is list else []
            found = {name: ask(b"GET", name) for name in names}
        texts = ((name, text) for name, text in found.items() if isinstance(text, bytes))
        return {name.decode(): _unpacked(text) for name, text in texts}


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A running server that forgets."""
    [port] = free_ports(1)
    settings = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no")
    ready = partial(accepts, port)
    with running(("redis-server", *settings), program=program(), folder=folder, ready=ready):
        yield Redis(port)


def program() -> str | None:
    """Where Redis is; it sees by the name it is called by what it shall do."""
    return next(filter(None, map(which, NAMES)), None)


def _reply(reader: IO[bytes]) -> Reply:
    kind, rest = (line := reader.readline())[:1], line[1:-2]
    if kind == b":":
        return int(rest)
    if kind == b"$":
        return None if int(rest) < 0 else reader.read(int(rest) + 2)[:-2]
    if kind == b"*":
        return [_reply(reader) for _ in range(int(rest))]
    return rest  # a status, or an error: a key that holds no text


def _unpacked(text: bytes) -> bytes:
    return gzip.decompress(text) if text.startswith(b"\x1f\x8b") else text
