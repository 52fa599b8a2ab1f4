"""The fields of a SecretRecipe: one table that both checks a fragment and yields its JSON Schema.

A fragment may lack any field (a leaf inherits the rest) and may hold null (which deletes), so
completeness is checked after the merge, in recipe.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sopsmith.document import Unquoted

API_VERSION = "sopsmith.dev/v1alpha1"
KIND = "SecretRecipe"
HIGHEST_VERSION = 2**32 - 1
ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Problem(NamedTuple):
    """A field that does not fit its shape."""

    code: str
    path: str
    message: str
    hint: str | None = None


class Shape(NamedTuple):
    """What a field may hold: a check that yields problems, and the same as JSON Schema."""

    check: Callable[[Any, str], Iterator[Problem]]
    json: dict[str, Any]


def nearest(word: str, known: Mapping[str, Any] | frozenset[str] | tuple[str, ...]) -> str | None:
    """The known word that was probably meant, or None."""
    import difflib  # costs 5 ms, and only a misspelt word needs it

    if len(known) > 1000:  # it compares with each of them
        return None
    return next(iter(difflib.get_close_matches(word, list(known), 1, 0.6)), None)


def unknown(word: str, known: Mapping[str, Any]) -> str:
    """The hint for an unknown word: the nearest known one, or all of them."""
    close = nearest(word, known)
    names = sorted(known)
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return f"did you mean {close}?" if close else f"known here: {listed}"


def text(pattern: str = "", what: str = "text") -> Shape:
    """A string; with a pattern, one that matches it as a whole."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, Unquoted) or not isinstance(value, str):
            hint = "quote it" if isinstance(value, int | Unquoted) else None
            yield Problem("recipe-value", path, f"must be {what}", hint)
        elif pattern and not re.fullmatch(pattern, value):
            yield Problem("recipe-value", path, f"must be {what}")
        elif any(ord(c) < 32 and c not in "\n\t" or 127 <= ord(c) < 160 for c in value):
            yield Problem("recipe-value", path, "holds control characters, which YAML tools change")

    return Shape(check, {"type": "string"} | ({"pattern": f"^(?:{pattern})$"} if pattern else {}))


def integer(low: int, high: int) -> Shape:
    """A decimal integer from low to high."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            yield Problem("recipe-value", path, f"must be an integer from {low} to {high}")

    return Shape(check, {"type": "integer", "minimum": low, "maximum": high})


def flag() -> Shape:
    """true or false."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, bool):
            yield Problem("recipe-value", path, "must be true or false")

    return Shape(check, {"type": "boolean"})


def choice(*words: str) -> Shape:
    """One of the words."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if value not in words or isinstance(value, Unquoted):
            yield Problem("recipe-value", path, f"must be one of {', '.join(words)}")

    return Shape(check, {"enum": list(words)})


def date() -> Shape:
    """An ISO date; kustomize turns 2026-11-21 into 2026-11-21T00:00:00Z, so both are one."""
    pattern = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])(T00:00:00Z)?"

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or not _is_day(value):
            yield Problem("recipe-value", path, "must be a date such as 2026-11-21")

    return Shape(check, {"type": "string", "pattern": f"^{pattern}$"})


def _is_day(text: str) -> bool:
    try:
        return bool(datetime.fromisoformat(text[:10]))
    except ValueError:
        return False


def list_of(item: Shape, *, or_one: bool = False) -> Shape:
    """A list; with or_one, a single item stands for a list of one."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if isinstance(value, list):
            for index, entry in enumerate(value):
                yield from item.check(entry, f"{path}[{index}]")
        elif or_one and not isinstance(value, dict):
            yield from item.check(value, path)
        else:
            yield Problem("recipe-value", path, "must be a list")

    many = {"type": "array", "items": item.json}
    return Shape(check, {"anyOf": [item.json, many]} if or_one else many)


def map_of(item: Shape, key: str = "", what: str = "a name") -> Shape:
    """A map from names that match `key` to items; null deletes an inherited one."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem("recipe-value", path, "must be a map")
            return
        for name, entry in value.items():
            if key and not re.fullmatch(key, name):
                yield Problem("recipe-value", f"{path}.{name}", f"must be named by {what}")
            if entry is not None:
                yield from item.check(entry, f"{path}.{name}")

    names = {"propertyNames": {"pattern": f"^(?:{key})$"}} if key else {}
    return Shape(check, {"type": "object", "additionalProperties": _or_null(item.json)} | names)


def record(required: tuple[str, ...] = (), /, **fields: tuple[Shape, str]) -> Shape:
    """A map with exactly these fields, each with its description; null deletes an inherited one.

    Names that are no Python identifiers end in an underscore (`hash_` for `hash`).
    """
    known = {name.rstrip("_"): field for name, field in fields.items()}

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem("recipe-value", path, "must be a map")
            return
        for name, entry in value.items():
            here = f"{path}.{name}" if path else name
            if name not in known:
                yield Problem("recipe-field", here, "unknown field", unknown(name, known))
            elif entry is not None:
                yield from known[name][0].check(entry, here)
        for name in required:
            if value.get(name) is None:
                yield Problem("recipe-incomplete", f"{path}.{name}", "must be given")

    properties = {
        name: (shape.json if name in required else _or_null(shape.json))
        | {"description": description}
        for name, (shape, description) in known.items()
    }
    json: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }
    return Shape(check, json | ({"required": list(required)} if required else {}))


def one_kind(what: str, **kinds: tuple[Shape, str]) -> Shape:
    """A map with one key, the kind, which holds the kind's options."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        if not isinstance(value, dict) or len(value) != 1:
            yield Problem("recipe-value", path, f"must name one {what}: {', '.join(kinds)}")
            return
        ((kind, options),) = value.items()
        if kind not in kinds:
            yield Problem("recipe-field", f"{path}.{kind}", f"unknown {what}", unknown(kind, kinds))
        else:
            yield from kinds[kind][0].check(options, f"{path}.{kind}")

    json = {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            kind: shape.json | {"description": description}
            for kind, (shape, description) in kinds.items()
        },
    }
    return Shape(check, json)


