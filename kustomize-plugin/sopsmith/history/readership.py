"""Who could read what of an encrypted file, in any version that git has: known without a key."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sopsmith.components import placement
from sopsmith.components.sealed import Path, format_of
from sopsmith.errors import SopsmithError
from sopsmith.history import snapshot
from sopsmith.model import Component, Sealed
from sopsmith.tools import git


class Version(NamedTuple):
    """One content of a file: whoever was among its readers knows what its keys held."""

    readers: frozenset[str]  # such as age:age1…
    keys: frozenset[str]


def versions(here: git.Repository, component: Component) -> tuple[Version, ...]:
    """Every version of a file in the history of HEAD; a shallow clone has not all of them.

    One that is no encrypted file is left out: nobody needed to be its reader.
    """
    head = git.commit_of(here, "HEAD")
    if head is None:
        return ()
    commits = git.log(here, [head], [component.file], full=True)
    blobs = git.blob_ids(here, [(each.hash, component.file) for each in commits])
    read = (_version(component, data) for _, data in git.contents(here, blobs.values()))
    return tuple(each for each in read if each is not None)


def _version(component: Component, data: bytes) -> Version | None:
    try:
        part = snapshot.part(component, data)
    except SopsmithError:
        return None
    clear: dict[Path, Any] = {("kind",): "Secret"} if part.is_secret else {}
    sealed = Sealed(component, format_of(component), data, part.ciphertexts, clear, ())
    return Version(part.readers, frozenset(placement.keys_of(sealed)))


def known_to(past: Iterable[Version], who: frozenset[str]) -> frozenset[str]:
    """The keys whose values at least one of these readers could read."""
    return frozenset().union(*(each.keys for each in past if each.readers & who))


def known_to_former(here: git.Repository, file: str, now: bytes) -> frozenset[str]:
    """The keys of a map that somebody could read who is not among its readers now."""
    component = Component(file, None, None)
    past = versions(here, component)
    readers = snapshot.part(component, now).readers
    return known_to(past, frozenset().union(*(each.readers for each in past)) - readers)
