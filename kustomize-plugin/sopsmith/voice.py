"""How sopsmith speaks, and the one place where errors become text and exit codes.

`sopsmith: error: file: field: what`, then `sopsmith: hint: what next`; never a value, never the
stderr of another program.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from types import FrameType
from typing import NamedTuple

from sopsmith.errors import STOPS, Interrupted, SopsmithError
from sopsmith.findings import Finding, exit_code, text
from sopsmith.model import MOST_BYTES


class Session(NamedTuple):
    """What a command may touch besides files: passed in, so that a test passes its own."""

    env: Mapping[str, str]
    write_bytes: Callable[[bytes], None]  # the result
    colour: bool
    today: date
    is_terminal: bool = False  # whether somebody is there to answer
    read_stdin: Callable[[], bytes] = bytes
    again: Callable[[str], str] = str  # gives the commands in a text the options that were given

    def say(self, text: str) -> None:
        """Tell people what goes on, beside the result."""
        _say(self.again(text))

    def ask(self, question: str, default: str = "") -> str:
        """Ask on the terminal; raises SopsmithError (usage) where there is none."""
        shown = f" [{default}]" if default else ""
        return self._answer(f"{question}{shown}: ", hidden=False) or default

    def ask_secret(self, question: str) -> str:
        """Ask without echo; raises SopsmithError (usage) where there is no terminal."""
        return self._answer(f"{question}: ", hidden=True)

    def _answer(self, prompt: str, *, hidden: bool) -> str:
        if not self.is_terminal:
            message = "nobody is there to answer a question"
            raise SopsmithError(Finding("usage", message, hint="give the option instead; --help"))
        import getpass

        try:
            if hidden:
                return getpass.getpass(prompt)  # reads /dev/tty with echo off
            _say(prompt)
            return sys.stdin.readline().strip()
        except (OSError, EOFError, UnicodeDecodeError):
            raise SopsmithError(Finding("usage", "the answer can't be read")) from None

    def write(self, text: str) -> None:
        """Write text to the result."""
        self.write_bytes(encoded(text))


@contextmanager
def outliving(session: Session, hint: str) -> Iterator[Session]:
    """A session for what can't be taken back: an output that fails is told when all else is done.

    Raises SopsmithError (output-failed) then, with what shows what was done.
    """
    failed: list[SopsmithError] = []

    def write(data: bytes) -> None:
        try:
            session.write_bytes(data)
        except SopsmithError as error:
            failed.append(error)

    yield session._replace(write_bytes=write)
    if failed:
        message = "standard output is closed or full; all but the output is done"
        raise SopsmithError(Finding("output-failed", message, hint=hint))


def run(main: Callable[[], int], failed: Callable[[tuple[Finding, ...]], None]) -> int:
    """Run `main` behind the boundary and return the exit code.

    `failed` is told what stopped the work, once it has been said on stderr. A signal to end is an
    exception, so that programs that we started end with us.
    """
    _open_streams()
    try:
        _heed_signals()
        try:
            return main()
        except SopsmithError as error:
            findings = error.findings
        except (Interrupted, SystemExit):
            raise
        except BaseException as error:  # the boundary: whatever it is must not print a value
            findings = (_bug(error),)
        _say(text(findings, "sopsmith: ", wants_colour(2)))
        failed(findings)
        return exit_code(findings) or 4  # what stopped the work is never a success
    except Interrupted as stop:
        _say("sopsmith: error: interrupted\n")
        return 128 + stop.signal
    finally:
        _ignore_signals()


def _heed_signals() -> None:
    for number in STOPS:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a job in the background
            signal.signal(number, _interrupt)


def _ignore_signals() -> None:
    for number in STOPS:  # not SIG_IGN: Python complains on stderr where one is pending already
        signal.signal(number, lambda number, frame: None)


def _open_streams() -> None:
    """Fill closed standard streams, or a pipe of ours would take the number and get our output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)  # read only: writing the result still fails


def wants_colour(descriptor: int) -> bool:
    """Whether people look at this output and did not ask for plain text (no-color.org)."""
    return os.isatty(descriptor) and not os.environ.get("NO_COLOR")


def encoded(text: str) -> bytes:
    """UTF-8, whatever the name of a folder holds."""
    return text.encode("utf-8", "backslashreplace")


def write_out(data: bytes) -> None:
    """Write all of the result to stdout; raises SopsmithError (output-failed)."""
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(1, view) :]
    except OSError:
        message = "standard output is closed or full; nothing of it counts"
        raise SopsmithError(Finding("output-failed", message)) from None


def read_in() -> bytes:
    """All of standard input, up to 8 MiB; raises SopsmithError (usage) for more or none."""
    try:
        with open(0, "rb", closefd=False) as stream:
            data = stream.read(MOST_BYTES)
    except OSError:
        raise SopsmithError(Finding("usage", "standard input can't be read")) from None
    if len(data) == MOST_BYTES:
        raise SopsmithError(Finding("usage", "standard input is 8 MiB or more"))
    return data


def end(code: int) -> None:
    """End the process at once: tearing Python down takes 5 ms and does nothing for us."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _say(text: str) -> None:
    try:
        os.write(2, encoded(text))
    except OSError:  # nobody listens; the exit code still tells
        return


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Stop; who asks again while programs are being ended changes nothing."""
    _ignore_signals()
    raise Interrupted(number)


def _bug(error: BaseException) -> Finding:
    """Where it happened, without the message: a foreign message may quote a value."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        frames.append(f"{os.path.basename(code.co_filename)}:{trace.tb_lineno}")
        trace = trace.tb_next
    where = " > ".join(frames[-6:])
    hint = "report this line; it holds no values"
    return Finding("bug", f"unexpected {type(error).__name__} at {where}", hint=hint)
