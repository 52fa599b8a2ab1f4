"""Commands for running databases: `sopsmith postgres VERB`."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from sopsmith.arguments import carrying, options
from sopsmith.arguments import database_options as of
from sopsmith.arguments.options import Add, Parser
from sopsmith.commands import (
    postgres_adopt,
    postgres_apply,
    postgres_bootstrap,
    postgres_check,
    postgres_recreate,
    postgres_retire,
    postgres_rotate,
    postgres_status,
)
from sopsmith.commands.postgres_rotate import Manner
from sopsmith.errors import SopsmithError
from sopsmith.voice import Session

EXAMPLES = {
    "postgres": (
        "sopsmith postgres check -e production",
        "sopsmith postgres apply -e production",
        "sopsmith postgres bootstrap -e production --via 'kubectl exec -i db-0 -- psql'",
    ),
}
_EXAMPLES = {
    "check": (
        "sopsmith postgres check -e production",
        "sopsmith postgres check --env DATABASE_URL --wait 60s",
    ),
    "apply": (
        "sopsmith postgres apply -e production",
        "sopsmith postgres apply --from /run/secrets/database",
        "sopsmith postgres apply -e production --via 'kubectl exec -i db-0 -- psql'",
    ),
    "status": (
        "sopsmith postgres status -e production --namespace shop",
        "sopsmith postgres status -e production --no-cluster",
    ),
    "recover": (
        "sopsmith postgres recover -e production --namespace shop --grace 10m",
        "sopsmith postgres recover -e production --no-cluster",
    ),
    "retire": (
        "sopsmith postgres retire -e production --namespace shop --grace 10m",
        "sopsmith postgres retire --from /run/secrets/database --grace 10m",
        "sopsmith postgres retire -e production --no-cluster",
    ),
    "rotate": (
        "sopsmith postgres rotate POSTGRES_PASSWORD -e production --commit",
        "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now --namespace shop",
        "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now --no-cluster",
    ),
    "rollback": (
        "sopsmith postgres rollback POSTGRES_PASSWORD -e production --now --namespace shop",
    ),
    "recreate": (
        "sopsmith postgres recreate -e production --data /var/lib/postgresql/18/docker"
        " --database shop --superuser ADMIN_PASSWORD",
    ),
    "adopt": (
        "sopsmith postgres adopt -e production --role shop --as POSTGRES_ADMIN_URL --dry-run",
        "sopsmith postgres adopt -e production --via 'kubectl exec -i db-0 -- psql'",
    ),
    "bootstrap": (
        "sopsmith postgres bootstrap -e production --as POSTGRES_ADMIN_URL",
        "sopsmith postgres bootstrap -e production --via 'kubectl exec -i db-0 -- psql'",
    ),
}


def add_to(add: Add) -> None:
    """Add them to the command line."""
    taken: dict[str, set[str]] = {}  # the options of each verb
    group = add("postgres", "Make a running PostgreSQL accept what git says.", lambda s, o: 2)
    verbs = group.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, summary: str, run: Callable[[Session, argparse.Namespace], int]) -> Parser:
        examples = "".join(f"  {example}\n" for example in _EXAMPLES[name])
        one: Parser = verbs.add_parser(
            name, help=summary, description=summary, epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

        def command(session: Session, given: argparse.Namespace) -> int:
            again = carrying.carried(carrying.given(given), taken)
            try:
                return run(session._replace(again=again), given)
            except SopsmithError as error:
                found = (each._replace(hint=each.hint and again(each.hint))
                         for each in error.findings)  # fmt: skip
                raise SopsmithError(found, error.done) from None

        one.set_defaults(command=command)
        options.environment(one)
        if name not in ("rotate", "rollback", "recreate"):  # these need git, or tell as they go
            of.source(one)
        if name != "recreate":
            options.output(one)
        return one

    for each in (_check, _apply, _retire, _status, _rotate, _rollback, _bootstrap, _adopt,
                 _recreate):  # fmt: skip
        each(verb)
    for name, parser in verbs.choices.items():
        taken[name] = {each.dest for each in parser._actions}


def _check(verb: Add) -> None:
    one = verb(
        "check", "Log in by every database URL, as the application would.",
        lambda s, o: postgres_check.check(
            s, of.meant(o), variables=o.env, wait=of.seconds(o.wait, "--wait"), output=o.output
        ),
    )  # fmt: skip
    one.add_argument(
        "--env", action="append", default=[], metavar="NAME", type=options.name,
        help="the URL in this environment variable, as a container has it; may be repeated",
    )  # fmt: skip
    one.add_argument("--wait", default="0s", metavar="TIME", help="try again for so long: 60s, 5m")


def _apply(verb: Add) -> None:
    one = verb(
        "apply", "Make the database accept the passwords that git says.",
        lambda s, o: postgres_apply.apply(s, of.meant(o), o.key, via=o.via, output=o.output),
    )  # fmt: skip
    of.keys(one)
    of.via(one)


def _retire(verb: Add) -> None:
    one = verb(
        "retire", "Close the role that nobody uses any more, after a rotation.",
        lambda s, o: postgres_retire.retire(
            s, of.meant(o), o.key, of.asked(o), grace=of.patience(o), via=o.via,
            output=o.output,
        ),
    )  # fmt: skip
    of.keys(one)
    of.grace(one)
    of.cluster(one)
    of.via(one)


def _status(verb: Add) -> None:
    one = verb(
        "status", "Show what git, the database and the cluster have, and what is to be done: exit"
        " code 1 where anything is.",
        lambda s, o: postgres_status.status(
            s, of.meant(o), of.asked(o), via=o.via, output=o.output
        ),
    )  # fmt: skip
    of.cluster(one)
    of.via(one)
    one = verb(
        "recover", "Look at what is there, and do the one right thing.",
        lambda s, o: postgres_status.recover(
            s, of.meant(o), of.asked(o), grace=of.patience(o), via=o.via, output=o.output
        ),
    )  # fmt: skip
    of.grace(one)
    of.cluster(one)
    of.via(one)


def _bootstrap(verb: Add) -> None:
    one = verb(
        "bootstrap", "Make the roles, and the rotator that may change them: once.",
        lambda s, o: postgres_bootstrap.bootstrap(
            s, of.meant(o), superuser=getattr(o, "as"), via=o.via, output=o.output
        ),
    )  # fmt: skip
    of.superuser(one)


def _rotate(verb: Add) -> None:
    one = verb(
        "rotate", "Rotate a database password, in git alone or right to the last pod.",
        lambda s, o: postgres_rotate.rotate(s, o.key, _manner(o)),
    )  # fmt: skip
    _rotation(one)


def _rollback(verb: Add) -> None:
    one = verb(
        "rollback", "Go back to the password of before, while the database has it.",
        lambda s, o: postgres_rotate.rollback(s, o.key, _manner(o)),
    )  # fmt: skip
    _rotation(one)


def _adopt(verb: Add) -> None:
    one = verb(
        "adopt", "From the one role that an application has to two that take turns: once.",
        lambda s, o: postgres_adopt.adopt(
            s, of.meant(o), o.key, role=o.role, also=o.database, left=o.leave,
            superuser=getattr(o, "as"), via=o.via, dry_run=o.dry_run, yes=o.yes, output=o.output,
        ),
    )  # fmt: skip
    of.keys(one)
    one.add_argument(
        "--role", metavar="ROLE",
        help="the one that the application has so far; default the first of the two",
    )  # fmt: skip
    one.add_argument(
        "--database", action="append", default=[], metavar="NAME",
        help="one that no URL names, where the role has things too; may be repeated",
    )  # fmt: skip
    one.add_argument(
        "--leave", action="append", default=[], metavar="NAME",
        help="a database where its things may stay its own; may be repeated",
    )  # fmt: skip
    of.superuser(one)
    of.sure(one)


def _rotation(one: Parser) -> None:
    one.add_argument("key", nargs="+", metavar="KEY", type=options.name, help="a password's name")
    one.add_argument(
        "--now", action="store_true",
        help="commit, push, apply, wait for the cluster, retire; run again, it goes on",
    )  # fmt: skip
    one.add_argument(
        "--no-push", action="store_true", help="with --now: the cluster gets the commit otherwise"
    )
    one.add_argument(
        "--wait", default="5m", metavar="TIME", help="for the cluster and its pods; default 5m"
    )
    of.grace(one)
    of.cluster(one)
    of.via(one)
    options.commit(one)
    of.sure(one)


def _manner(given: argparse.Namespace) -> Manner:
    return Manner(
        where=given.environment, cluster=of.asked(given), via=given.via, is_now=given.now,
        is_pushed=not given.no_push, is_committed=given.commit,
        wait=of.seconds(given.wait, "--wait"), grace=of.patience(given),
        is_dry=given.dry_run, yes=given.yes, output=given.output,
    )  # fmt: skip


def _recreate(verb: Add) -> None:
    one = verb(
        "recreate", "Last resort: a new data directory with the password of git and all the data.",
        lambda s, o: postgres_recreate.of_recipe(
            s, o.environment, superuser=o.superuser, user=o.user, data=o.data, confirm=o.database,
            programs=o.bin, keep_dump=o.keep_dump,
            stamp=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), dry_run=o.dry_run, yes=o.yes,
        ),
    )  # fmt: skip
    one.add_argument(
        "--data", metavar="DIR", required=True,
        help="the data directory; its server is stopped, and a dump lies beside it until the end",
    )  # fmt: skip
    one.add_argument("--database", metavar="NAME", required=True, help="the one that is meant")
    one.add_argument(
        "--superuser", metavar="KEY", required=True, type=options.name,
        help="the value that is its superuser's new password, and no other role's",
    )  # fmt: skip
    one.add_argument("--user", metavar="ROLE", default="postgres", help="default postgres")
    one.add_argument("--bin", metavar="DIR", help="PostgreSQL's programs, where not on PATH")
    one.add_argument("--keep-dump", action="store_true", help="keep the dump, a backup of all data")
    of.sure(one)
