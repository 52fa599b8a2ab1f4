"""A rotation through Argo CD and through Flux: the database accepts the new password before the
backend gets it, and where it does not, the backend keeps what it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest

from ci.cluster.api import Api, Manifest
from ci.cluster.argocd import ArgoCD
from ci.cluster.flux import Flux
from ci.cluster.nodes import Ended, ran
from ci.cluster.processes import wait_until
from tests import servers
from tests.cluster import platform, test_argocd, test_flux
from tests.cluster.platform import NAMESPACE, backend, database_url
from tests.repository import Repo, Run
from tests.servers import Server

clone, flux_repo = test_argocd.clone, test_flux.repo  # fixtures


class Delivery(NamedTuple):
    """A way of what is committed into the cluster."""

    repo: Repo
    begin: Callable[[], str]  # hand over what is committed; the revision
    done: Callable[[str], None]  # wait until all of it is there
    failed: Callable[[str], str]  # wait until it is given up; what is said about it
    again: Callable[[], None]  # what has to happen before it is tried once more


@pytest.fixture
def local(database: Server | None) -> Server:
    """The database, where a test may do with it what it likes."""
    return database or pytest.skip("a node runs the database")


@pytest.fixture(params=["argocd", "flux"])
def delivery(request: pytest.FixtureRequest, api: Api, local: Server) -> Iterator[Delivery]:
    """The platform, delivered once; neither the database nor a Job's log has heard a value."""
    ended: list[Ended] = request.getfixturevalue("workloads")
    way = by_argocd if request.param == "argocd" else by_flux
    with way(request) as made:
        yield made
        platform.built(made.repo)
        made.repo.runs += [Run(each.code, each.said, "") for each in ended]
        assert servers.heard(local, made.repo.canaries) == []


@contextmanager
def by_argocd(request: pytest.FixtureRequest) -> Iterator[Delivery]:
    """Argo CD with the plugin."""
    argocd: ArgoCD = request.getfixturevalue("argocd")
    repo: Repo = request.getfixturevalue("clone")

    def begin() -> str:
        revision = platform.push(repo)
        argocd.refresh(test_argocd.NAME)
        return revision

    def failed(revision: str) -> str:
        def ask() -> str | None:
            state = argocd.app(test_argocd.NAME)["status"].get("operationState", {})
            result = state.get("syncResult", {})
            jobs = [each for each in result.get("resources", ()) if each["kind"] == "Job"]
            is_over = result.get("revision") == revision and jobs and "Failed" in str(jobs)
            return f"{state['message']} {jobs}" if is_over else None

        return wait_until(ask, "the sync to fail", lambda: argocd.app(test_argocd.NAME))

    def done(revision: str) -> None:
        argocd.synced(test_argocd.NAME, revision, seconds=300)

    with test_argocd.started(argocd, test_argocd.SIDECAR):
        test_argocd.follow(argocd, repo)
        done(platform.push(repo))
        yield Delivery(repo, begin, done, failed, lambda: None)  # it tries by itself


@contextmanager
def by_flux(request: pytest.FixtureRequest) -> Iterator[Delivery]:
    """Flux with sealed files."""
    flux: Flux = request.getfixturevalue("flux")
    repo: Repo = request.getfixturevalue("flux_repo")

    def begin() -> str:
        test_flux.seal(repo)
        tree = platform.pushed(repo, repo.path.parent / "artifact")
        return flux.publish(tree, "platform", NAMESPACE)

    def done(revision: str) -> None:
        for name in (test_flux.DATABASE, test_flux.NAME):
            ready = flux.reconciled(name, revision, NAMESPACE, seconds=300)
            assert ready["status"] == "True", ready

    def failed(revision: str) -> str:
        ready = flux.reconciled(test_flux.DATABASE, revision, NAMESPACE)
        assert ready["status"] == "False", ready
        return str(ready["message"])

    def again() -> None:
        flux.api.delete("Job", "database", NAMESPACE)  # as a cluster does when its hour is over
        flux.reconcile(test_flux.DATABASE, NAMESPACE)

    yield Delivery(repo, begin, done, failed, again)


