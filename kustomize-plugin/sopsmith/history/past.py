"""What commits held: all leaves of each, by a few calls of git however many commits there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from sopsmith import checkout, repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history.standing import Standing, memory, observe
from sopsmith.recipes.resolve import SUFFIXES
from sopsmith.recipes.schema import KIND
from sopsmith.tools import files, git


class Lived(NamedTuple):
    """A stretch of history: its commits, newest first, and what they and their parents held."""

    commits: tuple[git.Commit, ...]
    standings: Mapping[str, Standing]
    edges: frozenset[str]  # commits at which a shallow clone ends


SHALLOW = Finding(
    "shallow-clone",
    "the clone is shallow: history ends at its depth",
    hint="git fetch --unshallow brings the rest",
)


def commit_of(here: git.Repository, revision: str) -> str:
    """The commit of a revision; raises SopsmithError (usage) where there is none."""
    commit = git.commit_of(here, revision)
    if commit is None:
        message = "no commit is called that"
        if revision == "HEAD":
            message = "the repository has no commit yet"
        raise SopsmithError(Finding("usage", message, hint=_unknown(here)))
    return commit


def environment(where: str | None, env: Mapping[str, str]) -> str | None:
    """The environment that is meant, by its name or by the path of its overlay or recipe."""
    if where is not None and (os.path.isfile(where) or checkout.is_overlay(where)):
        return repository.leaf(where, env).recipe.environment
    return where


def check_known(environment: str | None, standings: Collection[Standing]) -> None:
    """Raise SopsmithError (usage) where no leaf is one of this environment."""
    if (
        environment is not None
        and standings
        and not any(each.leaves or each.broken for each in standings)
    ):
        hint = "without -e all environments are shown"
        raise SopsmithError(Finding("usage", "no environment has that name", hint=hint))


def as_data(commit: git.Commit) -> dict[str, str]:
    """A commit in a report."""
    return {
        "commit": commit.hash,
        "author": commit.author,
        "email": commit.email,
        "date": commit.date,
        "subject": commit.subject,
    }


def _unknown(here: git.Repository) -> str:
    if git.is_shallow(here):
        return "the clone is shallow and older commits are not here: git fetch --unshallow"
    return "git log shows the commits that there are"


def standing(
    here: git.Repository, commits: Sequence[str | None], environment: str | None = None
) -> tuple[Standing, ...]:
    """All leaves of each commit, of the work tree for None."""
    look = _looking(here, environment)
    wanted: set[str] = set()
    for commit in commits:
        if commit is None:
            wanted.update(repository.recipe_files(here.root, here.env))
        else:
            wanted.update(git.holding(here, commit, KIND, SUFFIXES))
    while True:
        found, matter = look(commits, wanted)
        if matter <= wanted:
            return tuple(found[commit] for commit in commits)
        wanted |= matter


def along(
    here: git.Repository,
    environment: str | None = None,
    *,
    since: str | None = None,
    is_meant: Callable[[git.Commit], bool] = lambda commit: True,
) -> Lived:
    """The commits up to HEAD in which a leaf or a file of it changed.

    `since` is a commit: only those after it. Raises SopsmithError (usage) without any commit.
    """
    head = commit_of(here, "HEAD")
    revisions = [head] if since is None else [head, f"^{since}"]
    look = _looking(here, environment)
    wanted = set(git.holding(here, head, KIND, SUFFIXES))
    wanted.update(git.touched(here, revisions, KIND, SUFFIXES))
    if environment is not None:
        wanted -= _of_others(here, head, environment)
    wanted |= look([head], wanted)[1]
    while True:
        commits = [
            each for each in git.log(here, revisions, sorted(wanted), full=True) if is_meant(each)
        ]
        names = dict.fromkeys(name for each in commits for name in (each.hash, *each.parents))
        found, matter = look(list(names), wanted)
        if matter <= wanted:
            standings = {name: each for name, each in found.items() if name is not None}
            return Lived(tuple(commits), standings, git.shallow_edges(here))
        wanted |= matter


def _of_others(here: git.Repository, head: str, environment: str) -> set[str]:
    """The recipes of other environments: what happens to them is no business of this one."""
    (now,) = standing(here, [head])
    return {each.recipe.file for key, each in now.leaves.items() if key[1] != environment}


_Look = Callable[
    [Sequence[str | None], Iterable[str]], tuple[dict[str | None, Standing], frozenset[str]]
]


def _looking(here: git.Repository, environment: str | None) -> _Look:
    """A function that looks at these files of commits, and says which files matter to them."""
    contents: dict[Hashable, bytes] = {}

    def content(name: Hashable) -> bytes:
        if isinstance(name, bytes):
            return name  # of the work tree: a content is its own name
        if name not in contents:
            raise SopsmithError(Finding("file-unreadable", "is 8 MiB or more"))
        return contents[name]

    known = memory(content, environment)

    def look(
        commits: Sequence[str | None], wanted: Iterable[str]
    ) -> tuple[dict[str | None, Standing], frozenset[str]]:
        asked = sorted(wanted)
        ids: dict[str | None, dict[str, Hashable]] = {commit: {} for commit in commits}
        pairs = [(commit, file) for commit in commits if commit is not None for file in asked]
        blobs = git.blob_ids(here, pairs)
        for (commit, file), blob in blobs.items():
            ids[commit][file] = blob.id
        new = (blob for blob in dict.fromkeys(blobs.values()) if blob.id not in contents)
        contents.update(git.contents(here, new))
        if None in ids:
            ids[None] = _of_work_tree(here, asked)
        seen = {commit: observe(known, each) for commit, each in ids.items()}
        matter = frozenset().union(*(files for _, files in seen.values()))
        return {commit: found for commit, (found, _) in seen.items()}, matter

    return look


def _of_work_tree(here: git.Repository, asked: Iterable[str]) -> dict[str, Hashable]:
    read = files.reader(here.root)
    found: dict[str, Hashable] = {}
    for file in asked:
        try:
            found[file] = read(file)
        except SopsmithError:  # what can't be read is not there for us
            continue
    return found
