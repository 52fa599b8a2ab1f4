"""etcd, kube-apiserver and the least of kube-controller-manager: an empty cluster on loopback.

It has one user, who may do all.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from secrets import token_hex

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ci.cluster.api import Api, ApiError
from ci.cluster.processes import accepts, running
from ci.ports import free_ports


@contextmanager
def api_server(programs: Path, folder: Path) -> Iterator[Api]:
    """A running API server. Its logs stay in the folder; what it stored goes with it."""
    etcd_port, peer_port, port, manager_port = free_ports(4)
    etcd = f"http://127.0.0.1:{etcd_port}"
    api = Api(port, token_hex(16), folder / "certificates/apiserver.crt", folder / "kubeconfig")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder / "etcd", ignore_errors=True)
        argv = _etcd(programs, folder, etcd, f"http://127.0.0.1:{peer_port}")
        stack.enter_context(running(argv, folder=folder, ready=lambda: accepts(etcd_port)))
        argv = _kube_apiserver(programs, folder, etcd, api)
        stack.enter_context(running(argv, folder=folder, ready=lambda: _is_ready(api)))
        _write_kubeconfig(api)
        argv = _controller_manager(programs, api, manager_port)
        stack.enter_context(running(argv, folder=folder, ready=lambda: accepts(manager_port)))
        yield api


def _etcd(programs: Path, folder: Path, url: str, peer: str) -> list[str]:
    return [
        str(programs / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # nothing here has to survive a power cut
        "--log-level=warn",
    ]


def _kube_apiserver(programs: Path, folder: Path, etcd: str, api: Api) -> list[str]:
    key = folder / "service-account.key"
    _write_private(key, _new_key())
    tokens = folder / "tokens.csv"
    _write_private(tokens, f"{api.token},admin,admin,system:masters\n")
    return [
        str(programs / "kube-apiserver"),
        f"--etcd-servers={etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={api.port}",
        f"--cert-dir={api.ca.parent}",  # it writes its own certificate there
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--disable-admission-plugins=ServiceAccount",  # no controller makes their tokens here
        "--endpoint-reconciler-type=none",  # its own Endpoints may not be on loopback
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        f"--service-account-issuer={api.url}",
    ]


def _controller_manager(programs: Path, api: Api, port: int) -> list[str]:
    """Only what deleting needs: a namespace goes with all in it, and so do an object's parts."""
    return [
        str(programs / "kube-controller-manager"),
        f"--kubeconfig={api.kubeconfig}",
        "--controllers=garbage-collector-controller,namespace-controller",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
    ]


def _is_ready(api: Api) -> bool:
    try:
        return api.ca.exists() and bool(api.request("GET", "/readyz"))
    except ApiError:
        return False


def _write_kubeconfig(api: Api) -> None:
    cluster = {"server": api.url, "certificate-authority": str(api.ca)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": api.token}}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": "admin"}}],
        "current-context": "local",
    }
    _write_private(api.kubeconfig, json.dumps(document, indent=1))


def _new_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    ).decode()


def _write_private(file: Path, text: str) -> None:
    file.touch(mode=0o600)
    file.write_text(text)