def either(first: Shape, second: Shape, when: Callable[[Any], bool]) -> Shape:
    """The first shape when `when(value)`, else the second."""

    def check(value: Any, path: str) -> Iterator[Problem]:
        return (first if when(value) else second).check(value, path)

    return Shape(check, {"anyOf": [first.json, second.json]})


def _or_null(json: dict[str, Any]) -> dict[str, Any]:
    """The same or null; by `anyOf` only where it must, or no editor finds the wrong field."""
    if isinstance(json.get("type"), str):
        return json | {"type": [json["type"], "null"]}
    if "enum" in json:
        return json | {"enum": [*json["enum"], None]}
    return {"anyOf": [json, {"type": "null"}]}


def _is_text(value: Any) -> bool:
    return not isinstance(value, dict)


def _is_int(value: Any) -> bool:
    return isinstance(value, int)


NAME = r"[-._A-Za-z0-9]+"
IDENTITY = r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?"
SEED = r"[1-9][0-9]{0,8}"

# The kinds whose values are drawn once and kept in a component; the others come from the seed.
STORED_KINDS = frozenset({"rsa", "ecdsa", "ed25519", "ssh", "age", "certificate"})

GENERATE = one_kind(
    "kind of generator",
    password=(record(
        length=(integer(1, 1024), "characters; default 32"),
        alphabet=(text(r"(?=[!-~]{2,94}$)(?!.*(.).*\1).*", "2 to 94 different ASCII characters"),
                  "characters to draw from, literally; default A-Za-z0-9"),
    ), "random text"),
    bytes=(record(
        size=(integer(1, 1024), "bytes before encoding; default 32"),
        encoding=(choice("hex", "base64", "base64url"), "default base64; base64url has no padding"),
    ), "random bytes as text"),
    rsa=(record(bits=(integer(2048, 8192), "default 3072")), "RSA key, PKCS#8 PEM; stored"),
    ecdsa=(record(curve=(choice("P-256", "P-384", "P-521"), "default P-256")),
           "ECDSA key, PKCS#8 PEM; stored"),
    ed25519=(record(), "Ed25519 key, PKCS#8 PEM; stored"),
    ssh=(record(type_=(choice("ed25519", "rsa"), "default ed25519")), "OpenSSH key; stored"),
    age=(record(), "age identity; stored"),
    certificate=(record(
        commonName=(text(), "subject"),
        dnsNames=(list_of(text()), "subject alternative names"),
        days=(integer(1, 7300), "validity; default 365"),
    ), "self-signed certificate and key as one PEM; stored"),
)  # fmt: skip

PART = text(what="text with $(NAME)")
DERIVE = one_kind(
    "kind of derivation",
    url=(record(
        scheme=(PART, "such as postgresql; required"),
        user=(PART, "left out while its value is absent"),
        password=(PART, "left out while its value is absent; never literal"),
        host=(PART, "name or address, required; an IPv6 address gets its brackets"),
        port=(either(integer(1, 65535), PART, _is_int), "left out while its value is absent"),
        path=(list_of(PART, or_one=True), "one segment, or a list of segments"),
        query=(map_of(PART), "parameters; one whose value is absent is left out"),
    ), "a URL; every part is percent-encoded outside A-Za-z0-9._~-"),
    template=(PART, "text with $(NAME); $$( stands for a literal $("),
)  # fmt: skip

RULES = record(
    minLength=(integer(0, 1048576), "characters; default 1"),
    maxLength=(integer(1, 1048576), "characters"),
    minEntropy=(integer(1, 4096), "bits: estimated for given values, computed for generators"),
    pattern=(text(), "regular expression for the whole value, matched in linear time"),
    differsFrom=(list_of(text(NAME, "a value's name"), or_one=True), "values that must differ"),
    format=(choice("url"), "what the value must be"),
    placeholder=(flag(), "true where a value that reads like a placeholder is meant"),
)

