"""Creation rules that another one takes the files of: sops takes the first that matches. Pure.

Which texts an expression matches is compared by examples: texts that it matches, odd wherever it
leaves a choice. An earlier rule that matches all of them matches whatever the later one is for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from sopsmith.components.rules import Rule, Rules, covers_everything, matches
from sopsmith.findings import Finding
from sopsmith.recipes.examples import examples

_HINT = "put the narrower rule first, or remove one of them"


def problems(rules: Rules, encrypted: Collection[str] = ()) -> Iterator[Finding]:
    """Rules that no file reaches, as far as they say or the repository's encrypted files show.

    These are relative to the folder of the rules.
    """
    for index, rule in enumerate(rules.rules):
        found = _shadow(rules.rules[:index], rule)
        if found is not None:
            message = f"never covers a file: creation_rules[{found}] takes all of its files"
        else:
            theft = _theft(rules.rules[:index], rule, encrypted)
            if theft is None:
                continue
            message = f"covers no file: creation_rules[{theft.by}] takes {theft.file}, for others"
        yield Finding("rule-unreachable", message, rules.file, f"creation_rules[{index}]", _HINT)


def _shadow(earlier: Sequence[Rule], rule: Rule) -> int | None:
    """The first rule that matches whatever this one matches."""
    texts = examples(rule.path_regex or "")
    for index, other in enumerate(earlier):
        if covers_everything(other) or (texts and all(matches(other, text) for text in texts)):
            return index
    return None


class _Theft(NamedTuple):
    by: int
    file: str


def _theft(earlier: Sequence[Rule], rule: Rule, encrypted: Collection[str]) -> _Theft | None:
    """A broader rule with other readers that takes what a rule was made for, and all of that."""
    mine = [file for file in sorted(encrypted) if matches(rule, file)]
    takers = [next((i for i, each in enumerate(earlier) if matches(each, file)), None)
              for file in mine]  # fmt: skip
    if None in takers:  # one reaches it
        return None
    for file, by in zip(mine, takers, strict=True):
        if by is not None and _is_broader(earlier[by], rule) and _differs(earlier[by], rule):
            return _Theft(by, file)
    return None


def _differs(one: Rule, other: Rule) -> bool:
    return (one.groups, one.threshold, one.selection) != (
        other.groups, other.threshold, other.selection,
    )  # fmt: skip


def _is_broader(one: Rule, other: Rule) -> bool:
    """Whether a rule says less of where its files are: fewer folders, then less of their names."""
    return _said(one) < _said(other)


def _said(rule: Rule) -> tuple[int, int]:
    text = rule.path_regex or ""
    return text.count("/"), sum(char.isalnum() for char in text)
