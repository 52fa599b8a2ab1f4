"""Commands that hand Secrets on to a cluster's controllers."""

from __future__ import annotations

from argparse import BooleanOptionalAction

from sopsmith.arguments import options
from sopsmith.arguments.options import Add
from sopsmith.commands import build, seal

EXAMPLES = {
    "build": (
        "sopsmith build overlays/production | kubectl apply --server-side -f -",
        "sopsmith build overlays/production --detect",
    ),
    "seal": (
        "sopsmith seal overlays/production -o flux/production/secrets",
        "sopsmith seal overlays/staging overlays/production -o 'flux/$(environment)/secrets'",
        "sopsmith seal overlays/production -o flux/production/secrets --check --output github",
    ),
}


def add_to(add: Add) -> None:
    """Add them to the command line."""
    one = add(
        "build", "Run kustomize build, after refusing every function but the installed one.",
        lambda s, o: build.build(s, o.path, detect=o.detect),
    )  # fmt: skip
    one.add_argument(
        "path", nargs="?", default=".", metavar="OVERLAY", help="default: the current folder"
    )
    one.add_argument(
        "--detect", action="store_true",
        help="build nothing; print the recipes that the build would run, if any",
    )  # fmt: skip

    one = add(
        "seal", "Write the emitted Secrets as encrypted files, for Flux to decrypt and build.",
        lambda s, o: seal.seal(
            s, o.path, o.directory, component=o.component, check=o.check, commit=o.commit,
            output=o.output,
        ),
    )  # fmt: skip
    one.add_argument(
        "path", nargs="+", metavar="OVERLAY_OR_RECIPE", help="overlays' folders, or recipes"
    )
    one.add_argument(
        "-o", "--directory", metavar="DIR", required=True,
        help="a folder for sealed files alone; may hold $(environment) and $(app)",
    )  # fmt: skip
    one.add_argument(
        "--component", action=BooleanOptionalAction, default=None,
        help="write a kind: Component, which may merge into the Secrets of who lists it; without a "
        "word a folder stays what it is",
    )  # fmt: skip
    one.add_argument(
        "--check", action="store_true", help="write nothing; say what is not as the recipe gives it"
    )
    options.commit(one)
    options.output(one, "github")
