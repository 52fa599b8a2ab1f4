"""How recipe files become one: extends, the merge, the origin rule, what lives in a leaf alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved, holds_recipe, read_source, resolve

Files = dict[str, dict[str, Any]]


def resolved(files: Files, start: str = "leaf.yaml") -> list[Resolved]:
    """Resolve a recipe among these files: path to `spec`."""

    def read(file: str) -> bytes:
        head = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}
        return json.dumps({**head, "spec": files[file]}).encode()

    return list(resolve(read_source(start, read), read))


def merged(*specs: dict[str, Any]) -> dict[str, Any]:
    """The spec of a leaf that extends a chain of bases, the first one at the root."""
    files = {f"{index}.yaml": dict(spec) for index, spec in enumerate(specs)}
    for index in range(1, len(specs)):
        files[f"{index}.yaml"]["extends"] = f"{index - 1}.yaml"
    (leaf,) = resolved(files, f"{len(specs) - 1}.yaml")
    return dict(leaf.spec)


def value(*fields: dict[str, Any] | None) -> Any:
    """One value as it is after each of these files has had its say."""
    return merged(*({"values": {"TOKEN": each}} for each in fields))["values"].get("TOKEN")


def refused(files: Files, start: str = "leaf.yaml") -> list[Finding]:
    """Why it can't be resolved."""
    with pytest.raises(SopsmithError) as error:
        resolved(files, start)
    return list(error.value.findings)


# --- which files hold one -------------------------------------------------------------------------

BOM = b"\xef\xbb\xbf"
MANY = 2_000_000  # a reader that tries again at each of so many characters never ends


@pytest.mark.parametrize(
    "text",
    [
        b"kind: SecretRecipe",
        b"a: 1\nkind: SecretRecipe\n",
        b"a: 1\r\n'kind':  'SecretRecipe'\r\n",
        b'{"a": 1, "kind":\n\n  "SecretRecipe"}',
        b"{{kind: SecretRecipe}}",
        b"\t {kind: SecretRecipe}",
        BOM + b"kind: SecretRecipe",
        BOM + b"{kind: SecretRecipe}",
        b"generators:\n- |\n  kind: SecretRecipe\n",
        b"x: {" + b" " * MANY + b"kind:" + b" " * MANY + b"SecretRecipe",
        b"{" * MANY + b"kind: SecretRecipe",
    ],
)
def test_a_recipe_is_known_in_every_notation(text: bytes) -> None:
    assert holds_recipe(text)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"# kind: SecretRecipe", b"mankind: SecretRecipe", b"a kind: SecretRecipe",
        b"kind: SecretRecipes", b"kinds: SecretRecipe", b"a" + BOM + b"kind: SecretRecipe",
        b"{" * MANY, b" " * MANY, b"kind" * MANY, b"kind:" * MANY, b"{kind: " * MANY,
        b"kind:" + b" " * MANY, b"xkind: SecretRecipe " * (MANY // 20),
    ],
)  # fmt: skip
def test_what_speaks_of_recipes_is_none_however_long_it_is(text: bytes) -> None:
    assert not holds_recipe(text)


# --- extends --------------------------------------------------------------------------------------


def order(files: Files) -> list[str]:
    """The files in the order in which they are merged, as their components tell."""
    for file, spec in files.items():
        spec["components"] = [f"/{file}".lstrip("/")]
    (leaf,) = resolved(files)
    return [component["file"] for component in leaf.spec["components"]]


def test_bases_come_before_whoever_extends_them() -> None:
    files: Files = {
        "leaf.yaml": {"extends": "b.yaml"},
        "b.yaml": {"extends": "a.yaml"},
        "a.yaml": {},
    }
    assert order(files) == ["a.yaml", "b.yaml", "leaf.yaml"]


def test_several_bases_go_depth_first_and_left_to_right() -> None:
    files: Files = {
        "leaf.yaml": {"extends": ["b.yaml", "d.yaml"]},
        "b.yaml": {"extends": ["a.yaml"]},
        "d.yaml": {"extends": ["c.yaml"]},
        **{"a.yaml": {}, "c.yaml": {}},
    }
    assert order(files) == ["a.yaml", "b.yaml", "c.yaml", "d.yaml", "leaf.yaml"]


def test_a_base_on_two_ways_is_merged_once_at_its_first_place() -> None:
    files: Files = {
        "leaf.yaml": {"extends": ["b.yaml", "c.yaml"]},
        "b.yaml": {"extends": "a.yaml"},
        "c.yaml": {"extends": "a.yaml"},
        "a.yaml": {},
    }
    assert order(files) == ["a.yaml", "b.yaml", "c.yaml", "leaf.yaml"]


