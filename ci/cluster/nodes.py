"""What nodes and their controllers would report: there are none, and a sync waits for health."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from ci.cluster.api import Api, ApiError, Manifest


@contextmanager
def nodes(api: Api, namespace: str) -> Iterator[None]:
    """Every workload of the namespace runs, as soon as it is applied."""
    over = Event()

    def report() -> None:
        while not over.wait(0.2):
            for each in (*api.list("Deployment", namespace), *api.list("StatefulSet", namespace)):
                status = _running(each)
                if each.get("status") != {**each.get("status", {}), **status}:
                    with suppress(ApiError):  # it was changed or deleted meanwhile
                        api.set_status({**each, "status": status})

    thread = Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _running(workload: Manifest) -> Manifest:
    count = workload["spec"]["replicas"]
    names = ("replicas", "readyReplicas", "updatedReplicas", "availableReplicas")
    status = {
        **dict.fromkeys(names, count),
        "observedGeneration": workload["metadata"]["generation"],
    }
    if workload["kind"] == "StatefulSet":
        status |= {"currentRevision": "one", "updateRevision": "one", "currentReplicas": count}
    return status
