"""Step 1: encrypted components → known values. The engine that decrypts is a parameter.

What an engine returns is held against the sealed text: the MAC does not cover renamed clear keys,
added empty ones or the crypt rule, and a program can print anything.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith import document
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Decrypted, Opened, Recipe, Sealed, Sensitive
from sopsmith.sealed import CLEAR_ENVIRONMENT, SECRET_CLEAR, Path, leaves_of, plain_length

_ENVIRONMENT = "SOPSMITH_ENVIRONMENT"
_SEED = re.compile(r"SOPSMITH_SEED_([1-9][0-9]{0,8})\Z")


def gather(recipe: Recipe, components: Sequence[tuple[Sealed, Opened]]) -> Decrypted:
    """Join what an engine made of the components into the values that the recipe declares.

    Raises SopsmithError with every refusal and failure; findings about values are returned.
    """
    stops: list[Finding] = []
    contents = []
    for sealed, opened in components:
        try:
            if isinstance(opened, Finding):
                raise SopsmithError(opened)
            content = open_sealed(sealed, opened)
            stops += _environment_problems(recipe, sealed.component.file, content)
            contents.append((sealed.component, content))
        except SopsmithError as error:
            stops += error.findings
    if stops:
        raise SopsmithError(stops)
    return _join(recipe, contents)


class Content(NamedTuple):
    """What one component holds."""

    entries: Mapping[str, Sensitive]  # key: value; for a whole file, its one value
    environment: tuple[str, ...] | None  # None: not stated
    seeds: Mapping[str, Sensitive]
    findings: tuple[Finding, ...]


def open_sealed(sealed: Sealed, plaintext: bytes) -> Content:
    """Hold the plaintext against the sealed text and take its entries.

    Raises SopsmithError: tampered (the shapes differ), program-failed (no plaintext of it).
    """
    component = sealed.component
    if component.whole:
        if len(plaintext) != plain_length(sealed.ciphertexts[("data",)]):
            raise SopsmithError(_garbage(component))
        return Content({component.whole: Sensitive(plaintext)}, None, {}, ())
    tree = _plain_tree(component, plaintext)
    leaves = dict(leaves_of(tree))
    _check_shape(sealed, leaves)
    entries, findings = _entries(sealed, tree, leaves)
    environment = entries.pop(_ENVIRONMENT, None)
    copy = sealed.clear.get((CLEAR_ENVIRONMENT,))
    if copy is not None and (environment is None or copy != environment.text()):
        message = f"differs from the encrypted {_ENVIRONMENT}"
        raise SopsmithError(Finding("tampered", message, component.file, CLEAR_ENVIRONMENT))
    seeds = {match[1]: entries.pop(key) for key in list(entries) if (match := _SEED.match(key))}
    return Content(entries, _names(environment), seeds, tuple(findings))


# --- the plaintext ----------------------------------------------------------------------------


def _garbage(component: Component) -> Finding:
    message = "sops exited with 0 and printed something else than this file's plaintext"
    hint = "check which sops is on PATH: sopsmith doctor"
    return Finding("program-failed", message, component.file, hint=hint)


def _plain_tree(component: Component, plaintext: bytes) -> dict[str, Any]:
    try:
        tree = document.parse_json(plaintext)
    except document.DocumentError:
        raise SopsmithError(_garbage(component)) from None
    if not isinstance(tree, dict):
        raise SopsmithError(_garbage(component))
    return tree


def _check_shape(sealed: Sealed, leaves: Mapping[Path, Any]) -> None:
    """Same leaves, clear ones unchanged, encrypted ones decrypted."""
    file = sealed.component.file
    if set(leaves) != set(sealed.ciphertexts) | set(sealed.clear):
        raise SopsmithError(_garbage(sealed.component))
    for path, leaf in leaves.items():
        field = ".".join(path)
        if path in sealed.clear:
            if leaf != sealed.clear[path]:
                raise SopsmithError(Finding("tampered", "is not what the file says", file, field))
            continue
        ciphertext = sealed.ciphertexts[path]
        if leaf == ciphertext != "":
            raise SopsmithError(Finding("tampered", "was left encrypted by sops", file, field))
        mangled = isinstance(leaf, str) and "\ufffd" in leaf  # bytes that JSON can't hold
        if ciphertext.endswith(",type:str]") and not mangled:
            whole = isinstance(leaf, str) and len(leaf.encode()) == plain_length(ciphertext)
            if not whole:
                raise SopsmithError(_garbage(sealed.component))


def _entries(
    sealed: Sealed, tree: dict[str, Any], leaves: Mapping[Path, Any]
) -> tuple[dict[str, Sensitive], list[Finding]]:
    """The component's map, as text values; what is no text becomes a finding."""
    findings: list[Finding] = []
    entries: dict[str, Sensitive] = {}
    is_secret = tree.get("kind") == "Secret" and tree.get("apiVersion") == "v1"
    for path, leaf in leaves.items():
        if path in sealed.clear or (is_secret and path[0] in SECRET_CLEAR):
            continue
        in_secret = is_secret and path[0] in ("data", "stringData")
        key = path[1] if in_secret and len(path) > 1 else path[0]
        problem = None
        if len(path) > (2 if in_secret else 1) or not isinstance(leaf, str):
            problem = Finding(
                "not-flat", "is no text", sealed.component.file, ".".join(path), _quote_hint(key)
            )
        elif key in entries:
            problem = Finding("duplicate-key", "stands twice", sealed.component.file, key)
        else:
            value = _text(sealed, path, leaf) if in_secret and path[0] == "data" else leaf
            entries[key] = Sensitive(value or "")
            if value is None or _is_mangled(sealed, path, leaf):
                message = "is not UTF-8 text"
                hint = "keep bytes in a file of their own: {path: …, as: NAME}"
                problem = Finding("not-text", message, sealed.component.file, key, hint)
        if problem:
            findings.append(problem)
    return entries, findings


