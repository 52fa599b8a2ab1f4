"""Findings and rows as text: nothing that others named speaks to a terminal or a workflow."""

from __future__ import annotations

import json

import pytest

from sopsmith import report
from sopsmith.findings import Finding

# CSI in one byte, DEL, an override of the writing direction, an invisible tag, and the ESC of old.
LOUD = "a\x9bb\x7fc\u202ed\U000e0001e\x1bf"


@pytest.mark.parametrize("indent", [2, None])
def test_json_is_printable_and_says_the_same(indent: int | None) -> None:
    tree = {"author": LOUD, "subject": "Grüße, 鍵 🔑"}
    text = report.as_json(tree, indent=indent)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert json.loads(text) == tree
    assert "Grüße, 鍵 🔑" in text
    assert text.count("\n") == (4 if indent else 1)


def test_yaml_is_printable() -> None:
    (line,) = report.yaml_lines({"host": LOUD}, {})
    assert line.isprintable()


@pytest.mark.parametrize("output", ["text", "json", "github"])
def test_no_part_of_a_finding_speaks_to_the_terminal(output: str) -> None:
    finding = Finding("missing", f"is {LOUD}", f"{LOUD}.yaml", LOUD, f"do {LOUD}")
    text = report.told([finding], "1 file", output=output, colour=False)
    assert all(char.isprintable() or char == "\n" for char in text)


def test_a_long_cell_makes_only_its_own_row_long() -> None:
    text = report.table(("WHO", "WHAT"), [("x" * 10_000, "a"), ("y", "b")], colour=False)
    head, long, short = text.splitlines()
    assert len(long) == 10_003
    assert max(len(head), len(short)) < 500


def test_a_long_name_is_cut_and_says_so() -> None:
    assert report.brief("Ada") == "Ada"
    cut = report.brief("x" * 200_000)
    assert (len(cut), cut[-1]) == (60, "…")
