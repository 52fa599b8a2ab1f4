"""`sopsmith postgres check`: what it logs in by, and what it never tells of a URL."""

from __future__ import annotations

import pytest

from tests.repository import Repo, Run
from tests.servers import Server, heard


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


# --- URLs that somebody gave as a whole -----------------------------------------------------------

WAYS = (("postgres", "check"), ("validate", "--connect", "overlay"))


def given(repo: Repo, server: Server, argv: tuple[str, ...], **query: str) -> Run:
    """What comes of a URL that was given, and of a copy of it."""
    password = repo.canary()
    server.role("legacy", password)
    url = server.url("legacy", password, **query).replace("postgresql:", "jdbc:postgresql:")
    values = {"COPY": {"derive": {"template": "$(LEGACY_URL)"}}}
    repo.shop({"LEGACY_URL": url, "CDN_URL": "https://cdn.example/"}, values=values)
    run = repo.cli(*argv)
    assert heard(server, repo.canaries) == []
    return run


@pytest.mark.parametrize("argv", WAYS)
def test_a_given_url_is_logged_in_by(repo: Repo, postgres18: Server, argv: tuple[str, ...]) -> None:
    run = given(repo, postgres18, argv)
    assert run.code == 0, run.out
    assert "2 URLs: 0 errors" in run.out and "[db-unread]" not in run.out


@pytest.mark.parametrize("argv", WAYS)
def test_a_given_url_may_be_refused(repo: Repo, postgres18: Server, argv: tuple[str, ...]) -> None:
    run = given(repo, postgres18, argv, dbname="missing")
    assert run.code == 1 and run.out.count("[db-login]") == 2
    assert "LEGACY_URL: legacy at" in run.out


@pytest.mark.parametrize("argv", WAYS)
@pytest.mark.parametrize(("url", "why"), [
    ("postgresql://legacy@h/d", "holds no password"), ("postgres://h/d", "names no user"),
    ("rediss://:torn@apart/by@h/0", "has an @ where none can be"),
    ("redis://localhost:1,localhost:2/0", "names several servers"),
    ("redis://localhost:1/mymaster", "names a database that is no number"),
    ("redis://u:@localhost:1/0", "has a user and no password"),
])  # fmt: skip
def test_what_was_not_tried_is_named(repo: Repo, argv: tuple[str, ...], url: str, why: str) -> None:
    repo.shop({"LEGACY_URL": url})
    run = repo.cli(*argv)
    assert run.code == 0 and f"LEGACY_URL: was not tried: it {why}" in run.out
    assert "0 URLs: 0 errors" in run.out


@pytest.mark.parametrize("argv", WAYS)
def test_a_derived_url_that_nobody_can_read_keeps_none_of_the_others_from_its_login(
    repo: Repo, postgres18: Server, argv: tuple[str, ...]
) -> None:
    url = {"scheme": "redis", "user": "default", "password": "$(REDIS_PASSWORD)",
           "host": "localhost", "port": 1, "path": "0"}  # fmt: skip
    password = repo.canary()
    postgres18.role("beside", password)
    values = {"REDIS_PASSWORD": {"optional": True}, "REDIS_URL": {"derive": {"url": url}}}
    repo.shop({"OTHER_URL": postgres18.url("beside", password)}, values=values)
    run = repo.cli(*argv)
    assert run.code == 0 and "1 URL" in run.out, run.out
    assert "REDIS_URL: was not tried: it has a user and no password" in run.out
    assert "hint: correct the parts that the recipe derives it from" in run.out


def test_how_a_url_is_written_is_told_where_one_is_none(repo: Repo) -> None:
    url = f"redis://:{repo.canary()}@one:1,two:2/0"
    run = repo.cli("postgres", "check", "--env", "APP", APP=url)
    assert run.code == 2 and "APP: names several servers" in run.err
    assert "hint: write it as postgresql://USER:PASSWORD@" in run.err


def test_what_a_url_was_before_need_not_log_in(repo: Repo) -> None:
    former = {"SOPSMITH_PREVIOUS_OLD_URL": "redis://h.invalid/0", "SOPSMITH_SEED_1": repo.seed}
    repo.shop(values={"OLD_URL": {}, "FORMER": {"derive": {"previousOf": "OLD_URL"}}})
    repo.component("shop.enc.yaml", {"OLD_URL": "https://new.example", **former})
    run = repo.cli("validate", "--connect", "overlay")
    assert run.code == 0 and "and 0 URLs" in run.out


# --- what helps -----------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [(), ("--env", "APP")])
def test_a_password_of_no_role_is_sent_to_no_status(
    repo: Repo, postgres18: Server, argv: tuple[str, ...]
) -> None:
    postgres18.role("roleless", repo.canary())
    url = postgres18.url("roleless", repo.canary())
    repo.shop({"DATABASE_URL": url})
    run = repo.cli("postgres", "check", *argv, APP=url)
    assert run.code == 1 and "[db-login]" in run.out and "postgres status" not in run.out
    assert r"set the password there (\password in psql)" in run.out
    assert "role: {strategy: in-place} beside it, sopsmith postgres apply" in run.out
