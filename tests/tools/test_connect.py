"""`sopsmith validate --connect`: what is right in git is tried where it has to work."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.database import Shop, shop
from tests.programs import free_port
from tests.redis import redis
from tests.repository import Repo, Run
from tests.servers import Server, heard


@pytest.fixture
def one(repo: Repo, postgres18: Server) -> Iterator[Shop]:
    """An application with PostgreSQL, and with Redis at a port where nobody listens yet."""
    cache = {"scheme": "redis", "password": "$(REDIS_PASSWORD)", "host": "127.0.0.1",
             "port": free_port(), "path": "0"}  # fmt: skip
    made = shop(
        repo, postgres18, "in-place", REDIS_PASSWORD={"generate": {"password": {}}},
        REDIS_URL={"derive": {"url": cache}},
    )  # fmt: skip
    repo.canary(repo.cli("get", "REDIS_PASSWORD").out)
    made.bootstrap()
    yield made
    assert heard(postgres18, repo.canaries) == []


@pytest.fixture
def cache(one: Shop) -> Iterator[None]:
    """Its Redis, as it started with the password of then."""
    port = int(one.value("REDIS_URL").rpartition(":")[2].partition("/")[0])
    with redis(one.value("REDIS_PASSWORD"), port):
        yield


def connected(one: Shop, *argv: str, **env: str | None) -> Run:
    return one.repo.cli("validate", "--connect", "overlay", *argv, **env)


def test_every_url_logs_in(one: Shop, cache: None) -> None:
    run = connected(one)
    assert run.code == 0, run.out
    assert "checked 1 path and 3 URLs: 0 errors" in run.out


def test_a_wrong_password_is_a_finding_with_its_version(one: Shop, cache: None) -> None:
    one.rotate()
    run = connected(one)
    assert run.code == 1
    assert "the database holds version 1; git says version 2 [db-login]" in run.out
    assert one.repo.cli("validate", "overlay").code == 0  # it never asked


def test_redis_is_asked_too(one: Shop, cache: None) -> None:
    one.rotate("REDIS_PASSWORD")
    run = connected(one)
    assert run.code == 1 and run.out.count("[db-login]") == 1
    assert "REDIS_URL" in run.out and "restart it with the current Secret" in run.out


def test_findings_stand_where_the_url_is_declared(one: Shop, cache: None) -> None:
    one.rotate()
    (found,) = [f for f in connected(one, "--output", "json").document["findings"]
                if f["code"] == "db-login"]  # fmt: skip
    lines = (one.repo.path / "overlay/recipe.yaml").read_text().splitlines()
    assert (found["file"], found["field"]) == ("overlay/recipe.yaml", "DATABASE_URL")
    assert '"DATABASE_URL"' in lines[found["line"] - 1]
    place = f"file=overlay/recipe.yaml,line={found['line']},title=sopsmith%3A db-login"
    assert f"::error {place}::" in connected(one, "--output", "github").out


def test_nobody_listens(one: Shop) -> None:
    run = connected(one)
    assert run.code == 3 and "REDIS_URL" in run.out and "[db-unreachable]" in run.out


def test_what_is_wrong_in_git_is_never_tried(one: Shop) -> None:
    one.repo.leaf("other", environment="other", values={"LACKING": {}},
                  secrets={"other": {"keys": ["LACKING"]}})  # fmt: skip
    before = one.server.log().count("connection received")
    run = connected(one, "other")
    assert run.code == 1 and "checked 2 paths and 0 URLs: 1 error" in run.out
    assert one.server.log().count("connection received") == before


def test_without_a_key_nothing_can_be_tried(one: Shop) -> None:
    run = connected(one, SOPS_AGE_KEY_FILE=None)
    assert run.code == 3 and "[no-key]" in run.out and "and 0 URLs" in run.out


def test_without_psycopg_it_says_what_to_install(one: Shop) -> None:
    code = "import sys; sys.modules['psycopg'] = None; from sopsmith.cli import main; main()"
    run = one.repo.run(sys.executable, "-c", code, "validate", "overlay", "--connect")
    assert run.code == 3, run.err
    assert "the psycopg package is not installed [program-missing]" in run.out
    assert "pip install 'PATH_OF_THE_CHECKOUT[postgres]'" in run.out
