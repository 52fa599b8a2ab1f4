"""`sopsmith seal`: what Flux makes of a sealed folder is what kustomize makes of the recipe."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
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


def test_what_a_dotenv_line_can_not_hold_is_a_file_of_its_own(shop: Repo) -> None:
    """A long line, sops' own names, and names that sops would leave in plaintext."""
    long = shop.canary("x" * 70_000)
    keys = ("sops_x", "sops", "Sops", "PIN_unencrypted")
    given = {"TOKEN": shop.canary(), "LONG": long}
    application(shop, given, secrets={
        "shop": {"keys": list(given), "data": dict.fromkeys(keys, "TOKEN")}
    })  # fmt: skip
    assert shop.cli(*SEAL).code == 0
    is_the_same_for_flux(shop)
    files = {f.name for f in (shop.path / "flux/secrets/shop").iterdir()}
    assert files == {"values.enc.env", "LONG.enc", *(f"{key}.enc" for key in keys)}


def test_what_a_rule_of_its_own_leaves_in_plaintext_is_refused(shop: Repo) -> None:
    rule = '"unencrypted_suffix": "_open", "age"'
    shop.edit(".sops.yaml", lambda text: text.replace('"age"', rule))
    application(shop, {"TOKEN": shop.canary()}, secrets={"shop": {"data": {"pin_open": "TOKEN"}}})
    assert shop.cli(*SEAL).codes == {"would-be-plaintext"}
    application(
        shop, {"TOKEN": shop.canary()}, secrets={"shop": {"data": {"pin_unencrypted": "TOKEN"}}}
    )
    assert shop.cli(*SEAL).code == 0
    is_the_same_for_flux(shop)


def test_files_come_through_a_component_whatever_their_keys_are_called(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM}, secrets={
        "shop": {"data": {"app.yaml": "KEY", "app.json": "KEY", "token": "TOKEN"}}
    })  # fmt: skip
    listed = "resources: [../base]\ncomponents: [secrets]\nnamespace: shop\n"
    shop.write("flux/kustomization.yaml", listed)
    assert shop.cli(*SEAL, "--component").code == 0
    is_the_same_for_flux(shop)


# --- without decryption ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["Kustomization", "Component"])
def test_who_builds_it_without_decryption_gets_an_error(shop: Repo, kind: str) -> None:
    """Argo CD without the plugin, kubectl -k, Flux without spec.decryption."""
    application(shop, {"TOKEN": shop.canary()}, secrets={
        "z": {"keys": ["TOKEN"], "namespace": "elsewhere"}, "shop": {"keys": ["TOKEN"]}
    })  # fmt: skip
    shop.edit("flux/kustomization.yaml", lambda text: text.replace("namespace: shop\n", ""))
    shop.edit("overlay/kustomization.yaml", lambda text: text.replace("namespace: shop\n", ""))
    if kind == "Component":
        shop.write("flux/kustomization.yaml", "resources: [../base]\ncomponents: [secrets]\n")
    flag = "--component" if kind == "Component" else "--no-component"
    assert shop.cli(*SEAL, flag).code == 0
    assert f"kind: {kind}\n" in (shop.path / "flux/secrets/kustomization.yaml").read_text()
    done = flux.built(shop, "flux")
    assert done.code != 0 and done.out == ""
    is_the_same_for_flux(shop)


def test_the_guard_follows_the_secret_that_it_finds(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()}, secrets={"a": {"keys": ["TOKEN"]}})
    assert shop.cli(*SEAL).code == 0
    application(shop, {"TOKEN": shop.canary()}, secrets={"b": {"keys": ["TOKEN"]}})
    assert "flux/secrets/guard.enc.yaml" in shop.cli(*SEAL, "--check").out
    assert shop.cli(*SEAL).code == 0
    is_the_same_for_flux(shop)


def test_the_guard_is_never_plaintext(shop: Repo) -> None:
    """A rule for manifests leaves its kind in plaintext, and then it would guard nothing."""
    rule = '"encrypted_regex": "^(TOKEN|data)$", "age"'
    shop.edit(".sops.yaml", lambda text: text.replace('"age"', rule))
    application(shop, {"TOKEN": shop.canary()})
    done = shop.cli(*SEAL)
    assert done.codes == {"would-be-plaintext"}
    assert not (shop.path / "flux/secrets").exists()


# --- stability ------------------------------------------------------------------------------------


