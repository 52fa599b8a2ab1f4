"""What psql says of an error, in whatever language the server speaks."""

from __future__ import annotations

import os
from pathlib import Path
from secrets import token_hex

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.postgres.channel import SqlError
from sopsmith.tools.psql import Psql, psql


def saying(words: str, folder: Path, status: int = 3) -> Psql:
    """A psql that says this and ends as it does after an error."""
    program = folder / "psql"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf '%s\\n' {words} >&2\nexit {status}\n")
    program.chmod(0o755)
    return psql(str(program), {"PATH": os.environ["PATH"]})


@pytest.mark.parametrize(
    "words",
    [
        "'psql:<stdin>:5: ERROR:  55P03'",
        "'psql:<stdin>:5: FEHLER:  55P03'",
        "'psql:<stdin>:5: ERREUR :  55P03'",
        "'psql:<stdin>:3: WARNUNG:  01000' 'psql:<stdin>:5: FEHLER:  55P03' 'exit code 3'",
    ],
)
def test_the_code_is_read_whatever_the_word_before_it(words: str, tmp_path: Path) -> None:
    with pytest.raises(SqlError) as caught:
        saying(words, tmp_path).transact("SELECT 1", ["SELECT 2"], lambda point: None)
    assert caught.value.state == "55P03"


def test_a_text_is_no_code(tmp_path: Path) -> None:
    words = "'psql: error: connection to server failed: FATAL:  role \"APP01\" is unknown'"
    with pytest.raises(SqlError) as caught:
        saying(words, tmp_path).transact("SELECT 1", [], lambda point: None)
    assert caught.value.state is None


CANARY = token_hex(12)


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        (127, "", "a program that it names is not there"),
        (1, 'exec: "psql": executable file not found in $PATH', "names is not there"),
        (1, 'Error from server (NotFound): pods "db-0" not found', "the pod or container"),
        (1, "error: container nope is not valid for pod db-0", "the pod or container"),
        (1, 'Error from server (NotFound): namespaces "nope" not found', "the namespace"),
        (1, 'error: context "nope" does not exist', "the namespace or context"),
        (1, 'Error from server (Forbidden): pods "db-0" is forbidden', "does not let this user"),
        (1, "Unable to connect to the server: dial tcp", "can't be reached"),
        (2, "FATAL:  password authentication failed for user", "does not let psql log in"),
        (2, 'FATAL:  role "me" does not exist', "the server has no role of the name"),
        (2, 'could not translate host name "db" to address', "the host that it names is not known"),
        (2, "", "psql did not reach the server, or lost it"),
        (1, "", "failed, or did not reach the database"),
    ],
)
def test_why_the_command_failed_is_told_in_words_of_ours(
    status: int, said: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(SopsmithError) as caught:
        saying(f"'{said} {CANARY}'", tmp_path, status).ask("SELECT 1")
    (found,) = caught.value.findings
    assert found.code == "db-unreachable" and words in found.message
    assert CANARY not in str(found) and found.hint and "by hand" in found.hint
