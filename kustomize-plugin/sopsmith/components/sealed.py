"""The text of a SOPS file, read without any key: what it claims, and whether sops wrote it. Pure.

sops is lax where it matters: it accepts text after `]` and other base64 padding bits, leaves a
value alone whose rule does not select it, and panics on `type:bytes`. So every component passes
here before an engine sees it.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from sopsmith.components.conflict import conflict
from sopsmith.components.metadata import Metadata, read_metadata, unflatten
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Format, Sealed
from sopsmith.text import document

# The public half of the key that the example publishes: whatever is encrypted to it is public.
DEMO_RECIPIENT = "age1a5lt4xfmz8hk7cuwy84v870hm9m3la2ya7c4c4yeuc2d3tdmqqhqyg608r"

_CIPHERTEXT = re.compile(
    r"ENC\[AES256_GCM,data:([A-Za-z0-9+/=]+),iv:([A-Za-z0-9+/=]+),tag:([A-Za-z0-9+/=]+)"
    r",type:(str|int|float|bool|time|comment)\]\Z"
)
_FORMATS: dict[str, Format] = {
    "yaml": "yaml", "yml": "yaml", "json": "json", "env": "dotenv",
}  # fmt: skip
_ENCRYPT = "encrypt it with `sops encrypt -i`, and replace the values that git has seen"
_TAKE_OUT = (  # sops refuses to encrypt what holds its metadata, and to decrypt what was added
    "take it out of the file; sopsmith set KEY or sops edit puts it in encrypted; "
    "and replace a value that git has seen"
)
ENVIRONMENT = "SOPSMITH_ENVIRONMENT"  # whose component it is
CLEAR_ENVIRONMENT = f"{ENVIRONMENT}_unencrypted"
SEED = "SOPSMITH_SEED_"  # then its number
PREVIOUS = "SOPSMITH_PREVIOUS_"  # then a value's name: what it was before its last rotation
SECRET_CLEAR = ("apiVersion", "kind", "metadata", "type")

Path = tuple[str, ...]
MOST_FINDINGS = 20  # of one file: whoever has more has seen enough


class Trust(NamedTuple):
    """What the caller accepts of a component's keys."""

    key_types: frozenset[str] = frozenset({"age"})
    demo_key: bool = False


def _nothing(path: Path) -> bool:
    return False


def seal(
    component: Component,
    data: bytes,
    trust: Trust,
    may_be_clear: Callable[[Path], bool] = _nothing,
) -> Sealed:
    """Check a component's text without any key; `may_be_clear` says which more leaves may be.

    Raises SopsmithError: not-encrypted, tampered, foreign-key-type, demo-key.
    """
    form = format_of(component)
    tree, section = _read(component, data, form)
    metadata = read_metadata(section, component.file)
    if _leaf_problem(metadata.mac) or not metadata.mac.endswith(",type:str]"):
        message = "carries no whole MAC"
        raise SopsmithError(Finding("tampered", message, component.file, "sops.mac"))
    _check_trust(component.file, metadata, trust)
    findings: list[Finding] = []
    ciphertexts: dict[Path, str] = {}
    clear: dict[Path, Any] = {}
    is_secret = tree.get("kind") == "Secret"
    for path, leaf in leaves_of(tree):
        if len(findings) == MOST_FINDINGS:
            break
        is_ours = path == (CLEAR_ENVIRONMENT,) or (is_secret and path[0] in SECRET_CLEAR)
        problem = _leaf_problem(leaf, path)
        if any(":" in key for key in path):  # for sops `a:b` is the same path as b inside a
            problem = "tampered"
        if problem is None:
            ciphertexts[path] = leaf or ""
        elif is_ours or (problem == "not-encrypted" and may_be_clear(path)):
            clear[path] = leaf
        else:
            message = {
                "not-encrypted": "is plaintext in an encrypted file",
                "tampered": "is not a ciphertext that sops wrote",
            }[problem]
            hint = _TAKE_OUT if problem == "not-encrypted" else None
            findings.append(Finding(problem, message, component.file, ".".join(path), hint))
    if form == "binary" and not findings and set(ciphertexts) != {("data",)}:
        findings.append(Finding("tampered", "is no encrypted whole file", component.file))
    if findings:
        raise SopsmithError(findings)
    return Sealed(component, form, data, ciphertexts, clear, metadata.recipients)


def format_of(component: Component) -> Format:
    """How the file is read: by its last suffix, and a whole file as bytes."""
    suffix = component.file.rpartition(".")[2].lower()
    return "binary" if component.whole else _FORMATS.get(suffix, "binary")


def component_of(file: str) -> Component:
    """A file as it is read where no recipe says how: a map by its suffix, else a whole file."""
    is_map = format_of(Component(file, None, None)) != "binary"
    return Component(file, None if is_map else "content", None)


def sops_section(component: Component, data: bytes) -> dict[str, Any]:
    """The sops metadata of a file as a tree; raises SopsmithError (not-encrypted, tampered)."""
    return unpacked(component, data)[1]


