"""Completion in the shells themselves: what a person gets for the Tab key."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable

import pytest

from tests.repository import Repo

Tab = Callable[[str], list[str]]

BASH = """
source "$SCRIPT"
IFS=' ' read -r -a COMP_WORDS <<< "$LINE"
[[ $LINE == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_sopsmith sopsmith "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { : }
compadd() { shift; print -l -- ${(M)@:#$words[CURRENT]*} }
_files() { : }
source "$SCRIPT"
words=("${(@s: :)LINE}")
CURRENT=$#words
_sopsmith
"""
FISH = 'cd (mktemp -d); source "$SCRIPT"; complete -C "$LINE"'


@pytest.fixture(
    params=[
        pytest.param(
            shell,
            marks=pytest.mark.skipif(not shutil.which(shell), reason=f"{shell} is not here"),
        )
        for shell in ("bash", "zsh", "fish")
    ]
)
def tab(request: pytest.FixtureRequest, repo: Repo) -> Tab:
    """What a shell offers at the end of a line."""
    shell = request.param
    script = repo.write("script", repo.cli("completion", shell).out)
    (flag, source) = {"bash": ("-c", BASH), "zsh": ("-fc", ZSH), "fish": ("-c", FISH)}[shell]

    def press(line: str) -> list[str]:
        run = repo.run(shell, flag, source, SCRIPT=str(script), LINE=line)
        assert run.err == ""
        return [offer.partition("\t")[0] for offer in run.out.splitlines() if offer]

    return press


def test_commands_complete(tab: Tab) -> None:
    assert tab("sopsmith rend") == ["render"]
    assert {"render", "validate", "completion"} <= set(tab("sopsmith "))
    assert tab("sopsmith nothing-like-this") == []


def test_options_complete(tab: Tab) -> None:
    assert tab("sopsmith render --m") == ["--masked"]
    assert tab("sopsmith schema --f") == ["--findings"]
    assert tab("sopsmith schema --o") == []
    assert tab("sopsmith --vers") == ["--version"]


def test_what_an_option_takes_completes(tab: Tab) -> None:
    assert sorted(tab("sopsmith render --output ")) == ["json", "text"]
    assert tab("sopsmith validate a b --output j") == ["json"]


def test_arguments_of_known_words_complete(tab: Tab) -> None:
    assert sorted(tab("sopsmith completion ")) == ["bash", "fish", "zsh"]


def test_verbs_complete_and_each_has_options_of_its_own(tab: Tab) -> None:
    assert {"check", "apply", "recreate"} <= set(tab("sopsmith postgres "))
    assert sorted(tab("sopsmith postgres re")) == ["recover", "recreate", "retire"]
    assert tab("sopsmith postgres check --w") == ["--wait"]
    assert tab("sopsmith postgres check --ag") == []  # of `sopsmith check`
    assert tab("sopsmith postgres apply -e dev --v") == ["--via"]
    assert sorted(tab("sopsmith postgres status --output ")) == ["json", "text"]
    assert tab("sopsmith postgres check --from ") == []  # a file
    assert tab("sopsmith postgres apply ") == []


def test_where_a_file_is_meant_the_shell_completes_files(tab: Tab) -> None:
    assert tab("sopsmith render ") == []
    assert tab("sopsmith set -e ") == []


def test_every_option_of_every_command_completes(tab: Tab, repo: Repo) -> None:
    commands = re.findall(r"^    ([a-z]+)\b", repo.cli("--help").out, re.MULTILINE)
    verbs = re.findall(r"^    ([a-z]+)\b", repo.cli("postgres", "--help").out, re.MULTILINE)
    assert len(commands) > 6 and len(verbs) > 6
    for command in (*commands, *(f"postgres {verb}" for verb in verbs)):
        helped = repo.cli(*command.split(), "--help").out
        options = set(re.findall(r"(?<![\w-])--[a-z][-a-z]+", helped.partition("examples:")[0]))
        assert options <= set(tab(f"sopsmith {command} --"))


def test_a_real_bash_asks_our_function(repo: Repo) -> None:
    """The `complete` line works too, and the words need no bash newer than macOS's 3.2."""
    script = repo.write("script", repo.cli("completion", "bash").out)
    run = repo.run("bash", "-c", f"source {script}; complete -p sopsmith")
    assert run.out == "complete -o default -F _sopsmith sopsmith\n"
    assert not re.search(r"mapfile|readarray|declare -A|\$\{[^}]*\^", script.read_text())
