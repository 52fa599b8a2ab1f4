"""What one run of `sopsmith-krm` asks of the kernel: no network, nothing written, nobody but sops.

strace sees every such call of the function and of all that it starts.
"""

from __future__ import annotations

import os
import re
import shutil
from typing import NamedTuple

import pytest

from tests.repository import Repo

# Of the calls that name a file (strace's %file), those that only look. What is not here changes
# something or is new to this test.
LOOKING = {
    *("open", "openat", "openat2", "access", "faccessat", "faccessat2", "readlink", "readlinkat"),
    *("stat", "lstat", "newfstatat", "fstatat64", "stat64", "lstat64", "statx", "statfs"),
    *("getcwd", "chdir", "execve"),
}
WRITING = re.compile(r"O_(WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)")


class Call(NamedTuple):
    """One system call, as strace writes it."""

    name: str
    arguments: str

    @property
    def path(self) -> str:
        """The first text among the arguments."""
        return self.arguments.partition('"')[2].partition('"')[0]


class Traced(NamedTuple):
    """What the function did, and what came of it."""

    calls: list[Call]
    values: list[str]
    foreign: str  # a secret in the function's environment that is none of sops's business


@pytest.fixture
def traced(repo: Repo) -> Traced:
    """One render with three kinds of components, run once before so that Python is warm."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if repo.run("strace", "-f", "-o", "/dev/null", "true").code != 0:
        pytest.skip("this machine does not let strace trace")
    repo.component("more.env", {"DOTENV": repo.canary()})
    repo.component("file.bin", repo.canary().encode())
    components = ["../shop.enc.yaml", "../more.env", {"path": "../file.bin", "as": "FILE"}]
    url = {"scheme": "https", "user": "$(GIVEN)", "password": "$(PASSWORD)", "host": "h"}
    values = {
        **{"DOTENV": {}, "FILE": {}, "PASSWORD": {"generate": {"password": {}}}},
        "URL": {"derive": {"url": url}},
    }
    repo.shop({"GIVEN": repo.canary()}, components=components, values=values)
    secret = repo.function().secrets["shop"]

    file = repo.path.parent / "trace"  # it holds the environment, so not among what is searched
    strace = ("strace", "-f", "-v", "-s", "1000000", "-e", "trace=%file,%network", "-o", str(file))
    foreign = repo.canary()
    again = repo.run(
        *strace, "sopsmith-krm", stdin=repo.call(), cwd="overlay", prints=True, TOKEN=foreign
    )
    assert again.secrets["shop"] == secret
    lines = re.findall(r"^\d+ +(\w+)\((.*)", file.read_text(), re.MULTILINE)
    return Traced([Call(*line) for line in lines], [v.decode() for v in secret.values()], foreign)


def test_no_network(traced: Traced) -> None:
    sockets = ("socket", "connect", "bind", "listen", "accept", "send", "recv", "shutdown")
    assert [call for call in traced.calls if call.name.startswith(sockets)] == []
    assert {call.name for call in traced.calls} <= LOOKING


def test_nothing_is_written(traced: Traced) -> None:
    opened = [call for call in traced.calls if call.name.startswith("open")]
    assert len(opened) > 50
    written = {call.path for call in opened if WRITING.search(call.arguments)}
    assert written <= {"/dev/null"}


def test_nobody_is_started_but_sops(repo: Repo, traced: Traced) -> None:
    itself, *started = [call.path for call in traced.calls if call.name == "execve"]
    assert os.path.basename(itself) == "sopsmith-krm"
    assert started == [shutil.which("sops")] * 3


def test_sops_is_told_no_secret(traced: Traced) -> None:
    """argv is public on the machine, and the environment nearly so."""
    _, *started = [call.arguments for call in traced.calls if call.name == "execve"]
    assert len(traced.values) == 5
    for told in started:
        assert "SOPS_AGE_KEY_FILE=" in told  # strace does show the environment
        assert [value for value in (*traced.values, traced.foreign) if value in told] == []


def test_only_what_the_recipe_names_is_read(repo: Repo, traced: Traced) -> None:
    """Of the checkout the components and nothing else; the recipe came by stdin."""
    present = {file.name for file in repo.path.rglob("*") if file.is_file()}
    assert present >= {"recipe.yaml", "kustomization.yaml", "HEAD"}
    opened = {os.path.basename(call.path) for call in traced.calls if call.name.startswith("open")}
    assert opened & present == {"shop.enc.yaml", "more.env", "file.bin"}
