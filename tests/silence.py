"""What a session left behind: the secrets that it drew, and all that git keeps of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

_PUBLIC = ("SOPSMITH_ENVIRONMENT", "GOOGLE_CLIENT_ID")


def drawn(folder: Path, env: Mapping[str, str]) -> Iterator[str]:
    """Every seed and every value that a commit ever stored, and the private keys of the user."""
    keyring = Path(env["HOME"], ".config/sops/age/keys.txt").read_text()
    yield from re.findall("AGE-SECRET-KEY-1[0-9A-Z]+", keyring)
    listed = _git(folder, "rev-list", "--objects", "--all").decode()
    for line in listed.splitlines():
        blob, _, file = line.partition(" ")
        if file.endswith(".enc.yaml"):
            yield from _values(_git(folder, "cat-file", "blob", blob), env)


def _values(ciphertext: bytes, env: Mapping[str, str]) -> Iterator[str]:
    flags = ("--input-type", "yaml", "--output-type", "dotenv")
    opened = subprocess.run(["sops", "decrypt", *flags], input=ciphertext, env=env,
                            capture_output=True)  # fmt: skip
    for line in opened.stdout.decode().splitlines():
        name, _, value = line.partition("=")
        if name not in _PUBLIC:
            yield from (part for part in value.split("\\n") if len(part) > 20
                        and not part.startswith("-----"))  # fmt: skip


def kept_by_git(folder: Path) -> bytes:
    """Every object, decompressed, and the reflog."""
    objects = _git(folder, "cat-file", "--batch", "--batch-all-objects", "--buffer")
    return objects + _git(folder, "reflog", "--all")


def _git(folder: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout
