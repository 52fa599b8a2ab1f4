"""`sopsmith postgres rotate` and `rollback`: from git to the last session, with a real remote."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database import Make, Shop, pods, released, remote
from tests.past import git
from tests.repository import Repo, Run
from tests.servers import RULES, Server
from tests.test_documents import blocks, replay
from tests.tools.test_interrupted import interrupted

NOW = ("POSTGRES_PASSWORD", "--now", "--no-cluster")


@pytest.fixture
def make(repo: Repo, postgres18: Server) -> Iterator[Make]:
    """Makes the application with its roles, committed and pushed."""
    with released(repo, postgres18) as made:
        yield made


def head(where: str) -> str:
    """The commit of a repository's branch."""
    words = ["git", "-C", where, "for-each-ref", "--format=%(objectname)", "refs/heads"]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()


def phases(run: Run) -> list[str]:
    """The phases that a run went through."""
    assert run.code == 0, run.err
    return [each["name"] for each in run.document["phases"]]


def refusing(one: Shop) -> Path:
    """A hook of the remote that takes no push, until it is removed."""
    hook = Path(remote(one), "hooks/pre-receive")
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    return hook


def test_one_command_goes_from_git_to_the_last_session(make: Make) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    with pods(one):
        run = one.postgres("rotate", *NOW, "--output", "json", "--grace", "1s")
    assert phases(run) == ["push", "apply", "wait", "retire"]
    assert "sopsmith: looking for 1 s, until " in run.err
    assert one.logs_in() and one.logs_in(before) is None
    assert head(remote(one)) == head(str(one.repo.path)) == run.document["commit"]


def test_the_readme_shows_what_is_printed(make: Make) -> None:
    one = make()
    text = (
        blocks("console")[-1]
        .replace("-e production", "")
        .replace("--now --namespace shop", "--now --no-cluster --grace 0s")
        .replace("--namespace shop", "--no-cluster")
    )
    for sign in "ab":
        text = text.replace(f"shop_{sign}", f"{one.name}_{sign}")
    with pods(one):
        replay(one.repo, text.replace("origin/main", "origin/master"), ".")


def test_while_nobody_has_come_the_former_role_stays_open(make: Make) -> None:
    one = make()
    before = one.value("DATABASE_URL")
    run = one.postgres("rotate", *NOW, "--wait", "1s", "--output", "json")
    assert run.code == 6 and run.codes == {"db-waiting"}
    assert [each["name"] for each in run.document["phases"]] == ["push", "apply"]
    assert run.document["commit"] == head(remote(one))
    assert one.logs_in() and one.logs_in(before)
    with pods(one):  # the command that the hint names
        again = one.postgres("rotate", *NOW, "--output", "json")
    assert phases(again) == ["push", "apply", "wait", "retire"]
    assert not again.document["changed"] and one.logs_in(before) is None


def test_what_the_remote_refuses_never_gets_into_the_database(make: Make) -> None:
    one = make()
    hook = refusing(one)
    before = one.value("DATABASE_URL")
    run = one.postgres("rotate", *NOW)
    assert run.code == 6 and run.codes == {"not-pushed"}
    assert "then sopsmith postgres rotate POSTGRES_PASSWORD -e production --now" in run.err
    assert one.logs_in() is None and one.logs_in(before)
    hook.unlink()
    with pods(one):
        assert one.postgres("rotate", *NOW).code == 0


@pytest.mark.parametrize("strategy", ["alternating", "in-place"])
def test_a_rollback_that_was_not_pushed_goes_on_as_one(make: Make, strategy: str) -> None:
    """Of a rotation that the database never got: it looks as if all were done."""
    one = make(strategy)
    one.rotate("POSTGRES_PASSWORD", "--commit")
    git(one.repo, "push", "-q")
    hook = refusing(one)
    assert one.postgres("rollback", *NOW).codes == {"not-pushed"}
    hook.unlink()
    with pods(one):
        again = one.postgres("rotate", *NOW)
    assert again.code == 0 and "the last rotation is not finished" in again.err
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 1 and one.logs_in()
    assert head(remote(one)) == head(str(one.repo.path))


