"""What a change does to rotation, seen from the recipes of both sides alone."""

from __future__ import annotations

from typing import Any

import pytest

from sopsmith.findings import Finding
from sopsmith.guard.against import problems
from sopsmith.recipes.resolve import Resolved, Source, resolve
from sopsmith.text.document import parse as parse_document

CHECKS = {"1": "1" * 32, "2": "2" * 32}


def leaf(
    value: str = "{}", file: str = "production.yaml", name: str = "TOKEN", **spec: Any
) -> Resolved:
    """A leaf whose one generated value has these fields, in YAML's flow style."""
    fields = {"generate": {"password": {}}, **parse_document(value.encode())}
    complete = {
        "app": "shop",
        "environment": "production",
        "seeds": CHECKS,
        "values": {name: {key: field for key, field in fields.items() if field is not None}},
        "secrets": {"shop": {"keys": [name]}},
    }
    document = {
        "apiVersion": "sopsmith.dev/v1alpha1",
        "kind": "SecretRecipe",
        "spec": complete | spec,
    }
    (resolved,) = resolve(Source(file, "", document), lambda file: b"")
    return resolved


def found(now: Resolved | list[Resolved], then: Resolved | list[Resolved]) -> list[Finding]:
    """What is said of a change."""
    sides = [side if isinstance(side, list) else [side] for side in (now, then)]
    return list(problems(*sides))


def said(now: str, then: str) -> list[tuple[str, str]]:
    """What is said of a change of one value: code and field."""
    return [
        (finding.code, (finding.field or "").removeprefix("spec.values."))
        for finding in found(leaf(now), leaf(then))
    ]


# --- fine -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("{}", "{}"),
        ("{version: 5}", "{version: 4}"),
        ("{version: 2}", "{}"),
        ("{version: 2, previous: {version: 1}}", "{}"),
        ("{version: 5, generate: {bytes: {}}}", "{version: 4}"),
        ("{version: 5, seed: '2'}", "{version: 4}"),
        ("{version: 5, seed: '2', previous: {version: 4}}", "{version: 4}"),
        ("{version: 5, id: OTHER}", "{version: 4}"),
        ("{generate: {password: {length: 32}}}", "{generate: {password: {}}}"),
        ("{id: TOKEN}", "{}"),
        ("{maxAge: 30d, rotated: 2026-11-01}", "{}"),
        ("{rules: {minLength: 8}, optional: true}", "{}"),
        ("{version: 4, slot: b}", "{version: 3, slot: a}"),
    ],
)
def test_a_change_that_says_what_it_does_is_fine(now: str, then: str) -> None:
    assert said(now, then) == []


def test_the_previous_value_may_be_forgotten() -> None:
    assert said("{version: 4}", "{version: 4, previous: {version: 3}}") == []


def test_a_new_leaf_is_fine() -> None:
    assert found([leaf(), leaf(environment="staging", file="staging.yaml")], leaf()) == []
    assert found(leaf(), []) == []


def test_a_leaf_does_not_vanish_in_silence() -> None:
    staging = leaf(environment="staging")
    for then in ([leaf()], [leaf(), staging]):
        (finding,) = found(then[1:], then)
        assert (finding.code, finding.severity) == ("recipe-gone", "warning")
        assert (finding.file, "shop in production" in finding.message) == ("production.yaml", True)


def test_a_value_on_one_side_alone_is_fine() -> None:
    assert found(leaf(name="OTHER"), leaf("{version: 4}")) == []


def test_a_leaf_that_is_no_recipe_is_passed_over() -> None:
    broken = leaf("{version: 9}", secrets={})
    assert found(broken, leaf()) == []
    assert found(leaf("{version: 9}"), broken) == []


def test_a_leaf_in_another_file_is_the_same_leaf() -> None:
    (finding,) = found(leaf("{version: 9}", file="moved.yaml"), leaf())
    assert (finding.code, finding.file) == ("version-jump", "moved.yaml")


def test_a_value_that_moved_to_another_leaf_of_its_environment_is_the_same_value() -> None:
    then = [leaf(), leaf("{version: 3}", file="api.yaml", name="API")]
    now = [leaf("{version: 9}", name="API"), leaf(file="api.yaml", name="TOKEN")]
    assert [finding.field for finding in found(now, then)] == ["spec.values.API.version"]


def test_of_two_leaves_of_one_environment_each_is_compared_with_itself() -> None:
    other, mine = leaf("{version: 9}", file="a.yaml"), leaf("{version: 3}", file="b.yaml")
    assert found([other, leaf("{version: 4}", file="b.yaml")], [other, mine]) == []


