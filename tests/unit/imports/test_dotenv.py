"""A .env file means what docker compose and the dotenv libraries make of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sopsmith.errors import SopsmithError
from sopsmith.imports.dotenv import parse_dotenv


def values(text: str | bytes) -> dict[str, str | bytes]:
    data = text if isinstance(text, bytes) else text.encode()
    return {entry.name: entry.value.reveal() for entry in parse_dotenv(data, ".env")}


def notes(text: str) -> list[str]:
    return [note for entry in parse_dotenv(text.encode(), ".env") for note in entry.notes]


QUOTES = "the quotes around it were taken off"
COMMENT = "an inline comment was left out"


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  A = b  ", "b"),
        ("export A=b", "b"),
        ("\texport  A=b", "b"),
        ("A=", ""),
        ("A=two words", "two words"),
        ("A=b # comment", "b"),
        ("A=b\t# comment", "b"),
        ("A= # comment", ""),
        ("A=b#c", "b#c"),
        ("A=#b", "#b"),
        ("A==b==", "=b=="),
        ("A=b='c'", "b='c'"),
        ("A=it's", "it's"),
        ("A='b'", "b"),
        ("A='b # c'", "b # c"),
        ("A='b' # c", "b"),
        ("A='b\\n$c'", "b\\n$c"),
        ('A="b"', "b"),
        ('A=" b "', " b "),
        ('A="b\\nc"', "b\nc"),
        ('A="b\\tc\\r\\\\ \\" \\$d"', 'b\tc\r\\ " $d'),
        ('A="b\\qc"', "b\\qc"),
        ('A="b\\\nc"', "bc"),
        ('A="one\ntwo\nthree"', "one\ntwo\nthree"),
        ("A='one\n\ntwo'", "one\n\ntwo"),
        ("A='# no comment\nB=c'", "# no comment\nB=c"),
        ('A=""', ""),
        ("A=päss", "päss"),
        ("A=b\r", "b"),
    ],
)
def test_a_line_is_read_as_people_mean_it(line: str, value: str) -> None:
    assert values(line) == {"A": value}
    assert values(f"# before\n\n{line}\n \t\n  # after\nZ=1\n") == {"A": value, "Z": "1"}


def test_names_have_dots_and_dashes_too() -> None:
    assert values("app.name=a\nx-y_Z9=b\n") == {"app.name": "a", "x-y_Z9": "b"}


def test_crlf_and_a_byte_order_mark_are_no_part_of_a_value() -> None:
    assert values(b"\xef\xbb\xbfA=1\r\nB='2'\r\nC=\"3\r\n4\"\r\n") == {
        "A": "1", "B": "2", "C": "3\n4",
    }  # fmt: skip


def test_an_empty_file_has_no_entries() -> None:
    assert values("") == values("\n# nothing\n\n") == {}


def test_a_name_that_stands_twice_is_there_twice() -> None:
    found = parse_dotenv(b"A=1\nB=2\nA=3\n", ".env")
    assert [(each.name, each.line) for each in found] == [("A", 1), ("B", 2), ("A", 3)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("A=b", []),
        ("A='b'", [QUOTES]),
        ("A=b # c", [COMMENT]),
        ("A=$B", []),
        ('A="b\\n" # c', [QUOTES, "escapes in it were read", COMMENT]),
        ("A=${B}", ["holds $NAME, which was not filled in"]),
        ("A=$B\nB=1", ["holds $NAME, which was not filled in"]),
    ],
)
def test_what_was_not_taken_as_it_stands_is_told(text: str, told: list[str]) -> None:
    assert notes(text) == told


BAD: dict[str, tuple[str | bytes, str]] = {
    "no equals sign": ("hunter2hunter2", "line 1: is no NAME=value"),
    "a name with a blank": ("A B=hunter2", "line 1: is no NAME=value"),
    "a name that starts with a digit": ("1A=hunter2", "line 1: is no NAME=value"),
    "a double quote that stays open": ('A="hunter2\nB=c', "line 1: its quote is never closed"),
    "a single quote that stays open": ("A='hunter2", "line 1: its quote is never closed"),
    "text after a quote": ("A='hunter2'x", "line 1: text follows the closing quote"),
    "a third line": ("A=1\nB='1\n2'\nhunter2", "line 4: is no NAME=value"),
    "bytes": (b"A=\xff", "is not UTF-8 text"),
    "UTF-16": ("A=hunter2".encode("utf-16"), "is not UTF-8 text"),
    "NUL": (b"A=b\0", "holds NUL bytes"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_gives_no_value_is_refused_and_not_quoted(case: str) -> None:
    text, message = BAD[case]
    with pytest.raises(SopsmithError) as refused:
        values(text)
    (found,) = refused.value.findings
    assert (found.code, found.message, found.file) == ("import-source", message, ".env")
    assert "hunter2" not in repr(found)


def test_every_line_that_gives_no_value_is_named_at_once() -> None:
    with pytest.raises(SopsmithError) as refused:
        values("one\nA=1\ntwo\n")
    assert [each.message[:6] for each in refused.value.findings] == ["line 1", "line 3"]


NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,9}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_characters="'\0\r", exclude_categories=["Cs"]))


@given(st.dictionaries(NAMES, TEXTS, max_size=5))
def test_what_single_quotes_hold_comes_back_whole(entries: dict[str, str]) -> None:
    assert values("".join(f"{name}='{text}'\n" for name, text in entries.items())) == entries


@given(st.binary(max_size=60))
def test_no_bytes_make_it_fail_otherwise(data: bytes) -> None:
    try:
        parse_dotenv(data, ".env")
    except SopsmithError as error:
        assert {each.code for each in error.findings} == {"import-source"}