def unpacked(component: Component, data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """A file's tree and its sops metadata, unchecked; raises SopsmithError as sops_section does."""
    return _read(component, data, format_of(component))


def _read(component: Component, data: bytes, form: Format) -> tuple[dict[str, Any], dict[str, Any]]:
    """The file's tree and its sops metadata."""
    try:
        tree = _PARSERS[form](data)
    except document.DocumentError as error:
        torn = conflict(data, component.file, encrypted=True)
        if torn:
            finding = torn
        elif b"ENC[AES256_GCM," not in data:
            message = f"is not encrypted: {error}"
            finding = Finding("not-encrypted", message, component.file, hint=_ENCRYPT)
        else:
            finding = Finding("tampered", str(error), component.file)
        raise SopsmithError(finding) from None
    section = tree.pop("sops", None) if isinstance(tree, dict) else None
    if isinstance(tree, dict) and any(key.casefold() == "sops" for key in tree):
        message = "holds a second sops section"  # Go folds the case of JSON names
        raise SopsmithError(Finding("tampered", message, component.file, "sops"))
    if not isinstance(section, dict) or not section:
        message = "is not encrypted: it carries no sops metadata"
        raise SopsmithError(Finding("not-encrypted", message, component.file, hint=_ENCRYPT))
    return tree, section


def _parse_dotenv(data: bytes) -> dict[str, Any]:
    """A dotenv file as sops stores it (stores/dotenv/store.go): KEY=VALUE lines and # comments."""
    tree: dict[str, Any] = {}
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise document.DocumentError("the text is not UTF-8") from None
    for number, line in enumerate(lines, 1):
        key, equals, value = line.partition("=")
        if line == "" or line.startswith("#"):
            continue
        if not equals or key in tree:
            trouble = "a key stands twice" if equals else "a line is no KEY=VALUE"
            raise document.DocumentError(trouble, number)
        tree[key] = value
    flat = {key[5:]: tree.pop(key) for key in list(tree) if key.startswith("sops_")}
    return {**tree, "sops": unflatten(flat)}


_PARSERS: dict[Format, Callable[[bytes], Any]] = {
    "yaml": document.parse,
    "json": document.parse_json,
    "binary": document.parse_json,
    "dotenv": _parse_dotenv,
}


def _check_trust(file: str, metadata: Metadata, trust: Trust) -> None:
    foreign = sorted(metadata.kinds - trust.key_types)
    if foreign:
        wanted = ",".join(sorted(metadata.kinds))
        hint = f"set SOPSMITH_KEY_TYPES={wanted} where you trust these services"
        message = f"names keys of the kind {', '.join(foreign)}"
        raise SopsmithError(Finding("foreign-key-type", message, file, "sops", hint))
    if DEMO_RECIPIENT in metadata.recipients and not trust.demo_key:
        hint = "encrypt it to a key of your own; only the example sets SOPSMITH_ALLOW_DEMO_KEY=1"
        message = "is encrypted to the demo key, which everyone has"
        raise SopsmithError(Finding("demo-key", message, file, hint=hint))


def leaves_of(node: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf with its path; empty maps and lists below the top are leaves too."""
    if isinstance(node, dict | list) and (node or not path):
        entries = node.items() if isinstance(node, dict) else enumerate(node)
        for key, child in entries:
            yield from leaves_of(child, (*path, str(key)))
    else:
        yield path, node


def _leaf_problem(leaf: Any, path: Path = ()) -> Literal["not-encrypted", "tampered"] | None:
    """None for "" and null (which sops leaves clear), empty nodes, and a whole canonical ENC[…]."""
    if leaf is None or leaf == "" or leaf == {} or leaf == []:
        return None
    if not isinstance(leaf, str) or not leaf.startswith("ENC["):
        return "not-encrypted"
    kind = _kind(leaf)
    is_item = path[-1:] != () and path[-1].isdecimal()  # comments in a list become items of it
    return "tampered" if kind is None or (kind == "comment" and not is_item) else None


def is_encrypted_comment(text: str) -> bool:
    """Whether the text of a comment is what sops makes of one."""
    return _kind(text) == "comment"


def _kind(text: str) -> str | None:
    """The type of a whole canonical ENC[…]; None for anything else."""
    match = _CIPHERTEXT.match(text)
    if match is None:
        return None
    try:
        sizes = [_canonical_length(match[index]) for index in (1, 2, 3)]
    except (ValueError, binascii.Error):
        return None
    return match[4] if sizes[1:] == [32, 16] else None


def _canonical_length(text: str) -> int:
    raw = binascii.a2b_base64(text, strict_mode=True)
    if binascii.b2a_base64(raw, newline=False).decode() != text:
        raise ValueError
    return len(raw)


def plain_length(ciphertext: str) -> int:
    """AES-GCM keeps the length, so it is known before decryption."""
    match = _CIPHERTEXT.match(ciphertext)
    return len(binascii.a2b_base64(match[1])) if match else 0
