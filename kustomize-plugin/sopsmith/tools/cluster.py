"""Read from a Kubernetes cluster, with the `kubernetes` package and the user's kubeconfig."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding

TIMEOUT = 30  # seconds


def secret(namespace: str, name: str) -> bytes:
    """One live Secret as a JSON manifest.

    Raises SopsmithError: program-missing (no package), cluster-failed (no kubeconfig, no access,
    no such Secret).
    """
    call: Callable[..., Any] = _core().read_namespaced_secret
    try:
        # As the server sent it: typed models lose nothing that is needed, and cost more code.
        response = call(name, namespace, _preload_content=False, _request_timeout=TIMEOUT)
        data: bytes = response.data
    except Exception as error:  # urllib3's and its own; a message may quote headers or a body
        raise SopsmithError(
            _refused(getattr(error, "status", None), f"{namespace}/{name}")
        ) from None
    return data if json.loads(data).get("kind") else _with_kind(data)


def _with_kind(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "apiVersion": "v1", "kind": "Secret"}).encode()


def _core() -> Any:
    try:
        from kubernetes import client, config
    except ImportError:
        pip = "pip install 'PATH_OF_THE_CHECKOUT[cluster]'"
        hint = f"{pip}, or kubectl get secret -o json | sopsmith import -"
        message = "the kubernetes package is not installed"
        raise SopsmithError(Finding("program-missing", message, hint=hint)) from None
    load: Callable[[], Any] = config.load_kube_config
    try:
        load()
    except Exception:
        hint = "set KUBECONFIG to a file that kubectl works with"
        message = "no kubeconfig can be used"
        raise SopsmithError(Finding("cluster-failed", message, hint=hint)) from None
    return client.CoreV1Api()


def _refused(status: object, what: str) -> Finding:
    known = {401: "the cluster does not know you", 403: "you may not read it",
             404: "does not exist"}  # fmt: skip
    message = known.get(status) if isinstance(status, int) else None
    hint = f"kubectl get secret -n {what.replace('/', ' ')} shows why"
    return Finding("cluster-failed", message or "the cluster can't be reached", what, hint=hint)
