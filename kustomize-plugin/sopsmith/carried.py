"""What a commit takes along besides the change that it is named after: earlier ones of files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith import repository
from sopsmith.components.metadata import read_metadata
from sopsmith.components.sealed import PREVIOUS, component_of, unpacked
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.recipes.recipe import parse
from sopsmith.text import document
from sopsmith.tools import files, git
from sopsmith.tools.git import Repository

_MOST_NAMED = 5
_VALUES = ("spec", "values")
_SECTIONS = ("data", "stringData")
_READERS = "who reads it"

_Names = Mapping[tuple[str, str], Sequence[str]]  # of the values that leaves make of a file's key


class _Text(NamedTuple):
    """What a file says, without its layout and its comments."""

    leaves: Mapping[tuple[str, ...], str]
    readers: object
    is_secret: bool


def along(
    here: Repository, paths: Sequence[str], named: Collection[str], own: Sequence[str] = ()
) -> Iterator[Finding]:
    """A warning for each of these files that holds more than the last commit, before it is changed:
    which values and fields, without those that the commit names, or that begin as its `own` do."""
    dirty = git.changed(here, paths) if paths else ()
    committed = git.blobs(here, (("HEAD", path) for path in dirty))
    sealed = {path for (_, path), data in committed.items() if b"ENC[AES256_GCM," in data}
    values = _values(here, sealed) if sealed else {}
    for path in dirty:
        before = committed.get(("HEAD", path))
        what = "all of the file, which no commit had"
        if before is not None:
            found = _differing(path, before, files.reader(here.root), values)
            names = [known[0] for known in found or () if not _is_named(known, named, own)]
            if found and not names:
                continue
            what = "what was changed there before" + _listed(names, is_known=found is not None)
        yield Finding("taken-along", f"the commit takes along {what}", path)


def _values(here: Repository, paths: Collection[str]) -> _Names:
    """What recipes call the keys of these files, where they give them a name of their own."""
    recipes = repository.recipe_files(here.root, here.env)
    leaves, _ = repository.whole_leaves(recipes, files.reader(here.root))
    found: dict[tuple[str, str], list[str]] = {}
    for component in (each for leaf in leaves for each in parse(leaf).components):
        whole = ((component.whole, "data"),) if component.whole else ()
        for name, key in (*whole, *(component.picks or ())) if component.file in paths else ():
            found.setdefault((component.file, key), []).append(name)
    return found


def _is_named(known: Sequence[str], named: Collection[str], own: Sequence[str]) -> bool:
    return any(
        name.removeprefix(PREVIOUS) in named or name.startswith(tuple(own)) for name in known
    )


def _listed(names: Sequence[str], *, is_known: bool) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    shown = ", ".join(names[:_MOST_NAMED]) + more
    return f": {shown or 'its layout or comments'}" if is_known else ""


def _differing(
    path: str, before: bytes, read: Read, values: _Names
) -> list[tuple[str, ...]] | None:
    """What differs between a file and its text before: each by all the names that it has, the best
    first; None where that can't be told."""
    try:
        one, other = _text(path, before), _text(path, read(path))
    except (SopsmithError, document.DocumentError):
        return None
    places = {**one.leaves, **other.leaves}
    paths = [each for each in places if one.leaves.get(each) != other.leaves.get(each)]
    found = [_names(path, each, other, values) for each in paths]
    found += [(_READERS,)] if one.readers != other.readers else []
    return list(dict.fromkeys(found))


def _text(path: str, data: bytes) -> _Text:
    """Raises SopsmithError or DocumentError where it is no text that can be read."""
    try:
        tree, section = unpacked(component_of(path), data)
    except SopsmithError:
        tree, section = document.parse(data), {}
        if not isinstance(tree, dict):
            raise
    known = read_metadata(section, path) if section else None
    readers = known and (known.groups, known.threshold)
    return _Text(dict(_leaves(tree, ())), readers, tree.get("kind") == "Secret")


def _leaves(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(tree, dict) and tree:
        for key, each in tree.items():
            yield from _leaves(each, (*path, str(key)))
    elif path:
        yield path, repr(tree)


def _names(file: str, path: tuple[str, ...], text: _Text, values: _Names) -> tuple[str, ...]:
    if path[:2] == _VALUES and len(path) > len(_VALUES):
        return (path[2],)
    is_in_section = text.is_secret and path[0] in _SECTIONS and len(path) > 1
    key = path[1] if is_in_section else ".".join(path[:2])
    return (*values.get((file, key), ()), key)
