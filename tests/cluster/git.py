"""Commits to a test's repository, which Argo CD then fetches."""

from __future__ import annotations

import subprocess
from pathlib import Path

NOBODY = ("-c", "user.name=test", "-c", "user.email=test@example.com")


def commit(repository: Path) -> str:
    """Commit all that is there; the revision."""
    _git(repository, "add", "--all")
    _git(repository, *NOBODY, "commit", "--quiet", "--message", "change")
    return _git(repository, "rev-parse", "HEAD").strip()


def _git(repository: Path, *words: str) -> str:
    argv = ("git", "-C", str(repository), *words)
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
