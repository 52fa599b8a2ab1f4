"""The pages on Flux and Argo CD, typed as they stand: from nothing to the applied Secret."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from ci.cluster.api import Api
from ci.cluster.argocd import CLUSTER, ArgoCD
from ci.cluster.build import BIN
from ci.cluster.control_plane import Cluster
from ci.cluster.flux import Flux
from ci.cluster.processes import beside
from sopsmith.model import Sensitive
from sopsmith.tools import keyring
from tests.cluster import platform
from tests.cluster.silence import heard
from tests.repository import ROOT, Repo
from tests.servers import Server
from tests.test_delivery_files import blocks

pytestmark = pytest.mark.usefixtures("workloads")
SERVER = "server: https://kubernetes.default.svc"  # there only inside a cluster


@pytest.fixture
def repo(api: Api, database: Server | None, tmp_path: Path) -> Iterator[Repo]:
    """The platform's clone, with the files of a page and the key beside it, and kubectl."""
    (tmp_path / "home").mkdir()
    repo = platform.checkout(tmp_path, database)
    repo.env |= {"KUBECONFIG": str(api.kubeconfig), "PATH": f"{BIN}:{os.environ['PATH']}"}
    fill_keyring(repo)
    repo.write(".git/info/exclude", "/*.yaml\n")
    assert api.get("Namespace", platform.NAMESPACE, "") is None  # the page brings it
    yield repo
    for kind, namespace in (("Application", "argocd"), ("Kustomization", "flux-system")):
        for each in api.list(kind, namespace) if kind in api.kinds() else ():
            api.delete(kind, each["metadata"]["name"], namespace)
    api.delete("Namespace", platform.NAMESPACE)
    platform.gone(api)


@pytest.fixture
def installed(api: Api) -> Iterator[None]:
    """The namespace that comes with Flux."""
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "flux-system"}})
    yield
    api.delete("Namespace", "flux-system")


def fill_keyring(repo: Repo) -> None:
    """The file of keys as `sopsmith init` leaves it, with those of other environments."""
    identities = []
    for environment in ("staging", "production", "dev"):
        made = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True).stdout
        text = platform.KEY.read_text() if environment == "production" else made
        recipient, key = text.partition("public key: ")[2].split()
        label = keyring.label("platform", environment, str(repo.path))
        identities.append(keyring.Identity(label, recipient, Sensitive(key)))
    keyring.append(f"{repo.env['HOME']}/.config/sops/age/keys.txt", identities, "2026-11-01")


def session(page: str) -> list[str]:
    """The commands of a page, in its order, each with what it shows."""
    return [call for text in blocks(ROOT / page, "console") for call in text.split("$ ")[1:]]


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

    def follow(over: Event) -> None:
        last = ""
        while not over.wait(0.2):
            head = ("git", "-C", str(platform.origin(repo)), "rev-parse", "main")
            now = subprocess.run(head, check=True, capture_output=True, text=True).stdout
            if now != last and flux.api.get("GitRepository", "platform", "flux-system"):
                tree = platform.pushed(repo, repo.path.parent / "artifact")
                flux.publish(tree, "platform", "flux-system")
                last = now

    with beside(follow):
        yield


@pytest.mark.usefixtures("installed")
def test_the_page_on_flux(control_plane: Cluster, flux: Flux, repo: Repo) -> None:
    repo.write("platform.yaml", (ROOT / "ci/flux/platform.yaml").read_bytes())
    unsealed(repo)
    before = None
    with sources(flux, repo):
        write_blocks(repo, "ci/flux/README.md")
        for call in session("ci/flux/README.md"):
            type_in(repo, call)
            if "get secrets" in call:
                platform.built(repo)  # the values of before are canaries too
                before = platform.backend(flux.api)
        expected = platform.built(repo)
        platform.eventually(flux.api, expected)
    assert before is not None and platform.backend(flux.api) != before
    assert heard(control_plane, repo.canaries) == []


def unsealed(repo: Repo) -> None:
    """Take away all that the page makes: nobody has thought of Flux yet."""
    shutil.rmtree(repo.path / platform.SEALED.rpartition("/")[0])
    rules = (repo.path / ".sops.yaml").read_text()
    repo.write(".sops.yaml", rules[: rules.index("  - path_regex: ^overlays")])
    platform.commit(repo)


def write_blocks(repo: Repo, page: str) -> None:
    """Write the files that the page shows; the first line says where each goes."""
    (recipient,) = re.findall("age1[0-9a-z]{58}", platform.KEY.read_text())
    for text in blocks(ROOT / page):
        named, _, content = text.partition("\n")
        path, _, behind = named.removeprefix("# ").partition(", behind ")
        if behind:
            before, line, after = (repo.path / path).read_text().partition(f"{behind}\n")
            content = before + line + content.replace("age1…", recipient) + after
        repo.write(path, content)


def test_the_page_on_argo_cd(control_plane: Cluster, argocd: ArgoCD, repo: Repo) -> None:
    repo.write("application.yaml", application(repo))
    env = {
        name: repo.env[name] for name in ("PATH", "SOPS_AGE_KEY_FILE", "SOPSMITH_ALLOW_DEMO_KEY")
    }
    with argocd.plugin(ROOT / "ci/argocd/plugin.yaml", env):
        for call in session("ci/argocd/README.md"):
            type_in(repo, call)
        argocd.refresh("platform-production")
        platform.eventually(argocd.api, platform.built(repo))
        places = heard(control_plane, repo.canaries, argocd.redis)
        assert {place.partition("|")[0] for place in places} == {"redis mfst"}
