"""`sopsmith rotate`: new values, told before they are made."""

from __future__ import annotations

from collections.abc import Sequence

from sopsmith import aftermath, report
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.rotations import prospect, rotating, turnover
from sopsmith.rotations.rotating import Choice, Rotated
from sopsmith.voice import Session


def rotate(
    session: Session, names: Sequence[str], *, choice: Choice, where: str | None, dry_run: bool,
    yes: bool, commit: bool, output: str,
) -> int:  # fmt: skip
    """Rotate what is chosen; print what changes, and then what changed."""
    if bool(names) != (choice == "named"):
        hint = "sopsmith rotate KEY…, or one of --due, --all and --seed"
        raise SopsmithError(Finding("usage", "say what is to be rotated", hint=hint))
    made = rotating.rotate(
        session, names, choice=choice, where=where, dry_run=dry_run, yes=yes, commit=commit,
        is_text=output == "text", tells_refusal=True,
    )  # fmt: skip
    changed, commit_made, found = made.done
    if output == "text":
        session.write(_outcome(made, choice))
        if changed and not exit_code(found):
            session.write(turnover.sealing(made.leaves))
        session.say(aftermath.told(found))
    else:
        tree = {"environments": [prospect.as_tree(each) for each in made.told],
                "changed": list(changed), "commit": commit_made,
                "findings": report.findings_json(found)}  # fmt: skip
        session.write(report.as_json(tree))
    return exit_code(found)


def _outcome(made: Rotated, choice: Choice) -> str:
    if not made.names:
        if any(each.left_out for each in made.told):
            return "nothing was rotated: all of it is left out\n"
        return "nothing is due\n" if choice == "due" else "nothing may be rotated\n"
    changed, commit, found = made.done
    if made.is_committed and (commit or exit_code(found)):
        return report.committed(commit)
    if not changed:
        return "nothing was changed\n"
    return "".join(f"changed {file}\n" for file in changed) + report.committed(commit)
