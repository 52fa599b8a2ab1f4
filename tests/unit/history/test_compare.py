"""What two snapshots tell, for what real files seldom show."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history.chronicle import Event, events, follow
from sopsmith.history.compare import Row, compare, effects
from sopsmith.history.compare_files import compare_files, compare_rules
from sopsmith.history.compare_values import has_one_key, kept_at, unsettled
from sopsmith.history.snapshot import Part, Place, Snapshot, take
from sopsmith.history.standing import Ids, Standing, labels, memory, observe
from sopsmith.model import Component
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved

FILE = Component("a.enc.yaml", None, None)
PASSWORD: dict[str, Any] = {"generate": {"password": {}}}
KEY = ("shop", "production", "")


def enc(data: str, length: int = 9) -> str:
    """A ciphertext of a value of that length."""
    text = base64.b64encode(data.encode().ljust(length)[:length]).decode()
    return f"ENC[AES256_GCM,data:{text},iv:{'A' * 43}=,tag:{'B' * 22}==,type:str]"


def part(entries: dict[str, str], key: str = "k", readers: tuple[str, ...] = ("age:a",)) -> Part:
    """A file with these ciphertexts."""
    return Part({(name,): text for name, text in entries.items()}, frozenset({key}),
                frozenset(readers), None, False)  # fmt: skip


def snapshot(values: dict[str, Any], *parts: Part | Finding, **spec: Any) -> Snapshot:
    """A leaf whose one Secret emits all of its values."""
    files = [f"{chr(ord('a') + index)}.enc.yaml" for index in range(len(parts))]
    full = {
        "app": "shop", "environment": "production", "values": values,
        "components": [{"path": file, "file": "r.yaml"} for file in files],
        "secrets": {"shop": {"keys": list(values), "hash": False}}, **spec,
    }  # fmt: skip
    found = dict(zip(files, parts, strict=True))

    def part_of(component: Component) -> Part:
        each = found[component.file]
        if isinstance(each, Finding):
            raise SopsmithError(each._replace(file=component.file))
        return each

    return take(parse(Resolved("r.yaml", full, {})), part_of)


def values(before: Snapshot | None, after: Snapshot | None, **same: Any) -> dict[str, str]:
    """What became of values."""
    return {row.name: row.change for row in compare(before, after, **same) if row.what == "value"}


# --- ciphertexts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("was", "now", "key", "expected"),
    [
        (enc("x"), enc("x"), "k", True),
        (enc("x"), enc("y"), "k", False),
        (enc("x"), enc("y"), "other", None),
        (enc("x"), enc("y", 8), "other", False),
        (enc("x"), "", "other", False),
        ("", "", "other", True),
        (enc("x"), enc("x"), "other", True),
    ],
)
def test_a_ciphertext_tells_what_it_can(was: str, now: str, key: str, expected: object) -> None:
    old, new = Place(FILE, "A", was), Place(FILE, "A", now)
    parts = {FILE.file: part({"A": was})}, {FILE.file: part({"A": now}, key)}
    assert kept_at(old, new, *parts) is expected


def test_one_shared_ciphertext_is_one_data_key() -> None:
    assert has_one_key(part({"A": enc("x"), "B": enc("y")}), part({"A": enc("x")}, "rewrapped"))
    assert not has_one_key(part({"A": ""}), part({"A": ""}, "other"))


def test_only_what_no_ciphertext_settles_needs_a_key() -> None:
    before = snapshot({"A": {}, "B": {}}, part({"A": enc("1"), "B": enc("2")}))
    after = snapshot({"A": {}, "B": {}}, part({"A": enc("3"), "B": enc("4", 5)}, "other"))
    ((one, _),) = unsettled(before, after)
    assert isinstance(one, Place) and one.key == "A"
    for same, word in ((None, "re-encrypted"), (True, None), (False, "changed")):
        found = values(before, after, same=lambda one, other, told=same: told)
        assert found.get("A") == word
        assert found["B"] == "changed"


def test_an_unread_file_claims_nothing_of_its_values() -> None:
    whole = snapshot({"A": {}}, part({"A": enc("1")}))
    unread = snapshot({"A": {}}, Finding("tampered", "is broken"))
    for pair in ((whole, unread), (unread, whole)):
        assert values(*pair) == {"A": "re-encrypted"}
        assert effects(*pair) == ()
    assert compare_files(whole, unread) == (
        Row("component", "a.enc.yaml", "unreadable", "is broken"),
    )
    assert compare_files(unread, unread._replace(places={})) == ()


# --- values ---------------------------------------------------------------------------------------


def test_a_leaf_that_came_or_went_brings_or_takes_all() -> None:
    leaf = snapshot({"A": {}, "P": PASSWORD}, part({"A": enc("1")}), seeds={"1": "a" * 32})
    for pair, word in (((None, leaf), "added"), ((leaf, None), "removed")):
        rows = [*compare(*pair), *compare_files(*pair)]
        assert {row.change for row in rows} == {word}
        assert {row.what for row in rows} == {"value", "seed", "secret", "component"}
    assert compare(None, None) == compare(leaf, leaf) == effects(None, None) == ()


def test_a_renamed_given_value_is_known_by_its_ciphertext() -> None:
    pick = {"path": "a.enc.yaml", "file": "r.yaml", "as": {"OLD": "k"}}
    before = snapshot({"OLD": {}}, part({"k": enc("1")}), components=[pick])
    pick = {**pick, "as": {"NEW": "k"}}
    after = snapshot({"NEW": {}}, part({"k": enc("1")}), components=[pick])
    assert compare(before, after)[0] == Row("value", "NEW", "renamed", "from OLD")
    other = snapshot({"NEW": {}}, part({"k": enc("2")}), components=[pick])
    assert values(before, other) == {"NEW": "added", "OLD": "removed"}


def test_pinning_alone_changes_nothing_that_is_derived() -> None:
    url = {"derive": {"template": "$(P)"}}
    before = snapshot({"P": PASSWORD, "U": url}, part({}))
    pinned = {"P": {**PASSWORD, "stored": True}, "U": url}
    assert effects(before, snapshot(pinned, part({"P": enc("1")}))) == ()
    other = {"P": {"default": "x"}, "U": url}
    assert [row.name for row in effects(before, snapshot(other, part({})))] == ["U", "shop"]


def test_a_default_that_a_component_overrules_is_no_change() -> None:
    pair = (snapshot({"A": {"default": text}}, part({"A": enc("1")})) for text in "xy")
    assert values(*pair) == {}


def test_our_own_keys_of_a_component_are_no_values() -> None:
    names = ("SOPSMITH_ENVIRONMENT", "SOPSMITH_SEED_1", "SOPSMITH_PREVIOUS_A")
    before, after = (
        snapshot({"A": {}}, part({"A": enc("1"), **dict.fromkeys(names, enc(text))}))
        for text in "xy"
    )
    assert compare(before, after) == (Row("value", "A", "settings", "previous"),)


def test_a_key_group_that_changed_its_threshold() -> None:
    before, after = (
        snapshot({"A": {}}, part({"A": enc("1")})._replace(threshold=number)) for number in (2, 3)
    )
    expected = Row("recipient", "a.enc.yaml", "changed", "needs 3 key groups, was 2")
    assert compare_files(before, after) == (expected,)


# --- creation rules -------------------------------------------------------------------------------

ONE = b"creation_rules:\n- {path_regex: a, age: x}\n- {path_regex: b, age: x}\n"
RULES = {
    "order": (b"creation_rules:\n- {path_regex: b, age: x}\n- {path_regex: a, age: x}\n",
              ("changed", "order")),
    "a reader": (ONE.replace(b"age: x", b"age: 'x,y'", 1), ("changed", "a: +y")),
    "what is encrypted": (ONE.replace(b"age: x", b"age: x, encrypted_regex: k", 1),
                          ("changed", "a: encrypted_regex k")),
    "a rule for all": (ONE + b"- {age: x}\n", ("added", "every file")),
    "key groups": (ONE.replace(b"age: x", b"key_groups: [{age: [x]}, {age: [x]}]", 1),
                   ("changed", "a: key groups")),
    "threshold": (ONE.replace(b"age: x", b"age: x, shamir_threshold: 1", 1),
                  ("changed", "a: threshold")),
}  # fmt: skip


@pytest.mark.parametrize("case", RULES)
def test_rules_tell_what_is_new(case: str) -> None:
    after, expected = RULES[case]
    assert compare_rules({".sops.yaml": ONE}, {".sops.yaml": after}) == (
        Row("rule", ".sops.yaml", *expected),
    )


def test_rules_that_came_and_went() -> None:
    assert compare_rules({}, {"x/.sops.yaml": ONE})[0].change == "added"
    assert compare_rules({"x/.sops.yaml": ONE}, {})[0].change == "removed"
    assert compare_rules({".sops.yaml": b"["}, {".sops.yaml": b"["}) == ()


# --- many commits ---------------------------------------------------------------------------------


class Commit(NamedTuple):
    """A commit, as far as it matters here."""

    hash: str
    parents: tuple[str, ...] = ()


def lived(**versions: int | None) -> dict[str, Standing]:
    """What commits hold: a version of one value, None for a recipe that can't be read."""
    return {
        name: Standing({}, {"r.yaml": Finding("recipe-field", "is broken")}, {})
        if version is None
        else Standing({KEY: snapshot({"P": {**PASSWORD, "version": version}})}, {}, {})
        for name, version in versions.items()
    }


