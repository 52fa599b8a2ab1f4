"""Look into the cluster for who still uses a role."""

from __future__ import annotations

from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import consumers
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live
from sopsmith.tools import cluster

_WORKLOADS: tuple[tuple[str, cluster.Kind], ...] = (
    ("Deployment", "deployments"), ("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets"),
    ("Job", "jobs"),
)  # fmt: skip


class Cluster(NamedTuple):
    """Where to look; looking raises SopsmithError: usage, program-missing, cluster-failed."""

    namespace: str | None  # default the pod's own, or the kubeconfig's
    is_asked: bool  # else nothing of Kubernetes uses the database

    def live(self) -> Live | None:
        """What runs there; None where nobody asks."""
        return _live(self.namespace) if self.is_asked else None

    def users(self, account: Account) -> tuple[str, ...]:
        """Who refers to the role that git has left, in words."""
        found = self.live()
        return () if found is None else consumers.former(found, account)


def _live(namespace: str | None) -> Live:
    meant = namespace or cluster.namespace()
    if meant is None:
        hint = "--namespace NAME; or --no-cluster where nothing of Kubernetes uses the database"
        raise SopsmithError(Finding("usage", "nobody says which namespace is meant", hint=hint))
    secrets, pods = cluster.listed("secrets", meant), cluster.listed("pods", meant)
    workloads = {kind: tuple(cluster.listed(plural, meant)) for kind, plural in _WORKLOADS}
    return Live(tuple(secrets), tuple(pods), tuple(cluster.listed("cronjobs", meant)), workloads)
