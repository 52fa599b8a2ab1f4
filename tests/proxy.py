"""A TCP proxy on loopback that fails on cue, between a client and a PostgreSQL without TLS."""

from __future__ import annotations

import math
import re
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from threading import Event, Lock, Thread
from typing import NamedTuple

from ci.cluster.processes import beside

CHUNK = 65536
PATIENCE = 0.05  # seconds until a thread looks whether the proxy has ended
ANSWER = 30.0  # seconds in which a server answers
READY = re.compile(rb"Z\0\0\0\x05[ITE]\Z")  # ReadyForQuery: the answer is complete
GARBAGE = b"\xde\xad\xbe\xef" * 64


class Link(NamedTuple):
    """One connection through the proxy."""

    client: socket.socket
    server: socket.socket
    ended: Event  # of the proxy


class Fault(NamedTuple):
    """What happens in place of an exchange, once the client has sent the pattern."""

    pattern: bytes  # an empty one is in whatever is sent
    act: Callable[[Link, bytes], None]  # gets the bytes that have it; then both sides are closed
    skip: int = 0  # so many exchanges with the pattern pass before
    goes_on: bool = False  # the connection stays instead


class Proxy(NamedTuple):
    """Where it listens, the faults to come, and those that have happened; tests may add some."""

    port: int
    faults: list[Fault]
    done: list[Fault]


def lose_reply_to(pattern: bytes, *, skip: int = 0) -> Fault:
    """The server does it and says so, and the client never learns: its connection closes."""

    def act(link: Link, sent: bytes) -> None:
        link.server.sendall(sent)
        answer = b""
        while not READY.search(answer) and _readable(link, link.server, ANSWER):
            more = link.server.recv(CHUNK)
            if not more:
                return
            answer += more

    return Fault(pattern, act, skip)


def close_before(pattern: bytes, *, skip: int = 0) -> Fault:
    """The server never sees it: both connections close."""
    return Fault(pattern, lambda link, sent: None, skip)


def hang_on(pattern: bytes, *, skip: int = 0, deliver: bool = False) -> Fault:
    """No answer ever comes, until the client goes; the server sees it only if delivered."""

    def act(link: Link, sent: bytes) -> None:
        if deliver:
            link.server.sendall(sent)
        while _readable(link, link.client) and link.client.recv(CHUNK):
            pass

    return Fault(pattern, act, skip)


def garbage_for(pattern: bytes, *, skip: int = 0, deliver: bool = False) -> Fault:
    """What the client gets is no answer; the server sees it only if delivered."""

    def act(link: Link, sent: bytes) -> None:
        if deliver:
            lose_reply_to(pattern).act(link, sent)
        link.client.sendall(GARBAGE)

    return Fault(pattern, act, skip)


def lie_about(pattern: bytes, answer: bytes, *, goes_on: bool = False) -> Fault:
    """The server never sees it, and the client gets this answer."""
    return Fault(pattern, lambda link, sent: link.client.sendall(answer), goes_on=goes_on)


@contextmanager
def proxy(port: int, *faults: Fault) -> Iterator[Proxy]:
    """A proxy to a port of loopback; each fault happens once, the next one after it.

    When none is left, it is a wire.
    """
    lock, threads = Lock(), list[Thread]()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        made = Proxy(listener.getsockname()[1], list(faults), [])

        def accept(ended: Event) -> None:
            while not ended.is_set():
                if select.select([listener], [], [], PATIENCE)[0]:
                    client, _ = listener.accept()
                    threads.append(Thread(target=_serve, args=(made, client, port, ended, lock)))
                    threads[-1].start()

        try:
            with beside(accept):
                yield made
        finally:
            for thread in threads:
                thread.join()


def _serve(made: Proxy, client: socket.socket, port: int, ended: Event, lock: Lock) -> None:
    """Carry one connection until a side closes, a fault happens or the proxy ends."""
    with (
        closing(client),
        suppress(OSError),
        socket.create_connection(("127.0.0.1", port)) as server,
    ):
        link, before = Link(client, server, ended), b""
        while ready := _either(link):
            if server in ready:
                answer = server.recv(CHUNK)
                client.sendall(answer)
                if not answer:
                    return
            if client in ready:
                sent = client.recv(CHUNK)
                if not sent:
                    return
                with lock:
                    fault = _due(made, before, sent)
                if fault is not None:
                    fault.act(link, sent)
                    if not fault.goes_on:
                        return
                    continue
                before = sent
                server.sendall(sent)


def _due(made: Proxy, before: bytes, sent: bytes) -> Fault | None:
    """The fault that happens now, if any: only the first one in line can."""
    if not made.faults:
        return None
    pattern = made.faults[0].pattern
    if pattern not in before[max(0, len(before) - len(pattern) + 1) :] + sent:  # in two pieces
        return None
    fault = made.faults.pop(0)
    if fault.skip:
        made.faults.insert(0, fault._replace(skip=fault.skip - 1))
        return None
    made.done.append(fault)
    return fault


def _either(link: Link) -> list[socket.socket]:
    """The sides that have something to read; none when the proxy has ended."""
    while not link.ended.is_set():
        ready, _, _ = select.select([link.client, link.server], [], [], PATIENCE)
        if ready:
            return ready
    return []


def _readable(link: Link, side: socket.socket, seconds: float = math.inf) -> bool:
    """Wait until a side has something to read; false when the time or the proxy is over."""
    end = time.monotonic() + seconds
    while not link.ended.is_set() and time.monotonic() < end:
        if select.select([side], [], [], PATIENCE)[0]:
            return True
    return False
