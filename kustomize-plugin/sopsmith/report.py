"""Findings and rows as text, for people and for machines. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sopsmith.findings import CATALOGUE, Finding

_RESET = "\033[0m"
_COLOURS = {"error": "\033[31m", "warning": "\033[33m", "ok": "\033[32m", "dim": "\033[2m"}


def paint(text: str, style: str, colour: bool) -> str:
    """The text in a style: error, warning, ok or dim."""
    return f"{_COLOURS[style]}{text}{_RESET}" if colour and style in _COLOURS else text


def table(header: Sequence[str], rows: Iterable[Sequence[str]], colour: bool) -> str:
    """Aligned columns, two spaces apart; the last one is as long as it needs to be."""
    body = [tuple(map(str, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *body, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (tuple(header), *body)
    ]
    lines[0] = paint(lines[0], "dim", colour)
    return "\n".join(lines) + "\n"


def as_json(tree: Any) -> str:
    """Indented JSON, as it is, for a machine that a person looks over the shoulder."""
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def findings_text(findings: Iterable[Finding], colour: bool) -> str:
    """One line a finding, its hint below it."""
    lines = []
    for finding in dict.fromkeys(findings):
        where = ": ".join(part for part in (finding.file, finding.field) if part)
        mark = paint(finding.severity, finding.severity, colour)
        lines.append(f"{mark}: {where + ': ' if where else ''}{finding.message} [{finding.code}]")
        if finding.hint:
            lines.append(paint(f"  hint: {finding.hint}", "dim", colour))
    return "".join(line + "\n" for line in lines)


def findings_json(findings: Iterable[Finding]) -> list[dict[str, str | None]]:
    """The findings as data."""
    return [{"severity": each.severity, **each._asdict()} for each in dict.fromkeys(findings)]


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
        else:
            lines.append(f"{label} {json.dumps(value, ensure_ascii=False)}{note}")
    return lines