def test_after_a_push_refused_the_rotator_is_mended_first(make: Make) -> None:
    one = make()
    both = ("rotate", "ROTATOR_PASSWORD", *NOW)
    hook = refusing(one)
    assert one.postgres(*both).codes == {"not-pushed"}
    hook.unlink()
    shut_out = one.postgres(*both)
    assert shut_out.codes == {"db-login"}
    assert "hint: apply puts it right where git rotated that password last" in shut_out.err
    assert one.postgres("apply", "-e", "production").code == 0
    with pods(one):
        assert one.postgres(*both).code == 0
    assert one.leaf()["ROTATOR_PASSWORD"]["version"] == 2 and one.logs_in()
    assert head(remote(one)) == head(str(one.repo.path))


def test_what_else_waits_to_be_pushed_is_no_rotation_of_it(make: Make) -> None:
    one = make()
    one.rotate("ROTATOR_PASSWORD", "--commit")
    assert one.postgres("apply").code == 0
    run = one.postgres("rotate", *NOW, "--wait", "0s")
    assert run.code == 6 and one.leaf()["POSTGRES_PASSWORD"]["version"] == 2


def test_what_else_is_pushed_is_told(make: Make) -> None:
    one = make()
    git(one.repo, "commit", "-q", "--allow-empty", "-m", "other")
    run = one.postgres("rotate", *NOW, "--dry-run")
    assert run.code == 0 and "1 commit that origin/master lacks will be pushed too" in run.err


@pytest.mark.parametrize("setting", ["remote.pushDefault", "branch.master.pushRemote"])
def test_who_pushes_to_a_fork_is_told(make: Make, setting: str) -> None:
    one = make()
    git(one.repo, "config", setting, "fork")
    run = one.postgres("rotate", *NOW)
    assert run.code == 2 and "follows origin/master and is pushed elsewhere" in run.err
    assert "version" not in one.leaf()["POSTGRES_PASSWORD"]


def test_who_has_no_branch_is_told_to_take_one(make: Make) -> None:
    one = make()
    git(one.repo, "checkout", "-q", "--detach")
    run = one.postgres("rotate", *NOW)
    assert run.code == 2 and "hint: git switch BRANCH; or --no-push" in run.err


def test_who_has_committed_nothing_is_told_to(make: Make) -> None:
    one = make()
    git(one.repo, "update-ref", "-d", "HEAD")
    run = one.postgres("rotate", *NOW)
    assert run.code == 2 and "the branch has no commit yet" in run.err and "git commit" in run.err


def test_who_is_behind_is_told_before_anything_changes(make: Make) -> None:
    one = make()
    other = one.repo.path.parent / "other"
    subprocess.run(["git", "clone", "-q", remote(one), str(other)], check=True)
    words = ["git", "-c", "user.name=x", "-c", "user.email=x@example.com", "-C", str(other)]
    subprocess.run([*words, "commit", "-q", "--allow-empty", "-m", "other"], check=True)
    subprocess.run([*words, "push", "-q"], check=True)
    run = one.postgres("rotate", *NOW)
    assert run.code == 5 and run.codes == {"behind"}
    assert "version" not in one.leaf()["POSTGRES_PASSWORD"]


def test_a_rotation_that_nobody_committed_is_not_pushed_past(make: Make) -> None:
    one = make()
    one.rotate()
    run = one.postgres("rotate", *NOW)
    assert run.code == 2 and "git commit" in run.err
    assert one.logs_in() is None


def test_without_now_git_alone_changes_and_only_where_the_database_is_ready(make: Make) -> None:
    one = make()
    ready = one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster", "--commit")
    assert ready.code == 0 and one.logs_in() is None
    refused = one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster", "--commit")
    assert refused.code == 6 and refused.codes == {"db-waiting"}
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 2
    assert one.postgres("apply").code == 0
    assert one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster").code == 6
    assert one.postgres("retire", "--no-cluster").code == 0
    assert one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster").code == 0


def test_what_does_not_log_in_is_not_rotated(make: Make) -> None:
    one = make()
    one.server.owner_run(f"ALTER ROLE {one.roles[0]} CONNECTION LIMIT 0", one.name)
    run = one.postgres("rotate", *NOW)
    assert run.code == 3 and "DATABASE_URL" in run.err and "CONNECTION LIMIT" in run.err
    assert "version" not in one.leaf()["POSTGRES_PASSWORD"]


