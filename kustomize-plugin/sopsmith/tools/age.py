"""Where age keys may come from on this machine. Key material is never read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple


class KeySource(NamedTuple):
    """One place where sops looks for a key."""

    name: str
    found: bool
    note: str


def key_sources(env: Mapping[str, str]) -> Iterator[KeySource]:
    """The places sops looks in, in its words (age/keysource.go)."""
    key_file = env.get("SOPS_AGE_KEY_FILE", "")
    yield KeySource("SOPS_AGE_KEY_FILE", *_file(key_file) if key_file else (False, "not set"))
    for name in ("SOPS_AGE_KEY", "SOPS_AGE_KEY_CMD", "SOPS_AGE_SSH_PRIVATE_KEY_FILE"):
        yield KeySource(name, bool(env.get(name)), "set" if env.get(name) else "not set")
    home = env.get("XDG_CONFIG_HOME") or os.path.join(env.get("HOME", ""), ".config")
    keys = os.path.join(home, "sops", "age", "keys.txt")
    yield KeySource("keys.txt", *(_file(keys) if os.path.exists(keys) else (False, f"no {keys}")))


def _file(path: str) -> tuple[bool, str]:
    if not os.path.isabs(path):
        return False, "is relative: kustomize runs functions in the overlay's folder"
    if not os.path.isfile(path):
        return False, f"{path} does not exist"
    if not os.access(path, os.R_OK):
        return False, f"{path} can't be read"
    others = os.stat(path).st_mode & 0o077
    return True, f"{path}{' (others on this machine can read it: chmod 600)' if others else ''}"
