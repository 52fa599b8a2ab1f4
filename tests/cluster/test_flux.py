"""A commit becomes an applied Secret through the real kustomize-controller."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest
import yaml

from ci.cluster.api import Api, Manifest
from ci.cluster.control_plane import Cluster
from ci.cluster.flux import Flux
from ci.cluster.processes import beside, wait_until
from tests.cluster import platform
from tests.cluster.platform import NAMESPACE, backend, live
from tests.cluster.silence import heard
from tests.repository import ROOT, Repo
from tests.servers import Server

pytestmark = pytest.mark.usefixtures("workloads")
NAME, DATABASE = "platform-production", "platform-production-database"


@pytest.fixture
def repo(
    control_plane: Cluster, flux: Flux, api: Api, database: Server | None, tmp_path: Path
) -> Iterator[Repo]:
    """The platform, sealed, applied and ready; nothing of it is heard anywhere in the end."""
    (tmp_path / "home").mkdir()
    repo = platform.checkout(tmp_path, database)
    for each in (
        {"kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"kind": "Secret", "metadata": {"name": "sops-age", "namespace": NAMESPACE},
         "stringData": {"demo.agekey": platform.KEY.read_text()}},
    ):  # fmt: skip
        api.apply({"apiVersion": "v1", **each})
    api.apply(*kustomizations())
    platform.built(repo)
    if database:
        seal(repo)  # another host than the example's
    assert deliver(flux, repo)["status"] == "True"
    yield repo
    assert heard(control_plane, repo.canaries) == []
    for name in (NAME, DATABASE):
        api.delete("Kustomization", name, NAMESPACE)
    wait_until(lambda: not api.list("Kustomization", NAMESPACE), "them to be gone")
    api.delete("Namespace", NAMESPACE)
    platform.gone(api)
    assert list(repo.singing()) == []


def kustomizations() -> list[Manifest]:
    """Those that are shipped, in the namespace of the test."""
    shipped = yaml.safe_load_all((ROOT / "ci/flux/platform.yaml").read_text())
    found = [each for each in shipped if each["kind"] == "Kustomization"]
    for each in found:
        each["metadata"]["namespace"] = NAMESPACE
    assert [each["metadata"]["name"] for each in found] == [DATABASE, NAME]
    return found


def deliver(flux: Flux, repo: Repo) -> Manifest:
    """Hand over what was pushed last, and wait for the Ready condition: the first that is false."""
    tree = platform.pushed(repo, repo.path.parent / "artifact")
    revision = flux.publish(tree, "platform", NAMESPACE)
    ready = flux.reconciled(DATABASE, revision, NAMESPACE)
    return flux.reconciled(NAME, revision, NAMESPACE) if ready["status"] == "True" else ready


def seal(repo: Repo) -> None:
    assert repo.cli(*platform.SEAL).code == 0
    platform.push(repo)


def test_the_cluster_has_what_kustomize_builds_with_the_function(api: Api, repo: Repo) -> None:
    expected = platform.built(repo)
    decoded = {name: {key: base64.b64decode(text) for key, text in data.items()}
               for name, data in live(api).items()}  # fmt: skip
    assert decoded == expected.built
    assert backend(api) in decoded and backend(api).startswith("backend-")


def test_a_rotation_gives_a_new_name_before_the_old_one_goes(
    api: Api, flux: Flux, repo: Repo
) -> None:
    before = backend(api)
    assert repo.cli("rotate", "POSTGRES_PASSWORD", "-e", "production", "--commit").code == 0
    seal(repo)
    with watched(api) as (looks, missing):
        assert deliver(flux, repo)["status"] == "True"
    expected = platform.built(repo)
    assert backend(api) != before and backend(api) in expected.built
    wait_until(lambda: before not in live(api), f"{before} to be pruned")
    assert {before, backend(api)} == set(looks) and missing == []


@contextmanager
def watched(api: Api) -> Iterator[tuple[list[str], list[str]]]:
    """Look all the time, last at the end, whether the Secret that the Deployment reads is there.

    The names that it had, and those of them that were not there.
    """
    looks = [backend(api)]
    missing: list[str] = []

    def look(over: Event) -> None:
        is_last = False
        while not is_last:
            is_last = over.is_set()
            looks.append(name := backend(api))
            if name not in live(api) and backend(api) == name:
                missing.append(name)

    with beside(look):
        yield looks, missing


@pytest.mark.parametrize(
    "change",
    [
        ("JWT_SECRET=ENC[AES256_GCM,data:", "JWT_SECRET=ENC[AES256_GCM,data:AAAA"),
        ("JWT_SECRET=", "JWT_SECREX="),
        ("BEGIN AGE ENCRYPTED FILE", "BEGIN AGE ENCRYPTED FIL"),
    ],
    ids=["value", "key", "recipient"],
)
def test_a_tampered_file_is_reported_and_the_live_secret_untouched(
    api: Api, flux: Flux, repo: Repo, change: tuple[str, str]
) -> None:
    before = api.list("Secret", NAMESPACE)
    file = f"{platform.SEALED}/backend/values.enc.env"
    repo.edit(file, lambda text: text.replace(*change, 1))
    platform.commit(repo)
    ready = deliver(flux, repo)
    assert ready["status"] == "False" and "decrypt" in ready["message"]
    assert [each["metadata"]["resourceVersion"] for each in api.list("Secret", NAMESPACE)] == [
        each["metadata"]["resourceVersion"] for each in before
    ]


def test_without_decryption_nothing_is_applied(api: Api, flux: Flux, repo: Repo) -> None:
    """The guard that was sealed along fails the build, or ciphertext would be live."""
    before = live(api)
    for name in (DATABASE, NAME):
        api.patch("Kustomization", name, {"spec": {"decryption": None}}, NAMESPACE)
    repo.edit("overlays/base/backend.yaml", lambda text: text.replace("replicas: 2", "replicas: 3"))
    platform.commit(repo)
    assert deliver(flux, repo)["status"] == "False"
    assert live(api) == before


def test_a_change_by_hand_is_healed(api: Api, flux: Flux, repo: Repo) -> None:
    before = live(api)
    name = backend(api)
    api.patch("Secret", name, {"data": {"JWT_SECRET": "aGFuZA=="}}, NAMESPACE)
    api.delete("Secret", "postgres", NAMESPACE)
    for each in (DATABASE, NAME):
        flux.reconcile(each, NAMESPACE)
    assert json.dumps(live(api), sort_keys=True) == json.dumps(before, sort_keys=True)
