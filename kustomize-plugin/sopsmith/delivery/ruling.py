"""The creation rule of a sealed folder, and the one to add where there is none. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sopsmith.components.change import Policy
from sopsmith.components.rules import Rules
from sopsmith.findings import Finding


def missing(rules: Rules, folder: str, file: str, readers: Iterable[Policy]) -> Finding:
    """That no rule covers a file of the folder, with a rule that does."""
    inside = folder.removeprefix(f"{rules.folder}/") if rules.folder else folder
    expression = rf"^{_literally(inside)}/.*\.enc(\.(env|yaml))?$"
    recipients = ",".join(_common(readers)) or "age1…"
    quoted = expression.replace("'", "''")
    hint = f"add under creation_rules there: - {{path_regex: '{quoted}', age: '{recipients}'}}"
    return Finding("rule-missing", f"no rule of {rules.file} covers it", file, hint=hint)


def _literally(path: str) -> str:
    """An expression that takes just this path, in Go and in Python."""
    return re.sub(r"[][\\.+*?(){}|^$]", lambda char: f"\\{char[0]}", path)


def _common(readers: Iterable[Policy]) -> list[str]:
    """The age recipients who read every component, each of them alone."""
    keys = [policy.groups[0] if len(policy.groups) == 1 else frozenset() for policy in readers]
    if not keys:
        return []
    every = keys[0].intersection(*keys[1:])
    return sorted(key.removeprefix("age:") for key in every if key.startswith("age:"))
