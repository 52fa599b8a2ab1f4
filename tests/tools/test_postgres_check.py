"""`sopsmith postgres check`: what it logs in by, and what it never tells of a URL."""

from __future__ import annotations

import pytest

from tests.repository import Repo


@pytest.mark.parametrize("scheme", ["postgresql://shop", "redis://"])
@pytest.mark.parametrize("output", ["text", "json"])
def test_no_piece_of_a_torn_password_is_shown(repo: Repo, scheme: str, output: str) -> None:
    pieces = [repo.canary() for _ in range(3)]
    for url in (
        "{}:{}@{}/{}@localhost:1/0", "{}:{}@{}?{}@localhost:1/0",
        "{}:{}@{}/0?{}@localhost:1/0", "{}:{}@{}.{}@localhost:1/0",
    ):  # fmt: skip
        url = url.format(scheme, *pieces)
        run = repo.cli("postgres", "check", "--env", "APP", "--output", output, APP=url)
        assert run.codes == {"db-roles"} and "%40" in run.err  # repo looks for the pieces


def test_what_redis_cli_takes_for_a_password_is_not_shown_as_a_user(repo: Repo) -> None:
    url = f"redis://{repo.canary()}@localhost:1/0"
    run = repo.cli("postgres", "check", "--env", "APP", APP=url)
    assert run.codes == {"db-roles"} and "behind a colon" in run.err
