"""Commands that tell what was."""

from __future__ import annotations

from sopsmith.arguments import options
from sopsmith.arguments.options import Add
from sopsmith.commands import audit, diff, history, restore

EXAMPLES = {
    "diff": (
        "sopsmith diff",
        "sopsmith diff main HEAD -e production",
        "sopsmith diff v1.4 v1.5 --output json | jq '.[] | select(.change == \"rotated\")'",
    ),
    "history": (
        "sopsmith history POSTGRES_PASSWORD -e production",
        "sopsmith history DATABASE_URL --output json",
    ),
    "audit": (
        "sopsmith audit --since 2026-01-01",
        "sopsmith audit --since v1.4 --output jsonl | jq 'select(.signed != \"good\")'",
    ),
    "restore": (
        "sopsmith restore GOOGLE_CLIENT_SECRET --to HEAD~1 -e production --commit",
        "sopsmith restore POSTGRES_PASSWORD --to v1.4 -e production --dry-run",
    ),
}


def add_to(add: Add) -> None:
    """Add them to the command line."""
    one = add(
        "diff", "Show what changed between two commits, by name and never by value.",
        lambda s, o: diff.diff(s, o.revision, where=o.environment, output=o.output),
    )  # fmt: skip
    one.add_argument(
        "revision", nargs="*", metavar="REV",
        help="from (default HEAD) and to (default: the files as they are now); as in git, "
        "differences are no failure",
    )  # fmt: skip
    options.only(one)
    options.output(one)

    one = add(
        "history", "Show every version of a value: commit, author, date; needs no key.",
        lambda s, o: history.history(s, o.key, where=o.environment, output=o.output),
    )  # fmt: skip
    options.key(one)
    options.environment(one)
    options.output(one)

    one = add(
        "audit", "Show who changed which value when, commit by commit; needs no key.",
        lambda s, o: audit.audit(s, since=o.since, where=o.environment, output=o.output),
    )  # fmt: skip
    one.add_argument("--since", metavar="REV_OR_DAY", help="only after this commit, or from a day")
    options.only(one)
    options.output(one, "jsonl")

    one = add(
        "restore", "Give a value what it was in a commit, as a new change.",
        lambda s, o: restore.restore(
            s, o.key, to=o.to, where=o.environment, commit=o.commit, dry_run=o.dry_run,
            output=o.output,
        ),
    )  # fmt: skip
    options.key(one)
    one.add_argument("--to", required=True, metavar="REV", help="the commit, branch or tag")
    options.environment(one)
    one.add_argument("--dry-run", action="store_true", help="show what would change")
    options.commit(one)
    options.output(one)
