"""`sopsmith validate`: run every step but the last, and report all findings."""

from __future__ import annotations

from collections.abc import Sequence

from sopsmith import checkout, report, schedule
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, text
from sopsmith.voice import Session


def validate(session: Session, paths: Sequence[str], *, output: str) -> int:
    """Print the findings of all recipes at these paths; the exit code is theirs."""
    findings: list[Finding] = []
    checked = 0
    for path in paths:
        try:
            here, sources = checkout.source_at(path, session.env)
            for rendered in checkout.rendered(here, sources):
                checked += 1
                findings += rendered.findings
                findings += schedule.overdue(rendered.recipe, session.today)
        except SopsmithError as error:
            findings += error.findings
    if output == "json":
        tree = {"recipes": checked, "findings": report.findings_json(findings)}
        session.write(report.as_json(tree))
    else:
        session.write(text(findings, colour=session.colour))
        errors = sum(finding.severity == "error" for finding in dict.fromkeys(findings))
        warnings = len(dict.fromkeys(findings)) - errors
        session.write(f"{checked} recipes, {errors} errors, {warnings} warnings\n")
    return exit_code(findings)
