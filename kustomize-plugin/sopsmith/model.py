"""The frozen words of the domain. NamedTuples, because `dataclasses` costs 12 ms at every start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple

from sopsmith.findings import Finding

Origin = Literal["given", "generated", "stored", "derived"]
Rotation = Literal["allowed", "overlap", "never"]
Format = Literal["yaml", "json", "dotenv", "binary"]


class Sensitive:
    """Text or bytes that never reach a message: repr, str and format show `***`."""

    __slots__ = ("_content",)

    def __init__(self, content: str | bytes) -> None:
        self._content = content

    def reveal(self) -> str | bytes:
        """The content itself; call it only where the value is used."""
        return self._content

    def data(self) -> bytes:
        """The content as bytes, text as UTF-8."""
        content = self._content
        return content if isinstance(content, bytes) else content.encode("utf-8")

    def text(self) -> str | None:
        """The content as text, or None where it is bytes that are not UTF-8."""
        content = self._content
        if isinstance(content, str):
            return content
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def __repr__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> Any:
        raise TypeError("a sensitive value is not serialised")


class Ref(NamedTuple):
    """`$(name)` inside a template."""

    name: str


Template = tuple[str | Ref, ...]


class Url(NamedTuple):
    """A URL by its parts (RFC 3986); absent parts are None."""

    scheme: Template
    user: Template | None
    password: Template | None
    host: Template
    port: Template | None
    path: tuple[Template, ...] | None
    query: tuple[tuple[str, Template], ...]


class Parts(NamedTuple):
    """A URL's parts with every reference filled in, before percent-encoding."""

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: str | None
    path: tuple[str, ...] | None
    query: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return "Parts(***)"


class Text(NamedTuple):
    """A derived text with `$(NAME)` in it."""

    template: Template


class PreviousOf(NamedTuple):
    """What another value was before its last rotation."""

    name: str


class Alternate(NamedTuple):
    """The value of `a` or of `b`, by the slot of a third."""

    a: str
    b: str
    slot_of: str


class Access(NamedTuple):
    """The names of the values that belong to one PostgreSQL password."""

    password: str
    users: tuple[str, ...]  # of alternating roles: the names of the role in slot a and of that in b
    urls: tuple[str, ...]  # the URLs that it is the password of
    rotator: str | None  # the URL of the role that may change it


class DatabaseRoles(NamedTuple):
    """What makes a database accept passwords: for `sopsmith postgres`, or for its first start."""

    passwords: tuple[Access, ...]
    form: Literal["roles", "bootstrap"]


Derivation = Url | Text | PreviousOf | Alternate | DatabaseRoles


class Generator(NamedTuple):
    """A kind of generated value and its options with every default filled in."""

    kind: str
    options: Mapping[str, Any]
    stored: bool  # drawn once and kept in a component, not derived from the seed


class Rules(NamedTuple):
    """What a value has to satisfy."""

    min_length: int = 1
    max_length: int | None = None
    min_entropy: int | None = None  # bits
    pattern: str | None = None
    differs_from: tuple[str, ...] = ()
    format: str | None = None
    placeholder: bool = False  # a value that looks like one is meant


class Role(NamedTuple):
    """Whose password in PostgreSQL a value is, and how it gets to be another."""

    strategy: Literal["alternating", "in-place"]
    owner: str | None  # alternating: the role without a login that owns what both make
    rotator: str | None  # a URL's name


class Previous(NamedTuple):
    """What a generated value was before its last rotation."""

    version: int
    seed: str
    generator: Generator


class Value(NamedTuple):
    """One named entry of a recipe."""

    name: str
    origin: Origin
    default: str | None
    generator: Generator | None
    derivation: Derivation | None
    optional: bool
    group: str | None
    rules: Rules
    rotation: Rotation
    id: str
    version: int
    seed: str
    rotated: str | None  # ISO date
    max_age: int | None  # days
    slot: str | None
    previous: Previous | None
    role: Role | None
    file: str  # where it is declared, relative to the root


class Component(NamedTuple):
    """One SOPS-encrypted file and what is read of it."""

    file: str  # relative to the root
    whole: str | None  # the file is this one value
    picks: tuple[tuple[str, str], ...] | None  # (value, key); None takes every key


class Secret(NamedTuple):
    """One Secret to emit."""

    handle: str
    name: str
    namespace: str | None
    type: str
    data: Mapping[str, str]  # Secret key: value name
    hash: bool
    behavior: str | None
    immutable: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


class Recipe(NamedTuple):
    """A leaf, merged and checked."""

    file: str
    app: str
    environment: str
    seeds: Mapping[str, str]  # number: public check value, 32 hex characters
    components: tuple[Component, ...]
    values: Mapping[str, Value]
    secrets: tuple[Secret, ...]


class Sealed(NamedTuple):
    """A component's text after our own check of it: safe to give to a decryption engine."""

    component: Component
    format: Format
    data: bytes
    ciphertexts: Mapping[tuple[str, ...], str]  # path of a leaf: its ENC[…] or ""
    clear: Mapping[tuple[str, ...], Any]  # path of a leaf that is meant to be clear: its value
    recipients: tuple[str, ...]


class Decrypted(NamedTuple):
    """What the components of one recipe hold."""

    values: Values
    places: Mapping[str, str]  # value: the file it stands in, also where it can't be used
    seeds: Values  # by number
    previous: Values  # what given and stored values were before their last rotation
    findings: tuple[Finding, ...]


Values = Mapping[str, Sensitive]
Opened = bytes | Finding
"""What an engine makes of one Sealed: the plaintext (JSON, or raw for a whole file), or why not."""
Engine = Callable[[Sequence[Sealed]], AbstractContextManager[Callable[[], Sequence[Opened]]]]
"""Starts decryption on entry and gives the function that waits for it; on exit nothing runs on."""
Read = Callable[[str], bytes]
"""Reads a file by its path relative to the root, up to MOST_BYTES: so much is too much."""
MOST_BYTES = 8 * 1024 * 1024
UNFINISHED = ".sopsmith-new"  # ends the name of a file that is being written
