"""Sealed folders where they stand: what is in one, and which ones a repository has."""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sopsmith.delivery import kustomization
from sopsmith.delivery.kustomization import KUSTOMIZATION, Statement
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import UNFINISHED
from sopsmith.tools import files, git, replace


class Folder(NamedTuple):
    """A sealed folder: it is below a root, and nobody else writes into it."""

    root: str
    env: Mapping[str, str]
    path: str  # relative to the root

    def file(self, name: str) -> str:
        """A file of the folder, relative to the root."""
        return posixpath.join(self.path, name)

    def content(self, name: str) -> bytes | None:
        """A file of the folder; None where there is none.

        Raises SopsmithError: path-refused (it is reached by a link, so it is another's).
        """
        full = self._full(name)
        if os.path.realpath(full) != full:
            hint = "remove the link, and seal again"
            raise SopsmithError(Finding("path-refused", "is behind a link", self.file(name),
                                        hint=hint))  # fmt: skip
        return replace.content(self.root, self.file(name))

    def is_plain(self, name: str) -> bool:
        """Whether it is a file that stands here itself."""
        full = self._full(name)
        return os.path.isfile(full) and os.path.realpath(full) == full

    def names(self) -> Iterator[str]:
        """Everything in it but folders, and but what a killed write left."""
        top = self._full("")
        for folder, below, names in os.walk(top):
            inside = files.relative(folder, top)
            links = [name for name in below if os.path.islink(os.path.join(folder, name))]
            for name in sorted([*names, *links]):
                if not name.endswith(UNFINISHED):
                    yield posixpath.join(
                        inside, os.fsencode(name).decode("utf-8", "surrogateescape")
                    )

    def _full(self, name: str) -> str:
        below = self.file(name).encode("utf-8", "surrogateescape")
        return os.path.normpath(os.path.join(self.root, os.fsdecode(below)))


class Found(NamedTuple):
    """A sealed folder of the repository."""

    path: str  # relative to the root
    statement: Statement

    def is_of(self, app: str, environment: str) -> bool:
        """Whether it holds Secrets of this environment."""
        apps, environments = self.statement.identity
        return app in apps and environment in environments

    def command(self, source: str) -> str:
        """What seals it again from an overlay or a recipe."""
        return command(source, self.path)


def command(source: str, directory: str, *, component: bool | None = None) -> str:
    """The command that seals, for a person's shell."""
    flag = {None: "", True: " --component", False: " --no-component"}[component]
    return f"sopsmith seal {shlex.quote(source)} -o {shlex.quote(directory)}{flag}"


def known(root: str, env: Mapping[str, str]) -> tuple[Found, ...]:
    """The sealed folders; none where no git can list the files."""
    try:
        return tuple(found(root, env))
    except SopsmithError:
        return ()


def found(root: str, env: Mapping[str, str]) -> Iterator[Found]:
    """The sealed folders of a repository; one whose kustomization is torn is passed over."""
    read = files.reader(root)
    for file in git.listed(git.Repository(root, env)):
        folder, name = posixpath.split(file)
        if name != KUSTOMIZATION or not folder or not Folder(root, env, folder).is_plain(name):
            continue
        try:
            statement = kustomization.stated(read(file), file)
        except SopsmithError:
            continue
        if statement is not None:
            yield Found(folder, statement)
