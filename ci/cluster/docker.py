"""A Docker engine: the one that runs on this machine, or one of our own beside it.

Ours is unpacked from Debian's packages and not installed, so no service starts and nothing of the
machine's network changes. Containers of it have no network.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ci.cluster.processes import ClusterError, running

UNPACKED = Path(__file__).resolve().parents[2] / ".tools" / "docker"
PACKAGES = ("docker.io", "containerd", "runc")  # of Debian
FOLDERS = (UNPACKED / "usr/bin", UNPACKED / "usr/sbin")


class Docker(NamedTuple):
    """An engine that runs, and the client that reaches it."""

    client: tuple[str, ...]

    def __call__(self, *words: str) -> str:
        """What a command of the client prints. Raises ClusterError with its last words."""
        env = {**os.environ, "DOCKER_BUILDKIT": "1"}
        done = subprocess.run(
            (*self.client, *words),
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            said = "\n".join(done.stderr.splitlines()[-20:])
            raise ClusterError(f"docker {words[0]} failed: {said}")
        return done.stdout


def program() -> str | None:
    """Where an engine is that we can start: the unpacked one, or else the machine's."""
    return shutil.which("dockerd", path=_path())


@contextmanager
def engine() -> Iterator[Docker]:
    """An engine; whatever one of ours has built is gone in the end. Raises ClusterError."""
    theirs = Docker(("docker",))
    if _answers(theirs):
        yield theirs
        return
    dockerd = program()
    if dockerd is None:
        raise ClusterError("no Docker engine runs, and none is here: make e2e unpacks one for root")
    if os.geteuid() != 0:
        raise ClusterError("no Docker engine runs, and only root can start one")
    # Not in a folder of pytest's: the path of a socket has no more than 107 bytes.
    with TemporaryDirectory(prefix="docker-", dir="/tmp", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        socket = f"unix://{folder}/docker.sock"
        settings = folder / "daemon.json"
        settings.write_text(json.dumps(_settings(folder, socket)))
        ours = Docker((shutil.which("docker", path=_path()) or "docker", "--host", socket))
        with running(
            ("dockerd", f"--config-file={settings}"),
            program=dockerd,
            folder=folder,
            env={"PATH": _path()},
            ready=lambda: _answers(ours),
        ):
            yield ours


def _settings(folder: Path, socket: str) -> dict[str, object]:
    return {
        "hosts": [socket],
        "data-root": str(folder / "data"),
        "exec-root": str(folder / "exec"),
        "pidfile": str(folder / "pid"),
        "deprecated-key-path": str(folder / "key.json"),
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "ip-forward": False,
        "ip-masq": False,
    }


def _answers(docker: Docker) -> bool:
    try:
        return docker("version", "--format", "{{.Server.Version}}") != ""
    except (ClusterError, OSError):
        return False


def _path() -> str:
    return os.pathsep.join((*map(str, FOLDERS), os.environ.get("PATH", ""), "/usr/sbin"))
