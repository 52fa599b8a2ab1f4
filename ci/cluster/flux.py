"""Flux's kustomize-controller, and a source for it: tarballs on loopback, no source-controller."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

from ci.cluster.api import Api, Manifest, condition, define
from ci.cluster.processes import running, wait_until
from ci.ports import free_ports

SOURCE = "source.toolkit.fluxcd.io/v1"
KUSTOMIZE = "kustomize.toolkit.fluxcd.io/v1"
WORKING = "Starting workers"  # its health says no more than that the process runs


class Flux(NamedTuple):
    """A running controller, the API it watches, and where it gets artifacts from."""

    api: Api
    artifacts: Path
    url: str

    def publish(self, tree: Path, name: str, namespace: str = "default") -> str:
        """Make a folder the artifact of a GitRepository; the revision that it then has."""
        data = _tarball(tree)
        digest = hashlib.sha256(data).hexdigest()
        file = f"{name}-{digest[:12]}.tar.gz"
        (self.artifacts / file).write_bytes(data)
        revision = f"main@sha1:{digest[:40]}"
        artifact = {
            "digest": f"sha256:{digest}",
            "lastUpdateTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "path": file,
            "revision": revision,
            "size": len(data),
            "url": f"{self.url}/{file}",
        }
        source: Manifest = {
            "apiVersion": SOURCE,
            "kind": "GitRepository",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"interval": "1h", "url": "https://git.invalid/repository"},
        }
        self.api.apply(source)
        self.api.set_status({**source, "status": {"artifact": artifact}})
        return revision

    def reconciled(
        self, name: str, revision: str, namespace: str = "default", seconds: float = 180
    ) -> Manifest:
        """The Ready condition, True or False, that a Kustomization ends with at a revision."""

        def ask() -> Manifest | None:
            found = self.api.get("Kustomization", name, namespace) or {}
            status = found.get("status", {})
            ready = condition(found, "Ready")
            is_this = status.get("lastAttemptedRevision") == revision
            is_seen = ready.get("observedGeneration") == found.get("metadata", {}).get("generation")
            return ready if is_this and is_seen and ready.get("status") != "Unknown" else None

        def seen() -> object:
            return (self.api.get("Kustomization", name, namespace) or {}).get("status")

        return wait_until(ask, f"Kustomization {name} at {revision}", seen, seconds=seconds)

    def reconcile(self, name: str, namespace: str = "default") -> None:
        """Ask for a reconciliation now, and wait until it was handled."""
        asked = str(time.monotonic_ns())
        change = {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": asked}}}
        self.api.patch("Kustomization", name, change, namespace)

        def handled() -> bool:
            found = self.api.get("Kustomization", name, namespace) or {}
            at = found.get("status", {}).get("lastHandledReconcileAt")
            return bool(at == asked and condition(found, "Ready").get("status") != "Unknown")

        wait_until(handled, f"Kustomization {name} to reconcile")


def kustomization(
    name: str, path: str, *, source: str, namespace: str = "default", **spec: Any
) -> Manifest:
    """A Kustomization that prunes, and decrypts with the Secret `sops-age` of its namespace."""
    defaults = {
        "interval": "1h",
        "path": path,
        "prune": True,
        "targetNamespace": namespace,
        "sourceRef": {"kind": "GitRepository", "name": source},
        "decryption": {"provider": "sops", "secretRef": {"name": "sops-age"}},
    }
    return {
        "apiVersion": KUSTOMIZE,
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**defaults, **spec},
    }


@contextmanager
def kustomize_controller(api: Api, programs: Path, crds: Path, folder: Path) -> Iterator[Flux]:
    """A running controller for all namespaces, and the server of its artifacts."""
    define(api, crds.glob("*.toolkit.fluxcd.io_*.yaml"))
    [health] = free_ports(1)
    argv = [
        str(programs / "kustomize-controller"),
        "--metrics-addr=0",
        f"--health-addr=127.0.0.1:{health}",
        "--watch-all-namespaces",
        "--requeue-dependency=1s",
        "--http-retry=1",
    ]
    env = {"KUBECONFIG": str(api.kubeconfig), "RUNTIME_NAMESPACE": "default"}
    log = folder / "kustomize-controller.log"
    with _serving(folder / "artifacts") as url:  # noqa: SIM117 - the controller ends first
        with running(argv, folder=folder, env=env, ready=lambda: WORKING in log.read_text()):
            yield Flux(api, folder / "artifacts", url)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the words would stand between those of the tests."""


@contextmanager
def _serving(folder: Path) -> Iterator[str]:
    folder.mkdir()
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _tarball(tree: Path) -> bytes:
    """The tree as a .tar.gz that has the same bytes whenever the tree has the same files."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for file in sorted(tree.rglob("*")):
            if ".git" not in file.relative_to(tree).parts:
                tar.add(file, file.relative_to(tree), recursive=False, filter=_undated)
    return gzip.compress(plain.getvalue(), mtime=0)


def _undated(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.mtime = entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    return entry
