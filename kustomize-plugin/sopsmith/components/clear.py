"""Where plaintext could stand in an encrypted file: all that is no name and no ciphertext. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import yaml

from sopsmith.components.sealed import leaves_of, sops_section
from sopsmith.model import Sealed
from sopsmith.text import document

_TELLING = 8  # a shorter text may be part of anything
_OWN = ("mac", "lastmodified", "created_at")  # sops makes them anew, in a form that is checked


def texts(sealed: Sealed) -> tuple[str, ...]:
    """The comments of a file, its clear leaves, and what its metadata say."""
    section = leaves_of(sops_section(sealed.component, sealed.data))
    said = [*sealed.clear.values(), *(leaf for path, leaf in section if path[-1] not in _OWN)]
    text = sealed.data.decode("utf-8")
    comments = {"yaml": _between_scalars, "dotenv": _comment_lines}.get(sealed.format)
    return (*(str(each) for each in said), *(comments(text) if comments else ()))


def shows(value: str, now: Iterable[str], before: Iterable[str]) -> bool:
    """Whether a value stands in these texts, and it is not that it stood there before."""
    longest = max(value.split("\n"), key=len).strip()
    if len(longest) < _TELLING or any(longest in text for text in before):
        return False
    return any(longest in text for text in now)


def _between_scalars(text: str) -> Iterator[str]:
    """What is left of YAML without its names and values: comments, and signs that say nothing."""
    end = 0
    for token in yaml.scan(text, Loader=document.Loader):
        if isinstance(token, yaml.ScalarToken):
            start = token.start_mark.index
            if token.style in ("|", ">"):  # a comment may stand behind the sign
                start = text.index("\n", start)
            yield text[end:start]
            end = token.end_mark.index
    yield text[end:]


def _comment_lines(text: str) -> Iterator[str]:
    return (line for line in text.split("\n") if line.startswith("#"))
