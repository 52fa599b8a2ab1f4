"""Kubernetes in containers, by pytest-kind, where an engine runs and images can be pulled.

Unlike the plain programs it has a node, so workloads really run: PostgreSQL as the example has it,
and for images that nobody publishes a stand-in that sleeps.
"""

from __future__ import annotations

import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack, chdir, contextmanager
from pathlib import Path
from typing import Any

import yaml

from ci.cluster.api import Api
from ci.cluster.build import BIN, HOME, PINS
from ci.cluster.control_plane import Cluster
from ci.cluster.docker import Docker
from ci.cluster.processes import ClusterError

PACKAGES = HOME.parent / "kind"  # beside .venv, which stays what its lock says
LOCK = PINS.parents[1] / "tools/kind.txt"
SLEEPER, ITS_BASE = "reconciliation/backend:1", "busybox:1.37"
PULLED = ("postgres:18", ITS_BASE)


def install() -> None:
    """Install pytest-kind as it is locked."""
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    how = ("--target", str(PACKAGES), "--upgrade", "--no-deps", "--require-hashes")
    subprocess.run((*pip, *how, "--requirement", str(LOCK)), check=True)


@contextmanager
def kind_cluster(folder: Path) -> Iterator[Cluster]:
    """A cluster of one node. Raises ClusterError where nothing runs or can be pulled."""
    images(Docker(("docker",)))
    from pytest_kind import KindCluster  # type: ignore[import-not-found]

    folder.chmod(0o700)  # tokens and keys are in it
    with chdir(folder):  # it keeps files where it is
        files = {"kind_path": BIN / "kind", "kubectl_path": BIN / "kubectl"}
        kind = KindCluster("sopsmith", folder / "kubeconfig", **files)
    with ExitStack() as stack:
        kind.delete()  # what a killed run left
        stack.callback(kind.delete)
        kind.create()
        for image in (*PULLED, SLEEPER):
            kind.load_docker_image(image)
        yield Cluster(_api(kind, folder), folder, stack, has_nodes=True)


def images(docker: Docker) -> None:
    """Have what the workloads run. Raises ClusterError that says what is not to be had."""
    try:
        docker("version")
    except (ClusterError, OSError) as error:
        raise ClusterError(f"kind needs a container engine, and none answers: {error}") from None
    try:
        for image in PULLED:
            docker("pull", "--quiet", image)
    except ClusterError as error:
        raise ClusterError(f"kind needs images, and none can be pulled: {error}") from None
    line = f'FROM {ITS_BASE}\nCMD ["sleep", "infinity"]\n'
    argv = (*docker.client, "build", "--quiet", "--tag", SLEEPER, "-")
    subprocess.run(argv, input=line.encode(), check=True, stdout=subprocess.DEVNULL)


def _api(kind: Any, folder: Path) -> Api:
    """The API with a token of an account that may do all, beside the kubeconfig's certificate."""
    config = yaml.safe_load((folder / "kubeconfig").read_text())
    (cluster,) = (each["cluster"] for each in config["clusters"])
    ca = folder / "ca.crt"
    ca.write_bytes(b64decode(cluster["certificate-authority-data"]))
    account = ("--serviceaccount=default:tests", "--clusterrole=cluster-admin")
    kind.kubectl("create", "serviceaccount", "tests", "--namespace=default")
    kind.kubectl("create", "clusterrolebinding", "tests", *account)
    token = kind.kubectl("create", "token", "tests", "--namespace=default", "--duration=8h")
    port = int(cluster["server"].rpartition(":")[2])
    return Api(port, token.strip(), ca, folder / "kubeconfig")


if __name__ == "__main__":
    install()
