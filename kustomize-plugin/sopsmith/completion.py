"""Completion scripts for shells, made from the command line's own description. Pure."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple


class Option(NamedTuple):
    """One option and what may follow it."""

    names: tuple[str, ...]  # such as -e and --environment
    summary: str
    takes_value: bool
    choices: tuple[str, ...]  # empty: any value


class Command(NamedTuple):
    """What may be typed after a command's name."""

    name: str  # empty: the program itself; postgres/check: a verb of a command
    summary: str
    options: tuple[Option, ...]
    words: tuple[str, ...]  # what its arguments may be; empty: files


def script(shell: str, parser: argparse.ArgumentParser) -> str:
    """A script of bash, zsh or fish: completes commands, options, what these take, and files."""
    commands = tuple(_commands(parser))
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](commands)


def _commands(parser: argparse.ArgumentParser, name: str = "") -> Iterator[Command]:
    """A command and then each of its own; argparse has no public way to list them."""
    yield _command(name, parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, command in action.choices.items():
                yield from _commands(command, f"{name}/{verb}".removeprefix("/"))


def _groups(commands: tuple[Command, ...]) -> list[str]:
    """The commands that have verbs."""
    return list(dict.fromkeys(c.name.partition("/")[0] for c in commands if "/" in c.name))


def _command(name: str, parser: argparse.ArgumentParser) -> Command:
    options = tuple(_option(action) for action in parser._actions if action.option_strings)
    arguments = [action for action in parser._actions if not action.option_strings]
    words = tuple(word for action in arguments for word in action.choices or ())
    return Command(name, parser.description or "", options, words)


def _option(action: argparse.Action) -> Option:
    summary = (action.help or "").replace("%%", "%")
    choices = tuple(map(str, action.choices or ()))
    return Option(tuple(action.option_strings), summary, action.nargs != 0, choices)


def _words(commands: tuple[Command, ...]) -> str:
    """A function of bash and zsh: what fits at a place, or nothing where a file does."""
    lines = ["_sopsmith_words() { # command, word before, word", '    case "$1 $2" in']
    for command in commands:
        for option in command.options:
            if option.takes_value:
                places = "|".join(f'"{command.name} {name}"' for name in option.names)
                lines.append(f'        {places}) echo "{" ".join(option.choices)}"; return ;;')
    lines += ["    esac", '    case "$1 $3" in']
    for command in commands:
        names = [name for option in command.options for name in option.names]
        lines.append(f'        "{command.name} -"*) echo "{" ".join(names)}" ;;')
        if command.words:
            lines.append(f'        "{command.name} "*) echo "{" ".join(command.words)}" ;;')
    lines += ["    esac", "}", "_sopsmith_verb() { # command, word after", '    case "$1" in']
    lines += [f'        {"|".join(_groups(commands))}) echo "$1/$2" ;;', '        *) echo "$1" ;;']
    return "\n".join((*lines, "    esac", "}\n"))


def _bash(commands: tuple[Command, ...]) -> str:
    return (
        _words(commands)
        + """_sopsmith() {
    local verb=
    if [ "$COMP_CWORD" -gt 1 ]; then verb=${COMP_WORDS[1]}; fi
    if [ "$COMP_CWORD" -gt 2 ]; then verb=$(_sopsmith_verb "$verb" "${COMP_WORDS[2]}"); fi
    COMPREPLY=($(compgen -W "$(_sopsmith_words "$verb" "$3" "$2")" -- "$2"))
}
complete -o default -F _sopsmith sopsmith
"""
    )


def _zsh(commands: tuple[Command, ...]) -> str:
    return (
        "#compdef sopsmith\n"
        + _words(commands)
        + """_sopsmith() {
    local verb= found=()
    if (( CURRENT > 2 )); then verb=$words[2]; fi
    if (( CURRENT > 3 )); then verb=$(_sopsmith_verb "$verb" "$words[3]"); fi
    found=($(_sopsmith_words "$verb" "$words[CURRENT-1]" "$words[CURRENT]"))
    if (( $#found )); then compadd -- $found; else _files; fi
}
compdef _sopsmith sopsmith
"""
    )


def _fish(commands: tuple[Command, ...]) -> str:
    lines = [_FISH_AFTER]
    groups = _groups(commands)
    for command in commands:
        group, _, verb = command.name.rpartition("/")
        inside = f"{_FISH} {_quoted(' '.join(('__sopsmith_after', *command.name.split('/'))))}"
        first = f"{_FISH} {_quoted(f'__sopsmith_after {group}; {_FISH_ALONE}')}"
        here = inside if command.name else _FISH_FIRST
        if command.name:
            summary = _quoted(command.summary)
            lines.append(f"{first if group else _FISH_FIRST} -f -a {verb} -d {summary}")
        if command.name and command.words and command.name not in groups:
            lines.append(f"{here} -f -a {_quoted(' '.join(command.words))}")
        lines += [f"{here} {_fish_option(option)}" for option in command.options]
    return "\n".join(lines) + "\n"


_FISH = "complete -c sopsmith -n"
_FISH_FIRST = f"{_FISH} __fish_use_subcommand"
_FISH_ALONE = "and test (count (commandline -opc)) -eq 2"
_FISH_AFTER = """\
function __sopsmith_after # the words behind the program's name
    set -l words (commandline -opc)
    set -l last (math 1 + (count $argv))
    test "$words[2..$last]" = "$argv"
end"""


def _fish_option(option: Option) -> str:
    names = [f"-l {n[2:]}" if n.startswith("--") else f"-s {n[1:]}" for n in option.names]
    value = ["-r"] if option.takes_value else []
    if option.choices:
        value = [f"-x -a {_quoted(' '.join(option.choices))}"]
    return " ".join((*names, *value, f"-d {_quoted(option.summary)}"))


def _quoted(text: str) -> str:
    """A word in fish's single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
