"""A PostgreSQL data directory as files: look at it, copy it, and put another in its place.

Everything is made beside the directory, on the same disk, where only its owner can look. The
directory itself is only read, until one rename takes it aside and another puts the new one there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding

_OURS = ("postmaster.pid", "postmaster.opts", "log", "pg_log", "current_logfiles")  # of one run
_FILES = ("postgresql.conf", "pg_hba.conf", "pg_ident.conf")
_OUTSIDE = "recreate works on what lies in the directory, and this would be left out of it"


class Place(NamedTuple):
    """A data directory and what is made beside it in one run."""

    data: str  # absolute, no symlink
    stamp: str  # tells this run's folders from others'

    @property
    def work(self) -> str:
        """The folder of everything that is made."""
        return f"{self.data}.recreate-{self.stamp}"

    @property
    def new(self) -> str:
        """The new directory, until it is in its place."""
        return os.path.join(self.work, "data")

    @property
    def copy(self) -> str:
        """The copy of the old directory that is read instead of it."""
        return os.path.join(self.work, "copy")

    @property
    def dump(self) -> str:
        """The folder of the dump, which is all the data there is."""
        return os.path.join(self.work, "dump")

    @property
    def kept(self) -> str:
        """Where the dump goes that is to be kept."""
        return f"{self.data}.dump-{self.stamp}"

    @property
    def before(self) -> str:
        """Where the old directory goes."""
        return f"{self.data}.before-{self.stamp}"


def trouble(data: str, major: int) -> tuple[str, str | None] | None:
    """Why a directory can't be re-initialised by its files, and what to do; None where it can."""
    try:
        with open(os.path.join(data, "PG_VERSION"), "rb") as stream:
            version = stream.read(20).decode("utf-8", "replace").strip()
    except OSError:
        return "is no data directory of PostgreSQL that can be read", None
    if version != str(major):
        return f"is of PostgreSQL {version}, the programs of {major}", "--bin names others"
    if os.stat(data).st_uid != os.geteuid():
        return "belongs to another user", "run it as the user who owns the directory"
    if os.path.ismount(data):
        return "is where a disk is mounted, so it can't be renamed", (
            "let PGDATA be a folder below that"
        )
    if not os.access(os.path.dirname(data), os.W_OK | os.X_OK):
        return "lies in a folder where this user can make nothing", None
    return _left_out(data)


def _left_out(data: str) -> tuple[str, str | None] | None:
    for name in ("standby.signal", "recovery.signal", "recovery.conf"):
        if os.path.lexists(os.path.join(data, name)):
            return f"is of a standby or a server in recovery ({name})", "recreate the primary"
    if os.listdir(os.path.join(data, "pg_tblspc")):
        return "has tablespaces outside of it", _OUTSIDE
    for entry in os.scandir(data):
        if entry.is_symlink() and entry.is_dir():
            return f"has a folder elsewhere ({entry.name})", _OUTSIDE
    missing = [name for name in _FILES if not os.path.isfile(os.path.join(data, name))]
    if missing:
        return f"has its configuration elsewhere ({', '.join(missing)})", _OUTSIDE
    return None


class Running(NamedTuple):
    """The server that runs from a directory."""

    host: str  # the folder of its socket, or where it listens without one
    port: str
    log: str  # the file that it writes to, or /dev/null


def running(data: str) -> Running | None:
    """The server that runs from it in this container, as its own files tell; a process of the same
    number that works elsewhere is another's, as where somebody copied the directory while it ran.
    """
    try:
        with open(os.path.join(data, "postmaster.pid"), encoding="utf-8") as stream:
            pid, _, _, port, sockets, *_ = stream.read().splitlines()
        if not os.path.samefile(f"/proc/{int(pid)}/cwd", data):
            return None
        log = os.path.realpath(f"/proc/{int(pid)}/fd/2")
    except (OSError, ValueError):
        return None
    host = sockets if sockets.startswith("@") else os.path.join(data, sockets)
    return Running(host if sockets else "localhost", port,
                   log if os.path.isfile(log) else os.devnull)  # fmt: skip