def test_extends_itself_is_not_inherited() -> None:
    assert "extends" not in merged({"app": "shop"}, {}, {"environment": "production"})


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"leaf.yaml": {"extends": "leaf.yaml"}}, "leaf.yaml → leaf.yaml"),
        (
            {
                "leaf.yaml": {"extends": "a.yaml"},
                "a.yaml": {"extends": "b/c.yaml"},
                "b/c.yaml": {"extends": "../a.yaml"},
            },
            "a.yaml → b/c.yaml → a.yaml",
        ),
    ],
    ids=["itself", "two bases"],
)
def test_a_circle_is_spelled_out(files: Files, circle: str) -> None:
    (found,) = refused(files)
    assert (found.code, found.field) == ("recipe-extends", "spec.extends")
    assert found.message.endswith(f"in a circle: {circle}")


def test_a_chain_that_is_far_too_long_is_refused() -> None:
    chain: Files = {f"{n}.yaml": {"extends": f"{n + 1}.yaml"} for n in range(3000)}
    (found,) = refused({**chain, "3000.yaml": {}}, "0.yaml")
    assert found.code == "recipe-extends"


def test_a_leaf_can_not_be_extended() -> None:
    files: Files = {"leaf.yaml": {"extends": "other.yaml"}, "other.yaml": {"environment": "dev"}}
    (found,) = refused(files)
    assert (found.code, found.file) == ("recipe-extends", "other.yaml")
    assert found.field == "spec.environment"


def test_two_apps_are_refused_with_both_names() -> None:
    files: Files = {"leaf.yaml": {"extends": "a.yaml", "app": "shop"}, "a.yaml": {"app": "blog"}}
    (found,) = refused(files)
    assert (found.code, found.file, found.field) == ("recipe-extends", "leaf.yaml", "spec.app")
    assert "shop" in found.message
    assert "blog" in found.message


def test_one_app_may_be_named_twice() -> None:
    assert merged({"app": "shop"}, {"app": "shop"})["app"] == "shop"


# --- the merge (RFC 7386) -------------------------------------------------------------------------


def test_maps_merge_and_the_rest_replaces() -> None:
    base = {"secrets": {"a": {"keys": ["A", "B"], "data": {"x": "A"}, "type": "Opaque"}}}
    leaf = {"secrets": {"a": {"keys": ["C"], "data": {"y": "B"}, "type": "other"}, "b": {}}}
    assert merged(base, leaf)["secrets"] == {
        "a": {"keys": ["C"], "data": {"x": "A", "y": "B"}, "type": "other"},
        "b": {},
    }


def test_null_deletes_and_an_empty_map_changes_nothing() -> None:
    base = {"values": {"A": {"optional": True, "rules": {"minLength": 3}}, "B": {}}}
    assert merged(base, {"values": {"A": {}}}) == base
    assert merged(base, {"values": {"A": {"optional": None}, "B": None}})["values"] == {
        "A": {"rules": {"minLength": 3}}
    }
    assert "values" not in merged(base, {"values": None})


def test_null_deletes_what_is_not_there_too() -> None:
    assert merged({}, {"values": {"A": None}, "secrets": {"s": {"name": None}}}) == {
        "values": {},
        "secrets": {"s": {}},
    }


def test_a_part_of_a_url_is_overridden_by_a_leaf() -> None:
    base = {
        "derive": {"url": {"scheme": "postgresql", "host": "db", "query": {"sslmode": "require"}}}
    }
    leaf = {"derive": {"url": {"query": {"sslmode": "disable"}, "port": 5433}}}
    assert value(base, leaf)["derive"]["url"] == {
        "scheme": "postgresql", "host": "db", "port": 5433, "query": {"sslmode": "disable"},
    }  # fmt: skip


def test_components_are_joined() -> None:
    spec = merged({"components": ["a.yaml"]}, {"components": [{"path": "b", "as": "B"}]})
    assert [component["path"] for component in spec["components"]] == ["a.yaml", "b"]


def test_null_drops_the_inherited_components() -> None:
    assert "components" not in merged({"components": ["a.yaml"]}, {"components": None})


def test_a_resolved_recipe_names_the_file_of_each_field() -> None:
    (leaf,) = resolved(
        {
            "leaf.yaml": {"extends": "a.yaml", "values": {"A": {"version": 2}}},
            "a.yaml": {"app": "shop", "values": {"A": {"generate": {"password": {"length": 40}}}}},
        }
    )
    assert leaf.origins[("app",)] == "a.yaml"
    assert leaf.origins[("values", "A", "generate", "password", "length")] == "a.yaml"
    assert leaf.origins[("values", "A", "version")] == "leaf.yaml"


# --- relative paths -------------------------------------------------------------------------------


