"""`sopsmith due`: which values are past their maxAge, told by the recipes alone."""

from __future__ import annotations

from sopsmith import absent, report, repository
from sopsmith.findings import one_line, text
from sopsmith.recipes import schedule
from sopsmith.recipes.recipe import parse
from sopsmith.text.lines import located
from sopsmith.tools import files
from sopsmith.voice import Session


def due(session: Session, *, output: str) -> int:
    """Warn of every overdue value of the repository. Never fails for one; no key is needed."""
    root = files.find_root(".", session.env)
    read = files.reader(root)
    leaves, broken = repository.whole_leaves(repository.recipe_files(root, session.env), read)
    overdue = (
        each
        for recipe in map(parse, leaves)
        for each in schedule.overdue(
            recipe, session.today, absent.optional(root, session.env, recipe)
        )
    )
    findings = list(located(overdue, read))
    if output == "text":  # nothing is said where nothing is due: it runs before every commit
        session.write(text(findings, colour=session.colour))
    else:
        session.write(report.told(findings, "", output=output, colour=False))
    for file in broken:
        session.say(f"sopsmith: {one_line(file)} is broken, so its values were not looked at\n")
    return 0
