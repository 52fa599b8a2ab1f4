"""A copy of a repository for kustomize, in which the kustomizations are those that were read."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from tempfile import TemporaryDirectory

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.tools import files

_SKIPPED = (".git",)


@contextlib.contextmanager
def folder() -> Iterator[str]:
    """An empty folder that only its owner can enter, gone at the end."""
    try:
        temporary = TemporaryDirectory(prefix="sopsmith-")
    except OSError as error:
        hint = "set TMPDIR to a folder that can be written to"
        message = f"no temporary folder can be made ({error.strerror})"
        raise SopsmithError(Finding("write-failed", message, hint=hint)) from None
    with temporary as path:
        yield os.path.realpath(path)


def copy(root: str, place: str) -> None:
    """Put a repository's files into a new folder, by links where the disk is the same, since they
    are only read. Symlinks that lead outside the root are left out, and so is what is no file.
    """
    for base, folders, names in os.walk(root):
        inside = os.path.relpath(base, root)
        target = os.path.join(place, inside)
        os.makedirs(target, exist_ok=True)
        folders[:] = [
            name
            for name in folders
            if name not in _SKIPPED and not files.is_inside(place, os.path.join(base, name))
        ]
        links = [name for name in folders if os.path.islink(os.path.join(base, name))]
        for name in (*names, *links):
            _put(root, place, os.path.join(base, name), os.path.join(target, name))


def _put(root: str, place: str, source: str, target: str) -> None:
    mode = os.lstat(source).st_mode
    if stat.S_ISLNK(mode):
        real = os.path.realpath(source)
        if files.is_inside(real, root) and os.path.exists(real):
            moved = os.path.join(place, os.path.relpath(real, root))
            os.symlink(os.path.relpath(moved, os.path.dirname(target)), target)
    elif stat.S_ISREG(mode):
        try:
            os.link(source, target)
        except OSError:  # another disk, or a file of somebody else's
            shutil.copyfile(source, target)


def write(place: str, texts: Mapping[str, bytes]) -> None:
    """Put these files in the place of those that were copied."""
    for name, text in texts.items():
        path = os.path.join(place, name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)  # or a link's other names would get the text too
        with open(path, "wb") as stream:
            stream.write(text)