def test_paths_are_relative_to_the_file_they_stand_in() -> None:
    files: Files = {
        "overlays/prod/leaf.yaml": {"extends": "../../base/a.yaml", "components": ["own.yaml"]},
        "base/a.yaml": {"extends": "b/b.yaml", "components": ["../shared.yaml"]},
        "base/b/b.yaml": {"components": ["$(environment)/b.yaml"]},
    }
    (leaf,) = resolved(files, "overlays/prod/leaf.yaml")
    assert [component["path"] for component in leaf.spec["components"]] == [
        "base/b/$(environment)/b.yaml", "shared.yaml", "overlays/prod/own.yaml",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.yaml", "a/../../x.yaml", ".."])
@pytest.mark.parametrize("field", ["extends", "recipes", "components"])
def test_a_path_that_leaves_the_root_is_refused(field: str, path: str) -> None:
    (found,) = refused({"leaf.yaml": {field: [path]}})
    assert (found.code, found.file) == ("path-refused", "leaf.yaml")
    assert path in found.message


# --- one origin -----------------------------------------------------------------------------------

PASSWORD = {"generate": {"password": {"length": 40}}}
BYTES: dict[str, Any] = {"generate": {"bytes": {}}}
DEFAULT = {"default": "x"}
DERIVE = {"derive": {"template": "$(app)"}}


@pytest.mark.parametrize("base", [PASSWORD, DEFAULT, DERIVE], ids=["generate", "default", "derive"])
@pytest.mark.parametrize("leaf", [BYTES, {"default": "y"}, {"derive": {"template": "z"}}])
def test_naming_an_origin_drops_the_inherited_one(base: Any, leaf: Any) -> None:
    assert value(base, leaf) == leaf


def test_another_kind_replaces_the_inherited_kind() -> None:
    assert value(PASSWORD, {"generate": {"bytes": {"size": 9}}}) == {
        "generate": {"bytes": {"size": 9}}
    }


def test_the_same_kind_merges() -> None:
    assert value(PASSWORD, {"generate": {"password": {"alphabet": "ab"}}}) == {
        "generate": {"password": {"length": 40, "alphabet": "ab"}}
    }


def test_another_kind_of_derivation_replaces_the_inherited_one() -> None:
    url = {"derive": {"url": {"scheme": "a", "host": "b"}}}
    assert value(url, DERIVE) == DERIVE


def test_fields_that_are_no_origin_stay() -> None:
    base = {**PASSWORD, "rules": {"minLength": 16}, "maxAge": "90d"}
    assert value(base, DEFAULT) == {**DEFAULT, "rules": {"minLength": 16}, "maxAge": "90d"}


def test_null_for_the_generator_makes_the_value_given() -> None:
    base = {**PASSWORD, "stored": True, "optional": True}
    assert value(base, {"generate": None}) == {"optional": True}


def test_null_for_the_generator_drops_what_belongs_to_it() -> None:
    leaf = {"generate": None, "version": 3, "seed": "2", "slot": "a", "previous": {"version": 2}}
    assert value(PASSWORD, leaf) == {}


def test_stored_goes_with_the_generator_it_was_said_of() -> None:
    assert value({**PASSWORD, "stored": True}, DEFAULT) == DEFAULT


def test_a_replaced_origin_belongs_to_the_file_that_replaced_it() -> None:
    files: Files = {
        "leaf.yaml": {"extends": "a.yaml", "environment": "dev", "values": {"A": BYTES}},
        "a.yaml": {"app": "x", "values": {"A": PASSWORD}, "secrets": {"s": {"keys": ["A"]}}},
    }
    (leaf,) = resolved(files)
    assert parse(leaf).values["A"].file == "leaf.yaml"


@pytest.mark.parametrize("leaf", [DEFAULT, DERIVE, {"generate": None}, None])
def test_a_field_that_is_gone_has_no_file(leaf: Any) -> None:
    files: Files = {
        "leaf.yaml": {"extends": "a.yaml", "values": {"A": leaf}},
        "a.yaml": {"values": {"A": PASSWORD}},
    }
    (found,) = resolved(files)
    for path in found.origins:
        node: Any = found.spec
        for key in path:
            assert key in node, path
            node = node[key]


# --- what lives in a leaf -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "content"),
    [("version", 2), ("rotated", "2026-11-21"), ("seed", "2"), ("slot", "a"),
     ("previous", {"version": 1})],
)  # fmt: skip
def test_what_belongs_in_a_leaf_is_refused_in_a_base(field: str, content: object) -> None:
    base = {"values": {"A": {**PASSWORD, field: content}}}
    (found,) = refused({"leaf.yaml": {"extends": "a.yaml"}, "a.yaml": base})
    assert (found.code, found.file) == ("recipe-field", "a.yaml")
    assert found.field == f"spec.values.A.{field}"


def test_seeds_are_refused_in_a_base() -> None:
    (found,) = refused({"leaf.yaml": {"extends": "a.yaml"}, "a.yaml": {"seeds": {"1": "0a" * 16}}})
    assert (found.code, found.file, found.field) == ("recipe-field", "a.yaml", "spec.seeds")


