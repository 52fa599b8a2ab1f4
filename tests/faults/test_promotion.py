"""A rotation in git that is broken at its commit, by the real commands: nothing is lost, and
`recover` makes the database accept what the files say. Stopped before the commit, it never was."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.database import Shop, shop
from tests.faults.world import World
from tests.repository import Repo
from tests.servers import heard

OURS = "$(awk '{print $4}' /proc/$PPID/stat)"  # sopsmith, which runs git, which runs the hook


class Promotion(NamedTuple):
    """Where a rotation's commit is broken, and how."""

    hook: str  # of git: before or after the commit
    script: str
    strategy: str

    @property
    def title(self) -> str:
        return f"{self.strategy}: {self.script} {self.hook}"


SCRIPTS = {
    "killed": f"kill -9 {OURS}",
    "git killed": "kill -9 $PPID",
    "stopped": f"kill -TERM {OURS}; sleep 60",  # git waits for it, or would be done first
    "refused": "exit 1",
    "second apply": "sopsmith postgres apply -e production >&2",
    "second recover": "sopsmith postgres recover -e production --no-cluster --grace 0s >&2",
}
PROMOTIONS = [
    Promotion(hook, script, strategy)
    for strategy in ("alternating", "in-place")
    for script in SCRIPTS
    for hook in ("pre-commit", "post-commit")
]


@pytest.fixture
def committed(repo: Repo, world: World, promotion: Promotion) -> Shop:
    """An application whose database accepts what git says, with the hook."""
    made = shop(repo, world.server, promotion.strategy)
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    repo.run("git", "add", ".")
    assert repo.run("git", "commit", "-qm", "one").code == 0
    made.bootstrap()
    hook = f"#!/bin/sh\n{SCRIPTS[promotion.script]}\n"
    repo.write(f".git/hooks/{promotion.hook}", hook).chmod(0o755)
    return made


def test_a_rotation_that_breaks_at_its_commit(committed: Shop, promotion: Promotion) -> None:
    before = committed.value("DATABASE_URL")
    committed.repo.cli("rotate", "POSTGRES_PASSWORD", "--commit")
    committed.repo.path.joinpath(".git/hooks", promotion.hook).unlink()
    is_undone = (promotion.script, promotion.hook) == ("stopped", "pre-commit")
    is_agreed = is_undone or "second" in promotion.script
    if promotion.strategy == "alternating":
        assert committed.logs_in(before)
    assert bool(committed.logs_in()) == is_agreed
    recovered = committed.postgres("recover", "--no-cluster")
    assert recovered.code == 0 or "yet, so" in recovered.err  # the former role stays open
    assert committed.logs_in() and (committed.value("DATABASE_URL") == before) == is_undone
    what_broke_can_be_committed(committed.repo)
    assert heard(committed.server, committed.repo.canaries) == []


def what_broke_can_be_committed(repo: Repo) -> None:
    (repo.path / ".git/index.lock").unlink(missing_ok=True)  # of a git that was killed
    told = repo.run("git", "status", "--porcelain").out
    assert told in ("", " M overlay/recipe.yaml\n")
    repo.run("git", "commit", "-qam", "two")
    assert repo.run("git", "fsck", "--strict").code == 0
    assert repo.cli("validate").code == 0
