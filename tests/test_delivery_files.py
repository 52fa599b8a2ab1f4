"""What a user copies for Argo CD and Flux: both ways in say the same, and so does the example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests import flux
from tests.repository import ROOT, Repo

ARGOCD = ROOT / "ci/argocd"
SEALED = "overlays/production/flux/secrets"


def tree(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_the_chart_and_the_component_run_the_same_plugin() -> None:
    spec = tree(ARGOCD / "plugin.yaml")["spec"]
    assert tree(ARGOCD / "values.yaml")["configs"]["cmp"]["plugins"]["sopsmith"] == spec


def test_the_chart_and_the_component_start_the_same_sidecar() -> None:
    pod = tree(ARGOCD / "repo-server.yaml")["spec"]["template"]["spec"]
    chart = tree(ARGOCD / "values.yaml")["repoServer"]
    ((mine,), (theirs,)) = (pod["containers"], chart["extraContainers"])
    assert mine.pop("volumeMounts")[3:] == theirs.pop("volumeMounts")[3:]
    assert mine == theirs
    assert pod["volumes"][1:] == chart["volumes"][1:]


def test_the_sidecar_may_do_little() -> None:
    (container,) = tree(ARGOCD / "repo-server.yaml")["spec"]["template"]["spec"]["containers"]
    assert container["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 999, "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }  # fmt: skip


def test_the_example_is_sealed(example: Repo) -> None:
    rules = (ROOT / ".sops.yaml").read_bytes()
    example.write(".sops.yaml", rules)
    done = example.cli("seal", "overlays/production", "-o", SEALED, "--check")
    assert done.code == 0, done.out


def test_the_example_for_flux_is_the_example(example: Repo) -> None:
    expected = example.kustomize("overlays/production").manifests
    flux.decrypted(example, example.path / SEALED)
    assert flux.built(example, "overlays/production/flux").manifests == expected
