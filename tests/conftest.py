"""The fixtures every test stands on: a repository with a real key, and a clean environment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.repository import ROOT, Repo

DAY = 24 * 60 * 60  # seconds; sopsmith and sops tell the day in UTC

# The same examples each time, on a machine of any speed. For others:
# pytest --hypothesis-profile=default --hypothesis-seed=N
settings.load_profile("ci")


@pytest.fixture(scope="session")
def age_key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A real age key and its recipient."""
    file = tmp_path_factory.mktemp("key") / "keys.txt"
    subprocess.run(["age-keygen", "-o", str(file)], check=True, capture_output=True)
    recipient = next(line for line in file.read_text().splitlines() if "public key:" in line)
    return file, recipient.split()[-1]


@pytest.fixture
def repo(tmp_path: Path, age_key: tuple[Path, str]) -> Iterator[Repo]:
    """A repository; when the test is over, no canary may be heard."""
    (tmp_path / "home").mkdir()
    repo = Repo(tmp_path / "repo", *age_key)
    yield repo
    assert list(repo.singing()) == []


@pytest.fixture
def example(tmp_path: Path) -> Repo:
    """A copy of the example platform with its public demo key."""
    (tmp_path / "home").mkdir()
    repo = Repo(tmp_path / "repo", ROOT / "secrets/demo-only.agekey", "")
    for folder in ("secrets", "overlays"):
        shutil.copytree(ROOT / folder, repo.path / folder)
    repo.env["SOPSMITH_ALLOW_DEMO_KEY"] = "1"
    return repo


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests decides how they end."""
    for name in list(os.environ):
        if name.startswith(("SOPS", "AGE_", "KUSTOMIZE", "XDG_", "PG")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def one_day() -> None:
    """No test begins on one day and ends on the next: what it expects of today would be wrong."""
    left = DAY - time.time() % DAY
    if left < 120:
        time.sleep(left)


def pytest_configure() -> None:
    """Who ends the tests with SIGTERM leaves no server behind, as with Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
