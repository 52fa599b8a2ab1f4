"""Look into the cluster for who still uses a role."""

from __future__ import annotations

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres.consumers import Live
from sopsmith.tools import cluster


def live(namespace: str | None) -> Live:
    """What runs in the namespace; without a name in the pod's own, or the kubeconfig's.

    Raises SopsmithError: usage, program-missing, cluster-failed.
    """
    meant = namespace or cluster.namespace()
    if meant is None:
        hint = "--namespace NAME; or --no-cluster where nothing of Kubernetes uses the database"
        raise SopsmithError(Finding("usage", "nobody says which namespace is meant", hint=hint))
    secrets, pods = cluster.listed("secrets", meant), cluster.listed("pods", meant)
    return Live(tuple(secrets), tuple(pods), tuple(cluster.listed("cronjobs", meant)))
