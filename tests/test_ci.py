"""The workflows that a user copies: pinned, few rights, and what they run does what it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from sopsmith import __version__
from sopsmith.cli import parser
from tests import hooked
from tests.repository import ROOT, Repo, Run

GITHUB = sorted((*(ROOT / "ci/github").glob("*.yml"), *(ROOT / "ci/flux").glob("*.yml")))
GITLAB = ROOT / "ci/gitlab/sopsmith.gitlab-ci.yml"
PINNED = re.compile(r"uses: [a-z-]+/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$")


def tree(path: Path) -> dict[Any, Any]:
    """A workflow as data; `on` reads as True."""
    loaded: dict[Any, Any] = yaml.safe_load(path.read_text())
    return loaded


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    if path == GITLAB:
        return {name: job for name, job in tree(path).items() if not name.startswith(".")}
    return dict(tree(path)["jobs"])


def scripts(job: dict[str, Any]) -> list[str]:
    """The shell texts of a job of either kind."""
    return [
        *job.get("script", ()),
        *(step["run"] for step in job.get("steps", ()) if "run" in step),
    ]


class Line(NamedTuple):
    """A command line of ours in a workflow."""

    where: str
    words: list[str]


def our_lines() -> Iterator[Line]:
    for path in (*GITHUB, GITLAB):
        for name, job in jobs(path).items():
            for line in "\n".join(scripts(job)).splitlines():
                if re.match(r"\s*sopsmith\b", line):
                    yield Line(f"{path.name}:{name}", shlex.split(line)[1:])


@pytest.mark.parametrize("line", [*our_lines()], ids=lambda line: f"{line.where} {line.words[0]}")
def test_every_command_line_is_one_of_ours(line: Line) -> None:
    assert callable(parser().parse_args(line.words).command)


def test_no_tag_can_be_taken_for_the_branch_that_is_compared_with() -> None:
    named = [
        word
        for path in (*GITHUB, GITLAB)
        for word in re.findall(r"\S*origin/\$\S*", path.read_text())
    ]
    assert named and all("refs/remotes/origin/$" in word for word in named)


def test_the_three_ways_are_there_for_both() -> None:
    github = {line.words[0] for line in our_lines() if "gitlab" not in line.where}
    gitlab = {line.words[0] for line in our_lines() if "gitlab" in line.where}
    assert github - {"seal"} == gitlab == {"check", "validate", "rotate"}  # sealing is for Flux


# --- safety ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_actions_are_pinned_and_rights_are_few(path: Path) -> None:
    text = path.read_text()
    used = [line.strip(" -") for line in text.splitlines() if "uses:" in line]
    assert used and all(PINNED.match(line) for line in used)
    assert tree(path)["permissions"] == {}
    assert all("permissions" in job for job in jobs(path).values())
    assert "pull_request_target" not in text
    assert not re.search(r"run:.*\$\{\{", text)  # what others write is never put into a script


@pytest.mark.parametrize("path", GITHUB, ids=lambda path: path.stem)
def test_a_pull_request_never_meets_a_key(path: Path) -> None:
    events = tree(path)[True]
    is_open_to_all = "pull_request" in ([events] if isinstance(events, str) else events)
    assert is_open_to_all == ("secrets." not in path.read_text())


def test_a_key_is_given_to_sopsmith_alone() -> None:
    for path in GITHUB:
        for job in jobs(path).values():
            assert "env" not in job or "SOPS_AGE_KEY" not in job["env"]
            for step in job["steps"]:
                if "SOPS_AGE_KEY" in step.get("env", {}):
                    assert "sopsmith " in step["run"]
                    assert "GH_TOKEN" not in step["env"]


def test_versions_are_the_ones_that_are_tested() -> None:
    modules = (ROOT / "ci/tools/go.mod").read_text()
    (pinned,) = re.findall(r"getsops/sops/v3 (v[\d.]+)", modules)
    texts = [path.read_text() for path in (*GITHUB, ROOT / "ci/gitlab/Dockerfile")]
    named = [each for text in texts for each in re.findall(r"(?:SOPS: |sops@)(v[\d.]+)", text)]
    assert named == [pinned] * 4
    ours = [each for text in texts for each in re.findall(r"sopsmith(?:\[cli\])?==([\d.]+)", text)]
    assert ours == [__version__] * 5


# --- the scripts, run ---------------------------------------------------------------------------


@pytest.fixture
def cloned(repo: Repo) -> Repo:
    """A clone with a server behind it, on whose main branch nothing is due."""
    hooked.build(repo)
    serve(repo)
    repo.run("git", "-C", "../server.git", "config", "receive.advertisePushOptions", "true")
    return repo


def serve(repo: Repo) -> None:
    """Put a server behind a repository, whose main branch is then that of the server."""
    for arguments in (
        ("branch", "--move", "main"),
        ("clone", "--quiet", "--bare", ".", "../server.git"),
        ("remote", "add", "origin", "../server.git"),
        ("fetch", "--quiet", "origin"),
        ("branch", "--quiet", "--set-upstream-to=origin/main"),
    ):
        assert repo.run("git", *arguments).code == 0


def due(repo: Repo) -> None:
    """The password of both environments is past its age, on the server too."""
    hooked.replaced(hooked.BASE, "36500d", "1d")(repo)
    assert hooked.commit(repo).code == 0
    assert repo.run("git", "push", "--quiet", "origin", "main").code == 0


def ran(repo: Repo, script: str, **env: Any) -> Run:
    """A script as a runner runs it; no hook of the clone is in its way."""
    hook = repo.path / ".git/hooks/pre-commit"
    hook.unlink(missing_ok=True)
    return repo.run("bash", "-euo", "pipefail", "-c", script, **env)


def github_rotation(repo: Repo) -> tuple[Run, str]:
    """The step that rotates, and what it hands on."""
    (step,) = (
        step for step in jobs(ROOT / "ci/github/rotate.yml")["rotate"]["steps"] if "id" in step
    )
    output = repo.path.parent / "output"
    run = ran(repo, step["run"], GITHUB_OUTPUT=str(output), BASE="main", BRANCH="rotate-due")
    return run, output.read_text().strip()


def gitlab_rotation(repo: Repo) -> Run:
    script = "\n".join(jobs(GITLAB)["sopsmith-rotate"]["script"])
    server = str(repo.path.parent / "server")
    return ran(
        repo, script, CI_SERVER_HOST="example.test", BRANCH="rotate-due", CI_DEFAULT_BRANCH="main",
        CI_COMMIT_SHA=repo.run("git", "rev-parse", "HEAD").out.strip(),
        CI_PROJECT_URL=server, SOPSMITH_PUSH_TOKEN=repo.canary(),
    )  # fmt: skip


def proposed(repo: Repo, revision: str) -> str:
    """What a rotation changed, by lines."""
    return repo.run("git", "diff", "-U0", "main", revision, "--", "overlays").out


def test_on_github_what_is_due_is_rotated_on_a_branch(cloned: Repo) -> None:
    due(cloned)
    run, handed_on = github_rotation(cloned)
    assert (run.code, handed_on) == (0, "commits=1"), run.err
    assert proposed(cloned, "rotate-due").count("\n+    POSTGRES_PASSWORD: {version: 5,") == 2


def test_on_github_nothing_happens_while_nothing_is_due(cloned: Repo) -> None:
    run, handed_on = github_rotation(cloned)
    assert (run.code, handed_on) == (0, "commits=0"), run.err


def test_on_gitlab_what_is_due_is_rotated_on_a_branch_and_proposed(cloned: Repo) -> None:
    due(cloned)
    kept = cloned.path.parent / "server.git/hooks/post-receive"
    kept.write_text('#!/bin/sh\necho "$GIT_PUSH_OPTION_0 $GIT_PUSH_OPTION_1"\n')
    kept.chmod(0o755)
    run = gitlab_rotation(cloned)
    assert run.code == 0, run.err
    assert "merge_request.create merge_request.target=main" in run.err
    cloned.run("git", "fetch", "--quiet", "origin")
    told = proposed(cloned, "origin/rotate-due")
    assert told.count("\n+    POSTGRES_PASSWORD: {version: 5,") == 2


def test_on_gitlab_nothing_is_pushed_while_nothing_is_due(cloned: Repo) -> None:
    assert gitlab_rotation(cloned).code == 0
    heads = ["git", "-C", str(cloned.path.parent / "server.git"), "branch", "--list"]
    assert subprocess.check_output(heads, text=True).split() == ["*", "main"]


def test_a_merge_request_is_compared_with_its_target(cloned: Repo) -> None:
    cloned.run("git", "checkout", "-q", "-b", "change")
    hooked.password("version: 6, rotated: 2026-11-20")(cloned)
    assert hooked.commit(cloned, SKIP="sopsmith-check").code == 0
    script = "\n".join(jobs(GITLAB)["sopsmith-check"]["script"])
    run = ran(cloned, script, CI_MERGE_REQUEST_TARGET_BRANCH_NAME="main", SOPS_AGE_KEY_FILE="")
    assert (run.code, "[version-jump]" in run.out) == (1, True)


FASTER = """\
#!/bin/sh
rm .git/hooks/pre-push
unset $(git rev-parse --local-env-vars)
git clone --quiet ../server.git ../other && cd ../other
git -c user.name=B -c user.email=b@b.c commit --quiet --allow-empty --message=faster
git push --quiet
"""


def test_sealing_goes_on_from_what_was_pushed_meanwhile(example: Repo) -> None:
    """Between its checkout and its push another commit came: both are on the branch then."""
    example.write(".sops.yaml", (ROOT / ".sops.yaml").read_bytes())
    example.env |= {"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "user.name",
                    "GIT_CONFIG_VALUE_0": "A", "GIT_CONFIG_KEY_1": "user.email",
                    "GIT_CONFIG_VALUE_1": "a@b.c"}  # fmt: skip
    assert hooked.commit(example).code == 0
    serve(example)
    rotated = example.cli("rotate", "POSTGRES_PASSWORD", "-e", "production", "--commit")
    assert rotated.code == 0, rotated.err
    assert example.run("git", "push", "--quiet").code == 0
    hook = example.write(".git/hooks/pre-push", FASTER)
    hook.chmod(0o755)
    path = ROOT / "ci/flux/seal.yml"
    (script,) = (script for script in scripts(jobs(path)["seal"]) if "sopsmith seal" in script)
    run = example.run("bash", "-euo", "pipefail", "-c", script, **tree(path)["env"])
    assert run.code == 0, run.err
    log = example.run("git", "-C", "../server.git", "log", "--format=%s", "main").out.splitlines()
    assert (len(log), log[1]) == (4, "faster"), log
    assert ": seal " in log[0], log
