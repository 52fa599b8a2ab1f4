"""The wait of a rotation in place, in a cluster whose answers are given: what is taken back, and
what is not."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from secrets import token_hex
from threading import Event
from typing import Any

import psycopg
import pytest

from sopsmith.database import rollout, ways
from sopsmith.database.rollout import Phase, Terms
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import account
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live
from tests.database import Shop, pods, published, shop
from tests.repository import Repo
from tests.servers import Server

AWAY = SopsmithError(Finding("cluster-failed", "the cluster can't be reached"))


@pytest.fixture
def one(repo: Repo, postgres18: Server) -> Shop:
    """An application with one role, whose password git has rotated."""
    made = shop(repo, postgres18, "in-place")
    published(made)
    made.rotate()
    return made


def rotated(one: Shop) -> Account:
    """As the Job in a cluster reads it."""
    (found,) = (e for e in account.read(one.value("ROLES").encode()) if e.value[0] == "P")
    return found


def cluster(**data: str) -> Live:
    """One Secret, and a pod that reads it."""
    texts = {key: base64.b64encode(text.encode()).decode() for key, text in data.items()}
    pod: dict[str, Any] = {"volumes": [{"secret": {"secretName": "db"}}]}
    secret = {"metadata": {"name": "db"}, "data": texts}
    return Live((secret,), ({"metadata": {"name": "web"}, "spec": pod},), (), {})


def roll_out(
    one: Shop, *answers: Live | SopsmithError, rotator: Account | None = None
) -> list[Phase]:
    """With these answers of the cluster, the last again and again; each look takes a second."""
    given = itertools.chain(answers, itertools.repeat(answers[-1]))
    way = ways.real({})._replace(pause=lambda _: None)
    clock: Callable[[], int] = itertools.count().__next__
    terms = Terms(way, lambda: answer(next(given)), lambda _: (), 20, 0, clock, lambda _: None)
    return list(rollout.roll_out([rotator or rotated(one)], terms))


def answer(given: Live | SopsmithError) -> Live:
    if isinstance(given, SopsmithError):
        raise given
    return given


def test_who_only_connects_now_and_then_keeps_its_role(repo: Repo, postgres18: Server) -> None:
    one = shop(repo, postgres18)
    published(one)
    before, ended = one.value("DATABASE_URL"), Event()

    def work() -> None:
        while not ended.wait(0.4) and one.logs_in(before):
            with psycopg.connect(before):
                ended.wait(0.4)

    with ThreadPoolExecutor() as pool, pods(one):
        pool.submit(work)
        run = repo.cli("postgres", "rotate", "POSTGRES_PASSWORD", "--now", "--no-cluster")
        ended.set()
    assert "db-in-use" in run.codes and one.logs_in(before), run.err


def test_all_that_rotate_are_applied_before_one_is_waited_for(
    repo: Repo, postgres18: Server
) -> None:
    role = {"strategy": "in-place", "rotator": "ROTATOR_URL"}
    url = {"scheme": "postgresql", "user": f"report_{token_hex(4)}", "host": "127.0.0.1",
           "password": "$(REPORT_PASSWORD)", "port": postgres18.port, "path": "postgres",
           "query": {"sslmode": "disable"}}  # fmt: skip
    one = shop(repo, postgres18, REPORT_URL={"derive": {"url": url}},
               REPORT_PASSWORD={"generate": {"password": {}}, "role": role})  # fmt: skip
    published(one)
    both = ("POSTGRES_PASSWORD", "REPORT_PASSWORD")
    run = one.postgres("rotate", *both, "--now", "--no-cluster", "--wait", "0s")
    assert run.code == 6 and run.codes == {"db-waiting"}  # nobody is there who follows
    assert one.logs_in() and one.logs_in(one.value("REPORT_URL"))


def test_a_rotator_that_the_cluster_does_not_have_is_not_waited_for(one: Shop) -> None:
    rotator = rotated(one)._replace(is_rotator=True)
    phases = roll_out(one, cluster(other="thing"), rotator=rotator)
    assert [each.name for each in phases] == ["apply", "wait"] and one.logs_in()
    assert phases[1].words.endswith("was seen in the namespace default")


def test_where_nothing_was_changed_nothing_was_refused(one: Shop) -> None:
    to = rotated(one)
    there = cluster(username=to.active, password=to.now.text)
    changed, again = (roll_out(one, there)[1].words for _ in range(2))
    assert "s of refusals" in changed and again.endswith("uses POSTGRES_PASSWORD version 2")


def test_what_goes_by_does_not_end_the_wait(one: Shop) -> None:
    to = rotated(one)
    before, now = (cluster(username=to.active, password=each.text)
                   for each in (to.before, to.now) if each)  # fmt: skip
    phases = roll_out(one, before, AWAY, before, now)
    assert [each.name for each in phases] == ["apply", "wait"] and one.logs_in()


def test_where_nobody_can_look_nothing_is_taken_back(one: Shop) -> None:
    with pytest.raises(SopsmithError) as error:
        roll_out(one, cluster(), AWAY)
    assert error.value.findings == AWAY.findings
    assert one.logs_in()


def test_what_no_secret_gets_in_time_is_taken_back(one: Shop) -> None:
    with pytest.raises(SopsmithError) as error:
        roll_out(one, cluster(), AWAY, cluster())
    (finding,) = error.value.findings
    assert "no Secret got it in time" in finding.message and one.logs_in() is None