def told(found: tuple[Event, ...]) -> list[tuple[str, str]]:
    """Which commit changed the value, and how."""
    return [(event.commit, row.detail) for event, row in follow(found, ["P"])]


def test_a_merge_changed_what_differs_from_every_parent() -> None:
    commits = [Commit("merge", ("left", "right")), Commit("right", ("base",)),
               Commit("left", ("base",)), Commit("base")]  # fmt: skip
    for version, count in ((2, 0), (1, 0), (3, 1)):
        found = events(commits, lived(base=1, left=1, right=2, merge=version))
        assert len([each for each, _ in told(found) if each == "merge"]) == count
        assert ("right", "version 1 → 2") in told(found)


def test_a_broken_recipe_hides_no_change_and_makes_none() -> None:
    commits = [Commit("c", ("b",)), Commit("b", ("a",)), Commit("a")]
    found = events(commits, lived(a=1, b=None, c=2))
    assert told(found) == [("c", "version 1 → 2"), ("a", "generated, version 1")]
    assert [row.change for event in found for row in event.rows if row.what == "recipe"] == [
        "readable again", "broken",
    ]  # fmt: skip
    assert told(events(commits[:1], lived(b=None, c=2))) == []


def test_where_a_shallow_clone_ends_nothing_is_claimed() -> None:
    commits = [Commit("b", ("a",)), Commit("a", ("cut off",))]
    assert told(events(commits, lived(a=1, b=2))) == [("b", "version 1 → 2")]
    assert told(events([Commit("a")], lived(a=1), edges=["a"])) == []


