"""What was said stays said: the commands that a hint names get the options that were given.

Whoever writes a hint knows what is to be done, and not by which way somebody came: pasted, its
command has to look at the same cluster, and come to the server as the one did that printed it.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable, Mapping, Set
from typing import NamedTuple

_STANDING = ("namespace", "no_cluster", "as", "via", "grace", "no_push")
_INSTEAD = {"namespace": "no_cluster", "no_cluster": "namespace", "as": "via", "via": "as"}
_COMMAND = re.compile(
    r"sopsmith postgres (?P<verb>[a-z]+)"
    r"(?P<keys>(?: (?!sopsmith )[._A-Za-z0-9][-._A-Za-z0-9]*)+(?= -e )|(?: [A-Z_][A-Z0-9_]+\b)*)"
    r"(?P<where> -e [^\s;,:`]+)?(?P<more>(?: [A-Z_][A-Z0-9_]+\b)*(?: --now| --role [^\s;,`]+)?)"
)
_REST = re.compile(r"[^;`\n]*")  # what belongs to the command, or tells more of it
_TELLING = re.compile(r"://|=|pass|token|secret", re.IGNORECASE)  # of what may hold a secret


class Given(NamedTuple):
    """What of a command line holds for the next one too."""

    environment: str | None
    options: Mapping[str, str]  # as they are typed, by their names in a namespace


def given(parsed: argparse.Namespace) -> Given:
    """The same of what was parsed."""
    said = {name: getattr(parsed, name, None) for name in _STANDING}
    return Given(parsed.environment, {n: _typed(n, each) for n, each in said.items() if each})


def carried(given: Given, taken: Mapping[str, Set[str]]) -> Callable[[str], str]:
    """What adds them to the commands in a text, as far as these take them: options by verb."""

    def typed(match: re.Match[str]) -> str:
        options = taken.get(match["verb"])
        if options is None:
            return match[0]  # a word that is no verb
        rest = _REST.match(match.string, match.end())
        said = f"{match[0]}{rest[0] if rest else ''} "
        more = [f" {words}" for name, words in given.options.items()
                if name in options and not _is_said(name, said)]  # fmt: skip
        where = f" -e {shlex.quote(given.environment)}" if given.environment else match["where"]
        head = f"sopsmith postgres {match['verb']}{match['keys']}"
        return "".join((head, where or "", match["more"], *more))

    return lambda text: _COMMAND.sub(typed, text)


def _typed(name: str, value: str | bool) -> str:
    option = _option(name)
    if value is True:
        return option
    text = str(value)
    if name == "via" and _TELLING.search(text):
        text = "COMMAND … psql"  # no hint shows what may be a password
    return f"{option} {shlex.quote(text)}"


def _is_said(name: str, command: str) -> bool:
    names = filter(None, (name, _INSTEAD.get(name)))
    return any(f" {_option(each)} " in command for each in names)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
