"""Who is interrupted in a commit has changed nothing, and the same command does it all again."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from sopsmith.errors import STOPS
from tests.past import git, storied
from tests.programs import wait_until
from tests.repository import Repo, Run

HANGS = """#!/bin/sh
trap 'echo > ../cleaned; exit 1' INT
echo > ../reached
while :; do sleep 0.05; done
"""
WAYS = {
    "ctrl-c": lambda pid: os.killpg(pid, signal.SIGINT),  # to all that the terminal knows of
    "kill": lambda pid: os.kill(pid, signal.SIGTERM),
}
ROTATE = ("rotate", "PASSWORD", "--commit")
FILL = ("fill", "--commit")  # a new file


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A leaf with a password, committed."""
    return named(storied(repo))


@pytest.fixture
def growing(repo: Repo) -> Repo:
    """The same with a value that is drawn into a file that is not there yet."""
    values = {"DRAWN": {"generate": {"password": {}}, "stored": True}}
    components = ["../shop.enc.yaml", "../new.enc.yaml"]
    return named(storied(repo, values=values, components=components))


def named(repo: Repo) -> Repo:
    """With somebody who commits."""
    for key, text in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        git(repo, "config", key, text)
    return repo


def heeding() -> None:
    """Let a child heed every signal, also where the tests run in the background."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


def interrupted(repo: Repo, hook: str, how: str, *argv: str) -> Run:
    """Run `sopsmith`, which is interrupted while a hook runs."""
    file = repo.write(f".git/hooks/{hook}", HANGS)
    file.chmod(0o755)
    popen = subprocess.Popen(
        ["sopsmith", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=repo.path, env=repo.env, start_new_session=True, preexec_fn=heeding,
    )  # fmt: skip
    there = repo.path.parent / "reached"
    with popen as begun:
        wait_until(lambda: there.exists() or begun.poll() is not None, "the hook", seconds=120)
        assert there.exists(), popen.communicate()
        WAYS[how](begun.pid)
        out, err = begun.communicate(timeout=120)
    file.unlink()
    there.unlink()
    repo.runs.append(Run(begun.returncode, out, err))
    return repo.runs[-1]


def left(repo: Repo) -> list[str]:
    """What differs from the last commit, and git's locks."""
    locks = [path.name for path in (repo.path / ".git").rglob("*.lock")]
    return locks + git(repo, "status", "--porcelain").splitlines()


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("hook", ["pre-commit", "commit-msg"])
def test_what_was_not_committed_is_put_back(shop: Repo, hook: str, how: str) -> None:
    before, at = left(shop), git(shop, "rev-parse", "HEAD")
    run = interrupted(shop, hook, how, *ROTATE)
    assert run.code == (130 if how == "ctrl-c" else 143)
    assert "nothing was committed, and the files are as they were" in run.err
    assert (left(shop), git(shop, "rev-parse", "HEAD")) == (before, at)
    assert (shop.path.parent / "cleaned").exists()  # the hook had the time
    assert shop.cli(*ROTATE).code == 0
    assert git(shop, "rev-parse", "HEAD^") == at and left(shop) == before


def test_a_new_file_is_gone_again(growing: Repo) -> None:
    before = left(growing)
    assert interrupted(growing, "pre-commit", "kill", *FILL).code == 143
    assert left(growing) == before and not (growing.path / "new.enc.yaml").exists()
    assert growing.cli(*FILL).code == 0
    assert "new.enc.yaml" in git(growing, "show", "--format=", "--name-only")


@pytest.mark.parametrize(("made", "argv"), [("shop", ROTATE), ("growing", FILL)])
def test_what_was_committed_stays(
    request: pytest.FixtureRequest, made: str, argv: tuple[str, ...]
) -> None:
    repo: Repo = request.getfixturevalue(made)
    before, at = left(repo), git(repo, "rev-parse", "HEAD")
    run = interrupted(repo, "post-commit", "ctrl-c", *argv)
    assert run.code == 130 and "as they were" not in run.err
    assert git(repo, "rev-parse", "HEAD^") == at and left(repo) == before


def test_who_stops_it_while_it_loads_hears_no_traceback(repo: Repo, tmp_path: Path) -> None:
    """It loads a module of that name, which stops it."""
    stop = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nwhile True:\n    pass\n"
    (tmp_path / "argparse.py").write_text(stop)
    run = subprocess.run(
        ["sopsmith", "--help"], capture_output=True, timeout=120, preexec_fn=heeding,
        env={**repo.env, "PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGINT, b"", b"")
