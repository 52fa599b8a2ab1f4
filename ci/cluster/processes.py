"""Starts programs that serve, waits until they do, and ends them however the caller ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


class ClusterError(Exception):
    """Something did not come up or did not happen; the message says what and where to look."""


@contextmanager
def beside(work: Callable[[Event], object]) -> Iterator[None]:
    """Work in a thread of its own, which is told by the event that it is over, and waited for."""
    over = Event()
    thread = Thread(target=work, args=(over,))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def running(
    argv: Sequence[str],
    *,
    folder: Path,
    ready: Callable[[], bool],
    program: str | None = None,
    name: str | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 180,
    patience: float = 10,
) -> Iterator[None]:
    """A program that serves, with its words in a log that has its name.

    Where argv[0] only says the role that the program plays, `program` is its file. It has a
    process group of its own, so that Ctrl-C reaches us alone and we end the parts in order.
    """
    name = name or Path(argv[0]).name
    log = folder / f"{name}.log"
    scratch = folder / "tmp" / name
    scratch.mkdir(parents=True, exist_ok=True)
    base = {"PATH": os.environ["PATH"], "HOME": str(scratch), "TMPDIR": str(scratch)}
    process: subprocess.Popen[bytes] | None = None

    def is_ready() -> bool:
        if process and process.poll() is not None:
            raise ClusterError(f"{name} ended with {process.returncode}: {_last_words(log)}")
        with suppress(OSError):
            return ready()
        return False

    try:
        with _put_off(signal.SIGINT, signal.SIGTERM), log.open("ab") as words:
            process = subprocess.Popen(
                argv,
                executable=program,
                cwd=scratch,
                env={**base, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        wait_until(is_ready, f"{name} to be ready", lambda: _last_words(log), seconds=seconds)
        yield
    finally:
        if process is not None:
            _end(process, patience)


def wait_until(
    ask: Callable[[], T | None],
    what: str,
    instead: Callable[[], object] = lambda: "nothing",
    *,
    seconds: float = 180,
) -> T:
    """The first answer that is not empty; `instead` tells what was seen in its place."""
    end = time.monotonic() + seconds
    while True:
        if answer := ask():
            return answer
        if time.monotonic() > end:
            raise ClusterError(f"waited {seconds:.0f} s for {what}, saw {instead()}")
        time.sleep(0.1)


def accepts(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.create_connection(("127.0.0.1", port), timeout=10):
        return True


def accepts_at(path: Path) -> bool:
    """Whether somebody listens at a socket of the file system."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        return True


@contextmanager
def unwinding_on(*signals: signal.Signals) -> Iterator[None]:
    """Lets signals unwind the caller as Ctrl-C does, once: the end itself is not interrupted."""

    def unwind(number: int, _: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt(number)

    before = {each: signal.signal(each, unwind) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _put_off(*signals: signal.Signals) -> Iterator[None]:
    """Signals that come meanwhile act at the end: half a start would leave what nobody ends."""
    came: list[int] = []
    before = {each: signal.signal(each, lambda number, _: came.append(number)) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        for number in came:
            signal.raise_signal(number)


def _end(process: subprocess.Popen[bytes], patience: float) -> None:
    """End the whole group: what a program started does not outlive it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(patience)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-3:]
    return "\n".join([f"see {log}", *(f"  {line[:300]}" for line in lines)])
