"""The repository with hooks, built once and copied for every test; PostgreSQL, three times."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import hooked
from tests.programs import needed
from tests.repository import Repo
from tests.servers import LOUD, Server, server
from tests.tools.liars import lying


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


@pytest.fixture(scope="session")
def postgres18() -> Iterator[Server]:
    """A server that says all it hears, for the session; so are the others."""
    yield from _started(18)


@pytest.fixture(scope="session")
def postgres16() -> Iterator[Server]:
    yield from _started(16)


@pytest.fixture(scope="session")
def postgres15() -> Iterator[Server]:
    yield from _started(15)


@pytest.fixture(scope="session")
def liars() -> Iterator[Server]:
    """One whose rules lie."""
    with lying(needed(18), LOUD) as started:
        yield started


def _started(version: int) -> Iterator[Server]:
    with server(needed(version), settings=LOUD) as started:
        yield started
