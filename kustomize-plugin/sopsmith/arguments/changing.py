"""Commands that change files."""

from __future__ import annotations

import argparse

from sopsmith.arguments import options
from sopsmith.arguments.options import Add
from sopsmith.commands import (
    fill,
    get,
    import_,
    init,
    merge,
    pin,
    recipients,
    rotate,
    rotate_seed,
    unset,
)
from sopsmith.commands import set as set_command
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.setup.interview import Options
from sopsmith.voice import Session

EXAMPLES = {
    "import": (
        "sopsmith import .env -e production",
        "sopsmith import .env -e production --accept derived --commit",
        "sopsmith import .env -e production --take POSTGRES_PASSWORD --take JWT_SECRET",
        "sopsmith import secret.yaml -e staging --recipe overlays/staging/recipe.yaml",
        "kubectl get secret shop -o json | sopsmith import - -e production",
        "sopsmith import --secret shop/app -e production",
    ),
    "init": (
        "sopsmith init",
        "sopsmith init --name shop --environments dev,production --recovery age1… --commit",
        "sopsmith init --name shop --database none --recipient dev=age1… --no-recovery",
    ),
    "set": (
        "sopsmith set GOOGLE_CLIENT_SECRET -e production",
        'printf %s "$TOKEN" | sopsmith set SMTP_PASSWORD -e production --commit',
        "sopsmith set TLS_KEYSTORE -e production --exact < keystore.p12",
    ),
    "unset": ("sopsmith unset SMTP_PASSWORD -e staging",),
    "get": ("sopsmith get DATABASE_URL -e dev",),
    "fill": ("sopsmith fill", "sopsmith fill TLS_KEY -e production --commit"),
    "pin": ("sopsmith pin POSTGRES_PASSWORD -e production",),
    "rotate": (
        "sopsmith rotate POSTGRES_PASSWORD -e production",
        "sopsmith rotate --due --commit",
        "sopsmith rotate --all -e staging --dry-run",
        "sopsmith rotate --seed -e production --commit",
    ),
    "recipients": (
        "sopsmith recipients",
        "sopsmith recipients add age1… -e production",
        "sopsmith recipients remove age1… --commit",
        "sopsmith recipients sync",
    ),
    "merge": (
        "sopsmith merge secrets/production/shop.enc.yaml --theirs",
        "sopsmith merge shop.enc.yaml --ours SMTP_PASSWORD --theirs API_TOKEN",
        "git config merge.sopsmith.driver 'sopsmith merge -- %O %A %B %P'",
    ),
}