def test_sealing_again_changes_no_byte(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM})
    assert shop.cli(*SEAL).code == 0
    before = snapshot(shop.path / "flux")
    done = shop.cli(*SEAL)
    assert (done.code, done.out) == (0, "4 files sealed already: nothing changed\n")
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
    # What sops says of the time is the same within one second.
    assert set(changed) - {b"sops_lastmodified"} == {b"TOKEN", b"sops_mac"}
    rows = [each for each in done.document["files"] if each["state"] != "unchanged"]
    assert rows == [{"file": f"flux/{file}", "secret": "a", "state": "changed", "keys": ["TOKEN"]}]
    is_the_same_for_flux(shop)


def test_what_the_recipe_emits_no_more_goes(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM},
                secrets={"a": {"keys": ["TOKEN", "KEY"]}, "b": {"keys": ["TOKEN"]}})  # fmt: skip
    assert shop.cli(*SEAL).code == 0
    application(shop, {"TOKEN": shop.canary()}, secrets={"a": {"keys": ["TOKEN"]}})
    assert shop.cli(*SEAL).code == 0
    left = {"a/values.enc.env", "guard.enc.yaml", "kustomization.yaml"}
    assert set(snapshot(shop.path / "flux/secrets")) == left
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


def sealed_twice(repo: Repo) -> None:
    """Two Secrets, and then the recipe gives one of them."""
    application(repo, {"TOKEN": repo.canary(), "KEY": PEM},
                secrets={"a": {"keys": ["TOKEN"]}, "b": {"keys": ["TOKEN", "KEY"]}})  # fmt: skip
    assert repo.cli(*SEAL).code == 0
    application(repo, {"TOKEN": repo.canary()}, secrets={"a": {"keys": ["TOKEN"]}})


def test_encrypted_files_of_others_are_left_alone(shop: Repo) -> None:
    sealed_twice(shop)
    mine = [shop.component(f"flux/secrets/{name}", b"mine") for name in ("b/my.enc", "c/mine.enc")]
    mine.append(shop.component("flux/secrets/c/values.enc.env", {"A": "b"}))
    assert shop.cli(*SEAL).code == 0
    assert all(each.exists() for each in mine)
    assert not (shop.path / "flux/secrets/b/KEY.enc").exists()
    is_the_same_for_flux(shop)


def test_what_is_called_like_a_sealed_file_and_is_none_is_left_alone(shop: Repo) -> None:
    sealed_twice(shop)
    target = shop.write("elsewhere.txt", "mine")
    (shop.path / "flux/secrets/b/KEY.enc").unlink()
    (shop.path / "flux/secrets/b/KEY.enc").symlink_to(target)
    (shop.path / "flux/secrets/b/values.enc.env").unlink()
    (shop.path / "flux/secrets/b/values.enc.env").mkdir()
    (shop.path / "flux/secrets/a/stray.enc").symlink_to("nowhere")
    done = shop.cli(*SEAL)
    assert done.code == 0, done.err
    assert target.read_text() == "mine" and (shop.path / "flux/secrets/b/KEY.enc").is_symlink()


def test_nothing_is_written_through_a_link(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    (shop.path / "flux/secrets/shop").rename(shop.path / "theirs")
    (shop.path / "flux/secrets/shop").symlink_to("../../theirs")
    done = shop.cli(*SEAL)
    assert (done.code, done.codes) == (5, {"path-refused"})


def test_a_folder_with_files_of_others_is_not_begun(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    for name in ("README.md", "b/other.enc", "shop/values.enc.env"):
        shop.component(f"flux/secrets/{name}", {"TOKEN": "theirs"}) if name.endswith(".env") else (
            shop.write(f"flux/secrets/{name}", "theirs")
        )
        before = snapshot(shop.path / "flux")
        done = shop.cli(*SEAL)
        assert (done.code, done.codes, name in done.err) == (2, {"usage"}, True)
        assert snapshot(shop.path / "flux") == before
        (shop.path / "flux/secrets" / name).unlink()
    assert shop.cli(*SEAL).code == 0


@pytest.mark.parametrize("line", [
    'envs: ["../../shop.enc.yaml"]', 'files: ["x=/etc/passwd"]', 'files: ["x=b/../../a.enc"]',
    'files: ["x=../a.enc"]', 'envs: ["b/other.txt"]', "<<<<<<< ours",
])  # fmt: skip
def test_a_kustomization_that_somebody_changed_decides_nothing(shop: Repo, line: str) -> None:
    sealed_twice(shop)
    file = "flux/secrets/kustomization.yaml"
    shop.edit(file, lambda text: text.replace('envs: ["b/values.enc.env"]', line))
    before = snapshot(shop.path)
    done = shop.cli(*SEAL)
    assert (done.code, done.codes) == (2, {"usage"})
    assert snapshot(shop.path) == before


# --- killed at any point --------------------------------------------------------------------------


KILLED = """\
import sys, os, signal
from sopsmith import cli
from sopsmith.tools import replace

left = int(sys.argv.pop(1))

def killing(step):
    def stepped(*args, **kwargs):
        global left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return step(*args, **kwargs)
    return stepped

replace.replace, replace.remove = killing(replace.replace), killing(replace.remove)
sys.exit(cli.main())
"""


@pytest.mark.parametrize("steps", range(6))
def test_a_seal_that_is_killed_goes_on_with_the_next(shop: Repo, steps: int) -> None:
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM},
                secrets={"a": {"keys": ["TOKEN"]}, "b": {"keys": ["TOKEN", "KEY"]}})  # fmt: skip
    killed = (sys.executable, "-c", KILLED, str(steps), *SEAL)
    assert shop.run(*killed).code == (-9 if steps < 5 else 0)
    assert shop.cli(*SEAL).code == 0
    is_the_same_for_flux(shop)


