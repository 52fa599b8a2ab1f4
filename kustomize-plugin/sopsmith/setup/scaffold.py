"""The files of a new application: their texts, from names alone. Pure; no text holds a secret."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sopsmith.text import document
from sopsmith.text.notation import flow

RULES, IGNORE, ATTRIBUTES, HOOKS = (
    ".sops.yaml", ".gitignore", ".gitattributes", ".pre-commit-config.yaml",
)  # fmt: skip
DATABASES = ("postgres", "none")
MERGE_DRIVER = "sopsmith merge -- %O %A %B %P"
IGNORED = ("*.dec.*", "*.agekey", ".env")
ATTRIBUTED = ("*.enc.* merge=sopsmith",)

_APP = re.compile(r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?\Z")  # in the name of a Secret and of a role
_ENVIRONMENT = re.compile(r"[a-z]([-a-z0-9]{0,18}[a-z0-9])?\Z")
_NOTE = """\
# Without --enable-exec kustomize skips the function, says nothing and exits with 0; a pruning sync
# would then delete the live Secrets. A patch of a Secret that is not there makes the build fail.
"""


class Application(NamedTuple):
    """What a new application is called, and where it runs."""

    name: str
    environments: tuple[str, ...]
    database: str  # one of DATABASES

    @property
    def base(self) -> str:
        """The path of its base recipe; paths are relative to the root."""
        return f"secrets/{self.name}.recipe.yaml"

    def component(self, environment: str) -> str:
        """The path of an environment's encrypted component."""
        return f"secrets/{environment}/{self.name}.enc.yaml"


def overlay(environment: str) -> str:
    """The folder of an environment's overlay."""
    return f"overlays/{environment}"


def app_problem(text: str) -> str | None:
    """Why a text is no name of an application; None where it is one."""
    if _APP.match(text):
        return None
    return "must be 1 to 40 characters of a-z 0-9 -, starting with a letter"


def environments_problem(names: Sequence[str]) -> str | None:
    """Why these are no environments; None where they are."""
    if not names or not all(map(_ENVIRONMENT.match, names)):
        return "must be 1 to 20 characters of a-z 0-9 - each, with commas between"
    return "name one twice" if len(set(names)) < len(names) else None


# --- who reads what ---------------------------------------------------------------------------


class Reader(NamedTuple):
    """A public key, and whose it is."""

    recipient: str
    note: str


def creation_rule(environment: str, readers: Iterable[Reader]) -> dict[str, object]:
    """The rule of one environment, as data."""
    keys = [reader.recipient for reader in _distinct(readers)]
    return {"path_regex": _path_regex(environment), "age": keys}


def _distinct(readers: Iterable[Reader]) -> Iterable[Reader]:
    found: dict[str, Reader] = {}
    for reader in readers:
        found.setdefault(reader.recipient, reader)
    return found.values()


def _path_regex(environment: str) -> str:
    return rf"^secrets/{environment}/.*\.enc(\..+)?$"


def rules(readers: Mapping[str, Sequence[Reader]]) -> str:
    """A `.sops.yaml` with one rule for each environment."""
    lines = ["# Who reads what: each environment has a rule, and in it a key, of its own.\n"]
    lines += ["creation_rules:\n"]
    for environment, each in readers.items():
        lines += [f"  - path_regex: {_path_regex(environment)}\n", "    age:\n"]
        lines += [f"      - {reader.recipient} # {reader.note}\n" for reader in _distinct(each)]
    return "".join([*lines, "stores:\n  yaml:\n    indent: 2\n"])


# --- recipes ----------------------------------------------------------------------------------


_DATABASE_VALUES = """\
    # Public, and different by environment where a leaf says so.
    POSTGRES_USER: {default: ROLE}
    POSTGRES_DB: {default: ROLE}
    POSTGRES_HOST: {default: postgres}
    # From the seed: the same in every render, until `sopsmith rotate` raises its version.
    POSTGRES_PASSWORD: {generate: {password: {length: 32}}, maxAge: 90d}
    # Derived: it can't drift from what it holds.
    DATABASE_URL:
      derive:
        url:
          scheme: postgresql
          user: $(POSTGRES_USER)
          password: $(POSTGRES_PASSWORD)
          host: $(POSTGRES_HOST)
          port: 5432
          path: $(POSTGRES_DB)
          query: {sslmode: prefer}

"""
_SESSION_VALUES = """\
    # From the seed, too. Rotated, it keeps the old one, and what still reads that gets it as
    # JWT_SECRET_OLD: {derive: {previousOf: JWT_SECRET}, optional: true}
    JWT_SECRET: {generate: {bytes: {size: 48}}, rotation: overlap, rules: {minLength: 32}}

    # Given: `sopsmith set GOOGLE_CLIENT_SECRET` stores one, encrypted; both of the group or none.
    GOOGLE_CLIENT_ID: {optional: true, group: google}
    GOOGLE_CLIENT_SECRET: {optional: true, group: google, rules: {minLength: 16}}

"""


