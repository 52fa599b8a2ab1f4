"""Files under the root, and nothing outside it: read whole, and replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from collections.abc import Iterator, Mapping

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import MOST_BYTES, Read


def find_root(folder: str, env: Mapping[str, str]) -> str:
    """The folder that bounds all reading: SOPSMITH_ROOT, or the nearest ancestor with `.git`.

    Raises SopsmithError (path-refused) where there is none, or the folder is not inside it.
    """
    folder = os.path.realpath(folder)
    stated = env.get("SOPSMITH_ROOT")
    if stated:
        root = os.path.realpath(stated)
        if not os.path.isabs(stated) or not os.path.isdir(root) or not _inside(folder, root):
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
        try:
            name = os.fsdecode(file.encode("utf-8", "surrogateescape"))  # whatever the locale
            real = os.path.realpath(os.path.join(root, name), strict=True)
            if not _inside(real, root):
                raise SopsmithError(Finding("path-refused", "leads outside the root", file))
            if not stat.S_ISREG(os.stat(real).st_mode):  # opening a device can have effects
                raise SopsmithError(Finding("path-refused", "is no regular file", file))
            descriptor = _open(root, os.path.relpath(real, root).split(os.sep))
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise SopsmithError(Finding("path-refused", "is no regular file", file))
                with open(descriptor, "rb", closefd=False) as stream:
                    data = stream.read(MOST_BYTES)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise SopsmithError(_trouble(error, file)) from None
        return data

    return read


@contextlib.contextmanager
def locked(root: str, patience: float = 10) -> Iterator[None]:
    """Hold the lock of all who write below the root; waits up to `patience` seconds for it.

    It is on the folder itself: a file would be replaced or forgotten. The system releases it when
    the process ends, however it ends. Raises SopsmithError (write-locked, write-failed).
    """
    import fcntl  # the function never writes

    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise SopsmithError(_not_written(error, ".")) from None
    try:
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    message = f"another sopsmith is writing here, for more than {patience:g} s"
                    raise SopsmithError(Finding("write-locked", message)) from None
                time.sleep(0.05)
            except OSError as error:
                raise SopsmithError(_not_written(error, ".")) from None
        yield
    finally:
        with contextlib.suppress(OSError):  # it is closed whatever it says
            os.close(descriptor)


def replace(root: str, file: str, before: bytes | None, after: bytes) -> None:
    """Replace a file's content in one step: whoever looks sees the old file or the new one.

    `before` is what the change was made from, None for a file that must not exist yet; anything
    else there by now raises SopsmithError (write-conflict). What can't be written raises
    SopsmithError (write-failed), and the old file is as it was. The caller holds the lock.
    """
    try:
        with _folder_of(root, file, make=before is None) as (folder, name):
            _replace_in(folder, name, file, before, after)
    except OSError as error:
        raise SopsmithError(_not_written(error, file)) from None


def remove(root: str, file: str, before: bytes) -> None:
    """Remove a file that still is what it was; raises as `replace` does."""
    try:
        with _folder_of(root, file, make=False) as (folder, name):
            if _content(folder, name) != before:
                raise SopsmithError(_conflict(file))
            os.unlink(name, dir_fd=folder)
            os.fsync(folder)
    except OSError as error:
        raise SopsmithError(_not_written(error, file)) from None


def content(root: str, file: str) -> bytes | None:
    """What a file holds now, all of it; None where there is none. Raises as `replace` does."""
    try:
        with _folder_of(root, file, make=False) as (folder, name):
            return _content(folder, name)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SopsmithError(_not_written(error, file)) from None


@contextlib.contextmanager
def _folder_of(root: str, file: str, *, make: bool) -> Iterator[tuple[int, str]]:
    """The open folder of a file, with its symlinks resolved, and the file's name in it."""
    path = os.path.join(root, os.fsdecode(file.encode("utf-8", "surrogateescape")))
    real = os.path.realpath(path)
    if not _inside(real, root):
        raise SopsmithError(Finding("path-refused", "leads outside the root", file))
    if make:
        os.makedirs(os.path.dirname(real), exist_ok=True)
    folder, name = _open_folder(root, os.path.relpath(real, root).split(os.sep))
    try:
        yield folder, name
    finally:
        os.close(folder)


def _conflict(file: str) -> Finding:
    message = "was changed by someone else meanwhile, and is left as it is now"
    return Finding("write-conflict", message, file, hint="run the command again")


def _replace_in(folder: int, name: str, file: str, before: bytes | None, after: bytes) -> None:
    """Write beside it, make it durable, look once more, rename, make the name durable."""
    fresh = f".{name}.sopsmith-new"  # one name, so that what a crash left is found and removed
    with contextlib.suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(fresh, flags, 0o600, dir_fd=folder)
        try:
            view = memoryview(after)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, _mode(folder, name))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if _content(folder, name) != before:
            raise SopsmithError(_conflict(file))
        if before is None:
            os.link(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)  # never over another
        else:
            os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with contextlib.suppress(OSError):  # renamed, or never made; else the next write removes it
            os.unlink(fresh, dir_fd=folder)
    os.fsync(folder)


def _mode(folder: int, name: str) -> int:
    try:
        return stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        mask = os.umask(0o077)
        os.umask(mask)
        return 0o666 & ~mask


def _content(folder: int, name: str) -> bytes | None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        return None
    with open(descriptor, "rb") as stream:
        return stream.read()


def _not_written(error: OSError, file: str) -> Finding:
    """What kept a file from being written; a message of our own, the system's names full paths."""
    if error.errno == errno.EEXIST:
        message = "was made by someone else meanwhile, and is left as it is"
        return Finding("write-conflict", message, file, hint="run the command again")
    name = errno.errorcode.get(error.errno or 0)
    return Finding("write-failed", f"can't be written ({name}), and is as it was", file)


def _inside(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip(os.sep) + os.sep)


def _open(root: str, parts: list[str]) -> int:
    folder, name = _open_folder(root, parts)
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        return os.open(name, flags, dir_fd=folder)
    finally:
        os.close(folder)


def _open_folder(root: str, parts: list[str]) -> tuple[int, str]:
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
