"""Step 3: values → values composed of them, such as DATABASE_URL. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sopsmith.findings import Finding
from sopsmith.model import (
    Alternate,
    DatabaseRoles,
    Parts,
    PreviousOf,
    Recipe,
    Sensitive,
    Text,
    Url,
    Value,
    Values,
)
from sopsmith.recipes.template import (
    IDENTITIES,
    chosen,
    derivation_order,
    fill,
    fill_url,
    filled_in,
    lookup_in,
    names,
    references,
    templates,
)

MOST_DERIVED = 16 * 1024 * 1024  # characters of one recipe; Kubernetes takes a 16th in one Secret
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Derived(NamedTuple):
    """Every value that is known after the step, and why others are not."""

    values: Values
    findings: tuple[Finding, ...]


def derive(recipe: Recipe, values: Values, previous: Values) -> Derived:
    """Compose the derived values, each after what it needs.

    `previous` holds what values were before their last rotation, where there was one.
    A value that needs one with a finding of its own is left out in silence: one cause, one finding.
    """
    known = dict(values)
    findings: list[Finding] = []
    broken = {
        name
        for name, value in recipe.values.items()
        if value.origin != "derived" and name not in values and not value.optional
    }
    room = MOST_DERIVED
    for name in derivation_order(recipe.values):
        value = recipe.values[name]
        if broken.intersection(references(value)):
            broken.add(name)
            continue
        problems = [_not_text(value, n) for n in filled_in(value) if _is_bytes(known.get(n))]
        if not problems and _length(value, known) > room:
            problems = [_too_large(value)]
        try:
            made = None if problems else _made(recipe, value, known, previous)
        except ValueError as error:  # of a database's roles: it says what, without a value
            made, problems = None, [Finding("db-roles", str(error), value.file, value.name)]
        if made is not None:
            known[name] = made
            room -= len(made.reveal())
        elif problems or not value.optional:
            broken.add(name)
            findings += problems or [absent(recipe, value, known)]
    return Derived(known, tuple(findings))


def _length(value: Value, known: Values) -> int:
    """How long the text can get at most, so that nothing is built that is far too long."""
    parts = [part for template in templates(value) for part in template]
    lengths = [
        len(part) if isinstance(part, str) else len(known[part.name].data())
        for part in parts
        if isinstance(part, str) or part.name in known
    ]
    return sum(lengths) * (3 if isinstance(value.derivation, Url) else 1)  # percent-encoding


def _made(recipe: Recipe, value: Value, known: Values, previous: Values) -> Sensitive | None:
    """The derived value; None where what it stands for is absent."""
    derivation = value.derivation
    if isinstance(derivation, PreviousOf):
        return previous.get(derivation.name)
    if isinstance(derivation, Alternate):
        return known.get(chosen(derivation, recipe.values))
    if isinstance(derivation, DatabaseRoles):
        return _for_database(recipe, derivation, known, previous)
    text = _text(recipe, value, known)
    return None if text is None else Sensitive(text)


def _for_database(
    recipe: Recipe, derivation: DatabaseRoles, known: Values, previous: Values
) -> Sensitive | None:
    """What a database needs; None where a value of it is absent. Raises ValueError."""
    from sopsmith.postgres import account, distinct, first_time  # which few recipes need

    try:
        accounts = [account.of(recipe, e, known, previous) for e in derivation.passwords]
    except KeyError:
        return None
    for each, words in distinct.problems(accounts):
        raise ValueError(f"{each.value}: {words}")
    if derivation.form == "roles":
        return Sensitive(account.document(accounts))
    return Sensitive(first_time.first_start(accounts))


def _text(recipe: Recipe, value: Value, known: Values) -> str | None:
    """The derived text; None where an optional value that it can't do without is absent."""
    lookup = lookup_in(recipe, known)
    present = {*IDENTITIES, *known}
    derivation = value.derivation
    if isinstance(derivation, Url):
        parts = fill_url(derivation, present, lookup)
        return None if parts is None else compose(parts)
    if isinstance(derivation, Text) and present.issuperset(names(derivation.template)):
        return fill(derivation.template, lookup)
    return None


def compose(parts: Parts) -> str:
    """The URL's text (RFC 3986), everything but the unreserved characters percent-encoded."""
    userinfo = encode(parts.user or "")
    if parts.password is not None:
        userinfo += ":" + encode(parts.password)
    authority = userinfo + "@" if userinfo else ""
    authority += _bracketed(parts.host) if ":" in parts.host else encode(parts.host)
    authority += "" if parts.port is None else ":" + encode(parts.port)
    path = "" if parts.path is None else "/" + "/".join(map(encode, parts.path))
    query = "&".join(f"{encode(name)}={encode(text)}" for name, text in parts.query)
    return f"{parts.scheme}://{authority}{path}" + (f"?{query}" if query else "")


def _bracketed(address: str) -> str:
    """An IPv6 address, with its zone if it has one (RFC 6874)."""
    address, percent, zone = address.partition("%")
    return f"[{address}%25{encode(zone)}]" if percent else f"[{address}]"


def encode(text: str) -> str:
    """Percent-encode each byte outside A-Z a-z 0-9 . _ ~ -."""
    return "".join(
        chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode("utf-8")
    )


def _is_bytes(value: Sensitive | None) -> bool:
    return value is not None and value.text() is None


def _not_text(value: Value, need: str) -> Finding:
    message = f"needs {need}, which is not UTF-8 text"
    return Finding("not-text", message, value.file, value.name)


def _too_large(value: Value) -> Finding:
    message = (
        f"would be too long: all derived values together have up to {MOST_DERIVED:,} characters"
    )
    return Finding("max-length", message, value.file, value.name)


def absent(recipe: Recipe, value: Value, known: Values) -> Finding:
    """Why a value could not be derived from what is known."""
    derivation = value.derivation
    if isinstance(derivation, PreviousOf):
        message = f"can't be derived while {derivation.name} has no previous value"
        hint = "there is none before the first rotation"
        hint += "" if value.optional else f": mark {value.name} optional: true"
        return Finding("missing", message, value.file, value.name, hint)
    needs = references(value) if isinstance(derivation, DatabaseRoles) else filled_in(value)
    if isinstance(derivation, Alternate):
        needs = (chosen(derivation, recipe.values),)
    lacking = ", ".join(need for need in dict.fromkeys(needs) if need not in {*IDENTITIES, *known})
    message = f"can't be derived while {lacking} is absent"
    hint = f"give {lacking}" + (
        "" if value.optional else f", or mark {value.name} optional: true as well"
    )
    return Finding("missing", message, value.file, value.name, hint)
