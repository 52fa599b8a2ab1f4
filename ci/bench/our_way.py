"""The same with sopsmith: a repository with sops and age, one life each, and the same server.

What people run are real commands (rotate, set, postgres bootstrap). What a sync runs is called in
this process, by the functions behind `sopsmith validate`, `render` and `postgres apply`.

Odd lives have alternating roles, where each rotation takes the other role and `retire` closes the
former one after the roll-out; even ones have one role that is changed in place.
"""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

from ci.bench.lives import PLACEHOLDER, Event, Outcome, Problem, runs, settled
from sopsmith import repository
from sopsmith.database import accounts, applying, retiring, ways
from sopsmith.errors import SopsmithError
from sopsmith.model import Sensitive
from sopsmith.pipeline import render
from sopsmith.postgres import first_time
from sopsmith.postgres.account import Account
from tests.database import access
from tests.programs import wait_until
from tests.repository import Repo
from tests.servers import Server

_PUSH = "git push: the sync renders, applies and rolls out"
RETIRE = "sopsmith postgres retire"
ROUTINE = {
    "first": ("sopsmith init", "sopsmith set API_KEY", _PUSH),
    "template": ("copy the leaf, sopsmith init", "sopsmith set API_KEY", _PUSH),
    "rotation": ("sopsmith rotate POSTGRES_PASSWORD", _PUSH),
    "rename": ("psql: ALTER DATABASE", "edit the recipe: POSTGRES_DB", _PUSH),
    "new key": ("edit the recipe: the key", "sopsmith set the key", _PUSH),
    "after it, if a role is left": (RETIRE,),
}
VIA = "sopsmith postgres bootstrap --via 'kubectl exec -i db-0 -- psql'"
REPAIR = {
    "missing key": ("sopsmith set the key", _PUSH),
    "placeholder": ("sopsmith set API_KEY", _PUSH),
    "older password in the database": (VIA, "run the sync again"),
    "the same, of two roles": ("sopsmith rotate POSTGRES_PASSWORD", _PUSH),
    "version raised by hand": ("git revert", "sopsmith rotate POSTGRES_PASSWORD", _PUSH),
    "former role still open": ("git revert", RETIRE, "sopsmith rotate POSTGRES_PASSWORD", _PUSH),
}
RECIPE = "overlay/recipe.yaml"


class Our:
    """One environment: its repository and its database."""

    def __init__(self, server: Server, name: str, rng: Random, repo: Repo, strategy: str) -> None:
        self.server, self.name, self.rng, self.repo = server, name, rng, repo
        self.strategy = strategy
        self.database = name
        self.needed = ["API_KEY"]
        self.kind = ""  # of the event
        self.is_by_hand = False  # the version was raised by hand in it
        self.stopped = ""  # the code of what was refused


def deploy(life: Our, event: Event) -> Outcome:
    """Carry out an event as far as people remember, and repair what is refused or fails."""
    life.kind, life.is_by_hand = event.kind, False
    _CHANGES[event.kind](life, event.slips)
    troubles = settled(lambda: _problem(life), lambda problem: _repaired(life, problem))
    outcome = Outcome(event, troubles, ROUTINE[event.kind])
    is_remembered = outcome.verdict != "failed" and "retire forgotten" not in event.slips
    if is_remembered and _retired(life):
        return outcome._replace(steps=(*outcome.steps, *ROUTINE["after it, if a role is left"]))
    return outcome


def made(server: Server, name: str, rng: Random, folder: Path, strategy: str,
         key: tuple[Path, str]) -> Our:  # fmt: skip
    """An environment before its first deployment."""
    (folder / "home").mkdir(parents=True)
    repo = Repo(folder / "repo", *key)
    for words in (("user.name", "bench"), ("user.email", "bench@example.org")):
        _ran(repo, "git", "config", *words)
    return Our(server, name, rng, repo, strategy)


