"""The command line: argv → one call of one command."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from sopsmith import __version__, completion, report, voice
from sopsmith.arguments import changing, databases, delivering, guarding, looking_back, reading
from sopsmith.arguments.options import Parser
from sopsmith.errors import SopsmithError
from sopsmith.voice import Session

_COMPLETION = ("source <(sopsmith completion bash)",)
GROUPS = (reading, changing, looking_back, guarding, delivering, databases)


def main(argv: Sequence[str] | None = None) -> None:
    """The entry of `sopsmith`."""
    arguments = sys.argv[1:] if argv is None else argv
    voice.end(voice.run(lambda: _run(arguments), lambda findings: None))


def _say_json(error: SopsmithError) -> None:
    """Who asked for JSON gets the findings as JSON too."""
    with contextlib.suppress(SopsmithError):  # stdout is gone; stderr and the exit code have told
        tree = {**error.done, "findings": report.findings_json(error.findings)}
        voice.write_out(voice.encoded(report.as_json(tree)))


def _run(argv: Sequence[str]) -> int:
    try:
        options = parser().parse_args(argv)
    except SopsmithError as error:
        if ("--output", "json") in pairwise(argv) or "--output=json" in argv:
            _say_json(error)
        raise
    today = datetime.now(UTC).date()
    session = Session(
        os.environ, voice.write_out, voice.wants_colour(1), today,
        is_terminal=os.isatty(0) and os.isatty(2), read_stdin=voice.read_in,
    )  # fmt: skip
    command: Callable[[Session, argparse.Namespace], int] = options.command
    try:
        return command(session, options)
    except SopsmithError as error:
        if getattr(options, "output", "text") == "json":
            _say_json(error)
        raise


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(
        prog="sopsmith",
        description="SOPS-encrypted components in, correct Kubernetes Secrets out.",
        epilog="Exit codes: 0 fine, 1 findings, 2 usage or recipe, 3 could not, 4 bug, 5 refused, "
        "6 half done.",
    )
    top.add_argument("--version", action="version", version=f"sopsmith {__version__}")
    examples_of = {"completion": _COMPLETION}
    examples_of |= {name: each for group in GROUPS for name, each in group.EXAMPLES.items()}
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, summary: str, run: Callable[[Session, argparse.Namespace], int]) -> Parser:
        examples = "".join(f"  {example}\n" for example in examples_of[name])
        one: Parser = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(command=run)
        return one

    for group in GROUPS:
        group.add_to(add)
    one = add(
        "completion", "Print the shell's completion script.",
        lambda s, o: _completion(s, o.shell),
    )  # fmt: skip
    one.add_argument("shell", choices=("bash", "zsh", "fish"))
    return top


def _completion(session: Session, shell: str) -> int:
    session.write(completion.script(shell, parser()))
    return 0