def test_a_leaf_says_of_a_value_of_its_own_that_it_is_given() -> None:
    spec = merged({"values": {}}, {"values": {"A": {"generate": None, "rotation": "never"}}})
    assert spec["values"] == {"A": {"rotation": "never"}}
    files: Files = {
        "leaf.yaml": {"extends": "a.yaml", "values": {"A": {"rotation": "never"}}},
        "a.yaml": {"values": {"POSTGRES_USER": {}}},
    }
    (found,) = refused(files)
    assert found.code == "recipe-origin" and "generate: null" in (found.hint or "")


def test_a_misspelt_value_in_a_leaf_is_named_with_the_nearest() -> None:
    files: Files = {
        "leaf.yaml": {"extends": "a.yaml", "values": {"POSTGRES_PASWORD": {"version": 2}}},
        "a.yaml": {"values": {"POSTGRES_PASSWORD": PASSWORD, "POSTGRES_USER": {}}},
    }
    (found,) = refused(files)
    assert (found.code, found.field) == ("recipe-origin", "spec.values.POSTGRES_PASWORD")
    assert found.hint == "did you mean POSTGRES_PASSWORD?"


@pytest.mark.parametrize("fields", [{}, DEFAULT, {**PASSWORD, "version": 2}, DERIVE])
def test_a_leaf_declares_a_value_of_its_own_by_its_origin(fields: dict[str, Any]) -> None:
    assert value(None, fields) == fields


def test_a_leaf_that_extends_nothing_declares_what_it_likes() -> None:
    assert value({"optional": True}) == {"optional": True}


# --- recipes --------------------------------------------------------------------------------------


def test_recipes_stand_for_several_leaves() -> None:
    files: Files = {
        "leaf.yaml": {"recipes": ["a/leaf.yaml", "b/leaf.yaml"]},
        "a/leaf.yaml": {"extends": "../base.yaml", "environment": "a"},
        "b/leaf.yaml": {"extends": "../base.yaml", "environment": "b"},
        "base.yaml": {"app": "shop"},
    }
    leaves = resolved(files)
    assert [leaf.file for leaf in leaves] == ["a/leaf.yaml", "b/leaf.yaml"]
    assert [leaf.spec["environment"] for leaf in leaves] == ["a", "b"]
    assert {leaf.spec["app"] for leaf in leaves} == {"shop"}


def test_nothing_stands_beside_recipes() -> None:
    (found,) = refused({"leaf.yaml": {"recipes": ["a.yaml"], "app": "shop"}})
    assert (found.code, found.field) == ("recipe-field", "spec.recipes")


def test_a_list_of_recipes_is_not_empty() -> None:
    (found,) = refused({"leaf.yaml": {"recipes": []}})
    assert found.code == "recipe-empty"


@pytest.mark.parametrize("listing", ["leaf.yaml", "other.yaml"])
def test_a_list_of_recipes_is_not_listed(listing: str) -> None:
    files: Files = {"leaf.yaml": {"recipes": [listing]}, "other.yaml": {"recipes": ["x.yaml"]}}
    (found,) = refused(files)
    assert (found.code, found.file) == ("recipe-extends", "leaf.yaml")
    assert listing in found.message


def test_a_list_of_recipes_is_not_extended() -> None:
    files: Files = {"leaf.yaml": {"extends": "a.yaml"}, "a.yaml": {"recipes": ["b.yaml"]}}
    assert [found.code for found in refused(files)] == ["recipe-extends"]


def test_misshapen_bases_are_all_named_at_once() -> None:
    files: Files = {
        "leaf.yaml": {"extends": ["a.yaml", "b.yaml"]},
        "a.yaml": {"values": {"A": {"optional": 1}, "B": {"defalt": "x"}}},
        "b.yaml": {"app": 5},
    }
    assert [(found.file, found.field) for found in refused(files)] == [
        ("a.yaml", "spec.values.A.optional"),
        ("a.yaml", "spec.values.B.defalt"),
        ("b.yaml", "spec.app"),
    ]


def test_bases_and_leaves_that_do_not_fit_together_are_all_named_at_once() -> None:
    files: Files = {
        "leaf.yaml": {"extends": ["a.yaml", "b.yaml"], "values": {"X": {"version": 2}}},
        "a.yaml": {"environment": "dev"},
        "b.yaml": {"seeds": {}, "values": {"A": {"version": 1}}},
    }
    assert [(found.file, found.field) for found in refused(files)] == [
        ("a.yaml", "spec.environment"),
        ("b.yaml", "spec.seeds"),
        ("b.yaml", "spec.values.A.version"),
        ("leaf.yaml", "spec.values.X"),
    ]
