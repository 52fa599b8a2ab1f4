"""What a role's comment may say, which somebody else may have written."""

from __future__ import annotations

import json

import pytest

from sopsmith.postgres.observation import Mark, read, read_mark
from sopsmith.postgres.statements import PREFIX

MARK = Mark("shop", "production", "PASSWORD", "a", 3, None)


def test_a_mark_is_read_as_it_was_written() -> None:
    assert read_mark(MARK.text) == MARK and "salt" not in MARK.text
    noted = MARK._replace(salt="0123456789abcdef")
    assert read_mark(noted.text) == noted


@pytest.mark.parametrize(
    "field", [{"version": "3"}, {"lowest": True}, {"app": None}, {"slot": 1}, {"salt": 1}]
)
def test_what_only_looks_like_a_mark_is_none(field: dict[str, object]) -> None:
    assert read_mark(MARK._replace(**field).text) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100_000, '{"app": "shop", "more": 1}'])
def test_anything_else_is_none(text: str) -> None:
    assert read_mark(PREFIX + text) is None


@pytest.mark.parametrize("name", ["", "worker", "PostgreSQL JDBC Driver", "shop-web-1: api/v2.1"])
def test_a_session_says_its_name(name: str) -> None:
    assert said(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("postgresql://me:hunter2@db", "(a URL)"),
        ("host=db user=shop password = hunter2", "(a name that may hold a secret)"),
        ("jdbc;pwd=hunter2", "(a name that may hold a secret)"),
        ("shop:hunter2@db", "(a name that may hold a secret)"),
    ],
)
def test_what_may_hold_a_password_is_not_shown(name: str, shown: str) -> None:
    assert said(name) == shown


def said(name: str) -> str:
    """What is shown of a session whose application says this."""
    role = {"can_log_in": True, "is_superuser": False, "is_ours": True, "member_of": [],
            "becomes": None, "comment": None, "sessions": [name]}  # fmt: skip
    answer = {"version": 180000, "encoding": "UTF8", "in_recovery": False, "user": "u",
              "is_superuser": False, "can_read_verifiers": False, "roles": {"r": role},
              "others": [], "settings": {}, "databases": {}}  # fmt: skip
    (shown,) = read(json.dumps(answer)).roles["r"].sessions
    return shown
