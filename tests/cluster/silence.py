"""Where on a control plane a canary can be heard."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from ci.cluster.control_plane import Cluster
from ci.cluster.redis import Redis
from tests.repository import _forms

BUILDING = 30  # seconds in which a build that is under way removes its scratch folder
WATCHED = {"Event", "Kustomization", "GitRepository", "Application", "AppProject"}


def heard(control_plane: Cluster, canaries: Sequence[str], redis: Redis | None = None) -> list[str]:
    """The places with a canary in any form: `file …`, `redis KEY`, `Event/name`.

    Secrets are not asked, nor etcd, which is where Secrets are meant to be. A controller builds
    when it likes, with plaintext in a folder that it removes: a file counts when it stays.
    """
    forms = [form.encode() for canary in canaries for form in _forms(canary)]

    def loud(places: Iterator[tuple[str, bytes]]) -> list[str]:
        return [place for place, text in places if any(form in text for form in forms)]

    until = time.monotonic() + BUILDING
    while (files := loud(_files(control_plane))) and time.monotonic() < until:
        time.sleep(0.2)
    return [*files, *loud(_objects(control_plane)), *loud(_cache(redis))]


def _files(control_plane: Cluster) -> Iterator[tuple[str, bytes]]:
    """Logs, artifacts, and what programs left in their scratch folders."""
    for file in control_plane.folder.rglob("*"):
        place = file.relative_to(control_plane.folder)
        if place.parts[0] != "etcd" and file.is_file() and not file.is_symlink():
            with suppress(FileNotFoundError):  # its build ended just now
                yield f"file {place}", file.read_bytes()


def _objects(control_plane: Cluster) -> Iterator[tuple[str, bytes]]:
    api = control_plane.api
    for kind in WATCHED & api.kinds().keys():
        for each in api.list(kind):
            yield f"{kind}/{each['metadata']['name']}", json.dumps(each).encode()


def _cache(redis: Redis | None) -> Iterator[tuple[str, bytes]]:
    for key, text in (redis.entries() if redis else {}).items():
        yield f"redis {key}", text
