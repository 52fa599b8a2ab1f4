"""Where age keys may come from on this machine. Key material stays with `age-keygen`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sopsmith.tools import process


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


def _recipients(path: str, env: Mapping[str, str]) -> tuple[str, ...] | None:
    """The public halves of a key file's keys; None where age-keygen is missing."""
    program = process.which("age-keygen", env.get("PATH", ""))
    if program is None:
        return None
    result = process.run(process.Call((program, "-y", path), b"", {}), 10)
    if isinstance(result, process.Failed) or result.status != 0:
        return ()
    return tuple(result.stdout.decode("ascii", "replace").split())
