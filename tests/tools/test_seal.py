"""`sopsmith seal`: what Flux makes of a sealed folder is what kustomize makes of the recipe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests import flux
from tests.e2e.test_round_trip import ANYTHING, AWKWARD, FILES
from tests.repository import Repo

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend}
spec:
  selector: {matchLabels: {app: backend}}
  template:
    metadata: {labels: {app: backend}}
    spec:
      containers:
        - {name: backend, image: backend, envFrom: [{secretRef: {name: shop}}]}
"""
SEAL = ("seal", "overlay", "-o", "flux/secrets")
PEM = "-----BEGIN PRIVATE KEY-----\nMIIB+/aZ=\n-----END PRIVATE KEY-----\n"


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """An application whose overlay has a Deployment, and the same overlay for Flux."""
    rules = [{"path_regex": r"^(flux/.*|.*\.enc(\.(yaml|env))?)$", "age": repo.recipient}]
    repo.write(".sops.yaml", json.dumps({"creation_rules": rules}))
    repo.write("base/kustomization.yaml", "resources: [backend.yaml]\n")
    repo.write("base/backend.yaml", DEPLOYMENT)
    repo.write("flux/kustomization.yaml", "resources: [../base, secrets]\nnamespace: shop\n")
    return repo


def application(repo: Repo, given: dict[str, str], **spec: Any) -> None:
    values = dict.fromkeys(given, ANYTHING)
    repo.shop(given, **{"values": values} | spec)
    overlay = "resources: [../base]\ngenerators: [recipe.yaml]\nnamespace: shop\n"
    repo.write("overlay/kustomization.yaml", overlay)


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def is_the_same_for_flux(repo: Repo) -> None:
    """The whole build: objects, hashed names, references, data."""
    expected = repo.kustomize().manifests
    copy = repo.path.parent / "artifact"  # Flux writes plaintext into a copy of its own
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(repo.path, copy)
    flux.decrypted(repo, copy / "flux/secrets")
    assert flux.built(repo, str(copy / "flux")).manifests == expected
    shutil.rmtree(copy)


# --- exactness ------------------------------------------------------------------------------------


def test_flux_builds_the_same_objects_with_the_same_names(shop: Repo) -> None:
    application(
        shop, {"TOKEN": shop.canary(), "KEY": PEM},
        secrets={
            "shop": {"keys": ["TOKEN"], "data": {"tls.key": "KEY"}, "labels": {"a": "1e5"},
                     "annotations": {"note": 'x: "y" ☃'}},
            "db": {"name": "shop-db", "hash": False, "immutable": True,
                   "data": {"password": "TOKEN"}, "type": "kubernetes.io/basic-auth"},
            "other": {"namespace": "elsewhere", "keys": ["TOKEN"], "hash": False},
        },
    )  # fmt: skip
    shop.edit("flux/kustomization.yaml", lambda text: text.replace("namespace: shop\n", ""))
    shop.edit("overlay/kustomization.yaml", lambda text: text.replace("namespace: shop\n", ""))
    assert shop.cli(*SEAL).code == 0
    is_the_same_for_flux(shop)


def test_every_awkward_string_comes_through_byte_for_byte(shop: Repo) -> None:
    texts = {f"T{n}": text for n, text in enumerate(AWKWARD.values()) if "\0" not in text}
    del texts[next(name for name, text in texts.items() if "mac: ENC[" in text)]  # next test
    application(shop, {"PLAIN": "x"}, secrets={"shop": {"keys": ["PLAIN", *texts]}},
                values={"PLAIN": {}} | dict.fromkeys(texts, ANYTHING),
                components=["../shop.enc.yaml", "../texts.enc.yaml"])  # fmt: skip
    shop.component("texts.enc.yaml", texts)
    done = shop.cli(*SEAL)
    assert done.code == 0, done.err
    is_the_same_for_flux(shop)


