"""The command line: argv → one call of one command."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NoReturn

from sopsmith import __version__, completion, report, voice
from sopsmith.commands import (
    audit,
    check,
    diff,
    doctor,
    due,
    fill,
    get,
    history,
    import_,
    init,
    merge,
    pin,
    recipients,
    render,
    resolve,
    restore,
    rotate,
    rotate_seed,
    schema,
    unset,
    validate,
)
from sopsmith.commands import list as list_command
from sopsmith.commands import set as set_command
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.interview import Options
from sopsmith.voice import Session

_EXAMPLES = {
    "render": (
        "sopsmith render overlays/production",
        "sopsmith render overlays/production --masked",
        "sopsmith render overlays/dev/recipe.yaml | jq -r '.items[].metadata.name'",
    ),
    "validate": (
        "sopsmith validate overlays/dev overlays/production",
        "sopsmith validate --require-key",
        "sopsmith validate --changed secrets/production/shop.enc.yaml",
        "sopsmith validate overlays/production --output json",
    ),
    "check": (
        "sopsmith check",
        "sopsmith check --against origin/main --output github",
        "sopsmith check secrets/production/shop.enc.yaml .sops.yaml",
    ),
    "resolve": ("sopsmith resolve overlays/production",),
    "list": (
        "sopsmith list overlays/production",
        "sopsmith list overlays/production --output json | jq '.[] | select(.due)'",
    ),
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
    "due": ("sopsmith due", "sopsmith due --output json | jq -r '.findings[].field'"),
    "restore": (
        "sopsmith restore GOOGLE_CLIENT_SECRET --to HEAD~1 -e production --commit",
        "sopsmith restore POSTGRES_PASSWORD --to v1.4 -e production --dry-run",
    ),
    "schema": ("sopsmith schema > secretrecipe.schema.json", "sopsmith schema --findings"),
    "import": (
        "sopsmith import .env -e production",
        "sopsmith import .env -e production --accept derived --commit",
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
    "merge": ("git config merge.sopsmith.driver 'sopsmith merge %O %A %B %P'",),
    "doctor": ("sopsmith doctor",),
    "completion": ("source <(sopsmith completion bash)",),
}


def main(argv: Sequence[str] | None = None) -> None:
    """The entry of `sopsmith`."""
    arguments = sys.argv[1:] if argv is None else argv
    voice.end(voice.run(lambda: _run(arguments), lambda findings: None))


def _say_json(findings: tuple[Finding, ...]) -> None:
    """Who asked for JSON gets the findings as JSON too."""
    with contextlib.suppress(SopsmithError):  # stdout is gone; stderr and the exit code have told
        tree = {"findings": report.findings_json(findings)}
        voice.write_out(voice.encoded(report.as_json(tree)))


def _run(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    today = datetime.now(UTC).date()
    session = Session(
        os.environ, voice.write_out, voice.wants_colour(1), today,
        is_terminal=os.isatty(0) and os.isatty(2), read_stdin=voice.read_in,
    )  # fmt: skip
    command: Callable[[Session, argparse.Namespace], int] = options.command
    try:
        return command(session, options)
    except SopsmithError as error:
        if getattr(options, "output", "text") == "json":
            _say_json(error.findings)
        raise


_CHOICES = re.compile(r"argument ([^:]+): invalid choice: .* \(choose from (.+)\)", re.DOTALL)


class _Parser(argparse.ArgumentParser):
    """argparse quotes what was typed, which may be a secret pasted in the wrong place."""

    def _print_message(self, message: str, file: object = None) -> None:
        voice.write_out(message.encode())  # help on a full disk is a failure like any other

    def error(self, message: str) -> NoReturn:
        what = "an argument is unknown, or one too many"
        if message.startswith("the following arguments are required: "):
            what = message.replace("the following arguments are required: ", "missing: ")
        elif choices := _CHOICES.match(message):
            what = f"{choices[1]} has to be one of {choices[2]}".replace("'", "")
        raise SopsmithError(Finding("usage", what, hint=f"{self.prog} --help"))


Add = Callable[[str, str, Callable[[Session, argparse.Namespace], int]], _Parser]


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(
        prog="sopsmith",
        description="SOPS-encrypted components in, correct Kubernetes Secrets out.",
        epilog="Exit codes: 0 fine, 1 findings, 2 usage or recipe, 3 could not, 4 bug, 5 refused.",
    )
    top.add_argument("--version", action="version", version=f"sopsmith {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, summary: str, run: Callable[[Session, argparse.Namespace], int]) -> _Parser:
        examples = "".join(f"  {example}\n" for example in _EXAMPLES[name])
        one: _Parser = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(command=run)
        return one

    _reading(add)
    _changing(add)
    _looking_back(add)
    _guarding(add)
    return top


def _reading(add: Add) -> None:
    """Commands that show what is there and what comes of it."""
    one = add(
        "render", "Print the function's output: a ResourceList in JSON, values included.",
        lambda s, o: render.render(s, o.path, masked=o.masked, output=o.output),
    )  # fmt: skip
    _path(one)
    one.add_argument("--masked", action="store_true", help="key names and origins, no values")
    _output(one)

    one = add(
        "validate", "Check values and recipes, and report every finding.",
        lambda s, o: validate.validate(
            s, o.path, changed=o.changed, require_key=o.require_key, output=o.output
        ),
    )  # fmt: skip
    one.add_argument(
        "path", nargs="*", metavar="PATH",
        help="overlays and recipes, or files that these read; default all of the repository",
    )  # fmt: skip
    one.add_argument(
        "--changed", nargs="*", metavar="FILE", help="what a change of these files touches, if any"
    )
    one.add_argument(
        "--require-key", action="store_true",
        help="fail where no key opens a component; otherwise a warning says so",
    )  # fmt: skip
    _output(one, "github")

    one = add(
        "resolve", "Print the merged recipe, with the file that set each field.",
        lambda s, o: resolve.resolve(s, o.path, output=o.output),
    )  # fmt: skip
    _path(one)
    _output(one)

    one = add(
        "list", "List every value: its origin, its source, when it is due, where it goes.",
        lambda s, o: list_command.list_values(s, o.path, output=o.output),
    )  # fmt: skip
    _path(one)
    _output(one)

    one = add(
        "due", "Warn of values that are past their maxAge; needs no key and fails for none.",
        lambda s, o: due.due(s, output=o.output),
    )  # fmt: skip
    _output(one, "github")

    one = add(
        "schema", "Print the JSON Schema of a recipe, for editors.",
        lambda s, o: schema.print_schema(s, findings=o.findings),
    )  # fmt: skip
    one.add_argument("--findings", action="store_true", help="the page of findings, in Markdown")

    one = add(
        "doctor", "Show which programs and keys are found, and the next step.",
        lambda s, o: doctor.doctor(s, output=o.output),
    )  # fmt: skip
    _output(one)

    one = add(
        "completion", "Print the shell's completion script.",
        lambda s, o: _completion(s, o.shell),
    )  # fmt: skip
    one.add_argument("shell", choices=("bash", "zsh", "fish"))


def _changing(add: Add) -> None:
    """Commands that change files."""
    one = add(
        "import", "Encrypt the values of a .env file, a Secret manifest or a live Secret.",
        lambda s, o: import_.import_values(
            s, o.source, secret=o.secret, where=o.environment, component=o.component,
            recipe=o.recipe, app=o.app, accept=o.accept, commit=o.commit, output=o.output,
        ),
    )  # fmt: skip
    one.add_argument("source", nargs="?", metavar="SOURCE", help="a file; - for standard input")
    one.add_argument("--secret", metavar="NAMESPACE/NAME", help="a Secret of the cluster instead")
    _environment(one)
    _component(one)
    one.add_argument("--recipe", metavar="FILE", help="the recipe, also one that is to be made")
    one.add_argument("--app", metavar="NAME", help="the application's name, in a new recipe")
    one.add_argument(
        "--accept", choices=("none", "derived", "all"), default="none",
        help="write suggestions into the recipe: derived, or also generated and never rotated "
        "ones; today's values are kept; default none",
    )  # fmt: skip
    _commit(one)
    _output(one)

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
    _commit(one)
    _output(one)

    one = add(
        "set", "Give a value, from a hidden prompt or standard input.",
        lambda s, o: set_command.set_value(
            s, o.key, where=o.environment, component=o.component, exact=o.exact, force=o.force,
            commit=o.commit, output=o.output,
        ),
    )  # fmt: skip
    _key(one)
    _environment(one)
    _component(one)
    one.add_argument("--exact", action="store_true", help="keep a line break at the end of stdin")
    one.add_argument("--force", action="store_true", help="store what the recipe's rules refuse")
    _commit(one)
    _output(one)

    one = add(
        "unset", "Take a value out of its component.",
        lambda s, o: unset.unset(
            s, o.key, where=o.environment, commit=o.commit, output=o.output
        ),
    )  # fmt: skip
    _key(one)
    _environment(one)
    _commit(one)
    _output(one)

    one = add(
        "get", "Print one value, as it is, to standard output.",
        lambda s, o: get.get(s, o.key, where=o.environment),
    )  # fmt: skip
    _key(one)
    _environment(one)

    one = add(
        "fill", "Draw every stored value that is missing, and keep it in its component.",
        lambda s, o: fill.fill(
            s, o.key, where=o.environment, component=o.component, dry_run=o.dry_run,
            commit=o.commit, output=o.output,
        ),
    )  # fmt: skip
    one.add_argument("key", nargs="*", metavar="KEY", help="only these; default all")
    _environment(one)
    _component(one)
    one.add_argument("--dry-run", action="store_true", help="show what would be drawn")
    _commit(one)
    _output(one)

    one = add(
        "pin", "Store a generated value as it is now: it no longer comes from the seed.",
        lambda s, o: pin.pin(
            s, o.key, where=o.environment, component=o.component, commit=o.commit,
            output=o.output,
        ),
    )  # fmt: skip
    _key(one)
    _environment(one)
    _component(one)
    _commit(one)
    _output(one)

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
    one.add_argument("key", nargs="*", metavar="KEY", help="values' names")
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
    _environment(one)
    one.add_argument("--dry-run", action="store_true", help="tell what would change, and stop")
    one.add_argument("--yes", action="store_true", help="do not ask")
    _commit(one)
    _output(one)

    one = add(
        "recipients", "Show who can read what, or change it.",
        lambda s, o: (
            recipients.list_recipients(s, output=o.output)
            if o.action == "list"
            else recipients.change_recipients(
                s, o.action, o.recipient, where=o.environment, commit=o.commit, output=o.output
            )
        ),
    )  # fmt: skip
    one.add_argument(
        "action", nargs="?", choices=("list", "add", "remove", "sync"), default="list",
        help="sync brings files in line with .sops.yaml; default list",
    )  # fmt: skip
    one.add_argument("recipient", nargs="?", metavar="AGE_RECIPIENT", help="for add and remove")
    _environment(one)
    _commit(one)
    _output(one)

    one = add(
        "merge", "Join two branches' changes of a component: git's merge driver.",
        lambda s, o: merge.merge_files(s, o.base, o.ours, o.theirs, o.path),
    )  # fmt: skip
    for name, letter in (("base", "O"), ("ours", "A"), ("theirs", "B"), ("path", "P")):
        one.add_argument(name, metavar=name.upper(), help=f"what git gives as %%{letter}")


def _looking_back(add: Add) -> None:
    """Commands that read what git knows."""
    one = add(
        "diff", "Show what changed between two commits, by name and never by value.",
        lambda s, o: diff.diff(s, o.revision, where=o.environment, output=o.output),
    )  # fmt: skip
    one.add_argument(
        "revision", nargs="*", metavar="REV",
        help="from (default HEAD) and to (default: the files as they are now); as in git, "
        "differences are no failure",
    )  # fmt: skip
    _only(one)
    _output(one)

    one = add(
        "history", "Show every version of a value: commit, author, date; needs no key.",
        lambda s, o: history.history(s, o.key, where=o.environment, output=o.output),
    )  # fmt: skip
    _key(one)
    _environment(one)
    _output(one)

    one = add(
        "audit", "Show who changed which value when, commit by commit; needs no key.",
        lambda s, o: audit.audit(s, since=o.since, where=o.environment, output=o.output),
    )  # fmt: skip
    one.add_argument("--since", metavar="REV_OR_DAY", help="only after this commit, or from a day")
    _only(one)
    _output(one, "jsonl")

    one = add(
        "restore", "Give a value what it was in a commit, as a new change.",
        lambda s, o: restore.restore(
            s, o.key, to=o.to, where=o.environment, commit=o.commit, dry_run=o.dry_run,
            output=o.output,
        ),
    )  # fmt: skip
    _key(one)
    one.add_argument("--to", required=True, metavar="REV", help="the commit, branch or tag")
    _environment(one)
    one.add_argument("--dry-run", action="store_true", help="show what would change")
    _commit(one)
    _output(one)


def _init_options(given: argparse.Namespace) -> Options:
    return Options(
        given.name, given.environments, given.database, tuple(given.recipient), given.recovery,
        given.no_recovery, given.yes,
    )  # fmt: skip


def _guarding(add: Add) -> None:
    """Commands that stop a bad commit."""
    one = add(
        "check", "Check files as a commit has to keep them, without any key.",
        lambda s, o: check.check(s, o.file, against=o.against, output=o.output),
    )  # fmt: skip
    one.add_argument("file", nargs="*", metavar="FILE", help="default: all that git tracks")
    one.add_argument(
        "--against", metavar="REV",
        help="a branch or commit: compare versions and seeds with where this one left it",
    )  # fmt: skip
    _output(one, "github")


def _key(one: _Parser) -> None:
    one.add_argument("key", metavar="KEY", help="a value's name")


def _component(one: _Parser) -> None:
    one.add_argument("--component", metavar="FILE", help="where a new value is kept, if unclear")


def _path(one: _Parser) -> None:
    one.add_argument("path", metavar="OVERLAY_OR_RECIPE", help="an overlay's folder, or a recipe")


def _output(one: _Parser, *more: str) -> None:
    choices = ("text", "json", *more)
    one.add_argument("--output", choices=choices, default="text", help="default text")


def _environment(one: _Parser) -> None:
    one.add_argument(
        "-e", "--environment", metavar="NAME_OR_PATH",
        help="an environment's name, or the path of its overlay or recipe; "
        "may be left out where only one can be meant",
    )  # fmt: skip


def _only(one: _Parser) -> None:
    one.add_argument(
        "-e", "--environment", metavar="NAME_OR_PATH", help="only this one; default all of them"
    )


def _commit(one: _Parser) -> None:
    one.add_argument("--commit", action="store_true", help="commit the changed files, and no other")


def _completion(session: Session, shell: str) -> int:
    session.write(completion.script(shell, parser()))
    return 0
