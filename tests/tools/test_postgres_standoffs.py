"""What git, the database, the cluster and other operators disagree about, on a real server."""

from __future__ import annotations

import base64
import itertools
import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date
from secrets import token_hex
from typing import ClassVar

import psycopg
import pytest
from psycopg.sql import SQL

from sopsmith.commands.postgres_status import recover as recover_all
from sopsmith.database import applying, bootstrapping, recovering, ways
from sopsmith.database.accounts import Source
from sopsmith.database.connecting import Way
from sopsmith.database.consuming import Cluster
from sopsmith.database.recovering import Recovered
from sopsmith.database.standing import standing
from sopsmith.errors import SopsmithError
from sopsmith.findings import text
from sopsmith.postgres import account, consumers
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live, Object
from sopsmith.voice import Session
from tests.database import Shop, mounted, shop
from tests.repository import Repo
from tests.servers import Server, heard

Make = Callable[..., Shop]


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    """Makes the application and applies it; in the end the server has heard no password."""
    made: list[Shop] = []

    def one(strategy: str = "alternating") -> Shop:
        new = shop(repo, postgres18, strategy)
        made.append(new)
        new.bootstrap()
        assert new.postgres("apply").code == 0
        return new

    yield one
    for each in made:
        assert heard(each.server, repo.canaries) == []


def said(one: Shop) -> Account:
    """What git says now of the application's password."""
    found = account.read(one.value("ROLES").encode())
    return next(each for each in found if each.value == "POSTGRES_PASSWORD")


def secret(name: str, **data: str) -> Object:
    """A Secret of the cluster."""
    encoded = {key: base64.b64encode(data[key].encode()).decode() for key in data}
    return {"metadata": {"name": name}, "data": encoded}


def cluster(*secrets: Object, read: str) -> Live:
    """A cluster with these, one of which a pod reads."""
    spec = {"containers": [{"envFrom": [{"secretRef": {"name": read}}]}]}
    pod = {"metadata": {"name": "web-1"}, "status": {"phase": "Running"}, "spec": spec}
    return Live(secrets, (pod,), (), {})


def recover(one: Account, live: Live) -> Recovered:
    """As `sopsmith postgres recover` does where this is the cluster."""
    way = ways.real({})
    found = standing(one, way, live)

    def users(account: Account) -> tuple[str, ...]:
        return consumers.former(live, account)

    return recovering.recover(found, way, users, grace=0, now=time.monotonic)


def outrun(one: Shop) -> str:
    """Rotated and applied, and a late Job of the former commit after that; the former URL."""
    before, late = one.value("DATABASE_URL"), said(one)
    one.rotate()
    assert one.postgres("apply").code == 0
    applying.apply(late, ways.real({}))
    return before


def test_after_a_late_job_what_git_says_stays_open(make: Make) -> None:
    one = make()
    before = outrun(one)
    assert one.postgres("recover", "--no-cluster").code == 0
    assert one.logs_in() and one.logs_in(before)
    with psycopg.connect(one.value("DATABASE_URL")):
        assert f"{one.roles[0]} is closed" in one.postgres("recover", "--no-cluster").out
    assert one.logs_in() and one.logs_in(before) is None


def test_recover_looks_on_for_who_comes_as_the_new_role(make: Make) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    one.rotate()
    assert one.postgres("apply").code == 0
    came: list[psycopg.Connection[tuple[object, ...]]] = []

    def pause(seconds: float) -> None:
        if not came:
            came.append(psycopg.connect(one.value("DATABASE_URL")))

    way, ticks = ways.real({})._replace(pause=pause), itertools.count()
    done = recovering.recover(standing(said(one), way, None), way, lambda account: (), grace=9,
                              now=lambda: float(next(ticks)))  # fmt: skip
    came[0].close()
    assert done.decision.action == "retire" and one.logs_in(before) is None and one.logs_in()


def test_after_a_late_job_retire_asks_for_an_apply(make: Make) -> None:
    one = make()
    before = outrun(one)
    run = one.postgres("retire", "--no-cluster")
    assert run.code == 5 and "sopsmith postgres apply" in run.err
    assert one.logs_in() and one.logs_in(before)


def test_what_pods_hold_without_a_url_is_not_replaced(make: Make) -> None:
    one = make()
    one.rotate()
    one.rotate()
    mine, held = said(one), one.repo.canary(token_hex(16))
    one.server.change(mine.active, held)  # by hand
    with pytest.raises(SopsmithError, match="db-in-use"):
        recover(mine, cluster(secret("db", username=mine.active, password=held), read="db"))
    assert one.logs_in(one.server.url(mine.active, held, one.name))


def nowhere(one: Account) -> Account:
    """The account with a second URL, whose database does not exist."""
    (to,) = one.urls.values()
    return one._replace(urls={**one.urls, "REPORT_URL": to._replace(database="nowhere")})


@pytest.mark.parametrize("is_first", [True, False])
def test_in_place_what_nobody_could_put_back_is_told(make: Make, is_first: bool) -> None:
    one = make("in-place")
    if not is_first:
        one.rotate()
    mine = said(one)
    one.server.change(mine.active, one.repo.canary(token_hex(16)))  # by hand
    with pytest.raises(SopsmithError, match="apply-halfway"):
        applying.apply(nowhere(mine), ways.real({}))
    assert one.logs_in()