def key(folder: Path) -> tuple[Path, str]:
    """A fresh age key in the folder, and its recipient."""
    file = folder / "age.txt"
    subprocess.run(("age-keygen", "-o", file), check=True, capture_output=True)
    told = subprocess.run(("age-keygen", "-y", file), check=True, capture_output=True)
    return file, told.stdout.decode().strip()


# --- events ---------------------------------------------------------------------------------------


def _start(life: Our, slips: frozenset[str]) -> None:
    """With the database's first start, now or at an earlier try with other passwords."""
    api_key = life.rng.randbytes(24).hex()
    _scaffold(life, PLACEHOLDER if "placeholder of api" in slips else api_key)
    life.server.database(life.database)
    found = accounts.of_rendered(repository.rendered(_leaf(life)))
    if "volume" in slips and "volume of another seed" in slips:
        found = [_of_another_seed(each, life.rng) for each in found]
    elif "volume" in slips:
        _rotate(life)
    script = first_time.first_start(found)
    with closing(life.server.owner(life.database)) as connection:
        connection.execute(script.encode())


def _first(life: Our, slips: frozenset[str]) -> None:
    _start(life, slips - {"placeholder of api"})


def _rotation(life: Our, slips: frozenset[str]) -> None:
    if "version by hand" in slips:
        life.is_by_hand = True
        recipe = _recipe(life)
        password = recipe["spec"]["values"]["POSTGRES_PASSWORD"]
        password["version"] = password.get("version", 1) + 1
        _write(life, recipe)
    else:
        _rotate(life)


def _rename(life: Our, slips: frozenset[str]) -> None:
    before, life.database = life.database, f"{life.database}n"
    life.server.owner_run(f'ALTER DATABASE "{before}" RENAME TO "{life.database}"')
    recipe = _recipe(life)
    recipe["spec"]["values"]["POSTGRES_DB"] = {"default": life.database}
    _write(life, recipe)


def _new_key(life: Our, slips: frozenset[str]) -> None:
    key = f"KEY_{len(life.needed)}"
    life.needed.append(key)
    recipe = _recipe(life)
    recipe["spec"]["values"][key] = {}
    recipe["spec"]["secrets"]["app"]["keys"].append(key)
    _write(life, recipe)
    if "key forgotten" not in slips:
        _set(life, key)


_CHANGES = {"first": _first, "template": _start, "rotation": _rotation, "rename": _rename,
            "new key": _new_key}  # fmt: skip


# --- a deployment, and what it refuses ------------------------------------------------------------


def _problem(life: Our) -> Problem | None:
    """Render, apply, roll out, as a sync does; each only where the one before went well."""
    try:
        rendered = accounts.checked(_leaf(life))
        emitted = render.emitted([rendered])
        way = ways.real(life.repo.env)
        for account in accounts.of_rendered(rendered):
            applying.apply(account, way)
    except SopsmithError as error:
        life.stopped = next(each.code for each in error.findings if each.severity == "error")
        return Problem(_mode(life), "before")
    life.stopped = ""
    if runs(life.server, _environment(emitted), life.needed, life.database):
        return None
    return Problem("unforeseen", "run time")


def _mode(life: Our) -> str:
    """The failure mode that a refusal prevents; KeyError for one that nobody foresaw."""
    if life.stopped == "db-in-use" and life.kind == "rotation":
        return "version raised by hand" if life.is_by_hand else "former role still open"
    return {
        "missing": "missing key",
        "placeholder": "placeholder",
        "db-login": "older password in the database",
        "db-in-use": "older password in the database",
    }[life.stopped]


def _repaired(life: Our, problem: Problem) -> Sequence[str]:
    """Repair what was refused. What fails at run time should not, so nothing is known for it."""
    if problem.stage == "run time":
        return ()
    if problem.mode == "placeholder":
        _set(life, "API_KEY")
    elif problem.mode == "missing key":
        _set(life, life.needed[-1])
    elif life.kind == "rotation":
        life.is_by_hand = False
        _ran(life.repo, "git", "revert", "--no-edit", "HEAD")
        if problem.mode == "former role still open":
            _retired(life)
        _rotate(life)
    elif life.stopped == "db-in-use":
        _rotate(life)
        return REPAIR["the same, of two roles"]  # the older volume's one may be in use
    else:
        server = life.server
        psql = f"{server.programs}/psql -h {server.folder} -p {server.port} -U owner"
        _ran(life.repo, "sopsmith", "postgres", "bootstrap", "--via", f"{psql} -d {life.database}")
    return REPAIR[problem.mode]


