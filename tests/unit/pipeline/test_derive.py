"""Derived values: URLs whose parts any client reads back, templates, and what an absence does."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsmith.findings import Finding
from sopsmith.model import Recipe, Sensitive
from sopsmith.pipeline.derive import Derived, derive, encode
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Source, resolve

Given = dict[str, str | bytes]


def recipe(**values: Any) -> Recipe:
    """A leaf with these values."""
    spec = {"app": "shop", "environment": "production", "values": values}
    secrets = {"s": {"keys": list(values)}}
    document = {
        "apiVersion": "sopsmith.dev/v1alpha1",
        "kind": "SecretRecipe",
        "spec": {**spec, "secrets": secrets},
    }
    (leaf,) = resolve(Source("recipe.yaml", "", document), lambda file: b"")
    return parse(leaf)


def run(given: Given, **values: Any) -> Derived:
    """Derive these values from what is given."""
    return derive(recipe(**values), {name: Sensitive(each) for name, each in given.items()}, {})


def template(text: str, given: Given, **values: Any) -> str | bytes | None:
    """What this template yields; every given value is declared."""
    declared = {name: {} for name in given} | values
    found = run(given, OUT={"derive": {"template": text}}, **declared).values.get("OUT")
    return None if found is None else found.reveal()


def url(given: Given | None = None, **parts: Any) -> str:
    """What a URL of these parts yields."""
    options = {"scheme": "postgresql", "host": "db", **parts}
    known = given or {}
    declared: dict[str, Any] = {name: {} for name in known}
    declared |= {"ABSENT": {"optional": True}, "OUT": {"derive": {"url": options}}}
    found = run(known, **declared).values["OUT"].text()
    assert found is not None
    return found


# --- URLs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({}, "postgresql://db"),
        ({"host": "$(app).example"}, "postgresql://shop.example"),
        ({"port": 5432}, "postgresql://db:5432"),
        ({"port": "$(P)"}, "postgresql://db:p%2Fw"),
        ({"user": "u", "password": "$(P)"}, "postgresql://u:p%2Fw@db"),
        ({"user": "u"}, "postgresql://u@db"),
        ({"password": "$(P)"}, "postgresql://:p%2Fw@db"),
        ({"path": "a"}, "postgresql://db/a"),
        ({"path": ["a", "b/c", ""]}, "postgresql://db/a/b%2Fc/"),
        ({"path": "0"}, "postgresql://db/0"),
        ({"path": ""}, "postgresql://db/"),
        ({"query": {"b": "$(P)", "a": "1"}}, "postgresql://db?a=1&b=p%2Fw"),
        ({"query": {"a&b": "c=d"}}, "postgresql://db?a%26b=c%3Dd"),
        ({"query": {}}, "postgresql://db"),
        ({"host": "::1"}, "postgresql://[::1]"),
        ({"host": "2001:db8::7", "port": 1}, "postgresql://[2001:db8::7]:1"),
        ({"host": "fe80::1%eth0"}, "postgresql://[fe80::1%25eth0]"),
        ({"scheme": "redis+ssl"}, "redis+ssl://db"),
    ],
)
def test_a_url_is_composed_of_its_parts(parts: dict[str, Any], text: str) -> None:
    assert url({"P": "p/w"}, **parts) == text


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ({"user": "$(ABSENT)"}, "postgresql://db"),
        ({"user": "$(ABSENT)", "password": "$(P)"}, "postgresql://:pw@db"),
        ({"user": "u", "password": "$(ABSENT)"}, "postgresql://u@db"),
        ({"user": "x-$(ABSENT)", "password": "$(ABSENT)"}, "postgresql://db"),
        ({"port": "$(ABSENT)"}, "postgresql://db"),
        ({"query": {"a": "$(ABSENT)", "b": "1"}}, "postgresql://db?b=1"),
        ({"query": {"a": "$(ABSENT)"}}, "postgresql://db"),
    ],
)
def test_a_part_whose_value_is_absent_is_left_out(parts: dict[str, Any], text: str) -> None:
    assert url({"P": "pw"}, **parts) == text


@pytest.mark.parametrize("part", ["scheme", "host", "path"])
def test_a_url_without_what_it_needs_is_missing(part: str) -> None:
    parts = {"scheme": "a", "host": "b", part: "$(HOST)"}
    (found,) = run({}, HOST={"optional": True}, OUT={"derive": {"url": parts}}).findings
    assert (found.code, found.field) == ("missing", "OUT")
    assert found.message == "can't be derived while HOST is absent"


def test_every_byte_but_the_unreserved_ones_is_encoded() -> None:
    safe = "ABCXYZabcxyz0189-._~"
    assert encode(safe) == safe
    assert encode(" +/@:?#[]%&=é😀\n") == (
        "%20%2B%2F%40%3A%3F%23%5B%5D%25%26%3D%C3%A9%F0%9F%98%80%0A"
    )


TEXT = st.text(min_size=1)


@given(password=TEXT, user=TEXT, segment=TEXT, name=TEXT, entry=TEXT)
def test_any_text_is_read_back_by_another_parser(
    password: str, user: str, segment: str, name: str, entry: str
) -> None:
    parts = {"user": "$(U)", "password": "$(P)", "path": ["$(S)"], "query": {"q": "$(E)"}}
    known: Given = {"U": user, "P": password, "S": segment, "E": entry}
    read = urlsplit(url(known, **parts))
    assert (unquote(read.username or ""), unquote(read.password or "")) == (user, password)
    assert unquote(read.path) == f"/{segment}"
    assert unquote(read.query) == f"q={entry}"
    assert (read.hostname, read.fragment) == ("db", "")


# --- templates ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("user=$(U) password=$(P)", "user=app password=a$(U)b"),
        ("$(P)$(P)", "a$(U)ba$(U)b"),
        ("$$(U)", "$(U)"),
        ("$(app)/$(environment)", "shop/production"),
        ("$(E)", ""),
        ("plain", "plain"),
        ("a\n$(U)\n", "a\napp\n"),
    ],
)
def test_what_is_filled_in_is_not_expanded_again(text: str, filled: str) -> None:
    assert template(text, {"U": "app", "P": "a$(U)b", "E": ""}) == filled


def test_derived_values_build_on_each_other_in_any_order() -> None:
    values = {
        "A": {"derive": {"template": "<$(Z)>"}},
        "M": {"derive": {"template": "$(A)$(A)"}},
        "Z": {"derive": {"template": "$(TOKEN)"}},
        "TOKEN": {},
    }
    found = run({"TOKEN": "t"}, **values).values
    assert {name: each.reveal() for name, each in found.items()} == {
        "A": "<t>", "M": "<t><t>", "Z": "t", "TOKEN": "t",
    }  # fmt: skip


def test_a_file_of_text_can_be_filled_in() -> None:
    assert template("<$(FILE)>", {"FILE": "é\n".encode()}) == "<é\n>"


def test_bytes_that_are_no_text_can_not() -> None:
    found = run({"FILE": b"\xff\x00"}, FILE={}, OUT={"derive": {"template": "$(FILE)"}})
    assert "OUT" not in found.values
    assert [(each.code, each.field) for each in found.findings] == [("not-text", "OUT")]
    assert found.findings[0].message == "needs FILE, which is not UTF-8 text"


# --- absence --------------------------------------------------------------------------------------

OPTIONAL = {"optional": True}


def absence(**values: Any) -> tuple[list[Finding], set[str]]:
    """The findings, and the values that are there, when nothing is given."""
    found = run({}, **values)
    return list(found.findings), set(found.values)


def test_what_needs_an_absent_optional_value_is_missing_with_a_hint() -> None:
    (found,), _ = absence(SMTP=OPTIONAL, CONF={"derive": {"template": "p=$(SMTP)"}})
    assert (found.code, found.field) == ("missing", "CONF")
    assert found.message == "can't be derived while SMTP is absent"
    assert found.hint == "give SMTP, or mark CONF optional: true as well"


def test_an_optional_one_is_absent_itself() -> None:
    conf = {"derive": {"template": "p=$(SMTP)"}, **OPTIONAL}
    assert absence(SMTP=OPTIONAL, CONF=conf) == ([], set())


def test_absence_is_passed_on() -> None:
    middle = {"derive": {"template": "$(SMTP)"}, **OPTIONAL}
    (found,), _ = absence(SMTP=OPTIONAL, MIDDLE=middle, CONF={"derive": {"template": "$(MIDDLE)"}})
    assert (found.field, found.message) == ("CONF", "can't be derived while MIDDLE is absent")


def test_one_cause_is_one_finding() -> None:
    """A missing value has a finding of its own; what is derived from it adds none."""
    first = {"derive": {"template": "$(TOKEN)"}}
    assert absence(TOKEN={}, A=first, B={"derive": {"template": "$(A)"}}) == ([], set())


def test_a_left_out_part_does_not_hide_a_missing_value() -> None:
    parts = {"scheme": "a", "host": "b", "user": "$(U)", "password": "$(P)"}
    assert absence(U=OPTIONAL, P={}, OUT={"derive": {"url": parts}}) == ([], set())


# --- alternates -----------------------------------------------------------------------------------

ALTERNATE = {"derive": {"alternate": {"a": "A", "b": "B", "slotOf": "P"}}}


def alternating(given: Given, slot: str | None = None, **more: Any) -> Derived:
    """The name of the role that the password's slot picks."""
    password: dict[str, Any] = {"generate": {"password": {}}, "slot": slot}
    declared = {"A": {}, "B": {}} | more
    return run({"P": "pw", **given}, USER=ALTERNATE, P=password, **declared)