def base(app: Application) -> str:
    """The recipe that every environment inherits."""
    has_database = app.database == "postgres"
    role = flow(app.name.replace("-", "_"))
    keys = ["JWT_SECRET", "GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"]
    listed = [f"        - {key}\n" for key in ["DATABASE_URL"] * has_database + keys]
    text = [
        f"# {app.name}: which values exist, where each comes from, and which Secrets are made of",
        " them.\n# It holds no secret. overlays/*/recipe.yaml inherit it and say what differs.\n",
        _head(app.name),
        f"spec:\n  app: {flow(app.name)} # identity under the seeds: change it and every value",
        f" changes\n  components:\n    - $(environment)/{app.name}.enc.yaml\n",
        f"  values:\n{_DATABASE_VALUES.replace('ROLE', role) if has_database else ''}",
        f"{_SESSION_VALUES}  secrets:\n",
        f"    {app.name}-app: # its name gets a hash, so that a change rolls the pods out\n",
        "      keys:\n",
        *listed,
    ]
    if has_database:
        text += [
            f"    {app.name}-postgres: # keeps its name: a database reads it only once\n",
            "      hash: false\n      keys: [POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB]\n",
        ]
    return "".join(text)


def leaf(
    app: Application, environment: str, seeds: Mapping[str, str], rotated: Mapping[str, str]
) -> str:
    """An environment's recipe: the check values of its seeds by number, and days by value."""
    dates = [f"    {name}: {{rotated: {day}}}\n" for name, day in rotated.items()]
    values = "".join(["  values:\n", *dates]) if dates else ""
    return (
        f"# {environment}: what differs from {app.base}.\n"
        f"{_head(f'{app.name}-{environment}')}"
        "  annotations:\n"
        '    config.kubernetes.io/function: "exec: {path: sopsmith-krm}"\n'
        "spec:\n"
        f"  environment: {flow(environment)}\n"
        f"  extends: ../../{app.base}\n"
        f"  seeds: {json.dumps(dict(seeds))} # public: another seed than this one is refused\n"
        f"{values}"
    )


def _head(name: str) -> str:
    return (
        f"apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\nmetadata:\n  name: {flow(name)}\n"
    )


KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
# resources: your workloads; what names a Secret above is rewritten to its hashed name
generators:
  - recipe.yaml
patches:
  - path: guard.yaml
"""


def guard(secrets: Sequence[str]) -> str:
    """A patch of every Secret that the recipe emits."""
    patches = [
        f"apiVersion: v1\nkind: Secret\nmetadata:\n  name: {flow(name)}\n"
        "  labels: {app.kubernetes.io/managed-by: sopsmith}\n"
        for name in secrets
    ]
    return _NOTE + "---\n".join(patches)


# --- git and its hooks ------------------------------------------------------------------------


HOOKS_TEXT = """\
# `pre-commit install` runs these before every commit. CI runs the same over everything:
# sopsmith check --against refs/remotes/origin/main, and sopsmith validate --require-key with a key.
repos:
  - repo: local
    hooks:
      - id: sopsmith-check
        name: sopsmith check
        entry: sopsmith check --against HEAD
        language: system
        always_run: true # a commit that only removes files passes none: then everything is checked
        require_serial: true
      - id: sopsmith-validate
        name: sopsmith validate
        entry: sopsmith validate --changed
        language: system
        require_serial: true
      - id: sopsmith-rotation
        name: sopsmith due
        entry: sopsmith due
        language: system
        always_run: true
        pass_filenames: false
        verbose: true # pre-commit hides what a hook says that passes
        require_serial: true
"""


def hooks_repo() -> object:
    """The one entry of HOOKS_TEXT, as data: for a configuration that is there."""
    return document.parse(HOOKS_TEXT.encode())["repos"][0]


def with_lines(text: str, lines: Iterable[str]) -> str:
    """The text, with the lines that it lacks behind it."""
    present = {line.strip() for line in text.splitlines()}
    lacking = "".join(f"{line}\n" for line in lines if line not in present)
    gap = "\n" if text and lacking and not text.endswith("\n") else ""
    return text + gap + lacking