def test_what_would_not_get_its_next_role_is_not_rotated(make: Make) -> None:
    one = make()
    second = one.roles[1]
    one.server.owner_run(f"REVOKE {one.name}_owner FROM {second}", one.name)
    one.server.owner_run(f"GRANT CREATE ON SCHEMA public TO {second}", one.name)
    run = one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster")
    assert run.code == 5 and run.codes == {"db-adopt"} and "postgres adopt" in run.err
    assert "version" not in one.leaf()["POSTGRES_PASSWORD"]


def test_where_the_server_does_not_tell_nothing_is_rotated_or_pushed(make: Make) -> None:
    one = make()
    one.server.reload(hba=f"host all {one.roles[0]} all reject\n{RULES}")
    run = one.postgres("rotate", *NOW)
    one.server.reload(hba=RULES)
    assert run.code == 5 and run.codes == {"db-unverified"} and "postgres check" in run.err
    assert "version" not in one.leaf()["POSTGRES_PASSWORD"]


def test_a_rollback_takes_the_application_back(make: Make) -> None:
    one = make()
    first = one.value("DATABASE_URL")
    assert one.postgres("rotate", *NOW, "--wait", "0s").code == 6
    second = one.value("DATABASE_URL")
    foretold = one.postgres("rollback", *NOW, "--dry-run", "--output", "json").document
    (turn,) = foretold["environments"][0]["rotated"]
    assert (turn["from"], turn["to"], turn["slot"], foretold["changed"]) == (2, 1, "a", [])
    with pods(one):
        run = one.postgres("rollback", *NOW, "--output", "json")
    assert phases(run) == ["push", "apply", "wait", "retire"]
    assert one.value("DATABASE_URL") == first and one.logs_in() and one.logs_in(second) is None
    assert one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster").code == 0
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 3  # never the abandoned one again


def test_what_was_retired_is_not_rolled_back(make: Make) -> None:
    one = make()
    with pods(one):
        assert one.postgres("rotate", *NOW).code == 0
    forward = "forward, not back: sopsmith postgres rotate POSTGRES_PASSWORD -e production"
    for now in ((), ("--now",)):  # it goes as far as was asked for
        run = one.postgres("rollback", "POSTGRES_PASSWORD", *now, "--no-cluster")
        assert run.code == 5 and run.codes == {"db-retired"}
        assert " ".join((forward, *now, "--no-cluster")) in run.err
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 2


def test_a_rollback_that_waits_for_pods_goes_on_and_then_is_over(make: Make) -> None:
    one = make()
    assert one.postgres("rotate", *NOW, "--wait", "0s").code == 6
    lagging = one.postgres("rollback", *NOW, "--wait", "0s")
    assert lagging.code == 6
    assert "this goes on: sopsmith postgres rollback POSTGRES_PASSWORD" in lagging.err
    refused = one.postgres("rollback", "POSTGRES_PASSWORD", "--no-cluster")
    assert refused.code == 2 and "rollback POSTGRES_PASSWORD -e production --now" in refused.err
    with pods(one):
        again = one.postgres("rollback", *NOW, "--output", "json")
    assert phases(again) == ["push", "apply", "wait", "retire"]
    at, over = head(str(one.repo.path)), one.postgres("rollback", *NOW)
    assert (over.code, over.out) == (0, "nothing was changed\n")
    assert "rolled back already; nothing is left to do" in over.err
    assert head(str(one.repo.path)) == at and one.leaf()["POSTGRES_PASSWORD"]["version"] == 1


