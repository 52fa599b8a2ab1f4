"""Text with `$(NAME)` in it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping

from sopsmith.model import (
    Alternate,
    DatabaseRoles,
    Parts,
    PreviousOf,
    Recipe,
    Ref,
    Template,
    Text,
    Url,
    Value,
    Values,
)

IDENTITIES = ("app", "environment")
_REFERENCE = re.compile(r"\$\$\(|\$\(([^()]*)(\)?)")


def parse_template(text: str) -> Template:
    """Split text at its references; `$$(` stands for a literal `$(`.

    A reference that is not closed becomes a Ref with an empty name, which no value has.
    """
    parts: list[str | Ref] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        parts.append("$(" if match[0] == "$$(" else Ref(match[1] if match[2] else ""))
    parts.append(text[end:])
    return tuple(part for part in parts if part != "")


def names(template: Template) -> tuple[str, ...]:
    """The names that a template refers to."""
    return tuple(part.name for part in template if isinstance(part, Ref))


def fill(template: Template, lookup: Callable[[str], str]) -> str:
    """The template's text; what is filled in is not expanded again."""
    return "".join(part if isinstance(part, str) else lookup(part.name) for part in template)


def references(value: Value) -> tuple[str, ...]:
    """The names that a value is derived from, `app` and `environment` included, each once."""
    return tuple(dict.fromkeys((*bare_names(value), *filled_in(value))))


def bare_names(value: Value) -> tuple[str, ...]:
    """The names that stand in a derivation without `$(…)`; a part that is not given has none."""
    derivation = value.derivation
    if isinstance(derivation, DatabaseRoles):
        named = [(a.password, *a.users, *a.urls, a.rotator) for a in derivation.passwords]
        return tuple(dict.fromkeys(filter(None, (name for each in named for name in each))))
    return tuple(filter(None, derivation)) if isinstance(derivation, PreviousOf | Alternate) else ()


def asks_before(value: Value) -> tuple[str, ...]:
    """The names of values whose previous ones a derivation asks for."""
    derivation = value.derivation
    if isinstance(derivation, DatabaseRoles):
        return tuple(each.password for each in derivation.passwords)
    return (derivation.name,) if isinstance(derivation, PreviousOf) else ()


def chosen(alternate: Alternate, values: Mapping[str, Value]) -> str:
    """The name of the two that the slot picks; `a` where no slot is stated."""
    return alternate.b if values[alternate.slot_of].slot == "b" else alternate.a


def filled_in(value: Value) -> tuple[str, ...]:
    """The names whose text becomes part of the derived text."""
    return tuple(name for template in templates(value) for name in names(template))


def derivation_order(values: Mapping[str, Value]) -> tuple[str, ...]:
    """The derived values, each after those it needs.

    Raises graphlib.CycleError with the circle, each name before the one that needs it.
    """
    needs = {name: references(value) for name, value in values.items() if value.derivation}
    if not needs:
        return ()
    from graphlib import TopologicalSorter  # 1 ms that recipes without derivations save

    return tuple(name for name in TopologicalSorter(needs).static_order() if name in needs)


def fill_url(url: Url, known: Container[str], lookup: Callable[[str], str]) -> Parts | None:
    """A URL's parts, unencoded; None where a part that it can't do without is absent.

    `user`, `password`, `port` and entries of `query` are left out while they refer to an absent
    value. An empty name of a reference is in no container.
    """

    def text(template: Template | None) -> str | None:
        if template is None or not all(name in known for name in names(template)):
            return None
        return fill(template, lookup)

    scheme, host = text(url.scheme), text(url.host)
    path = None if url.path is None else tuple(text(segment) for segment in url.path)
    if scheme is None or host is None or (path is not None and None in path):
        return None
    return Parts(
        scheme=scheme,
        user=text(url.user),
        password=text(url.password),
        host=host,
        port=text(url.port),
        path=None if path is None else tuple(segment or "" for segment in path),
        query=tuple((name, entry) for name, part in url.query if (entry := text(part)) is not None),
    )


def reached(
    values: Mapping[str, Value],
    starts: Iterable[str],
    needs: Callable[[Value], Iterable[str]] = references,
) -> set[str]:
    """These values and all that is derived from them, by the names that `needs` counts."""
    found = set(starts)
    for name in derivation_order(values):
        if found.intersection(needs(values[name])):
            found.add(name)
    return found


def lookup_in(recipe: Recipe, values: Values) -> Callable[[str], str]:
    """What `$(NAME)` stands for among these values; NAME is known to be there."""
    identity = {"app": recipe.app, "environment": recipe.environment}
    return lambda name: identity.get(name) or values[name].text() or ""


def templates(value: Value) -> Iterator[Template]:
    """Every template of a value's derivation."""
    derivation = value.derivation
    if isinstance(derivation, Text):
        yield derivation.template
    elif isinstance(derivation, Url):
        for part in (derivation.scheme, derivation.user, derivation.password, derivation.host):
            yield part or ()
        yield derivation.port or ()
        yield from derivation.path or ()
        yield from (template for _, template in derivation.query)
