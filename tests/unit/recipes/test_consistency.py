"""What a merged recipe's own text shows wrong, without any value: every contradiction is named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Recipe
from sopsmith.recipes.consistency import collisions
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Source, resolve
from sopsmith.text.document import parse as parse_document


def recipe(spec: str, **more: Any) -> Recipe:
    """A leaf with this spec (in YAML's flow style) over one that is complete."""
    complete = {
        "app": "shop",
        "environment": "production",
        "values": {"TOKEN": {}},
        "secrets": {"shop": {"keys": ["TOKEN"]}},
    }
    document = {
        "apiVersion": "sopsmith.dev/v1alpha1",
        "kind": "SecretRecipe",
        "spec": complete | parse_document(spec.encode()) | more,
    }
    (leaf,) = resolve(Source("recipe.yaml", "", document), lambda file: b"")
    return parse(leaf)


def faults(spec: str) -> list[Finding]:
    """Everything that is wrong with a leaf."""
    try:
        recipe(spec)
    except SopsmithError as error:
        return list(error.findings)
    return []


def values(entries: str) -> str:
    """A spec with these values beside TOKEN."""
    return f"{{values: {{TOKEN: {{}}, {entries}}}}}"


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("{secrets: {shop: {keys: [TOKN]}}}", "spec.secrets.shop.keys"),
        ("{secrets: {shop: {data: {a: TOKN}}}}", "spec.secrets.shop.data.a"),
        (values("A: {derive: {template: $(TOKN)}}"), "spec.values.A"),
        (values("A: {derive: {url: {scheme: a, host: $(TOKN)}}}"), "spec.values.A"),
        (values("A: {derive: {url: {scheme: a, host: b, path: [c, $(TOKN)]}}}"), "spec.values.A"),
        (values("A: {derive: {url: {scheme: a, host: b, query: {c: $(TOKN)}}}}"), "spec.values.A"),
        (values("A: {rules: {differsFrom: TOKN}}"), "spec.values.A"),
        ("{components: [{path: a, as: TOKN}]}", "spec.components"),
        ("{components: [{path: a.yaml, as: {TOKN: key}}]}", "spec.components"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(spec: str, field: str) -> None:
    (found,) = faults(spec)
    assert (found.code, found.field) == ("recipe-name", field)
    assert "TOKN" in found.message
    assert found.hint == "did you mean TOKEN?"


def test_app_and_environment_are_known_everywhere_and_a_misspelt_one_is_not() -> None:
    assert faults(values("A: {derive: {template: $(app) $(environment)}}")) == []
    (found,) = faults(values("A: {derive: {template: $(enviroment)}}"))
    assert found.message == "$(enviroment) is no declared value"
    assert found.hint == "did you mean environment?"


@pytest.mark.parametrize("text", ["$(TOKEN", "a $( b", "$$($(", "$()"])
def test_a_reference_has_to_be_closed(text: str) -> None:
    (found,) = faults(values(f"A: {{derive: {{template: {json.dumps(text)}}}}}"))
    assert (found.code, found.field) == ("recipe-name", "spec.values.A")
    assert found.hint == "close it, or write $$( for $("


@pytest.mark.parametrize("text", ["$$(TOKN)", "a $ (b)", "(c)", "$TOKN", "${TOKN}"])
def test_what_is_no_reference_is_text(text: str) -> None:
    assert faults(values(f"A: {{derive: {{template: {json.dumps(text)}}}}}")) == []


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ("{components: ['$(TOKEN)/a.yaml']}", "spec.components"),
        ("{components: [{path: '$(TOKEN)', as: TOKEN}]}", "spec.components"),
        ("{components: ['$(app/a.yaml']}", "spec.components"),
        ("{secrets: {s: {name: a-$(TOKEN), keys: [TOKEN]}}}", "spec.secrets.s.name"),
        ("{secrets: {s: {namespace: $(TOKEN), keys: [TOKEN]}}}", "spec.secrets.s.namespace"),
        ("{secrets: {s: {name: $(app, keys: [TOKEN]}}}", "spec.secrets.s.name"),
    ],
)
def test_no_value_stands_in_a_path_or_a_secrets_name(spec: str, field: str) -> None:
    (found,) = faults(spec)
    assert (found.code, found.field) == ("recipe-name", field)
    assert found.hint == "only $(app) and $(environment) can"


def test_a_handle_names_no_value_either() -> None:
    (found,) = faults("{secrets: {$(TOKEN): {keys: [TOKEN]}}}")
    assert (found.code, found.hint) == ("recipe-name", "only $(app) and $(environment) can")


def test_app_and_environment_stand_in_paths_names_and_namespaces() -> None:
    found = recipe(
        "{components: [$(environment)/$(app).yaml],"
        " secrets: {s: {name: $(app)-db, namespace: $(app)-$(environment), keys: [TOKEN]}}}"
    )
    assert found.components[0].file == "production/shop.yaml"
    assert (found.secrets[0].name, found.secrets[0].namespace) == ("shop-db", "shop-production")