@pytest.mark.parametrize("steps", range(6))
def test_what_is_to_go_goes_after_a_kill_too(shop: Repo, steps: int) -> None:
    sealed_twice(shop)
    application(shop, {"TOKEN": shop.canary()}, secrets={"c": {"keys": ["TOKEN"]}})
    assert shop.run(sys.executable, "-c", KILLED, str(steps), *SEAL).code == -9
    assert shop.cli(*SEAL).code == 0
    left = {"c/values.enc.env", "guard.enc.yaml", "kustomization.yaml"}
    assert set(snapshot(shop.path / "flux/secrets")) == left
    is_the_same_for_flux(shop)


def test_two_at_once_are_one_after_the_other(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM})
    main = "import sys; from sopsmith import cli; sys.exit(cli.main())"
    command = [sys.executable, "-c", main, *SEAL]
    both = [subprocess.Popen(command, cwd=shop.path, env=shop.env, stdout=subprocess.DEVNULL)
            for _ in range(2)]  # fmt: skip
    assert [each.wait(120) for each in both] == [0, 0]
    is_the_same_for_flux(shop)


# --- whose folder it is ---------------------------------------------------------------------------


@pytest.mark.parametrize("changed", [{"environment": "staging"}, {"app": "other"}])
def test_a_folder_takes_nobody_elses_secrets(shop: Repo, changed: dict[str, str]) -> None:
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    before = snapshot(shop.path / "flux")
    shop.component("shop.enc.yaml", {"TOKEN": shop.canary()},
                   environment=changed.get("environment", "production"))  # fmt: skip
    spec: dict[str, Any] = {"components": ["../shop.enc.yaml"], "values": {"TOKEN": {}},
                            "secrets": {"shop": {"keys": ["TOKEN"]}}}  # fmt: skip
    shop.leaf(**spec | changed)
    for more in ((), ("--check",), ("--component",)):
        done = shop.cli(*SEAL, *more)
        assert (done.code, done.codes) == (5, {"wrong-environment"}), done.err
    assert snapshot(shop.path / "flux") == before