def _quote_hint(key: str) -> str:
    return f"values are text: put quotes round it (sops set FILE '[\"{key}\"]' '\"…\"')"


def _text(sealed: Sealed, path: Path, encoded: str) -> str | None:
    """An entry of `data`, decoded; None where it is not base64 of UTF-8."""
    try:
        return binascii.a2b_base64(encoded, strict_mode=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def _is_mangled(sealed: Sealed, path: Path, leaf: str) -> bool:
    ciphertext = sealed.ciphertexts.get(path, "")
    return "\ufffd" in leaf and len(leaf.encode()) != plain_length(ciphertext)


def _names(environment: Sensitive | None) -> tuple[str, ...] | None:
    text = None if environment is None else environment.text()
    return None if text is None else tuple(name.strip() for name in text.split(","))


# --- all components ---------------------------------------------------------------------------


def _environment_problems(recipe: Recipe, file: str, content: Content) -> Iterator[Finding]:
    if content.seeds and (content.environment is None or len(content.environment) != 1):
        message = "holds a seed and does not name exactly one environment"
        hint = f"set SOPSMITH_ENVIRONMENT in it to {recipe.environment}"
        yield Finding("wrong-environment", message, file, _ENVIRONMENT, hint)
    elif content.environment is not None and recipe.environment not in content.environment:
        message = f"belongs to {', '.join(content.environment)}, not to {recipe.environment}"
        hint = f"use the component of {recipe.environment}"
        yield Finding("wrong-environment", message, file, _ENVIRONMENT, hint)


def _join(recipe: Recipe, contents: Sequence[tuple[Component, Content]]) -> Decrypted:
    values: dict[str, Sensitive] = {}
    places: dict[str, str] = {}
    seeds: dict[str, Sensitive] = {}
    findings: list[Finding] = []
    for component, content in contents:
        file = component.file
        findings += content.findings
        places.update({finding.field: file for finding in content.findings if finding.field})
        for number, seed in content.seeds.items():
            if number in seeds:
                message = "stands in two components"
                field = f"SOPSMITH_SEED_{number}"
                raise SopsmithError(Finding("seed-refused", message, file, field))
            seeds[number] = seed
        if content.environment is None and component.whole is None:
            hint = f"set SOPSMITH_ENVIRONMENT in it to {recipe.environment}"
            message = "does not say which environment it belongs to"
            findings.append(Finding("environment-unstated", message, file, _ENVIRONMENT, hint))
        for name, key in _reading(component, content):
            problem = _problem(recipe, name, places)
            if problem:
                findings.append(Finding(problem[0], problem[1], file, key))
            if name in recipe.values and name not in values:
                values[name] = content.entries[key]
                places[name] = file
    for name, value in recipe.values.items():
        if name not in values and value.default is not None:
            values[name] = Sensitive(value.default)
            places[name] = value.file
    return Decrypted(values, places, seeds, tuple(findings))


def _reading(component: Component, content: Content) -> Iterator[tuple[str, str]]:
    """Which entries are read, as (value, key)."""
    if component.picks is None:
        yield from ((key, key) for key in content.entries if not key.startswith("SOPSMITH_"))
    else:
        yield from ((name, key) for name, key in component.picks if key in content.entries)


def _problem(recipe: Recipe, name: str, places: Mapping[str, str]) -> tuple[str, str] | None:
    value = recipe.values.get(name)
    if value is None:
        return "undeclared-key", "is not declared in the recipe"
    if value.origin in ("generated", "derived"):
        return "origin-conflict", f"is {value.origin} by the recipe and may not stand here"
    if name in places:
        return "duplicate-key", f"stands in {places[name]} as well"
    return None