def test_a_rollback_that_a_hook_refused_goes_on_once_it_is_committed(make: Make) -> None:
    one = make()
    one.rotate("POSTGRES_PASSWORD", "--commit")
    hook = one.repo.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert one.postgres("rollback", *NOW).code == 6
    again = one.postgres("rollback", *NOW)
    assert again.code == 2 and "git commit -- overlay/recipe.yaml" in again.err
    hook.unlink()
    git(one.repo, "commit", "-qam", "back")
    with pods(one):
        assert one.postgres("rollback", *NOW).code == 0
    assert one.logs_in() and head(remote(one)) == head(str(one.repo.path))


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "ROTATOR_PASSWORD"])
def test_after_the_rollback_of_what_nobody_committed_the_hook_is_content(
    make: Make, name: str
) -> None:
    """On the day of the last rotation, and the database followed each step."""
    one = make()

    def followed(*argv: str) -> None:
        for words in (argv, ("apply",), ("retire", "POSTGRES_PASSWORD", "--no-cluster")):
            run = one.postgres(*words)
            assert run.code == 0, run.err

    followed("rotate", name, "--no-cluster", "--commit")
    assert one.postgres("rotate", name, "--no-cluster").code == 0
    assert one.postgres("apply").code == 0
    followed("rollback", name, "--no-cluster")
    assert one.repo.cli("check", "--against", "HEAD").code == 0
    assert one.postgres("rotate", name, "--no-cluster").codes == {"usage"}  # git comes first
    git(one.repo, "commit", "-qam", "back")
    followed("rotate", name, "--no-cluster", "--commit")
    assert one.repo.cli("check", "--against", "HEAD~1").code == 0 and one.logs_in()
    assert one.leaf()[name]["version"] == 4


def test_of_two_rollbacks_at_once_the_later_one_changes_nothing(make: Make) -> None:
    one = make()
    assert one.postgres("rotate", *NOW, "--wait", "0s").code == 6
    words = ("postgres", "rollback", "POSTGRES_PASSWORD", "--no-cluster", "--commit")
    run = one.repo.overtaken(words, lambda faster: faster.run("sopsmith", *words))
    assert run.code == 3 and run.codes == {"write-conflict"}
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 1


def test_what_stops_it_after_the_commit_is_half_done(make: Make) -> None:
    one = make()
    hook = one.repo.path / ".git/hooks/post-commit"
    hook.write_text("#!/bin/sh\n" + stop(one))
    hook.chmod(0o755)
    run = one.postgres("rotate", *NOW)
    assert run.code == 6 and run.codes == {"db-privilege", "db-waiting"}
    assert "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now" in run.err


def test_interrupted_before_the_commit_the_same_command_does_it(make: Make) -> None:
    one = make()
    assert interrupted(one.repo, "commit-msg", "ctrl-c", "postgres", "rotate", *NOW).code == 130
    with pods(one):
        again = one.postgres("rotate", *NOW, "--output", "json")
    assert phases(again) == ["push", "apply", "wait", "retire"]
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 2 and one.logs_in()


def test_interrupted_after_the_commit_the_same_command_goes_on(make: Make) -> None:
    one = make()
    run = interrupted(one.repo, "post-commit", "ctrl-c", "postgres", "rotate", *NOW)
    assert "half done; this goes on: sopsmith postgres rotate POSTGRES_PASSWORD" in run.err
    with pods(one):
        assert one.postgres("rotate", *NOW).code == 0
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 2 and one.logs_in()


def test_what_a_hook_refuses_goes_on_once_the_hint_was_typed(make: Make) -> None:
    one = make()
    file = one.repo.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n")
    file.chmod(0o755)
    refused = one.postgres("rotate", *NOW)
    again = one.postgres("rotate", *NOW)
    assert (refused.code, again.code) == (6, 2) and "could be lost" in again.err
    file.unlink()
    (typed,) = re.findall(r"hint: (git commit -- .*); then the same command again", again.err)
    assert one.repo.run("sh", "-c", typed, GIT_EDITOR="echo rotate >").code == 0
    with pods(one):
        assert one.postgres("rotate", *NOW).code == 0
    assert one.leaf()["POSTGRES_PASSWORD"]["version"] == 2 and one.logs_in()


def begun(one: Shop, *argv: str) -> subprocess.Popen[str]:
    """`sopsmith postgres rotate --now` as it runs."""
    words = ["sopsmith", "postgres", "rotate", *NOW, "--grace", "0s", *argv]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        words, stdout=pipe, stderr=pipe, cwd=one.repo.path, env=one.repo.env, text=True
    )