def rotate(repo: Repo) -> None:
    done = repo.cli("rotate", "POSTGRES_PASSWORD", "-e", "production", "--commit")
    assert done.code == 0, done.err


def role(url: str) -> str:
    """The user of a URL."""
    return url.partition("://")[2].partition(":")[0]


def version(api: Api) -> Manifest:
    """What the Deployment is, and the Secret that it reads."""
    deployment = api.get("Deployment", "backend", NAMESPACE) or {}
    secret = api.get("Secret", backend(api), NAMESPACE) or {}
    return {"spec": deployment["spec"], "data": secret["data"]}


def test_a_rotation_ends_with_both_roles_logging_in(
    api: Api, delivery: Delivery, local: Server
) -> None:
    """The pods that still hold the former password go on, and new ones have the new one."""
    before = database_url(api)
    rotate(delivery.repo)
    assert local.login(before) and role(before) == "reconciliation_a"
    delivery.done(delivery.begin())
    after = database_url(api)
    assert role(after) == "reconciliation_b"
    assert local.login(after) == local.login(before) == ("reconciliation_owner", "reconciliation")


def test_the_job_makes_right_what_the_database_has_wrong(
    api: Api, delivery: Delivery, local: Server, workloads: list[Ended]
) -> None:
    """The next role has a password that nobody knows, and is closed, as after a retirement."""
    local.change("reconciliation_b", delivery.repo.canary())
    rotate(delivery.repo)
    delivery.done(delivery.begin())
    assert local.login(database_url(api))
    assert "changed  reconciliation_b gets the password of POSTGRES_PASSWORD version 4" in (
        workloads[-1].said
    )


def test_an_unreachable_database_keeps_the_backend_as_it_is(
    api: Api, delivery: Delivery, local: Server, workloads: list[Ended]
) -> None:
    """And once it can be reached, the next try does what is left."""
    before = version(api)
    local.stop()
    rotate(delivery.repo)
    revision = delivery.begin()
    assert "database" in delivery.failed(revision)
    assert "[db-unreachable]" in workloads[-1].said and "hint: " in workloads[-1].said
    assert version(api) == before
    local.start()
    delivery.again()
    delivery.done(revision)
    assert role(database_url(api)) == "reconciliation_b" and local.login(database_url(api))


def test_a_refused_change_keeps_the_backend_as_it_is(
    api: Api, delivery: Delivery, local: Server, workloads: list[Ended]
) -> None:
    """A second rotation, while pods may hold the role that it would change: until it is retired."""
    rotate(delivery.repo)
    delivery.done(delivery.begin())
    before = version(api)
    rotate(delivery.repo)
    revision = delivery.begin()
    assert "database" in delivery.failed(revision)
    assert workloads[-1].code == 5 and "[db-in-use]" in workloads[-1].said
    assert "reconciliation_a is open with another password" in workloads[-1].said
    assert "sopsmith postgres retire" in workloads[-1].said
    assert version(api) == before and local.login(database_url(api))
    retired = retire(api)
    assert retired and f"looking into the namespace {NAMESPACE}" in retired.said
    assert retired.said.endswith("changed  reconciliation_a is closed\n")
    delivery.again()
    delivery.done(revision)
    assert role(database_url(api)) == "reconciliation_a" and local.login(database_url(api))


def retire(api: Api) -> Ended | None:
    """What the CronJob does at night, with a shorter grace, from outside the cluster."""
    cronjob = api.get("CronJob", "database-retire", NAMESPACE) or {}
    spec = cronjob["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    container["command"][-1:] = ["1s", "--namespace", NAMESPACE]
    job = {"metadata": cronjob["metadata"], "spec": spec}
    return ran(api, job, KUBECONFIG=str(api.kubeconfig))
