"""Files, merged and immutable Secrets, sealed and delivered by the real kustomize-controller."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ci.cluster.api import Api, Manifest
from ci.cluster.control_plane import Cluster
from ci.cluster.flux import Flux, kustomization
from tests.cluster.silence import heard
from tests.repository import Repo

PEM = "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"
CONFIG = "# kept, as all of it\nservers:\n  - {{host: a, password: {}}}\nlast: |+\n  line\n\n"
BINARY = b"\x00\xff{\x80\r\n" + bytes(range(256))
SECRETS = {
    "merged": {"keys": ["TOKEN"], "behavior": "merge"},
    "files": {
        "data": {"tls.key": "KEY", "config.yaml": "CONFIG", "x.json": "BINARY"},
        "immutable": True,
        "labels": {"part": "files"},
        "annotations": {"note": 'x: "y"'},
    },
    "fixed": {"keys": ["TOKEN"], "hash": False, "type": "example.org/token"},
}
FLUX = ("kustomize.toolkit.fluxcd.io/", "config.kubernetes.io/origin")
GENERATOR = "secretGenerator: [{name: merged, literals: [A=b]}]\n"


@pytest.fixture
def sealed(repo: Repo, api: Api, namespace: str) -> Repo:
    """The overlay with the recipe, and the one for Flux, which lists the sealed files."""
    key = {"metadata": {"name": "sops-age", "namespace": namespace},
           "stringData": {"own.agekey": repo.key_file.read_text()}}  # fmt: skip
    api.apply({"apiVersion": "v1", "kind": "Secret", **key})
    rules = [{"path_regex": r"^flux/secrets/.*\.enc(\.(env|yaml))?$", "age": repo.recipient}]
    repo.write(".sops.yaml", json.dumps({"creation_rules": rules}))
    given = {"TOKEN": repo.canary(), "KEY": PEM.format(repo.canary()),
             "CONFIG": CONFIG.format(repo.canary())}  # fmt: skip
    repo.component("binary.enc", BINARY)
    components = ["../shop.enc.yaml", {"path": "../binary.enc", "as": "BINARY"}]
    repo.shop(given, components=components, values={"BINARY": {}}, secrets=SECRETS)
    common = f"namespace: {namespace}\n{GENERATOR}"
    repo.write("overlay/kustomization.yaml", f"generators: [recipe.yaml]\n{common}")
    repo.write("flux/kustomization.yaml", f"components: [secrets]\n{common}")
    done = repo.cli("seal", "overlay", "-o", "flux/secrets", "--component")
    assert done.code == 0, done.err
    return repo


def test_the_cluster_has_what_kustomize_builds(
    control_plane: Cluster, flux: Flux, namespace: str, sealed: Repo
) -> None:
    revision = flux.publish(sealed.path, "repository", namespace)
    flux.api.apply(kustomization("app", "flux", source="repository", namespace=namespace))
    ready = flux.reconciled("app", revision, namespace)
    assert ready["status"] == "True", ready["message"]
    expected = sealed.kustomize()
    live = {each["metadata"]["name"]: each for each in flux.api.list("Secret", namespace)
            if each["metadata"]["name"] != "sops-age"}  # fmt: skip
    assert {name: essence(each) for name, each in live.items()} == {
        each["metadata"]["name"]: essence(each) for each in expected.manifests.values()
    }
    (files,) = (data for name, data in expected.built.items() if name.startswith("files-"))
    assert (files["x.json"], b"# kept" in files["config.yaml"]) == (BINARY, True)
    assert heard(control_plane, sealed.canaries) == []


def essence(secret: Manifest) -> dict[str, Any]:
    """What a recipe decides of a Secret. Flux says besides who applied it and what generated it."""
    said = {
        field: {key: text for key, text in secret["metadata"].get(field, {}).items()
                if not key.startswith(FLUX)}
        for field in ("labels", "annotations")
    }  # fmt: skip
    data = {key: text.replace("\n", "") for key, text in secret["data"].items()}
    return {"data": data, "type": secret["type"], "immutable": secret.get("immutable"), **said}
