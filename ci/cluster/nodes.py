"""What nodes and their controllers would report: there are none, and a sync waits for health."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import NamedTuple

from ci.cluster.api import Api, ApiError, Manifest
from ci.cluster.processes import beside

MEMORY = Path("/dev/shm")  # noqa: S108 - where a kubelet keeps what it mounts of Secrets


class Ended(NamedTuple):
    """What came of a Job's container: its exit code, and what `kubectl logs` would show."""

    job: str
    code: int
    said: str


Work = Callable[[Manifest], Ended | None]
"""Does what a Job asks for; None while it can't begin."""


def idle(job: Manifest) -> Ended:
    """Done without doing anything."""
    return Ended(job["metadata"]["name"], 0, "")


@contextmanager
def nodes(api: Api, namespace: str, work: Work = idle) -> Iterator[list[Ended]]:
    """Every workload of the namespace runs as soon as it is applied, and every Job ends.

    What came of the Jobs is in the list, in their order.
    """
    ended: list[Ended] = []
    outcomes: dict[str, Manifest] = {}

    def report(over: Event) -> None:
        while not over.wait(0.2):
            for each in (*api.list("Deployment", namespace), *api.list("StatefulSet", namespace)):
                _say(api, each, _running(each))
            for job in api.list("Job", namespace):
                uid = job["metadata"]["uid"]
                if uid not in outcomes and (outcome := work(job)):
                    ended.append(outcome)
                    outcomes[uid] = _over(job, outcome)
                if uid in outcomes:
                    _say(api, job, outcomes[uid])

    with beside(report):
        yield ended


def ran(api: Api, job: Manifest, **env: str) -> Ended | None:
    """Run the one container of a Job as a program of this machine, with the Secrets it mounts.

    They lie in a folder of its own, in memory, in whose place the command names where they would
    be mounted. None while one of them is not there.
    """
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        folders = {
            each["mountPath"]: Path(name, each["name"]) for each in container["volumeMounts"]
        }
        for volume in pod["volumes"]:
            namespace = job["metadata"]["namespace"]
            secret = api.get("Secret", volume["secret"]["secretName"], namespace)
            if secret is None:
                return None
            _write(Path(name, volume["name"]), secret)
        argv = [str(folders.get(word, word)) for word in container["command"]]
        given = {"PATH": os.environ["PATH"], "HOME": name, **env}
        done = subprocess.run(argv, env=given, cwd=name, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip
    return Ended(job["metadata"]["name"], done.returncode, done.stdout.decode())


def _write(folder: Path, secret: Manifest) -> None:
    folder.mkdir()
    for key, text in secret["data"].items():
        (folder / key).write_bytes(base64.b64decode(text))


def _say(api: Api, workload: Manifest, status: Manifest) -> None:
    if workload.get("status") != {**workload.get("status", {}), **status}:
        with suppress(ApiError):  # it was changed or deleted meanwhile
            api.set_status({**workload, "status": status})


def _over(job: Manifest, ended: Ended) -> Manifest:
    """The status of a Job that is done or, without the tries that a cluster makes, has failed."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - a cluster has a clock
    if ended.code == 0:
        kinds, why = ("SuccessCriteriaMet", "Complete"), {}
        counts: Manifest = {"succeeded": 1, "completionTime": now}
    else:
        message = f"Container of {ended.job} failed with exit code {ended.code}"
        kinds, why = ("FailureTarget", "Failed"), {"reason": "PodFailurePolicy", "message": message}
        counts = {"failed": 1}
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": now, "lastTransitionTime": now, **why}
        for kind in kinds
    ]
    return {"startTime": now, "conditions": conditions, **counts}


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
