"""What is wrong with a merged recipe that its own text shows, without any value. Pure.

Every check yields findings and none stops the next, so that one run reports everything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sopsmith.findings import Finding
from sopsmith.model import Alternate, PreviousOf, Recipe, Secret, Url
from sopsmith.recipes import shape
from sopsmith.recipes.kinds import KINDS, is_stored
from sopsmith.recipes.resolve import ORIGINS, Resolved
from sopsmith.recipes.template import (
    IDENTITIES,
    bare_names,
    derivation_order,
    filled_in,
    names,
    parse_template,
)

_DNS_SUBDOMAIN = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z"
)
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?\Z")
_QUALIFIED = re.compile(
    r"([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?\Z"
)
_OF_KUSTOMIZE = re.compile(r"(^|\.)config\.(kubernetes|k8s)\.io\Z")
_REQUIRED = {"url": ("scheme", "host"), "alternate": ("a", "b", "slotOf")}
_FLAT_SUFFIXES = (".yaml", ".yml", ".json", ".env")


def of_spec(resolved: Resolved) -> Iterator[Finding]:
    """What keeps the merged spec from becoming a Recipe."""
    spec, file = resolved.spec, resolved.file
    if spec.get("app") is None:
        yield Finding(
            "recipe-incomplete", "must be given: the identity under the seed", file, "spec.app"
        )
    if spec.get("environment") is None:
        message = "must be given: a recipe without one is a base, which is never rendered alone"
        yield Finding("recipe-incomplete", message, file, "spec.environment")
    for name, value in spec.get("values", {}).items():
        yield from _origin(resolved, name, value)
        yield from _incomplete_kind(resolved, name, value)
        yield from _incomplete_derivation(resolved, name, value)
        yield from _literal_password(resolved, name, value)
        yield from _pattern(resolved, name, value)
    for component in spec.get("components", ()):
        yield from _identified(component["path"], component["file"], "spec.components")
        if component.get("as") is None and not component["path"].endswith(_FLAT_SUFFIXES):
            message = f"{component['path']} is no .yaml, .json or .env file"
            hint = "say which value the whole file is: {path: …, as: NAME}"
            yield Finding("recipe-value", message, component["file"], "spec.components", hint)
    if not spec.get("secrets"):
        hint = "add one under secrets; emitting nothing would delete the live Secret"
        yield Finding("recipe-empty", "no Secret to emit", file, "spec.secrets", hint)
    for handle, secret in spec.get("secrets", {}).items():
        yield from _secret_spec(resolved, handle, secret)


def of_recipe(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    """What in a recipe contradicts another part of it."""
    yield from _references(recipe)
    yield from _other_sides(recipe)
    yield from _previous(recipe, resolved)
    yield from _public_passwords(recipe, resolved)
    yield from _ids(recipe)
    yield from _cycles(recipe)
    yield from _components(recipe, resolved)
    for secret in recipe.secrets:
        yield from _unknown_in(secret, recipe, resolved)
        yield from _metadata(secret, *_where(resolved, "secrets", secret.handle))
    yield from collisions([recipe])


def collisions(recipes: list[Recipe]) -> Iterator[Finding]:
    """Two Secrets of one name in one namespace, also across recipes of one run."""
    seen: set[tuple[str | None, str]] = set()
    for recipe in recipes:
        for secret in recipe.secrets:
            if (secret.namespace, secret.name) in seen:
                message = f"another entry emits {secret.name} as well"
                field = f"spec.secrets.{secret.handle}"
                yield Finding("secret-collision", message, recipe.file, field)
            seen.add((secret.namespace, secret.name))


def _where(resolved: Resolved, *path: str) -> tuple[str, str]:
    """The file that set a field, and the field's name for a message."""
    return resolved.origins.get(path, resolved.file), ".".join(("spec", *path))


