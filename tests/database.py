"""An application with a database: its recipe, and a server that knows nothing of it yet."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from tests.past import commit, git
from tests.programs import account, wait_until
from tests.repository import Repo, Run
from tests.servers import RULES, Server, heard

_NUMBERS = itertools.count(1)


class Shop(NamedTuple):
    """A repository and the server of its database; roles and database are named like `name`."""

    repo: Repo
    server: Server
    name: str

    @property
    def roles(self) -> tuple[str, str]:
        """The two that take turns."""
        return f"{self.name}_a", f"{self.name}_b"

    @property
    def via(self) -> str:
        """The break-glass: psql on the server's own socket, as its superuser."""
        programs, folder, port = self.server.programs, self.server.folder, self.server.port
        return f"{programs}/psql -h {folder} -p {port} -U owner -d {self.name}"

    def postgres(self, verb: str, *argv: str, **env: str | None) -> Run:
        """Run `sopsmith postgres VERB`; who has closed its sessions needs no minute of grace."""
        is_long = verb in ("retire", "recover", "rotate", "rollback") and "--grace" not in argv
        return self.repo.cli(
            "postgres", verb, *argv, *(("--grace", "0s") if is_long else ()), **env
        )

    def bootstrap(self) -> None:
        """Make the roles by break-glass."""
        run = self.postgres("bootstrap", "--via", self.via)
        assert run.code == 0, run.err

    def rotate(self, *names: str) -> None:
        """The application's password gets its next version."""
        run = self.repo.cli("rotate", *(names or ("POSTGRES_PASSWORD",)))
        assert run.code == 0, run.err

    def value(self, name: str) -> str:
        """A value as it is now."""
        run = self.repo.cli("get", name)
        assert run.code == 0, run.err
        return run.out

    def logs_in(self, url: str | None = None) -> tuple[str, str] | None:
        """Session and current role of a login as the application does it; None if refused."""
        found = self.server.login(url or self.value("DATABASE_URL"))
        return found and (found[0], found[1])

    def leaf(self) -> dict[str, Any]:
        """The values of the leaf's own text."""
        text = (self.repo.path / "overlay/recipe.yaml").read_text()
        values: dict[str, Any] = json.loads(text)["spec"]["values"]
        return values


Make = Callable[..., Shop]
"""Makes an application: (strategy, values …) → it."""


@contextmanager
def shops(repo: Repo, server: Server) -> Iterator[Make]:
    """Makes applications; in the end their servers have heard no password."""
    made: list[Shop] = []

    def one(strategy: str = "alternating", server: Server = server, **values: Any) -> Shop:
        made.append(shop(repo, server, strategy, **values))
        return made[-1]

    yield one
    for each in made:
        assert heard(each.server, repo.canaries) == []


@contextmanager
def released(repo: Repo, server: Server) -> Iterator[Make]:
    """The same with their roles, committed and pushed."""
    with shops(repo, server) as made:

        def one(strategy: str = "alternating", **values: Any) -> Shop:
            new = made(strategy, **values)
            published(new)
            return new

        yield one


def shop(repo: Repo, server: Server, strategy: str = "alternating", **values: Any) -> Shop:
    """A recipe with a database password of this strategy, and an empty database."""
    name = f"shop{next(_NUMBERS)}"
    server.database(name)
    made = Shop(repo, server, name)
    repo.shop(
        secrets={"shop": {"keys": ["DATABASE_URL"], "hash": False},
                 "roles": {"data": {"roles.json": "ROLES"}}},
        values={
            **access(server, name, strategy, database=name),
            "ROLES": {"derive": {"rolesOf": ["ROTATOR_PASSWORD", "POSTGRES_PASSWORD"]}},
            **values,
        },
    )  # fmt: skip
    for each in ("POSTGRES_PASSWORD", "ROTATOR_PASSWORD"):
        repo.canary(repo.cli("get", each).out)
    return made


