"""The control plane itself: a change in a folder or a commit becomes an applied Secret."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ci.cluster.api import Api
from ci.cluster.argocd import ArgoCD, application, messages
from ci.cluster.control_plane import Cluster
from ci.cluster.flux import Flux, kustomization
from tests.cluster.platform import committed
from tests.cluster.silence import heard
from tests.repository import ROOT, Repo

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "app"},
    "spec": {
        "selector": {"matchLabels": {"app": "app"}},
        "template": {
            "metadata": {"labels": {"app": "app"}},
            "spec": {
                "containers": [
                    {"name": "app", "image": "app", "envFrom": [{"secretRef": {"name": "app"}}]}
                ]
            },
        },
    },
}
KEY = ROOT / "secrets/demo-only.agekey"
DECRYPTING = "sops decrypt --in-place app.env && kustomize build"
PLUGIN = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "ConfigManagementPlugin",
    "metadata": {"name": "trivial"},
    "spec": {"version": "v1", "generate": {"command": ["sh", "-c", DECRYPTING]}},
}


@pytest.fixture
def tree(repo: Repo) -> Repo:
    """A Deployment that reads a Secret, which is generated of a SOPS dotenv file."""
    recipient = KEY.read_text().partition("public key: ")[2].split()[0]
    repo.component("app.env", {"PASSWORD": repo.canary()}, environment=None, recipient=recipient)
    repo.write("deployment.yaml", json.dumps(DEPLOYMENT))
    generator = {"name": "app", "envs": ["app.env"]}
    built = {"resources": ["deployment.yaml"], "secretGenerator": [generator]}
    repo.write("kustomization.yaml", json.dumps(built))
    return repo


def test_the_api_server_answers(api: Api) -> None:
    assert api.request("GET", "/version")["gitVersion"].startswith("v1.3")
    assert api.get("Secret", "nothing") is None


def test_flux_applies_what_it_decrypts(
    control_plane: Cluster, flux: Flux, namespace: str, tree: Repo
) -> None:
    revision = flux.publish(tree.path, "repository", namespace)
    flux.api.apply(kustomization("app", ".", source="repository", namespace=namespace))
    assert flux.reconciled("app", revision, namespace)["status"] == "True"
    assert _referred(flux.api, namespace) == {"PASSWORD": tree.canaries[-1]}
    assert heard(control_plane, tree.canaries) == []


def test_flux_says_what_failed(flux: Flux, namespace: str, tree: Repo) -> None:
    tree.edit("app.env", lambda text: text.replace("data:", "data:A", 1))
    revision = flux.publish(tree.path, "repository", namespace)
    flux.api.apply(kustomization("app", ".", source="repository", namespace=namespace))
    ready = flux.reconciled("app", revision, namespace)
    assert ready["status"] == "False" and "error decrypting sources" in ready["message"]


def test_argocd_syncs_what_a_plugin_builds(
    control_plane: Cluster, argocd: ArgoCD, namespace: str, tree: Repo, plugin: str
) -> None:
    revision = committed(tree)
    app = application("app", tree.path, ".", plugin=plugin, namespace=namespace)
    argocd.api.apply(app)
    assert messages(argocd.synced("app", revision)) == []
    assert _referred(argocd.api, namespace) == {"PASSWORD": tree.canaries[-1]}
    assert argocd.refresh("app", hard=True)["status"]["sync"]["status"] == "Synced"
    places = heard(control_plane, tree.canaries, argocd.redis)
    assert places and {place.partition("|")[0] for place in places} == {"redis mfst"}


def test_argocd_says_what_failed(argocd: ArgoCD, namespace: str, tree: Repo, plugin: str) -> None:
    tree.write("kustomization.yaml", "resources: [missing.yaml]\n")
    committed(tree)
    argocd.api.apply(application("broken", tree.path, ".", plugin=plugin, namespace=namespace))
    assert "missing.yaml" in argocd.failed("broken")[0]


@pytest.fixture
def plugin(argocd: ArgoCD, tmp_path: Path) -> Iterator[str]:
    """A plugin that decrypts one file and builds."""
    config = tmp_path / "plugin.yaml"
    config.write_text(json.dumps(PLUGIN))
    env = {"PATH": os.environ["PATH"], "SOPS_AGE_KEY_FILE": str(KEY)}
    with argocd.plugin(config, env) as name:
        yield name


def _referred(api: Api, namespace: str) -> dict[str, str]:
    """What the Secret holds that the Deployment reads: its name has the hash."""
    deployment = api.get("Deployment", "app", namespace) or {}
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    name = container["envFrom"][0]["secretRef"]["name"]
    assert name.startswith("app-")
    data = (api.get("Secret", name, namespace) or {})["data"]
    return {key: base64.b64decode(text).decode() for key, text in data.items()}
