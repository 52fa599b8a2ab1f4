"""`sopsmith build`: kustomize build, where nothing but the installed function may run."""

from __future__ import annotations

import os

from sopsmith.delivery.functions import Find, Found, Reached, Tree, reached
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.tools import files, git, kustomize, workspace
from sopsmith.voice import Session

_TIMEOUT = 600  # seconds; Argo CD ends it sooner
_COPY = "repository"  # beside remote bases, so that neither can reach into the other's place


def build(session: Session, path: str, *, detect: bool) -> int:
    """Print what kustomize builds, or with `detect` the recipes that it would run."""
    root = files.find_root(path, session.env)
    if not os.path.isdir(path):
        hint = "name the folder that holds the kustomization"
        raise SopsmithError(Finding("usage", "is no folder", path, hint=hint))
    folder = files.relative(path, root)
    if detect:
        session.write("".join(f"{each}\n" for each in _detected(root, folder)))
        return 0
    with workspace.folder() as place:
        found = _looked_through(session, root, folder, place)
        copy = os.path.join(place, _COPY)
        workspace.copy(root, copy)
        workspace.write(place, found.kustomizations)
        try:
            built = kustomize.build(os.path.join(copy, folder), copy, session.env, _TIMEOUT)
        except SopsmithError as error:
            raise SopsmithError(map(found.named, error.findings)) from None
    session.write_bytes(built)
    return 0


def _detected(root: str, folder: str) -> dict[str, None]:
    """The recipes, and what may be meant as one where something is refused: then a build says
    what, and Argo CD, which asks this first, shows it."""
    found = reached(_tree(root, "", _COPY), folder, None)
    return dict.fromkeys((*(each.file for each in found.recipes), *found.doubtful))


def _looked_through(session: Session, root: str, folder: str, place: str) -> Reached:
    """What the build would run, with remote bases put below `place`; raises what is refused."""
    fetched: dict[tuple[str, str], Tree] = {}

    def fetch(url: str, commit: str) -> Tree:
        if (url, commit) not in fetched:
            name = f"remote/{len(fetched)}"
            there = os.path.join(place, name)
            os.makedirs(there)
            git.fetch(url, commit, there, session.env)
            fetched[url, commit] = _tree(there, f"{url}@{commit[:12]}", name)
        return fetched[url, commit]

    found = reached(_tree(root, "", _COPY), folder, fetch)
    if found.refused:
        raise SopsmithError(found.refused)
    return found


def _tree(root: str, name: str, place: str) -> Tree:
    def names(folder: str) -> list[str]:
        path = os.path.join(root, folder)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []

    return Tree(name, place, files.reader(root), _find(root), names)


def _find(root: str) -> Find:
    def find(path: str) -> Found | None:
        found = None if ".git" in path.split("/") else files.kind(root, path)
        return None if found is None else Found(*found)

    return find
