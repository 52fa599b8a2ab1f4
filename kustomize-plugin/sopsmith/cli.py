"""The command line: argv → one call of one command."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from sopsmith import __version__, report, voice
from sopsmith.commands import doctor, render, resolve, schema, validate
from sopsmith.commands import list as list_command
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.voice import Session

_EXAMPLES = {
    "render": (
        "sopsmith render overlays/production",
        "sopsmith render overlays/production --masked",
        "sopsmith render overlays/dev/recipe.yaml | jq -r '.items[].metadata.name'",
    ),
    "validate": (
        "sopsmith validate overlays/dev overlays/production",
        "sopsmith validate overlays/production --output json",
    ),
    "resolve": ("sopsmith resolve overlays/production",),
    "list": (
        "sopsmith list overlays/production",
        "sopsmith list overlays/production --output json | jq '.[] | select(.due)'",
    ),
    "schema": ("sopsmith schema > secretrecipe.schema.json", "sopsmith schema --findings"),
    "doctor": ("sopsmith doctor",),
    "completion": ("source <(sopsmith completion bash)",),
}


def main(argv: Sequence[str] | None = None) -> None:
    """The entry of `sopsmith`."""
    arguments = sys.argv[1:] if argv is None else argv
    voice.end(voice.run(lambda: _run(arguments), lambda findings: None))


def _say_json(findings: tuple[Finding, ...]) -> None:
    """Who asked for JSON gets the findings as JSON too."""
    with contextlib.suppress(SopsmithError):  # stdout is gone; stderr and the exit code have told
        tree = {"findings": report.findings_json(findings)}
        voice.write_out(voice.encoded(report.as_json(tree)))


def _run(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    today = datetime.now(UTC).date()
    session = Session(os.environ, voice.write_out, voice.wants_colour(1), today)
    command: Callable[[Session, argparse.Namespace], int] = options.command
    try:
        return command(session, options)
    except SopsmithError as error:
        if getattr(options, "output", "text") == "json":
            _say_json(error.findings)
        raise


_CHOICES = re.compile(r"argument ([^:]+): invalid choice: .* \(choose from (.+)\)", re.DOTALL)


class _Parser(argparse.ArgumentParser):
    """argparse quotes what was typed, which may be a secret pasted in the wrong place."""

    def _print_message(self, message: str, file: object = None) -> None:
        voice.write_out(message.encode())  # help on a full disk is a failure like any other

    def error(self, message: str) -> NoReturn:
        what = "an argument is unknown, or one too many"
        if message.startswith("the following arguments are required: "):
            what = message.replace("the following arguments are required: ", "missing: ")
        elif choices := _CHOICES.match(message):
            what = f"{choices[1]} has to be one of {choices[2]}".replace("'", "")
        raise SopsmithError(Finding("usage", what, hint=f"{self.prog} --help"))


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="sopsmith",
        description="SOPS-encrypted components in, correct Kubernetes Secrets out.",
        epilog="Exit codes: 0 fine, 1 findings, 2 usage or recipe, 3 could not, 4 bug, 5 refused.",
    )
    top.add_argument("--version", action="version", version=f"sopsmith {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, summary: str, run: Callable[[Session, argparse.Namespace], int]) -> _Parser:
        examples = "".join(f"  {example}\n" for example in _EXAMPLES[name])
        one: _Parser = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(command=run)
        return one

    def path(one: _Parser) -> None:
        one.add_argument(
            "path", metavar="OVERLAY_OR_RECIPE", help="an overlay's folder, or a recipe"
        )

    def output(one: _Parser) -> None:
        one.add_argument("--output", choices=("text", "json"), default="text", help="default text")

    one = add(
        "render", "Print the function's output: a ResourceList in JSON, values included.",
        lambda s, o: render.render(s, o.path, masked=o.masked, output=o.output),
    )  # fmt: skip
    path(one)
    one.add_argument("--masked", action="store_true", help="key names and origins, no values")
    output(one)

    one = add(
        "validate", "Check values and recipes, and report every finding.",
        lambda s, o: validate.validate(s, o.path, output=o.output),
    )  # fmt: skip
    one.add_argument("path", nargs="+", metavar="OVERLAY_OR_RECIPE", help="folders or recipes")
    output(one)

    one = add(
        "resolve", "Print the merged recipe, with the file that set each field.",
        lambda s, o: resolve.resolve(s, o.path, output=o.output),
    )  # fmt: skip
    path(one)
    output(one)

    one = add(
        "list", "List every value: its origin, its source, when it is due, where it goes.",
        lambda s, o: list_command.list_values(s, o.path, output=o.output),
    )  # fmt: skip
    path(one)
    output(one)

    one = add(
        "schema", "Print the JSON Schema of a recipe, for editors.",
        lambda s, o: schema.print_schema(s, findings=o.findings),
    )  # fmt: skip
    one.add_argument("--findings", action="store_true", help="the page of findings, in Markdown")

    one = add(
        "doctor", "Show which programs and keys are found, and the next step.",
        lambda s, o: doctor.doctor(s, output=o.output),
    )  # fmt: skip
    output(one)

    one = add(
        "completion", "Print the shell's completion script.",
        lambda s, o: completion(s, o.shell, sorted(_EXAMPLES)),
    )  # fmt: skip
    one.add_argument("shell", choices=("bash", "zsh", "fish"))
    return top


def completion(session: Session, shell: str, names: Sequence[str]) -> int:
    """Complete command names, then files."""
    words = " ".join(names)
    session.write(
        {
            "bash": f"_sopsmith() {{ COMPREPLY=(); [ $COMP_CWORD = 1 ] &&"
            f" COMPREPLY=($(compgen -W '{words}' -- \"$2\")); }}\n"
            "complete -o default -F _sopsmith sopsmith\n",
            "zsh": "#compdef sopsmith\n"
            f"_sopsmith() {{ if (( CURRENT == 2 )); then compadd {words}; else _files; fi }}\n"
            "compdef _sopsmith sopsmith\n",
            "fish": f"complete -c sopsmith -n __fish_use_subcommand -f -a '{words}'\n",
        }[shell]
    )
    return 0
