"""Commands for running databases: `sopsmith postgres VERB`."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable

from sopsmith.arguments import options
from sopsmith.arguments.options import Add, Parser
from sopsmith.commands import (
    postgres_adopt,
    postgres_apply,
    postgres_bootstrap,
    postgres_check,
    postgres_recreate,
    postgres_retire,
    postgres_status,
)
from sopsmith.database.accounts import Source
from sopsmith.database.consuming import Cluster
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
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
    "recover": ("sopsmith postgres recover -e production --namespace shop --grace 10m",),
    "retire": (
        "sopsmith postgres retire -e production --namespace shop --grace 10m",
        "sopsmith postgres retire --from /run/secrets/database --grace 10m",
        "sopsmith postgres retire -e production --no-cluster",
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
    group = add("postgres", "Make a running PostgreSQL accept what git says.", lambda s, o: 2)
    verbs = group.add_subparsers(title="verbs", metavar="VERB", required=True)

    def verb(name: str, summary: str, run: Callable[[Session, argparse.Namespace], int]) -> Parser:
        examples = "".join(f"  {example}\n" for example in _EXAMPLES[name])
        one: Parser = verbs.add_parser(
            name, help=summary, description=summary, epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        one.set_defaults(command=run)
        if name == "recreate":  # where the data directory is, and it tells as it goes
            options.environment(one)
        else:
            _source(one)
            options.output(one)
        return one

    one = verb(
        "check", "Log in by every database URL, as the application would.",
        lambda s, o: postgres_check.check(
            s, _meant(o), variables=o.env, wait=_seconds(o.wait), output=o.output
        ),
    )  # fmt: skip
    one.add_argument(
        "--env", action="append", default=[], metavar="NAME",
        help="the URL in this environment variable, as a container has it; may be repeated",
    )  # fmt: skip
    one.add_argument("--wait", default="0s", metavar="TIME", help="try again for so long: 60s, 5m")

    one = verb(
        "apply", "Make the database accept the passwords that git says.",
        lambda s, o: postgres_apply.apply(s, _meant(o), o.key, via=o.via, output=o.output),
    )  # fmt: skip
    _keys(one)
    _via(one)

    one = verb(
        "retire", "Close the role that nobody uses any more, after a rotation.",
        lambda s, o: postgres_retire.retire(
            s, _meant(o), o.key, _asked(o), grace=_seconds(o.grace), via=o.via, output=o.output
        ),
    )  # fmt: skip
    _keys(one)
    _grace(one)
    _cluster(one)
    _via(one)

    one = verb(
        "status", "Show what git, the database and the cluster have, and what is to be done.",
        lambda s, o: postgres_status.status(
            s, _meant(o), _asked(o), via=o.via, output=o.output
        ),
    )  # fmt: skip
    _cluster(one)
    _via(one)

    one = verb(
        "recover", "Look at what is there, and do the one right thing.",
        lambda s, o: postgres_status.recover(
            s, _meant(o), _asked(o), grace=_seconds(o.grace), via=o.via, output=o.output
        ),
    )  # fmt: skip
    _grace(one)
    _cluster(one)
    _via(one)

    one = verb(
        "bootstrap", "Make the roles, and the rotator that may change them: once.",
        lambda s, o: postgres_bootstrap.bootstrap(
            s, _meant(o), superuser=getattr(o, "as"), via=o.via, output=o.output
        ),
    )  # fmt: skip
    _superuser(one)

    _adopt(verb)
    _recreate(verb)


def _adopt(verb: Add) -> None:
    one = verb(
        "adopt", "From the one role that an application has to two that take turns: once.",
        lambda s, o: postgres_adopt.adopt(
            s, _meant(o), o.key, role=o.role, also=o.database, superuser=getattr(o, "as"),
            via=o.via, dry_run=o.dry_run, yes=o.yes, output=o.output,
        ),
    )  # fmt: skip
    _keys(one)
    one.add_argument(
        "--role", metavar="ROLE",
        help="the one that the application has so far; default the first of the two",
    )  # fmt: skip
    one.add_argument(
        "--database", action="append", default=[], metavar="NAME",
        help="one that no URL names, where the role has things too; may be repeated",
    )  # fmt: skip
    _superuser(one)
    one.add_argument("--dry-run", action="store_true", help="tell what would change, and stop")
    one.add_argument("--yes", action="store_true", help="do not ask")


def _recreate(verb: Add) -> None:
    one = verb(
        "recreate", "Last resort: a new data directory with the password of git and all the data.",
        lambda s, o: postgres_recreate.of_recipe(
            s, o.environment, superuser=o.superuser, user=o.user, data=o.data, confirm=o.database,
            programs=o.bin, keep_dump=o.keep_dump,
            stamp=time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        ),
    )  # fmt: skip
    one.add_argument(
        "--data", metavar="DIR", required=True,
        help="the data directory; its server is stopped, and a dump lies beside it until the end",
    )  # fmt: skip
    one.add_argument("--database", metavar="NAME", required=True, help="the one that is meant")
    one.add_argument(
        "--superuser", metavar="KEY", required=True, help="the value that is its new password"
    )
    one.add_argument("--user", metavar="ROLE", default="postgres", help="default postgres")
    one.add_argument("--bin", metavar="DIR", help="PostgreSQL's programs, where not on PATH")
    one.add_argument("--keep-dump", action="store_true", help="keep the dump, a backup of all data")


def _superuser(one: Parser) -> None:
    one.add_argument("--as", metavar="NAME", help="the value that is a superuser's URL")
    _via(one)


def _source(one: Parser) -> None:
    options.environment(one)
    one.add_argument(
        "--from", metavar="PATH",
        help="what rolesOf derived, as a file or a mounted Secret; no key is needed then",
    )  # fmt: skip


def _keys(one: Parser) -> None:
    one.add_argument("key", nargs="*", metavar="KEY", help="a password's name; default all")


def _grace(one: Parser) -> None:
    one.add_argument(
        "--grace", default="0s", metavar="TIME", help="look for so long that nobody comes: 10m"
    )


def _cluster(one: Parser) -> None:
    one.add_argument("--namespace", metavar="NAME", help="default the pod's or kubeconfig's own")
    one.add_argument(
        "--no-cluster", action="store_true",
        help="no pod of Kubernetes uses the database: only the server's sessions count",
    )  # fmt: skip


def _via(one: Parser) -> None:
    one.add_argument(
        "--via", metavar="COMMAND",
        help="break-glass: a command that ends in psql and reaches the server's own socket",
    )  # fmt: skip


def _meant(given: argparse.Namespace) -> Source:
    return Source(given.environment, getattr(given, "from"))


def _asked(given: argparse.Namespace) -> Cluster:
    return Cluster(given.namespace, not given.no_cluster)


def _seconds(text: str) -> float:
    """A time such as 60s or 5m; raises SopsmithError (usage)."""
    match = re.fullmatch(r"([0-9]{1,6})(s|m|h)", text)
    if match is None:
        raise SopsmithError(Finding("usage", "a time is a number with s, m or h, such as 60s"))
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
