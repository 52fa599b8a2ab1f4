"""Stand-ins for the images that the Dockerfile begins with, made of this machine where no registry
is in reach: its Python as the official image has it, and its programs.

The Dockerfile itself is built as it stands, its stage that compiles the programs excepted.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ci.cluster.docker import Docker
from tests.repository import ROOT

NO_NETWORK = ("PIP_NO_INDEX=1", "PIP_FIND_LINKS=/locked")
ENV = ("PATH=/usr/local/bin:/usr/bin:/bin", *NO_NETWORK)
ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
LEFT_OUT = {"site-packages", "__pycache__", "test", "tests", "idlelib", "tkinter"}


def python_image(docker: Docker, tag: str, folder: Path) -> None:
    """Python in /usr/local without compiled modules, pip, a shell, and wheels of the locks."""
    stdlib = Path(sysconfig.get_path("stdlib"))
    home = Path("usr/local/lib", stdlib.name)
    python = Path(sys.executable).resolve()
    shell = [Path(found) for found in map(shutil.which, ("sh", "rm")) if found]
    compiled = [*stdlib.rglob("lib-dynload/*.so"), *_extensions()]
    with tarfile.open(folder / "python.tar", "w") as tar:
        for file in _files(stdlib):
            tar.add(file, home / file.relative_to(stdlib), recursive=False, filter=_readable)
        for file in _pip():
            where = home / "site-packages" / file.relative_to(sysconfig.get_path("purelib"))
            tar.add(file, where, recursive=False, filter=_readable)
        for file in _needed((python, *shell, *compiled)):
            where = file if file.name.startswith("ld-") else _libc().parent / file.name
            tar.add(file.resolve(), where, filter=_readable)
        for program, name in (
            (python, "usr/local/bin/python3"),
            *((s, f"bin/{s.name}") for s in shell),
        ):
            tar.add(program.resolve(), name, filter=_readable)
        _link(tar, "usr/local/bin/python", "python3")
        for name, text in ACCOUNTS.items():
            _write(tar, name, text.encode())
        for wheel in _wheels(folder):
            tar.add(wheel, f"locked/{wheel.name}", filter=_readable)
        _folder(tar, "tmp", 0o1777)
    changes = [word for each in ENV for word in ("--change", f"ENV {each}")]
    docker("import", *changes, str(folder / "python.tar"), tag)


def programs_image(docker: Docker, tag: str, folder: Path) -> None:
    """What the Dockerfile would compile, from PATH."""
    with tarfile.open(folder / "programs.tar", "w") as tar:
        for name in ("sops", "kustomize"):
            tar.add(Path(shutil.which(name) or name).resolve(), f"programs/{name}")
    docker("import", str(folder / "programs.tar"), tag)


def _files(stdlib: Path) -> Iterator[Path]:
    for file in stdlib.rglob("*"):
        parts = set(file.relative_to(stdlib).parts)
        if not parts & LEFT_OUT and not any(part.startswith("config-") for part in parts):
            yield file


def _pip() -> Iterator[Path]:
    packages = Path(sysconfig.get_path("purelib"))
    for found in (packages / "pip", *packages.glob("pip-*.dist-info")):
        yield from (file for file in found.rglob("*") if "__pycache__" not in file.parts)


def _extensions() -> Iterator[Path]:
    """The compiled modules of the packages that the image gets, which need libraries too."""
    packages = Path(sysconfig.get_path("platlib"))
    for pattern in (
        "cryptography/**/*.so",
        "yaml/*.so",
        "_cffi_backend*.so",
        "psycopg_binary/*.so",
        "pydantic_core/*.so",
    ):
        yield from packages.glob(pattern)


def _wheels(folder: Path) -> Iterator[Path]:
    """What the locks name, for this Python; pip holds them against the hashes."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    locked = [
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--dest",
        str(folder / "locked"),
    ]
    for lock in ("runtime", "database", "wheel"):
        argv = [*pip, *locked, "--requirement", str(ROOT / f"ci/tools/{lock}.txt")]
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return (folder / "locked").iterdir()


def _needed(files: Iterable[Path]) -> set[Path]:
    """The shared libraries that these need, the loader among them."""
    said = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
    return set(map(Path, re.findall(r"(/\S+) \(0x", said)))


def _libc() -> Path:
    """Where the loader looks without being told."""
    return next(each for each in _needed([Path(sys.executable)]) if each.name.startswith("libc."))


def _readable(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.mode |= 0o111 if info.isdir() or info.mode & 0o100 else 0
    info.mode |= 0o444
    info.uid = info.gid = 0
    return info


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    tar.addfile(info)


def _folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    tar.addfile(info)


def _write(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))
