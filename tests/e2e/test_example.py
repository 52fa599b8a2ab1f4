"""The example platform, built by kustomize as its README says: every environment, its guard, what
a rotation touches and what it leaves alone."""

from __future__ import annotations

import json
import re
from itertools import combinations

import pytest
import yaml

from tests.repository import ROOT, Repo, Run

ENVIRONMENTS = ("dev", "staging", "production")
COMPONENTS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("secrets/*/*.enc.*"))
VERSIONS = {"dev": 1, "staging": 1, "production": 3}  # of POSTGRES_PASSWORD
DATABASE = {"POSTGRES_USER", "POSTGRES_PASSWORD", "POSTGRES_DB"}
BACKEND = {
    *("DATABASE_URL", "REDIS_URL", "JWT_SECRET", "JWT_REFRESH_SECRET", "CSRF_SECRET"),
    "PASSWORD_MASTER_KEY",
}
THIRD_PARTIES = {"GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "STRIPE_SECRET_KEY"}
EXTRA = {
    "dev": set(),
    "staging": {"SMTP_PASSWORD"},
    "production": {"SMTP_PASSWORD", *THIRD_PARTIES},
}
PUBLIC = {"POSTGRES_USER", "POSTGRES_DB"}

in_every_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


def secret_name(run: Run, handle: str) -> str:
    """The one emitted name with kustomize's suffix."""
    (name,) = (name for name in run.built if re.fullmatch(rf"{handle}-[0-9a-z]{{10}}", name))
    return name


def reads(run: Run, workload: str) -> list[str]:
    """The names of the Secrets that the pods of a workload read."""
    (container,) = run.manifests[workload]["spec"]["template"]["spec"]["containers"]
    return [source["secretRef"]["name"] for source in container["envFrom"]]


def as_text(run: Run, kind: str) -> str:
    """The one manifest of a kind, byte for byte."""
    (text,) = (each for each in run.out.split("---\n") if f"\nkind: {kind}\n" in each)
    return text


def raise_version(example: Repo, name: str) -> None:
    """The one-line diff that rotates POSTGRES_PASSWORD."""
    old, new = VERSIONS[name], VERSIONS[name] + 1
    stated = f"{{version: {old}, " if old > 1 else "{"
    example.edit(
        f"overlays/{name}/recipe.yaml",
        lambda text: text.replace(
            f"POSTGRES_PASSWORD: {stated}", f"POSTGRES_PASSWORD: {{version: {new}, "
        ),
    )


@in_every_environment
def test_the_backend_reads_a_hashed_secret_with_only_its_keys(example: Repo, name: str) -> None:
    run = example.kustomize(f"overlays/{name}")
    backend = secret_name(run, "backend")
    assert reads(run, "Deployment/backend") == [backend]
    assert set(run.built[backend]) == BACKEND | EXTRA[name]


@in_every_environment
def test_the_database_reads_an_unhashed_secret_of_its_own(example: Repo, name: str) -> None:
    run = example.kustomize(f"overlays/{name}")
    assert reads(run, "StatefulSet/postgres") == ["postgres"]
    assert set(run.built["postgres"]) == DATABASE


@in_every_environment
def test_database_url_holds_what_the_database_was_given(example: Repo, name: str) -> None:
    run = example.kustomize(f"overlays/{name}")
    database = {key: text.decode() for key, text in run.built["postgres"].items()}
    url = run.built[secret_name(run, "backend")]["DATABASE_URL"].decode()
    login = f"{database['POSTGRES_USER']}:{database['POSTGRES_PASSWORD']}"  # nothing to encode
    assert url.startswith(f"postgresql://{login}@postgres")
    assert url.endswith(f":5432/{database['POSTGRES_DB']}?sslmode=prefer")


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_rotation_changes_one_value_and_what_derives_from_it(
    example: Repo, environment: str
) -> None:
    before = example.kustomize(f"overlays/{environment}")
    raise_version(example, environment)
    after = example.kustomize(f"overlays/{environment}")
    old, new = secret_name(before, "backend"), secret_name(after, "backend")
    assert old != new  # in its manifest and in the Deployment
    then = before.manifests
    now = yaml.safe_load(json.dumps(after.manifests).replace(new, old))
    differing = {
        (name, key)
        for name in {*then, *now}
        for key in {*then[name].get("data", ()), *now[name].get("data", ())}
        if then[name]["data"].get(key) != now[name]["data"].get(key)
    }
    assert differing == {
        ("Secret/postgres", "POSTGRES_PASSWORD"), (f"Secret/{old}", "DATABASE_URL"),
    }  # fmt: skip
    for manifests in (then, now):
        for each in manifests.values():
            each.pop("data", None)
    assert then == now


@in_every_environment
def test_a_rotation_restarts_the_backend_and_not_the_database(example: Repo, name: str) -> None:
    before = example.kustomize(f"overlays/{name}")
    raise_version(example, name)
    after = example.kustomize(f"overlays/{name}")
    assert as_text(after, "StatefulSet") == as_text(before, "StatefulSet")
    assert as_text(after, "Deployment") != as_text(before, "Deployment")


def test_no_two_environments_share_a_secret(example: Repo) -> None:
    held: dict[str, set[bytes]] = {
        name: {
            text
            for data in example.kustomize(f"overlays/{name}").built.values()
            for key, text in data.items()
            if key not in PUBLIC
        }
        for name in ENVIRONMENTS
    }
    assert all(len(values) >= 8 for values in held.values())
    for one, other in combinations(ENVIRONMENTS, 2):
        assert held[one].isdisjoint(held[other])


# --- the demo key -----------------------------------------------------------------------------


@in_every_environment
def test_the_demo_key_is_refused_without_leave(example: Repo, name: str) -> None:
    run = example.function(f"overlays/{name}", SOPSMITH_ALLOW_DEMO_KEY=None)
    assert (run.code, run.codes, run.document["items"]) == (5, {"demo-key"}, [])
    assert f"secrets/{name}/platform.enc.yaml" in run.err
    assert "hint: encrypt it to a key of your own" in run.err


@in_every_environment
def test_kustomize_fails_without_leave(example: Repo, name: str) -> None:
    run = example.kustomize(f"overlays/{name}", SOPSMITH_ALLOW_DEMO_KEY=None)
    assert (run.code, run.out) == (1, "")
    assert "[demo-key]" in run.err
    assert "exit status 5" in run.err


@pytest.mark.parametrize("leave", ["0", "yes", "true", " 1", ""])
def test_only_the_word_1_gives_leave(example: Repo, leave: str) -> None:
    assert example.function("overlays/dev", SOPSMITH_ALLOW_DEMO_KEY=leave).code == 5


# --- the guard --------------------------------------------------------------------------------


@in_every_environment
def test_a_skipped_function_fails_the_build(example: Repo, name: str) -> None:
    run = example.run("kustomize", "build", "--enable-alpha-plugins", f"overlays/{name}")
    assert (run.code, run.out) == (1, "")
    assert "no matches for Id Secret.v1.[noGrp]/backend" in run.err


@in_every_environment
def test_without_its_guard_a_skipped_function_goes_unnoticed(example: Repo, name: str) -> None:
    """Why the guard stands in every overlay: kustomize exits with 0 and emits no Secret."""
    example.edit(
        f"overlays/{name}/kustomization.yaml",
        lambda text: text.replace("patches:\n  - path: guard.yaml\n", ""),
    )
    run = example.run("kustomize", "build", "--enable-alpha-plugins", f"overlays/{name}")
    assert run.built == {}


# --- what is committed ------------------------------------------------------------------------


@pytest.mark.parametrize("component", COMPONENTS)
def test_sops_decrypts_every_committed_component_with_the_demo_key(
    example: Repo, component: str
) -> None:
    run = example.run(
        "sops", "--config", "/dev/null", "decrypt", "--output-type", "json", component
    )
    assert run.code == 0
    assert run.document["SOPSMITH_ENVIRONMENT"] == component.split("/")[1]


@in_every_environment
def test_every_environment_has_a_component_and_a_seed_of_its_own(example: Repo, name: str) -> None:
    assert f"secrets/{name}/platform.enc.yaml" in COMPONENTS
    text = (example.path / f"overlays/{name}/recipe.yaml").read_text()
    others = [(example.path / f"overlays/{o}/recipe.yaml").read_text() for o in ENVIRONMENTS]
    (check,) = re.findall(r'seeds: \{"1": ([0-9a-f]{32})\}', text)
    assert sum(check in other for other in others) == 1
