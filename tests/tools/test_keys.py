"""Which key opens a component, and which keys are never tried: a file must not choose whom we call.

sops takes a misspelt key group for one (Go folds case and makes a list of a map), so do we.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest

from sopsmith.components.sealed import DEMO_RECIPIENT
from tests.repository import Repo, Run

PTY = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository of an application with one given value."""
    repo.shop({"TOKEN": repo.canary()})
    return repo


def app(repo: Repo, file: str, recipient: str | None = None) -> None:
    """An application with one value in a component that is encrypted to the recipient."""
    repo.component(file, {"TOKEN": repo.canary()}, recipient=recipient)
    secrets = {"shop": {"keys": ["TOKEN"], "hash": False}}
    repo.leaf(components=[f"../{file}"], values={"TOKEN": {}}, secrets=secrets)


def stopped(run: Run, exit_code: int, codes: set[str], *texts: str) -> None:
    """The run ended with this exit code and some of these errors, and says these texts."""
    assert run.code == exit_code and run.codes and run.codes <= codes, run.err
    assert run.document["items"] == []
    assert [text for text in texts if text not in run.err] == []


# --- our own ----------------------------------------------------------------------------------


def test_no_key(shop: Repo) -> None:
    run = shop.function(SOPS_AGE_KEY_FILE=None)
    stopped(run, 3, {"no-key"}, "shop.enc.yaml: no private key is configured",
            f"hint: it is encrypted to {shop.recipient}; ", "SOPS_AGE_KEY_FILE")  # fmt: skip
    assert shop.kustomize(SOPS_AGE_KEY_FILE=None).code


def test_the_wrong_key(shop: Repo) -> None:
    other = shop.path.parent / "other.txt"
    subprocess.run(["age-keygen", "-o", str(other)], check=True, capture_output=True)
    shop.canary(other.read_text().split()[-1])
    stopped(shop.function(SOPS_AGE_KEY_FILE=str(other)), 3, {"no-key"},
            "none of the private keys fits", f"is encrypted to {shop.recipient}")  # fmt: skip


def test_the_key_itself_in_the_environment(shop: Repo) -> None:
    key = shop.canary(shop.key_file.read_text().split()[-1])
    assert shop.function(SOPS_AGE_KEY_FILE=None, SOPS_AGE_KEY=key).code == 0
    assert shop.function(SOPS_AGE_KEY_FILE=None, SOPS_AGE_KEY_CMD=f"cat {shop.key_file}").code == 0


@pytest.mark.parametrize("text", ["", "# created: 2026-11-29T00:00:00Z\n"])
def test_a_key_file_without_a_key(shop: Repo, text: str) -> None:
    """One is named, so that it is not named is no help."""
    file = shop.path.parent / "empty.txt"
    file.write_text(text)
    said = "the key file in SOPS_AGE_KEY_FILE holds no private key"
    hint = f"hint: it is encrypted to {shop.recipient}; put the private key of one there"
    stopped(shop.function(SOPS_AGE_KEY_FILE=str(file)), 3, {"no-key"}, said, hint)


def test_a_key_file_that_is_not_there(shop: Repo) -> None:
    run = shop.function(SOPS_AGE_KEY_FILE="/nowhere")
    stopped(run, 3, {"no-key"}, "SOPS_AGE_KEY", "can't be read",
            "hint: check that the path is absolute and the file readable")  # fmt: skip


@pytest.mark.parametrize("start", ["AGE-SECRET-KEY-1", "AGE-PLUGIN-EVIL-1", "ssh-ed25519 "])
def test_a_broken_key_is_not_shown(shop: Repo, start: str) -> None:
    key = start + shop.canary()
    stopped(shop.function(SOPS_AGE_KEY_FILE=None, SOPS_AGE_KEY=key), 3, {"no-key"})
    file = shop.path.parent / "broken.txt"
    file.write_text(key)
    stopped(shop.function(SOPS_AGE_KEY_FILE=str(file)), 3, {"no-key"})


def test_a_relative_key_file(shop: Repo) -> None:
    run = shop.function(SOPS_AGE_KEY_FILE=os.path.relpath(shop.key_file, shop.path))
    hint = "it is relative now, and kustomize runs functions in the overlay's folder"
    stopped(run, 3, {"no-key"}, hint)


def test_a_key_with_a_passphrase_is_not_asked_for(shop: Repo) -> None:
    locked = shop.path.parent / "locked.age"
    age = [sys.executable, "-c", PTY, "age", "-p", "-o", str(locked), str(shop.key_file)]
    subprocess.run(age, input=b"\n", check=True, capture_output=True)  # age makes a passphrase
    texts = ("the key is locked with a passphrase", "hint: give sops an unlocked key")
    stopped(shop.function(SOPS_AGE_KEY_FILE=str(locked)), 3, {"no-key"}, *texts)
    shop.env["SOPS_AGE_KEY_FILE"] = str(locked)  # the same where there is a terminal to ask on
    run = shop.run(sys.executable, "-c", PTY, "sopsmith", "render", "overlay")
    assert (run.code, [text for text in texts if text not in run.out]) == (3, [])


# --- of services ------------------------------------------------------------------------------