def test_a_new_leaf_in_the_file_of_one_that_moved_is_new() -> None:
    moved, new = leaf(file="b.yaml"), leaf(file="a.yaml", environment="live")
    assert found([moved, new], leaf(file="a.yaml")) == []


def test_a_given_value_is_no_generated_one_under_another_name() -> None:
    new = leaf(values={"OTHER": {}}, secrets={"shop": {"keys": ["OTHER"]}})
    assert found(new, leaf("{id: OTHER}")) == []


def test_a_value_renamed_under_its_id_is_the_same_value() -> None:
    assert found(leaf("{id: TOKEN, version: 3}", name="NEW"), leaf("{version: 3}")) == []
    (finding,) = found(leaf("{id: TOKEN, version: 9}", name="NEW"), leaf("{version: 3}"))
    assert (finding.code, finding.field) == ("version-jump", "spec.values.NEW.version")


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "changed"),
    [
        ("{version: 4, generate: {password: {length: 40}}}", "generator"),
        ("{version: 4, generate: {bytes: {}}}", "generator"),
        ("{version: 4, id: OTHER}", "id"),
        ("{version: 4, seed: '2'}", "seed"),
        ("{version: 4, id: OTHER, seed: '2'}", "id and seed"),
    ],
)
def test_inputs_that_change_without_a_raised_version_are_named(now: str, changed: str) -> None:
    (finding,) = found(leaf(now), leaf("{version: 4}"))
    assert (finding.code, finding.field) == ("version-unraised", "spec.values.TOKEN.version")
    assert finding.message == f"is still 4, and its {changed} changed"
    assert "version: 5" in (finding.hint or "")


@pytest.mark.parametrize(("name", "text"), [("app", "store"), ("environment", "live")])
def test_a_leaf_that_changes_its_identity_changes_every_value(name: str, text: str) -> None:
    changed: dict[str, Any] = {name: text, "seeds": {"1": "3" * 32}}
    (finding,) = found(leaf(**changed), leaf())
    assert (finding.code, finding.message) == (
        "version-unraised",
        f"is still 1, and its {name} changed",
    )
    assert found(leaf("{version: 2}", **changed), leaf()) == []


def test_an_environment_that_joins_another_is_a_new_leaf() -> None:
    assert found([leaf(), leaf(environment="staging", file="new.yaml")], leaf()) == []


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("{version: 6}", "{version: 4}"),
        ("{version: 3}", "{}"),
        ("{version: 6, previous: {version: 4}}", "{version: 4, previous: {version: 3}}"),
        ("{version: 6}", "{version: 3, previous: {version: 4}}"),
        ("{version: 9, seed: '2'}", "{version: 4}"),
    ],
)
def test_a_jump_of_more_than_one_is_named(now: str, then: str) -> None:
    assert said(now, then)[0] == ("version-jump", "TOKEN.version")


def test_after_a_restore_the_next_version_is_past_all_that_were() -> None:
    then = "{version: 3, previous: {version: 4}}"
    assert said("{version: 5, previous: {version: 3}}", then) == []
    (finding,) = found(leaf("{version: 6}"), leaf(then))
    assert finding.hint == "one rotation raises it by one: version: 5"


@pytest.mark.parametrize(
    "now",
    [
        "{version: 3}",
        "{version: 3, rotated: 2026-11-01}",
        "{version: 3, rotated: 2026-10-01}",
        "{version: 3, rotated: 2026-11-01, previous: {version: 2}}",
        "{generate: {bytes: {}}, version: 3, rotated: 2026-11-01}",
    ],
)
def test_a_lowered_version_is_an_error(now: str) -> None:
    (finding,) = found(leaf(now), leaf("{version: 4, rotated: 2026-11-01}"))
    assert (finding.code, finding.severity) == ("version-lowered", "error")
    assert finding.message == "is 3 and was 4"


@pytest.mark.parametrize(
    "now",
    [
        "{version: 3, rotated: 2026-11-02}",
        "{version: 3, rotated: 2026-11-02, previous: {version: 4}}",
        "{version: 3, rotated: 2026-11-01, previous: {version: 4}}",
    ],
)
def test_a_restored_version_is_a_warning(now: str) -> None:
    (finding,) = found(leaf(now), leaf("{version: 4, rotated: 2026-11-01}"))
    assert (finding.code, finding.severity) == ("version-restored", "warning")


