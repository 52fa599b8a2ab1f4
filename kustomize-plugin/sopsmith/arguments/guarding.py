"""Commands that stop what is wrong before it is merged."""

from __future__ import annotations

from sopsmith.arguments import options
from sopsmith.arguments.options import Add
from sopsmith.commands import check, due, validate

EXAMPLES = {
    "due": ("sopsmith due", "sopsmith due --output json | jq -r '.findings[].field'"),
    "validate": (
        "sopsmith validate overlays/dev overlays/production",
        "sopsmith validate -e production --require-key",
        "sopsmith validate --changed secrets/production/shop.enc.yaml",
        "sopsmith validate overlays/production --output json",
        "sopsmith validate overlays/production --connect",
    ),
    "check": (
        "sopsmith check",
        "sopsmith check --against refs/remotes/origin/main --output github",
        "sopsmith check secrets/production/shop.enc.yaml .sops.yaml",
    ),
}


def add_to(add: Add) -> None:
    """Add them to the command line."""
    one = add(
        "check", "Check files as a commit has to keep them, without any key.",
        lambda s, o: check.check(s, o.file, against=o.against, output=o.output),
    )  # fmt: skip
    one.add_argument("file", nargs="*", metavar="FILE", help="default: all that git tracks")
    one.add_argument(
        "--against", metavar="REV",
        help="a branch or commit: compare versions and seeds with where this one left it",
    )  # fmt: skip
    options.output(one, "github")

    one = add(
        "validate", "Check values and recipes, and report every finding.",
        lambda s, o: validate.validate(
            s, o.path, where=o.environment, changed=o.changed, require_key=o.require_key,
            connect=o.connect, output=o.output,
        ),
    )  # fmt: skip
    one.add_argument(
        "path", nargs="*", metavar="PATH",
        help="overlays and recipes, or files that these read; default all of the repository",
    )  # fmt: skip
    options.only(one)
    one.add_argument(
        "--changed", nargs="*", metavar="FILE", help="what a change of these files touches, if any"
    )
    one.add_argument(
        "--require-key", action="store_true",
        help="fail where no key opens a component; otherwise a warning says so",
    )  # fmt: skip
    one.add_argument(
        "--connect", action="store_true",
        help="where all is well, log in by every database URL too; needs a key",
    )  # fmt: skip
    options.output(one, "github")

    one = add(
        "due", "Warn of values that are past their maxAge; needs no key and fails for none.",
        lambda s, o: due.due(s, output=o.output),
    )  # fmt: skip
    options.output(one, "github")
