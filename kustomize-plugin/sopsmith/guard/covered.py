"""Which files have to be encrypted, and whether they are, as their creation rule says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice

from sopsmith.components import access, change
from sopsmith.components.comments import clear_comments
from sopsmith.components.rules import Rule, covers_everything
from sopsmith.components.sealed import (
    MOST_FINDINGS,
    SECRET_CLEAR,
    Path,
    Trust,
    component_of,
    format_of,
    leaves_of,
    plain_length,
    seal,
    unpacked,
)
from sopsmith.components.selection import encrypts, read_selection
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.guard.leaks import STRUCTURED
from sopsmith.model import MOST_BYTES, Component
from sopsmith.recipes import overlay
from sopsmith.recipes.resolve import SUFFIXES, holds_recipe
from sopsmith.text.lines import nodes

_NEVER = re.compile(
    r"(.+\.(md|markdown|rst|adoc|txt)|kustomization(\.ya?ml)?|\.(?!env(\.|\Z)).*|LICENSE|CODEOWNERS)\Z",
    re.IGNORECASE,
)
_ENC = re.compile(r"\.(enc|sops)(\.|\Z)")
_DECRYPTED = re.compile(r"\.(dec|decrypted)(\.[A-Za-z0-9]+)?\Z")
_METADATA = re.compile(rb"^sops:|[\"']sops[\"']\s*:|^sops_mac=|^\[sops\]", re.MULTILINE)
_MAPS = (*STRUCTURED, ".env")
_WHOLE = re.compile(rb"\s*(\{|<<<<<<< )")  # a whole file is JSON whatever its name is, or was


def has_metadata(file: str, data: bytes) -> bool:
    """Whether a file looks like one that sops wrote; a text that speaks of sops is none."""
    may_have = file.endswith((*_MAPS, ".ini")) or _ENC.search(_name(file)) or _WHOLE.match(data)
    return bool(may_have and b"ENC[AES256_GCM," in data and _METADATA.search(data))


def is_covered(rule: Rule, file: str, data: bytes) -> bool:
    """Whether a file that a rule matches is meant to be encrypted.

    Recipes, texts, kustomizations, dotfiles and Kubernetes objects but Secrets are where the name
    has `.enc`. Where a rule takes every file, only such a name says so, and of no text.
    """
    name = _name(file)
    is_named = bool(_ENC.search(name, 1))  # behind the first character: .sops.yaml is none
    if not is_named and _is_recipe(file, data):
        return False
    if covers_everything(rule):
        return is_named and not _NEVER.match(name)
    is_manifest = file.endswith(STRUCTURED) and _is_manifest(data)
    return is_named or not (_NEVER.match(name) or is_manifest)


def _is_recipe(file: str, data: bytes) -> bool:
    """Whether it is a recipe, and no text that speaks of one; a broken one is judged as such."""
    if not file.endswith(SUFFIXES) or not holds_recipe(data):
        return False
    try:
        return overlay.holds_recipe(data, file)
    except SopsmithError:
        return True


def _is_manifest(data: bytes) -> bool:
    """Whether it is Kubernetes objects, none of them a Secret with data."""
    try:
        documents = [node.content for node in nodes(data)]
    except ValueError:
        return False
    return bool(documents) and all(
        isinstance(each, Mapping)
        and {"apiVersion", "kind"} <= set(each)
        and (each["kind"].content != "Secret" or not {"data", "stringData"} & set(each))
        for each in documents
    )


def sealing_problems(
    component: Component, data: bytes, rule: Rule | None, trust: Trust, *, is_ours: bool
) -> list[Finding]:
    """Whether a file is whole, encrypted, and as its rule says.

    A component of a recipe (`is_ours`) is one document with nothing clear; other files may have
    several, and clear leaves where their own crypt rule leaves them.
    """
    if len(data) >= MOST_BYTES:
        return [Finding("file-unreadable", "is 8 MiB or more", component.file)]
    if access.is_ini(component.file, data):
        return _ini_problems(component, data, rule, trust)
    found = list(comment_problems(component, data))
    documents = [data] if is_ours else access.documents(component.file, data)
    try:
        for document in documents:
            found += _document_problems(component, document, rule, trust, is_ours)
    except SopsmithError as error:
        found += error.findings
    return found


def comment_problems(component: Component, data: bytes) -> Iterator[Finding]:
    """Comments in plaintext where the file's own crypt rule has them encrypted."""
    try:
        section = unpacked(component, access.documents(component.file, data)[0])[1]
        selection = read_selection(section, component.file, "sops")
    except SopsmithError:  # then more than its comments is wrong, and told
        return
    lines = clear_comments(data, format_of(component), selection)
    hint = (
        "take it out, and replace a secret in it: git has seen it; the recipe may explain a value"
    )
    for line in islice(lines, MOST_FINDINGS):
        message = "is a comment in plaintext, where sops encrypts comments"
        yield Finding("clear-comment", message, component.file, hint=hint, line=line)


