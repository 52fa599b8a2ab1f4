"""`rotate --now`, broken between git and the last session: run again, it has rotated once."""

from __future__ import annotations

import subprocess
import sys
from typing import NamedTuple

import pytest

from tests.database import Shop, pods, published, remote, shop
from tests.faults.world import World
from tests.past import git
from tests.repository import Repo, Run
from tests.servers import heard

COMMAND = ("postgres", "rotate", "POSTGRES_PASSWORD", "--now", "--no-cluster", "--grace", "0s")
STEPS = ("promote", "push", "apply", "wait", "retire")
KINDS = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "stopped": "os.kill(os.getpid(), signal.SIGTERM)",
    "bug": "raise RuntimeError('a bug')",
}
HOOKS = {  # of the remote
    "refused": ("pre-receive", "exit 1"),
    "reply lost": ("post-update", "kill -9 $PPID"),
}
BROKEN = """
import os, signal, sys
from functools import partial
from sopsmith import cli
from sopsmith.database import ways

def at(point):
    if point == {point!r}:
        {act}

ways.real = partial(ways.real, at=at)
cli.main(sys.argv[1:])
"""


class Break(NamedTuple):
    """Where the command is broken, and how."""

    point: str
    kind: str

    @property
    def title(self) -> str:
        return f"{self.kind} {self.point}"


BREAKS = [
    *(Break(f"{when} {step}", kind) for step in STEPS for when in ("before", "after")
      for kind in KINDS),
    *(Break("in the push", kind) for kind in (*HOOKS, "another pushes")),
]  # fmt: skip


@pytest.fixture
def one(repo: Repo, world: World) -> Shop:
    """An application whose database accepts what git says, and a remote."""
    made = shop(repo, world.server)
    published(made)
    return made


def test_a_rotation_that_breaks_on_its_way(one: Shop, broken: Break) -> None:
    first = one.value("DATABASE_URL")
    with pods(one):
        run = interrupted(one, broken)
    assert run.code != 0 or broken.kind == "reply lost", run.err
    if broken.kind == "stopped" and "promote" not in broken.point:
        assert "half done; this goes on: sopsmith postgres rotate POSTGRES_PASSWORD" in run.err
    is_over = one.logs_in(first) is None
    assert not is_over or broken.point == "after retire" or run.code == 0
    if broken.kind == "another pushes":
        git(one.repo, "pull", "-q", "--rebase")
    (one.repo.path / ".git/index.lock").unlink(missing_ok=True)
    if not is_over:
        with pods(one):
            again = one.repo.cli(*COMMAND)
        assert again.code == 0, again.err
    is_rotated = one.leaf()["POSTGRES_PASSWORD"]["version"]
    assert is_rotated == 2 and one.logs_in() and one.logs_in(first) is None
    assert git(one.repo, "rev-parse", "HEAD", "@{upstream}").split()[0] == pushed(one)
    assert heard(one.server, one.repo.canaries) == []


def interrupted(one: Shop, broken: Break) -> Run:
    """The command, which is broken."""
    if broken.kind in KINDS:
        script = BROKEN.format(point=broken.point, act=KINDS[broken.kind])
        return one.repo.run(sys.executable, "-c", script, *COMMAND)
    if broken.kind == "another pushes":
        return overtaken(one)
    name, line = HOOKS[broken.kind]
    hook = one.repo.path.parent / "remote.git/hooks" / name
    hook.write_text(f"#!/bin/sh\n{line}\n")
    hook.chmod(0o755)
    run = one.repo.cli(*COMMAND)
    hook.unlink()
    return run


def overtaken(one: Shop) -> Run:
    """Somebody pushes another commit once ours is made."""
    other = one.repo.path.parent / "other"
    subprocess.run(["git", "clone", "-q", remote(one), str(other)], check=True)
    words = f"git -C {other} -c user.name=n -c user.email=n@example.org"
    theirs = f"{words} commit -q --allow-empty -m theirs && {words} push -q"
    one.repo.write(".git/hooks/post-commit", f"#!/bin/sh\nunset GIT_DIR\n{theirs}\n").chmod(0o755)
    run = one.repo.cli(*COMMAND)
    (one.repo.path / ".git/hooks/post-commit").unlink()
    return run


def pushed(one: Shop) -> str:
    """The commit that the remote has."""
    return git(one.repo, "ls-remote", "origin", "HEAD").split()[0]