# --- previous -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("{version: 5, previous: {version: 3}}", "{version: 4, previous: {version: 3}}"),
        ("{version: 5, previous: {version: 4, seed: '2'}}", "{version: 4}"),
        ("{version: 5, seed: '2', previous: {version: 4, seed: '2'}}", "{version: 4}"),
        ("{version: 5, generate: {bytes: {}}, previous: {version: 4}}", "{version: 4}"),
        ("{version: 4, previous: {version: 2}}", "{version: 4, previous: {version: 3}}"),
        ("{version: 4, previous: {version: 3}}", "{version: 4}"),
        ("{version: 4, previous: {version: 6}}", "{version: 4, previous: {version: 3}}"),
        ("{version: 4, previous: {version: 5, seed: '2'}}", "{version: 4}"),
    ],
)
def test_a_wrong_previous_is_named(now: str, then: str) -> None:
    assert said(now, then) == [("previous-wrong", "TOKEN.previous")]


def test_after_a_restore_a_wrong_previous_is_named_too() -> None:
    now, then = "{version: 3, rotated: 2026-11-02, previous: {version: 2}}", "{version: 4}"
    assert [code for code, _ in said(now, then)] == ["version-restored", "previous-wrong"]


@pytest.mark.parametrize("then", ["2026-11-01", "2026-11-02"])
@pytest.mark.parametrize(("last", "next_one"), [(2, 4), (4, 5)])
def test_a_rotation_and_its_restore_in_one_change_leave_a_right_previous(
    then: str, last: int, next_one: int
) -> None:
    now = f"{{version: 3, rotated: 2026-11-02, previous: {{version: {next_one}}}}}"
    assert said(now, f"{{version: 3, rotated: {then}, previous: {{version: {last}}}}}") == []


def test_a_rotation_keeps_the_old_value_where_another_is_derived_from_it() -> None:
    def pair(token: str) -> Resolved:
        fields = {"generate": {"password": {}}, **parse_document(token.encode())}
        old = {"derive": {"previousOf": "TOKEN"}, "optional": True}
        return leaf(values={"TOKEN": fields, "OLD": old}, secrets={"shop": {"keys": ["OLD"]}})

    (finding,) = found(pair("{version: 2}"), pair("{}"))
    assert (finding.code, finding.field) == ("previous-wrong", "spec.values.TOKEN.previous")
    assert found(pair("{version: 2, previous: {version: 1}}"), pair("{}")) == []


# --- seeds ----------------------------------------------------------------------------------------


def test_a_changed_check_value_is_refused() -> None:
    (finding,) = found(leaf(seeds={"1": "3" * 32}), leaf())
    assert (finding.code, finding.field) == ("seed-changed", "spec.seeds.1")


@pytest.mark.parametrize(
    "token", ["{}", "{version: 2, seed: '2', previous: {version: 1, seed: '1'}}"]
)
def test_a_removed_check_value_is_refused_while_a_value_needs_it(token: str) -> None:
    (finding,) = found(leaf(token, seeds={"2": CHECKS["2"]}), leaf())
    assert (finding.code, finding.field) == ("seed-changed", "spec.seeds.1")
    assert "TOKEN" in finding.message


def test_a_removed_check_value_that_nothing_needs_is_fine() -> None:
    assert found(leaf(seeds={"1": CHECKS["1"]}), leaf()) == []


def test_a_new_number_is_fine() -> None:
    assert found(leaf(seeds={**CHECKS, "3": "3" * 32}), leaf()) == []


# --- rotation and origin --------------------------------------------------------------------------


def given(fields: dict[str, Any]) -> Resolved:
    return leaf(values={"TOKEN": fields})


@pytest.mark.parametrize("rotation", [{}, {"rotation": "overlap"}])
def test_a_value_that_was_never_to_be_rotated_stays_so_or_a_warning_says(
    rotation: dict[str, Any],
) -> None:
    (finding,) = found(given(rotation), given({"rotation": "never"}))
    assert (finding.code, finding.severity) == ("rotation-loosened", "warning")
    assert found(given({"rotation": "never"}), given(rotation)) == []
    assert found(given({"rotation": "never"}), given({"rotation": "never"})) == []


@pytest.mark.parametrize(
    ("now", "was"),
    [
        ({}, "was generated and is given now"),
        ({"derive": {"template": "x"}}, "was generated and is derived now"),
        (
            {"generate": {"password": {}}, "stored": True},
            "was generated and is stored now",
        ),
    ],
)
def test_a_changed_origin_is_shown(now: dict[str, Any], was: str) -> None:
    (finding,) = found(given(now), leaf("{version: 4}"))
    assert (finding.code, finding.severity, finding.message) == ("origin-changed", "warning", was)
