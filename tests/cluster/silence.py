"""Where on a control plane a canary can be heard."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ci.cluster.control_plane import Cluster
from ci.cluster.redis import Redis
from tests.repository import _forms

BUILDING = 120  # seconds in which a build that is under way removes its scratch folder
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
    for folder, folders, names in os.walk(control_plane.folder, onerror=_unless_it_is_gone):
        if Path(folder) == control_plane.folder:
            folders[:] = {*folders} - {"etcd"}
        for file in (Path(folder, name) for name in names):
            with suppress(FileNotFoundError):  # its build ended just now
                if stat.S_ISREG(file.lstat().st_mode):
                    yield f"file {file.relative_to(control_plane.folder)}", file.read_bytes()


def _unless_it_is_gone(error: OSError) -> None:
    """A build that ends removes its folder while we walk."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _objects(control_plane: Cluster) -> Iterator[tuple[str, bytes]]:
    api = control_plane.api
    for kind in WATCHED & api.kinds().keys():
        for each in api.list(kind):
            yield f"{kind}/{each['metadata']['name']}", json.dumps(each).encode()


def _cache(redis: Redis | None) -> Iterator[tuple[str, bytes]]:
    for key, text in (redis.entries() if redis else {}).items():
        yield f"redis {key}", text
