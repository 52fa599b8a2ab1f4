"""What a hint says can be pasted: it looks, and comes in, as the command did that printed it."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import psycopg
import pytest

from tests.database import Make, Shop, released, shop
from tests.repository import Repo, Run
from tests.servers import Server
from tests.tools.test_postgres_rotation import begun


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    """Makes the application with its roles, committed and pushed."""
    with released(repo, postgres18) as made:
        yield made


def pasted(one: Shop, said: str, verb: str) -> Run:
    """Run the command of this verb that a text names, up to its next sign or word of prose."""
    option = r" -\S+(?: (?:production|0s))?"
    match = re.search(rf"sopsmith postgres {verb}(?:{option}| [A-Z_]+)*", said)
    assert match, said
    return one.repo.cli(*match[0].split()[1:])


def test_what_status_advises_looks_where_status_looked(make: Make) -> None:
    one = make()
    one.rotate("POSTGRES_PASSWORD", "--commit")
    said = one.postgres("status", "--no-cluster").out
    assert "hint: sopsmith postgres recover -e production --no-cluster\n" in said
    done = pasted(one, said, "recover")
    assert done.code == 0, done.err
    assert one.logs_in()


def test_a_wait_says_how_long_it_is_and_what_ends_it(make: Make) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    with begun(one) as run:
        assert run.stderr
        first, ends = run.stderr.readline(), run.stderr.readline()
        run.send_signal(signal.SIGTERM)
        assert run.wait() == 143
    assert first.startswith("sopsmith: waiting, for 300 s at most: not everybody follows")
    assert "or all have the new URL, sopsmith postgres retire POSTGRES_PASSWORD -e" in ends
    assert "-e production --no-cluster --grace 0s ends it" in ends
    done = pasted(one, ends, "retire")
    assert done.code == 0 and one.logs_in(before) is None and one.logs_in()


def test_who_has_a_session_is_named_and_not_said_to_be_away(make: Make) -> None:
    one = make()
    with psycopg.connect(one.value("DATABASE_URL")):
        run = one.postgres("rotate", "POSTGRES_PASSWORD", "--now", "--no-cluster", "--wait", "1s")
    held = f"still with the one before: a session of (no name) as {one.roles[0]}"
    assert run.code == 6 and run.err.count(held) == 2  # while it waits, and in the end
    assert "where no application runs" not in run.err


def test_what_stops_it_names_the_command_with_its_options(make: Make) -> None:
    run = make().postgres("rotate", "POSTGRES_PASSWORD", "--now", "--no-cluster", "--wait", "0s")
    again = "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now --no-cluster --grace 0s"
    assert run.code == 6 and again in run.err


def test_who_came_by_another_way_is_told_to_come_by_it_again(make: Make) -> None:
    one = make()
    via = "psql -h nowhere.invalid"
    run = one.postgres("bootstrap", "--via", via)
    assert run.code == 3 and f"sopsmith postgres bootstrap -e production --via '{via}'" in run.err


def test_an_unknown_option_is_named_by_the_verb(make: Make) -> None:
    run = make().postgres("status", "--context", "other")
    assert run.code == 2 and "--context is no option here" in run.err
    assert "hint: sopsmith postgres status --help" in run.err


# --- what is wrong with the command itself --------------------------------------------------------

KEY = "POSTGRES_PASSWORD"
LOOKING = [("status",), ("recover",), ("retire",), ("rotate", KEY), ("rollback", KEY)]


@pytest.mark.parametrize("argv", LOOKING)
def test_a_wrong_environment_is_said_before_the_cluster_is_asked(
    repo: Repo, argv: tuple[str, ...]
) -> None:
    repo.shop()
    run = repo.cli("postgres", *argv, "-e", "productoin")
    assert run.codes == {"usage"} and "no environment has that name" in run.err


@pytest.mark.parametrize("argv", LOOKING)
def test_a_namespace_of_no_cluster_is_a_contradiction(repo: Repo, argv: tuple[str, ...]) -> None:
    run = repo.cli("postgres", *argv, "--no-cluster", "--namespace", "shop")
    assert run.codes == {"usage"} and "--namespace and --no-cluster contradict" in run.err


@pytest.mark.parametrize("argv", [("status",), ("rotate", KEY)])
def test_what_lacks_is_named_in_one_round(
    repo: Repo, postgres18: Server, argv: tuple[str, ...]
) -> None:
    one = shop(repo, postgres18)
    blocked = repo.path.parent / "blocked"
    for package in ("kubernetes", "psycopg"):
        (blocked / package).mkdir(parents=True)
        (blocked / package / "__init__.py").write_text("raise ImportError")
    run = one.postgres(*argv, PYTHONPATH=str(blocked))
    assert run.codes == {"program-missing"} and "sopsmith import" not in run.err
    install, otherwise = "pip install 'PATH_OF_THE_CHECKOUT[cli,postgres,cluster]'", "--no-cluster"
    assert f"hint: {install}, or {otherwise} where no pod uses the database" in run.err


@pytest.mark.parametrize("option", ["--grace", "--wait"])
def test_a_time_that_is_none_names_its_option(repo: Repo, option: str) -> None:
    run = repo.cli("postgres", "rotate", KEY, option, "5 minutes")
    assert run.codes == {"usage"} and f"{option}: a time is a whole number" in run.err
    assert f"hint: {option} 90s, or 5m\n" in run.err
