"""The fields of a SecretRecipe: one table that both checks a fragment and yields its JSON Schema.

A fragment may lack any field (a leaf inherits the rest) and may hold null (which deletes), so
completeness is checked after the merge, in consistency.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sopsmith.recipes.kinds import GENERATE
from sopsmith.recipes.shape import (
    Problem,
    choice,
    date,
    either,
    flag,
    integer,
    list_of,
    map_of,
    one_kind,
    record,
    text,
    unknown,
)

API_VERSION = "sopsmith.dev/v1alpha1"
KIND = "SecretRecipe"
HIGHEST_VERSION = 2**32 - 1


def _is_text(value: Any) -> bool:
    return not isinstance(value, dict)


def _is_int(value: Any) -> bool:
    return isinstance(value, int)


NAME = r"[-._A-Za-z0-9]+"
IDENTITY = r"[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?"
SEED = r"[1-9][0-9]{0,8}"
ROLE = r"[a-z_][a-z0-9_]{0,62}"

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
    previousOf=(text(NAME, "a value's name"),
                "what a value was before its last rotation; absent until there was one"),
    alternate=(record(
        a=(text(NAME, "a value's name"), "the value in slot a, and where no slot is stated"),
        b=(text(NAME, "a value's name"), "the value in slot b"),
        slotOf=(text(NAME, "a value's name"), "the value whose slot decides"),
    ), "one of two values, such as the names of alternating roles; all three are required"),
    rolesOf=(list_of(text(NAME, "a value's name"), or_one=True),
             "what `sopsmith postgres` needs where it can't render: the roles of these passwords"),
    bootstrapOf=(list_of(text(NAME, "a value's name"), or_one=True),
                 "SQL for a database's first start: the roles of these passwords, by verifiers"),
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
    role=(record(
        strategy=(choice("alternating", "in-place"),
                  "two roles take turns, or one gets another password; required"),
        owner=(text(ROLE, "a name of a-z 0-9 _"),
               "the role without a login that owns what both make; alternating needs it"),
        rotator=(text(NAME, "a value's name"),
                 "the URL of the role that changes the password; alternating needs it"),
    ), "in PostgreSQL the password of the role, or of the two, that its URLs name as user"),
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
