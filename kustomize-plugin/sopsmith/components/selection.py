"""Which leaves of a file sops encrypts: its crypt rule, as sops.go applies it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.recipes.pattern import PatternError, compile_search

KINDS = (
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
)
COMMENT_KINDS = ("unencrypted_comment_regex", "encrypted_comment_regex")


class Selection(NamedTuple):
    """One crypt rule. sops itself falls back to the suffix `_unencrypted` for clear leaves."""

    kind: str = "unencrypted_suffix"
    text: str = "_unencrypted"


def read_selection(section: Mapping[str, Any], file: str, field: str) -> Selection:
    """The crypt rule in a file's metadata or in a creation rule.

    Raises SopsmithError (crypt-rule) where there are several, one goes by comments, or one is
    outside what Go and Python read alike: sops takes a broken expression for one that matches
    nothing, and then encrypts nothing.
    """
    named = [kind for kind in (*KINDS, *COMMENT_KINDS) if section.get(kind)]
    if not named:
        return Selection()
    if len(named) > 1 or named[0] in COMMENT_KINDS:
        why = "several crypt rules stand side by side" if len(named) > 1 else "goes by comments"
        raise SopsmithError(Finding("crypt-rule", why, file, field))
    text = section[named[0]]
    if not isinstance(text, str):
        raise SopsmithError(Finding("crypt-rule", "is no text", file, f"{field}.{named[0]}"))
    if named[0].endswith("regex"):
        try:
            compile_search(text)
        except PatternError as error:
            raise SopsmithError(
                Finding("crypt-rule", str(error), file, f"{field}.{named[0]}")
            ) from None
    return Selection(named[0], text)


def encrypts(selection: Selection, path: Sequence[str]) -> bool:
    """Whether sops encrypts the leaf at this path (shouldBeEncrypted in sops.go).

    Any part of the path decides; positions in lists are no part of it.
    """
    kind, text = selection
    parts = [part for part in path if not re.fullmatch("[0-9]+", part)] or list(path)
    if kind.endswith("suffix"):
        hit = any(part.endswith(text) for part in parts)
    else:
        search = compile_search(text)
        hit = any(search(part) for part in parts)
    return not hit if kind.startswith("un") else hit
