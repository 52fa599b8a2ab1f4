"""What no file of a repository may hold, encrypted or not: private keys, plain Secrets. Pure.

Nothing that is found is ever quoted.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from sopsmith.components.sealed import MOST_FINDINGS, plain_length
from sopsmith.findings import Finding
from sopsmith.text.lines import Node, nodes

_DEEPEST = 8  # texts in texts; nobody means it who goes deeper
STRUCTURED = (".yaml", ".yml", ".json")

# The private half of DEMO_RECIPIENT, which the example publishes, as a SHA-256.
_DEMO_KEY = "57e61c3fe6ccb71cdf81c120298d806f2850966776e42a6711f9ace5884be726"
_AGE_KEY = re.compile(rb"AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{58,}", re.IGNORECASE)
# Only with what follows: a text may speak of the first line. \\n is how JSON breaks a line.
_PEM_KEY = re.compile(
    rb"-----BEGIN (?:[A-Z0-9]+ ){0,2}PRIVATE KEY(?: BLOCK)?-----"
    rb"(?:\\[rn]|[\s|>])*(?:[A-Z][A-Za-z-]+: |[A-Za-z0-9+/=]{16})"
)
_SECRET = re.compile(rb"Secret(?:List)?\b|\\[uUx]")  # a quoted text may spell it in escapes
_INSIDE = re.compile(r"\bkind['\"]?\s*:\s*['\"]?Secret\b")
_PROSE = (".md", ".markdown", ".mdx", ".rst", ".adoc", ".asciidoc", ".html")
_OBJECT = frozenset(
    {"apiVersion", "kind", "metadata", "type", "immutable", "data", "stringData", "items", "sops"}
)
_CONTROL = re.compile(r"^[ \t]*\{\{.*\}\}[ \t]*(?=\r?$)", re.MULTILINE)
_FILLED = re.compile(r"\{\{.*?\}\}")
# What another tool puts in later: Flux ${NAME}, argocd-vault-plugin <path:…>, Helm {{ … }}.
_REFERENCE = re.compile(r"\s*(\$\{[A-Za-z_][A-Za-z0-9_]*\}|<path:[^<>]*>|\{\{.*\}\})\s*\Z")


def as_utf8(data: bytes) -> bytes:
    """The text as it is searched: what PowerShell redirects into a file is UTF-16."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").encode("utf-8", "replace")
    return data


def later_keys(
    start: bytes, pieces: Iterable[bytes], file: str, *, demo_key: bool
) -> Iterator[Finding]:
    """Private keys in the rest of a large file, of which `start` was looked at; without lines."""
    mark = start[:2] if start[:2] in (b"\xff\xfe", b"\xfe\xff") else b""
    for piece in pieces:
        for finding in private_keys(as_utf8(mark + piece), file, demo_key=demo_key):
            yield finding._replace(line=None)


def private_keys(data: bytes, file: str, *, demo_key: bool) -> Iterator[Finding]:
    """Private keys, wherever they stand; the demo key passes where it is allowed."""
    hint = "take it out, and replace it: whoever has a copy of the repository has the key"
    for match in _AGE_KEY.finditer(data):
        line = _line(data, match.start())
        if hashlib.sha256(match[0].upper()).hexdigest() != _DEMO_KEY:
            yield Finding("private-key", "holds an age private key", file, hint=hint, line=line)
        elif not demo_key:
            allow = "only the example holds it, and sets SOPSMITH_ALLOW_DEMO_KEY=1"
            yield Finding("demo-key", "holds the demo key", file, hint=allow, line=line)
    for match in _PEM_KEY.finditer(data):
        line = _line(data, match.start())
        yield Finding("private-key", "holds a private key", file, hint=hint, line=line)


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1


def plaintext_secrets(data: bytes, file: str) -> Iterator[Finding]:
    """Every `kind: Secret` with data in plaintext: in any document, list or text inside one."""
    if not _SECRET.search(data):
        return
    try:
        documents = nodes(data) if file.lower().endswith(STRUCTURED) else _manifests(data, file)
    except ValueError:
        if b"{{" not in data and _INSIDE.search(data.decode("utf-8", "replace")):
            message = "holds a Secret and is not valid YAML, so nobody can tell what is in it"
            yield Finding("plaintext-secret", message, file)
        return
    found = (each for document in documents for each in _secrets(document, _Place()))
    for path, line, is_sealed in islice(found, MOST_FINDINGS):
        if is_sealed:
            message = "is ciphertext without its sops metadata, so nothing can decrypt it"
            hint = "restore the file; a merge may have lost its end"
            yield Finding("tampered", message, file, path, hint, line)
        else:
            message = "is plaintext in a kind: Secret"
            hint = "let a recipe emit it, or encrypt the file; and replace what git has seen"
            yield Finding("plaintext-secret", message, file, path, hint, line)


