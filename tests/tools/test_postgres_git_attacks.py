"""What an enemy of `sopsmith postgres rotate --now` does in git, and two who rotate at once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import psycopg
import pytest

from tests.database import Make, Shop, once_taken, published, remote, shops
from tests.past import git
from tests.programs import wait_until
from tests.repository import Repo, Run
from tests.servers import Server


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    """Makes the application with its roles, committed and pushed."""
    with shops(repo, postgres18) as made:

        def one(strategy: str = "in-place") -> Shop:
            new = made(strategy)
            published(new)
            return new

        yield one


def rotate(one: Shop) -> Run:
    return one.postgres("rotate", "POSTGRES_PASSWORD", "--now", "--no-cluster")


def hook(one: Shop, name: str, script: str) -> None:
    """A hook of the clone."""
    file = one.repo.write(f".git/hooks/{name}", f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def remote_has(one: Shop) -> bool:
    """Whether the remote has the commit of the clone."""
    words = ["git", "-C", remote(one), "cat-file", "-e", git(one.repo, "rev-parse", "HEAD").strip()]
    return subprocess.run(words, check=False, capture_output=True).returncode == 0


@pytest.mark.parametrize("kind", ["tag", "branch"])
def test_a_ref_of_another_kind_or_place_is_no_upstream(make: Make, kind: str) -> None:
    one = make()
    branch = git(one.repo, "symbolic-ref", "--short", "HEAD").strip()
    if kind == "tag":
        git(one.repo, "tag", branch)
    else:
        other = git(one.repo, "commit-tree", "-m", "other", "HEAD^{tree}").strip()
        git(one.repo, "push", "-q", "origin", f"{other}:refs/heads/a/refs/heads/{branch}")
    run = rotate(one)
    assert run.code == 0, run.err
    assert remote_has(one) and one.logs_in()


def test_a_branch_of_this_clone_is_no_remote(make: Make) -> None:
    one = make()
    git(one.repo, "checkout", "-q", "--track", "-b", "feature")
    run = rotate(one)
    assert run.code == 2 and "no upstream" in run.err
    assert one.logs_in() and "version" not in one.leaf()["POSTGRES_PASSWORD"]


_BOT = """\
bot() { GIT_COMMITTER_NAME=bot GIT_COMMITTER_EMAIL=bot@example.com "$@"; }
export GIT_AUTHOR_NAME=bot GIT_AUTHOR_EMAIL=bot@example.com
git update-ref HEAD $(bot git commit-tree -p HEAD -m bot 'HEAD^{tree}')
"""


def test_who_commits_on_top_at_once_does_not_hide_the_push(make: Make) -> None:
    one = make()
    file = one.repo.write("../remote.git/hooks/post-receive", f"#!/bin/sh\n{_BOT}")
    file.chmod(0o755)
    run = rotate(one)
    assert run.code == 0, run.err
    assert remote_has(one) and one.logs_in()


def test_what_is_pushed_elsewhere_stays_out_of_the_database(make: Make) -> None:
    one = make()
    fork = str(one.repo.path.parent / "fork.git")
    git(one.repo, "init", "-q", "--bare", fork)
    git(one.repo, "config", "remote.origin.pushurl", fork)
    run = rotate(one)
    assert run.code == 6 and run.codes == {"not-pushed"} and one.logs_in() is None
    assert "pushed elsewhere" in run.err and "git remote get-url --push origin" in run.err


def test_where_another_name_leads_to_the_same_place_it_is_pushed(make: Make) -> None:
    one = make()
    git(one.repo, "config", "remote.origin.pushurl", f"file://{remote(one)}")
    assert rotate(one).code == 0 and remote_has(one)


@pytest.mark.parametrize("then", ["", "&& git commit -qam more"])
def test_what_changes_during_the_push_stays_out_of_the_database(make: Make, then: str) -> None:
    one = make()
    edit = 'sed -i \'s/"version": 2/"version": 3/\' overlay/recipe.yaml'
    hook(one, "pre-push", f"{edit} {then}")
    run = rotate(one)
    assert run.code == 6 and run.codes & {"usage", "write-conflict"}
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 3 and one.logs_in() is None


@pytest.mark.parametrize("name", ["pre-commit", "pre-push", "post-commit"])
def test_what_a_hook_says_stays_with_it(make: Make, name: str) -> None:
    one = make()
    (one.repo.path.parent / "secret").write_text(one.repo.canary())
    hook(one, name, "cat - ../secret; cat ../secret >&2; exit 1")
    run = rotate(one)
    assert run.code == {"pre-commit": 6, "pre-push": 6, "post-commit": 0}[name], run.err


def test_of_two_who_rotate_at_once_both_end_with_what_git_says(make: Make) -> None:
    one = make()
    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(lambda _: rotate(one), range(2)))
    assert any(run.code == 0 for run in runs), [run.err for run in runs]
    assert rotate(one).code == 0
    assert remote_has(one) and one.logs_in()


def test_who_is_rolled_back_by_another_waits_no_longer(make: Make) -> None:
    one = make("alternating")
    back = ("rollback", "POSTGRES_PASSWORD", "--now", "--no-cluster", "--yes")
    undone: list[Run] = []
    with (
        closing(psycopg.connect(one.value("DATABASE_URL"))),
        once_taken(one, lambda: undone.append(one.postgres(*back))),
    ):
        run = rotate(one)
    assert undone[0].code == 0, undone[0].err
    assert run.code == 6 and "db-locked" in run.codes
    assert one.logs_in()


def has_a_login_waiting(held: psycopg.Connection) -> bool:
    """Whether anybody waits for what this transaction locks; autovacuum does too, now and then."""
    held.execute("select pg_stat_clear_snapshot()")  # else the first look holds until its end
    waiting = "select from pg_locks join pg_stat_activity using (pid) where not granted"
    return bool(held.execute(waiting + " and backend_type = 'client backend'").fetchall())


@pytest.mark.parametrize("verb", ["rotate", "rollback"])
def test_what_was_looked_at_is_what_changes(make: Make, verb: str) -> None:
    """Another rotates while the database is asked: on top of that it would be one too many."""
    one = make()
    one.rotate()
    git(one.repo, "commit", "-qam", "two")
    assert one.postgres("apply").code == 0
    one.rotate("POSTGRES_PASSWORD", "--commit")
    another = git(one.repo, "rev-parse", "HEAD")
    git(one.repo, "reset", "-q", "--hard", "HEAD^")
    words = (verb, "POSTGRES_PASSWORD", "--now", "--no-cluster", "--yes")
    with closing(one.server.owner(one.name)) as held, ThreadPoolExecutor() as pool:
        held.execute("BEGIN; LOCK TABLE pg_authid")  # nobody gets in
        run = pool.submit(one.postgres, *words)
        wait_until(lambda: has_a_login_waiting(held), "the login")
        git(one.repo, "merge", "-q", another)  # at once: who waits for the login gives up
        held.execute("COMMIT")
    assert run.result().codes == {"write-conflict"}
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 3