def test_leaves_are_called_by_what_tells_them_apart() -> None:
    other = ("till", "production", "")
    assert labels([KEY])(KEY) == "production"
    assert labels([KEY, other])(KEY) == "shop/production"
    assert labels([KEY])(("shop", "production", "r.yaml")) == "production (r.yaml)"
    assert labels([KEY])(None) == "-"


# --- moments --------------------------------------------------------------------------------------


def recipe(**spec: Any) -> bytes:
    """A recipe's text."""
    import json

    full = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe", "spec": spec}
    return json.dumps(full).encode()


def test_each_content_is_read_once_however_many_moments_hold_it() -> None:
    leaf = recipe(app="shop", environment="production", extends="base.yaml",
                  values={"A": {"default": "x"}}, secrets={"s": {"keys": ["A"]}})  # fmt: skip
    texts = {1: leaf, 2: recipe(), 3: recipe(values={"B": {}})}
    asked: list[object] = []

    def content(name: Any) -> bytes:
        asked.append(name)
        return texts[name]

    known = memory(content)
    ids: Ids = {"leaf.yaml": 1, "base.yaml": 2}
    (first, matter), (again, _) = observe(known, ids), observe(known, ids)
    assert first.leaves[KEY] is again.leaves[KEY]
    assert matter == {"leaf.yaml", "base.yaml"}
    assert asked.count(1) == 1
    other, _ = observe(known, {**ids, "base.yaml": 3})
    assert set(other.leaves[KEY].recipe.values) == {"A", "B"}
    missing, matter = observe(known, {"leaf.yaml": 1})
    assert missing.broken["leaf.yaml"].message == "does not exist"
    assert "base.yaml" in matter


def test_two_leaves_of_one_name_are_told_apart_by_their_file() -> None:
    text = recipe(app="shop", environment="production", values={"A": {"default": "x"}},
                  secrets={"s": {"keys": ["A"]}})  # fmt: skip
    known = memory(lambda name: text)
    found, _ = observe(known, {"a.yaml": 1, "b.yaml": 1})
    assert set(found.leaves) == {(*KEY[:2], "a.yaml"), (*KEY[:2], "b.yaml")}
