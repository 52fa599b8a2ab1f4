"""age keys: where they may come from on this machine, and new ones, by `age-keygen`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Sensitive
from sopsmith.tools import process

_TIMEOUT = 10  # seconds


class KeySource(NamedTuple):
    """One place where sops looks for a key."""

    name: str
    found: bool
    note: str


def key_sources(env: Mapping[str, str], demo_recipient: str) -> Iterator[KeySource]:
    """The places sops looks in, in its words (age/keysource.go)."""
    key_file = env.get("SOPS_AGE_KEY_FILE", "")
    if key_file:
        yield KeySource("SOPS_AGE_KEY_FILE", *_file(key_file, env, demo_recipient))
    else:
        yield KeySource("SOPS_AGE_KEY_FILE", False, "not set")
    for name in ("SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"):
        yield KeySource(name, bool(env.get(name)), "set" if env.get(name) else "not set")
    home = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", ""), ".config")
    keys = os.path.join(home, "sops", "age", "keys.txt")
    if os.path.exists(keys):
        yield KeySource("keys.txt", *_file(keys, env, demo_recipient))
    else:
        yield KeySource("keys.txt", False, f"no {keys}")


def _file(path: str, env: Mapping[str, str], demo_recipient: str) -> tuple[bool, str]:
    if not os.path.isabs(path):
        return False, "is relative: kustomize runs functions in the overlay's folder"
    if not os.path.isfile(path):
        return False, f"{path} does not exist"
    if not os.access(path, os.R_OK):
        return False, f"{path} can't be read"
    recipients = _recipients(path, env)
    if recipients == ():
        return False, f"{path} holds no age private key, or a locked one"
    if demo_recipient in (recipients or ()) and env.get("SOPSMITH_ALLOW_DEMO_KEY") != "1":
        return False, f"{path} is the demo key, which needs SOPSMITH_ALLOW_DEMO_KEY=1"
    readable = " (others can read it: chmod 600)" if os.stat(path).st_mode & 0o077 else ""
    return True, f"{path}{readable}, for {', '.join(recipients or ('?',))}"


def new_identity(env: Mapping[str, str]) -> Sensitive:
    """A new age identity, one line without its end; it is on no disk.

    Raises SopsmithError: program-missing, program-timeout, program-failed.
    """
    printed = _keygen(env, (), b"")
    lines = [line for line in printed.splitlines() if line.startswith(b"AGE-SECRET-KEY-")]
    if len(lines) != 1:
        raise SopsmithError(Finding("program-failed", "age-keygen printed no age identity"))
    return Sensitive(lines[0].decode("ascii"))


def recipient_of(identity: Sensitive, env: Mapping[str, str]) -> str:
    """The public half of an age identity.

    Raises SopsmithError: program-missing, program-timeout, program-failed (it is none).
    """
    return _keygen(env, ("-y",), identity.data() + b"\n").decode("ascii", "replace").strip()


def _keygen(env: Mapping[str, str], arguments: tuple[str, ...], stdin: bytes) -> bytes:
    program = process.which("age-keygen", env.get("PATH", ""))
    if program is None:
        hint = "install age (sopsmith doctor shows what is found)"
        raise SopsmithError(Finding("program-missing", "age-keygen is not on PATH", hint=hint))
    result = process.run(process.Call((program, *arguments), stdin, {}), _TIMEOUT)
    if isinstance(result, process.Failed):
        code = "program-timeout" if result.reason == "timeout" else "program-failed"
        raise SopsmithError(Finding(code, "age-keygen did not end by itself"))
    if result.status != 0:
        message = f"age-keygen failed with exit status {result.status}"
        raise SopsmithError(Finding("program-failed", message))
    return result.stdout


def _recipients(path: str, env: Mapping[str, str]) -> tuple[str, ...] | None:
    """The public halves of a key file's keys; None where age-keygen is missing."""
    program = process.which("age-keygen", env.get("PATH", ""))
    if program is None:
        return None
    result = process.run(process.Call((program, "-y", path), b"", {}), _TIMEOUT)
    if isinstance(result, process.Failed) or result.status != 0:
        return ()
    return tuple(result.stdout.decode("ascii", "replace").split())
