"""Look into the cluster for who still uses a role."""

from __future__ import annotations

from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import consumers, presence
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live, Place
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
        place = self.place()
        return None if place is None else _live(place)

    def users(self, account: Account) -> tuple[str, ...]:
        """Who refers to the role that git has left, in words; raises SopsmithError (db-unseen)
        where it is not known that nobody does."""
        found = self.live()
        if found is None:
            return ()
        users = consumers.former(found, account)
        if not users:
            presence.check(account, found)
        return users

    def place(self) -> Place | None:
        """Where that is; None where nobody asks."""
        if not self.is_asked:
            return None
        own, context = cluster.here()
        return Place(_named(self.namespace or own), context)


def _named(namespace: str | None) -> str:
    if namespace is None:
        hint = "--namespace NAME; or --no-cluster where nothing of Kubernetes uses the database"
        raise SopsmithError(Finding("usage", "nobody says which namespace is meant", hint=hint))
    return namespace


def _live(place: Place) -> Live:
    meant = place.namespace
    secrets, pods = cluster.listed("secrets", meant), cluster.listed("pods", meant)
    if not secrets and not pods:
        cluster.check_there(meant)
    workloads = {kind: tuple(cluster.listed(plural, meant)) for kind, plural in _WORKLOADS}
    cronjobs = tuple(cluster.listed("cronjobs", meant))
    return Live(tuple(secrets), tuple(pods), cronjobs, workloads, place)