def _origin(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    where = _where(resolved, "values", name)
    named = [origin for origin in ORIGINS if origin in spec]
    if len(named) > 1:
        yield Finding("recipe-origin", f"has two origins: {' and '.join(named)}", *where)
    stored = is_stored(spec)
    seeded = "generate" in spec and not stored
    if "stored" in spec and "generate" not in spec:
        yield Finding("recipe-origin", "stored says how a generated value is kept", *where)
    for field in ("version", "seed", "previous"):
        if field in spec and not seeded:
            why = (
                "a stored value is rotated by storing another" if stored else "nothing generates it"
            )
            message = f"has no meaning here: {why}"
            yield Finding("recipe-origin", message, *_where(resolved, "values", name, field))
    if seeded and spec.get("rotation") == "never":
        message = "never can't be for a value from a seed, which has to be rotated one day"
        hint = "add stored: true, or give the value in a component"
        yield Finding("recipe-origin", message, *_where(resolved, "values", name, "rotation"), hint)
    if "slot" in spec and "generate" not in spec:
        message = "has no meaning here: only a generated or stored value alternates"
        yield Finding("recipe-origin", message, *_where(resolved, "values", name, "slot"))
    if "group" in spec and not spec.get("optional"):
        yield Finding("recipe-origin", "a group joins optional values; add optional: true", *where)


def _incomplete_kind(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A leaf may change one option of an inherited generator, so only the merged one is judged."""
    for kind, options in (spec.get("generate") or {}).items():
        needs = KINDS[kind].needs
        if needs and not any(options.get(option) for option in needs):
            where = _where(resolved, "values", name, "generate", kind)
            yield Finding("recipe-incomplete", f"must be given {' or '.join(needs)}", *where)


def _incomplete_derivation(
    resolved: Resolved, name: str, spec: Mapping[str, Any]
) -> Iterator[Finding]:
    """A leaf may change one part of an inherited one, so only the merged one has to be whole."""
    for kind, options in spec.get("derive", {}).items():
        for part in _REQUIRED.get(kind, ()):
            if options.get(part) is None:
                file, field = _where(resolved, "values", name, "derive", kind)
                yield Finding("recipe-incomplete", "must be given", file, f"{field}.{part}")


def _literal_password(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    url = spec.get("derive", {}).get("url")
    password = None if url is None else url.get("password")
    if password is not None and not set(names(parse_template(password))) - set(IDENTITIES):
        message = "the password of a URL is literal text in the recipe"
        hint = "refer to a value with $(NAME), and replace the password: git has seen it"
        path = ("values", name, "derive", "url", "password")
        yield Finding("literal-password", message, *_where(resolved, *path), hint)


def _public_passwords(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    """A password by way of a `default` is as literal as one in the URL."""
    for value in recipe.values.values():
        password = value.derivation.password if isinstance(value.derivation, Url) else None
        for name in names(password or ()):
            if name in recipe.values and recipe.values[name].default is not None:
                message = f"is the password of {value.name}, in plain text in the recipe"
                hint = "generate it or give it in a component, and replace it: git has seen it"
                where = _where(resolved, "values", name, "default")
                yield Finding("literal-password", message, *where, hint)


def _pattern(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    text = spec.get("rules", {}).get("pattern")
    if text is None:
        return
    from sopsmith.recipes import pattern

    try:
        pattern.compile_pattern(text)
    except pattern.PatternError as error:
        where = _where(resolved, "values", name, "rules", "pattern")
        yield Finding("recipe-value", str(error), *where)


def _identified(text: str, file: str, field: str) -> Iterator[Finding]:
    """Only $(app) and $(environment) may stand in paths, Secret names and namespaces."""
    for name in names(parse_template(text)):
        if name not in IDENTITIES:
            hint = "only $(app) and $(environment) can"
            yield Finding("recipe-name", f"$({name}) can't stand here", file, field, hint)


def _secret_spec(resolved: Resolved, handle: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    where = _where(resolved, "secrets", handle)
    keys = spec.get("keys", ())
    data = [key for key, name in spec.get("data", {}).items() if name is not None]
    for name in (key for key, times in Counter([*keys, *data]).items() if times > 1):
        yield Finding("recipe-value", f"the key {name} is emitted twice", *where)
    if not keys and not data:
        yield Finding("recipe-empty", "names no value in keys or data", *where)
    for field in ("name", "namespace"):
        default = handle if field == "name" else ""
        where = _where(resolved, "secrets", handle, field)
        yield from _identified(spec.get(field, default), *where)


def _unknown_in(secret: Secret, recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    for key, name in secret.data.items():
        if name not in recipe.values:
            path = ("secrets", secret.handle, "data", key)
            place = path if path in resolved.origins else (*path[:2], "keys")
            yield _unknown(name, name, recipe, *_where(resolved, *place))


def _references(recipe: Recipe) -> Iterator[Finding]:
    for value in recipe.values.values():
        field = f"spec.values.{value.name}"
        for name in dict.fromkeys(filled_in(value)):
            if name == "":
                message, hint = "holds a $( that is not closed", "close it, or write $$( for $("
                yield Finding("recipe-name", message, value.file, field, hint)
            elif name not in recipe.values and name not in IDENTITIES:
                known = {**recipe.values, **dict.fromkeys(IDENTITIES)}
                message = f"$({name}) is no declared value"
                hint = shape.unknown(name, known)
                yield Finding("recipe-name", message, value.file, field, hint)
        for name in dict.fromkeys(bare_names(value)):
            if name not in recipe.values:
                yield _unknown(name, name, recipe, value.file, field)
        for name in value.rules.differs_from:
            if name not in recipe.values:
                yield _unknown(name, f"differsFrom: {name}", recipe, value.file, field)


def _other_sides(recipe: Recipe) -> Iterator[Finding]:
    """Earlier values and slots, asked of values that have none."""
    for value in recipe.values.values():
        derivation, where = value.derivation, (value.file, f"spec.values.{value.name}")
        if isinstance(derivation, PreviousOf):
            asked = recipe.values.get(derivation.name)
            if asked and asked.origin == "derived":
                message = f"{asked.name} is derived, so nothing keeps what it was"
                hint = "name the value that is rotated"
                yield Finding("recipe-value", message, *where, hint)
        if isinstance(derivation, Alternate):
            asked = recipe.values.get(derivation.slot_of)
            if asked and asked.origin not in ("generated", "stored"):
                message = f"{asked.name} is {asked.origin}, so it has no slot"
                hint = "slotOf names a generated or stored value"
                yield Finding("recipe-value", message, *where, hint)
            if derivation.a and derivation.a == derivation.b:
                yield Finding("recipe-value", "a and b are the same value", *where)


def _previous(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    """An earlier value that is no other (a restored one may have been later), or of no seed."""
    for value in recipe.values.values():
        if value.previous is None or value.origin != "generated":
            continue  # where nothing comes from a seed, it has a finding of its own
        if value.previous == (value.version, value.seed, value.generator):
            message = "is what the value is now"
            hint = "state the version before the last rotation, or remove previous"
            where = _where(resolved, "values", value.name, "previous")
            yield Finding("recipe-value", message, *where, hint)
        if value.previous.generator.stored:
            message = "is of a stored kind, which no seed gives"
            where = _where(resolved, "values", value.name, "previous", "generate")
            yield Finding("recipe-value", message, *where)


def _unknown(name: str, shown: str, recipe: Recipe, file: str, field: str) -> Finding:
    hint = shape.unknown(name, recipe.values) if recipe.values else "no values are declared"
    return Finding("recipe-name", f"{shown} is no declared value", file, field, hint)


def _ids(recipe: Recipe) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for value in recipe.values.values():
        if value.origin == "generated" and seen.setdefault(value.id, value.name) != value.name:
            message = f"has the id of {seen[value.id]}, so both would get one value"
            yield Finding("recipe-value", message, value.file, f"spec.values.{value.name}")


def _cycles(recipe: Recipe) -> Iterator[Finding]:
    """The first circle of derivations, spelled out."""
    try:
        derivation_order(recipe.values)
    except ValueError as error:  # graphlib.CycleError
        circle = error.args[1][::-1]
        first = circle.index(min(circle))
        circle = [*circle[first:-1], *circle[:first], circle[first]]
        value = recipe.values[circle[0]]
        message = f"is derived in a circle: {' → '.join(circle)}"
        yield Finding("recipe-cycle", message, value.file, f"spec.values.{value.name}")


def _components(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    where = _where(resolved, "components")
    for component in recipe.components:
        picked = [name for name, _ in component.picks or ()]
        for name in [component.whole] if component.whole else picked:
            if name not in recipe.values:
                yield _unknown(name, f"as: {name}", recipe, *where)
    files = Counter(component.file for component in recipe.components)
    for file in (file for file, times in files.items() if times > 1):
        yield Finding("recipe-value", f"{file} is listed twice", *where)


def _metadata(secret: Secret, file: str, field: str) -> Iterator[Finding]:
    if not _DNS_SUBDOMAIN.match(secret.name):
        message = f"the name {secret.name} is no Kubernetes name (a-z 0-9 - .)"
        yield Finding("recipe-value", message, file, field)
    if secret.namespace is not None and not _DNS_LABEL.match(secret.namespace):
        message = f"the namespace {secret.namespace} is no Kubernetes name (a-z 0-9 -)"
        yield Finding("recipe-value", message, file, field)
    for name in (*secret.labels, *secret.annotations):
        prefix, slash, _ = name.rpartition("/")
        if not _QUALIFIED.match(name):
            message = f"{name} is no name of a label or annotation"
            yield Finding("recipe-value", message, file, field)
        elif slash and _OF_KUSTOMIZE.search(prefix):
            message = f"{name} is kustomize's own; hash and behavior say what it may do"
            yield Finding("recipe-value", message, file, field)
    for label, text in secret.labels.items():
        if not _LABEL_VALUE.match(text):
            message = f"the label {label} has up to 63 characters of A-Z a-z 0-9 - _ ."
            yield Finding("recipe-value", message, file, field)
