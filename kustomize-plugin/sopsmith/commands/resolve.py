"""`sopsmith resolve`: the merged recipe, with the file that set each field."""

from __future__ import annotations

from sopsmith import checkout, report
from sopsmith.recipe import parse
from sopsmith.voice import Session


def resolve(session: Session, path: str, *, output: str) -> int:
    """Print each leaf's merged spec; what its text shows wrong is an error after the print."""
    leaves = checkout.resolved(checkout.at(path, session.env))
    if output == "json":
        session.write(
            report.as_json(
                [
                    {
                        "file": leaf.file,
                        "spec": leaf.spec,
                        "origins": {".".join(key): file for key, file in leaf.origins.items()},
                    }
                    for leaf in leaves
                ]
            )
        )
    else:
        for leaf in leaves:
            lines = report.yaml_lines(
                {"spec": leaf.spec}, {("spec", *k): v for k, v in leaf.origins.items()}
            )
            session.write("\n".join((f"# {leaf.file}", *lines)) + "\n")
    for leaf in leaves:
        parse(leaf)
    return 0
