"""The example platform, built by kustomize as its README says: every environment, its guard, what
a rotation touches and what it leaves alone."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest
import yaml

from sopsmith.cli import parser
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
CONFINED = {
    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}  # fmt: skip

in_every_environment = pytest.mark.parametrize("name", ENVIRONMENTS)


def secret_name(run: Run, handle: str) -> str:
    """The one emitted name with kustomize's suffix."""
    (name,) = (name for name in run.built if re.fullmatch(rf"{handle}-[0-9a-z]{{10}}", name))
    return name


def reads(run: Run, workload: str) -> list[str]:
    """The names of the Secrets that the pods of a workload read."""
    (container,) = run.manifests[workload]["spec"]["template"]["spec"]["containers"]
    return [source["secretRef"]["name"] for source in container["envFrom"]]


def texts(run: Run) -> dict[str, str]:
    """The manifests by Kind/name, byte for byte."""
    assert run.code == 0, run.err
    return dict(zip(run.manifests, run.out.split("---\n"), strict=True))


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
def test_only_what_changes_roles_reads_how(example: Repo, name: str) -> None:
    run = example.kustomize(f"overlays/{name}")
    for handle, reader in (
        ("database-roles", "Job/database"),
        ("database-retire", "CronJob/database-retire"),
    ):
        roles = secret_name(run, handle)
        readers = [each for each, text in texts(run).items() if f"secretName: {roles}\n" in text]
        assert (readers, set(run.built[roles])) == ([reader], {"roles.json"})


@in_every_environment
def test_database_url_holds_what_the_job_sees_to(example: Repo, name: str) -> None:
    run = example.kustomize(f"overlays/{name}")
    rotator, account = json.loads(run.built[secret_name(run, "database-roles")]["roles.json"])[
        "roles"
    ]
    url = run.built[secret_name(run, "backend")]["DATABASE_URL"].decode()
    login = f"reconciliation_a:{account['now']['password']}"  # nothing to encode
    assert url.startswith(f"postgresql://{login}@postgres")
    assert url.endswith(f":5432/{run.built['postgres']['POSTGRES_DB'].decode()}?sslmode=prefer")
    assert account["rotator"]["user"] == rotator["roles"][0] == "reconciliation_rotator"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_rotation_changes_one_value_and_what_derives_from_it(
    example: Repo, environment: str
) -> None:
    before = example.kustomize(f"overlays/{environment}")
    raise_version(example, environment)
    after = example.kustomize(f"overlays/{environment}")
    then, text = before.manifests, json.dumps(after.manifests)
    for handle in ("backend", "database-roles", "database-retire"):
        old, new = secret_name(before, handle), secret_name(after, handle)
        assert old != new  # in its manifest and in what reads it
        text = text.replace(new, old)
    now = yaml.safe_load(text)
    differing = {
        (name, key)
        for name in {*then, *now}
        for key in {*then[name].get("data", ()), *now[name].get("data", ())}
        if then[name]["data"].get(key) != now[name]["data"].get(key)
    }
    assert differing == {
        (f"Secret/{secret_name(before, 'backend')}", "DATABASE_URL"),
        (f"Secret/{secret_name(before, 'database-roles')}", "roles.json"),
        (f"Secret/{secret_name(before, 'database-retire')}", "roles.json"),
        ("Secret/postgres-bootstrap", "roles.sql"),
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
    then, now = texts(before), texts(after)
    assert now["StatefulSet/postgres"] == then["StatefulSet/postgres"]
    assert now["Deployment/backend"] != then["Deployment/backend"]


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


# --- what changes the database ------------------------------------------------------------------


def pod(manifest: dict[str, Any]) -> dict[str, Any]:
    """The specification of the pods that an object makes."""
    spec = manifest["spec"].get("jobTemplate", manifest)["spec"]
    template: dict[str, Any] = spec["template"]["spec"]
    return template


def test_every_command_of_ours_is_one_and_may_do_little(example: Repo) -> None:
    manifests = example.kustomize("overlays/production").manifests
    for name in ("Job/database", "CronJob/database-retire", "Deployment/backend"):
        spec = pod(manifests[name])
        (ours,) = (each for each in (*spec.get("initContainers", ()), *spec["containers"])
                   if each["image"] == "sopsmith-database")  # fmt: skip
        assert callable(parser().parse_args(ours["command"][1:]).command)
        may = {**spec.get("securityContext", {}), **ours["securityContext"]}
        assert may == CONFINED | {"runAsNonRoot": True, "runAsUser": 999,
                                  "seccompProfile": {"type": "RuntimeDefault"}}  # fmt: skip
        assert ours["resources"]["limits"]


def test_the_job_has_no_rights_in_the_cluster_and_retire_reads_its_namespace(example: Repo) -> None:
    manifests = example.kustomize("overlays/production").manifests
    assert manifests["ServiceAccount/database"]["automountServiceAccountToken"] is False
    assert pod(manifests["Job/database"])["automountServiceAccountToken"] is False
    (binding,) = (each for name, each in manifests.items() if "Binding" in name)
    assert [each["name"] for each in binding["subjects"]] == ["database-retire"]
    rules = manifests["Role/database-retire"]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} == {"get", "list"}


def test_a_sync_has_secrets_then_the_database_then_the_job_then_the_backend(example: Repo) -> None:
    manifests = example.kustomize("overlays/production").manifests
    waves = {name: each["metadata"].get("annotations", {}).get("argocd.argoproj.io/sync-wave")
             for name, each in manifests.items()}  # fmt: skip
    order = [
        re.sub(r"-[0-9a-z]{10}$", "", name)
        for name in sorted(waves, key=lambda n: int(waves[n] or 0))
    ]
    steps = [
        "Secret/backend",
        "Secret/database-roles",
        "StatefulSet/postgres",
        "Job/database",
        "Deployment/backend",
    ]
    assert sorted(steps, key=order.index) == steps
    assert (
        len({waves["StatefulSet/postgres"], waves["Job/database"], waves["Deployment/backend"]})
        == 3
    )


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
