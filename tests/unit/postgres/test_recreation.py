"""What refuses a re-initialisation, what SQL is written, and what an earlier run left."""

from __future__ import annotations

import json
from secrets import token_hex
from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import exit_code
from sopsmith.postgres import recreation
from sopsmith.postgres.recreation import Leftover

TEMPLATE = {"datcollate": "C", "datctype": "C", "datlocprovider": "c"}
TREE = {
    "superuser": "boss", "roles": ["boss", "app"], "databases": ["postgres", "shop", "template1"],
    "closed": 0, "slots": 0, "prepared": 0, "subscriptions": 0, "recovering": False,
    "template": TEMPLATE, "encoding": "UTF8", "checksums": True, "segment": 16 << 20,
    "readable": False, "settings": {},
}  # fmt: skip
VERIFIER = "SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy"


def facts(major: int = 18, **changed: Any) -> recreation.Facts:
    return recreation.facts_of(json.dumps({**TREE, **changed}).encode(), major)


def test_an_ordinary_server_is_not_refused() -> None:
    assert recreation.refusals(facts(), "shop", "boss", ["app"]) == ()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"databases": ["template1"]}, "there is no database shop"),
        ({"superuser": "root"}, "boss is not the superuser that this directory was made with"),
        ({"roles": ["boss"]}, "there is no role app"),
        ({"slots": 1}, "it has replication slots"),
        ({"subscriptions": 1}, "it has subscriptions"),
        ({"recovering": True}, "it has a server in recovery"),
        ({"settings": {"cnpg.config_sha256": "x"}}, "CloudNativePG manages"),
    ],
)
def test_what_refuses_it(changed: dict[str, Any], words: str) -> None:
    found = recreation.refusals(facts(**changed), "shop", "boss", ["app"])
    assert [each.message.startswith(words) for each in found] == [True]
    assert exit_code(found) == 5


@pytest.mark.parametrize(
    ("major", "changed", "option"),
    [
        (18, {}, "--data-checksums"),
        (18, {"checksums": False}, "--no-data-checksums"),
        (18, {"segment": 64 << 20}, "--wal-segsize=64"),
        (18, {"readable": True}, "--allow-group-access"),
        (18, {"template": {**TEMPLATE, "datlocprovider": "b", "datlocale": "C.UTF-8"}},
         "--builtin-locale=C.UTF-8"),
        (15, {"template": {**TEMPLATE, "datlocprovider": "i", "daticulocale": "de"}},
         "--icu-locale=de"),
    ],
)  # fmt: skip
def test_the_new_directory_is_of_the_same_kind(
    major: int, changed: dict[str, Any], option: str
) -> None:
    assert option in facts(major, **changed).initdb


def test_older_programs_get_no_option_that_they_do_not_know() -> None:
    options = " ".join(facts(14, checksums=False).initdb)
    assert "checksums" not in options and "provider" not in options


@pytest.mark.parametrize(
    "given",
    [token_hex(8), "", "md5" + "0" * 32, VERIFIER + "'; DROP"],
    ids=["plain", "empty", "md5", "injected"],
)
def test_only_a_verifier_may_stand_in_sql(given: str) -> None:
    with pytest.raises(SopsmithError) as raised:
        recreation.check_given(b"long", {"app": given})
    assert exit_code(raised.value.findings) == 2
    assert given not in repr(raised.value.findings) or not given


def test_names_and_verifiers_are_quoted() -> None:
    written = recreation.set_verifiers({'a"; DROP': VERIFIER})
    assert f'ALTER ROLE "a""; DROP" PASSWORD \'{VERIFIER}\';' in written


@pytest.mark.parametrize(("name", "quoted"), [("boss", "boss"), ('Odd "x', '"Odd ""x"')])
def test_the_superuser_is_not_made_twice(name: str, quoted: str) -> None:
    dump = f"--\nCREATE ROLE app;\nCREATE ROLE {quoted};\nALTER ROLE {quoted} WITH LOGIN;\n"
    assert recreation.globals_for(dump, name) == dump.replace(f"CREATE ROLE {quoted};\n", "")


BEFORE, WORK = "data.before-1", "data.recreate-1"


@pytest.mark.parametrize(
    ("names", "begun", "left"),
    [
        ({"data", BEFORE, "data.dump-1"}, [], []),
        ({"data", WORK}, ["1"], [Leftover("1", False, False)]),
        ({WORK, BEFORE}, ["1"], [Leftover("1", True, False)]),
        ({"data", WORK, BEFORE}, ["1"], [Leftover("1", False, True)]),
        ({"data", WORK, BEFORE}, [], [Leftover("1", False, False)]),
    ],
    ids=["done", "before the renames", "between them", "someone made another", "after them"],
)
def test_what_an_earlier_run_left(names: set[str], begun: list[str], left: list[Leftover]) -> None:
    assert recreation.leftovers(names, "data", begun) == left