def test_every_awkward_file_comes_through_whatever_its_key_is_called(shop: Repo) -> None:
    endings = (".yaml", ".yml", ".json", ".env", ".ini", ".dockerconfigjson", ".bin")
    small = [content for content in FILES.values() if content and len(content) < 10_000]
    files = {f"F{n}": content for n, content in enumerate(small)}
    for name, content in files.items():
        shop.component(f"{name}.enc", content)
    names = list(files)
    data = {f"key{n}{ending}": names[n % len(names)] for n, ending in enumerate(endings * 2)}
    application(
        shop, {"PLAIN": "x"}, values={"PLAIN": {}} | dict.fromkeys(files, ANYTHING),
        components=["../shop.enc.yaml", *({"path": f"../{n}.enc", "as": n} for n in files)],
        secrets={"shop": {"keys": ["PLAIN"], "data": data}},
    )  # fmt: skip
    assert shop.cli(*SEAL).code == 0
    is_the_same_for_flux(shop)


@pytest.mark.parametrize("text", ["[sopsy] and [sops]", "sops:\n  mac: ENC[]\n"])
def test_what_flux_would_decrypt_once_more_is_refused(shop: Repo, text: str) -> None:
    application(shop, {"NOTES": text, "TOKEN": shop.canary()})
    done = shop.cli(*SEAL)
    assert (done.code, "looks-encrypted" in done.codes) == (1, True)
    assert not (shop.path / "flux/secrets").exists()


def test_a_component_merges_into_the_secret_of_who_lists_it(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()},
                secrets={"shop": {"keys": ["TOKEN"], "behavior": "merge"}})  # fmt: skip
    generator = "secretGenerator: [{name: shop, literals: [A=b]}]\n"
    shop.edit("overlay/kustomization.yaml", lambda text: text + generator)
    listed = "resources: [../base]\ncomponents: [secrets]\nnamespace: shop\n"
    shop.write("flux/kustomization.yaml", listed + generator)
    assert shop.cli(*SEAL, "--component").code == 0
    is_the_same_for_flux(shop)


# --- stability ------------------------------------------------------------------------------------


def test_sealing_again_changes_no_byte(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM})
    assert shop.cli(*SEAL).code == 0
    before = snapshot(shop.path / "flux")
    done = shop.cli(*SEAL)
    assert (done.code, done.out) == (0, "3 files sealed already: nothing changed\n")
    assert snapshot(shop.path / "flux") == before


def test_one_changed_value_is_one_changed_line_in_one_file(shop: Repo) -> None:
    given = {"TOKEN": shop.canary(), "KEY": PEM, "OTHER": shop.canary()}
    secrets = {"a": {"keys": ["TOKEN", "OTHER"]}, "b": {"keys": ["OTHER"]}}
    application(shop, given, secrets=secrets)
    assert shop.cli(*SEAL).code == 0
    before = snapshot(shop.path / "flux")
    application(shop, given | {"TOKEN": shop.canary()}, secrets=secrets)
    done = shop.cli(*SEAL, "--output", "json")
    after = snapshot(shop.path / "flux")
    file = "secrets/a/values.enc.env"
    assert [name for name in after if after[name] != before[name]] == [file]
    pairs = zip(before[file].splitlines(), after[file].splitlines(), strict=True)
    changed = [new.split(b"=")[0] for old, new in pairs if old != new]
    assert changed == [b"TOKEN", b"sops_lastmodified", b"sops_mac"]
    rows = [each for each in done.document["files"] if each["state"] != "unchanged"]
    assert rows == [{"file": f"flux/{file}", "secret": "a", "state": "changed", "keys": ["TOKEN"]}]
    is_the_same_for_flux(shop)


def test_what_the_recipe_emits_no_more_goes(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM},
                secrets={"a": {"keys": ["TOKEN", "KEY"]}, "b": {"keys": ["TOKEN"]}})  # fmt: skip
    assert shop.cli(*SEAL).code == 0
    application(shop, {"TOKEN": shop.canary()}, secrets={"a": {"keys": ["TOKEN"]}})
    assert shop.cli(*SEAL).code == 0
    assert set(snapshot(shop.path / "flux/secrets")) == {"a/values.enc.env", "kustomization.yaml"}
    is_the_same_for_flux(shop)


