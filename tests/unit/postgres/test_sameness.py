"""What counts as the same database, and how a difference is told."""

from __future__ import annotations

from typing import Any

import pytest

from sopsmith.postgres import sameness

TABLE = ("shop", "table", "public.users")
SCHEMA = b"""\\restrict %s
-- Name: users; Type: TABLE; Schema: public; Owner: %s
CREATE TABLE public.users (state text CHECK (%s));
GRANT SELECT ON TABLE public.users TO app;
"""


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([3, "9"], [2, "9"], "table public.users of shop has 2 rows instead of 3"),
        ([3, "9"], [3, "8"], "table public.users of shop differs"),
        ([3, "9"], None, "table public.users of shop is lost"),
        (None, [3, "9"], "table public.users of shop is new"),
    ],
)
def test_a_difference_is_told_without_what_it_holds(before: Any, after: Any, words: str) -> None:
    old, new = ({TABLE: each} if each else {} for each in (before, after))
    assert sameness.differences(old, new) == [words]


def test_the_same_differs_in_nothing() -> None:
    answer = b'["table", "a", 2, "77"]\n\n["sequence", "s", 5, true]\n'
    measured = sameness.measured(answer)
    assert measured == {("table", "a"): [2, "77"], ("sequence", "s"): [5, True]}


def outlined(owner: bytes = b"boss", check: bytes = b"a") -> dict[tuple[str, str], Any]:
    return sameness.outlined(SCHEMA % (b"key" + check, owner, check))


def test_how_an_expression_is_spelt_counts_for_nothing() -> None:
    assert outlined(check=b"a") == outlined(check=b"(a)::text")


def test_an_owner_and_a_grant_count() -> None:
    assert outlined() != outlined(owner=b"app")
    assert ("definition", "GRANT SELECT ON TABLE public.users TO app;") in outlined()


def test_the_order_of_roles_counts_for_nothing_and_their_number_does() -> None:
    one, two = b"-- x\nCREATE ROLE a;\nCREATE ROLE b;\n", b"CREATE ROLE b;\nCREATE ROLE a;\n"
    assert sameness.globals_outlined(one) == sameness.globals_outlined(two)
    assert sameness.globals_outlined(one) != sameness.globals_outlined(one * 2)
