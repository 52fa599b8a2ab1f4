"""The file of age identities that sops reads by default: new ones go behind those that are there.

It is outside every repository, readable for its owner alone, and nothing in it is ever lost: the
file is replaced in one step by one that holds all that it held. Half a key would lock its owner
out of everything, since sops refuses the whole file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Mapping
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import UNFINISHED, Sensitive

_LINE = re.compile(rb"\s*(#.*|AGE-(SECRET-KEY|PLUGIN)-[-0-9A-Z]+)?\s*\Z")
_MOST_BYTES = 1024 * 1024


class Identity(NamedTuple):
    """A private key, what tells whose it is, and its public half."""

    label: str  # one line
    recipient: str
    key: Sensitive


def location(env: Mapping[str, str]) -> str:
    """The absolute path of the file that sops reads (age/keysource.go).

    Raises SopsmithError (usage) where the environment names none, or a relative one.
    """
    stated = env.get("SOPS_AGE_KEY_FILE", "")
    if stated and not os.path.isabs(stated):
        message = "SOPS_AGE_KEY_FILE is relative; kustomize runs functions in the overlay's folder"
        raise SopsmithError(Finding("usage", message, hint="set it to an absolute path"))
    if stated:
        return stated
    home, config = env.get("HOME", ""), env.get("XDG_CONFIG_HOME", "")
    if not config and os.path.isabs(home):
        mac = sys.platform == "darwin"
        config = os.path.join(home, *(["Library", "Application Support"] if mac else [".config"]))
    if not os.path.isabs(config):
        hint = "set SOPS_AGE_KEY_FILE to the absolute path of a file outside the repository"
        raise SopsmithError(Finding("usage", "no folder for keys: HOME is not set", hint=hint))
    return os.path.join(config, "sops", "age", "keys.txt")


def label(app: str, environment: str, root: str) -> str:
    """The line that tells whose a key is: two repositories of one name never share one."""
    shown = "".join(char if char.isprintable() else "?" for char in root)
    return f"{app} {environment}, made by sopsmith init in {shown}"


def content(path: str) -> bytes:
    """The file's text; none where it is missing.

    Raises SopsmithError: file-unreadable; usage where it holds something else than identities.
    """
    try:
        return _present(path)
    except OSError as error:
        raise SopsmithError(_unreadable(error, path)) from None


def labelled(content: bytes) -> dict[str, str]:
    """The recipients that the text states, by the label above each."""
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    mark = "# public key: "
    return {
        label.removeprefix("# "): line.removeprefix(mark)
        for label, line in zip(lines, lines[2:], strict=False)
        if label.startswith("# ") and line.startswith(mark)
    }


def append(path: str, identities: list[Identity], day: str) -> None:
    """Put identities behind those that are there, all or none, and make the file its owner's alone.

    Raises SopsmithError: write-failed, write-conflict, and what `content` raises.
    """
    import fcntl

    folder = os.path.dirname(path)
    try:
        _make_folders(folder)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SopsmithError(_unwritten(error, path)) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two at once, and one's keys would be lost
        before = _present(path)
        gap = b"\n" if before and not before.endswith(b"\n") else b""
        after = before + gap + b"".join(_text(each, day) for each in identities)
        _replace(path, before, after)
    except OSError as error:
        raise SopsmithError(_unwritten(error, path)) from None
    finally:
        with contextlib.suppress(OSError):  # it is closed whatever it says
            os.close(lock)
    _make_durable(folder)


def _make_folders(folder: str) -> None:
    if not os.path.isdir(folder):
        _make_folders(os.path.dirname(folder))
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)


def _present(path: str) -> bytes:
    """What the file holds, nothing where there is none; raises what `content` raises."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    try:
        return _content(descriptor, path)
    finally:
        os.close(descriptor)


def _replace(path: str, before: bytes, after: bytes) -> None:
    """Write beside it, make it durable, look once more, rename."""
    fresh = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}{UNFINISHED}")
    with contextlib.suppress(FileNotFoundError):  # what a killed process left
        os.unlink(fresh)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(fresh, flags, 0o600)
        try:
            view = memoryview(after)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if _present(path) != before:
            message = "was changed by someone else meanwhile, and is left as it is now"
            raise SopsmithError(Finding("write-conflict", message, path, hint="run it again"))
        os.rename(fresh, path)
    finally:
        with contextlib.suppress(OSError):  # renamed, or never made
            os.unlink(fresh)


def _make_durable(folder: str) -> None:
    with contextlib.suppress(OSError):  # not every file system syncs folders
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _text(identity: Identity, day: str) -> bytes:
    head = f"# {identity.label}\n# created: {day}\n# public key: {identity.recipient}\n"
    return head.encode("utf-8", "surrogateescape") + identity.key.data() + b"\n"


def _content(descriptor: int, path: str) -> bytes:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise SopsmithError(Finding("usage", "is no regular file, so no place for keys", path))
    content = os.pread(descriptor, _MOST_BYTES, 0)
    if len(content) == _MOST_BYTES or not all(map(_LINE.match, content.split(b"\n"))):
        hint = "set SOPS_AGE_KEY_FILE to the absolute path of another file, which may be new"
        message = "holds something else than plain age identities, and is left as it is"
        raise SopsmithError(Finding("usage", message, path, hint=hint))
    return content


def _unreadable(error: OSError, path: str) -> Finding:
    if error.errno == errno.ELOOP:
        return Finding("usage", "is a symlink; name the file itself in SOPS_AGE_KEY_FILE", path)
    name = errno.errorcode.get(error.errno or 0)
    return Finding("file-unreadable", f"can't be read ({name})", path)


def _unwritten(error: OSError, path: str) -> Finding:
    if error.errno == errno.ELOOP:
        return _unreadable(error, path)
    name = errno.errorcode.get(error.errno or 0)
    hint = "set SOPS_AGE_KEY_FILE to the absolute path of a file that can be written"
    message = f"the private keys can't be written ({name}); nothing was made"
    return Finding("write-failed", message, path, hint=hint)
