"""`sopsmith schema`: the JSON Schema of a recipe, for editors, and the page of findings."""

from __future__ import annotations

from sopsmith import report
from sopsmith.recipes import schema
from sopsmith.voice import Session


def print_schema(session: Session, *, findings: bool) -> int:
    """Print the JSON Schema, or the catalogue of findings as Markdown."""
    session.write(report.findings_page() if findings else report.as_json(schema.json_schema()))
    return 0
