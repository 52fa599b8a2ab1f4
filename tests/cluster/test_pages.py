"""The pages on Flux and Argo CD, typed as they stand: from nothing to the applied Secret."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pytest

from ci.cluster.api import Api
from ci.cluster.argocd import CLUSTER, ArgoCD
from ci.cluster.build import BIN
from ci.cluster.flux import Flux
from ci.cluster.nodes import nodes
from tests.cluster import platform
from tests.repository import ROOT, Repo

SERVER = "server: https://kubernetes.default.svc"  # there only inside a cluster


@pytest.fixture
def repo(api: Api, tmp_path: Path) -> Iterator[Repo]:
    """The platform's clone, with the files of a page and the key beside it, and kubectl."""
    (tmp_path / "home").mkdir()
    repo = platform.checkout(tmp_path)
    repo.env |= {"KUBECONFIG": str(api.kubeconfig), "PATH": f"{BIN}:{os.environ['PATH']}"}
    repo.write("production.agekey", platform.KEY.read_bytes())
    repo.write(".git/info/exclude", "*.agekey\n/*.yaml\n")
    for name in (platform.NAMESPACE, "flux-system"):
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    with nodes(api, platform.NAMESPACE):
        yield repo
    for kind, namespace in (("Application", "argocd"), ("Kustomization", "flux-system")):
        for each in api.list(kind, namespace) if kind in api.kinds() else ():
            api.delete(kind, each["metadata"]["name"], namespace)
    for name in (platform.NAMESPACE, "flux-system"):
        api.delete("Namespace", name)


def session(page: str) -> list[str]:
    """The commands of a page, in its order, each with what it shows."""
    text = (ROOT / page).read_text()
    found = re.findall(r"^ *```console\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    return [call for block in found for call in textwrap.dedent(block).split("$ ")[1:]]


def type_in(repo: Repo, call: str) -> None:
    """Type a command, and find what the page shows of its answer."""
    command, *shown = call.splitlines()
    run = repo.run("bash", "-euo", "pipefail", "-c", command)
    assert run.code == 0, f"{command}\n{run.out}{run.err}"
    assert [line for line in shown if line not in run.out.splitlines()] == []


def application(repo: Repo) -> str:
    """The page's Application, with the address of the repository and of the cluster."""
    text = (ROOT / "ci/argocd/application.yaml").read_text()
    text = text.replace("https://git.example.com/platform.git", f"file://{platform.origin(repo)}")
    return text.replace(SERVER, f"name: {CLUSTER}")


@contextmanager
def sources(flux: Flux, repo: Repo) -> Iterator[None]:
    """What source-controller does: whatever is pushed becomes the artifact."""
    over = Event()

    def follow() -> None:
        last = ""
        while not over.wait(0.2):
            head = ("git", "-C", str(platform.origin(repo)), "rev-parse", "main")
            now = subprocess.run(head, check=True, capture_output=True, text=True).stdout
            if now != last and flux.api.get("GitRepository", "platform", "flux-system"):
                tree = platform.pushed(repo, repo.path.parent / "artifact")
                flux.publish(tree, "platform", "flux-system")
                last = now

    thread = Thread(target=follow)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_the_page_on_flux(flux: Flux, repo: Repo) -> None:
    repo.write("platform.yaml", (ROOT / "ci/flux/platform.yaml").read_bytes())
    assert repo.run("git", "rm", "-rq", platform.SEALED).code == 0
    repo.run("git", "commit", "-qm", "Not sealed yet")
    before = None
    with sources(flux, repo):
        for call in session("ci/flux/README.md"):
            type_in(repo, call)
            if "get secrets" in call:
                before = platform.backend(flux.api)
        expected = platform.built(repo)
        platform.eventually(flux.api, expected)
    assert before is not None and platform.backend(flux.api) != before


def test_the_page_on_argo_cd(argocd: ArgoCD, repo: Repo) -> None:
    repo.write("application.yaml", application(repo))
    env = {
        name: repo.env[name] for name in ("PATH", "SOPS_AGE_KEY_FILE", "SOPSMITH_ALLOW_DEMO_KEY")
    }
    with argocd.plugin(ROOT / "ci/argocd/plugin.yaml", env):
        for call in session("ci/argocd/README.md"):
            type_in(repo, call)
        argocd.refresh("platform-production")
        platform.eventually(argocd.api, platform.built(repo))