def test_files_of_others_are_left_alone(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    mine = shop.write("flux/secrets/README.md", "mine")
    assert shop.cli(*SEAL).code == 0
    assert mine.read_text() == "mine"
    shop.write("elsewhere/kustomization.yaml", "resources: []\n")
    done = shop.cli("seal", "overlay", "-o", "elsewhere")
    assert (done.code, done.codes) == (2, {"usage"})


# --- --check --------------------------------------------------------------------------------------


def test_check_is_silent_where_all_is_sealed_and_names_what_is_not(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    done = shop.cli(*SEAL, "--check")
    assert done.code == 1 and "flux/secrets/shop/values.enc.env: is missing" in done.out
    assert not (shop.path / "flux/secrets").exists()
    assert shop.cli(*SEAL).code == 0
    assert shop.cli(*SEAL, "--check").code == 0
    application(shop, {"TOKEN": shop.canary()})
    done = shop.cli(*SEAL, "--check")
    assert done.code == 1
    assert "flux/secrets/shop/values.enc.env: is not what the recipe gives: TOKEN" in done.out
    assert "hint: sopsmith seal overlay -o 'flux/secrets'" in done.out


def test_check_finds_files_that_other_readers_could_open(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    another = shop.run("age-keygen").err.split()[-1]
    shop.edit(
        ".sops.yaml", lambda text: text.replace(shop.recipient, f"{shop.recipient},{another}")
    )
    done = shop.cli(*SEAL, "--check")
    assert done.code == 1 and "[recipients-differ]" in done.out
    assert shop.cli(*SEAL).codes == {"recipients-differ"}


# --- what stops it --------------------------------------------------------------------------------


def test_a_broken_recipe_seals_nothing(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    before = snapshot(shop.path / "flux")
    application(shop, {"TOKEN": "CHANGE_ME"}, values={"TOKEN": {}})
    assert shop.cli(*SEAL).code == 1
    assert snapshot(shop.path / "flux") == before


def test_a_sealed_file_that_was_tampered_with_is_refused(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    shop.edit(
        "flux/secrets/shop/values.enc.env", lambda text: text.replace(",type:str]", ",type:st]", 1)
    )
    for more in ((), ("--check",)):
        done = shop.cli(*SEAL, *more)
        assert (done.code, done.codes) == (5, {"tampered"})


def test_two_overlays_need_two_folders(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    shutil.copytree(shop.path / "overlay", shop.path / "second")
    done = shop.cli("seal", "overlay", "second", "-o", "flux/secrets")
    assert (done.code, done.codes) == (2, {"usage"})
    shop.edit("second/recipe.yaml", lambda text: text.replace('"production"', '"staging"'))
    shop.edit("second/recipe.yaml", lambda text: text.replace("../shop.enc", "../second.enc"))
    shop.component("second.enc.yaml", {"TOKEN": shop.canary()}, environment="staging")
    shop.edit(
        "second/recipe.yaml",
        lambda text: text.replace(json.dumps(shop.seeds(), indent=1)[2:-2].strip(), ""),
    )
    done = shop.cli("seal", "overlay", "second", "-o", "flux/$(environment)/secrets")
    assert done.code == 0, done.err
    assert (shop.path / "flux/staging/secrets/shop/values.enc.env").exists()


@pytest.mark.parametrize("directory", ["../outside", "/tmp", ".", "$(nothing)", "flux/../.."])
def test_a_folder_outside_or_of_no_name_is_refused(shop: Repo, directory: str) -> None:
    application(shop, {"TOKEN": shop.canary()})
    done = shop.cli("seal", "overlay", "-o", directory)
    assert done.code in (2, 5) and done.codes <= {"usage", "path-refused"}


def test_it_commits_what_it_sealed(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        shop.run("git", "config", key, text)
    assert shop.cli(*SEAL, "--commit").code == 0
    told = shop.run("git", "log", "-1", "--name-only", "--format=%B").out
    assert told.startswith("secrets(production): seal shop\n")
    assert "flux/secrets/kustomization.yaml" in told and "overlay" not in told
