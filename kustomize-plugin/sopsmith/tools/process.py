"""Run programs: the only door to processes.

Thin on purpose: `subprocess` costs the function 6 ms at every start, and all it needs is to start
several programs at once, feed them, read them and never hang. Each child leads a session of its
own, so it has no terminal to ask on, and its whole group ends with it at the time limit: first it
is interrupted, as by Ctrl-C, so that git for one takes its locks away, and soon after it is killed.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith.errors import STOPS


class Call(NamedTuple):
    """One program to run. Secrets go through `stdin`: `argv` is public on the machine."""

    argv: tuple[str, ...]  # argv[0] is an absolute path
    stdin: bytes
    env: Mapping[str, str]  # the whole environment of the child
    descriptors: tuple[int, ...] = ()  # open files that it gets as its descriptors 3, 4, …


class Done(NamedTuple):
    """What became of it. stdout and stderr may hold secrets: neither belongs in a message."""

    status: int  # exit status; negative: killed by that signal
    stdout: bytes
    stderr: bytes

    def __repr__(self) -> str:
        return f"Done(status={self.status}, ***)"


class Failed(NamedTuple):
    """It did not come to an end of its own."""

    reason: str  # "not-startable", "timeout" or "too-much-output"


MOST_OUTPUT = 64 * 1024 * 1024
MOST_ERRORS = 64 * 1024  # what comes after is dropped
GRACE = 5.0  # seconds to clean up in, for who is interrupted
_LOOK = 0.002  # seconds between two looks at whether that is done
_GLANCE = 0.05  # seconds between two looks at whether a program has ended with its pipes held open


def which(name: str, path: str) -> str | None:
    """The program's absolute path. Relative entries of PATH count for nothing: a repository must
    not bring its own `sops`."""
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder, name)
        if os.path.isabs(folder) and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None


def run(call: Call, timeout: float) -> Done | Failed:
    """Run one program to its end."""
    with started((call,), timeout, 1) as wait:
        return wait()[0]


def version(argv: tuple[str, ...], env: Mapping[str, str]) -> tuple[int, ...] | None:
    """The version that a program tells when it is asked with these arguments, or None."""
    result = run(Call(argv, b"", env), 10)
    if isinstance(result, Failed) or result.status != 0:
        return None
    match = re.search(rb"(\d+)\.(\d+)(?:\.(\d+))?", result.stdout)
    return tuple(int(part) for part in match.groups() if part) if match else None


@contextlib.contextmanager
def started(
    calls: Sequence[Call], timeout: float, at_once: int
) -> Iterator[Callable[[], tuple[Done | Failed, ...]]]:
    """Start programs, at most `at_once` at a time, and give the function that waits for all.

    `timeout` is in seconds and counts for each program from its own start. Whatever still runs on
    exit, after an interrupt for example, is ended, with GRACE to clean up.
    """
    waiting = list(enumerate(calls))[::-1]
    running: dict[int, _Child] = {}
    results: dict[int, Done | Failed] = {}

    def fill() -> None:
        while waiting and len(running) < at_once:
            index, call = waiting.pop()
            with _uninterrupted():  # a child that nobody knows of would live on
                child = _spawn(call, timeout)
                if isinstance(child, Failed):
                    results[index] = child
                else:
                    running[index] = child

    def wait() -> tuple[Done | Failed, ...]:
        while running:
            _exchange(running.values())
            results.update(_taken_out(running))
            fill()
        return tuple(results[index] for index in range(len(calls)))

    try:
        fill()
        yield wait
    finally:
        _end(running.values())
        for child in running.values():
            _close(child)


def _taken_out(running: dict[int, _Child]) -> dict[int, Done | Failed]:
    """Take out those that have ended, with what became of them; who breaks a limit is ended, and
    the time in which nobody listens to the others meanwhile does not count for them."""
    found = {index: _result(child) for index, child in running.items()}
    ended = {index: each for index, each in found.items() if each is not None}
    start = time.monotonic()
    _end([running[index] for index, each in ended.items() if isinstance(each, Failed)])
    for index in ended:
        _close(running.pop(index))
    lost = time.monotonic() - start
    for index, child in running.items():
        running[index] = child._replace(deadline=child.deadline + lost)
    return ended


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Child(NamedTuple):
    """A running program. The mutable parts shrink and grow as bytes go through its pipes."""

    pid: int
    stdin: int
    readers: dict[int, bytearray]  # the open ends of stdout and stderr, and what came so far
    stdout: bytearray
    stderr: bytearray
    unsent: list[memoryview]  # empty once stdin is closed
    deadline: float


def _spawn(call: Call, timeout: float) -> _Child | Failed:
    pipes: list[tuple[int, int]] = []
    try:
        while len(pipes) < 3:
            pipes.append(os.pipe())
        given = _out_of_the_way(call.descriptors)
    except OSError:  # no descriptors left
        for end in (end for pipe in pipes for end in pipe):
            os.close(end)
        return Failed("not-startable")
    theirs = (pipes[0][0], pipes[1][1], pipes[2][1])
    stdin, stdout, stderr = mine = (pipes[0][1], pipes[1][0], pipes[2][0])
    try:
        pid = os.posix_spawn(
            call.argv[0],
            call.argv,
            call.env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, end, number) for number, end in enumerate((*theirs, *given))
            ],
            setsid=True,
            setsigdef=(signal.SIGPIPE, signal.SIGINT),  # that one comes from us alone
            setsigmask=(),
        )
    except OSError:
        for end in mine:
            os.close(end)
        return Failed("not-startable")
    finally:
        for end in (*theirs, *given):
            os.close(end)
    for end in mine:
        os.set_blocking(end, False)
    out, err = bytearray(), bytearray()
    deadline = time.monotonic() + timeout
    child = _Child(
        pid, stdin, {stdout: out, stderr: err}, out, err, [memoryview(call.stdin)], deadline
    )
    _send(child)  # what fits into the pipe goes at once, so the program starts work before we wait
    return child


def _out_of_the_way(descriptors: Sequence[int]) -> list[int]:
    """Copies with numbers that none of the child's is given, or one would close another."""
    if not descriptors:
        return []
    import fcntl  # only writes pay for it

    copies: list[int] = []
    try:
        copies.extend(
            fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 3 + len(descriptors)) for each in descriptors
        )
    except OSError:
        for copy in copies:
            os.close(copy)
        raise
    return copies


