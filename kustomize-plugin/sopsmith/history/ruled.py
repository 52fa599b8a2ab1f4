"""Who was to read a file by the rules of the commits that touched it."""

from __future__ import annotations

from collections.abc import Mapping

from sopsmith.components import change
from sopsmith.components.rules import NAME, governing, parse_rules, rule_for
from sopsmith.errors import SopsmithError
from sopsmith.tools import git


def groups(here: git.Repository, file: str) -> set[tuple[frozenset[str], ...]]:
    """The groups of keys that the file's rule named in the last commit, and in each that touched
    the file; of one whose rules can't be read, none. Before the first commit there are none."""
    if git.commit_of(here, "HEAD") is None:
        return set()
    commits = dict.fromkeys(("HEAD", *(each.hash for each in git.log(here, ["HEAD"], [file]))))
    blobs = git.blob_ids(here, ((commit, rules) for commit in commits for rules in _above(file)))
    texts = dict(git.contents(here, blobs.values()))
    there = ({path: texts.get(blob.id, b"") for (of, path), blob in blobs.items() if of == commit}
             for commit in commits)  # fmt: skip
    return {found for each in there if (found := _of_rules(file, each)) is not None}


def _above(file: str) -> list[str]:
    """Every place of rules that may govern the file."""
    parts = file.split("/")[:-1]
    return ["/".join((*parts[:depth], NAME)) for depth in range(len(parts) + 1)]


def _of_rules(file: str, there: Mapping[str, bytes]) -> tuple[frozenset[str], ...] | None:
    config = governing(file, there.__contains__)
    if config is None:
        return None
    try:
        rule = rule_for(parse_rules(there[config], config), file)
    except SopsmithError:  # nobody was to read it by these
        return None
    return change.policy_of_rule(rule).groups if rule else None
