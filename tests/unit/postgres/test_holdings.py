"""What a role has is compared between two looks, so the order of the answer must not matter."""

from __future__ import annotations

import json
from typing import Any

from sopsmith.postgres.holdings import question, read

RIGHT = {"kind": "table", "identity": "s.t", "column": None, "privilege": "SELECT",
         "grantable": False, "grantee": "old"}  # fmt: skip
DEFAULT = {"role": "old", "schema": None, "kind": "r", "privilege": "SELECT", "grantable": False,
           "grantee": None}  # fmt: skip
SETTING = {"role": None, "is_here": True, "name": "a", "value": "1"}
THINGS = [{"kind": "table", "identity": each} for each in ("s.t", "s.u")]
ANSWER: dict[str, Any] = {
    "database": "shop", "inherits": True, "has_schema": False, "sessions": 0, "limit": -1,
    "free": 9, "attributes": {}, "elsewhere": {}, "joined": ["b", "a"], "members": ["d", "c"],
    "mappings": ["f", "e"], "rules": [2, 1], "owned": THINGS, "kept": THINGS, "mentions": THINGS,
    "rights": [RIGHT, {**RIGHT, "column": "c"}],
    "defaults": [DEFAULT, {**DEFAULT, "schema": "s", "grantee": "new"}],
    "policies": [{"name": each, "table": "s.t", "roles": ["old", "new"]} for each in "ab"],
    "settings": [SETTING, {**SETTING, "role": "old"}],
}  # fmt: skip


def test_the_order_of_the_answer_does_not_matter() -> None:
    other = {name: each[::-1] if isinstance(each, list) else each for name, each in ANSWER.items()}
    other["policies"] = [{**each, "roles": each["roles"][::-1]} for each in other["policies"]]
    assert read(json.dumps(other)) == read(json.dumps(ANSWER))


def test_an_older_server_is_not_asked_what_it_does_not_know() -> None:
    asked = {each: question("old", "owner", ["old"], each) for each in (140020, 150000)}
    assert [each for each, text in asked.items() if "pg_parameter_acl" in text] == [150000]