VALUE = record(
    default=(text(), "public text for a given value that no component holds"),
    generate=(GENERATE, "how the value is made"),
    derive=(DERIVE, "what the value is composed of"),
    stored=(flag(), "true: drawn once and kept in a component instead of derived from the seed"),
    optional=(flag(), "may be absent"),
    group=(text(IDENTITY, "a name"), "optional values of one group are given together or not"),
    rules=(RULES, "what the value must satisfy"),
    rotation=(choice("allowed", "overlap", "never"), "default allowed; never: key of data at rest"),
    maxAge=(text(r"[1-9][0-9]{0,4}d", "days such as 90d"), "age after which rotation is due"),
    id=(text(NAME, "a name"), "identity under the seed, so that renaming keeps the value"),
    version=(integer(1, HIGHEST_VERSION), "leaf only; raise it to rotate the value"),
    rotated=(date(), "leaf only; day of the last rotation"),
    seed=(text(SEED, "a seed's number in quotes"), "leaf only; default \"1\""),
    slot=(choice("a", "b"), "leaf only; the active one of two alternating roles"),
    previous=(record(
        ("version",),
        version=(integer(1, HIGHEST_VERSION), "version before the last rotation"),
        seed=(text(SEED, "a seed's number in quotes"), "its seed"),
        generate=(GENERATE, "its generator"),
    ), "leaf only; what the value was before its last rotation"),
)  # fmt: skip
LEAF_ONLY = ("version", "rotated", "seed", "slot", "previous")

COMPONENT = either(
    text(what="a path or a map with path and as"),
    record(
        ("path", "as"),
        path=(text(), "relative to this file"),
        as_=(either(text(NAME, "a value's name"), map_of(text(), NAME, "a value's name"), _is_text),
             "the value that the whole file is, or a map VALUE: key of what to read"),
    ),
    _is_text,
)  # fmt: skip

SECRET = record(
    name=(text(".+", "a name"), "default: the handle; takes $(app) and $(environment)"),
    namespace=(text(), "takes $(app) and $(environment)"),
    keys=(list_of(text(NAME, "a value's name")), "values emitted under their own names"),
    data=(map_of(text(NAME, "a value's name")), "Secret key: value"),
    type_=(text(), "default Opaque"),
    hash_=(flag(), "default true: kustomize appends a hash to the name and rewrites references"),
    behavior=(choice("create", "merge", "replace"), "as in secretGenerator"),
    immutable=(flag(), "default false"),
    labels=(map_of(text()), "as in metadata"),
    annotations=(map_of(text()), "as in metadata"),
)

SPEC = record(
    app=(text(IDENTITY, "a name"), "identity under the seed; inherited, never changed"),
    environment=(text(IDENTITY, "a name"), "makes the recipe a leaf"),
    extends=(list_of(text(), or_one=True), "bases to inherit from, relative to this file"),
    recipes=(list_of(text()), "leaves to emit in one run; nothing stands beside it"),
    seeds=(map_of(text("[0-9a-f]{32}", "32 hex characters"), SEED, "a number in quotes"),
           "leaf only; public check value of each seed"),
    components=(list_of(COMPONENT), "encrypted files; joined with the inherited ones"),
    values=(map_of(VALUE, rf"(?!(app|environment)$|SOPSMITH_){NAME}",
                   "A-Z a-z 0-9 - _ . (app, environment and SOPSMITH_… are taken)"),
            "every value of the application"),
    secrets=(map_of(SECRET), "the Secrets to emit, by handle"),
)  # fmt: skip


def check(document: Any) -> Iterator[Problem]:
    """Yield every problem of one recipe file's document."""
    if not isinstance(document, dict):
        yield Problem("recipe-kind", "", "must be a map with apiVersion, kind and spec")
        return
    for field, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if document.get(field) != expected:
            yield Problem("recipe-kind", field, f"must be {expected}")
    if document.get("kind") != KIND:
        return  # another kind of file: its other fields say nothing
    known = {"apiVersion": 0, "kind": 0, "metadata": 0, "spec": 0}
    for name in document:
        if name not in known:
            yield Problem("recipe-field", name, "unknown field", unknown(name, known))
    if not isinstance(document.get("metadata", {}), dict):
        yield Problem("recipe-value", "metadata", "must be a map")
    if not isinstance(document.get("spec"), dict):
        yield Problem("recipe-incomplete", "spec", "must be a map")
        return
    spec = document["spec"]
    yield from SPEC.check(spec, "spec")
    if spec.get("recipes") is not None and len(spec) > 1:
        yield Problem("recipe-field", "spec.recipes", "nothing may stand beside it")


_RECIPES_ALONE = {
    "if": {"required": ["recipes"], "properties": {"recipes": {"type": "array"}}},
    "then": {"maxProperties": 1},
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one recipe file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://sopsmith.dev/schema/v1alpha1/secretrecipe.json",
        "title": KIND,
        "type": "object",
        "required": ["apiVersion", "kind", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": KIND},
            "metadata": {"type": "object"},
            "spec": SPEC.json | _RECIPES_ALONE,
        },
    }
