"""Measures the time from a commit to the applied Secret, through Flux and through Argo CD.

On the embedded control plane of ci/cluster, with the example platform; how to read it: README.md.
Both are told of the commit at once, as a webhook does; without one they ask every minute or so.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ci.cluster.api import Api
from ci.cluster.argocd import application
from ci.cluster.build import missing
from ci.cluster.control_plane import cluster
from ci.cluster.flux import Flux, kustomization
from ci.cluster.nodes import nodes
from ci.cluster.processes import wait_until

ROOT = Path(__file__).resolve().parents[2]
KEY = ROOT / "secrets/demo-only.agekey"
NAMESPACE = "reconciliation-production"
OVERLAY, SEALED = "overlays/production", "overlays/production/flux/secrets"


class Clone(NamedTuple):
    """A clone of the example and what its programs get."""

    path: Path
    env: dict[str, str]

    def run(self, *argv: str) -> str:
        """Run a program in it."""
        done = subprocess.run(argv, cwd=self.path, env=self.env, check=True, capture_output=True)
        return done.stdout.decode()

    def rotated(self) -> None:
        """A commit that changes one value."""
        self.run("sopsmith", "rotate", "POSTGRES_PASSWORD", "-e", "production", "--commit")


def main() -> int:
    """Print medians and quartiles of both ways."""
    options = _options()
    if lacking := missing():
        sys.exit(f"not built: {', '.join(lacking)}; make cluster builds it")
    with tempfile.TemporaryDirectory(prefix="bench-", dir="/tmp") as name, ExitStack() as stack:  # noqa: S108 - short: it holds sockets
        folder = Path(name).resolve()
        (folder / "cluster").mkdir()
        running = stack.enter_context(cluster(folder / "cluster"))
        running.api.apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        )
        steps = {"Flux": _flux(running.flux(), _clone(folder / "flux"), options.runs)}
        running.api.delete("Kustomization", "platform", NAMESPACE)
        wait_until(lambda: _backend(running.api) is None, "Flux to take its objects away")
        argocd = running.argocd()
        clone = _clone(folder / "argocd")
        stack.enter_context(nodes(running.api, NAMESPACE))
        with argocd.plugin(ROOT / "ci/argocd/plugin.yaml", clone.env) as plugin:
            app = application("platform", clone.path, OVERLAY, plugin=plugin, namespace=NAMESPACE)
            running.api.apply(app)
            wait_until(lambda: _backend(running.api), "the first sync")
            steps["Argo CD"] = _rounds(
                running.api, clone, options.runs, lambda: [time.perf_counter()],
                lambda: argocd.refresh("platform"),
            )  # fmt: skip
    _print(steps, options.runs)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the delivery of a commit.")
    parser.add_argument("--runs", type=int, default=7, help="rotations each way (default 7)")
    return parser.parse_args()


def _clone(path: Path) -> Clone:
    path.mkdir()
    for name in ("secrets", "overlays"):
        shutil.copytree(ROOT / name, path / name)
    shutil.copyfile(ROOT / ".sops.yaml", path / ".sops.yaml")
    env = {"PATH": os.environ["PATH"], "HOME": str(path), "SOPS_AGE_KEY_FILE": str(KEY),
           "SOPSMITH_ALLOW_DEMO_KEY": "1"}  # fmt: skip
    clone = Clone(path, env)
    for words in (("init", "-q", "-b", "main"), ("config", "user.name", "bench"),
                  ("config", "user.email", "bench@example.org"), ("add", "."),
                  ("commit", "-qm", "Start")):  # fmt: skip
        clone.run("git", *words)
    return clone


def _flux(flux: Flux, clone: Clone, runs: int) -> list[list[float]]:
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"demo.agekey": KEY.read_text()},
              "metadata": {"name": "sops-age", "namespace": NAMESPACE}}  # fmt: skip
    path = f"{OVERLAY}/flux"
    flux.api.apply(secret, kustomization("platform", path, source="platform", namespace=NAMESPACE))
    flux.publish(clone.path, "platform", NAMESPACE)
    wait_until(lambda: _backend(flux.api), "the first reconciliation")

    def sealed() -> list[float]:
        clone.run("sopsmith", "seal", OVERLAY, "-o", SEALED, "--commit")
        return [time.perf_counter()]

    return _rounds(flux.api, clone, runs, sealed,
                   lambda: flux.publish(clone.path, "platform", NAMESPACE))  # fmt: skip


def _rounds(
    api: Api, clone: Clone, runs: int, prepare: Callable[[], list[float]],
    tell: Callable[[], object],
) -> list[list[float]]:  # fmt: skip
    """Seconds from the commit to the end of `prepare`, and from there to the new reference."""
    taken = []
    for _ in range(runs):
        before = _backend(api)
        clone.rotated()
        begun = time.perf_counter()
        (ready,) = prepare()
        tell()
        wait_until(partial(_is_new, api, before), "a new Secret")
        taken.append([ready - begun, time.perf_counter() - ready])
    return taken


def _is_new(api: Api, before: str | None) -> bool:
    return _backend(api) not in (None, before)


def _backend(api: Api) -> str | None:
    """The applied Secret that the applied Deployment refers to."""
    deployment = api.get("Deployment", "backend", NAMESPACE)
    if deployment is None:
        return None
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    name = str(container["envFrom"][0]["secretRef"]["name"])
    return name if api.get("Secret", name, NAMESPACE) else None


def _print(steps: dict[str, list[list[float]]], runs: int) -> None:
    print(f"{runs} rotations each; seconds from the commit: median (quartiles)")
    for name, taken in steps.items():
        sealing, applying = zip(*taken, strict=True)
        total = [sum(each) for each in taken]
        parts = f"sealing {_spread(sealing)}, controller {_spread(applying)}"
        print(f"{name:8} {_spread(total)}{f': {parts}' if name == 'Flux' else ''}")


def _spread(numbers: Sequence[float]) -> str:
    low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return f"{median:.1f} ({low:.1f}–{high:.1f})"


if __name__ == "__main__":
    sys.exit(main())