def add_to(add: Add) -> None:
    """Add them to the command line."""
    one = add(
        "import", "Encrypt the values of a .env file, a Secret manifest or a live Secret.",
        lambda s, o: import_.import_values(
            s, o.source, secret=o.secret, where=o.environment, component=o.component,
            recipe=o.recipe, app=o.app, accept=o.accept, take=o.take, commit=o.commit,
            output=o.output,
        ),
    )  # fmt: skip
    one.add_argument("source", nargs="?", metavar="SOURCE", help="a file; - for standard input")
    one.add_argument("--secret", metavar="NAMESPACE/NAME", help="a Secret of the cluster instead")
    options.environment(one)
    options.component(one)
    one.add_argument("--recipe", metavar="FILE", help="the recipe, also one that is to be made")
    one.add_argument("--app", metavar="NAME", help="the application's name, in a new recipe")
    one.add_argument(
        "--accept", choices=("none", "derived", "all"), default="none",
        help="write suggestions into the recipe: derived, or also generated and never rotated "
        "ones; today's values are kept; default none",
    )  # fmt: skip
    one.add_argument(
        "--take", action="append", default=[], metavar="KEY", type=options.name,
        help="replace what stands there by what is imported; a generated value becomes a stored "
        "one; may be repeated",
    )  # fmt: skip
    options.commit(one)
    options.output(one)

    one = add(
        "init", "Start an application: rules, keys, recipes, components, overlays and hooks.",
        lambda s, o: init.init(s, _init_options(o), commit=o.commit, output=o.output),
    )  # fmt: skip
    one.add_argument("--name", help="of the application; a-z 0-9 -")
    one.add_argument("--environments", metavar="A,B", help="default dev,production")
    one.add_argument("--database", metavar="KIND", help="postgres (default) or none")
    one.add_argument(
        "--recipient", action="append", default=[], metavar="[ENV=]AGE1…",
        help="one more reader, of one environment or of all; may be repeated",
    )  # fmt: skip
    group = one.add_mutually_exclusive_group()
    group.add_argument("--recovery", metavar="AGE1…", help="public half of a key kept offline")
    group.add_argument("--no-recovery", action="store_true", help="none, without a warning")
    one.add_argument("--yes", action="store_true", help="ask nothing; the rest is as by default")
    options.commit(one)
    options.output(one)

    one = add(
        "set", "Give a value, from a hidden prompt or standard input.",
        lambda s, o: set_command.set_value(
            s, o.key, where=o.environment, component=o.component, exact=o.exact, force=o.force,
            commit=o.commit, output=o.output,
        ),
    )  # fmt: skip
    one.reads_stdin = True
    options.key(one)
    options.environment(one)
    options.component(one)
    one.add_argument("--exact", action="store_true", help="keep a line break at the end of stdin")
    one.add_argument("--force", action="store_true", help="store what the recipe's rules refuse")
    options.commit(one)
    options.output(one)

    one = add(
        "unset", "Take a value out of its component.",
        lambda s, o: unset.unset(
            s, o.key, where=o.environment, commit=o.commit, output=o.output
        ),
    )  # fmt: skip
    options.key(one)
    options.environment(one)
    options.commit(one)
    options.output(one)

    one = add(
        "get", "Print one value, as it is, to standard output.",
        lambda s, o: get.get(s, o.key, where=o.environment, output=o.output),
    )  # fmt: skip
    options.key(one)
    options.environment(one)
    options.output(one)

    one = add(
        "fill", "Draw every stored value that is missing, and keep it in its component.",
        lambda s, o: fill.fill(
            s, o.key, where=o.environment, component=o.component, dry_run=o.dry_run,
            commit=o.commit, output=o.output,
        ),
    )  # fmt: skip
    one.add_argument(
        "key", nargs="*", metavar="KEY", type=options.name, help="only these; default all"
    )
    options.environment(one)
    options.component(one)
    one.add_argument("--dry-run", action="store_true", help="show what would be drawn")
    options.commit(one)
    options.output(one)

    one = add(
        "pin", "Store a generated value as it is now: it no longer comes from the seed.",
        lambda s, o: pin.pin(
            s, o.key, where=o.environment, component=o.component, commit=o.commit,
            output=o.output,
        ),
    )  # fmt: skip
    options.key(one)
    options.environment(one)
    options.component(one)
    options.commit(one)
    options.output(one)

    one = add(
        "rotate", "Give values a new version or content, and tell first what changes with them.",
        lambda s, o: (
            rotate_seed.rotate_seed(
                s, where=o.environment, dry_run=o.dry_run, yes=o.yes, commit=o.commit,
                output=o.output,
            )
            if o.choice == "seed" and not o.key
            else rotate.rotate(
                s, o.key, choice=o.choice, where=o.environment, dry_run=o.dry_run, yes=o.yes,
                commit=o.commit, output=o.output,
            )
        ),
    )  # fmt: skip
    one.add_argument("key", nargs="*", metavar="KEY", type=options.name, help="values' names")
    one.set_defaults(choice="named")
    which = one.add_mutually_exclusive_group()
    for name, what in (
        ("due", "all past their maxAge, in every environment without -e"),
        ("all", "all that may be rotated"),
        ("seed", "the seed, and all that is made from it"),
    ):
        which.add_argument(
            f"--{name}", action="store_const", dest="choice", const=name, help=what
        )  # fmt: skip
    options.environment(one)
    one.add_argument("--dry-run", action="store_true", help="tell what would change, and stop")
    one.add_argument("--yes", action="store_true", help="do not ask")
    options.commit(one)
    options.output(one)

    one = add(
        "recipients", "Show who can read what, or change it.",
        lambda s, o: (
            recipients.list_recipients(s, where=o.environment, output=o.output)
            if o.action == "list"
            else recipients.change_recipients(
                s, o.action, o.recipient, where=o.environment, yes=o.yes, commit=o.commit,
                output=o.output,
            )
        ),
    )  # fmt: skip
    one.add_argument(
        "action", nargs="?", choices=("list", "add", "remove", "sync"), default="list",
        help="sync brings files in line with .sops.yaml; default list",
    )  # fmt: skip
    one.add_argument("recipient", nargs="?", metavar="AGE_RECIPIENT", help="for add and remove")
    options.environment(one)
    one.add_argument("--yes", action="store_true", help="let in readers that are new to a file")
    options.commit(one)
    options.output(one)

    one = add(
        "merge", "Join two branches' changes of a component: git's merge driver.", _merge
    )  # fmt: skip
    one.add_argument(
        "file", nargs="+", metavar="FILE",
        help="one in conflict; or what git gives its driver: %%O %%A %%B %%P",
    )  # fmt: skip
    for side in ("ours", "theirs"):
        one.add_argument(
            f"--{side}", nargs="*", metavar="KEY",
            help=f"take {side} of these keys; without any, of all that are left",
        )  # fmt: skip


def _merge(session: Session, given: argparse.Namespace) -> int:
    if len(given.file) == 4 and given.ours is given.theirs is None:
        return merge.drive(session, *given.file)
    if len(given.file) == 1:
        return merge.settle(session, given.file[0], given.ours, given.theirs)
    hint = "sopsmith merge --help"
    raise SopsmithError(Finding("usage", "name one FILE, or four as git does", hint=hint))


def _init_options(given: argparse.Namespace) -> Options:
    return Options(
        given.name, given.environments, given.database, tuple(given.recipient), given.recovery,
        given.no_recovery, given.yes,
    )  # fmt: skip
