"""Change encrypted files with the `sops` program, which never sees the files themselves.

sops writes in place, in one cut, without a lock: so it gets a copy that lives in memory, and what
it made of it comes back as bytes. Values go in by stdin, since argv is public on the machine.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Format, Sealed
from sopsmith.tools import process, sops

_NO_CONFIG = "/dev/null"
_CAN_INDENT = (3, 13)


class Writer(NamedTuple):
    """A sops that is there and new enough."""

    program: str
    env: Mapping[str, str]  # of the child
    ours: Mapping[str, str]  # of this process, for hints
    version: tuple[int, ...]
    timeout: float  # seconds of one call


def writer(env: Mapping[str, str], key_types: frozenset[str], timeout: float) -> Writer:
    """Find sops; raises SopsmithError (program-missing) where there is none of 3.11 or newer."""
    program = process.which("sops", env.get("PATH", ""))
    if program is None:
        raise SopsmithError(sops.missing())
    child = sops.environment(env, key_types)
    version = sops.version(program, child)
    if version is None:
        hint = "sopsmith doctor shows which one is used"
        raise SopsmithError(Finding("program-missing", "sops does not tell its version", hint=hint))
    if version < sops.OLDEST:
        raise SopsmithError(sops.too_old(version, None))
    return Writer(program, child, env, version, timeout)


def set_leaves(
    with_: Writer, sealed: Sealed, steps: Sequence[tuple[tuple[str, ...], str | None]]
) -> bytes:
    """Set or, where the text is None, remove leaves, and return the file's new text.

    sops keeps the ciphertexts of all others byte for byte (aes/cipher.go, stash).
    """
    formats = ("--input-type", sealed.format, "--output-type", sealed.format)
    with _copy(sealed.data) as copy:
        for path, text in steps:
            index = "".join(f'["{part}"]' for part in path)
            command = ("unset",) if text is None else ("set", "--value-stdin")
            stdin = b"" if text is None else json.dumps(text).encode()
            command = (*_indent(with_, sealed), *command, *formats, "--", copy.path, index)
            _run(with_, sealed, command, stdin, copy.descriptors)
        return copy.read()


def update_keys(with_: Writer, sealed: Sealed, rule: Mapping[str, Any]) -> bytes:
    """Wrap the data key for the keys of a creation rule, and return the file's new text.

    The data key stays, and so do all ciphertexts: who could read the file before still can.
    """
    anywhere = {name: value for name, value in rule.items() if name != "path_regex"}
    config = json.dumps({"creation_rules": [anywhere]}).encode()
    with _copy(sealed.data) as copy, _copy(config, after=copy) as rules:
        flags = ("--config", rules.path, *_indent(with_, sealed))
        command = ("updatekeys", "--yes", "--input-type", sealed.format, "--", copy.path)
        descriptors = copy.descriptors + rules.descriptors
        _run(with_, sealed, command, b"", descriptors, flags)
        return copy.read()


def rotate_data_key(with_: Writer, sealed: Sealed) -> bytes:
    """Encrypt everything under a new data key, for the same recipients; the file's new text."""
    formats = ("--input-type", sealed.format, "--output-type", sealed.format)
    with _copy(sealed.data) as copy:
        command = (*_indent(with_, sealed), "rotate", *formats, "--", copy.path)
        return _run(with_, sealed, command, b"", copy.descriptors)


def encrypt(with_: Writer, sealed: Sealed, given: Format, config: str, path: str) -> bytes:
    """Encrypt the plaintext in `sealed.data` by the creation rule of a path.

    `given` is the format of the plaintext, `config` and `path` are absolute. `sealed` only carries
    the text and the format that is wanted.
    """
    formats = ("--input-type", given, "--output-type", sealed.format)
    command = ("encrypt", *formats, "--filename-override", path)
    return _run(with_, sealed, command, sealed.data, (), ("--config", config))


def _run(
    with_: Writer,
    sealed: Sealed,
    command: Sequence[str],
    stdin: bytes,
    descriptors: tuple[int, ...],
    flags: Sequence[str] = ("--config", _NO_CONFIG),
) -> bytes:
    call = process.Call((with_.program, *flags, *command), stdin, with_.env, descriptors)
    result = process.run(call, with_.timeout)
    said = sops.outcome(lambda: with_.version, with_.ours, sealed, result, with_.timeout)
    if isinstance(said, Finding):
        raise SopsmithError(said)
    return said


def _indent(with_: Writer, sealed: Sealed) -> tuple[str, ...]:
    """Keep the file's own indentation, or sops would lay out the whole file anew."""
    found = re.search(rb"^sops:\n( +)|^\{\n( +)", sealed.data, re.MULTILINE)
    if found is None or with_.version < _CAN_INDENT or sealed.format == "dotenv":
        return ()
    return ("--indent", str(len(found[1] or found[2])))


class _Copy(NamedTuple):
    """A file in memory that sops can open by a path."""

    path: str  # for sops
    descriptors: tuple[int, ...]  # for sops
    file: int

    def read(self) -> bytes:
        """What stands in it now."""
        size = os.fstat(self.file).st_size
        return os.pread(self.file, size, 0)


@contextlib.contextmanager
def _copy(data: bytes, after: _Copy | None = None) -> Iterator[_Copy]:
    """A copy for sops to change; raises SopsmithError (write-failed) where there is no room."""
    try:
        with _made(data, after) as copy:
            yield copy
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0)
        message = f"the copy that sops changes can't be made ({name}); the file is as it was"
        raise SopsmithError(Finding("write-failed", message)) from None


@contextlib.contextmanager
def _made(data: bytes, after: _Copy | None) -> Iterator[_Copy]:
    """A copy without a name on Linux; elsewhere a file of mode 0600, which is ciphertext too."""
    if hasattr(os, "memfd_create") and os.path.isdir("/proc/self/fd"):
        descriptor = os.memfd_create("sopsmith")
        number = 3 + len(after.descriptors if after else ())
        path, descriptors, folder = f"/proc/self/fd/{number}", [descriptor], ""
    else:
        folder = tempfile.mkdtemp(prefix="sopsmith-")
        path, descriptors = os.path.join(folder, "copy"), []
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        yield _Copy(path, tuple(descriptors), descriptor)
    finally:
        os.close(descriptor)
        if folder:
            os.unlink(path)
            os.rmdir(folder)
