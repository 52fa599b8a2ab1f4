"""Nothing that was read before the lock decides, and the commit is made before it is released."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.tools import replace
from sopsmith.transaction import Done, Work, carry_out, check_agreed
from sopsmith.voice import Session
from sopsmith.writeback import Edit, TextEdit
from tests.repository import LOCKED_HOOK, Repo


@pytest.fixture
def counted(repo: Repo) -> Repo:
    """A repository with a file that counts."""
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    repo.write("count", "1")
    repo.write("other", "a")
    repo.run("git", "add", ".")
    assert repo.run("git", "commit", "-qm", "one").code == 0
    repo.write(".git/hooks/pre-commit", LOCKED_HOOK).chmod(0o755)
    return repo


def one_more(repo: Repo) -> tuple[Work, int]:
    """The plan to count on."""
    before = (repo.path / "count").read_bytes()
    after = int(before) + 1
    return Work([TextEdit("count", before, str(after).encode())], "count"), after


def carried_out(
    repo: Repo, plan: Callable[[], tuple[Work, int]], *, commit: bool = False
) -> tuple[Done, int]:
    session = Session(repo.env, lambda _: None, False, date(2024, 1, 31))
    return carry_out(session, str(repo.path), plan, commit=commit)


def test_who_waits_plans_from_what_the_one_before_wrote(counted: Repo) -> None:
    with ThreadPoolExecutor() as pool:
        with replace.locked(str(counted.path)):
            waiting = pool.submit(carried_out, counted, lambda: one_more(counted))
            with pytest.raises(TimeoutError):
                waiting.result(0.3)
            counted.write("count", "5")
        assert waiting.result(120) == (Done(("count",), None, ()), 6)
    assert (counted.path / "count").read_text() == "6"


def test_many_at_once_all_count(counted: Repo) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(carried_out, counted, lambda: one_more(counted)) for _ in range(8)]
    assert sorted(each.result()[1] for each in done) == list(range(2, 10))


def test_the_commit_is_made_under_the_lock_and_of_no_other_files(counted: Repo) -> None:
    for file in ("other", "third"):
        counted.write(file, "b")
    done, _ = carried_out(counted, lambda: one_more(counted), commit=True)
    assert done.commit == counted.run("git", "rev-parse", "HEAD").out.strip()
    assert counted.run("git", "show", "--format=%s", "--name-only").out.split() == ["count"] * 2
    refused = counted.run("git", "commit", "-qm", "without the lock", "other")
    assert (refused.code, "nobody holds the lock" in refused.err) == (1, True)


def test_what_was_changed_before_belongs_to_the_commit_where_there_is_one(counted: Repo) -> None:
    counted.write("other", "b")
    nothing = Work([TextEdit("count", b"1", b"1")], "count", also=["other"])
    assert carried_out(counted, lambda: (nothing, 0), commit=True)[0] == Done((), None, ())
    assert carried_out(counted, lambda: (nothing._replace(begun=["count"]), 0), commit=True)[0] == (
        Done((), None, ())
    )
    work = one_more(counted)[0]._replace(also=["other"])
    assert carried_out(counted, lambda: (work, 0), commit=True)[0].commit
    assert counted.run("git", "status", "--porcelain").out == ""


def test_what_was_begun_and_never_committed_is_committed_where_nothing_is_written(
    counted: Repo,
) -> None:
    counted.write("count", "2")
    counted.write("third", "new")
    work = Work([TextEdit("count", b"2", b"2")], "count", begun=["count", "third"])
    assert carried_out(counted, lambda: (work, 0))[0] == Done((), None, ())
    done, _ = carried_out(counted, lambda: (work, 0), commit=True)
    assert (done.changed, done.commit is not None) == ((), True)
    assert counted.run("git", "status", "--porcelain").out == ""


def test_the_check_sees_the_files_as_they_will_be_and_stops_what_it_refuses(counted: Repo) -> None:
    def told(read: Read) -> tuple[Finding, ...]:
        return (Finding("not-rendering", read("count").decode() + read("other").decode()),)

    def refused(read: Read) -> tuple[Finding, ...]:
        raise SopsmithError(told(read))

    work = one_more(counted)[0]
    with pytest.raises(SopsmithError, match="not-rendering") as stop:
        carried_out(counted, lambda: (work._replace(check=refused), 0))
    assert stop.value.findings[0].message == "2a"
    assert (counted.path / "count").read_text() == "1"
    done, _ = carried_out(counted, lambda: (work._replace(check=told), 0))
    assert [each.message for each in done.findings] == ["2a"]


def test_where_the_plan_fails_nothing_is_written_and_the_lock_is_free(counted: Repo) -> None:
    def plan() -> tuple[Work, int]:
        raise SopsmithError(Finding("usage", "no"))

    with pytest.raises(SopsmithError, match="usage"):
        carried_out(counted, plan)
    with replace.locked(str(counted.path), patience=0):
        assert (counted.path / "count").read_text() == "1"


def test_git_s_own_work_comes_first_only_where_there_is_something_to_commit(counted: Repo) -> None:
    Path(counted.path / ".git/MERGE_HEAD").write_text("")
    nothing: list[Edit] = []
    assert carried_out(counted, lambda: (Work(nothing, ""), 0), commit=True)[0].changed == ()
    with pytest.raises(SopsmithError, match="under-way"):
        carried_out(counted, lambda: one_more(counted), commit=True)
    assert (counted.path / "count").read_text() == "1"


def test_a_refused_commit_is_raised_or_told_by_who_has_more_to_tell(counted: Repo) -> None:
    counted.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n")
    with pytest.raises(SopsmithError, match="not-committed"):
        carried_out(counted, lambda: one_more(counted), commit=True)
    session = Session(counted.env, lambda _: None, False, date(2024, 1, 31))
    root = str(counted.path)
    done, told = carry_out(
        session, root, lambda: one_more(counted), commit=True, tells_refusal=True
    )
    assert (done.changed, done.commit, told) == (("count",), None, 3)
    assert [each.code for each in done.findings] == ["taken-along", "not-committed"]


def test_of_what_can_not_be_read_only_that_it_was_changed_is_told(counted: Repo) -> None:
    counted.write("count", "a: &x [")
    work = Work([TextEdit("count", b"a: &x [", b"2")], "count")
    done, _ = carried_out(counted, lambda: (work, 0), commit=True)
    told = "the commit takes along what was changed there before"
    assert [each.message for each in done.findings] == [told]


def test_what_was_shown_has_to_be_what_is_planned() -> None:
    check_agreed(("TOKEN", 1), ("TOKEN", 1))
    with pytest.raises(SopsmithError, match="write-conflict"):
        check_agreed(("TOKEN", 1), ("TOKEN", 2))
