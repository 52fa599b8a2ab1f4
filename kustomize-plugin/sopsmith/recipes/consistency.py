"""What is wrong with a merged recipe that its own text shows, without any value. Pure.

Every check yields findings and none stops the next, so that one run reports everything.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from sopsmith.findings import Finding
from sopsmith.model import Recipe, Secret
from sopsmith.recipes import derivations, roles
from sopsmith.recipes.derivations import undeclared
from sopsmith.recipes.kinds import KINDS, is_stored
from sopsmith.recipes.resolve import ORIGINS, Resolved
from sopsmith.recipes.template import IDENTITIES, names, parse_template

_DNS_SUBDOMAIN = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z"
)
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?\Z")
_QUALIFIED = re.compile(
    r"([a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?\Z"
)
_OF_KUSTOMIZE = re.compile(r"(^|\.)config\.(kubernetes|k8s)\.io\Z")
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
        yield from derivations.of_spec(resolved, name, value)
        yield from _pattern(resolved, name, value)
        if value.get("role") is not None and value["role"].get("strategy") is None:
            where = resolved.where("values", name, "role")
            message = "must be given: alternating or in-place"
            yield Finding("recipe-incomplete", message, where[0], f"{where[1]}.strategy")
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
    yield from derivations.of_recipe(recipe, resolved)
    yield from roles.problems(recipe, resolved)
    yield from _previous(recipe, resolved)
    yield from _ids(recipe)
    yield from _components(recipe, resolved)
    for secret in recipe.secrets:
        yield from _unknown_in(secret, recipe, resolved)
        yield from _metadata(secret, *resolved.where("secrets", secret.handle))
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


def _origin(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    where = resolved.where("values", name)
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
            yield Finding("recipe-origin", message, *resolved.where("values", name, field))
    if seeded and spec.get("rotation") == "never":
        message = "never can't be for a value from a seed, which has to be rotated one day"
        hint = "add stored: true, or give the value in a component"
        yield Finding("recipe-origin", message, *resolved.where("values", name, "rotation"), hint)
    if "slot" in spec and "generate" not in spec:
        message = "has no meaning here: only a generated or stored value alternates"
        yield Finding("recipe-origin", message, *resolved.where("values", name, "slot"))
    if "group" in spec and not spec.get("optional"):
        yield Finding("recipe-origin", "a group joins optional values; add optional: true", *where)


def _incomplete_kind(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    """A leaf may change one option of an inherited generator, so only the merged one is judged."""
    for kind, options in (spec.get("generate") or {}).items():
        needs = KINDS[kind].needs
        if needs and not any(options.get(option) for option in needs):
            where = resolved.where("values", name, "generate", kind)
            yield Finding("recipe-incomplete", f"must be given {' or '.join(needs)}", *where)


def _pattern(resolved: Resolved, name: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    text = spec.get("rules", {}).get("pattern")
    if text is None:
        return
    from sopsmith.recipes import pattern

    try:
        pattern.compile_pattern(text)
    except pattern.PatternError as error:
        where = resolved.where("values", name, "rules", "pattern")
        yield Finding("recipe-value", str(error), *where)


def _identified(text: str, file: str, field: str) -> Iterator[Finding]:
    """Only $(app) and $(environment) may stand in paths, Secret names and namespaces."""
    for name in names(parse_template(text)):
        if name not in IDENTITIES:
            hint = "only $(app) and $(environment) can"
            yield Finding("recipe-name", f"$({name}) can't stand here", file, field, hint)


def _secret_spec(resolved: Resolved, handle: str, spec: Mapping[str, Any]) -> Iterator[Finding]:
    where = resolved.where("secrets", handle)
    keys = spec.get("keys", ())
    data = [key for key, name in spec.get("data", {}).items() if name is not None]
    for name in (key for key, times in Counter([*keys, *data]).items() if times > 1):
        yield Finding("recipe-value", f"the key {name} is emitted twice", *where)
    if not keys and not data:
        yield Finding("recipe-empty", "names no value in keys or data", *where)
    for field in ("name", "namespace"):
        default = handle if field == "name" else ""
        where = resolved.where("secrets", handle, field)
        yield from _identified(spec.get(field, default), *where)


def _unknown_in(secret: Secret, recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    for key, name in secret.data.items():
        if name not in recipe.values:
            path = ("secrets", secret.handle, "data", key)
            place = path if path in resolved.origins else (*path[:2], "keys")
            yield undeclared(name, name, recipe, *resolved.where(*place))


def _previous(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    """An earlier value that is no other (a restored one may have been later), or of no seed."""
    for value in recipe.values.values():
        if value.previous is None or value.origin != "generated":
            continue  # where nothing comes from a seed, it has a finding of its own
        if value.previous == (value.version, value.seed, value.generator):
            message = "is what the value is now"
            hint = "state the version before the last rotation, or remove previous"
            where = resolved.where("values", value.name, "previous")
            yield Finding("recipe-value", message, *where, hint)
        if value.previous.generator.stored:
            message = "is of a stored kind, which no seed gives"
            where = resolved.where("values", value.name, "previous", "generate")
            yield Finding("recipe-value", message, *where)


def _ids(recipe: Recipe) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for value in recipe.values.values():
        if value.origin == "generated" and seen.setdefault(value.id, value.name) != value.name:
            message = f"has the id of {seen[value.id]}, so both would get one value"
            yield Finding("recipe-value", message, value.file, f"spec.values.{value.name}")


def _components(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    where = resolved.where("components")
    for component in recipe.components:
        picked = [name for name, _ in component.picks or ()]
        for name in [component.whole] if component.whole else picked:
            if name not in recipe.values:
                yield undeclared(name, f"as: {name}", recipe, *where)
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
