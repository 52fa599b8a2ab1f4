"""A repository with a past: commits on stated days, and changes as people make them."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.repository import Repo

LEAF = "overlay/recipe.yaml"
GENERATED: dict[str, Any] = {"generate": {"password": {}}}
URL = {"derive": {"url": {"scheme": "postgresql", "host": "db", "password": "$(PASSWORD)"}}}


def storied(repo: Repo, **spec: Any) -> Repo:
    """A shop with one commit: MASTER and TOKEN given, PASSWORD generated, URL derived from it."""
    given = {"MASTER": repo.canary(), "TOKEN": repo.canary()}
    values = {"MASTER": {}, "TOKEN": {}, "PASSWORD": GENERATED, "URL": URL}
    values |= spec.pop("values", {})
    repo.write(".sops.yaml", f"creation_rules:\n- path_regex: enc\n  age: {repo.recipient}\n")
    repo.shop(given, values=values, **spec)
    in_yaml(repo)
    commit(repo, "start", day="2026-01-01")
    return repo


def in_yaml(repo: Repo, file: str = LEAF) -> None:
    """The leaf as a person would have written it."""
    document = json.loads((repo.path / file).read_text())
    repo.write(file, yaml.safe_dump(document, sort_keys=False))


def change(repo: Repo, name: str, file: str = LEAF, **fields: Any) -> None:
    """Change fields of a value in the leaf; None removes one, and no field at all the value."""
    document = yaml.safe_load((repo.path / file).read_text())
    values = document["spec"]["values"]
    merged = {**values.get(name, {}), **fields}
    values[name] = {key: field for key, field in merged.items() if field is not None}
    if not fields:
        del values[name]
    keys = sorted(values)
    document["spec"]["secrets"]["shop"]["keys"] = keys
    repo.write(file, yaml.safe_dump(document, sort_keys=False))


def give(repo: Repo, key: str, text: str | None = None, file: str = "shop.enc.yaml") -> str:
    """Set a key with sops itself; the new value."""
    text = text if text is not None else repo.canary()
    flags = ("sops", "--config", "/dev/null", "set", "--value-stdin")
    done = repo.run(*flags, file, f'["{key}"]', stdin=json.dumps(text).encode())
    assert done.code == 0, done.err
    return text


def sops(repo: Repo, *argv: str) -> None:
    """Run sops by the rules of the repository."""
    done = repo.run("sops", *argv)
    assert done.code == 0, done.err


def commit(
    repo: Repo, message: str = "change", *, day: str = "2026-01-02", author: str = "Ada", **env: Any
) -> str:
    """Commit all that there is, and return the commit."""
    who: dict[str, Any] = {}
    for role in ("AUTHOR", "COMMITTER"):
        who[f"GIT_{role}_NAME"] = author
        who[f"GIT_{role}_EMAIL"] = f"{author.lower()}@example.org"
        who[f"GIT_{role}_DATE"] = f"{day}T12:00:00+0000"
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "--allow-empty", "-m", message, **who, **env)
    return git(repo, "rev-parse", "HEAD")


def git(repo: Repo, *argv: str, cwd: str = ".", **env: Any) -> str:
    """Run git, which has to succeed, and return what it says."""
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    done = repo.run("git", *identity, *argv, cwd=cwd, **env)
    assert done.code == 0, done.err
    return done.out.strip()


def told(repo: Repo, *argv: str) -> list[dict[str, Any]]:
    """The rows of a command, as data."""
    done = repo.cli(*argv, "--output", "json")
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = done.document
    return rows
