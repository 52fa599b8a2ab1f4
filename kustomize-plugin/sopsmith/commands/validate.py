"""`sopsmith validate`: run every step but the last, and report all findings."""

from __future__ import annotations

from collections.abc import Sequence

from sopsmith import checkout, overlay, report, schedule
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, text
from sopsmith.voice import Session


def validate(session: Session, paths: Sequence[str], *, output: str) -> int:
    """Print the findings of all recipes at these paths; the exit code is theirs."""
    findings: list[Finding] = []
    for path in paths:
        try:
            findings += _findings(checkout.at(path, session.env), session)
        except SopsmithError as error:
            findings += error.findings
    findings = list(dict.fromkeys(findings))
    if output == "json":
        session.write(report.as_json({"findings": report.findings_json(findings)}))
    else:
        session.write(text(findings, colour=session.colour) + _summary(paths, findings))
    return exit_code(findings)


def _findings(here: checkout.Checkout, session: Session) -> list[Finding]:
    findings: list[Finding] = []
    recipes = []
    for rendered in checkout.rendered(here):
        recipes.append(rendered.recipe)
        findings += rendered.findings
        findings += schedule.overdue(rendered.recipe, session.today)
    if here.kustomization:
        findings += overlay.problems(here.kustomization, here.sources, recipes, here.read)
    return findings


def _summary(paths: Sequence[str], findings: Sequence[Finding]) -> str:
    errors = sum(finding.severity == "error" for finding in findings)
    counts = ((len(paths), "path"), (errors, "error"), (len(findings) - errors, "warning"))
    checked, *found = (f"{n} {word}{'' if n == 1 else 's'}" for n, word in counts)
    return f"checked {checked}: {', '.join(found)}\n"
