"""The repository with hooks, built once and copied for every test that commits to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import hooked
from tests.repository import Repo


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, age_key: tuple[Path, str]) -> Repo:
    """The repository that every test breaks a copy of."""
    folder = tmp_path_factory.mktemp("hooked")
    (folder / "home").mkdir()
    return hooked.build(Repo(folder / "repo", *age_key))


@pytest.fixture
def guarded(template: Repo, tmp_path: Path) -> Iterator[Repo]:
    """A copy; when the test is over, no canary may be heard."""
    repo = hooked.copied(template, tmp_path)
    yield repo
    assert list(repo.singing()) == []
