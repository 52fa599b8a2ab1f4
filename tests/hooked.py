"""A repository whose commits pass the hooks of .pre-commit-hooks.yaml, with the real pre-commit."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.repository import ROOT, Repo, Run

BASE, PRODUCTION, STAGING = (
    "secrets/shop.recipe.yaml",
    "overlays/production/recipe.yaml",
    "overlays/staging/recipe.yaml",
)
COMPONENT = "secrets/production.enc.yaml"

_BASE = """\
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata: {name: shop}
spec:
  app: shop
  components: [$(environment).enc.yaml]
  values:
    POSTGRES_USER: {default: shop}
    POSTGRES_PASSWORD: {generate: {password: {length: 32}}, maxAge: 36500d} # of the database
    JWT_SECRET: {generate: {bytes: {size: 48}}}
    DATABASE_URL:
      derive:
        url:
          scheme: postgresql
          user: $(POSTGRES_USER)
          password: $(POSTGRES_PASSWORD)
          host: postgres
          path: shop
    SMTP_PASSWORD: {rules: {minLength: 12}}
    MASTER_KEY: {rotation: never}
  secrets:
    backend: {keys: [DATABASE_URL, JWT_SECRET, SMTP_PASSWORD, MASTER_KEY]}
"""
_LEAF = """\
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata:
  name: shop
  annotations: {config.kubernetes.io/function: "exec: {path: sopsmith-krm}"}
spec:
  environment: ENVIRONMENT
  extends: ../../secrets/shop.recipe.yaml
  seeds: {"1": "CHECK"}
  values:
    POSTGRES_PASSWORD: {version: 4, rotated: 2026-11-01}
    JWT_SECRET: {version: 2}
"""
_KUSTOMIZATION = """\
generators: [recipe.yaml]
patches: [{path: guard.yaml}]
"""
_GUARD = """\
apiVersion: v1
kind: Secret
metadata: {name: backend}
"""


def rules(*recipients: str) -> str:
    """A `.sops.yaml` with a rule for each environment, each with these recipients."""
    lines = (
        f"  - {{path_regex: '^secrets/{name}\\.enc\\.', age: '{','.join(recipients)}'}}\n"
        for name in ("production", "staging")
    )
    return "creation_rules:\n" + "".join(lines)


def config(repository: Path = ROOT) -> dict[str, Any]:
    """The .pre-commit-config.yaml of a user, with our hooks as programs on PATH."""
    hooks = yaml.safe_load((repository / ".pre-commit-hooks.yaml").read_text())
    local = [{**hook, "language": "system"} for hook in hooks]
    return {"repos": [{"repo": "local", "hooks": local}]}


def environment(repo: Repo, name: str) -> None:
    """An environment: its component, its leaf and its overlay."""
    values = {key: repo.canary() for key in ("SMTP_PASSWORD", "MASTER_KEY")}
    seed = {"SOPSMITH_SEED_1": repo.seed}
    repo.component(f"secrets/{name}.enc.yaml", {**seed, **values}, environment=name)
    leaf = _LEAF.replace("ENVIRONMENT", name).replace("CHECK", repo.seeds(name)["1"])
    repo.write(f"overlays/{name}/recipe.yaml", leaf)
    repo.write(f"overlays/{name}/kustomization.yaml", _KUSTOMIZATION)
    repo.write(f"overlays/{name}/guard.yaml", _GUARD)


def build(repo: Repo) -> Repo:
    """Two environments over one base, committed, with the hooks installed."""
    repo.write(BASE, _BASE)
    for name in ("production", "staging"):
        environment(repo, name)
    repo.write(".sops.yaml", rules(repo.recipient))
    repo.write("README.md", "# shop\n")
    repo.write(".pre-commit-config.yaml", json.dumps(config(), indent=1))
    for key, text in (("user.name", "A"), ("user.email", "a@b.c"), ("commit.gpgsign", "false")):
        assert repo.run("git", "config", key, text).code == 0
    installed = repo.run("pre-commit", "install")
    assert installed.code == 0, installed.out
    first = commit(repo)
    assert first.code == 0, first.out + first.err
    return repo


def copied(template: Repo, folder: Path) -> Repo:
    """A copy of the repository to break."""
    (folder / "home").mkdir()
    shutil.copytree(template.path, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo", template.key_file, template.recipient)
    repo.canaries, repo.seed = [*template.canaries], template.seed
    return repo


def commit(repo: Repo, **env: Any) -> Run:
    """Commit everything, through the hooks; what they said is in `err`."""
    repo.run("git", "add", "--all")
    return repo.run("git", "commit", "--quiet", "--message=change", **env)


def said(run: Run) -> set[str]:
    """The codes of all findings that the hooks printed."""
    return set(re.findall(r" \[([a-z-]+)\]$", run.out + run.err, re.MULTILINE))


# --- changes --------------------------------------------------------------------------------------

Change = Callable[[Repo], object]
PASSWORD = "POSTGRES_PASSWORD: {version: 4, rotated: 2026-11-01}"


def replaced(file: str, old: str, new: str) -> Change:
    """Every `old` in a file becomes `new`."""
    return lambda repo: repo.edit(file, lambda text: text.replace(old, new))


def written(file: str, text: str) -> Change:
    return lambda repo: repo.write(file, text)


def added(file: str, text: str) -> Change:
    """Text at the end of a file."""
    return lambda repo: repo.edit(file, lambda before: before + text)


def removed(file: str) -> Change:
    return lambda repo: (repo.path / file).unlink()


def value(entry: str) -> Change:
    """Another value in the base, in YAML's flow style."""
    return replaced(BASE, "  values:\n", f"  values:\n    {entry}\n")


def both(*changes: Change) -> Change:
    return lambda repo: [change(repo) for change in changes]


def line(file: str, key: str, change: Callable[[str], str]) -> Change:
    """One line of a file, found by the key that it starts with."""
    pattern = re.compile(rf"^ *\"?{key}\"?: .*$", re.MULTILINE)
    return lambda repo: repo.edit(file, lambda text: pattern.sub(lambda m: change(m[0]), text))


def sealed(
    values: dict[str, str], *, file: str = COMPONENT, recipient: str | None = None
) -> Change:
    """A component of production, encrypted anew."""

    def change(repo: Repo) -> None:
        full = {"SOPSMITH_SEED_1": repo.seed, "SMTP_PASSWORD": repo.canary()}
        full["MASTER_KEY"] = repo.canary()
        repo.component(file, full | values, recipient=recipient)

    return change


def password(fields: str) -> Change:
    """What production's leaf says of the password."""
    return replaced(PRODUCTION, PASSWORD, f"POSTGRES_PASSWORD: {{{fields}}}")


def set_by_us(repo: Repo) -> None:
    secret = repo.canary().encode()
    done = repo.run("sopsmith", "set", "SMTP_PASSWORD", "-e", "production", stdin=secret)
    assert done.code == 0, done.err
