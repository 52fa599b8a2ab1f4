"""Step 1: encrypted components → known values. The engine that decrypts is a parameter.

What an engine returns is held against the sealed text: the MAC does not cover renamed clear keys,
added empty ones or the crypt rule, and a program can print anything.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith.components.sealed import (
    CLEAR_ENVIRONMENT,
    ENVIRONMENT,
    PREVIOUS,
    SECRET_CLEAR,
    SEED,
    Path,
    leaves_of,
    plain_length,
)
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Decrypted, Opened, Recipe, Sealed, Sensitive
from sopsmith.recipes import shape
from sopsmith.text import document

_OURS = "SOPSMITH_"
_NAME = re.compile(r"[a-z][-a-z0-9]{0,19}\Z")
_SEED = re.compile(rf"{SEED}([1-9][0-9]{{0,8}})\Z")


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
    previous: Mapping[str, Sensitive]  # value: what it was
    findings: Mapping[str, Finding]  # key: why it can't be used


def open_sealed(sealed: Sealed, plaintext: bytes) -> Content:
    """Hold the plaintext against the sealed text and take its entries.

    Raises SopsmithError: tampered (the shapes differ), program-failed (no plaintext of it).
    """
    component = sealed.component
    if component.whole:
        if len(plaintext) != plain_length(sealed.ciphertexts[("data",)]):
            raise SopsmithError(_garbage(component))
        return Content({component.whole: Sensitive(plaintext)}, None, {}, {}, {})
    tree = _plain_tree(component, plaintext)
    leaves = dict(leaves_of(tree))
    _check_shape(sealed, leaves)
    entries, findings = _entries(sealed, tree, leaves)
    unusable = [problem for key, problem in findings.items() if key.startswith(_OURS)]
    if unusable:  # an environment that can't be read is not one that is not stated
        raise SopsmithError(unusable)
    environment = entries.pop(ENVIRONMENT, None)
    copy = sealed.clear.get((CLEAR_ENVIRONMENT,))
    if copy is not None and (environment is None or copy != environment.text()):
        message = f"differs from the encrypted {ENVIRONMENT}"
        raise SopsmithError(Finding("tampered", message, component.file, CLEAR_ENVIRONMENT))
    return _content(entries, _names(environment), findings)


def _content(
    entries: dict[str, Sensitive],
    environment: tuple[str, ...] | None,
    findings: Mapping[str, Finding],
) -> Content:
    """Tell values from what is ours."""
    seeds = {match[1]: entries.pop(key) for key in list(entries) if (match := _SEED.match(key))}
    kept = [key for key in entries if key.startswith(PREVIOUS)]
    previous = {key.removeprefix(PREVIOUS): entries.pop(key) for key in kept}
    return Content(entries, environment, seeds, previous, findings)


def gather_names(recipe: Recipe, components: Sequence[Sealed]) -> Decrypted:
    """What `gather` would say of these components, as far as it shows without any key.

    Names are in clear, so each value is there, and is not the real one.
    Raises SopsmithError as `gather` does: seed-refused, wrong-environment, tampered.
    """
    contents = []
    stops: list[Finding] = []
    for sealed in components:
        content = _names_only(recipe, sealed)
        stops += _environment_problems(recipe, sealed.component.file, content)
        contents.append((sealed.component, content))
    if stops:
        raise SopsmithError(stops)
    return _join(recipe, contents)


def _names_only(recipe: Recipe, sealed: Sealed) -> Content:
    """A component's names; its environment is believed, unless a clear copy says another."""
    if sealed.component.whole:
        return Content({sealed.component.whole: Sensitive("")}, None, {}, {}, {})
    made_up = {path: "QUFB" if text else "" for path, text in sealed.ciphertexts.items()}
    tree = {path[0]: leaf for path, leaf in sealed.clear.items() if len(path) == 1}
    entries, findings = _entries(sealed, tree, {**sealed.clear, **made_up})
    stated = entries.pop(ENVIRONMENT, None)
    copy = sealed.clear.get((CLEAR_ENVIRONMENT,))
    believed = Sensitive(copy if isinstance(copy, str) else recipe.environment)
    environment = None if stated is None else _names(believed)
    return _content(entries, environment, findings)


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
    """Same leaves, clear ones unchanged, encrypted ones decrypted and as long as they were."""
    file = sealed.component.file
    if set(leaves) != set(sealed.ciphertexts) | set(sealed.clear):
        raise SopsmithError(_garbage(sealed.component))
    for path, leaf in leaves.items():
        if path in sealed.clear:
            stated = sealed.clear[path]
            if leaf != stated and not isinstance(stated, document.Unquoted):
                message = "is not what the file says"
                raise SopsmithError(Finding("tampered", message, file, ".".join(path)))
        elif leaf == sealed.ciphertexts[path] != "":
            message = "was left encrypted by sops"
            raise SopsmithError(Finding("tampered", message, file, ".".join(path)))
        elif not _is_plaintext(leaf, sealed.ciphertexts[path]):
            raise SopsmithError(_garbage(sealed.component))