@pytest.mark.parametrize(("slot", "user"), [(None, "app_a"), ("a", "app_a"), ("b", "app_b")])
def test_the_slot_picks_one_of_two(slot: str | None, user: str) -> None:
    found = alternating({"A": "app_a", "B": "app_b"}, slot)
    assert (found.values["USER"].reveal(), found.findings) == (user, ())


def test_what_is_picked_can_be_derived_and_derived_from() -> None:
    more = {"B": {"derive": {"template": "$(A)2"}}, "DSN": {"derive": {"template": "u=$(USER)"}}}
    assert alternating({"A": "app"}, "b", **more).values["DSN"].reveal() == "u=app2"


def test_bytes_are_picked_as_they_are() -> None:
    assert alternating({"A": b"\xff", "B": "b"}).values["USER"].reveal() == b"\xff"


def test_only_the_one_that_is_picked_has_to_be_there() -> None:
    assert alternating({"A": "app_a"}, "a", B=OPTIONAL).findings == ()
    (found,) = alternating({"A": "app_a"}, "b", B=OPTIONAL).findings
    assert (found.code, found.message) == ("missing", "can't be derived while B is absent")


def test_a_missing_one_is_one_finding_of_its_own() -> None:
    assert alternating({"A": "app_a"}, "b").findings == ()
