"""The old way: a Secret edited by hand, POSTGRES_PASSWORD and a pasted DATABASE_URL side by side.

The database does as the official image: where its volume is empty it makes role and database with
the Secret's password, and later never looks there again.
"""

from __future__ import annotations

import subprocess
from base64 import b64encode
from collections.abc import Sequence
from random import Random
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from ci.bench.lives import ENCODES, PLACEHOLDER, Event, Outcome, Problem, runs, settled
from tests.servers import Server

ROUTINE = {
    "first": ("openssl rand -base64 24", "write the Secret, password and URL", "kubectl apply"),
    "template": ("openssl rand -base64 24", "fill in the template", "kubectl apply"),
    "rotation": ("openssl rand -base64 24", "kubectl edit secret: POSTGRES_PASSWORD",
                 "kubectl edit secret: DATABASE_URL", "kubectl exec db-0 -- psql: ALTER USER",
                 "kubectl rollout restart"),
    "rename": ("kubectl exec db-0 -- psql: ALTER DATABASE", "kubectl edit secret: POSTGRES_DB",
               "kubectl edit secret: DATABASE_URL", "kubectl rollout restart"),
    "new key": ("openssl rand -base64 24", "kubectl edit secret: the key",
                "kubectl rollout restart"),
}  # fmt: skip
_LOGS, _RESTART = "kubectl logs", "kubectl rollout restart"
_LOOK = "kubectl get secret -o yaml, base64 -d: compare"
_URL = "kubectl edit secret: DATABASE_URL"
REPAIR = {
    "unescaped password": (_LOGS, "python3 -c 'urllib.parse.quote(…)'", _URL, _RESTART),
    "stale DATABASE_URL": (_LOGS, _LOOK, _URL, _RESTART),
    "placeholder": (_LOGS, _LOOK, "kubectl edit secret: password and URL", _RESTART),
    "missing key": (_LOGS, "openssl rand -base64 24", "kubectl edit secret: the key", _RESTART),
    "older password in the database": (_LOGS, _LOOK, "kubectl exec db-0 -- psql: ALTER USER",
                                       _RESTART),
}  # fmt: skip


class Old:
    """One environment; what people and its database have is all here."""

    def __init__(self, server: Server, name: str, rng: Random) -> None:
        self.server, self.name, self.rng = server, name, rng
        self.database = name
        self.secret: dict[str, str] = {"POSTGRES_USER": name, "POSTGRES_DB": name}
        self.needed = ["API_KEY"]
        self.is_burned = False  # a password as it is has broken the URL before
        self.is_raw = False  # one was pasted in this deployment


def deploy(life: Old, event: Event) -> Outcome:
    """Carry out an event as far as people remember, and repair what fails."""
    life.is_raw = False
    was = life.secret.get("POSTGRES_PASSWORD")
    _CHANGES[event.kind](life, event.slips)
    breaks = _raw_breaks(life)
    troubles = settled(lambda: _problem(life), lambda problem: _repaired(life, problem))
    unnoticed = None
    if event.kind == "template" and PLACEHOLDER in life.secret.values():
        unnoticed = "a placeholder is in use"
    elif event.kind == "rotation" and was is not None and _opens(life, was):
        unnoticed = "the former password still opens the database"
    return Outcome(event, troubles, ROUTINE[event.kind], unnoticed, breaks)


# --- events ---------------------------------------------------------------------------------------


def _first(life: Old, slips: frozenset[str]) -> None:
    life.secret |= {"POSTGRES_PASSWORD": _random(life), "API_KEY": _random(life)}
    _paste(life, life.secret["POSTGRES_PASSWORD"])
    _initialise(life, slips)


def _template(life: Old, slips: frozenset[str]) -> None:
    password = _random(life)
    life.secret |= {"POSTGRES_PASSWORD": PLACEHOLDER, "API_KEY": PLACEHOLDER}
    life.secret["DATABASE_URL"] = _url(life, PLACEHOLDER)
    if "placeholder of password" not in slips:
        life.secret["POSTGRES_PASSWORD"] = password
    if "placeholder of url" not in slips:
        _paste(life, password)
    if "placeholder of api" not in slips:
        life.secret["API_KEY"] = _random(life)
    _initialise(life, slips)


def _initialise(life: Old, slips: frozenset[str]) -> None:
    """The database's first start, now or at an earlier try with another password."""
    older = _random(life)
    life.server.role(life.name, older if "volume" in slips else life.secret["POSTGRES_PASSWORD"])
    life.server.database(life.database)


def _rotation(life: Old, slips: frozenset[str]) -> None:
    life.secret["POSTGRES_PASSWORD"] = _random(life)
    if "database forgotten" not in slips:
        _alter_user(life)
    if "url forgotten" not in slips:
        _paste(life, life.secret["POSTGRES_PASSWORD"])


