"""Argo CD's application-controller and repo-server, and its plugins: one program, three roles."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

from ci.cluster.api import Api, Manifest, define
from ci.cluster.processes import accepts, accepts_at, running, wait_until
from ci.cluster.redis import Redis, redis_server
from ci.ports import free_ports

NAMESPACE = "argocd"
CLUSTER = "local"  # the name of the only destination
CRDS = ("application-crd", "applicationset-crd", "appproject-crd")
REFRESH = "argocd.argoproj.io/refresh"


class ArgoCD(NamedTuple):
    """Running controllers, the API they watch, and their cache."""

    api: Api
    redis: Redis
    program: Path
    folder: Path
    sockets: Path

    @contextmanager
    def plugin(self, config: Path, env: Mapping[str, str]) -> Iterator[str]:
        """A running plugin in the given environment; the name that an Application asks for."""
        document = yaml.safe_load(config.read_text())
        parts = (document["metadata"]["name"], document["spec"].get("version"))
        name = "-".join(filter(None, parts))
        folder = self.folder / "plugins" / name
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(config, folder / "plugin.yaml")
        socket = self.sockets / f"{name}.sock"
        with running(
            ("argocd-cmp-server", f"--config-dir-path={folder}"),
            name=f"argocd-cmp-server-{name}",
            program=str(self.program),
            folder=self.folder,
            env={**env, "ARGOCD_PLUGINSOCKFILEPATH": str(self.sockets)},
            ready=partial(accepts_at, socket),  # one that was killed left its file
            patience=0.5,  # told to end, it only takes its socket away
        ):
            yield name

    def refresh(self, name: str, *, hard: bool = False) -> Manifest:
        """The Application after a comparison with git that begins now; hard forgets the cache."""
        change = {"metadata": {"annotations": {REFRESH: "hard" if hard else "normal"}}}
        self.api.patch("Application", name, change, NAMESPACE)

        def ask() -> Manifest | None:
            found = self.app(name)
            return None if REFRESH in found["metadata"].get("annotations", {}) else found

        return wait_until(ask, f"Application {name} to be compared", lambda: self._seen(name))

    def synced(self, name: str, revision: str, seconds: float = 180) -> Manifest:
        """The Application once the cluster is what git says at a revision."""

        def ask() -> Manifest | None:
            found = self.app(name)
            sync = found.get("status", {}).get("sync", {})
            is_synced = sync.get("status") == "Synced" and sync.get("revision") == revision
            return found if is_synced and not is_busy(found) else None

        what = f"Application {name} to be synced to {revision}"
        return wait_until(ask, what, lambda: self._seen(name), seconds=seconds)

    def failed(self, name: str, seconds: float = 180) -> list[str]:
        """The messages of the conditions, once the Application has any."""
        what = f"Application {name} to fail"
        return wait_until(
            lambda: messages(self.app(name)), what, lambda: self._seen(name), seconds=seconds
        )

    def app(self, name: str) -> Manifest:
        """The Application as it stands."""
        return self.api.get("Application", name, NAMESPACE) or {"metadata": {}}

    def _seen(self, name: str) -> object:
        status = self.app(name).get("status", {})
        return {key: status.get(key) for key in ("sync", "conditions", "operationState")}


def messages(app: Manifest) -> list[str]:
    """What an Application's conditions say."""
    return [each["message"] for each in app.get("status", {}).get("conditions", [])]


def is_busy(app: Manifest) -> bool:
    """Whether a sync is asked for or runs."""
    phase = app.get("status", {}).get("operationState", {}).get("phase")
    return "operation" in app or phase in ("Running", "Terminating")


def application(
    name: str, repository: Path, path: str, *, plugin: str, namespace: str = "default", **spec: Any
) -> Manifest:
    """An Application that follows a repository on disk through a plugin, prunes and heals."""
    defaults = {
        "project": "default",
        "source": {
            "repoURL": f"file://{repository}",
            "targetRevision": "HEAD",
            "path": path,
            "plugin": {"name": plugin},
        },
        "destination": {"name": CLUSTER, "namespace": namespace},
        "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
    }
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {**defaults, **spec},
    }


@contextmanager
def argocd_controllers(api: Api, programs: Path, crds: Path, folder: Path) -> Iterator[ArgoCD]:
    """Redis, repo-server and application-controller, running."""
    define(api, (crds / f"{name}.yaml" for name in CRDS))
    for manifest in yaml.safe_load_all((Path(__file__).parent / "argocd.yaml").read_text()):
        api.apply(manifest)
    api.apply(_secret("argocd-secret", {"server.secretkey": token_hex(32)}), _cluster(api))
    repo_port, repo_metrics, metrics = free_ports(3)
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(folder))
        # Not in the folder: the path of a socket has no more than 107 bytes.
        sockets = stack.enter_context(TemporaryDirectory(prefix="argocd-", dir="/tmp"))
        argocd = ArgoCD(api, redis, programs / "argocd", folder, Path(sockets))
        for argv, port in (
            (_repo_server(redis, repo_port, repo_metrics), repo_port),
            (_application_controller(redis, repo_port, metrics), metrics),
        ):
            part = running(
                argv,
                program=str(argocd.program),
                folder=folder,
                env={
                    "KUBECONFIG": str(api.kubeconfig),
                    "ARGOCD_PLUGINSOCKFILEPATH": sockets,
                    "ARGOCD_GPG_ENABLED": "false",
                },
                ready=partial(accepts, port),
            )
            stack.enter_context(part)
        yield argocd


def _repo_server(redis: Redis, port: int, metrics: int) -> list[str]:
    return [
        "argocd-repo-server",
        "--address=127.0.0.1",
        f"--port={port}",
        "--metrics-address=127.0.0.1",
        f"--metrics-port={metrics}",
        f"--redis={redis.address}",
        "--disable-tls",
    ]


def _application_controller(redis: Redis, repo_port: int, metrics: int) -> list[str]:
    return [
        "argocd-application-controller",
        f"--namespace={NAMESPACE}",
        f"--metrics-port={metrics}",  # of all interfaces: the controller has no setting for it
        f"--redis={redis.address}",
        f"--repo-server=127.0.0.1:{repo_port}",
        "--repo-server-plaintext",
        "--app-resync=30",
    ]


def _cluster(api: Api) -> Manifest:
    """The cluster as a destination: the address that is built in only works inside of one."""
    ca = base64.b64encode(api.ca.read_bytes()).decode()
    config = {"bearerToken": api.token, "tlsClientConfig": {"caData": ca}}
    data = {"name": CLUSTER, "server": api.url, "config": json.dumps(config)}
    return _secret("cluster-local", data, **{"argocd.argoproj.io/secret-type": "cluster"})


def _secret(name: str, data: dict[str, str], **labels: str) -> Manifest:
    labels = {"app.kubernetes.io/part-of": "argocd", **labels}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "stringData": data,
    }
