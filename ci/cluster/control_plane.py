"""`make cluster`: the whole control plane in the foreground, until Ctrl-C. Parts: see README.md."""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from ci.cluster.api import Api
from ci.cluster.api_server import api_server
from ci.cluster.argocd import NAMESPACE, ArgoCD, argocd_controllers
from ci.cluster.build import BIN, CRDS, HOME, fail, missing, say
from ci.cluster.flux import Flux, kustomize_controller
from ci.cluster.processes import ClusterError, unwinding_on

PARTS = ("flux", "argocd")


class Cluster(NamedTuple):
    """What runs. Each part is started when it is asked for, and all end together."""

    api: Api
    folder: Path
    stack: ExitStack
    has_nodes: bool = False

    def flux(self) -> Flux:
        """Start Flux's kustomize-controller."""
        part = kustomize_controller(self.api, BIN, CRDS, self.folder)
        return self.stack.enter_context(part)

    def argocd(self) -> ArgoCD:
        """Start Argo CD's controllers with their Redis."""
        part = argocd_controllers(self.api, BIN, CRDS, self.folder)
        return self.stack.enter_context(part)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """An API server with nothing in it; all it leaves is in the folder."""
    folder.chmod(0o700)  # tokens and keys are in it
    with ExitStack() as stack:
        yield Cluster(stack.enter_context(api_server(BIN, folder)), folder, stack)


def main() -> None:
    """Start what was asked for, say how to use it, and wait to be ended."""
    options = _options()
    if lacking := missing():
        fail(f"not built: {', '.join(lacking)}", "make cluster builds it")
    try:
        with (
            unwinding_on(signal.SIGINT, signal.SIGTERM),
            _run_folder() as folder,
            cluster(folder) as running,
        ):
            _start(running, options.parts, options.plugin)
            _explain(running)
            signal.pause()
    except ClusterError as error:
        fail(str(error), "make cluster ARGS='--parts flux' starts less")
    except KeyboardInterrupt as interrupt:
        say("stopped")
        sys.exit(128 + interrupt.args[0])


def _start(running: Cluster, parts: Sequence[str], plugins: Sequence[Path]) -> None:
    say(f"API server at {running.api.url}")
    if "flux" in parts:
        say(f"Flux gets artifacts from {running.flux().url}")
    if "argocd" in parts:
        argocd = running.argocd()
        say(f"Argo CD in namespace {NAMESPACE}, with Redis at {argocd.redis.address}")
        for config in plugins:
            name = running.stack.enter_context(argocd.plugin(config, os.environ))
            say(f"plugin {name}, in this shell's environment")


def _options() -> argparse.Namespace:
    how = "Start a control plane on loopback. Options go through make as ARGS='--parts flux'."
    parser = argparse.ArgumentParser(prog="make cluster", description=how)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS, help="all by default")
    parser.add_argument("--plugin", nargs="*", type=Path, default=(), help="plugin.yaml files")
    return parser.parse_args()


@contextmanager
def _run_folder() -> Iterator[Path]:
    """The folder of the only control plane that make starts; the logs stay until the next."""
    folder = HOME / "run"
    with (HOME / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fail("another make cluster runs here", "stop it with Ctrl-C in its terminal")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder


def _explain(running: Cluster) -> None:
    print(
        f"\nexport KUBECONFIG={running.api.kubeconfig}\n"
        "kubectl get namespaces        # kubectl is yours; any client will do\n\n"
        f"Logs are in {running.folder}. There are no nodes: Pods do not start. Ctrl-C stops all.",
        flush=True,
    )


if __name__ == "__main__":
    main()
