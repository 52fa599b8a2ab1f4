"""The shape of every field: what it accepts, what it refuses, and that the published schema agrees.

Each row is a fragment of `spec`. The same rows are judged by our own check and, through the
jsonschema package, by the JSON Schema that editors use.
"""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sopsmith.recipes.schema import check, json_schema
from sopsmith.recipes.shape import Problem
from sopsmith.text import document


def recipe(spec: str) -> Any:
    """A recipe file with this spec, in YAML's flow style."""
    head = "apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\nmetadata: {name: shop}\n"
    return document.parse(f"{head}spec: {spec}\n".encode())


def value(fields: str) -> str:
    """A spec with one value."""
    return f"{{values: {{TOKEN: {{{fields}}}}}}}"


def secret(fields: str) -> str:
    """A spec with one Secret."""
    return f"{{secrets: {{shop: {{{fields}}}}}}}"


def problems(spec: str) -> list[Problem]:
    """What is wrong with a spec."""
    return list(check(recipe(spec)))


GOOD = [
    "{}",
    "{app: shop, environment: production}",
    "{app: a, environment: a.b-c_d}",
    "{extends: ../base.yaml}",
    "{extends: [../a.yaml, ../b.yaml]}",
    "{recipes: [a.yaml, b.yaml]}",
    '{seeds: {"1": 0123456789abcdef0123456789abcdef, "12": null}}',
    "{components: [shop.enc.yaml, {path: a.p12, as: KEYSTORE}]}",
    "{components: [{path: mq.enc.yaml, as: {MQ_PASSWORD: password, MQ_USER: 'the user'}}]}",
    "{app: null, environment: null, extends: null, components: null, values: null, secrets: null}",
    value(""),
    "{values: {TOKEN: null, a.b-c_D9: {}}}",
    value("default: ''"),
    value("default: null, generate: null, derive: null, stored: null, optional: null"),
    value("generate: {password: {}}"),
    value("generate: {password: {length: 1024, alphabet: 'ab#!~'}}, version: 4294967295"),
    value("generate: {bytes: {size: 1, encoding: base64url}}, rotated: 2026-11-21"),
    value("generate: {bytes: {size: null}}, rotated: 2024-02-29T00:00:00Z"),
    value("generate: {rsa: {bits: 4096}}"),
    value("generate: {ecdsa: {curve: P-384}}"),
    value("generate: {ed25519: {}}, stored: true"),
    value("generate: {ssh: {type: rsa}}"),
    value("generate: {age: {}}"),
    value("generate: {certificate: {commonName: shop, dnsNames: [a, b.c], days: 90}}"),
    value("derive: {template: '$(app) $(TOKEN)'}"),
    value("derive: {url: {scheme: redis, host: redis, port: 6379, path: '0'}}"),
    value("derive: {url: {scheme: a, host: b, port: $(PORT), path: [c, d], query: {e: f}}}"),
    value("derive: {url: {scheme: a, host: b, user: null, password: null, query: {e: null}}}"),
    value("derive: {url: {query: {sslmode: disable}}}"),
    value("derive: {previousOf: JWT_SECRET}"),
    value("derive: {alternate: {a: USER_A, b: USER_B, slotOf: PASSWORD}}"),
    value("derive: {alternate: {b: USER_C}}"),
    value("optional: true, group: google"),
    value("rules: {minLength: 0, maxLength: 64, minEntropy: 128, pattern: '[a-z]+'}"),
    value("rules: {differsFrom: OTHER, format: url, placeholder: true}"),
    value("rules: {differsFrom: [OTHER, ANOTHER], minLength: null}"),
    value("rotation: overlap, maxAge: 90d, id: OLD_NAME, seed: '2', slot: b"),
    value("previous: {version: 3, seed: '1', generate: {password: {}}}"),
    secret("keys: [TOKEN], data: {a.conf: TOKEN, old: null}, name: $(app)-db, namespace: prod"),
    secret("keys: [TOKEN], type: kubernetes.io/tls, hash: false, immutable: true"),
    secret("keys: [TOKEN], behavior: merge, labels: {a/b: c}, annotations: {d: 'e f', g: null}"),
]

