"""Text with `$(NAME)` in it: what is a reference, what is text, what is filled in and left out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsmith.model import Ref, Template, Url
from sopsmith.recipes.template import fill, fill_url, names, parse_template

VALUES = {"A": "1", "B": "2 $(A)", "EMPTY": "", "app": "shop"}


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("plain", ("plain",)),
        ("$(A)", (Ref("A"),)),
        ("a$(A)b$(B)c", ("a", Ref("A"), "b", Ref("B"), "c")),
        ("$(A)$(A)", (Ref("A"), Ref("A"))),
        ("$(tls.key-1_x)", (Ref("tls.key-1_x"),)),
        ("$ (A) $A ${A} (A) $", ("$ (A) $A ${A} (A) $",)),
        ("$$", ("$$",)),
        ("$$(A)", ("$(", "A)")),
        ("a$$(b$(A)", ("a", "$(", "b", Ref("A"))),
        ("$$$(A)", ("$", "$(", "A)")),
        ("$(A", (Ref(""), )),
        ("$(", (Ref(""),)),
        ("$()", (Ref(""),)),
        ("$(A $(B)", (Ref(""), "(B)")),
        ("$(A(B))", (Ref(""), "(B))")),
        ("é😀$(A)\n", ("é😀", Ref("A"), "\n")),
    ],
)  # fmt: skip
def test_text_is_split_at_its_references(text: str, parts: Template) -> None:
    assert parse_template(text) == parts


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("user=$(A)", "user=1"),
        ("$(A)$(B)", "12 $(A)"),
        ("$(EMPTY)|$(EMPTY)", "|"),
        ("$$(A) $(A)", "$(A) 1"),
        ("$(app)-db", "shop-db"),
    ],
)
def test_a_template_is_filled_once(text: str, filled: str) -> None:
    assert fill(parse_template(text), VALUES.__getitem__) == filled


@given(st.text("$()AB ", max_size=30))
def test_names_are_what_filling_asks_for(text: str) -> None:
    template = parse_template(text)
    assert fill(template, "<{}>".format).count("<") == len(names(template))


@given(st.text())
def test_text_is_kept_whatever_it_is_once_escaped(text: str) -> None:
    escaped = text.replace("$(", "$$(")
    template = parse_template(escaped)
    assert names(template) == ()
    assert fill(template, VALUES.__getitem__) == text


# --- URLs -----------------------------------------------------------------------------------------


def url(**parts: str) -> Url:
    """A URL of these parts; path and query have one entry each."""
    read = {name: parse_template(text) for name, text in parts.items()}
    return Url(
        scheme=read.get("scheme", ("redis",)),
        user=read.get("user"),
        password=read.get("password"),
        host=read.get("host", ("db",)),
        port=read.get("port"),
        path=(read["path"],) if "path" in read else None,
        query=(("q", read["query"]),) if "query" in read else (),
    )


@pytest.mark.parametrize("part", ["user", "password", "port", "query"])
def test_a_part_that_needs_an_absent_value_is_left_out(part: str) -> None:
    whole = url(user="a", password="b", port="1", path="c", query="d")
    parts = fill_url(url(**{part: "x-$(ABSENT)"}), VALUES, VALUES.__getitem__)
    assert parts is not None
    assert getattr(parts, part) == (() if part == "query" else None)
    filled = fill_url(whole, VALUES, VALUES.__getitem__)
    assert filled is not None
    assert (filled.user, filled.password, filled.port, filled.path) == ("a", "b", "1", ("c",))


@pytest.mark.parametrize("part", ["scheme", "host", "path"])
def test_no_url_without_the_parts_it_needs(part: str) -> None:
    assert fill_url(url(**{part: "$(ABSENT)"}), VALUES, VALUES.__getitem__) is None


@pytest.mark.parametrize("part", ["user", "password", "port", "path", "query"])
def test_an_empty_part_is_not_an_absent_one(part: str) -> None:
    parts = fill_url(url(**{part: "$(EMPTY)"}), VALUES, VALUES.__getitem__)
    assert parts is not None
    expected: object = {"path": ("",), "query": (("q", ""),)}.get(part, "")
    assert getattr(parts, part) == expected


def test_parts_do_not_show_what_they_hold() -> None:
    parts = fill_url(url(password="$(A)"), VALUES, VALUES.__getitem__)
    assert repr(parts) == str(parts) == f"{parts}" == "Parts(***)"
