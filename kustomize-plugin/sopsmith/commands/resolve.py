"""`sopsmith resolve`: the merged recipe, with the file that set each field."""

from __future__ import annotations

from sopsmith import checkout, report, repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved
from sopsmith.voice import Session


def resolve(session: Session, path: str | None, *, where: str | None, output: str) -> int:
    """Print each leaf's merged spec; what its text shows wrong is an error after the print."""
    leaves = checkout.resolved(repository.meant(path, where, session.env))
    problems = [problem for leaf in leaves for problem in _problems(leaf)]
    if output == "json":
        rows = [
            {"file": leaf.file, "spec": leaf.spec,
             "origins": {".".join(key): file for key, file in leaf.origins.items()}}
            for leaf in leaves
        ]  # fmt: skip
        tree = {"leaves": rows, "findings": report.findings_json(problems)}
        session.write(report.as_json(tree))
        return exit_code(problems)
    for leaf in leaves:
        notes = {("spec", *path): file for path, file in leaf.origins.items()}
        lines = report.yaml_lines({"spec": leaf.spec}, notes)
        session.write("\n".join((f"# {leaf.file}", *lines)) + "\n")
    if problems:
        raise SopsmithError(problems)
    return 0


def _problems(leaf: Resolved) -> tuple[Finding, ...]:
    try:
        parse(leaf)
    except SopsmithError as error:
        return error.findings
    return ()
