"""Decrypt with the `sops` program. Its stderr may quote plaintext: it is matched, never shown."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from sopsmith.findings import Finding
from sopsmith.model import Engine, Opened, Sealed
from sopsmith.tools import process

OLDEST = (3, 11)
TELL_VERSION = ("--disable-version-check", "--version")
MOST_AT_ONCE = 16  # each takes some 35 MB; cpu_count knows no limit of a container

# What sops may see of our environment: where keys are, and nothing that changes what it does.
_PASSED = ("HOME", "XDG_CONFIG_HOME", "GNUPGHOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_KEYS = ("SOPS_AGE_KEY", "SOPS_AGE_SSH_PRIVATE_KEY")
_SERVICES = {
    "kms": ("AWS_",),
    "gcp_kms": ("GOOGLE_",),
    "azure_kv": ("AZURE_",),
    "hc_vault": ("VAULT_",),
    "hckms": ("HUAWEICLOUD_",),
    "pgp": ("SOPS_GPG_EXEC",),
}
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy")
_CHOSEN = {
    "LANG": "C.UTF-8",
    "NO_COLOR": "1",
    "GOTRACEBACK": "none",
    "GOGC": "200",  # no garbage collection during its start: 3 ms of 15, and no more memory
    "SOPS_DISABLE_VERSION_CHECK": "1",
}

# Constant texts of sops 3.11 to 3.13 (age/keysource.go), white space folded.
_LOCKED = ("could not read passphrase", "incorrect passphrase")
_UNREADABLE = ("failed to open SOPS_AGE_KEY_FILE",)
_NOT_A_KEY = ("failed to parse 'SOPS_AGE_KEY",)
_NO_IDENTITY = ("failed to load age identities",)

_CANNOT_DECRYPT, _NO_DATA_KEY, _MAC_MISMATCH, _PANIC = 25, 128, 51, 2


def engine(env: Mapping[str, str], key_types: frozenset[str], timeout: float) -> Engine:
    """An engine that runs one `sops decrypt` per file, all at once but for the cores' sake."""
    program = process.which("sops", env.get("PATH", ""))
    child_env = environment(env, key_types)

    @contextlib.contextmanager
    def begin(sealed: Sequence[Sealed]) -> Iterator[Callable[[], Sequence[Opened]]]:
        if program is None:
            yield lambda: [missing()] * len(sealed)
            return
        calls = [_call(program, each, child_env) for each in sealed]
        found = functools.cache(lambda: version(program, child_env))  # asked once, when one fails
        with process.started(calls, timeout, min(2 * (os.cpu_count() or 1), MOST_AT_ONCE)) as wait:
            yield lambda: [
                outcome(found, env, each, result, timeout)
                for each, result in zip(sealed, wait(), strict=True)
            ]

    return begin


def version(program: str, env: Mapping[str, str]) -> tuple[int, ...] | None:
    """The program's version, or None where it does not tell one."""
    return process.version((program, *TELL_VERSION), env)


def environment(env: Mapping[str, str], key_types: frozenset[str]) -> dict[str, str]:
    """The environment of the child: an allow-list, since SOPS_* variables outrank arguments."""
    prefixes = (*_KEYS, *(prefix for kind in key_types for prefix in _SERVICES.get(kind, ())))
    passing = _PASSED + (_PROXIES if key_types - {"age", "pgp"} else ())
    passed = {
        name: text
        for name, text in env.items()
        if text and (name in passing or name.startswith(prefixes))
    }
    folders = [f for f in env.get("PATH", "").split(os.pathsep) if os.path.isabs(f)]
    vault = {} if "hc_vault" in key_types else {"SOPS_HC_VAULT_ALLOWLIST": "none"}
    return {**passed, **_CHOSEN, **vault, "PATH": os.pathsep.join(folders)}


def _call(program: str, sealed: Sealed, env: Mapping[str, str]) -> process.Call:
    """The file goes in by stdin: the bytes that were checked are the bytes that are decrypted."""
    output = "binary" if sealed.component.whole else "json"
    flags = ("--input-type", sealed.format, "--output-type", output)
    return process.Call((program, "--config", "/dev/null", "decrypt", *flags), sealed.data, env)


