"""`sopsmith build`: kustomize build, where nothing but the installed function may run."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack

from sopsmith.delivery.functions import Find, Found, Tree, reached
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.tools import files, git, kustomize
from sopsmith.voice import Session

_TIMEOUT = 600  # seconds; Argo CD ends it sooner


def build(session: Session, path: str, *, detect: bool) -> int:
    """Print what kustomize builds, or with `detect` the recipes that it would run."""
    root = files.find_root(path, session.env)
    if not os.path.isdir(path):
        hint = "name the folder that holds the kustomization"
        raise SopsmithError(Finding("usage", "is no folder", path, hint=hint))
    here, folder = _tree(root, ""), files.relative(path, root)
    if detect:
        found = reached(here, folder, None)
        session.write("".join(f"{each.file}\n" for each in found.recipes))
        return 0
    with ExitStack() as stack:

        def fetch(url: str, commit: str) -> Tree:
            temporary = stack.enter_context(tempfile.TemporaryDirectory(prefix="sopsmith-"))
            git.fetch(url, commit, temporary, session.env)
            return _tree(os.path.realpath(temporary), url)

        found = reached(here, folder, fetch)
    if found.refused:
        raise SopsmithError(found.refused)
    try:
        built = kustomize.build(os.path.join(root, folder), root, session.env, _TIMEOUT)
    except SopsmithError as error:
        raise SopsmithError(map(found.named, error.findings)) from None
    session.write_bytes(built)
    return 0


def _tree(root: str, name: str) -> Tree:
    return Tree(name, files.reader(root), _find(root))


def _find(root: str) -> Find:
    def find(path: str) -> Found | None:
        found = files.kind(root, path)
        return None if found is None else Found(*found)

    return find
