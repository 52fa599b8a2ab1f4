"""Creation rules: what they say, which file each covers, and what is wrong with them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sopsmith.components.rules import Rules, governing, parse_rules, problems, rule_for
from sopsmith.components.sealed import DEMO_RECIPIENT, Trust
from sopsmith.components.selection import Selection
from sopsmith.errors import SopsmithError

FILE = ".sops.yaml"
ALL = Trust(frozenset({"age", "pgp", "kms", "gcp_kms", "azure_kv", "hc_vault", "hckms"}), True)
AGE = DEMO_RECIPIENT


def text(*rules: Any) -> bytes:
    return json.dumps({"creation_rules": rules}).encode()


def parsed(*rules: Any, file: str = FILE) -> Rules:
    return parse_rules(text(*rules), file)


def _groups(rules: Rules) -> list[set[str]]:
    return [set(group) for rule in rules.rules for group in rule.groups]


def found(*rules: Any, trust: Trust = ALL) -> list[tuple[str, str | None]]:
    return [(each.code, each.field) for each in problems(text(*rules), FILE, trust)]


# --- what they say --------------------------------------------------------------------------------


def test_a_rule_names_its_readers_and_its_crypt_rule() -> None:
    (rule,) = parsed({"path_regex": "^a", "age": "x, y", "encrypted_regex": "^data$"}).rules
    assert rule.path_regex == "^a"
    assert rule.groups == (frozenset({"age:x", "age:y"}),)
    assert rule.threshold is None
    assert rule.selection == Selection("encrypted_regex", "^data$")


def test_keys_are_text_with_commas_or_a_list() -> None:
    assert parsed({"age": "x,y,"}).rules[0].groups == parsed({"age": ["x", "y"]}).rules[0].groups


def test_recipients_may_be_anchored_once_and_named_everywhere() -> None:
    text = b"keys:\n  - &me x\n  - &you y\ncreation_rules:\n  - age: [*me, *you]\n"
    assert _groups(parse_rules(text, FILE)) == [{"age:x", "age:y"}]


def test_keys_of_every_kind_are_named_as_a_file_names_them() -> None:
    (rule,) = parsed({
        "pgp": "85D7 7543", "kms": "arn:a+arn:role", "gcp_kms": "projects/p", "hckms": ["eu:k"],
        "azure_keyvault": "https://v.vault.azure.net/keys/k/1",
        "hc_vault_transit_uri": "https://v:8200/v1/team/sops/keys/k",
    }).rules  # fmt: skip
    assert rule.groups == (frozenset({
        "pgp:85D77543", "kms:arn:a", "gcp_kms:projects/p", "hckms:eu:k",
        "azure_kv:https://v.vault.azure.net/k/1", "hc_vault:https://v:8200/team/sops/keys/k",
    }),)  # fmt: skip


def test_groups_hold_their_own_keys_and_those_merged_into_them() -> None:
    groups = [
        {"age": ["x"], "merge": [{"pgp": ["P"]}, {"merge": [{"age": ["y"]}]}]},
        {
            "kms": [{"arn": "arn:a", "role": "r", "context": {"a": "b"}}],
            "gcp_kms": [{"resource_id": "g"}],
            "hckms": [{"key_id": "h"}],
            "azure_keyvault": [{"vaultUrl": "https://v", "key": "k", "version": "1"}],
            "hc_vault": ["https://v/v1/e/keys/k"],
        },
    ]
    (rule,) = parsed({"key_groups": groups, "shamir_threshold": 2}).rules
    first, second = rule.groups
    assert first == {"age:x", "pgp:P", "age:y"}
    assert second == {
        "kms:arn:a", "gcp_kms:g", "hckms:h", "azure_kv:https://v/k/1",
        "hc_vault:https://v/e/keys/k",
    }  # fmt: skip
    assert rule.threshold == 2


# --- which file each covers -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regex", "path", "covers"),
    [
        (None, "any/where", True),
        ("", "any/where", True),
        ("b", "a/b/c", True),
        (r"\.enc\.yaml$", "a.enc.yaml", True),
        (r"\.enc\.yaml$", "a.enc.yaml.md", False),
        ("^secrets/", "secrets/a", True),
        ("^secrets/", "my/secrets/a", False),
        (r"(^|/)\.env$", ".env", True),
        (r"(^|/)\.env$", "a/.env", True),
        (r"(^|/)\.env$", "a.env", False),
        ("^a$|^b$", "b", True),
        ("(?:dev|prod)/", "x/prod/y", True),
        ("A", "a", False),
    ],
)
def test_an_expression_is_searched_in_the_path(regex: str | None, path: str, covers: bool) -> None:
    assert (rule_for(parsed({"path_regex": regex, "age": "x"}), path) is not None) is covers


def test_the_first_rule_that_matches_is_taken() -> None:
    rules = parsed({"path_regex": "a", "age": "1"}, {"path_regex": "b", "age": "2"}, {"age": "3"})
    taken = [rule_for(rules, path) for path in ("ab", "b", "c")]
    assert [set(rule.groups[0]) for rule in taken if rule] == [{"age:1"}, {"age:2"}, {"age:3"}]


def test_paths_are_relative_to_the_folder_of_the_rules() -> None:
    rules = parsed({"path_regex": "^x", "age": "1"}, file="apps/.sops.yaml")
    assert rule_for(rules, "apps/x")
    assert not rule_for(rules, "apps/apps/x")


def test_the_nearest_rules_govern() -> None:
    known = {".sops.yaml", "a/b/.sops.yaml"}
    assert governing("a/b/c/x", known.__contains__) == "a/b/.sops.yaml"
    assert governing("a/b/x", known.__contains__) == "a/b/.sops.yaml"
    assert governing("a/x", known.__contains__) == ".sops.yaml"
    assert governing("x", {"a/.sops.yaml"}.__contains__) is None


# --- what is wrong with them ----------------------------------------------------------------------

R = "creation_rules[0]"


@pytest.mark.parametrize(
    ("rule", "code", "field"),
    [
        ({"age": AGE, "encrypted-regex": "x"}, "rules-field", f"{R}.encrypted-regex"),
        ({"age": AGE, "key_group": []}, "rules-field", f"{R}.key_group"),
        ({"key_groups": [{"agee": [AGE]}]}, "rules-field", f"{R}.key_groups[0].agee"),
        ({"key_groups": [{"age": AGE}]}, "rules-value", f"{R}.key_groups[0].age"),
        ({"age": AGE, "key_groups": [{"age": [AGE]}]}, "rules-field", f"{R}.age"),
        ({"age": 5}, "rules-value", f"{R}.age"),
        ({"age": AGE, "path_regex": "("}, "rules-value", f"{R}.path_regex"),
        ({"age": AGE, "path_regex": r"\bx"}, "rules-value", f"{R}.path_regex"),
        ({"age": AGE, "path_regex": "[[:alpha:]]"}, "rules-value", f"{R}.path_regex"),
        ({"age": AGE, "encrypted_regex": "^(?!x)"}, "crypt-rule", f"{R}.encrypted_regex"),
        ({"age": AGE, "encrypted_suffix": "a", "unencrypted_suffix": "b"}, "crypt-rule", R),
        ({"age": AGE, "encrypted_comment_regex": "a"}, "crypt-rule", R),
        ({}, "rules-value", R),
        ({"age": ""}, "rules-value", R),
        ({"key_groups": [{"age": [AGE]}, {}]}, "rules-value", f"{R}.key_groups"),
        ({"age": AGE[:-1]}, "rules-value", f"{R}.age"),
        ({"age": AGE[:-1] + "q"}, "rules-value", f"{R}.age"),
        ({"age": "age1yubikey1qqq"}, "rules-value", f"{R}.age"),
        ({"age": "ssh-ed25519"}, "rules-value", f"{R}.age"),
        ({"age": AGE, "shamir_threshold": 2}, "rules-value", f"{R}.shamir_threshold"),
        ({"key_groups": [{"age": [AGE]}, {"pgp": ["A"]}], "shamir_threshold": 1}, "rules-value",
         f"{R}.shamir_threshold"),
        ("x", "rules-value", R),
    ],
)  # fmt: skip
def test_a_rule_that_does_not_mean_what_it_says(rule: Any, code: str, field: str) -> None:
    assert (code, field) in found(rule)


@pytest.mark.parametrize(
    "rule",
    [
        {"age": AGE},
        {"age": [AGE], "path_regex": "x", "unencrypted_regex": "^(kind|metadata)$"},
        {"age": f"{AGE},ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVl me@host"},
        {"age": AGE, "mac_only_encrypted": True},
        {"key_groups": [{"age": [AGE]}, {"pgp": ["A"]}], "shamir_threshold": 2},
        {"age": None, "pgp": "A"},
    ],
)
def test_a_rule_in_order(rule: Any) -> None:
    assert found(rule) == []


def test_everything_that_is_wrong_is_said_at_once() -> None:
    rules = [{"age": AGE, "ages": AGE}, {"age": AGE, "path_regex": "("}]
    assert [code for code, _ in found(*rules)] == ["rules-field", "rules-value"]


def test_keys_need_trust() -> None:
    rule = {"age": AGE, "pgp": "A", "kms": "arn"}
    assert found(rule, trust=Trust()) == [("foreign-key-type", R), ("demo-key", f"{R}.age")]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "rules-syntax"),
        (b"[]", "rules-syntax"),
        (b"creation_rules: *gone", "rules-syntax"),
        (b"a: 1\na: 2", "rules-syntax"),
        (b"creation_rules: 5", "rules-value"),
        (b"creation_rule: []", "rules-field"),
    ],
)
def test_a_file_that_is_none(data: bytes, code: str) -> None:
    assert [each.code for each in problems(data, FILE)] == [code]
    with pytest.raises(SopsmithError):
        parse_rules(data, FILE)


def test_what_is_not_about_creation_is_left_to_sops() -> None:
    destination = {
        "path_regex": "x", "s3_bucket": "b", "vault_kv_version": 2, "omit_extensions": True,
        "recreation_rule": {"age": AGE},
    }  # fmt: skip
    stores = {"yaml": {"indent": 2}, "json": {"indent": -1}, "dotenv": {}, "ini": None}
    tree = {"stores": stores, "destination_rules": [destination], "keys": [{"any": "thing"}]}
    assert parse_rules(json.dumps(tree).encode(), FILE).rules == ()


@pytest.mark.parametrize(
    ("tree", "code", "field"),
    [
        ({"stores": {"yml": {"indent": 2}}}, "rules-field", "stores.yml"),
        ({"stores": {"yaml": {"indnet": 2}}}, "rules-field", "stores.yaml.indnet"),
        ({"stores": {"yaml": {"indent": "2"}}}, "rules-value", "stores.yaml.indent"),
        ({"stores": {"dotenv": {"indent": 2}}}, "rules-field", "stores.dotenv.indent"),
        ({"destination_rules": {}}, "rules-value", "destination_rules"),
        ({"destination_rules": [{"path_rgex": "x"}]}, "rules-field",
         "destination_rules[0].path_rgex"),
        ({"destination_rules": [{"recreation_rule": {"pgpp": "A"}}]}, "rules-field",
         "destination_rules[0].recreation_rule.pgpp"),
    ],
)  # fmt: skip
def test_fields_beside_the_creation_rules_are_spelt_right(tree: Any, code: str, field: str) -> None:
    (finding,) = problems(json.dumps(tree).encode(), FILE)
    assert (finding.code, finding.field) == (code, field)
