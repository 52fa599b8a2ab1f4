"""The rule that is proposed for a sealed folder: it takes its files, and for the right readers."""

from __future__ import annotations

import pytest
import yaml

from sopsmith.components.change import Policy
from sopsmith.components.rules import parse_rules, rule_for
from sopsmith.components.selection import Selection
from sopsmith.delivery import ruling

KEY = "age1a5lt4xfmz8hk7cuwy84v870hm9m3la2ya7c4c4yeuc2d3tdmqqhqyg608r"
OTHER = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
EMPTY = b"creation_rules:\n  - {path_regex: ^nothing$, age: %s}\n" % KEY.encode()


def reading(*groups: set[str]) -> Policy:
    keys = tuple(frozenset(f"age:{key}" for key in group) for group in groups)
    return Policy(keys, None, Selection())


def proposed(folder: str, *readers: Policy, config: str = ".sops.yaml") -> str:
    rules = parse_rules(EMPTY, config)
    hint = ruling.missing(rules, folder, f"{folder}/a/values.enc.env", readers).hint or ""
    return hint.partition("there: ")[2]


@pytest.mark.parametrize("folder", ["flux", "flux/a+b", "it's/(x)", "a.b/[c]", "f/é"])
@pytest.mark.parametrize("above", ["", "apps/"])
def test_it_takes_the_folders_files_and_no_others(folder: str, above: str) -> None:
    line = proposed(above + folder, reading({KEY}), config=f"{above}.sops.yaml")
    rules = parse_rules(f"creation_rules:\n  {line}\n".encode(), f"{above}.sops.yaml")
    for name in ("a/values.enc.env", "a/k.enc", "guard.enc.yaml"):
        assert rule_for(rules, f"{above}{folder}/{name}") is not None
    for name in (f"{folder}/kustomization.yaml", f"x{folder}/a/k.enc", "shop.enc.yaml"):
        assert rule_for(rules, f"{above}{name}") is None


@pytest.mark.parametrize(
    ("readers", "keys"),
    [
        ([reading({KEY, OTHER}), reading({KEY})], KEY),
        ([reading({KEY, OTHER})], f"{KEY},{OTHER}"),
        ([reading({KEY}), reading({OTHER})], "age1…"),
        ([reading({KEY}, {OTHER})], "age1…"),
        ([], "age1…"),
    ],
)  # fmt: skip
def test_it_names_who_reads_every_component_now(readers: list[Policy], keys: str) -> None:
    (rule,) = yaml.safe_load(proposed("flux", *readers))
    assert rule["age"] == keys
