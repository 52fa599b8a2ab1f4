"""What reaches the Secret opens the database: a real PostgreSQL takes every derived URL.

Passwords go in through sops, come out of kustomize, and both the roles and the logins are made
from what came out.
"""

from __future__ import annotations

import json
from base64 import b64encode
from secrets import token_bytes
from typing import Any

import pytest

from sopsmith.text import document
from tests.database import first_start
from tests.repository import Repo
from tests.servers import Server, server

LOGINS = 400
PLAIN = {"sslmode": "disable"}  # this server speaks no TLS
AWKWARD = {
    "at": "a@b",
    "colon": "a:b",
    "slash": "a/b",
    "question mark": "a?b",
    "hash": "a#b",
    "percent": "a%b",
    "percent-encoded": "a%40b",
    "not percent-encoded": "%zz%",
    "brackets": "[a]b",
    "space": "a b",
    "outer spaces": " a ",
    "plus": "a+b",
    "ampersand": "a&b=c;d,e",
    "quotes": "a'b\"c`d",
    "backslash": "\\a\\'b\\",
    "dollar": "$(A)$a$$",
    "line break": "a\nb\r\tc",
    "dots": "..",
    "latin": "größe",
    "composed otherwise": "gro\u0308\u00dfe",
    "chinese": "密码",
    "emoji": "🔑",
    "right to left": "\u05e1\u05d5\u05d3",
    "other": "!*(){}<>|^~",
    "looks like another server": "x@127.0.0.9:1/postgres?user=y&password=z#",
}


def url(postgres: Server, user: str, password: str, database: str) -> dict[str, Any]:
    """A value: the URL of these parts, at the test's server."""
    parts = {"user": user, "password": password, "path": database}
    server = {"scheme": "postgresql", "host": "127.0.0.1", "port": postgres.port}
    return {"derive": {"url": {**server, **parts, "query": PLAIN}}}


def refused(repo: Repo, postgres: Server, logins: dict[str, dict[str, str]]) -> list[str]:
    """Give all the logins in one component; name those that don't get where they should."""
    given = {
        f"{part}_{n}": text
        for n, login in enumerate(logins.values())
        for part, text in login.items()
    }
    urls = {
        f"URL_{n}": url(postgres, f"$(USER_{n})", f"$(PASSWORD_{n})", f"$(DATABASE_{n})")
        for n in range(len(logins))
    }
    repo.shop(given, values=urls)
    secret = {key: text.decode() for key, text in repo.kustomize().built["shop"].items()}
    wrong = []
    for n, (name, login) in enumerate(logins.items()):
        postgres.database(secret[f"DATABASE_{n}"])
        postgres.role(secret[f"USER_{n}"], secret[f"PASSWORD_{n}"])
        if postgres.login(secret[f"URL_{n}"]) != (login["USER"], login["DATABASE"]):
            wrong.append(name)
    return wrong


def test_400_random_base64_passwords_log_in(repo: Repo, postgres: Server) -> None:
    given = {f"PASSWORD_{n}": b64encode(token_bytes(32)).decode() for n in range(LOGINS)}
    assert set("/+=") <= set("".join(map(repo.canary, given.values())))
    urls = {
        f"URL_{n}": url(postgres, f"app_{n}", f"$(PASSWORD_{n})", "postgres") for n in range(LOGINS)
    }
    repo.shop(given, values=urls)
    secret = {key: text.decode() for key, text in repo.kustomize().built["shop"].items()}
    for n in range(LOGINS):
        postgres.role(f"app_{n}", secret[f"PASSWORD_{n}"])
    accepted = [postgres.login(secret[f"URL_{n}"]) for n in range(LOGINS)]
    assert accepted == [(f"app_{n}", "postgres") for n in range(LOGINS)]


@pytest.mark.parametrize("part", ["USER", "PASSWORD", "DATABASE"])
def test_awkward_parts_log_in(repo: Repo, postgres: Server, part: str) -> None:
    plain = {"USER": "plain", "PASSWORD": "plain", "DATABASE": "plain"}
    logins = {name: {**plain, part: text} for name, text in AWKWARD.items()}
    assert refused(repo, postgres, logins) == []


def test_awkward_parts_log_in_together(repo: Repo, postgres: Server) -> None:
    logins = {
        name: {"USER": text, "PASSWORD": text, "DATABASE": text} for name, text in AWKWARD.items()
    }
    assert refused(repo, postgres, logins) == []


@pytest.mark.parametrize("name", ["dev", "staging", "production"])
def test_a_first_start_takes_every_login_of_the_example(
    example: Repo, postgres: Server, name: str
) -> None:
    """A server that has run what the image finds in its Secrets knows the application."""
    with server(postgres.programs) as new:
        here(example, name, new)
        built = example.kustomize(f"overlays/{name}").built
        first_start(new, built)
        (backend,) = (data for key, data in built.items() if key.startswith("backend-"))
        database = built["postgres"]["POSTGRES_DB"].decode()
        login = new.login(backend["DATABASE_URL"].decode())
        assert login == ("reconciliation_owner", database)
        url = new.url("postgres", built["postgres"]["POSTGRES_PASSWORD"].decode(), database)
        assert new.login(url) == ("postgres", database)
        applied = example.cli("postgres", "apply", "-e", name)
        assert (applied.code, "changed" in applied.out) == (0, False), applied.err


def here(example: Repo, name: str, there: Server) -> None:
    """Point an environment of the example at a server of this machine."""
    host = {"default": "127.0.0.1"}
    example.edit("secrets/platform.recipe.yaml", lambda text: text.replace("5432", str(there.port)))
    file = f"overlays/{name}/recipe.yaml"
    leaf = document.parse((example.path / file).read_bytes())
    leaf["spec"]["values"]["POSTGRES_HOST"] = host
    example.write(file, json.dumps(leaf))


def test_the_server_asks_for_the_password(postgres: Server) -> None:
    """Without this the logins above would prove nothing."""
    postgres.role("careful", "right")
    server = f"127.0.0.1:{postgres.port}/postgres?sslmode=disable"
    assert postgres.login(f"postgresql://careful:right@{server}") == ("careful", "postgres")
    assert postgres.login(f"postgresql://careful:wrong@{server}") is None
