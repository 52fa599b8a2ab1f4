"""Creation rules and crypt rules: ours say what real sops does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sopsmith.components.metadata import read_metadata
from sopsmith.components.rules import Rules, parse_rules, rule_for
from sopsmith.components.sealed import leaves_of
from sopsmith.components.selection import Selection, encrypts
from tests.repository import Repo

TREE: dict[str, Any] = {
    "plain": "a",
    "x_unencrypted": {"deep": "b"},
    "data": {"A": "c", "list": ["d", {"kind": "e"}]},
    "metadata": {"name": "f", "database": "g"},
    "a.b": "h",
}
RULES = [
    {},
    {"encrypted_regex": "^(data|stringData)$"},
    {"encrypted_regex": "data"},
    {"encrypted_regex": "^data|name$"},
    {"encrypted_regex": "(^|_)a"},
    {"encrypted_regex": "[a-c]\\.b"},
    {"unencrypted_regex": "^(kind|name)$"},
    {"unencrypted_regex": "(?:meta|x_)"},
    {"encrypted_suffix": "a"},
    {"unencrypted_suffix": "list"},
]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_crypt_rule_selects_what_sops_encrypts(repo: Repo, rule: dict[str, str]) -> None:
    config = {"creation_rules": [{"age": repo.recipient, **rule}]}
    repo.write(".sops.yaml", json.dumps(config))
    selection = parse_rules(json.dumps(config).encode(), ".sops.yaml").rules[0].selection
    tree = encrypted(repo, "file.yaml")
    tree.pop("sops")
    for path, leaf in leaves_of(tree):
        assert leaf.startswith("ENC[") is encrypts(selection, path), path


def encrypted(repo: Repo, path: str) -> dict[str, Any]:
    repo.write(path, json.dumps(TREE))
    call = ["sops", "--config", ".sops.yaml", "encrypt", "--input-type", "json", path]
    done = subprocess.run(
        [*call[:-1], "--output-type", "yaml", path],
        cwd=repo.path,
        capture_output=True,
        env=repo.env,
    )
    assert done.returncode == 0, done.stderr
    tree: dict[str, Any] = yaml.safe_load(done.stdout)
    return tree


REGEXES = [
    "^secrets/dev/",
    r"\.enc\.(yaml|json)$",
    "(^|/)prod/",
    "a{2}",
    "^$",
    "x|^y",
    ".*",
    "",
    None,
]
PATHS = ["secrets/dev/a.yaml", "b.enc.yaml", "a/prod/x", "xaa/y", "y/z.yaml", "secrets/dev.yaml"]


def test_the_rule_that_sops_takes_is_ours(repo: Repo) -> None:
    """Each rule says by its suffix which one it is; the metadata tells which was taken."""
    rules = [
        {"path_regex": regex, "age": repo.recipient, "encrypted_suffix": f"s{index}"}
        for index, regex in enumerate(REGEXES)
    ]
    text = json.dumps({"creation_rules": rules})
    repo.write(".sops.yaml", text)
    ours = parse_rules(text.encode(), ".sops.yaml")
    for path in PATHS:
        assert list(taken(ours, path)) == [encrypted(repo, path)["sops"]["encrypted_suffix"]]


def taken(rules: Rules, path: str) -> Iterator[str]:
    rule = rule_for(rules, path)
    if rule:
        assert rule.selection == Selection("encrypted_suffix", rule.selection.text)
        yield rule.selection.text


def test_groups_and_threshold_are_named_as_the_file_names_them(repo: Repo) -> None:
    keys = [subprocess.run(["age-keygen"], capture_output=True, text=True) for _ in range(3)]
    one, two, three = (done.stderr.split()[-1] for done in keys)
    groups = [{"age": [f"{repo.recipient},{one}"]}, {"merge": [{"age": [two]}]}, {"age": [three]}]
    config = json.dumps({"creation_rules": [{"key_groups": groups, "shamir_threshold": 2}]})
    repo.write(".sops.yaml", config)
    metadata = read_metadata(encrypted(repo, "file.yaml")["sops"], "file.yaml")
    (rule,) = parse_rules(config.encode(), ".sops.yaml").rules
    assert (metadata.groups, metadata.threshold) == (rule.groups, rule.threshold)
