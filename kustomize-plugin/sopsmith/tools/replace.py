"""Replace files under the root, each whole or not at all, by one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import UNFINISHED
from sopsmith.tools import files


@contextlib.contextmanager
def locked(root: str, patience: float = 60) -> Iterator[None]:
    """Hold the lock of all who write below the root; waits up to `patience` seconds for it.

    It is on the folder itself: a file would be replaced or forgotten. The system releases it when
    the process ends, however it ends. Raises SopsmithError (write-locked, write-failed).
    """
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
    if not files.is_inside(real, root):
        raise SopsmithError(Finding("path-refused", "leads outside the root", file))
    if make:
        os.makedirs(os.path.dirname(real), exist_ok=True)
    folder, name = files.open_folder(root, os.path.relpath(real, root).split(os.sep))
    try:
        yield folder, name
    finally:
        os.close(folder)


def _conflict(file: str) -> Finding:
    message = "was changed by someone else meanwhile, and is left as it is now"
    return Finding("write-conflict", message, file, hint="run the command again")


def _replace_in(folder: int, name: str, file: str, before: bytes | None, after: bytes) -> None:
    """Write beside it, make it durable, look once more, rename, make the name durable."""
    fresh = f".{name}{UNFINISHED}"  # one name, so that what a crash left is found and removed
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
