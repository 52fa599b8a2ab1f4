"""A real control plane on loopback, started once, in parts as tests ask for them."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest

from ci.cluster.api import Api
from ci.cluster.argocd import NAMESPACE, ArgoCD
from ci.cluster.build import missing
from ci.cluster.control_plane import Cluster, cluster
from ci.cluster.flux import Flux
from ci.cluster.kind import kind_cluster
from ci.cluster.nodes import Ended, nodes, ran
from ci.cluster.processes import ClusterError, unwinding_on
from tests.cluster import platform
from tests.programs import needed
from tests.repository import ROOT
from tests.servers import LOUD, Server, server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kind", action="store_true", help="in kind: see `make e2e-kind`")


@pytest.fixture(scope="session")
def control_plane(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Cluster]:
    """What runs; every part writes its log and its scratch files into its folder."""
    if lacking := missing():
        pytest.skip(f"make cluster builds what is missing: {', '.join(lacking)}")
    folder = tmp_path_factory.mktemp("cluster")
    with unwinding_on(signal.SIGTERM), ExitStack() as stack:
        if request.config.getoption("--kind", default=False):
            try:
                running = stack.enter_context(kind_cluster(folder))
            except ClusterError as error:
                pytest.skip(str(error))
        else:
            running = stack.enter_context(cluster(folder))
        yield running


@pytest.fixture
def workloads(control_plane: Cluster) -> Iterator[list[Ended]]:
    """Who waits for the platform's workloads sees them run, also where there are no nodes.

    What came of its Jobs, which really run there.
    """
    if control_plane.has_nodes:
        yield []
    else:
        api = control_plane.api
        with nodes(api, platform.NAMESPACE, partial(ran, api)) as ended:
            yield ended


@pytest.fixture
def database(control_plane: Cluster) -> Iterator[Server | None]:
    """A server in the place of the platform's, loud; none where a node runs that one."""
    if control_plane.has_nodes:
        yield None
    else:
        with server(needed(18), settings=LOUD) as started:
            yield started


@pytest.fixture(scope="session")
def api(control_plane: Cluster) -> Api:
    """The API server, with one user who may do all."""
    return control_plane.api


@pytest.fixture(scope="session")
def flux(control_plane: Cluster) -> Flux:
    """Flux's kustomize-controller."""
    return control_plane.flux()


@pytest.fixture(scope="session")
def argocd(control_plane: Cluster) -> ArgoCD:
    """Argo CD's controllers; each test starts the plugin that it needs."""
    return control_plane.argocd()


@pytest.fixture
def namespace(api: Api, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own, named like it, with the demo key for Flux."""
    name = request.node.name.removeprefix("test_").replace("_", "-").strip("-")[:60].lower()
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    api.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "sops-age", "namespace": name},
            "stringData": {"demo.agekey": (ROOT / "secrets/demo-only.agekey").read_text()},
        }
    )
    yield name
    for app in api.list("Application") if "Application" in api.kinds() else ():
        if app["spec"]["destination"]["namespace"] == name:  # it would heal what is deleted
            api.delete("Application", app["metadata"]["name"], NAMESPACE)
    api.delete("Namespace", name)