BAD = [
    ("{secerts: {}}", "recipe-field", "spec.secerts", "did you mean secrets?"),
    ("{enviroment: a}", "recipe-field", "spec.enviroment", "did you mean environment?"),
    ("{zzz: a}", "recipe-field", "spec.zzz", "known here: app, components, environment, extends,"),
    ("[]", "recipe-incomplete", "spec", None),
    ("{app: 5}", "recipe-value", "spec.app", "quote it"),
    ("{app: 1e5}", "recipe-value", "spec.app", "quote it"),
    ("{app: true}", "recipe-value", "spec.app", "quote it"),
    ("{app: [a]}", "recipe-value", "spec.app", None),
    ("{app: ''}", "recipe-value", "spec.app", None),
    ("{app: a b}", "recipe-value", "spec.app", None),
    ("{environment: -prod}", "recipe-value", "spec.environment", None),
    ("{environment: a/b}", "recipe-value", "spec.environment", None),
    ("{environment: ..}", "recipe-value", "spec.environment", None),
    ("{extends: {a: b}}", "recipe-value", "spec.extends", None),
    ("{extends: [null]}", "recipe-value", "spec.extends[0]", None),
    ("{recipes: a.yaml}", "recipe-value", "spec.recipes", None),
    ("{recipes: [a.yaml], app: shop}", "recipe-field", "spec.recipes", None),
    ("{seeds: [a]}", "recipe-value", "spec.seeds", None),
    ('{seeds: {"1": "00"}}', "recipe-value", "spec.seeds.1", None),
    (f'{{seeds: {{"0": {"0a" * 16}}}}}', "recipe-value", "spec.seeds.0", None),
    (f'{{seeds: {{"1": {"0A" * 16}}}}}', "recipe-value", "spec.seeds.1", None),
    ("{components: shop.yaml}", "recipe-value", "spec.components", None),
    ("{components: [5]}", "recipe-value", "spec.components[0]", "quote it"),
    ("{components: [{path: a}]}", "recipe-incomplete", "spec.components[0].as", None),
    ("{components: [{path: null, as: A}]}", "recipe-incomplete", "spec.components[0].path", None),
    ("{components: [{pth: a, as: A, path: b}]}", "recipe-field", "spec.components[0].pth",
     "did you mean path?"),
    ("{components: [{path: a, as: A B}]}", "recipe-value", "spec.components[0].as", None),
    ("{components: [{path: a, as: {A: 1}}]}", "recipe-value", "spec.components[0].as.A", "quote"),
    ("{values: [A]}", "recipe-value", "spec.values", None),
    ("{values: {A B: {}}}", "recipe-value", "spec.values.A B", None),
    ("{values: {app: {}}}", "recipe-value", "spec.values.app", None),
    ("{values: {environment: {}}}", "recipe-value", "spec.values.environment", None),
    ("{values: {SOPSMITH_X: {}}}", "recipe-value", "spec.values.SOPSMITH_X", None),
    ("{values: {A: text}}", "recipe-value", "spec.values.A", None),
    (value("defualt: a"), "recipe-field", "spec.values.TOKEN.defualt", "did you mean default?"),
    (value("default: 5432"), "recipe-value", "spec.values.TOKEN.default", "quote it"),
    (value("default: 0o17"), "recipe-value", "spec.values.TOKEN.default", "quote it"),
    (value("optional: yes"), "recipe-value", "spec.values.TOKEN.optional", None),
    (value("generate: password"), "recipe-value", "spec.values.TOKEN.generate", None),
    (value("generate: {}"), "recipe-value", "spec.values.TOKEN.generate", None),
    (value("generate: {password: {}, bytes: {}}"), "recipe-value", "spec.values.TOKEN.generate",
     None),
    (value("generate: {pasword: {}}"), "recipe-field", "spec.values.TOKEN.generate.pasword",
     "did you mean password?"),
    (value("generate: {password: null}"), "recipe-value", "spec.values.TOKEN.generate.password",
     None),
    (value("generate: {password: {lenght: 3}}"), "recipe-field",
     "spec.values.TOKEN.generate.password.lenght", "did you mean length?"),
    (value("generate: {password: {length: 0}}"), "recipe-value",
     "spec.values.TOKEN.generate.password.length", None),
    (value("generate: {password: {length: 1025}}"), "recipe-value",
     "spec.values.TOKEN.generate.password.length", None),
    (value("generate: {password: {alphabet: a}}"), "recipe-value",
     "spec.values.TOKEN.generate.password.alphabet", None),
    (value("generate: {password: {alphabet: aé}}"), "recipe-value",
     "spec.values.TOKEN.generate.password.alphabet", None),
    (value("generate: {password: {alphabet: aab}}"), "recipe-value",
     "spec.values.TOKEN.generate.password.alphabet", None),
    (value("generate: {bytes: {encoding: base32}}"), "recipe-value",
     "spec.values.TOKEN.generate.bytes.encoding", None),
    (value("generate: {rsa: {bits: 1024}}"), "recipe-value",
     "spec.values.TOKEN.generate.rsa.bits", None),
    (value("derive: {templte: a}"), "recipe-field", "spec.values.TOKEN.derive.templte",
     "did you mean template?"),
    (value("derive: {template: 5}"), "recipe-value", "spec.values.TOKEN.derive.template", "quote"),
    (value("derive: {url: {scheme: a, host: b, port: 0}}"), "recipe-value",
     "spec.values.TOKEN.derive.url.port", None),
    (value("derive: {url: {scheme: a, host: b, port: true}}"), "recipe-value",
     "spec.values.TOKEN.derive.url.port", None),
    (value("derive: {url: {scheme: a, host: b, path: 0}}"), "recipe-value",
     "spec.values.TOKEN.derive.url.path", "quote it"),
    (value("derive: {url: {scheme: a, host: b, query: [c]}}"), "recipe-value",
     "spec.values.TOKEN.derive.url.query", None),
    (value("derive: {previousOf: $(TOKEN)}"), "recipe-value",
     "spec.values.TOKEN.derive.previousOf", None),
    (value("derive: {alternate: {a: $(A)}}"), "recipe-value",
     "spec.values.TOKEN.derive.alternate.a", None),
    (value("derive: {alternate: {slot: A}}"), "recipe-field",
     "spec.values.TOKEN.derive.alternate.slot", "did you mean slotOf?"),
    (value("derive: {alternate: [A, B]}"), "recipe-value", "spec.values.TOKEN.derive.alternate",
     None),
    (value("rules: {minLenght: 3}"), "recipe-field", "spec.values.TOKEN.rules.minLenght",
     "did you mean minLength?"),
    (value("rules: {maxLength: 0}"), "recipe-value", "spec.values.TOKEN.rules.maxLength", None),
    (value("rules: {format: uri}"), "recipe-value", "spec.values.TOKEN.rules.format", None),
    (value("rotation: sometimes"), "recipe-value", "spec.values.TOKEN.rotation", None),
    *[(value(f"version: {bad}"), "recipe-value", "spec.values.TOKEN.version", None)
      for bad in ("-1", "0", "4294967296", "four", "'4'", "1.5", "true", "[1]", "9" * 30)],
    *[(value(f"rotated: {bad}"), "recipe-value", "spec.values.TOKEN.rotated", None)
      for bad in ("yesterday", "2026-1-2", "20261121", "2026-11-21T10:00:00Z", "5")],
    *[(value(f"maxAge: {bad}"), "recipe-value", "spec.values.TOKEN.maxAge", hint)
      for bad, hint in (("90", "quote it"), ("3m", None), ("0d", None), ("090d", None))],
    *[(value(f"seed: {bad}"), "recipe-value", "spec.values.TOKEN.seed", hint)
      for bad, hint in (("1", "quote it"), ("'0'", None), ("'01'", None), ("one", None))],
    (value("slot: c"), "recipe-value", "spec.values.TOKEN.slot", None),
    (value("previous: {seed: '1'}"), "recipe-incomplete", "spec.values.TOKEN.previous.version",
     None),
    (secret("key: [A]"), "recipe-field", "spec.secrets.shop.key", "did you mean keys?"),
    (secret("keys: TOKEN"), "recipe-value", "spec.secrets.shop.keys", None),
    (secret("keys: [$(TOKEN)]"), "recipe-value", "spec.secrets.shop.keys[0]", None),
    (secret("keys: [A, 5]"), "recipe-value", "spec.secrets.shop.keys[1]", "quote it"),
    (secret("data: {a: 5}"), "recipe-value", "spec.secrets.shop.data.a", "quote it"),
    (secret("hash: 'false'"), "recipe-value", "spec.secrets.shop.hash", None),
    (secret("behavior: patch"), "recipe-value", "spec.secrets.shop.behavior", None),
    (secret("labels: {a: 1}"), "recipe-value", "spec.secrets.shop.labels.a", "quote it"),
    (secret("annotations: {a: true}"), "recipe-value", "spec.secrets.shop.annotations.a", "quote"),
]  # fmt: skip

