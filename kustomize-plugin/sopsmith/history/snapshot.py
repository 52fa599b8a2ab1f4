"""A leaf at one moment, as far as nobody needs a key: its recipe and where its ciphertexts stand.
Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from sopsmith.components.metadata import data_keys, read_metadata
from sopsmith.components.sealed import (
    CLEAR_ENVIRONMENT,
    PREVIOUS,
    SECRET_CLEAR,
    SEED,
    Path,
    leaves_of,
    unpacked,
)
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Recipe


class Part(NamedTuple):
    """One encrypted file, unread."""

    ciphertexts: Mapping[Path, str]  # path of a leaf: its ENC[…] or ""
    data_keys: frozenset[str]  # the key of its values as each recipient gets it
    readers: frozenset[str]  # such as age:age1…
    threshold: int | None  # of key groups
    is_secret: bool  # an encrypted `kind: Secret`


class Place(NamedTuple):
    """Where a value stands."""

    component: Component
    key: str  # of the component's map; of a whole file, the value's name
    ciphertext: str


class Snapshot(NamedTuple):
    """A leaf at one moment."""

    recipe: Recipe
    parts: Mapping[str, Part]  # by file, those that can be read
    places: Mapping[str, Place]  # value, or SOPSMITH_… key: where it stands first
    findings: tuple[Finding, ...]  # why the others can't


def take(recipe: Recipe, part_of: Callable[[Component], Part]) -> Snapshot:
    """Look at a leaf. `part_of` raises SopsmithError for a file that can't be read."""
    parts: dict[str, Part] = {}
    places: dict[str, Place] = {}
    findings: list[Finding] = []
    for component in recipe.components:
        try:
            found = parts[component.file] = part_of(component)
        except SopsmithError as error:
            findings += error.findings
            continue
        for name, place in _places(component, found):
            places.setdefault(name, place)
    return Snapshot(recipe, parts, places, tuple(findings))


def absent(other: Snapshot) -> Snapshot:
    """The leaf that was not there yet, or is no more: empty, with the identity of the other."""
    recipe = other.recipe._replace(seeds={}, components=(), values={}, secrets=())
    return Snapshot(recipe, {}, {}, ())


def part(component: Component, data: bytes) -> Part:
    """An encrypted file's text, unread; raises SopsmithError (not-encrypted, tampered)."""
    tree, section = unpacked(component, data)
    metadata = read_metadata(section, component.file)
    is_secret = tree.get("kind") == "Secret"
    ciphertexts = {}
    for path, leaf in leaves_of(tree):
        if isinstance(leaf, str) and leaf.startswith("ENC["):
            ciphertexts[path] = leaf
        elif not leaf and not isinstance(leaf, bool | int):
            ciphertexts[path] = ""
        elif path != (CLEAR_ENVIRONMENT,) and not (is_secret and path[0] in SECRET_CLEAR):
            message = "is plaintext in an encrypted file"
            finding = Finding("not-encrypted", message, component.file, ".".join(path))
            raise SopsmithError(finding)
    if component.whole and ("data",) not in ciphertexts:
        raise SopsmithError(Finding("tampered", "is no encrypted whole file", component.file))
    return Part(
        ciphertexts,
        data_keys(section),
        frozenset().union(*metadata.groups),
        metadata.threshold,
        is_secret,
    )


def _places(component: Component, part: Part) -> Iterator[tuple[str, Place]]:
    """What is read of a file, by the name of the value, and our own keys of it."""
    if component.whole:
        yield component.whole, Place(component, component.whole, part.ciphertexts[("data",)])
        return
    for path, ciphertext in part.ciphertexts.items():
        if len(path) != (2 if part.is_secret and path[0] in ("data", "stringData") else 1):
            continue
        key = path[-1]
        names = [key] if component.picks is None else [n for n, k in component.picks if k == key]
        if key.startswith("SOPSMITH_"):
            names = [key] if key.startswith((SEED, PREVIOUS)) else []
        for name in names:
            yield name, Place(component, key, ciphertext)
