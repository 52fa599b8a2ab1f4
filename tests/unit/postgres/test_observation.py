"""What a role's comment may say, which somebody else may have written."""

from __future__ import annotations

import pytest

from sopsmith.postgres.observation import Mark, read_mark
from sopsmith.postgres.statements import PREFIX

MARK = Mark("shop", "production", "PASSWORD", "a", 3, None)


def test_a_mark_is_read_as_it_was_written() -> None:
    assert read_mark(MARK.text) == MARK


@pytest.mark.parametrize("field", [{"version": "3"}, {"lowest": True}, {"app": None}, {"slot": 1}])
def test_what_only_looks_like_a_mark_is_none(field: dict[str, object]) -> None:
    assert read_mark(MARK._replace(**field).text) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"app": "shop", "more": 1}'])
def test_anything_else_is_none(text: str) -> None:
    assert read_mark(PREFIX + text) is None
