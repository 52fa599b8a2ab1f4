"""The leaves as they were in a commit, and which commit a change is to be compared with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sopsmith import repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import MOST_BYTES, Read
from sopsmith.recipes import listing
from sopsmith.recipes.resolve import SUFFIXES, Resolved, holds_recipe
from sopsmith.recipes.schema import KIND
from sopsmith.tools import git


class Past(NamedTuple):
    """What the recipes of a commit say."""

    leaves: tuple[Resolved, ...]
    findings: tuple[Finding, ...]  # a note for each recipe that was broken then


def base(here: git.Repository, revision: str) -> str | None:
    """The commit that the work tree is compared with: where HEAD and the revision parted.

    None where HEAD has no commit yet, so that there is nothing to compare with.
    Raises SopsmithError (usage) for a revision that is none, could mean a tag or a branch, or has
    no history in common.
    """
    head = git.commit_of(here, "HEAD")
    if head is None:
        return None
    commit = git.commit_of(here, revision)
    if commit is None:
        hint = "name a commit, branch or tag that is here; in CI: git fetch origin BRANCH"
        raise SopsmithError(Finding("usage", "--against names no commit", hint=hint))
    several = git.ambiguous(here, revision)
    if several:
        message = f"--against could mean {' or '.join(several)}"
        hint = f"say which: --against {several[-1]}"
        raise SopsmithError(Finding("usage", message, hint=hint))
    if commit == head:
        return head
    common = git.merge_base(here, commit, head)
    if common is None:
        hint = "compare with the branch that this one came from"
        if git.is_shallow(here):
            hint = "the clone is shallow: git fetch --unshallow; in CI set the fetch depth to 0"
        message = "--against has no commit in common with this branch"
        raise SopsmithError(Finding("usage", message, hint=hint))
    return common


def leaves(here: git.Repository, commit: str) -> Past:
    """Every leaf of a commit; a recipe that was broken then becomes a warning."""
    named = listing.kustomizations(git.files_of(here, commit))
    files = git.holding(here, commit, KIND, SUFFIXES)
    known = _contents(here, commit, (*files, *named))
    known |= _contents(here, commit, listing.named(named, _reader(known, _nothing)))
    read = _reader(known, git.reader(here, commit))
    names = [file for file in files if holds_recipe(known.get(file, b""))]
    names += listing.recipes(named, _reader(known, _nothing))
    whole, broken = repository.whole_leaves(dict.fromkeys(names), read)
    message = f"was broken in {commit[:12]}, so nothing of it is compared"
    return Past(tuple(whole), tuple(Finding("not-compared", message, file) for file in broken))


def _contents(here: git.Repository, commit: str, files: Iterable[str]) -> dict[str, bytes]:
    blobs = git.blobs(here, ((commit, file) for file in files))
    return {file: data for (_, file), data in blobs.items()}


def _nothing(file: str) -> bytes:
    raise SopsmithError(Finding("file-unreadable", "does not exist", file))


def _reader(known: Mapping[str, bytes], otherwise: Read) -> Read:
    """Reads what one process of git has brought already, and asks for the rest."""

    def read(file: str) -> bytes:
        return known[file][:MOST_BYTES] if file in known else otherwise(file)

    return read
