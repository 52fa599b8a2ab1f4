"""Commits through the real pre-commit: each kind of bad change is stopped and says why."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from sopsmith.components.sealed import DEMO_RECIPIENT
from tests import hooked
from tests.hooked import (
    BASE,
    COMPONENT,
    PRODUCTION,
    STAGING,
    Change,
    added,
    both,
    line,
    password,
    removed,
    replaced,
    said,
    sealed,
    set_by_us,
    value,
    written,
)
from tests.repository import Repo

# --- changes --------------------------------------------------------------------------------------


def swapped(repo: Repo) -> None:
    """The ciphertexts of two values, each under the other's key."""
    text = (repo.path / COMPONENT).read_text()
    one, other = (
        re.search(rf"^{key}: (.*)$", text, re.MULTILINE) for key in ("SMTP_PASSWORD", "MASTER_KEY")
    )
    assert one and other
    mixed = text.replace(one[1], "?").replace(other[1], one[1]).replace("?", other[1])
    repo.write(COMPONENT, mixed)


def to_another(repo: Repo) -> None:
    """The component can be read by somebody else."""
    other = repo.run("age-keygen", "-o", str(repo.path.parent / "other.txt")).err.split()[-1]
    sealed({}, recipient=other)(repo)


def to_one_more(repo: Repo) -> None:
    other = repo.run("age-keygen", "-o", str(repo.path.parent / "other.txt")).err.split()[-1]
    sealed({}, recipient=f"{repo.recipient},{other}")(repo)


def conflicting(file: str) -> Change:
    return lambda repo: repo.edit(
        file, lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n"
    )


def age_key(repo: Repo) -> None:
    (repo.path / "notes").mkdir()
    repo.run("age-keygen", "-o", str(repo.path / "notes/key.txt"))


def copied_from_staging(repo: Repo) -> None:
    repo.write(COMPONENT, (repo.path / "secrets/staging.enc.yaml").read_bytes())


def reseeded(repo: Repo) -> None:
    """Another seed under the number of the old one, and its check value in the recipe."""
    old, repo.seed = repo.seeds()["1"], repo.canary("".join(reversed(repo.seed)))
    sealed({})(repo)
    replaced(PRODUCTION, old, repo.seeds()["1"])(repo)


PEM = "-----BEGIN PRIVATE KEY-----\n" + "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49" * 4 + "\n"
PLAIN = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  token: not-a-canary-1\n"


class Bad(NamedTuple):
    """A change that has to be stopped."""

    name: str
    change: Change
    code: str
    where: str  # that the finding names


