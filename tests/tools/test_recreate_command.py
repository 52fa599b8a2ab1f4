"""`sopsmith postgres recreate` as it is typed: what git says opens the new data directory.

test_recreate.py has all that can go wrong with the directory itself.
"""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.database import Shop, shop
from tests.past import git
from tests.programs import lend, needed, short_folder
from tests.repository import Repo, Run
from tests.servers import LOUD, heard, server

# PostgreSQL does not run as root, and who owns the directory may not be able to read the modules:
# all are loaded before we become that account, also those that a function loads when it is called.
DRIVER = """
import importlib, os, pkgutil, pwd, re, sys
import sopsmith
from sopsmith import cli

for each in pkgutil.walk_packages(sopsmith.__path__, "sopsmith."):
    source = open(importlib.import_module(each.name).__file__).read()
    for name in re.findall(r"^ +(?:from|import) ([a-z_.]+)(?: import .*)?$", source, re.MULTILINE):
        importlib.import_module(name)
if os.geteuid() == 0:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([]), os.setgid(nobody.pw_gid), os.setuid(nobody.pw_uid)
cli.main(sys.argv[1:])
"""
VALUES: dict[str, Any] = {
    "ADMIN_PASSWORD": {"generate": {"password": {}}},
    "HEX_PASSWORD": {"generate": {"bytes": {"encoding": "hex"}}},
}


@pytest.fixture
def one(age_key: tuple[Path, str]) -> Iterator[Shop]:
    """An application and a server of its own, which knows versions that git has left behind."""
    with short_folder() as folder, server(needed(18), settings=LOUD) as started:
        (folder / "home").mkdir()
        key = folder / "keys.txt"
        shutil.copy(age_key[0], key)
        repo = Repo(folder / "repo", key, age_key[1])
        made = shop(repo, started, "in-place", **VALUES)
        made.bootstrap()
        for _ in range(2):
            made.rotate("POSTGRES_PASSWORD", "ROTATOR_PASSWORD")
        for name in ("ADMIN_PASSWORD", "HEX_PASSWORD", "POSTGRES_PASSWORD", "ROTATOR_PASSWORD"):
            repo.canary(made.value(name))
        yield made
        assert heard(started, repo.canaries) == []
        assert list(repo.singing()) == []


def typed(one: Shop, database: str, *more: str, superuser: str = "ADMIN_PASSWORD") -> list[str]:
    """The command, for the account that the data directory belongs to."""
    for folder, _, files in os.walk(one.repo.path.parent):
        for name in (folder, *(f"{folder}/{file}" for file in files)):
            lend(Path(name))
    options = {"--data": one.server.folder / "data", "--database": database, "--user": "owner",
               "--superuser": superuser, "--bin": one.server.programs}  # fmt: skip
    words = [word for name, text in options.items() for word in (name, str(text))]
    command = [sys.executable, "-c", DRIVER, "postgres", "recreate", "-e", "production"]
    return [*command, *words, *more]


def recreate(one: Shop, database: str, *more: str, superuser: str = "ADMIN_PASSWORD") -> Run:
    """Type it where nobody can be asked."""
    return one.repo.run(*typed(one, database, *more, superuser=superuser))


def on_terminal(one: Shop, answer: str) -> str:
    """Type it on a terminal and give this answer; all that is shown."""
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        typed(one, one.name), stdin=theirs, stderr=theirs, stdout=subprocess.PIPE,
        env=one.repo.env, cwd=one.repo.path, timeout=300,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # Linux: all was read
        while chunk := os.read(ours, 65536):
            shown += chunk
    os.close(ours)
    text = (shown + done.stdout).decode()
    assert done.returncode == 0, text
    assert not [each for each in one.repo.canaries if each in text]
    return text


def runs(one: Shop) -> bool:
    """Whether nobody stopped its server, or made it anew."""
    return one.server.owner_ask("SELECT 1") == [(1,)]


def test_what_git_says_opens_it_and_all_is_there(one: Shop) -> None:
    names = ("DATABASE_URL", "ROTATOR_URL", "ADMIN_PASSWORD")
    app, rotator, admin = (one.value(name) for name in names)
    one.server.owner_run("CREATE TABLE kept AS SELECT 1 AS number", one.name)
    assert one.logs_in(app) is None and one.logs_in(rotator) is None
    run = recreate(one, one.name)
    assert run.code == 0, run.err
    assert "is re-initialised with the new password" in run.out
    one.server.start()
    for url in (app, rotator, one.server.url("owner", admin, one.name)):
        assert one.logs_in(url)
    with closing(one.server.owner(one.name)) as connection:
        assert connection.execute("TABLE kept").fetchall() == [(1,)]


def test_another_database_or_another_value_than_the_superusers_is_refused(one: Shop) -> None:
    run = recreate(one, "postgres")
    assert run.code == 5 and f"{one.name} is meant, and postgres was named" in run.err
    run = recreate(one, one.name, "--yes", superuser="POSTGRES_PASSWORD")
    words = f"POSTGRES_PASSWORD: is the password of {one.roles[0]} in DATABASE_URL"
    assert run.code == 5 and f"{words} [recreate-refused]" in run.err, run.err
    assert f"--user {one.roles[0]} where that is the superuser; else" in run.err
    assert "--superuser names the value that is the password of owner" in run.err
    run = recreate(one, one.name, "--dry-run", superuser="HEX_PASSWORD")
    assert run.code == 0 and "HEX_PASSWORD version 1" in run.out + run.err
    assert runs(one)


def test_on_a_terminal_it_shows_what_it_would_do_and_asks(one: Shop) -> None:
    git(one.repo, "init", "-q")
    shown = re.sub(" +", " ", on_terminal(one, ""))
    for line in (
        "warning: not committed, so it could be lost: overlay/recipe.yaml",
        "its server is stopped; start it again when all is done\n",
        "the password of owner is ADMIN_PASSWORD version 1\n",
        f"the password of {one.roles[0]} is POSTGRES_PASSWORD version 3\n",
    ):
        assert line in shown, shown
    assert f"re-initialise {one.server.folder}/data? y/n [n]:" in shown
    assert shown.endswith("nothing was changed\n") and runs(one)