# What JSON Schema can't say: how a number was written, which days there are, invisible characters.
BAD_TO_US = [
    *[(value(f"version: {bad}"), "recipe-value", "spec.values.TOKEN.version", None)
      for bad in ("0o17", "0x1F", "1e3", "1_0", "2.0")],
    *[(value(f"rotated: {bad}"), "recipe-value", "spec.values.TOKEN.rotated", None)
      for bad in ("2026-13-01", "2026-02-30", "2025-02-29", "2026-04-31")],
    *[(value(f'default: "a{bad}b"'), "recipe-value", "spec.values.TOKEN.default", None)
      for bad in ("\\r", "\\e", "\\x7f", "\\N")],
    (value("default: 2026-11-21"), "recipe-value", "spec.values.TOKEN.default", "quote it"),
]  # fmt: skip


@pytest.mark.parametrize("spec", GOOD)
def test_a_fragment_that_fits_is_accepted(spec: str) -> None:
    assert problems(spec) == []


@pytest.mark.parametrize(("spec", "code", "path", "hint"), [*BAD, *BAD_TO_US])
def test_what_does_not_fit_is_named(spec: str, code: str, path: str, hint: str | None) -> None:
    (found,) = problems(spec)
    assert (found.code, found.path) == (code, path)
    assert hint is None or (found.hint or "").startswith(hint)