BAD = [
    # what is encrypted
    Bad("plaintext in a component", added(COMPONENT, "X: plain-1\n"), "not-encrypted", COMPONENT),
    Bad("a new plaintext component", written("secrets/production.enc.env", "A=plain-1\n"),
        "not-encrypted", "secrets/production.enc.env"),
    Bad("a decrypted component", written(COMPONENT, "SMTP_PASSWORD: not-a-canary-1\n"),
        "not-encrypted", COMPONENT),
    Bad("a changed MAC", line(COMPONENT, "mac", lambda m: m.replace("data:", "data:AAAA")),
        "tampered", COMPONENT),
    Bad("no MAC", line(COMPONENT, "mac", lambda m: ""), "tampered", COMPONENT),
    Bad("swapped values", swapped, "tampered", COMPONENT),
    Bad("text after a ciphertext", replaced(COMPONENT, "type:str]", "type:str]x"), "tampered",
        COMPONENT),
    Bad("a component cut short", lambda r: r.edit(COMPONENT, lambda t: t[: len(t) // 3]),
        "tampered", COMPONENT),
    Bad("another recipient", to_another, "recipients-differ", COMPONENT),
    Bad("one more recipient", to_one_more, "recipients-differ", COMPONENT),
    Bad("the demo key's recipient", sealed({}, recipient=DEMO_RECIPIENT), "demo-key", COMPONENT),
    Bad("a key type that is not allowed",
        replaced(COMPONENT, "    age:\n", "    kms: [{arn: a, enc: b}]\n    age:\n"),
        "foreign-key-type", COMPONENT),
    Bad("marks of a merge in a component", conflicting(COMPONENT), "conflict-marker", COMPONENT),
    Bad("another environment's component", copied_from_staging, "wrong-environment", COMPONENT),
    Bad("a component removed", removed(COMPONENT), "file-unreadable", COMPONENT),
    Bad("a component moved out of its rule", lambda r: (r.path / COMPONENT).rename(
        r.path / "secrets/live.enc.yaml"), "rule-missing", "secrets/live.enc.yaml"),
    # what is not
    Bad("a decrypted copy by its name", written("secrets/production.dec.yaml", "A: plain-1\n"),
        "decrypted-sibling", "secrets/production.dec.yaml"),
    Bad("a decrypted copy beside it", written("secrets/production.env", "SMTP_PASSWORD=x1\n"),
        "decrypted-sibling", "secrets/production.env"),
    Bad("an age key", age_key, "private-key", "notes/key.txt"),
    Bad("a PEM key", written("tls.pem", PEM), "private-key", "tls.pem"),
    Bad("a plaintext Secret", written("k8s/secret.yaml", PLAIN), "plaintext-secret", "k8s/"),
    Bad("a plaintext Secret behind another document",
        written("k8s/all.yaml", f"kind: ConfigMap\napiVersion: v1\n---\n{PLAIN}"),
        "plaintext-secret", "k8s/all.yaml"),
    Bad("a plaintext Secret in JSON",
        written("s.json", '{"kind": "Secret", "apiVersion": "v1", "data": {"a": "cGxhaW4="}}'),
        "plaintext-secret", "s.json"),
    # .sops.yaml
    Bad("a misspelt field of .sops.yaml", replaced(".sops.yaml", "path_regex", "path_regx"),
        "rules-field", ".sops.yaml"),
    Bad("a broken expression", replaced(".sops.yaml", "secrets/staging", "secrets/(staging"),
        "rules-value", ".sops.yaml"),
    Bad("an expression that RE2 lacks", replaced(".sops.yaml", "^secrets/", "^(?!x)secrets/"),
        "rules-value", ".sops.yaml"),
    Bad("a rule that hides all others",
        replaced(".sops.yaml", "creation_rules:\n", "creation_rules:\n  - {age: age1x}\n"),
        "rules-", ".sops.yaml"),
    Bad("a nested .sops.yaml", lambda r: r.write("secrets/.sops.yaml", "creation_rules: []\n"),
        "rule-missing", COMPONENT),
    # recipes
    Bad("broken YAML", added(PRODUCTION, "  a: [\n"), "recipe-syntax", PRODUCTION),
    Bad("marks of a merge in a recipe", conflicting(PRODUCTION), "conflict-marker", PRODUCTION),
    Bad("a misspelt field", replaced(BASE, "minLength", "minLenght"), "recipe-field", BASE),
    Bad("an unknown value in a Secret", replaced(BASE, "[DATABASE_URL,", "[DATABASE_URI,"),
        "recipe-name", BASE),
    Bad("a circle of derived values", value("A: {derive: {template: $(B)}}\n"
        "    B: {derive: {template: $(A)}}"), "recipe-cycle", BASE),
    Bad("a circle of recipes", replaced(BASE, "spec:\n", "spec:\n  extends: shop.recipe.yaml\n"),
        "recipe-extends", BASE),
    Bad("a base removed", removed(BASE), "file-unreadable", BASE),
    Bad("a base removed beside another change", both(removed(BASE), added("README.md", "more")),
        "file-unreadable", BASE),
    Bad("no Secret left", line(BASE, "backend", lambda m: "    {}"), "recipe-empty", PRODUCTION),
    Bad("a weak generator", value("PIN: {generate: {password: {length: 6}}}"), "weak", "PIN"),
    Bad("a password in the recipe", replaced(BASE, "$(POSTGRES_PASSWORD)", "not-a-canary-1"),
        "literal-password", BASE),
    Bad("a function with an environment", replaced(PRODUCTION, "sopsmith-krm}", "sopsmith-krm, "
        "envs: [A=b]}"), "function-refused", PRODUCTION),
    # values
    Bad("a value that no component holds", value("API_TOKEN: {}"), "missing", "API_TOKEN"),
    Bad("a value that is generated and held", sealed({"JWT_SECRET": "not-a-canary-1"}),
        "origin-conflict", "JWT_SECRET"),
    Bad("a placeholder", sealed({"MASTER_KEY": "CHANGE_ME"}), "placeholder", "MASTER_KEY"),
    Bad("a value that is too short", sealed({"SMTP_PASSWORD": "short-1"}), "min-length",
        "SMTP_PASSWORD"),
    Bad("no seed", lambda r: sealed({})(r) or line(COMPONENT, "SOPSMITH_SEED_1", lambda m: "")(r),
        "seed-refused", "SOPSMITH_SEED_1"),
    # against the commit before
    Bad("a lowered version", password("version: 3, rotated: 2026-11-01"), "version-lowered",
        PRODUCTION),
    Bad("a version raised by two", password("version: 6, rotated: 2026-11-20"), "version-jump",
        PRODUCTION),
    Bad("another generator at the same version", replaced(BASE, "length: 32", "length: 40"),
        "version-unraised", STAGING),
    Bad("another id at the same version", password("id: OTHER, version: 4, rotated: 2026-11-01"),
        "version-unraised", PRODUCTION),
    Bad("another app", replaced(BASE, "app: shop", "app: store"), "version-unraised", PRODUCTION),
    Bad("another seed under its number", reseeded, "seed-changed", PRODUCTION),
    Bad("a seed's check value removed", line(PRODUCTION, "seeds", lambda m: "  seeds: {}"),
        "seed-changed", PRODUCTION),
    Bad("a previous value that never was",
        password("version: 5, rotated: 2026-11-20, previous: {version: 2}"), "previous-wrong",
        PRODUCTION),
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_commit_is_stopped(guarded: Repo, bad: Bad) -> None:
    before = guarded.run("git", "rev-parse", "HEAD").out
    bad.change(guarded)
    run = hooked.commit(guarded)
    assert run.code == 1, run.err
    assert any(code.startswith(bad.code) for code in said(run)), run.err
    told = [each for each in run.err.splitlines() if f"[{bad.code}" in each]
    assert any(bad.where in each for each in told), told
    assert not re.search("not-a-canary|plain-1", run.err)
    assert guarded.run("git", "rev-parse", "HEAD").out == before


# --- good changes ---------------------------------------------------------------------------------


def live(repo: Repo) -> None:
    """A third environment."""
    hooked.environment(repo, "live")
    added(".sops.yaml", f"  - {{path_regex: ^secrets/live, age: {repo.recipient}}}\n")(repo)


class Good(NamedTuple):
    """A change that has to pass."""

    name: str
    change: Change
    warnings: set[str]


OLD = "POSTGRES_PASSWORD: {generate: {password: {length: 32}}, maxAge: 36500d}"
GOOD = [
    Good("a value set", set_by_us, set()),
    Good("a value set by sops", sealed({}), set()),
    Good("a rotation", password("version: 5, rotated: 2026-11-20, previous: {version: 4}"), set()),
    Good("a rotation to another generator", both(
        replaced(BASE, "length: 32", "length: 40"),
        replaced(PRODUCTION, "version: 4", "version: 5"),
        replaced(STAGING, "version: 4", "version: 5"),
    ), set()),
    Good("a value restored", password("version: 3, rotated: 2026-11-20, previous: {version: 4}"),
         {"version-restored"}),
    Good("a new component", both(
        lambda r: r.component("secrets/production.enc.json", {"API_TOKEN": r.canary()}),
        lambda r: r.component("secrets/staging.enc.json", {"API_TOKEN": r.canary()},
                              environment="staging"),
        replaced(BASE, ".enc.yaml]", ".enc.yaml, $(environment).enc.json]"),
        replaced(BASE, "  values:\n", "  values:\n    API_TOKEN: {}\n"),
        replaced(BASE, "[DATABASE_URL,", "[API_TOKEN, DATABASE_URL,"),
    ), set()),
    Good("a new environment", live, set()),
    Good("a README", added("README.md", "more\n"), set()),
    Good("a comment in a recipe", replaced(BASE, "# of the", "# the"), set()),
    Good("a manifest", written("k8s/x.yaml", "apiVersion: v1\nkind: ConfigMap\n"), set()),
    Good("a Secret that Flux fills", written("k8s/x.yaml", PLAIN.replace("not-a-canary-1", "${T}")),
         set()),
    Good("a renamed value that keeps its id", both(
        replaced(BASE, "JWT_SECRET", "TOKEN_SECRET"),
        replaced(BASE, "{generate: {bytes", "{id: JWT_SECRET, generate: {bytes"),
        replaced(PRODUCTION, "JWT_SECRET", "TOKEN_SECRET"),
        replaced(STAGING, "JWT_SECRET", "TOKEN_SECRET"),
    ), set()),
    Good("a key that no recipe declares", sealed({"EXTRA": "some-text-12"}), {"undeclared-key"}),
    Good("a value past its age", replaced(BASE, "36500d", "1d"), {"overdue"}),
    Good("an overlay without its guard", written("overlays/staging/guard.yaml", ""),
         {"guard-missing"}),
    Good("a key of data at rest that may be rotated now", replaced(BASE, "never", "allowed"),
         {"rotation-loosened"}),
    Good("a file removed", removed("README.md"), set()),
]  # fmt: skip


@pytest.mark.parametrize("good", GOOD, ids=lambda good: good.name)
def test_a_good_commit_passes(guarded: Repo, good: Good) -> None:
    good.change(guarded)
    guarded.run("git", "add", "--all")
    told = guarded.run("pre-commit", "run", "--verbose")
    assert (told.code, said(told)) == (0, good.warnings), told.out
    assert hooked.commit(guarded).code == 0
