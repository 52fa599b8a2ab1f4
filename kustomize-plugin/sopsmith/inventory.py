"""The encrypted files of the work tree, found as `check` finds them, and what governs each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sopsmith import writeback
from sopsmith.components import rules
from sopsmith.components.rules import Rule, Rules, rule_for
from sopsmith.errors import SopsmithError
from sopsmith.guard import covered
from sopsmith.model import UNFINISHED
from sopsmith.tools import files, git


class Encrypted(NamedTuple):
    """An encrypted file, or one that was: torn by a merge, a reader may still open the rest."""

    file: str
    data: bytes
    rules: Rules | SopsmithError  # why nobody can say what governs it

    @property
    def rule(self) -> Rule | None:
        """The creation rule that covers it; raises SopsmithError where that can't be said."""
        if isinstance(self.rules, SopsmithError):
            raise self.rules
        return rule_for(self.rules, self.file)


def encrypted(root: str, env: Mapping[str, str]) -> Iterator[Encrypted]:
    """The files that sops encrypted, broken ones too; not what a crash left."""
    read = files.reader(root)
    known: dict[str, Rules | SopsmithError] = {}
    for file in git.listed(git.Repository(root, env)):
        path = os.path.join(root, os.fsdecode(file.encode("utf-8", "surrogateescape")))
        if os.path.islink(path) or not os.path.isfile(path) or file.endswith(UNFINISHED):
            continue
        data = read(file)
        if b"ENC[AES256_GCM," in data:
            found = Encrypted(file, data, _rules(root, file, known))
            if covered.has_metadata(file, data) or _is_covered(found):
                yield found


def _rules(root: str, file: str, known: dict[str, Rules | SopsmithError]) -> Rules | SopsmithError:
    """The rules that govern a file, each of them read once."""
    try:
        config = writeback.governing_in(root, file)
    except SopsmithError as error:
        return error
    if config not in known:
        try:
            known[config] = writeback.rules_for(root, file)
        except SopsmithError as error:
            known[config] = error
    return known[config]


def _is_covered(found: Encrypted) -> bool:
    """Whether its rule has it encrypted, whatever is left of it."""
    try:
        rule = found.rule
    except SopsmithError:
        rule = None
    return covered.is_covered(rule or rules.ANY, found.file, found.data)