# --- circles --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chain", "circle"),
    [
        ({"A": "A"}, "A → A"),
        ({"A": "B", "B": "A"}, "A → B → A"),
        ({"Z": "C", "A": "TOKEN", "B": "D", "C": "B", "D": "C"}, "B → D → C → B"),
    ],
    ids=["itself", "two", "three, entered from outside"],
)
def test_a_circle_of_derivations_is_spelled_out(chain: dict[str, str], circle: str) -> None:
    entries = ", ".join(f"{k}: {{derive: {{template: $({v})}}}}" for k, v in chain.items())
    (found,) = faults(values(entries))
    assert found.code == "recipe-cycle"
    assert found.message == f"is derived in a circle: {circle}"


def test_a_long_chain_of_derivations_is_no_circle() -> None:
    entries = ", ".join(f"V{n}: {{derive: {{template: $(V{n + 1})}}}}" for n in range(2000))
    assert faults(values(f"{entries}, V2000: {{}}")) == []


# --- origins --------------------------------------------------------------------------------------

GENERATE = "generate: {password: {}}"
STORED = f"{GENERATE}, stored: true"
KEY = "generate: {ecdsa: {}}"
GIVEN = "optional: true"
DERIVED = "derive: {template: a}"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (f"default: a, {GENERATE}", "default and generate"),
        (f"{GENERATE}, {DERIVED}", "generate and derive"),
        (f"default: a, {DERIVED}", "default and derive"),
        (f"default: a, {GENERATE}, {DERIVED}", "default and generate and derive"),
    ],
)
def test_two_origins_are_refused(fields: str, named: str) -> None:
    (found,) = faults(values(f"A: {{{fields}}}"))
    assert (found.code, found.field) == ("recipe-origin", "spec.values.A")
    assert found.message == f"has two origins: {named}"


@pytest.mark.parametrize("field", ["version: 2", "seed: '2'", "previous: {version: 1}"])
@pytest.mark.parametrize("origin", [STORED, KEY, GIVEN, "default: a", DERIVED])
def test_what_turns_a_seed_is_refused_where_no_seed_is(origin: str, field: str) -> None:
    (found,) = faults(values(f"A: {{{origin}, {field}}}"))
    assert found.code == "recipe-origin"
    assert found.field == f"spec.values.A.{field.partition(':')[0]}"


@pytest.mark.parametrize("field", ["version: 2", "seed: '2'", "version: 2, previous: {version: 1}"])
def test_a_seeded_value_takes_them(field: str) -> None:
    assert faults(values(f"A: {{{GENERATE}, {field}}}")) == []


@pytest.mark.parametrize(("origin", "count"), [(GENERATE, 1), (STORED, 0), (KEY, 0), (GIVEN, 0)])
def test_a_key_that_never_rotates_is_not_made_from_a_seed(origin: str, count: int) -> None:
    found = faults(values(f"A: {{{origin}, rotation: never}}"))
    assert [each.code for each in found] == ["recipe-origin"] * count
    assert all("stored: true" in (each.hint or "") for each in found)


@pytest.mark.parametrize("origin", [GIVEN, "default: a", DERIVED])
def test_stored_says_how_a_generated_value_is_kept(origin: str) -> None:
    (found,) = faults(values(f"A: {{{origin}, stored: true}}"))
    assert (found.code, found.field) == ("recipe-origin", "spec.values.A")


def test_two_values_of_one_id_are_refused() -> None:
    (found,) = faults(values(f"A: {{{GENERATE}, id: B}}, B: {{{GENERATE}}}"))
    assert (found.code, found.field) == ("recipe-value", "spec.values.B")
    assert "the id of A" in found.message


def test_an_id_frees_the_name_for_another() -> None:
    assert faults(values(f"A: {{{GENERATE}, id: B}}, B: {{{GENERATE}, id: A}}")) == []


def test_a_group_joins_optional_values() -> None:
    (found,) = faults(values("A: {group: g}, B: {group: g, optional: true}"))
    assert (found.code, found.field) == ("recipe-origin", "spec.values.A")


@pytest.mark.parametrize("password", ["hunter2", "$$(TOKEN)", "$(app)", "x-$(environment)", ""])
def test_a_literal_password_is_found_and_not_repeated(password: str) -> None:
    url = f"{{scheme: a, host: b, password: {json.dumps(password)}}}"
    (found,) = faults(values(f"A: {{derive: {{url: {url}}}}}"))
    assert (found.code, found.field) == ("literal-password", "spec.values.A.derive.url.password")
    assert "hunter2" not in repr(found)


def test_a_password_that_refers_to_a_value_is_none() -> None:
    url = "{scheme: a, host: b, password: x-$(TOKEN)}"
    assert faults(values(f"A: {{derive: {{url: {url}}}}}")) == []


@pytest.mark.parametrize("part", ["scheme", "host"])
def test_a_url_needs_its_scheme_and_host(part: str) -> None:
    url = {"scheme": "a", "host": "b"}
    del url[part]
    (found,) = faults(values(f"A: {{derive: {{url: {json.dumps(url)}}}}}"))
    assert (found.code, found.field) == ("recipe-incomplete", f"spec.values.A.derive.url.{part}")