def _ini_problems(
    component: Component, data: bytes, rule: Rule | None, trust: Trust
) -> list[Finding]:
    """What would be said of the JSON map that says the same."""
    try:
        as_map, text = access.ini_map(component.file, data)
        found = list(_document_problems(as_map, text, rule, trust, False))
    except SopsmithError as error:
        found = list(error.findings)
    return [each._replace(file=component.file) for each in found]


def _document_problems(
    component: Component, data: bytes, rule: Rule | None, trust: Trust, is_ours: bool
) -> Iterator[Finding]:
    file = component.file
    section = unpacked(component, data)[1]
    selection = read_selection(section, file, "sops")
    is_binary = format_of(component) == "binary"

    def may_be_clear(path: Path) -> bool:
        return not (is_ours or is_binary or encrypts(selection, path))

    sealed = seal(component, data, trust, may_be_clear)
    for path, ciphertext in () if is_binary else sealed.ciphertexts.items():
        if ciphertext and not encrypts(selection, path):
            message = f"is ciphertext where {selection.kind} {selection.text} leaves text clear"
            hint = "sops would hand it out as it is; encrypt the file anew"
            yield Finding("crypt-rule", message, file, ".".join(path), hint)
    if rule is None:
        hint = "add a rule to .sops.yaml whose path_regex matches it; sopsmith init writes one"
        yield Finding("rule-missing", "no creation rule covers it", file, hint=hint)
        return
    deviation = change.deviation(
        file, change.policy_of(component, data)[0], change.policy_of_rule(rule)
    )
    if deviation:
        yield deviation


# --- decrypted copies -----------------------------------------------------------------------------


def looks_decrypted(file: str) -> bool:
    """Whether the name says that the file is a decrypted copy."""
    return bool(_DECRYPTED.search(_name(file)))


def copies_of(file: str) -> tuple[str, ...]:
    """The names that a decrypted copy of an encrypted file could have."""
    name = _name(file)
    if not _ENC.search(name):
        return ()
    folder, plain = file[: len(file) - len(name)], _ENC.sub(r"\2", name, count=1)
    stem = plain.rpartition(".")[0]
    suffixes = (*_MAPS, ".yml") if plain.endswith(_MAPS) else ()
    others = (f"{stem}{suffix}" for suffix in suffixes)
    return tuple(dict.fromkeys(folder + each for each in (plain, *others)))


def shared_key(encrypted: str, ciphertext: bytes, copy: str, plaintext: bytes) -> str | None:
    """A key that both files give a value, `""` for whole files; None where nothing is shared."""
    if _is_recipe(copy, plaintext) or has_metadata(copy, plaintext):
        return None
    if not copy.endswith(_MAPS):
        return ""
    try:
        tree = unpacked(component_of(encrypted), ciphertext)[0]
    except SopsmithError:
        return None
    hidden = {
        path[-1]
        for path, leaf in leaves_of(tree)
        if isinstance(leaf, str) and plain_length(leaf) and path[0] not in SECRET_CLEAR
    }
    return next((key for key in _plain_keys(copy, plaintext) if key in hidden), None)


def _plain_keys(file: str, data: bytes) -> Iterator[str]:
    """The keys of a file that have text of their own."""
    if file.endswith(".env"):
        for line in data.decode("utf-8", "replace").splitlines():
            key, _, value = line.removeprefix("export ").partition("=")
            if value.strip() and not key.startswith("#"):
                yield key.strip()
        return
    try:
        todo = list(nodes(data))
    except ValueError:
        return
    while todo:
        content = todo.pop().content
        if isinstance(content, tuple):
            todo += content
        elif isinstance(content, Mapping):
            todo += content.values()
            texts = ((key, child.content) for key, child in content.items())
            yield from (key for key, text in texts if text and isinstance(text, str))


def _name(file: str) -> str:
    return file.rpartition("/")[2]