def _is_plaintext(leaf: Any, ciphertext: str) -> bool:
    if not ciphertext.endswith(",type:str]"):
        return True  # not text, whatever it is: a finding follows
    return isinstance(leaf, str) and (
        len(leaf.encode()) == plain_length(ciphertext) or _is_mangled(leaf, ciphertext)
    )


def _is_mangled(leaf: str, ciphertext: str) -> bool:
    """Bytes that JSON can't hold: sops replaced them, so the length is another."""
    return "\ufffd" in leaf and len(leaf.encode()) != plain_length(ciphertext)


def _entries(
    sealed: Sealed, tree: dict[str, Any], leaves: Mapping[Path, Any]
) -> tuple[dict[str, Sensitive], dict[str, Finding]]:
    """The component's map, as text values; what is no text becomes a finding of its key."""
    file = sealed.component.file
    is_secret = tree.get("kind") == "Secret" and tree.get("apiVersion") == "v1"
    findings: dict[str, Finding] = {}
    entries: dict[str, Sensitive] = {}
    for path, leaf in leaves.items():
        if path in sealed.clear or (is_secret and path[0] in SECRET_CLEAR):
            continue
        if is_secret and path in (("data",), ("stringData",)) and not leaf:
            continue  # data: {}
        if is_secret and path[0] not in ("data", "stringData", "immutable"):
            message = "has no place in a Secret"
            raise SopsmithError(Finding("tampered", message, file, ".".join(path)))
        section, (key, *deeper) = "", path
        if is_secret and path[0] in ("data", "stringData") and deeper:
            section, (key, *deeper) = path[0], path[1:]
        ciphertext, field = sealed.ciphertexts[path], ".".join(path)
        if deeper or not _is_text(leaf, ciphertext):
            hint = f"values are text: give it anew with sopsmith set, or quote it: sops edit {file}"
            findings[key] = Finding("not-flat", "is no text", file, field, hint)
        elif key in entries:
            findings[key] = Finding("duplicate-key", "stands in data and in stringData", file, key)
        else:
            text = _decoded(leaf) if section == "data" else leaf
            if text is None or _is_mangled(leaf, ciphertext):
                hint = "keep bytes in a file of their own: {path: …, as: NAME}"
                findings[key] = Finding("not-text", "is not UTF-8 text", file, key, hint)
            else:
                entries[key] = Sensitive(text)
    return entries, findings


def _is_text(leaf: Any, ciphertext: str) -> bool:
    return isinstance(leaf, str) and (ciphertext == "" or ciphertext.endswith(",type:str]"))


