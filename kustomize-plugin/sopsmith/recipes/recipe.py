"""A merged spec → a Recipe, the typed contract that the five steps work from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sopsmith.errors import SopsmithError
from sopsmith.model import (
    Access,
    Alternate,
    Component,
    DatabaseRoles,
    Derivation,
    Generator,
    Origin,
    Previous,
    PreviousOf,
    Recipe,
    Role,
    Rules,
    Secret,
    Template,
    Text,
    Url,
    Value,
)
from sopsmith.recipes import consistency, roles
from sopsmith.recipes.kinds import KINDS, is_stored
from sopsmith.recipes.resolve import ORIGINS, Resolved
from sopsmith.recipes.template import IDENTITIES, fill, parse_template


def parse(resolved: Resolved) -> Recipe:
    """Build the recipe, its maps sorted as kustomize sorts them.

    Raises SopsmithError with everything that its own text shows wrong."""
    problems = list(consistency.of_spec(resolved))
    recipe = _recipe(resolved)  # what is missing is made up, so that both reports come at once
    problems += consistency.of_recipe(recipe, resolved)
    if problems:
        raise SopsmithError(problems)
    return recipe


def _recipe(resolved: Resolved) -> Recipe:
    spec = resolved.spec
    identity = {name: spec.get(name, "x") for name in IDENTITIES}
    return Recipe(
        file=resolved.file,
        app=identity["app"],
        environment=identity["environment"],
        seeds=spec.get("seeds", {}),
        components=tuple(_component(each, identity) for each in spec.get("components", ())),
        values=roles.linked(
            {
                name: _value(name, value, _file_of(resolved, name, value))
                for name, value in sorted(spec.get("values", {}).items())
            }
        ),
        secrets=tuple(
            _secret(handle, each, identity)
            for handle, each in sorted(spec.get("secrets", {}).items())
        ),
    )


def _file_of(resolved: Resolved, name: str, value: Mapping[str, Any]) -> str:
    """The file that gave a value its origin, or else declared it."""
    field = next((origin for origin in ORIGINS if origin in value), None)
    path = ("values", name) if field is None else ("values", name, field)
    return resolved.origins.get(path, resolved.file)


def _value(name: str, spec: Mapping[str, Any], file: str) -> Value:
    generator = _generator(spec)
    derivation = _derivation(spec["derive"]) if "derive" in spec else None
    rotated = spec.get("rotated")
    max_age = spec.get("maxAge")
    return Value(
        name=name,
        origin=_origin(generator, derivation),
        default=spec.get("default"),
        generator=generator,
        derivation=derivation,
        optional=spec.get("optional", False),
        group=spec.get("group"),
        rules=_rules(spec.get("rules", {})),
        rotation=spec.get("rotation", "allowed"),
        id=spec.get("id", name),
        version=spec.get("version", 1),
        seed=spec.get("seed", "1"),
        rotated=None if rotated is None else rotated[:10],
        max_age=None if max_age is None else int(max_age[:-1]),
        slot=spec.get("slot"),
        previous=_previous(spec),
        role=_role(spec.get("role")),
        file=file,
    )


def _origin(generator: Generator | None, derivation: Derivation | None) -> Origin:
    if generator is not None:
        return "stored" if generator.stored else "generated"
    return "given" if derivation is None else "derived"


def _generator(spec: Mapping[str, Any]) -> Generator | None:
    if "generate" not in spec:
        return None
    ((kind, options),) = spec["generate"].items()
    return Generator(kind, {**KINDS[kind].defaults, **_no_nulls(options)}, is_stored(spec))


def _previous(spec: Mapping[str, Any]) -> Previous | None:
    previous = spec.get("previous")
    generator = None if previous is None else _generator({**spec, **_no_nulls(previous)})
    if previous is None or generator is None:
        return None
    return Previous(previous["version"], previous.get("seed", "1"), generator)


def _role(spec: Mapping[str, Any] | None) -> Role | None:
    if spec is None:
        return None
    return Role(spec.get("strategy") or "in-place", spec.get("owner"), spec.get("rotator"))


def _rules(spec: Mapping[str, Any]) -> Rules:
    differs = spec.get("differsFrom", ())
    return Rules(
        min_length=spec.get("minLength", 1),
        max_length=spec.get("maxLength"),
        min_entropy=spec.get("minEntropy"),
        pattern=spec.get("pattern"),
        differs_from=(differs,) if isinstance(differs, str) else tuple(differs),
        format=spec.get("format"),
        placeholder=spec.get("placeholder", False),
    )


def _derivation(spec: Mapping[str, Any]) -> Derivation:
    ((kind, options),) = spec.items()
    if kind == "template":
        return Text(parse_template(options))
    if kind == "previousOf":
        return PreviousOf(options)
    if kind == "alternate":
        return Alternate(*(options.get(part) or "" for part in ("a", "b", "slotOf")))
    if kind in ("rolesOf", "bootstrapOf"):
        names = (options,) if isinstance(options, str) else tuple(dict.fromkeys(options))
        unlinked = tuple(Access(name, (), (), None) for name in names)  # until all values are known
        return DatabaseRoles(unlinked, "roles" if kind == "rolesOf" else "bootstrap")
    return _url(options)


def _url(options: Mapping[str, Any]) -> Url:
    segments = options.get("path")
    return Url(
        scheme=parse_template(options.get("scheme") or ""),
        user=_optional(options.get("user")),
        password=_optional(options.get("password")),
        host=parse_template(options.get("host") or ""),
        port=_optional(options.get("port")),
        path=None if segments is None else _segments(segments),
        query=tuple(
            (name, parse_template(text))
            for name, text in sorted(_no_nulls(options.get("query") or {}).items())
        ),
    )


def _optional(part: str | int | None) -> Template | None:
    return None if part is None else parse_template(str(part))


def _segments(path: str | list[str]) -> tuple[Template, ...]:
    return tuple(map(parse_template, [path] if isinstance(path, str) else path))


def _component(spec: Mapping[str, Any], identity: Mapping[str, str]) -> Component:
    file = _identified(spec["path"], identity)
    reading = spec.get("as")
    if isinstance(reading, str):
        return Component(file, reading, None)
    return Component(file, None, None if reading is None else tuple(_no_nulls(reading).items()))


def _secret(handle: str, spec: Mapping[str, Any], identity: Mapping[str, str]) -> Secret:
    def text(field: str, default: str | None) -> str | None:
        given = spec.get(field, default)
        return None if given is None else _identified(given, identity)

    return Secret(
        handle=handle,
        name=text("name", handle) or handle,
        namespace=text("namespace", None),
        type=spec.get("type", "Opaque"),
        data={**{name: name for name in spec.get("keys", ())}, **_no_nulls(spec.get("data", {}))},
        hash=spec.get("hash", True),
        behavior=spec.get("behavior"),
        immutable=spec.get("immutable", False),
        labels=_no_nulls(spec.get("labels", {})),
        annotations=_no_nulls(spec.get("annotations", {})),
    )


def _identified(text: str, identity: Mapping[str, str]) -> str:
    """Text with $(app) and $(environment) filled in; another name has a finding of its own."""
    return fill(parse_template(text), lambda name: identity.get(name, "x"))


def _no_nulls(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
