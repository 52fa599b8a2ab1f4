"""What a commit takes along besides the change that it is named after: earlier ones of files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sopsmith.components.sealed import PREVIOUS
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.text import document
from sopsmith.tools import files, git
from sopsmith.tools.git import Repository

_MOST_NAMED = 5
_VALUES = ("spec", "values")


def along(here: Repository, paths: Sequence[str], named: Collection[str]) -> Iterator[Finding]:
    """A warning for each of these files that holds more than the last commit, before it is changed:
    which values and fields, without those that the commit names."""
    dirty = git.changed(here, paths) if paths else ()
    committed = git.blobs(here, (("HEAD", path) for path in dirty))
    for path in dirty:
        before = committed.get(("HEAD", path))
        what = "all of the file, which no commit had"
        if before is not None:
            found = _differing(before, files.reader(here.root)(path))
            names = [name for name in found if name.removeprefix(PREVIOUS) not in named]
            if found and not names:
                continue
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            shown = ", ".join(names[:_MOST_NAMED]) + more
            what = f"what was changed there before: {shown or 'its layout or comments'}"
        yield Finding("taken-along", f"the commit takes along {what}", path)


def _differing(before: bytes, now: bytes) -> list[str]:
    """The values, or fields, that differ between two texts, as far as these can be read."""
    try:
        one, other = (dict(_leaves(document.parse(text), ())) for text in (before, now))
    except SopsmithError:
        return []
    paths = (path for path in {**one, **other} if one.get(path) != other.get(path))
    return list(dict.fromkeys(_name(path) for path in paths if path[0] != "sops"))


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(tree, dict) and tree:
        for key, each in tree.items():
            yield from _leaves(each, (*path, str(key)))
    elif path:
        yield path, repr(tree)


def _name(path: tuple[str, ...]) -> str:
    is_value = path[:2] == _VALUES and len(path) > len(_VALUES)
    return path[2] if is_value else ".".join(path[:2])
