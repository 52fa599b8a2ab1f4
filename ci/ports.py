"""Ports of loopback for servers that are started with one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from secrets import randbelow

_FIRST, _EACH, _PARTS = 10_000, 5_500, 4  # all below what Linux gives to whoever asks for any


def free_ports(count: int) -> list[int]:
    """Ports that nobody has.

    Nobody gets one by chance before its server starts, or while it is down: the kernel gives away
    others, no two workers of pytest have the same part, and in a part each comes round once in
    thousands.
    """
    found: list[int] = []
    while len(found) < count:
        port = next(_NUMBERS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


def _numbers() -> Iterator[int]:
    """The numbers of this process's part, round and round from any of them on."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first, start = _FIRST + worker % _PARTS * _EACH, randbelow(_EACH)
    return cycle([*range(first + start, first + _EACH), *range(first, first + start)])


_NUMBERS = _numbers()