def _exchange(children: Collection[_Child]) -> None:
    """Wait until a pipe is ready or a program may have ended, and move what can be moved."""
    poller = select.poll()
    owners: dict[int, _Child] = {}
    for child in children:
        for end in child.readers:
            poller.register(end, select.POLLIN)
            owners[end] = child
        if child.unsent:
            poller.register(child.stdin, select.POLLOUT)
            owners[child.stdin] = child
    until = min(child.deadline for child in children)
    ended = any(not child.readers for child in children)  # only its exit is left
    pause = 0.0005 if ended else min(max(until - time.monotonic(), 0), _GLANCE)
    for end, _ in poller.poll(pause * 1000):
        child = owners[end]
        if end == child.stdin:
            _send(child)
        else:
            _receive(child, end)


def _send(child: _Child) -> None:
    data = child.unsent[0]
    try:
        data = data[os.write(child.stdin, data) :]
    except BlockingIOError:
        pass
    except BrokenPipeError:  # it does not want more; its exit status says whether that was right
        data = data[:0]
    child.unsent[0] = data
    if not data:
        child.unsent.clear()
        os.close(child.stdin)


def _receive(child: _Child, end: int) -> None:
    chunk = os.read(end, 65536)
    if chunk and child.readers[end] is child.stderr:
        child.stderr.extend(chunk[: MOST_ERRORS - len(child.stderr)])
    elif chunk:
        child.readers[end] += chunk
    else:
        del child.readers[end]
        os.close(end)


def _result(child: _Child) -> Done | Failed | None:
    """What became of the child, or None while it runs. Whoever breaks a limit has failed, and runs.

    It has ended when it has, also where something that it started still holds its pipes.
    """
    if len(child.stdout) > MOST_OUTPUT:
        return Failed("too-much-output")
    pid, status = os.waitpid(child.pid, os.WNOHANG)
    if pid:
        for end, so_far in list(child.readers.items()):
            limit = MOST_ERRORS if so_far is child.stderr else MOST_OUTPUT + 1
            with contextlib.suppress(BlockingIOError):  # what it left behind may write for ever
                while end in child.readers and len(so_far) < limit:
                    _receive(child, end)
        status = os.waitstatus_to_exitcode(status)
        return Done(status, bytes(child.stdout), bytes(child.stderr))
    if time.monotonic() >= child.deadline:
        return Failed("timeout")
    return None


def _end(children: Collection[_Child]) -> None:
    """End them and all that they started: they share their sessions' process groups.

    They are interrupted, and killed once they have cleaned up, or GRACE is over. What they still
    say is dropped, or a full pipe would keep them from it.
    """
    for child in children:
        _signal(child, signal.SIGINT)
    left = list(children)
    for _ in range(round(GRACE / _LOOK)):  # not by the clock: a machine may stand still meanwhile
        left = [child for child in left if not _has_left(child)]
        if not left:
            break
        time.sleep(_LOOK)
    for child in children:
        is_killed = _signal(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child.pid, 0 if is_killed else os.WNOHANG)


def _has_left(child: _Child) -> bool:
    """Whether it has ended, and nothing that it started holds its pipes. It is not reaped yet: its
    group has to stay its own until all of that has been killed."""
    for end in list(child.readers):
        with contextlib.suppress(BlockingIOError):
            if not os.read(end, 65536):
                del child.readers[end]
                os.close(end)
    if child.readers:
        return False
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    return True


def _signal(child: _Child, number: int) -> bool:
    """Whether it reached any of them: what runs as somebody else, by sudo, can't be reached."""
    try:
        os.killpg(child.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _close(child: _Child) -> None:
    for end in (*child.readers, *([child.stdin] if child.unsent else [])):
        os.close(end)