def _decoded(encoded: str) -> str | None:
    """An entry of `data`; None where it is not base64 of UTF-8."""
    try:
        return binascii.a2b_base64(encoded, strict_mode=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def environment_of(sealed: Sealed, plaintext: bytes) -> tuple[str, ...] | None:
    """The environments that a component states, whatever else it holds; None where it states none.

    Raises SopsmithError (program-failed) where this is no plaintext of it.
    """
    if sealed.component.whole:
        return None
    leaves = dict(leaves_of(_plain_tree(sealed.component, plaintext)))
    found = [str(leaves[path]) for path in ((ENVIRONMENT,), ("stringData", ENVIRONMENT))
             if path in leaves]  # fmt: skip
    found += [_decoded(str(leaf)) or "" for path, leaf in leaves.items()
              if path == ("data", ENVIRONMENT)]  # fmt: skip
    return _names(Sensitive(",".join(found))) if found else None


def whose(environments: Sequence[str]) -> str:
    """That a component belongs to these, in words: a value may have slipped in among them."""
    names = [name for name in environments if _NAME.match(name)]
    return f"belongs to {', '.join(names)}" if names else "belongs to another environment"


def _names(environment: Sensitive | None) -> tuple[str, ...] | None:
    text = None if environment is None else environment.text()
    return None if text is None else tuple(name.strip() for name in text.split(","))


# --- all components ---------------------------------------------------------------------------


def _environment_problems(recipe: Recipe, file: str, content: Content) -> Iterator[Finding]:
    if content.seeds and (content.environment is None or len(content.environment) != 1):
        message = "holds a seed and does not name exactly one environment"
        hint = f"set {ENVIRONMENT} in it to {recipe.environment}"
        yield Finding("wrong-environment", message, file, ENVIRONMENT, hint)
    elif content.environment is not None and recipe.environment not in content.environment:
        message = f"{whose(content.environment)}, and this is {recipe.environment}"
        hint = f"use the component of {recipe.environment}"
        yield Finding("wrong-environment", message, file, ENVIRONMENT, hint)


def _join(recipe: Recipe, contents: Sequence[tuple[Component, Content]]) -> Decrypted:
    values: dict[str, Sensitive] = {}
    places: dict[str, str] = {}
    seeds: dict[str, Sensitive] = {}
    previous, findings = _previous(recipe, contents)
    for component, content in contents:
        file = component.file
        for name, key in _reading(component, content.findings):
            findings.append(content.findings[key])
            places[name] = file
        for name, key in component.picks or ():
            if key not in content.entries and key not in content.findings:
                findings += _not_there(recipe, name, key, component, content)
                places.setdefault(name, file)
        for number, seed in content.seeds.items():
            if number in seeds:
                message = "stands in two components"
                field = f"{SEED}{number}"
                raise SopsmithError(Finding("seed-refused", message, file, field))
            seeds[number] = seed
        if content.environment is None and component.whole is None:
            hint = f"set {ENVIRONMENT} in it to {recipe.environment}"
            message = "does not say which environment it belongs to"
            findings.append(Finding("environment-unstated", message, file, ENVIRONMENT, hint))
        for name, key in _reading(component, content.entries):
            problem = _problem(recipe, name, places)
            if problem:
                findings.append(Finding(*problem[:2], file, key, problem[2]))
            if name in recipe.values and name not in values:
                values[name] = content.entries[key]
                places[name] = file
    for name, value in recipe.values.items():
        if name not in values and value.default is not None:
            values[name] = Sensitive(value.default)
            places[name] = value.file
    return Decrypted(values, places, seeds, previous, tuple(findings))


def _previous(
    recipe: Recipe, contents: Sequence[tuple[Component, Content]]
) -> tuple[dict[str, Sensitive], list[Finding]]:
    """What the components keep of earlier values, by the rules for the values themselves."""
    previous: dict[str, Sensitive] = {}
    places: dict[str, str] = {}
    findings: list[Finding] = []
    for component, content in contents:
        for name, sensitive in content.previous.items():
            problem = _problem(recipe, name, places)
            if problem:
                message = f"keeps what {name} was, which {problem[1]}"
                hint = f"remove it here: sopsmith unset {PREVIOUS}{name} -e {recipe.environment}"
                findings.append(Finding(problem[0], message, component.file, PREVIOUS + name, hint))
            places.setdefault(name, component.file)
            previous.setdefault(name, sensitive)
    return previous, findings


def _not_there(
    recipe: Recipe, name: str, key: str, component: Component, content: Content
) -> Iterator[Finding]:
    value = recipe.values[name]
    if not value.optional and value.default is None:
        hint = shape.unknown(key, content.entries) if content.entries else None
        message = f"is read from the key {key}, which the file lacks"
        yield Finding("missing", message, component.file, name, hint)


def _reading(component: Component, keys: Collection[str]) -> Iterator[tuple[str, str]]:
    """Which of the keys are read, as (value, key)."""
    if component.picks is not None:
        yield from ((name, key) for name, key in component.picks if key in keys)
    else:
        yield from ((key, key) for key in keys)


def _problem(recipe: Recipe, name: str, places: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Code, message and hint."""
    value = recipe.values.get(name)
    remove = f"sopsmith unset {name} -e {recipe.environment}"
    if value is None:
        hint = f"declare it under values, or remove it: {remove}"
        return "undeclared-key", "is not declared in the recipe", hint
    if value.origin in ("generated", "derived"):
        message = f"is {value.origin} by the recipe and may not stand here"
        return "origin-conflict", message, f"remove it here: {remove}"
    if name in places:
        hint = f"sopsmith unset takes it out of all: {remove}"
        return "duplicate-key", f"stands in {places[name]} as well", hint
    return None