def test_an_output_that_nobody_reads_any_more_stops_nothing(make: Make) -> None:
    one = make()
    hook = one.repo.write(
        ".git/hooks/pre-commit", "#!/bin/sh\nuntil [ -e ../gone ]; do sleep 0.05; done\n"
    )
    hook.chmod(0o755)
    with pods(one), begun(one) as run:
        assert run.stdout and run.stderr
        assert run.stdout.readline() == "production (overlay/recipe.yaml)\n"
        run.stdout.close()  # as head does
        one.repo.write("../gone", "")
        said = run.stderr.read()
    assert run.returncode == 3 and "all but the output is done [output-failed]" in said
    assert head(remote(one)) == head(str(one.repo.path)) and one.logs_in()
    assert one.postgres("rotate", "POSTGRES_PASSWORD", "--no-cluster", "--dry-run").code == 0


def test_where_the_plan_can_t_be_told_nothing_is_done(make: Make) -> None:
    one = make()
    run = one.repo.run("sh", "-c", f"sopsmith postgres rotate {' '.join(NOW)} >/dev/full")
    assert run.code == 3 and "version" not in one.leaf()["POSTGRES_PASSWORD"]


def test_json_says_what_was_done_until_somebody_stops_it(make: Make) -> None:
    one = make()
    with begun(one, "--output", "json") as run:
        assert run.stdout and run.stderr
        assert "nobody was seen as" in run.stderr.readline()
        run.send_signal(signal.SIGTERM)
        done = json.loads(run.stdout.read())
    assert run.returncode == 143 and done["commit"] == head(remote(one))
    assert [each["name"] for each in done["phases"]] == ["push", "apply"]


def test_what_would_be_done_is_told_in_json_too(make: Make) -> None:
    one = make()
    words = ("POSTGRES_PASSWORD", "--dry-run", "--output", "json")
    meant = one.repo.cli("rotate", *words).document["environments"]
    assert one.postgres("rotate", *NOW, *words[1:]).document["environments"] == meant != []
    one.rotate("POSTGRES_PASSWORD", "--commit")
    foretold = one.postgres("rotate", *NOW, "--dry-run")
    assert "is not finished; that would be done" in foretold.err


def stop(one: Shop) -> str:
    """A command that takes the rotator's right away."""
    return one.via + f" -c 'ALTER ROLE {one.name}_rotator NOCREATEROLE' >/dev/null\n"


def test_after_a_revert_past_a_retirement_it_goes_forward(make: Make) -> None:
    one = make()
    with pods(one):
        assert one.postgres("rotate", *NOW).code == 0
    git(one.repo, "revert", "--no-edit", "HEAD")
    with pods(one):
        run = one.postgres("rotate", *NOW)
    assert run.code == 0, run.err
    assert one.logs_in()


def test_a_stored_password_is_rolled_back_too(make: Make) -> None:
    role = {"strategy": "alternating", "owner": "stored_owner", "rotator": "ROTATOR_URL"}
    password = {"generate": {"password": {}}, "stored": True, "role": role}
    one = make(POSTGRES_PASSWORD=password)
    first = one.repo.canary(one.value("POSTGRES_PASSWORD"))
    assert one.postgres("rotate", *NOW, "--wait", "0s").code == 6
    second = one.repo.canary(one.value("POSTGRES_PASSWORD"))
    with pods(one):
        run = one.postgres("rollback", *NOW)
    assert run.code == 0 and "stored, slot b  what it was before, slot a" in run.out
    over = one.postgres("rollback", *NOW)
    assert over.code == 0 and "nothing is left to do" in over.err
    assert second != first == one.value("POSTGRES_PASSWORD") and one.logs_in()


def test_in_place_a_rollback_sets_the_password_of_before(make: Make) -> None:
    one = make("in-place")
    first = one.value("DATABASE_URL")
    run = one.postgres("rotate", *NOW)
    assert run.code == 0 and "nobody looked who still has the one before" in run.out
    assert one.logs_in() and one.logs_in(first) is None
    assert one.postgres("rollback", *NOW).code == 0
    assert one.value("DATABASE_URL") == first and one.logs_in()