def outcome(
    version_found: Callable[[], tuple[int, ...] | None],
    env: Mapping[str, str],
    sealed: Sealed,
    result: process.Done | process.Failed,
    timeout: float,
) -> Opened:
    """What a run of sops gave: its standard output, or why it failed, in our own words."""
    file = sealed.component.file
    if isinstance(result, process.Failed):
        return _failed(result, file, timeout)
    if result.status == 0:
        return result.stdout
    if result.status == _MAC_MISMATCH:
        hint = "restore it from git, and find out who changed it"
        return Finding("tampered", "its MAC does not fit its values", file, hint=hint)
    if result.status == _CANNOT_DECRYPT:
        hint = "restore it from git, and find out who changed it"
        return Finding("tampered", "a value does not decrypt where it stands", file, hint=hint)
    if result.status == _NO_DATA_KEY:
        return _no_key(sealed, result.stderr, env)
    if result.status < 0:
        message = f"sops was killed by signal {-result.status}"
        return Finding("program-failed", message, file)
    found = version_found()
    if found is not None and found < OLDEST:
        return too_old(found, file)
    panicked = result.status == _PANIC and (
        b"panic:" in result.stderr or b"goroutine" in result.stderr
    )
    message = "sops crashed" if panicked else f"sops failed with exit status {result.status}"
    hint = "run it by hand where its output may be seen: sops decrypt " + file
    return Finding("program-failed", message, file, hint=hint)


def missing() -> Finding:
    """No sops is there."""
    hint = "install sops 3.11 or newer; sopsmith doctor shows where it was looked for"
    message = "sops is not on PATH, or not executable"
    return Finding("program-missing", message, hint=hint)


def too_old(found: tuple[int, ...], file: str | None) -> Finding:
    """It is there, and older than what we rely on."""
    message = f"sops {'.'.join(map(str, found))} is too old"
    hint = f"install {'.'.join(map(str, OLDEST))} or newer; sopsmith doctor shows which one is used"
    return Finding("program-missing", message, file, hint=hint)


def _failed(result: process.Failed, file: str, timeout: float) -> Finding:
    if result.reason == "timeout":
        message = f"sops did not finish within {timeout:g} s and was ended"
        hint = "check the key source; SOPSMITH_SOPS_TIMEOUT sets the limit in seconds"
        return Finding("program-timeout", message, file, hint=hint)
    if result.reason == "not-startable":
        hint = "sopsmith doctor shows which one is used"
        return Finding("program-missing", "sops can't be started", file, hint=hint)
    return Finding("program-failed", "sops printed far too much and was ended", file)


def _no_key(sealed: Sealed, stderr: bytes, env: Mapping[str, str]) -> Finding:
    text = " ".join(stderr.decode("utf-8", "replace").replace("|", " ").split())
    key_file = env.get("SOPS_AGE_KEY_FILE", "")
    if any(phrase in text for phrase in _LOCKED):
        message = "the key is locked with a passphrase, and nobody is there to type it"
        hint = "give sops an unlocked key: SOPS_AGE_KEY_FILE, or SOPS_AGE_KEY_CMD"
    elif any(phrase in text for phrase in _UNREADABLE):
        message = "the key file in SOPS_AGE_KEY_FILE can't be read"
        hint = "check that the path is absolute and the file readable"
    elif any(phrase in text for phrase in _NOT_A_KEY):
        message = "what SOPS_AGE_KEY_FILE or SOPS_AGE_KEY names is no age private key"
        hint = "it holds a line that starts with AGE-SECRET-KEY-1"
    else:
        known = any(phrase in text for phrase in _NO_IDENTITY)
        message = "no private key is configured" if known else "none of the private keys fits"
        readers = ", ".join(sealed.recipients) or "keys of other kinds than age"
        hint = f"it is encrypted to {readers}; point SOPS_AGE_KEY_FILE at the private key of one"
        if known and key_file:
            message = "the key file in SOPS_AGE_KEY_FILE holds no private key"
            hint = f"it is encrypted to {readers}; put the private key of one there"
    if key_file and not os.path.isabs(key_file):
        hint += " (it is relative now, and kustomize runs functions in the overlay's folder)"
    return Finding("no-key", message, sealed.component.file, hint=hint)
