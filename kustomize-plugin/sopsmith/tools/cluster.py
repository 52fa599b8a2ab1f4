"""Read from a Kubernetes cluster, with the `kubernetes` package.

As the user's kubeconfig says, or in a pod as its service account.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from typing import Any, Literal

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding

TIMEOUT = 30  # seconds
Kind = Literal["secrets", "pods", "jobs", "cronjobs", "deployments", "statefulsets", "daemonsets"]
_FORBIDDEN = 403
# What to install, and how it goes without: for who imports, and for who looks who uses a database.
_IMPORTING = ("cluster", "kubectl get secret -o json | sopsmith import -")
_LOOKING = ("cli,postgres,cluster", "--no-cluster where no pod uses the database")
_OWN_NAMESPACE = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"


def secret(namespace: str, name: str) -> bytes:
    """One live Secret as a JSON manifest.

    Raises SopsmithError: program-missing (no package), cluster-failed (no kubeconfig, no access,
    no such Secret).
    """
    call: Callable[..., Any] = _core(_IMPORTING).read_namespaced_secret
    try:
        # As the server sent it: typed models lose nothing that is needed, and cost more code.
        response = call(name, namespace, _preload_content=False, _request_timeout=TIMEOUT)
        data: bytes = response.data
    except Exception as error:  # urllib3's and its own; a message may quote headers or a body
        raise SopsmithError(
            _refused(getattr(error, "status", None), f"{namespace}/{name}")
        ) from None
    return data if json.loads(data).get("kind") else _with_kind(data)


def here() -> tuple[str | None, str | None]:
    """The namespace that is meant where nobody names one, the pod's own or the kubeconfig's; and
    the kubeconfig's context, as far as there is one.

    Raises SopsmithError: program-missing, cluster-failed.
    """
    with contextlib.suppress(OSError), open(_OWN_NAMESPACE) as file:
        return file.read().strip() or None, None
    _core(_LOOKING)
    from kubernetes import config

    contexts: Callable[[], Any] = config.list_kube_config_contexts
    with contextlib.suppress(Exception):  # then nobody says
        current = contexts()[1]
        return current["context"].get("namespace"), str(current["name"])
    return None, None


def check_there(namespace: str) -> None:
    """Raise SopsmithError (cluster-failed) where there is no such namespace: all lists of one are
    empty. Who may not ask, as a pod with rights in its own, is told nothing."""
    call: Callable[..., Any] = _core(_LOOKING).read_namespace
    try:
        call(namespace, _preload_content=False, _request_timeout=TIMEOUT)
    except Exception as error:  # urllib3's and its own; a message may quote headers or a body
        status = getattr(error, "status", None)
        if status == _FORBIDDEN:
            return
        found = _refused(status, f"the namespace {namespace}")
        raise SopsmithError(found._replace(hint="kubectl get namespaces shows them")) from None


def listed(kind: Kind, namespace: str) -> list[dict[str, Any]]:
    """All objects of a kind in a namespace, as the server sends them.

    Raises SopsmithError: program-missing, cluster-failed.
    """
    core = _core(_LOOKING)
    from kubernetes import client

    apps, batch = client.AppsV1Api(), client.BatchV1Api()
    calls: dict[str, Callable[..., Any]] = {
        "secrets": core.list_namespaced_secret,
        "pods": core.list_namespaced_pod,
        "jobs": batch.list_namespaced_job,
        "cronjobs": batch.list_namespaced_cron_job,
        "deployments": apps.list_namespaced_deployment,
        "statefulsets": apps.list_namespaced_stateful_set,
        "daemonsets": apps.list_namespaced_daemon_set,
    }
    try:
        response = calls[kind](namespace, _preload_content=False, _request_timeout=TIMEOUT)
        items: list[dict[str, Any]] | None = json.loads(response.data)["items"]
        return items or []
    except Exception as error:  # urllib3's and its own; a message may quote headers or a body
        status = getattr(error, "status", None)
        found = _refused(status, f"{kind} in {namespace}")
        hint = f"kubectl get {kind} -n {namespace} shows why"
        raise SopsmithError(found._replace(hint=hint)) from None


def _with_kind(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "apiVersion": "v1", "kind": "Secret"}).encode()


def _core(asking: tuple[str, str]) -> Any:
    extras, otherwise = asking
    try:
        from kubernetes import client, config
    except ImportError:
        hint = f"pip install 'PATH_OF_THE_CHECKOUT[{extras}]', or {otherwise}"
        message = "the kubernetes package is not installed"
        raise SopsmithError(Finding("program-missing", message, hint=hint)) from None
    is_pod = os.path.exists(_OWN_NAMESPACE)
    load: Callable[[], Any] = config.load_incluster_config if is_pod else config.load_kube_config
    try:
        load()
    except Exception:
        hint = f"set KUBECONFIG to a file that kubectl works with; or {otherwise}"
        message = "no kubeconfig can be used"
        raise SopsmithError(Finding("cluster-failed", message, hint=hint)) from None
    return client.CoreV1Api()


def _refused(status: object, what: str) -> Finding:
    known = {401: "the cluster does not know you", 403: "you may not read it",
             404: "does not exist"}  # fmt: skip
    message = known.get(status) if isinstance(status, int) else None
    hint = f"kubectl get secret -n {what.replace('/', ' ')} shows why"
    return Finding("cluster-failed", message or "the cluster can't be reached", what, hint=hint)
