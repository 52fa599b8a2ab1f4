"""What psql says of an error, in whatever language the server speaks."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sopsmith.postgres.channel import SqlError
from sopsmith.tools.psql import Psql, psql


def saying(words: str, folder: Path) -> Psql:
    """A psql that says this and ends as it does after an error."""
    program = folder / "psql"
    program.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf '%s\\n' {words} >&2\nexit 3\n")
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