def has_room(data: str) -> bool:
    """Whether a copy fits beside it. That more does is seen when it is written."""
    size = sum(
        os.lstat(os.path.join(base, name)).st_blocks * 512
        for base, _, names in os.walk(data)
        for name in names
    )
    return shutil.disk_usage(os.path.dirname(data)).free > size


# --- making ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Turn what the system says into our words: SopsmithError (recreate-failed)."""
    try:
        yield
    except (OSError, shutil.Error) as error:
        name = errno.errorcode.get(getattr(error, "errno", None) or 0, "several files")
        message = f"files beside the data directory can't be written ({name})"
        raise SopsmithError(Finding("recreate-failed", message)) from None


def prepare(place: Place) -> None:
    """Make the folder of this run; raises SopsmithError where one has its stamp already."""
    with writing():
        if any(map(os.path.lexists, (place.before, place.kept))):
            raise OSError(errno.EEXIST, "")
        os.mkdir(place.work, 0o700)
        os.mkdir(place.dump, 0o700)


def copy(place: Place) -> None:
    """Copy the old directory, which nothing writes to."""
    with writing():
        shutil.copytree(
            place.data, place.copy, symlinks=True, ignore=lambda base, names: _of_a_run(place, base)
        )


def _of_a_run(place: Place, base: str) -> tuple[str, ...]:
    return _OURS if base == place.data else ()


def carry_over(place: Place) -> None:
    """Give the new directory the configuration of the old one: its files, and whatever lies beside
    them that initdb did not make, such as conf.d and certificates."""
    configuration = {*_FILES, "postgresql.auto.conf"}
    with writing():
        made = set(os.listdir(place.new)) - configuration
        for entry in os.scandir(place.data):
            target = os.path.join(place.new, entry.name)
            if entry.name in made or entry.name in _OURS:
                continue
            if entry.is_dir():
                shutil.copytree(entry.path, target, symlinks=True)
            elif entry.is_symlink() or entry.is_file():
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(target)
                shutil.copy2(entry.path, target, follow_symlinks=False)


def write(path: str, content: bytes) -> None:
    """Write a small file that only its owner can read."""
    with writing():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as stream:
            stream.write(content)


def read(path: str) -> bytes:
    """What such a file holds."""
    with writing(), open(path, "rb") as stream:
        return stream.read()


def clear(path: str) -> None:
    """Remove a folder with all in it, where it is there."""
    with contextlib.suppress(FileNotFoundError), writing():
        if os.path.lexists(path):
            shutil.rmtree(path)


def keep_dump(place: Place) -> str:
    """Take the dump out of this run's folder; where it is then."""
    with writing():
        os.rename(place.dump, place.kept)
    return place.kept


# --- the two renames ------------------------------------------------------------------------------


class Sign(NamedTuple):
    """By what one sees that a server has run from a directory since."""

    control: bytes
    lock: bytes | None


def sign(data: str) -> Sign:
    """The sign of now."""
    with writing():
        with open(os.path.join(data, "global", "pg_control"), "rb") as stream:
            control = stream.read()
        try:
            with open(os.path.join(data, "postmaster.pid"), "rb") as stream:
                return Sign(control, stream.read())
        except FileNotFoundError:
            return Sign(control, None)


def take_aside(place: Place) -> None:
    """The first rename: from here on there is no directory in the place."""
    with writing():
        os.chmod(place.new, stat.S_IMODE(os.stat(place.data).st_mode))
        os.rename(place.data, place.before)
        _settle(place.data)


def put_back(place: Place) -> None:
    """Undo the first rename, unless somebody made a directory there meanwhile."""
    if os.path.lexists(place.data):
        raise OSError(errno.EEXIST, "")
    os.rename(place.before, place.data)
    _settle(place.data)


def put_in_place(place: Place) -> None:
    """The second rename: the new directory is the one."""
    with writing():
        if os.path.lexists(place.data):
            raise OSError(errno.EEXIST, "")
        os.rename(place.new, place.data)
        _settle(place.data)


def _settle(path: str) -> None:
    """Have the names in the folder above on the disk itself."""
    with contextlib.suppress(OSError):  # not every file system syncs folders
        descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
