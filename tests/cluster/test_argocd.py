"""A commit becomes an applied Secret through the real Argo CD and our plugin."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ci.cluster.api import Api
from ci.cluster.argocd import ArgoCD, application, messages
from ci.cluster.control_plane import Cluster
from ci.cluster.processes import wait_until
from tests.cluster import platform
from tests.cluster.platform import NAMESPACE, backend, live
from tests.cluster.silence import heard
from tests.repository import ROOT, Repo
from tests.servers import Server

pytestmark = pytest.mark.usefixtures("workloads")
NAME = "platform-production"
RECIPE = f"{platform.OVERLAY}/recipe.yaml"
SIDECAR = {"SOPS_AGE_KEY_FILE": str(platform.KEY), "SOPSMITH_ALLOW_DEMO_KEY": "1"}
EVIL = """\
apiVersion: example.org/v1
kind: Evil
metadata:
  name: evil
  annotations: {config.kubernetes.io/function: "exec: {path: /bin/sh}"}
"""


@pytest.fixture
def sidecar() -> dict[str, str]:
    """What the operator sets in the sidecar."""
    return SIDECAR


@pytest.fixture
def plugin(argocd: ArgoCD, sidecar: dict[str, str]) -> Iterator[str]:
    """The plugin that is shipped."""
    with started(argocd, sidecar) as name:
        yield name


def started(argocd: ArgoCD, sidecar: dict[str, str]) -> AbstractContextManager[str]:
    """The plugin in an environment of its own."""
    env = {"PATH": os.environ["PATH"], **sidecar}
    return argocd.plugin(ROOT / "ci/argocd/plugin.yaml", env)


@pytest.fixture
def repo(clone: Repo, plugin: str) -> Repo:
    """The platform, with the plugin running."""
    return clone


@pytest.fixture
def clone(
    control_plane: Cluster, argocd: ArgoCD, api: Api, database: Server | None, tmp_path: Path
) -> Iterator[Repo]:
    """The platform; its Applications and all that they applied are deleted in the end.

    No value is heard then anywhere but in Argo CD's cache of manifests.
    """
    (tmp_path / "home").mkdir()
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    repo = platform.checkout(tmp_path, database)
    platform.built(repo)
    yield repo
    assert places(control_plane, argocd, repo) <= {"redis mfst"}
    for app in api.list("Application"):
        api.delete("Application", app["metadata"]["name"], "argocd")
    api.delete("Namespace", NAMESPACE)
    platform.gone(api)
    assert list(repo.singing()) == []


def follow(argocd: ArgoCD, repo: Repo, path: str = platform.OVERLAY, **source: Any) -> None:
    """Create the Application."""
    app = application(NAME, platform.origin(repo), path, plugin="sopsmith-v1", namespace=NAMESPACE)
    app["spec"]["source"] |= source
    if app["spec"]["source"]["plugin"] is None:
        del app["spec"]["source"]["plugin"]  # then Argo CD asks the plugins whether it is theirs
    app["spec"]["syncPolicy"]["syncOptions"] = ["PruneLast=true", "ServerSideApply=true"]
    argocd.api.apply(app)


def places(control_plane: Cluster, argocd: ArgoCD, repo: Repo) -> set[str]:
    """Where values are heard, by kind."""
    found = heard(control_plane, repo.canaries, argocd.redis)
    return {place.partition("|")[0] for place in found}


def synced(argocd: ArgoCD, revision: str) -> None:
    argocd.refresh(NAME)
    argocd.synced(NAME, revision)


def test_the_cluster_has_what_kustomize_builds_and_stays_so(
    control_plane: Cluster, argocd: ArgoCD, api: Api, repo: Repo
) -> None:
    follow(argocd, repo)
    argocd.synced(NAME, platform.push(repo))
    expected = platform.built(repo)
    decoded = {name: {key: base64.b64decode(text) for key, text in data.items()}
               for name, data in live(api).items()}  # fmt: skip
    assert decoded == expected.built and backend(api) in decoded
    before = [each["metadata"]["resourceVersion"] for each in api.list("Secret", NAMESPACE)]
    for hard in (False, True):  # the second forgets the cache: rendered anew, and no difference
        status = argocd.refresh(NAME, hard=hard)["status"]
        assert status["sync"]["status"] == "Synced"
        compared = [each for each in status["resources"] if not each.get("hook")]
        assert {each["status"] for each in compared} == {"Synced"}
    after = [each["metadata"]["resourceVersion"] for each in api.list("Secret", NAMESPACE)]
    assert after == before
    assert places(control_plane, argocd, repo) == {"redis mfst"}


def test_a_rotation_changes_the_deployments_reference(argocd: ArgoCD, api: Api, repo: Repo) -> None:
    follow(argocd, repo)
    argocd.synced(NAME, platform.push(repo))
    before = backend(api)
    assert repo.cli("rotate", "POSTGRES_PASSWORD", "-e", "production", "--commit").code == 0
    synced(argocd, platform.push(repo))
    expected = platform.built(repo)
    assert backend(api) != before and backend(api) in expected.built
    wait_until(lambda: before not in live(api), f"{before} to be pruned")


def test_a_change_by_hand_is_healed(argocd: ArgoCD, api: Api, repo: Repo) -> None:
    follow(argocd, repo)
    argocd.synced(NAME, platform.push(repo))
    before = live(api)
    api.patch("Secret", "postgres", {"data": {"POSTGRES_PASSWORD": "aGFuZA=="}}, NAMESPACE)
    api.delete("Secret", backend(api), NAMESPACE)
    wait_until(lambda: live(api) == before, "the Secrets to be healed")


# --- what is broken is said, and prunes nothing ---------------------------------------------------


def broken(repo: Repo) -> None:
    repo.edit(RECIPE, lambda text: text.replace("version: 3", "version: 0"))


def placeholder(repo: Repo) -> None:
    change = ("{default: reconciliation}", "{default: CHANGE_ME}")
    repo.edit("secrets/platform.recipe.yaml", lambda text: text.replace(*change))


def no_yaml(repo: Repo) -> None:
    repo.edit(RECIPE, lambda text: text.replace("spec:\n", "spec: [\n"))


def another_program(repo: Repo) -> None:
    repo.edit(RECIPE, lambda text: text.replace("{path: sopsmith-krm}", "{path: /bin/sh}"))


def foreign(repo: Repo) -> None:
    repo.write(f"{platform.OVERLAY}/evil.yaml", EVIL)
    change = ("  - recipe.yaml\n", "  - recipe.yaml\n  - evil.yaml\n")
    repo.edit(f"{platform.OVERLAY}/kustomization.yaml", lambda text: text.replace(*change))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (broken, ["overlays/production/recipe.yaml", "version", "[recipe-value]"]),
        (no_yaml, ["overlays/production/recipe.yaml", "not valid YAML (line "]),
        (another_program, ["overlays/production/recipe.yaml", "[function-foreign]"]),
        (placeholder, ["[placeholder]", "hint: "]),
        (foreign, ["overlays/production/evil.yaml", "[function-foreign]"]),
    ],
)
def test_what_is_broken_is_said_and_the_last_good_secret_stays(
    argocd: ArgoCD, api: Api, repo: Repo, change: Any, words: list[str]
) -> None:
    follow(argocd, repo)
    argocd.synced(NAME, platform.push(repo))
    before = applied(api)
    change(repo)
    platform.commit(repo)
    argocd.refresh(NAME)
    said = " ".join(argocd.failed(NAME))
    assert [word for word in words if word not in said] == [], said
    argocd.refresh(NAME, hard=True)
    assert applied(api) == before


def applied(api: Api) -> list[tuple[str, str]]:
    """The Secrets as they were last written."""
    secrets = (each["metadata"] for each in api.list("Secret", NAMESPACE))
    return sorted((each["name"], each["resourceVersion"]) for each in secrets)


@pytest.mark.parametrize("has_key", [False, True], ids=["missing", "another"])
def test_a_lost_key_is_said_and_the_last_good_secret_stays(
    argocd: ArgoCD, api: Api, clone: Repo, has_key: bool
) -> None:
    """The sidecar is started anew without the key, or with one that opens nothing here."""
    with started(argocd, SIDECAR):
        follow(argocd, clone)
        argocd.synced(NAME, platform.push(clone))
    before = applied(api)
    lost = {"SOPSMITH_ALLOW_DEMO_KEY": "1"}
    if has_key:
        lost["SOPS_AGE_KEY_FILE"] = str(clone.path.parent / "another.agekey")
        assert clone.run("age-keygen", "-o", lost["SOPS_AGE_KEY_FILE"]).code == 0
    with started(argocd, lost):
        argocd.refresh(NAME, hard=True)
        said = " ".join(argocd.failed(NAME))
        assert "secrets/production/" in said and "[no-key]" in said and "age1" in said
        argocd.refresh(NAME, hard=True)
    assert before and applied(api) == before


@pytest.mark.parametrize("sidecar", [{"SOPSMITH_ALLOW_DEMO_KEY": "1"}])
def test_a_missing_key_is_said(argocd: ArgoCD, api: Api, repo: Repo) -> None:
    follow(argocd, repo)
    said = " ".join(argocd.failed(NAME))
    assert "secrets/production/" in said and "[no-key]" in said and "age1" in said
    assert live(api) == {}


@pytest.mark.parametrize("sidecar", [{"SOPS_AGE_KEY_FILE": str(platform.KEY)}])
def test_an_application_cant_change_what_is_trusted(argocd: ArgoCD, repo: Repo) -> None:
    """What it passes reaches the plugin as ARGOCD_ENV_…, and no build."""
    given = [{"name": name, "value": text} for name, text in SIDECAR.items()]
    follow(argocd, repo, plugin={"name": "sopsmith-v1", "env": given})
    assert "[demo-key]" in " ".join(argocd.failed(NAME))


def test_what_is_sealed_for_flux_is_not_applied_as_ciphertext(
    argocd: ArgoCD, api: Api, repo: Repo
) -> None:
    """Neither by the plugin, which discovery hands it to, nor by kustomize without it."""
    follow(argocd, repo, f"{platform.OVERLAY}/flux", plugin=None)
    assert "[sealed-for-flux]" in " ".join(argocd.failed(NAME))
    assert live(api) == {}


# --- discovery ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "kind"), [(platform.OVERLAY, "Plugin"), ("overlays/base", "Kustomize")]
)
def test_the_plugin_is_taken_just_for_what_uses_sopsmith(
    argocd: ArgoCD, repo: Repo, path: str, kind: str
) -> None:
    follow(argocd, repo, path, plugin=None)
    wait_until(
        lambda: argocd.app(NAME).get("status", {}).get("sourceType") == kind,
        f"it to be built as {kind}", lambda: messages(argocd.app(NAME)),
    )  # fmt: skip