def _manifests(data: bytes, file: str) -> Iterator[Node]:
    """The Kubernetes objects of a file whose name says nothing of YAML: a template, a .txt.

    A page that explains one is none, so the whole of a part between two `---` has to be one.
    """
    text = data.decode("utf-8", "replace")
    if file.lower().endswith(_PROSE) or not _INSIDE.search(text):
        return
    # A template's own lines go, and what it fills in reads as what another tool puts in later.
    plain = _FILLED.sub("${X}", _CONTROL.sub("", text))
    start = 0
    for part in re.split(r"(^---.*$\n?)", plain, flags=re.MULTILINE):
        if _INSIDE.search(part):
            with contextlib.suppress(ValueError):  # then it is something else
                for node in nodes(part.encode("utf-8", "surrogatepass")):
                    if isinstance(node.content, Mapping) and _OBJECT.issuperset(node.content):
                        yield _moved(node, start)
        start += part.count("\n")


def _moved(node: Node, lines: int) -> Node:
    """The same node, further down in the file."""
    content = node.content
    if isinstance(content, Mapping):
        content = {key: _moved(child, lines) for key, child in content.items()}
    elif isinstance(content, tuple):
        content = tuple(_moved(child, lines) for child in content)
    return Node(node.line + lines, content)


class _Place(NamedTuple):
    """Where a node stands."""

    path: str = ""
    kind: str = ""  # of a list's items, where the list says it
    sops: bool = False  # metadata stands at or above it
    depth: int = 0  # of texts that hold texts

    def at(self, step: str, kind: str, sops: bool) -> _Place:
        return _Place((self.path + step).removeprefix("."), kind, sops, self.depth)


Leaf = tuple[str, int, bool]  # its path, its line, and whether it is ciphertext


def _secrets(node: Node, place: _Place) -> Iterator[Leaf]:
    """Every leaf of a Secret, at or below a node, that nobody encrypted or can decrypt."""
    content = node.content
    if isinstance(content, Mapping):
        sops = place.sops or "sops" in content
        kind = content["kind"].content if "kind" in content else place.kind
        if kind == "Secret" or _may_be_secret(content, kind):
            yield from _plain_leaves(content, place.path, sops)
        for key, child in content.items():
            below = "Secret" if kind == "SecretList" and key == "items" else ""
            yield from _secrets(child, place.at(f".{key}", below, sops))
    elif isinstance(content, tuple):
        for index, child in enumerate(content):
            yield from _secrets(child, place.at(f"[{index}]", place.kind, place.sops))
    elif content and "\n" in content and _INSIDE.search(content):
        if place.depth == _DEEPEST:
            yield place.path, node.line, False
            return
        with contextlib.suppress(ValueError):  # a text that is no YAML is no manifest
            for inside in nodes(content.encode("utf-8", "surrogatepass")):
                for _, _, is_sealed in _secrets(inside, _Place(depth=place.depth + 1)):
                    yield place.path, node.line, is_sealed


def _may_be_secret(content: Mapping[str, Node], kind: object) -> bool:
    """Whether an alias or a merge key hides the kind of an object with data."""
    is_hidden = kind is None or (not kind and "<<" in content)
    return is_hidden and "apiVersion" in content and bool({"data", "stringData"} & set(content))


def _plain_leaves(secret: Mapping[str, Node], path: str, sops: bool) -> Iterator[Leaf]:
    """What a Secret holds in plaintext; an alias or a merge key may hide some, so it counts."""
    if "<<" in secret:
        yield f"{path}.<<".removeprefix("."), secret["<<"].line, False
    for section in ("data", "stringData"):
        entries = secret.get(section)
        here = f"{path}.{section}".removeprefix(".")
        if entries is None or entries.content == "":
            continue
        if not isinstance(entries.content, Mapping):
            yield here, entries.line, False
            continue
        for key, leaf in entries.content.items():
            is_sealed = isinstance(leaf.content, str) and plain_length(leaf.content) > 0
            if not (is_sealed and sops) and not _is_harmless(leaf.content):
                yield f"{here}.{key}", leaf.line, is_sealed


def _is_harmless(leaf: object) -> bool:
    if isinstance(leaf, Mapping):
        return not leaf  # also what {{ }} reads as
    return isinstance(leaf, str) and (leaf == "" or bool(_REFERENCE.match(leaf)))
