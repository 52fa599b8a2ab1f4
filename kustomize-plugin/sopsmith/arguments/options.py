"""The parser that all commands share, and the options that several of them take."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any, NoReturn

from sopsmith import voice
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.recipes import naming
from sopsmith.voice import Session

_UNKNOWN = "unrecognized arguments: "
_OPTION = re.compile(r"(?<= )(--[a-z-]{2,30})(?=[= ]|$)")  # which no secret looks like
_CHOICES = re.compile(r"argument ([^:]+): invalid choice: .* \(choose from (.+)\)", re.DOTALL)
_NO_NAME = "can't be a name"
_PASTED = "a secret typed here stands in the shell's history now: replace it where it comes from"


class Parser(argparse.ArgumentParser):
    """argparse quotes what was typed, which may be a secret pasted in the wrong place."""

    reads_stdin = False  # what people may try to give as an argument

    def _print_message(self, message: str, file: object = None) -> None:
        voice.write_out(message.encode())  # help on a full disk is a failure like any other

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does, but a verb says itself what it does not know, and names its --help."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"{_UNKNOWN}{' '.join(unknown)}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        named = _OPTION.search(message) if message.startswith(_UNKNOWN) else None
        hint = f"{self.prog} --help"
        if message.endswith(_NO_NAME):
            what, hint = "a value can't have the name that was typed", f"{_PASTED}; {hint}"
        elif named:
            what = f"{named[1]} is no option here"
        elif message.startswith("the following arguments are required: "):
            what = message.replace("the following arguments are required: ", "missing: ")
        elif choices := _CHOICES.match(message):
            what = f"{choices[1]} has to be one of {choices[2]}".replace("'", "")
        else:
            what = "an argument is unknown, or one too many"
        if self.reads_stdin and not named and message.startswith((_UNKNOWN, "argument KEY: ")):
            what = "the value comes from standard input or the prompt, never as an argument"
            hint = f"{_PASTED}; {self.prog} KEY asks for it"
        raise SopsmithError(Finding("usage", what, hint=hint))


Add = Callable[[str, str, Callable[[Session, argparse.Namespace], int]], Parser]


def name(word: str) -> str:
    """What a value can be called; a secret pasted in its place goes no further."""
    if not naming.is_possible(word):
        raise argparse.ArgumentTypeError(_NO_NAME)
    return word


def key(one: Parser) -> None:
    """The value that is meant."""
    one.add_argument("key", metavar="KEY", type=name, help="a value's name")


def component(one: Parser) -> None:
    """Where a new value goes."""
    one.add_argument("--component", metavar="FILE", help="where a new value is kept, if unclear")


def path(one: Parser) -> None:
    """What to render: a path, or as everywhere an environment."""
    help_ = "an overlay's folder, or a recipe; or -e"
    one.add_argument("path", nargs="?", metavar="OVERLAY_OR_RECIPE", help=help_)
    environment(one)


def output(one: Parser, *more: str) -> None:
    """For whom the result is."""
    choices = ("text", "json", *more)
    one.add_argument("--output", choices=choices, default="text", help="default text")


def environment(one: Parser) -> None:
    """Which leaf is meant."""
    one.add_argument(
        "-e", "--environment", metavar="NAME_OR_PATH",
        help="an environment's name, or the path of its overlay or recipe; "
        "may be left out where only one can be meant",
    )  # fmt: skip


def only(one: Parser) -> None:
    """One environment instead of all."""
    one.add_argument(
        "-e", "--environment", metavar="NAME_OR_PATH", help="only this one; default all of them"
    )


def commit(one: Parser) -> None:
    """Whether to commit what changed."""
    one.add_argument("--commit", action="store_true", help="commit the changed files, and no other")