@contextmanager
def listener() -> Iterator[socket.socket]:
    """A port of this machine that notes who calls."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.setblocking(False)
        yield server


def called(server: socket.socket) -> bool:
    """Whether somebody called."""
    try:
        server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


def refusing(server: socket.socket) -> str:
    """What the next one says who calls; the answer is no."""
    server.settimeout(25)  # sops may take 30
    caller, _ = server.accept()
    with closing(caller):
        caller.settimeout(25)
        said = caller.recv(65536).decode()
        caller.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
    return said


def vault(server: socket.socket) -> dict[str, str]:
    """A key of hc_vault at the listener."""
    address = f"http://127.0.0.1:{server.getsockname()[1]}"
    where = {"vault_address": address, "engine_path": "transit", "key_name": "k"}
    return {**where, "created_at": "2026-01-01T00:00:00Z", "enc": "vault:v1:AAAA"}


def metadata(repo: Repo, file: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the sops metadata of a JSON component."""
    tree = json.loads((repo.path / file).read_text())
    edit(tree["sops"])
    repo.write(file, json.dumps(tree))


SPELLINGS: dict[str, Callable[[str, Any], dict[str, Any]]] = {
    "a-list": lambda kind, key: {kind: [key]},
    "one-map": lambda kind, key: {kind: key},
    "other-case": lambda kind, key: {kind.title(): [key]},
    "a-group": lambda kind, key: {"key_groups": [{kind: [key]}]},
    "one-group": lambda kind, key: {"key_groups": {kind: [key]}},
    "group-in-other-case": lambda kind, key: {"Key_Groups": [{kind: [key]}]},
    "kind-in-other-case": lambda kind, key: {"key_groups": [{kind.upper(): [key]}]},
    "field-in-other-case": lambda kind, key: {kind: [{f.title(): t for f, t in key.items()}]},
}


@pytest.mark.parametrize("suffix", ["json", "yaml"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_no_file_makes_us_call_a_service(repo: Repo, suffix: str, spelling: Any) -> None:
    app(repo, f"a.{suffix}")
    repo.component("a.json", {"TOKEN": repo.canary()})
    with listener() as server:
        keys = spelling("hc_vault", vault(server))
        metadata(repo, "a.json", lambda sops: (sops.pop("age"), sops.update(keys)))
        repo.write(f"a.{suffix}", (repo.path / "a.json").read_text())
        stopped(repo.function(VAULT_TOKEN=repo.canary()), 5, {"foreign-key-type", "tampered"})
        assert not called(server)


@pytest.mark.parametrize(
    "prefix",
    ["hc_vault__list_0__map_", "hc_vault__map_", "HC_VAULT__list_0__map_",
     "key_groups__list_0__map_hc_vault__list_0__map_", "key_groups__map_hc_vault__map_"],
)  # fmt: skip
def test_no_dotenv_makes_us_call_a_service(repo: Repo, prefix: str) -> None:
    app(repo, "a.env")
    with listener() as server:
        lines = "".join(f"sops_{prefix}{key}={text}\n" for key, text in vault(server).items())
        repo.edit("a.env", lambda text: re.sub("(?m)^sops_age.*\n", "", text) + lines)
        stopped(repo.function(VAULT_TOKEN=repo.canary()), 5, {"foreign-key-type", "tampered"})
        assert not called(server)


def test_a_service_is_called_only_where_the_operator_says_so(repo: Repo) -> None:
    app(repo, "a.json")
    with listener() as server:
        metadata(repo, "a.json", lambda sops: sops.update(age=[], hc_vault=[vault(server)]))
        hint = "hint: set SOPSMITH_KEY_TYPES=hc_vault where you trust these services"
        stopped(repo.function(), 5, {"foreign-key-type"}, hint)
        assert not called(server)
        repo.env["SOPSMITH_KEY_TYPES"] = "age, hc_vault"
        token = repo.canary()
        with ThreadPoolExecutor() as pool:
            run = pool.submit(repo.function, VAULT_TOKEN=token)
            assert token in refusing(server)
        assert run.result().code == 3


@pytest.mark.parametrize("kind", ["pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"])
def test_every_foreign_kind_is_named(repo: Repo, kind: str) -> None:
    app(repo, "a.json")
    metadata(repo, "a.json", lambda sops: sops.update({kind: [{"enc": "x"}]}))
    stopped(repo.function(), 5, {"foreign-key-type"}, f"names keys of the kind {kind}")
    assert repo.kustomize().code


def test_an_unknown_kind_in_the_setting_is_wrong_usage(shop: Repo) -> None:
    run = shop.function(SOPSMITH_KEY_TYPES="age,vault")
    stopped(run, 2, {"usage"}, "known kinds: age, pgp, kms, gcp_kms, azure_kv, hc_vault, hckms")


# --- of everyone ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["yaml", "json", "env"])
def test_the_demo_key_needs_leave(repo: Repo, suffix: str) -> None:
    app(repo, f"a.{suffix}", f"{DEMO_RECIPIENT},{repo.recipient}")
    stopped(repo.function(), 5, {"demo-key"}, "is encrypted to the demo key, which everyone has",
            "only the example sets SOPSMITH_ALLOW_DEMO_KEY=1")  # fmt: skip
    assert repo.kustomize().code
    assert repo.function(SOPSMITH_ALLOW_DEMO_KEY="yes").code == 5
    assert repo.function(SOPSMITH_ALLOW_DEMO_KEY="1").code == 0
    assert repo.kustomize(SOPSMITH_ALLOW_DEMO_KEY="1").code == 0


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_the_demo_key_can_not_hide(repo: Repo, spelling: Any) -> None:
    app(repo, "a.json", DEMO_RECIPIENT)
    metadata(repo, "a.json", lambda sops: sops.update(spelling("age", sops.pop("age")[0])))
    stopped(repo.function(), 5, {"demo-key", "tampered"})


def test_the_demo_key_can_not_hide_in_a_dotenv(repo: Repo) -> None:
    app(repo, "a.env", DEMO_RECIPIENT)
    group = "sops_key_groups__list_0__map_age__"
    repo.edit("a.env", lambda text: text.replace("sops_age__", group))
    stopped(repo.function(), 5, {"demo-key"})