def _retired(life: Our) -> bool:
    """Close the former role, where one is open, once nobody has a session of it."""
    (account,) = (each for each in _accounts(life) if each.value == "POSTGRES_PASSWORD")
    if account.other is None:
        return False
    other = f"SELECT 1 FROM pg_stat_activity WHERE usename = '{account.other}'"  # noqa: S608 - ours
    wait_until(lambda: not life.server.owner_ask(other), "the end of the former role's sessions")
    way = ways.real(life.repo.env)
    return bool(
        retiring.retire(account, way, lambda account: (), grace=0, now=time.monotonic).changes
    )


def _environment(emitted: bytes) -> dict[str, str]:
    """What a pod gets of the emitted Secret."""
    (secret,) = json.loads(emitted)["items"]
    return {key: base64.b64decode(text).decode() for key, text in secret["data"].items()}


# --- the repository -------------------------------------------------------------------------------


def _scaffold(life: Our, api_key: str) -> None:
    """What `sopsmith init` and a person make: a component and a recipe, committed."""
    name, repo = life.name, life.repo
    repo.seed = life.rng.randbytes(32).hex()
    repo.shop(
        {"API_KEY": api_key},
        app=name,
        seeds=repo.seeds(app=name),
        secrets={"app": {"keys": ["DATABASE_URL", "API_KEY"]}},
        values={
            **access(life.server, name, life.strategy, database="$(POSTGRES_DB)"),
            "API_KEY": {},
            "POSTGRES_DB": {"default": life.database},
        },
    )
    rule = f"creation_rules:\n  - path_regex: \\.enc\\.yaml$\n    age: {repo.recipient}\n"
    repo.write(".sops.yaml", rule)
    _ran(repo, "git", "add", ".")
    _ran(repo, "git", "commit", "-qm", "Start")


def _of_another_seed(account: Account, rng: Random) -> Account:
    """The same roles with the passwords of seeds that nobody has any more."""
    before = Sensitive(rng.randbytes(24).hex())
    rotator = account.rotator and account.rotator.of(account.rotator.user, before)
    return account._replace(now=account.now._replace(password=before), rotator=rotator)


def _leaf(life: Our) -> repository.Leaf:
    return repository.leaf(str(life.repo.path / "overlay"), life.repo.env)


def _accounts(life: Our) -> list[Account]:
    return accounts.of_rendered(accounts.checked(_leaf(life)))


def _recipe(life: Our) -> dict[str, Any]:
    recipe: dict[str, Any] = json.loads((life.repo.path / RECIPE).read_text())
    return recipe


def _write(life: Our, recipe: dict[str, Any]) -> None:
    """Edit the recipe by hand and commit."""
    life.repo.write(RECIPE, json.dumps(recipe, indent=1))
    _ran(life.repo, "git", "commit", "-qam", "Edit the recipe")


def _rotate(life: Our) -> None:
    _ran(life.repo, "sopsmith", "rotate", "POSTGRES_PASSWORD", "--commit")


def _set(life: Our, key: str) -> None:
    text = life.rng.randbytes(24).hex()
    _ran(life.repo, "sopsmith", "set", key, "--commit", stdin=text.encode())


def _ran(repo: Repo, *argv: str, stdin: bytes = b"") -> None:
    """Run a program that has to go well."""
    done = subprocess.run(argv, input=stdin, capture_output=True, env=repo.env, cwd=repo.path)
    if done.returncode:
        raise RuntimeError(f"{argv[:2]} ended with {done.returncode}\n{done.stderr.decode()}")
