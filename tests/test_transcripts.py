"""CLI sessions as text: what a person types, and every line that comes back.

A transcript starts with prose, then goes on with commands:

    $ sopsmith render overlay      a command, run at the root of the repository
    SECRET  KEY                    its standard output
    ! sopsmith: error: …           its standard error
    ? 2                            its exit code; 0 where nothing is said

Commits are Ada's, of one moment, so that those of plaintext alone have the same name every time.
A session ends with the files of the repository, each behind a line `-- path --`. A line `-- path
(encrypted) --` holds a flat map that real sops encrypts; its values must not be heard. RECIPIENT is
the public key of the one who runs it. `<<< text` gives a line on standard input. `...` stands for
any lines. UPDATE_TRANSCRIPTS=1 writes down what comes back now.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.repository import ROOT, Repo, Run

TRANSCRIPTS = sorted((ROOT / "tests/transcripts").glob("*.txt"))
ANY = "\n...\n"
WHO = {
    f"GIT_{role}_{field}": text
    for role in ("AUTHOR", "COMMITTER")
    for field, text in (("NAME", "Ada"), ("EMAIL", "ada@example.org"),
                        ("DATE", "2026-01-01T12:00:00Z"))
}  # fmt: skip
FILE = re.compile(r"^-- (.+?)( \(encrypted\))? --\n", re.MULTILINE)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_session_goes_as_written(repo: Repo, path: Path) -> None:
    text = path.read_text()
    match = FILE.search(text)
    session, files = (text[: match.start()], text[match.start() :]) if match else (text, "")
    build(repo, files)
    prose, *calls = re.split(r"^\$ ", session.rstrip() + "\n", flags=re.MULTILINE)
    expected = [call.rstrip() + "\n" for call in calls]
    actual = [replay(repo, call.partition("\n")[0]) for call in calls]
    if os.environ.get("UPDATE_TRANSCRIPTS"):
        expected = [e if ANY in e else a for e, a in zip(expected, actual, strict=True)]
        path.write_text("\n".join([prose.rstrip() + "\n", *(f"$ {e}" for e in expected), files]))
    for written, heard in zip(expected, actual, strict=True):
        assert heard == (heard if is_like(heard, written) else written)


def is_like(actual: str, expected: str) -> bool:
    """Whether they are the same but for what `...` stands for."""
    pattern = r"\n(?s:.*\n)?".join(map(re.escape, expected.split(ANY)))
    return re.fullmatch(pattern, actual) is not None


def build(repo: Repo, text: str) -> None:
    """Write the files of a transcript."""
    for name, encrypted, content in zip(*[iter(FILE.split(text)[1:])] * 3, strict=True):
        if not encrypted:
            repo.write(name, content.replace("RECIPIENT", repo.recipient))
            continue
        values = yaml.safe_load(content)
        for key in set(values) - {"SOPSMITH_ENVIRONMENT"}:
            repo.canary(values[key])
        repo.component(name, values, environment=None)


def replay(repo: Repo, command: str) -> str:
    """Run a command and write down what comes back."""
    typed, _, given = command.partition(" <<< ")
    words = shlex.split(typed.replace("RECIPIENT", repo.recipient))
    settings: Any = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    program = shutil.which(words[len(settings)]) or ""
    stdin = "".join(f"{word}\n" for word in shlex.split(given)).encode()
    environment = {"COLUMNS": "80", **WHO} | settings
    run = repo.run(program, *words[len(settings) + 1 :], stdin=stdin, **environment)
    return f"{command}\n{everything(run)}".replace(repo.recipient, "RECIPIENT")


def everything(run: Run) -> str:
    """What came back."""
    errors = "".join(f"! {line}\n" for line in run.err.splitlines())
    return run.out + errors + (f"? {run.code}\n" if run.code else "")


def test_every_command_is_in_a_transcript() -> None:
    told = "".join(path.read_text() for path in TRANSCRIPTS)
    for command in ("render", "validate", "list", "resolve", "schema", "doctor", "completion"):
        assert f"sopsmith {command}" in told
