"""The marks that git leaves where two sides clash. Pure."""

from __future__ import annotations

import re

from sopsmith.findings import Finding

_MARKS = (re.compile(rb"^<<<<<<< ", re.MULTILINE), re.compile(rb"^>>>>>>> ", re.MULTILINE))


def conflict(data: bytes, file: str, *, encrypted: bool) -> Finding | None:
    """The first mark that a merge left behind."""
    first, last = (mark.search(data) for mark in _MARKS)
    if first is None or last is None:
        return None
    hint = "edit it to what is right, then git add it"
    if encrypted:
        hint = f"sopsmith merge {file} tells what both sides changed, and what settles it"
    line = data.count(b"\n", 0, first.start()) + 1
    return Finding("conflict-marker", "holds the marks of a merge", file, hint=hint, line=line)


def marked(ours: bytes, theirs: bytes) -> bytes:
    """Both sides, whole, as git marks them."""
    parts = (b"<<<<<<< ours\n", _ended(ours), b"=======\n", _ended(theirs), b">>>>>>> theirs\n")
    return b"".join(parts)


def _ended(text: bytes) -> bytes:
    return text if text.endswith(b"\n") or not text else text + b"\n"
