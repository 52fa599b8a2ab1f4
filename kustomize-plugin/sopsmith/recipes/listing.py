"""The recipes that kustomizations name: what is rendered, whatever a search for text sees. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from sopsmith.errors import SopsmithError
from sopsmith.model import Read
from sopsmith.recipes import overlay
from sopsmith.recipes.resolve import join

# A folder under generators is a kustomization of its own, whose resources are the recipes.
_FIELDS = ("generators", "transformers", "resources")
# A quoted text may spell the kind in escapes, and UTF-16 spells it with NUL.
_SIGNS = (b"SecretRecipe", b"\\", b"\0")


def kustomizations(files: Iterable[str]) -> tuple[str, ...]:
    """The files that kustomize takes for kustomizations, by their names."""
    return tuple(each for each in files if posixpath.basename(each) in overlay.KUSTOMIZATIONS)


def named(kustomizations: Iterable[str], read: Read) -> tuple[str, ...]:
    """Every file that these name where a recipe could stand; those with an entry inline, too.

    A kustomization that can't be read names none: kustomize builds nothing of it.
    """
    return tuple(dict.fromkeys(file for each in kustomizations for file in _named(each, read)))


def recipes(kustomizations: Iterable[str], read: Read) -> tuple[str, ...]:
    """Those of the named files that are recipes or hold some, also broken ones that look so."""
    return tuple(file for file in named(kustomizations, read) if _holds_recipe(file, read))


def _named(file: str, read: Read) -> Iterator[str]:
    try:
        kustomization = overlay.read_kustomization(file, read)
    except SopsmithError:
        return
    for field in _FIELDS:
        for entry in overlay.listed(kustomization, field):
            if isinstance(entry, str) and overlay.is_inline(entry):
                yield file
            elif isinstance(entry, str):
                try:
                    yield join(kustomization, entry)
                except SopsmithError:  # elsewhere, such as a URL
                    continue


def _holds_recipe(file: str, read: Read) -> bool:
    try:
        if posixpath.basename(file) in overlay.KUSTOMIZATIONS:
            return bool(overlay.held(file, read))
        data = read(file)
        return any(sign in data for sign in _SIGNS) and overlay.holds_recipe(data, file)
    except SopsmithError:
        return False