def test_in_place_what_expired_is_not_closed(make: Make) -> None:
    one = make("in-place")
    mine = said(one)
    one.server.owner_run(f"ALTER ROLE {mine.active} VALID UNTIL '2020-01-01'")
    with pytest.raises(SopsmithError, match="apply-halfway"):
        applying.apply(nowhere(mine), ways.real({}))
    assert one.logs_in()


def test_in_place_the_password_of_before_comes_back(make: Make) -> None:
    one = make("in-place")
    before = one.value("DATABASE_URL")
    one.rotate()
    with pytest.raises(SopsmithError, match="^db-login$"):
        applying.apply(nowhere(said(one)), ways.real({}))
    assert one.logs_in(before) and one.logs_in() is None


def test_what_somebody_else_applied_meanwhile_is_not_undone(make: Make) -> None:
    one = make("in-place")
    one.rotate()
    second = said(one)
    one.rotate()
    others = [said(one)]

    def at(point: str) -> None:
        if point == "before login test" and others:
            applying.apply(others.pop(), ways.real({}))

    with pytest.raises(SopsmithError, match="db-login; db-locked"):
        applying.apply(second, ways.real(one.repo.env, one.via, at))
    assert one.logs_in()


def test_a_secret_that_nothing_reads_opens_no_role(make: Make) -> None:
    one = make()
    former, before = said(one), one.value("DATABASE_URL")
    one.rotate()
    assert one.postgres("apply").code == 0
    one.server.owner_run(f"ALTER ROLE {former.active} NOLOGIN PASSWORD NULL")
    mine = said(one)
    new = secret("db", username=mine.active, password=mine.now.text)
    done = recover(mine, cluster(new, secret("old", URL=before), read="db"))
    assert done.decision.action == "none" and one.logs_in() and one.logs_in(before) is None


def test_a_secret_of_two_rotations_ago_that_nothing_reads_holds_nobody_up(make: Make) -> None:
    one = make()
    first = one.value("DATABASE_URL")
    for _ in range(2):
        one.rotate()
        assert one.postgres("apply").code == one.postgres("retire", "--no-cluster").code == 0
    mine, new = said(one), secret("new", URL=one.value("DATABASE_URL"))
    old = secret("old", URL=first)
    assert recover(mine, cluster(new, old, read="new")).decision.words.endswith("agree")
    for held, words in (
        (cluster(new, old, read="old"), "the Secret old has another password"),
        (cluster(old, read="gone"), "no Secret has POSTGRES_PASSWORD version 3 yet: sync it"),
    ):
        with pytest.raises(SopsmithError, match="db-waiting") as failed:
            recover(mine, held)
        assert words in text(failed.value.findings)


def test_who_is_locked_out_is_named(make: Make) -> None:
    one = make()
    one.rotate()
    assert one.postgres("apply").code == 0
    former = one.value("DATABASE_URL")
    one.rotate()
    for verb in ("retire", "apply", "retire"):
        flags = () if verb == "apply" else ("--no-cluster",)
        assert one.postgres(verb, *flags).code == 0
    new = secret("new", URL=one.value("DATABASE_URL"))
    with pytest.raises(SopsmithError, match="db-waiting") as failed:
        recover(said(one), cluster(new, secret("old", URL=former), read="old"))
    assert f"{one.roles[1]} is closed, and pod web-1 (old) would" in text(failed.value.findings)


class Moving(Cluster):
    """A cluster that is synced while `recover` is at the first password."""

    looks: ClassVar[list[Live]] = []

    def live(self) -> Live:
        """What runs there."""
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]


def test_each_password_is_looked_at_in_the_cluster_of_its_time(make: Make) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    one.rotate()
    assert one.postgres("apply").code == 0
    urls = before, one.value("DATABASE_URL")
    Moving.looks[:] = [cluster(secret("db", URL=url), read="db") for url in urls]
    folder, told = mounted(one), list[bytes]()
    session = Session(one.repo.env, told.append, colour=False, today=date(2026, 1, 1))
    recover_all(session, Source(None, str(folder)), Moving(None, is_asked=True), grace=0.0,
                via=None, output="text")  # fmt: skip
    shutil.rmtree(folder)
    assert f"{one.roles[0]} is closed" in b"".join(told).decode()


def test_where_nothing_was_sent_nothing_is_unknown(make: Make) -> None:
    one = make()
    rotator = f"{one.name}_rotator"

    def at(point: str) -> None:
        if point == "before lock":
            end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}"
            one.server.owner_run(SQL(end).format(rotator))

    with pytest.raises(SopsmithError, match="db-unreachable"):
        applying.apply(said(one), ways.real({}, at=at))


def test_of_two_bootstraps_at_once_the_later_one_is_told_what_to_run(
    repo: Repo, postgres18: Server
) -> None:
    one = shop(repo, postgres18, "alternating")
    others = [said(one)]

    def bootstrap(account: Account, way: Way) -> None:
        assert way.via is not None
        with way.via(None) as channel:
            bootstrapping.bootstrap(account, channel, way)

    def at(point: str) -> None:
        if point == "before commit" and others:
            bootstrap(others.pop(), ways.real(one.repo.env, one.via))

    with pytest.raises(SopsmithError, match="db-locked") as failed:
        bootstrap(said(one), ways.real(one.repo.env, one.via, at))
    assert "sopsmith postgres bootstrap -e production" in text(failed.value.findings)