def access(server: Server, name: str, strategy: str, *, database: str) -> dict[str, Any]:
    """The values of a database password of this strategy, with URLs for the application and for a
    rotator; the roles are named like `name`, and `database` is the path of the URLs."""
    place = {"host": "127.0.0.1", "port": server.port, "path": database, "scheme": "postgresql",
             "query": {"sslmode": "disable"}}  # fmt: skip

    def url(user: str, password: str) -> dict[str, Any]:
        return {"derive": {"url": {**place, "user": user, "password": f"$({password})"}}}

    role = {"strategy": strategy, "rotator": "ROTATOR_URL"}
    users: dict[str, Any] = {"POSTGRES_USER": {"default": f"{name}_a"}}
    if strategy == "alternating":
        role["owner"] = f"{name}_owner"
        chosen = {"a": "ROLE_A", "b": "ROLE_B", "slotOf": "POSTGRES_PASSWORD"}
        users = {"ROLE_A": {"default": f"{name}_a"}, "ROLE_B": {"default": f"{name}_b"},
                 "POSTGRES_USER": {"derive": {"alternate": chosen}}}  # fmt: skip
    return {
        **users,
        "POSTGRES_PASSWORD": {"generate": {"password": {}}, "role": role},
        "DATABASE_URL": url("$(POSTGRES_USER)", "POSTGRES_PASSWORD"),
        "ROTATOR_PASSWORD": {"generate": {"password": {}}, "role": {"strategy": "in-place"}},
        "ROTATOR_URL": url(f"{name}_rotator", "ROTATOR_PASSWORD"),
    }


def published(made: Shop) -> None:
    """The database has its roles, and the repository a remote that has all of it."""
    repo = made.repo
    repo.write(".sops.yaml", f"creation_rules:\n- path_regex: enc\n  age: {repo.recipient}\n")
    assert repo.cli("fill").code == 0  # what is stored
    made.bootstrap()
    assert made.postgres("apply").code == 0
    pushed(made)


def pushed(made: Shop) -> None:
    """The repository has a remote that has all of it."""
    repo = made.repo
    for key, text in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        git(repo, "config", key, text)
    commit(repo, "begin")
    git(repo, "init", "-q", "--bare", remote(made))
    git(repo, "remote", "add", "origin", remote(made))
    git(repo, "push", "-q", "-u", "origin", "HEAD")


def remote(made: Shop) -> str:
    """The repository that is pushed to."""
    return str(made.repo.path.parent / "remote.git")


@contextmanager
def pods(one: Shop) -> Iterator[None]:
    """An application that takes the new URL as soon as the database does, and leaves the old."""
    ended = threading.Event()

    def work() -> None:
        held: dict[str, psycopg.Connection[tuple[object, ...]]] = {}
        while not ended.wait(0.2):
            url = one.value("DATABASE_URL")
            if url not in held and one.logs_in(url):
                held[url] = psycopg.connect(url)
                for former in [each for each in held if each != url]:
                    held.pop(former).close()
        for each in held.values():
            each.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def once_taken(one: Shop, act: Callable[[], object], name: str = "DATABASE_URL") -> Iterator[None]:
    """Beside the body: as soon as the database has taken the next password of a URL, act once."""
    before = one.value(name)

    def wait() -> None:
        def is_taken() -> bool:
            url = one.value(name)
            return url != before and one.logs_in(url) is not None

        wait_until(is_taken, "the next password", seconds=120)
        act()

    with ThreadPoolExecutor() as pool:
        acting = pool.submit(wait)
        yield
        acting.result()


def mounted(made: Shop) -> Path:
    """The Secret of roles as a container has it: a folder outside the repository."""
    folder = made.repo.path.parent / "mounted"
    folder.mkdir(exist_ok=True)
    (folder / "roles.json").write_text(made.value("ROLES"))
    return folder


def first_start(server: Server, secrets: Mapping[str, Mapping[str, bytes]]) -> None:
    """What the image does with the example's Secrets when a server starts for the first time.

    Its superuser runs each script, over the socket, and ends with the first error.
    """
    given = {name: text.decode() for name, text in secrets["postgres"].items()}
    user, database = given["POSTGRES_USER"], given["POSTGRES_DB"]
    server.reload(hba=f"local all {user} trust\n{RULES}")
    server.role(user, given["POSTGRES_PASSWORD"], "SUPERUSER LOGIN")
    server.database(database)
    psql = (str(server.programs / "psql"), "-v", "ON_ERROR_STOP=1", "--no-psqlrc", "--no-password")
    login = (f"--username={user}", f"--dbname={database}")
    env = {"PATH": os.environ["PATH"], "PGHOST": str(server.folder), "PGPORT": str(server.port)}
    for script in secrets["postgres-bootstrap"].values():
        subprocess.run((*psql, *login), input=script, env=env, check=True, cwd="/",
                       stdout=subprocess.DEVNULL, **account())  # fmt: skip