def test_a_folder_stays_a_component_until_told(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    kustomization = shop.path / "flux/secrets/kustomization.yaml"
    assert (
        "seal overlay -o flux/secrets --component\n"
        in shop.cli(*SEAL, "--check", "--component").out
    )
    for more, kind in (
        (["--component"], "Component"), ([], "Component"), (["--no-component"], "Kustomization"),
        ([], "Kustomization"), (["--component"], "Component"),
    ):  # fmt: skip
        assert shop.cli(*SEAL, *more).code == 0
        assert f"kind: {kind}\n" in kustomization.read_text()
    assert shop.cli(*SEAL, "--check").code == 0
    done = shop.cli(*SEAL, "--check", "--no-component")
    assert "seal overlay -o flux/secrets --no-component\n" in done.out


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
    assert "hint: sopsmith seal overlay -o flux/secrets\n" in done.out


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


def test_a_check_has_nothing_to_commit(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    done = shop.cli(*SEAL, "--check", "--commit")
    assert (done.code, done.codes) == (2, {"usage"})


def test_its_hint_is_a_command_for_a_shell(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    shutil.copytree(shop.path / "overlay", shop.path / "my overlay")
    done = shop.cli("seal", "my overlay", "-o", "flux/it's/$(environment)", "--check")
    command = done.out.split("hint: ")[1].splitlines()[0]
    assert shop.run("sh", "-c", command).code == 0
    assert (shop.path / "flux/it's/production/shop/values.enc.env").exists()


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


def test_it_says_what_it_did_not_commit_and_takes_it_along(shop: Repo) -> None:
    given = {"TOKEN": shop.canary()}
    application(shop, given, secrets={"a": {"keys": ["TOKEN"]}, "b": {"keys": ["TOKEN"]}})
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        shop.run("git", "config", key, text)
    assert shop.cli(*SEAL).code == 0
    done = shop.cli(*SEAL, "--commit")
    assert "not committed yet: " in done.out and "flux/secrets/kustomization.yaml" in done.out
    application(shop, given, secrets={"a": {"keys": ["TOKEN"]}})
    assert shop.cli(*SEAL, "--commit").code == 0
    names = {f"flux/secrets/{name}" for name in snapshot(shop.path / "flux/secrets")}
    assert set(shop.run("git", "ls-files", "flux/secrets").out.split()) == names
    assert "not committed" not in shop.cli(*SEAL, "--commit").out


# --- the rule that it needs -----------------------------------------------------------------------


def test_without_a_rule_every_way_in_gives_the_one_to_add(shop: Repo) -> None:
    rule = {"path_regex": r"^shop\.enc\.yaml$", "age": shop.recipient}
    application(shop, {"TOKEN": shop.canary(), "KEY": PEM})
    assert shop.cli("seal", "overlay", "-o", "flux/a+b").code == 0
    shop.write(".sops.yaml", json.dumps({"creation_rules": [rule]}))
    hints = set()
    for folder in ("a+b", "e+f"):  # there already, and new
        for more in ((), ("--check",)):
            done = shop.cli("seal", "overlay", "-o", f"flux/{folder}", *more)
            told = done.err + done.out
            assert done.code and "rule-missing" in told and shop.recipient in told
            hint = told.split("[rule-missing]")[1].split("there: ")[1].splitlines()[0]
            hints.add(hint.replace(folder.replace("+", "\\+"), "FOLDER"))
    assert len(hints) == 1
    added = hints.pop().replace("FOLDER", r"a\+b")
    shop.write(".sops.yaml", f"creation_rules:\n  {added}\n")
    assert shop.cli("seal", "overlay", "-o", "flux/a+b", "--check").code == 0
    assert shop.cli("seal", "overlay", "-o", "flux/e+f").codes == {"rule-missing"}


@pytest.mark.parametrize("key", ["0", "1e3", "true", "null", "0x1F", "2024-01-01", "1.5"])
def test_a_key_that_would_break_fluxs_build_is_refused(shop: Repo, key: str) -> None:
    application(shop, {"TOKEN": shop.canary()}, secrets={"shop": {"data": {key: "TOKEN"}}})
    done = shop.cli(*SEAL)
    assert (done.code, done.codes) == (1, {"flux-name"})


def test_a_comment_in_a_sealed_file_is_refused(shop: Repo) -> None:
    """sops hands it on decrypted, line breaks and all, and no MAC covers it."""
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    cipher = "#ENC[AES256_GCM,data:AAAA,iv:AAAA,tag:AAAA,type:comment]\n"
    shop.edit("flux/secrets/shop/values.enc.env", lambda text: cipher + text)
    for more in ((), ("--check",)):
        assert shop.cli(*SEAL, *more).codes == {"tampered"}


def test_a_second_kustomization_beside_ours_is_named(shop: Repo) -> None:
    application(shop, {"TOKEN": shop.canary()})
    assert shop.cli(*SEAL).code == 0
    shop.write("flux/secrets/Kustomization", "resources: []\n")
    assert shop.cli(*SEAL, "--check").codes == {"usage"}


# --- what else knows of a sealed folder -----------------------------------------------------------


@pytest.fixture
def two(shop: Repo) -> Repo:
    """Two environments with a rule and a sealed folder each."""
    names = ("production", "staging")
    rules = [{"path_regex": f"^(flux/)?{name}[/.]", "age": shop.recipient} for name in names]
    shop.write(".sops.yaml", json.dumps({"creation_rules": rules}))
    for name in names:
        shop.component(f"{name}.enc.yaml", {"TOKEN": shop.canary(), "SOPSMITH_SEED_1": shop.seed},
                       environment=name)  # fmt: skip
        shop.leaf(
            f"overlays/{name}", environment=name, components=[f"../../{name}.enc.yaml"],
            seeds=shop.seeds(name), secrets={"shop": {"keys": ["TOKEN", "MADE"]}},
            values={"TOKEN": {}, "MADE": {"generate": {"password": {}}}},
        )  # fmt: skip
        shop.write(f"overlays/{name}/kustomization.yaml", GUARDED)
        shop.write(f"overlays/{name}/guard.yaml", GUARD)
    sealed = shop.cli("seal", *(f"overlays/{n}" for n in names), "-o", "flux/$(environment)")
    assert sealed.code == 0, sealed.err
    return shop


GUARDED = "generators: [recipe.yaml]\npatches: [{path: guard.yaml}]\n"
GUARD = "apiVersion: v1\nkind: Secret\nmetadata: {name: shop, labels: {a: b}}\n"


def readers(repo: Repo) -> dict[str, list[str]]:
    rows = repo.cli("recipients", "--output", "json").document
    return {each["file"]: each["readers"] for each in rows}


def test_a_reader_of_an_environment_is_one_of_its_sealed_folder(two: Repo) -> None:
    another = two.run("age-keygen").err.split()[-1]
    of = ("-e", "production", "--yes")
    for verb in ("add", "remove"):
        done = two.cli("recipients", verb, another, *of)
        assert done.code == 0, done.err
        for file, who in readers(two).items():
            assert (another in who) is (verb == "add" and "production" in file), file
    assert "flux/production/shop/values.enc.env  TOKEN" in done.out
    assert "sopsmith rotate MADE -e production" in done.out
    assert "guard.enc.yaml  " not in done.out
    assert two.cli("seal", "overlays/production", "-o", "flux/production", "--check").code == 0


def test_sync_of_an_environment_brings_its_sealed_folder_in_line(two: Repo) -> None:
    another = two.run("age-keygen").err.split()[-1]
    both = f'"{two.recipient},{another}"'
    two.edit(".sops.yaml", lambda text: text.replace(f'"{two.recipient}"', both))
    assert two.cli("recipients", "sync", "-e", "production", "--yes").code == 0
    for file, who in readers(two).items():
        assert (another in who) is ("production" in file), file


def test_validate_warns_of_a_folder_that_is_behind(two: Repo) -> None:
    assert "sealed-behind" not in two.cli("validate").out
    two.component("production.enc.yaml", {"TOKEN": two.canary(), "SOPSMITH_SEED_1": two.seed})
    for paths in ((), ("overlays/production",)):
        done = two.cli("validate", *paths)
        assert done.code == 0 and done.out.count("[sealed-behind]") == 1, done.out
        assert "warning: flux/production/kustomization.yaml" in done.out
        command = "sopsmith seal overlays/production -o flux/production"
        assert f"hint: {command}\n" in done.out
    assert "sealed-behind" not in two.cli("validate", "overlays/staging").out
    assert two.run(*command.split()).code == 0
    assert "sealed-behind" not in two.cli("validate").out


def test_validate_needs_no_git_for_it(two: Repo) -> None:
    shutil.rmtree(two.path / ".git")
    done = two.cli("validate", "overlays/production", SOPSMITH_ROOT=str(two.path))
    assert done.code == 0, done.err + done.out


def test_validate_is_silent_where_no_key_opens_the_folder(two: Repo) -> None:
    two.component("production.enc.yaml", {"TOKEN": two.canary(), "SOPSMITH_SEED_1": two.seed})
    another = two.run("age-keygen").err.split()[-1]
    two.edit(".sops.yaml", lambda text: text.replace(two.recipient, another))
    for file in (two.path / "flux/production").rglob("*.enc*"):
        two.run("sops", "updatekeys", "--yes", str(file.relative_to(two.path)))
    assert "sealed-behind" not in two.cli("validate").out


@pytest.mark.parametrize("more", [("MADE",), ("--seed",)])
def test_rotate_says_what_is_to_be_sealed(two: Repo, more: tuple[str, ...]) -> None:
    done = two.cli("rotate", *more, "-e", "production", "--yes")
    assert done.code == 0, done.err
    assert "next: sopsmith seal overlays/production -o flux/production\n" in done.out
    assert "flux/staging" not in done.out
