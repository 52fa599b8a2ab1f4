"""Recipes that are written in a kustomization count wherever one in a file of its own does."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from tests.repository import Repo

STORED = {"generate": {"password": {"length": 32}}, "stored": True}
SECRET = {"shop": {"keys": ["TOKEN"], "hash": False}}
NAMES = ["kustomization.yaml", "Kustomization"]


def inline(repo: Repo, *folders: str, name: str = "kustomization.yaml") -> None:
    """Write the recipes of these folders into the kustomization of the first."""
    entries = []
    for folder in folders:
        text = (repo.path / folder / "recipe.yaml").read_text()
        entries.append(f"  - |-\n{textwrap.indent(text, '    ')}\n")
        (repo.path / folder / "recipe.yaml").unlink()
        (repo.path / folder / "kustomization.yaml").unlink()
    repo.write(f"{folders[0]}/{name}", "generators:\n" + "".join(entries))


def commit(repo: Repo) -> None:
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    repo.run("git", "add", "-A")
    assert repo.run("git", "commit", "-qm", "change").code == 0


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """An application with a generated value of version 3, and creation rules."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    values = {"PASSWORD": {"generate": {"password": {}}, "version": 3}}
    repo.shop({"TOKEN": repo.canary()}, values=values)
    return repo


@pytest.mark.parametrize("name", NAMES)
def test_a_lowered_version_is_found(shop: Repo, name: str) -> None:
    inline(shop, "overlay", name=name)
    commit(shop)
    assert shop.cli("check", "--against", "HEAD").code == 0
    shop.edit(f"overlay/{name}", lambda text: text.replace('"version": 3', '"version": 1'))
    run = shop.cli("check", "--against", "HEAD")
    assert run.code == 1
    assert f"overlay/{name} (generators): spec.values.PASSWORD.version" in run.out
    assert "[version-lowered]" in run.out


@pytest.mark.parametrize("name", NAMES)
def test_its_environment_is_known_by_name(shop: Repo, name: str) -> None:
    inline(shop, "overlay", name=name)
    fresh = shop.canary()
    run = shop.run("sopsmith", "set", "TOKEN", "-e", "production", stdin=fresh.encode())
    assert run.code == 0, run.err
    assert shop.cli("get", "TOKEN", "-e", "production").out == fresh


def shared(repo: Repo) -> None:
    """One stored value that the leaves of three environments read; that of `c` never rotates."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    repo.component("shop.enc.yaml", {"TOKEN": repo.canary()}, environment="a,b,c")
    for name, more in (("a", {}), ("b", {}), ("c", {"rotation": "never"})):
        values = {"TOKEN": {**STORED, **more}}
        spec = {"components": ["../shop.enc.yaml"], "values": values, "secrets": SECRET}
        repo.leaf(name, environment=name, **spec)


@pytest.mark.parametrize("where", ["c", "bc"])
def test_a_shared_value_is_not_rotated_against_its_word(repo: Repo, where: str) -> None:
    """Also where it is the second of a kustomization."""
    shared(repo)
    before = (repo.path / "shop.enc.yaml").read_bytes()
    inline(repo, *where)
    run = repo.cli("rotate", "TOKEN", "-e", "a", "--yes")
    assert (run.code, run.codes) == (2, {"rotation-never"}), run.err
    assert (repo.path / "shop.enc.yaml").read_bytes() == before


def test_a_shared_value_that_may_rotate_does(repo: Repo) -> None:
    shared(repo)
    before = (repo.path / "shop.enc.yaml").read_bytes()
    repo.edit("c/recipe.yaml", lambda text: text.replace("never", "allowed"))
    inline(repo, "b", "c")
    run = repo.cli("rotate", "TOKEN", "-e", "a", "--yes")
    assert run.code == 0, run.err
    assert [name for name in ("(generators[0])", "(generators[1])") if name not in run.out] == []
    assert (repo.path / "shop.enc.yaml").read_bytes() != before


def test_a_seed_that_it_needs_stays(shop: Repo) -> None:
    values: Any = {"OTHER": {"generate": {"password": {}}}}
    secrets = {"other": {"keys": ["OTHER"]}}
    components = ["../shop.enc.yaml"]
    seeds = shop.seeds()
    shop.leaf("other", components=components, values=values, seeds=seeds, secrets=secrets)
    inline(shop, "other")
    commit(shop)
    run = shop.cli("rotate", "--seed", "-e", "overlay", "--yes")
    assert run.code == 2, run.err
    assert "other/kustomization.yaml (generators): stands inside a kustomization" in run.err
    assert shop.run("git", "status", "--short").out == ""


def test_a_value_that_it_holds_is_not_restored_there(shop: Repo) -> None:
    inline(shop, "overlay")
    commit(shop)
    shop.edit("overlay/kustomization.yaml", lambda t: t.replace('"version": 3', '"version": 4'))
    commit(shop)
    run = shop.cli("restore", "PASSWORD", "--to", "HEAD~1")
    assert run.code == 2
    assert "overlay/kustomization.yaml (generators): stands inside a kustomization" in run.err


def test_its_history_is_told(shop: Repo) -> None:
    inline(shop, "overlay")
    commit(shop)
    shop.edit("overlay/kustomization.yaml", lambda t: t.replace('"version": 3', '"version": 4'))
    assert "version 3 → 4" in shop.cli("diff").out
    commit(shop)
    assert "version 3 → 4" in shop.cli("history", "PASSWORD", "-e", "production").out
    shop.edit("overlay/kustomization.yaml", lambda text: text + "broken: [\n")
    rows = shop.cli("diff", "--output", "json").document
    assert [(row["what"], row["name"]) for row in rows] == [
        ("recipe", "overlay/kustomization.yaml")
    ]


def test_what_is_overdue_there_is_said(shop: Repo) -> None:
    dated = '"version": 3, "rotated": "2020-01-01", "maxAge": "90d"'
    shop.edit("overlay/recipe.yaml", lambda text: text.replace('"version": 3', dated))
    inline(shop, "overlay")
    shop.run("git", "add", "-A")
    assert "[overdue]" in shop.cli("due").out
