"""What a user copies for Argo CD and Flux: both ways in say the same, and so does the example."""

from __future__ import annotations

import re
import shutil
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import flux
from tests.repository import ROOT, Repo

ARGOCD = ROOT / "ci/argocd"
SEALED = "overlays/production/flux/secrets"


def tree(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def blocks(page: Path, kind: str = "yaml") -> list[str]:
    """The blocks of a kind that a page shows."""
    found = re.findall(rf"^ *```{kind}\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in found]


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


INSTALL = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: argocd-repo-server}
spec: {template: {spec: {containers: [{name: argocd-repo-server}], volumes: [{name: var-files}]}}}
"""


@pytest.mark.parametrize("namespace", ["namespace: argocd\n", "namespace: cd\n", ""])
def test_the_component_adds_the_sidecar_with_all_that_it_refers_to(
    repo: Repo, namespace: str
) -> None:
    """In the page's kustomization, and in one that leaves the namespace to `kubectl -n`."""
    text = next(block for block in blocks(ARGOCD / "README.md") if "components:" in block)
    assert "namespace: argocd\n" in text
    repo.write("install.yaml", INSTALL)
    repo.write("kustomization.yaml", text.replace("namespace: argocd\n", namespace))
    shutil.copytree(ARGOCD, repo.path / "sopsmith/ci/argocd")
    manifests = repo.run("kustomize", "build", ".").manifests
    pod = manifests["Deployment/argocd-repo-server"]["spec"]["template"]["spec"]
    named = [each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each]
    assert named and [name for name in named if f"ConfigMap/{name}" not in manifests] == []
    images = {each["name"]: each.get("image") for each in pod["containers"]}
    assert images["sopsmith"] == "registry.example.com/sopsmith:0.1.0"
    (config,) = (each for name, each in manifests.items() if name.startswith("ConfigMap/"))
    assert config["data"] == {"plugin.yaml": (ARGOCD / "plugin.yaml").read_text()}


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
    database, rest = (
        flux.built(example, each["spec"]["path"], each["spec"]["patches"]).manifests
        for each in yaml.safe_load_all((ROOT / "ci/flux/platform.yaml").read_text())
        if each["kind"] == "Kustomization"
    )
    assert database.keys().isdisjoint(rest) and {**database, **rest} == expected
    assert "Job/database" in database and "Deployment/backend" in rest


@pytest.mark.parametrize("page", ["flux", "argocd"])
def test_the_key_that_a_page_takes_is_the_environments_and_no_other(repo: Repo, page: str) -> None:
    """From a file of keys that `sopsmith init` made."""
    repo.env.pop("SOPS_AGE_KEY_FILE")
    assert repo.cli("init", "--name", "shop", "--yes").code == 0
    shown = "".join(blocks(ROOT / f"ci/{page}/README.md", "console"))
    (command,) = re.findall(r"\$ (grep .*keys\.txt) \| kubectl ", shown)
    taken = repo.run("bash", "-c", command.replace("platform", "shop")).out
    assert taken.count("AGE-SECRET-KEY-1") == 1
    alone = repo.temp / "production.agekey"
    alone.write_text(taken)
    for environment, code in (("production", 0), ("dev", 128)):
        file = f"secrets/{environment}/shop.enc.yaml"
        run = repo.run("sops", "decrypt", file, HOME=str(repo.temp), SOPS_AGE_KEY_FILE=str(alone))
        assert run.code == code