HEADS = {
    "apiVersion of another": ({"apiVersion": "sopsmith.dev/v1"}, "recipe-kind", "apiVersion"),
    "no apiVersion": ({"apiVersion": None}, "recipe-kind", "apiVersion"),
    "kind of another": ({"kind": "ConfigMap"}, "recipe-kind", "kind"),
    "metadata that is no map": ({"metadata": "shop"}, "recipe-value", "metadata"),
    "no spec": ({"spec": None}, "recipe-incomplete", "spec"),
    "a field beside spec": ({"sepc": {}}, "recipe-field", "sepc"),
    "data beside spec": ({"data": {}}, "recipe-field", "data"),
}


@pytest.mark.parametrize("case", HEADS)
def test_the_head_is_checked(case: str) -> None:
    change, code, path = HEADS[case]
    (found,) = check(recipe("{}") | change)
    assert (found.code, found.path) == (code, path)


@pytest.mark.parametrize("document", [None, "text", ["list"], 5])
def test_a_file_that_is_no_map_is_no_recipe(document: object) -> None:
    assert [found.code for found in check(document)] == ["recipe-kind"]


def test_five_faults_are_five_problems() -> None:
    spec = "{apps: a, values: {A: {version: 0, defalt: b}, app: {}}, secrets: {s: {hash: 1}}}"
    assert [found.path for found in problems(spec)] == [
        "spec.apps", "spec.values.A.version", "spec.values.A.defalt", "spec.values.app",
        "spec.secrets.s.hash",
    ]  # fmt: skip


def test_no_problem_quotes_what_a_field_holds() -> None:
    held = "hunter2-hunter2"
    for fields in (f"default: [{held}]", f"version: {held}", f"rotation: {held}", f"seed: {held}"):
        (found,) = problems(value(fields))
        assert held not in repr(found)


# --- the published schema -------------------------------------------------------------------------

VALIDATOR = Draft202012Validator(json_schema())


def test_the_published_schema_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


def as_an_editor_sees_it(node: Any) -> Any:
    """Plain JSON data: what we keep as marked text is a number there."""
    if isinstance(node, dict):
        return {key: as_an_editor_sees_it(child) for key, child in node.items()}
    if isinstance(node, list):
        return list(map(as_an_editor_sees_it, node))
    return 1.5 if isinstance(node, document.Unquoted) and "-" not in node else node


@pytest.mark.parametrize("spec", [*GOOD, *(row[0] for row in BAD)])
def test_an_editor_says_what_the_check_says(spec: str) -> None:
    accepted = VALIDATOR.is_valid(as_an_editor_sees_it(recipe(spec)))
    assert accepted is (problems(spec) == [])


@pytest.mark.parametrize("case", HEADS)
def test_an_editor_checks_the_head(case: str) -> None:
    assert not VALIDATOR.is_valid(recipe("{}") | HEADS[case][0])


def test_an_editor_points_at_the_misspelt_field() -> None:
    (error,) = VALIDATOR.iter_errors(recipe("{secerts: {}}"))
    assert list(error.absolute_path) == ["spec"]
    assert "'secerts' was unexpected" in error.message


def test_every_field_has_a_description() -> None:
    def fields(node: Any) -> list[Any]:
        if isinstance(node, list):
            return [field for child in node for field in fields(child)]
        if not isinstance(node, dict):
            return []
        here = [*node.get("properties", {}).items()]
        return here + [field for child in node.values() for field in fields(child)]

    spec = json_schema()["properties"]["spec"]
    bare = [name for name, shape in fields({"properties": spec["properties"]})
            if not shape.get("description")]  # fmt: skip
    assert bare == []
