"""Findings and rows as text, for people and for machines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sopsmith.catalogue import CATALOGUE
from sopsmith.findings import Finding, distinct, one_line, text, words

_RESET = "\033[0m"
_DIM = "\033[2m"
_WIDEST = 400  # characters that a cell makes others as wide as; one that is longer is whole


def table(header: Sequence[str], rows: Iterable[Sequence[str]], colour: bool) -> str:
    """Aligned columns, two spaces apart; the last one is as long as it needs to be."""
    body = [tuple(one_line(str(cell)) for cell in row) for row in rows]
    widths = [min(max(map(len, col)), _WIDEST) for col in zip(header, *body, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (tuple(header), *body)
    ]
    if colour:
        lines[0] = f"{_DIM}{lines[0]}{_RESET}"
    return "\n".join(lines) + "\n"


def brief(words: str, most: int = 60) -> str:
    """The start of a name that anybody may have chosen."""
    return words if len(words) <= most else f"{words[: most - 1]}…"


def as_json(tree: Any, *, indent: int | None = 2) -> str:
    """JSON for a machine that a person looks over the shoulder; without indent on one line.

    What would speak to the terminal is escaped, and the same text for whoever parses it.
    """
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    escaped = (c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    return (text if text.isprintable() else "".join(escaped)) + "\n"


def told(findings: Sequence[Finding], count: str, *, output: str, colour: bool) -> str:
    """Distinct findings as text (with a last line that says what was checked), json or github.

    Each says what to do: where it has no hint of its own, what the catalogue advises.
    """
    shown = distinct(each._replace(hint=each.hint or CATALOGUE[each.code].fix) for each in findings)
    if output == "json":
        return as_json({"findings": findings_json(shown)})
    if output == "github":
        return "".join(map(_annotation, shown))
    errors = sum(finding.severity == "error" for finding in shown)
    counts = ((errors, "error"), (len(shown) - errors, "warning"))
    found = ", ".join(f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts)
    return text(shown, colour=colour) + f"checked {count}: {found}\n"


def _annotation(finding: Finding) -> str:
    """A workflow command of GitHub Actions, which shows the finding in the pull request."""
    title = f"sopsmith: {finding.code}"
    properties = {"file": finding.file, "line": finding.line, "title": title}
    given = ",".join(f"{k}={_escaped(_quiet(str(v)), ':,')}" for k, v in properties.items() if v)
    what = f"{finding.field}: {words(finding)}" if finding.field else words(finding)
    message = _escaped("\n".join(one_line(each) for each in (what, finding.hint) if each))
    return f"::{finding.severity} {given}::{message}\n"


def _quiet(text: str) -> str:
    """Line breaks stay, which are escaped below: with them GitHub knows the file."""
    return "\n".join(map(one_line, text.split("\n")))


def _escaped(text: str, more: str = "") -> str:
    """What would end a workflow command or one of its properties, percent-encoded."""
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text


def findings_json(findings: Iterable[Finding]) -> list[dict[str, str | int | None]]:
    """The findings as data."""
    return [{"severity": each.severity, **each._asdict()} for each in distinct(findings)]


def committed(commit: str | None) -> str:
    """The last line of a command that was asked to commit, and did."""
    return f"committed {commit[:12]}\n" if commit else ""


def findings_page() -> str:
    """The catalogue of findings as Markdown, for kustomize-plugin/README.md."""
    lines = ["| code | exit | what it means | what to do | example |", "|---|---|---|---|---|"]
    for code, entry in CATALOGUE.items():
        exit_text = str(entry.exit) if entry.severity == "error" else "0 (warning)"
        cells = (
            f"`{code}`", exit_text, f"**{entry.title}.** {entry.cause}", entry.fix,
            f"`{entry.example}`" if entry.example else "",
        )  # fmt: skip
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def yaml_lines(
    tree: Any, notes: Mapping[tuple[str, ...], str], path: tuple[str, ...] = (), indent: int = 0
) -> list[str]:
    """Plain data as YAML (scalars in JSON's form), each field with its note as a comment."""
    lines = []
    pad = "  " * indent
    for key, value in tree.items():
        here = (*path, key)
        label = f"{pad}{key if key.isidentifier() else json.dumps(key, ensure_ascii=False)}:"
        note = f"  # {notes[here]}" if here in notes else ""
        if isinstance(value, dict) and value:
            lines += [label, *yaml_lines(value, notes, here, indent + 1)]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [
                label,
                *(f"{pad}  - {json.dumps(item, ensure_ascii=False)}" for item in value),
            ]
        else:
            lines.append(f"{label} {json.dumps(value, ensure_ascii=False)}{note}")
    return [one_line(line) for line in lines]  # its escapes are YAML's