@pytest.mark.parametrize("pattern", ["(a", "a{1,99999}", "(?=a)b", "a**", r"\b", "[z-a]"])
def test_a_pattern_outside_the_language_is_refused(pattern: str) -> None:
    (found,) = faults(values(f"A: {{rules: {{pattern: {json.dumps(pattern)}}}}}"))
    assert (found.code, found.field) == ("recipe-value", "spec.values.A.rules.pattern")


# --- Secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        "keys: [TOKEN, TOKEN]",
        "keys: [TOKEN], data: {TOKEN: TOKEN}",
        "keys: [TOKEN], data: {TOKEN: A}",
    ],
)
def test_a_key_is_emitted_once(fields: str) -> None:
    (found,) = faults(f"{{values: {{TOKEN: {{}}, A: {{}}}}, secrets: {{s: {{{fields}}}}}}}")
    assert (found.code, found.field) == ("recipe-value", "spec.secrets.s")
    assert found.message == "the key TOKEN is emitted twice"


@pytest.mark.parametrize("name", ["Shop", "-shop", "shop-", "a_b", "a..b", "a b", "é", "x" * 254])
def test_a_secrets_name_is_one_of_kubernetes(name: str) -> None:
    (found,) = faults(f"{{secrets: {{s: {{name: {json.dumps(name)}, keys: [TOKEN]}}}}}}")
    assert (found.code, found.field) == ("recipe-value", "spec.secrets.s")


@pytest.mark.parametrize("name", ["shop", "a.b-c.d9", "9", "x" * 253])
def test_kubernetes_takes_these_names(name: str) -> None:
    assert faults(f"{{secrets: {{s: {{name: {json.dumps(name)}, keys: [TOKEN]}}}}}}") == []


@pytest.mark.parametrize("name", ["Prod", "a.b", "-a", "x" * 64])
def test_a_namespace_is_one_of_kubernetes(name: str) -> None:
    (found,) = faults(f"{{secrets: {{s: {{namespace: {name}, keys: [TOKEN]}}}}}}")
    assert (found.code, found.field) == ("recipe-value", "spec.secrets.s")


@pytest.mark.parametrize("text", ["a b", "-a", "x" * 64])
def test_a_label_is_one_of_kubernetes(text: str) -> None:
    (found,) = faults(f"{{secrets: {{s: {{labels: {{a: {text}}}, keys: [TOKEN]}}}}}}")
    assert (found.code, found.field) == ("recipe-value", "spec.secrets.s")


def test_two_secrets_of_one_name_collide() -> None:
    (found,) = faults("{secrets: {a: {keys: [TOKEN]}, b: {name: a, keys: [TOKEN]}}}")
    assert (found.code, found.field) == ("secret-collision", "spec.secrets.b")


def test_one_name_in_two_namespaces_does_not_collide() -> None:
    both = "{a: {keys: [TOKEN]}, b: {name: a, namespace: other, keys: [TOKEN]}}"
    assert faults(f"{{secrets: {both}}}") == []


def test_recipes_of_one_run_collide_too() -> None:
    (found,) = collisions([recipe("{app: a}"), recipe("{app: b}")])
    assert (found.code, found.field) == ("secret-collision", "spec.secrets.shop")


@pytest.mark.parametrize(
    ("spec", "code", "field"),
    [
        ("{app: null}", "recipe-incomplete", "spec.app"),
        ("{environment: null}", "recipe-incomplete", "spec.environment"),
        ("{secrets: null}", "recipe-empty", "spec.secrets"),
        ("{secrets: {}}", "recipe-empty", "spec.secrets"),
        ("{secrets: {s: {}}}", "recipe-empty", "spec.secrets.s"),
        ("{secrets: {s: {keys: [], data: {a: null}}}}", "recipe-empty", "spec.secrets.s"),
    ],
)
def test_a_leaf_is_complete(spec: str, code: str, field: str) -> None:
    (found,) = faults(spec)
    assert (found.code, found.field) == (code, field)


def test_a_component_is_listed_once() -> None:
    (found,) = faults("{components: [a.yaml, ./a.yaml, $(app).yaml]}")
    assert (found.code, found.field) == ("recipe-value", "spec.components")
    assert "a.yaml" in found.message


@pytest.mark.parametrize("path", ["a.enc", "a.p12", "yaml", "a.yaml.bak"])
def test_a_file_of_no_known_form_says_which_value_it_is(path: str) -> None:
    (found,) = faults(f"{{components: [{path}]}}")
    assert (found.code, found.field) == ("recipe-value", "spec.components")
    assert "as: NAME" in (found.hint or "")


def test_five_contradictions_are_five_findings() -> None:
    found = faults(
        "{values: {TOKEN: {}, A: {default: a, derive: {template: b}}, B: {version: 2},"
        " C: {derive: {template: $(MISSING)}}, D: {derive: {template: $(D)}}},"
        " secrets: {s: {name: S, keys: [TOKEN]}}}"
    )
    assert [each.code for each in found] == [
        "recipe-origin", "recipe-origin", "recipe-name", "recipe-cycle", "recipe-value",
    ]  # fmt: skip
