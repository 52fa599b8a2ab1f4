"""A finding: one result of a check, how it reads, and the exit code that follows. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sopsmith.catalogue import CATALOGUE, Severity

MOST = 200  # findings that are told
_COLOURS = {"error": "\033[31m", "warning": "\033[33m"}


class Finding(NamedTuple):
    """One result of a check. No field ever holds a value."""

    code: str
    message: str  # what, lower case, no period
    file: str | None = None  # relative to the root
    field: str | None = None  # a value's name or a path in the recipe
    hint: str | None = None  # what to do next
    line: int | None = None  # in the file, from 1
    environment: str | None = None  # whose it is, where the file is not one environment's alone

    @property
    def severity(self) -> Severity:
        """`error` stops the work, `warning` does not."""
        return CATALOGUE[self.code].severity


def distinct(findings: Iterable[Finding]) -> list[Finding]:
    """Each finding once; what several environments have in common names them all."""
    found: dict[Finding, dict[str, None]] = {}
    for each in findings:
        whose = found.setdefault(each._replace(environment=None), {})
        if each.environment:
            whose[each.environment] = None
    return [each._replace(environment=", ".join(whose) or None) for each, whose in found.items()]


def words(finding: Finding) -> str:
    """What is wrong, and whose it is."""
    whose = f" ({finding.environment})" if finding.environment else ""
    return finding.message + whose


def text(findings: Iterable[Finding], prefix: str = "", colour: bool = False) -> str:
    """The findings for people, each distinct one once: what and where, then what next."""
    lines = []
    told = distinct(findings)
    for finding in told[:MOST]:
        place = f"{finding.file}:{finding.line}" if finding.file and finding.line else finding.file
        where = "".join(f"{part}: " for part in (place, finding.field) if part)
        mark = (
            f"{_COLOURS[finding.severity]}{finding.severity}\033[0m" if colour else finding.severity
        )
        lines.append(f"{prefix}{mark}: {one_line(where + words(finding))} [{finding.code}]\n")
        if finding.hint:
            lines.append(f"{prefix}hint: {one_line(finding.hint)}\n")
    if len(told) > MOST:
        lines.append(f"{prefix}hint: and {len(told) - MOST} more; mend these first\n")
    return "".join(lines)


def one_line(words: str) -> str:
    """The words so that no name from a file may end the line or speak to the terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in words)


def exit_code(findings: Iterable[Finding]) -> int:
    """The exit code for all of them: the gravest error decides, warnings never do."""
    errors = (finding for finding in findings if finding.severity == "error")
    return max((CATALOGUE[finding.code].exit for finding in errors), default=0)
