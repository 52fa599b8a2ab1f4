"""Pods that log in all the time, each time anew, from processes of their own.

What a pod is told takes effect between two of its logins, so that an answer means: no login with
what it had before is under way.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import NamedTuple

import psycopg

PROCESSES = 2
PODS = 8
PAUSE = 0.005  # seconds after a login that failed


class Seen(NamedTuple):
    """What came of the logins."""

    seconds: tuple[float, ...]  # of each login that succeeded
    failed: int


class Told(NamedTuple):
    """What a pod should do next."""

    url: str
    is_at_once: bool  # else it looks at its Secret when a login fails


class Pods(NamedTuple):
    """All of them, from outside."""

    pipes: tuple[Connection, ...]

    def tell(self, number: int, told: Told) -> None:
        """Give a pod another URL; `answers` says when it has it."""
        self.pipes[number % PROCESSES].send((number, told))

    def answers(self, count: int) -> list[float]:
        """When each of so many pods had it: of a pod that waits for a failure, logged in by it."""
        return [self.pipes[number % PROCESSES].recv() for number in range(count)]

    def switch(self, number: int, url: str) -> None:
        """A pod makes room for one with this URL."""
        self.tell(number, Told(url, True))
        self.pipes[number % PROCESSES].recv()


@contextmanager
def running(url: str) -> Iterator[tuple[Pods, list[Seen]]]:
    """Pods that begin with this URL, and, after it, what each process saw."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(PROCESSES)]
    processes = [context.Process(target=_process, args=(theirs, number, url), daemon=True)
                 for number, (_, theirs) in enumerate(pairs)]  # fmt: skip
    pods, seen = Pods(tuple(ours for ours, _ in pairs)), list[Seen]()
    for each in processes:
        each.start()
    try:
        for pipe in pods.pipes:
            pipe.recv()  # it runs
        yield pods, seen
        for pipe in pods.pipes:
            pipe.send(None)
        seen += [pipe.recv() for pipe in pods.pipes]
    finally:
        for each in processes:
            each.join(10)
            each.kill()


def _process(pipe: Connection, first: int, url: str) -> None:
    told: dict[int, SimpleQueue[Told]] = {n: SimpleQueue() for n in range(first, PODS, PROCESSES)}
    seconds: list[float] = []
    failed: list[int] = []
    lock, is_over = threading.Lock(), threading.Event()

    def answer() -> None:
        with lock:
            pipe.send(time.monotonic())

    def live(orders: SimpleQueue[Told]) -> None:
        held, waiting = url, ""
        while not is_over.is_set():
            if not orders.empty():
                order = orders.get()
                held, waiting = (order.url, "") if order.is_at_once else (held, order.url)
                if order.is_at_once:
                    answer()
            start = time.monotonic()
            if _logs_in(held):
                seconds.append(time.monotonic() - start)
                if waiting and held is waiting:
                    waiting = ""
                    answer()
            else:
                failed.append(1)
                held = waiting or held
                time.sleep(PAUSE)

    threads = [threading.Thread(target=live, args=(orders,)) for orders in told.values()]
    for each in threads:
        each.start()
    answer()
    while (order := pipe.recv()) is not None:
        told[order[0]].put(order[1])
    is_over.set()
    for each in threads:
        each.join()
    pipe.send(Seen(tuple(seconds), len(failed)))


def _logs_in(url: str) -> bool:
    try:
        psycopg.connect(url, require_auth="scram-sha-256").close()
    except psycopg.OperationalError:  # whose text quotes the role; the verdict is what counts
        return False
    return True