def _rename(life: Old, slips: frozenset[str]) -> None:
    before, life.database = life.database, f"{life.database}n"
    _psql(life, f'ALTER DATABASE "{before}" RENAME TO "{life.database}"')
    life.secret["POSTGRES_DB"] = life.database
    if "url forgotten" not in slips:
        url = life.secret["DATABASE_URL"]
        life.secret["DATABASE_URL"] = url.removesuffix(f"/{before}") + f"/{life.database}"


def _new_key(life: Old, slips: frozenset[str]) -> None:
    life.needed.append(f"KEY_{len(life.needed)}")
    if "key forgotten" not in slips:
        life.secret[life.needed[-1]] = _random(life)


_CHANGES = {"first": _first, "template": _template, "rotation": _rotation, "rename": _rename,
            "new key": _new_key}  # fmt: skip


# --- what fails, and its repair -------------------------------------------------------------------


def _problem(life: Old) -> Problem | None:
    if runs(life.server, life.secret, life.needed, life.database):
        return None
    return Problem(_mode(life), "run time")


def _mode(life: Old) -> str:
    """What whoever reads the logs and the Secret finds first."""
    secret = life.secret
    if not all(key in secret for key in life.needed):
        return "missing key"
    password, url = secret["POSTGRES_PASSWORD"], secret["DATABASE_URL"]
    if PLACEHOLDER in (password, url) or url == _url(life, PLACEHOLDER):
        return "placeholder"
    if _is_meant(life, url):
        return "older password in the database"
    return "unescaped password" if url == _url(life, password) else "stale DATABASE_URL"


def _is_meant(life: Old, url: str) -> bool:
    """Whether libpq reads in a URL what stands beside it in the Secret."""
    try:
        read = conninfo_to_dict(url)
    except psycopg.Error:
        return False
    stated = life.secret["POSTGRES_PASSWORD"], life.database
    return (read.get("password"), read.get("dbname")) == stated


def _repaired(life: Old, problem: Problem) -> Sequence[str]:
    secret = life.secret
    if problem.mode == "missing key":
        secret |= {key: _random(life) for key in life.needed if key not in secret}
    elif problem.mode == "unescaped password":
        life.is_burned = True
        secret["DATABASE_URL"] = _encoded(life, secret["POSTGRES_PASSWORD"])
    elif problem.mode == "older password in the database":
        _alter_user(life)
    else:
        if secret["POSTGRES_PASSWORD"] == PLACEHOLDER:
            secret["POSTGRES_PASSWORD"] = _random(life)
        _paste(life, secret["POSTGRES_PASSWORD"])
    return REPAIR[problem.mode]


def _raw_breaks(life: Old) -> bool | None:
    """Whether the password pasted in this deployment breaks its URL: it does not log in where the
    same password, percent-encoded, does."""
    if not life.is_raw or not _opens(life, life.secret["POSTGRES_PASSWORD"]):
        return None
    return life.server.login(life.secret["DATABASE_URL"], connect_timeout=60) is None


def _opens(life: Old, password: str) -> bool:
    return life.server.login(_encoded(life, password), connect_timeout=60) is not None


# --- what hands do --------------------------------------------------------------------------------


def _random(life: Old) -> str:
    """`openssl rand -base64 24`."""
    return b64encode(life.rng.randbytes(24)).decode()


def _paste(life: Old, password: str) -> None:
    """Into the URL as it is; who was burned before sometimes thinks of it."""
    if life.is_burned and life.rng.random() < ENCODES:
        life.secret["DATABASE_URL"] = _encoded(life, password)
    else:
        life.is_raw = True
        life.secret["DATABASE_URL"] = _url(life, password)


def _encoded(life: Old, password: str) -> str:
    return _url(life, quote(password, safe=""))


def _url(life: Old, password: str) -> str:
    return f"postgresql://{life.name}:{password}@127.0.0.1:{life.server.port}/{life.database}"


def _alter_user(life: Old) -> None:
    password = life.secret["POSTGRES_PASSWORD"]  # base64: no quote in it
    _psql(life, f"ALTER USER \"{life.name}\" PASSWORD '{password}'")


def _psql(life: Old, sql: str) -> None:
    """As `kubectl exec -i db-0 -- psql` does, in the database's own container."""
    server = life.server
    where = ("-h", str(server.folder), "-p", str(server.port), "-U", "owner", "-d", "postgres")
    argv = (str(server.programs / "psql"), "-qX", "-v", "ON_ERROR_STOP=1", *where)
    subprocess.run(argv, input=sql.encode(), check=True, stdout=subprocess.DEVNULL)
