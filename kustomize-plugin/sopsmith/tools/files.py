"""Files under the root, and nothing outside it."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import BinaryIO, Literal

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import MOST_BYTES, Read

_OVERLAP = 64 * 1024  # bytes; an even number, for UTF-16


def find_root(folder: str, env: Mapping[str, str]) -> str:
    """The folder that bounds all reading: SOPSMITH_ROOT, or the nearest ancestor with `.git`.

    Raises SopsmithError (path-refused) where there is none, or the folder is not inside it.
    """
    folder = os.path.realpath(folder)
    stated = env.get("SOPSMITH_ROOT")
    if stated:
        root = os.path.realpath(stated)
        if not os.path.isabs(stated) or not os.path.isdir(root) or not is_inside(folder, root):
            message = "SOPSMITH_ROOT is no absolute path of a folder that holds the recipe"
            raise SopsmithError(Finding("path-refused", message))
        return root
    candidate = folder
    while not os.path.exists(os.path.join(candidate, ".git")):
        if candidate == os.path.dirname(candidate):
            hint = (
                "run in a git checkout, or set SOPSMITH_ROOT to the folder that bounds all reading"
            )
            raise SopsmithError(
                Finding("path-refused", "no root: no ancestor holds .git", hint=hint)
            )
        candidate = os.path.dirname(candidate)
    return candidate


def relative(folder: str, root: str) -> str:
    """A folder's path relative to the root, `` for the root itself."""
    path = os.path.relpath(os.path.realpath(folder), root)
    return "" if path == "." else os.fsencode(path).decode("utf-8", "surrogateescape")


def reader(root: str) -> Read:
    """The function that reads a file below the root, by its relative path, up to MOST_BYTES.

    Symlinks are resolved first; then every folder on the way is opened from the one above it
    without following links, so nothing swapped in between leads outside.
    Raises SopsmithError: path-refused, file-unreadable.
    """

    def read(file: str) -> bytes:
        with _opened(root, file) as stream:
            return stream.read(MOST_BYTES)

    return read


def named(path: str) -> bytes:
    """A file that somebody names, wherever it is, up to MOST_BYTES.

    Raises SopsmithError (file-unreadable).
    """
    try:
        with open(path, "rb") as stream:
            return stream.read(MOST_BYTES)
    except OSError as error:
        raise SopsmithError(_trouble(error, path)) from None


def beyond(root: str) -> Callable[[str], Iterator[bytes]]:
    """The function that reads what of a file lies behind MOST_BYTES, in pieces of that size.

    Each starts with the end of the one before, so that what is looked for is whole in one of them.
    Raises what `reader` does.
    """

    def pieces(file: str) -> Iterator[bytes]:
        with _opened(root, file) as stream:
            end = stream.read(MOST_BYTES)[-_OVERLAP:]
            while piece := stream.read(MOST_BYTES):
                yield end + piece
                end = (end + piece)[-_OVERLAP:]

    return pieces


@contextlib.contextmanager
def _opened(root: str, file: str) -> Iterator[BinaryIO]:
    try:
        name = os.fsdecode(file.encode("utf-8", "surrogateescape"))  # whatever the locale
        real = os.path.realpath(os.path.join(root, name), strict=True)
        if not is_inside(real, root):
            raise SopsmithError(Finding("path-refused", "leads outside the root", file))
        if not stat.S_ISREG(os.stat(real).st_mode):  # opening a device can have effects
            raise SopsmithError(Finding("path-refused", "is no regular file", file))
        descriptor = _open(root, os.path.relpath(real, root).split(os.sep))
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SopsmithError(Finding("path-refused", "is no regular file", file))
            with open(descriptor, "rb", closefd=False) as stream:
                yield stream
        finally:
            os.close(descriptor)
    except OSError as error:
        raise SopsmithError(_trouble(error, file)) from None


def kind(root: str, path: str) -> tuple[Literal["file", "folder"], str] | None:
    """What a path below the root leads to, and where that really is; None where nothing is.

    Raises SopsmithError (path-refused) where a symlink leads outside.
    """
    real = os.path.realpath(
        os.path.join(root, os.fsdecode(path.encode("utf-8", "surrogateescape")))
    )
    if not is_inside(real, root):
        raise SopsmithError(Finding("path-refused", "leads outside the root", path))
    if not os.path.exists(real):
        return None
    return "folder" if os.path.isdir(real) else "file", relative(real, root)


def is_inside(path: str, root: str) -> bool:
    """Whether an absolute path is the root or below it."""
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _open(root: str, parts: list[str]) -> int:
    folder, name = open_folder(root, parts)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def open_folder(root: str, parts: list[str]) -> tuple[int, str]:
    """Open the folder that holds a path's last part, each from the one above it."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in parts[:-1]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            below = os.open(part, flags, dir_fd=folder)
        finally:
            os.close(folder)
        folder = below
    return folder, parts[-1]


def _trouble(error: OSError, file: str) -> Finding:
    """A finding for a failed open; a message of our own, because the system's names full paths."""
    if error.errno == errno.ELOOP:
        return Finding("path-refused", "is a symlink that runs in circles", file)
    if error.errno in (errno.ENXIO, errno.ENODEV, errno.ENOTDIR):
        return Finding("path-refused", "is no regular file", file)
    if error.errno == errno.ENOENT:
        hint = "paths are relative to the recipe that names them"
        return Finding("file-unreadable", "does not exist", file, hint=hint)
    return Finding(
        "file-unreadable", f"can't be read ({errno.errorcode.get(error.errno or 0)})", file
    )
