"""The options that commands for running databases share."""

from __future__ import annotations

import argparse
import re

from sopsmith.arguments import options
from sopsmith.arguments.options import Parser
from sopsmith.database.accounts import Source
from sopsmith.database.consuming import Cluster
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding


def superuser(one: Parser) -> None:
    """Who may do what only a superuser can."""
    one.add_argument(
        "--as", metavar="NAME", type=options.name, help="the value that is a superuser's URL"
    )
    via(one)


def source(one: Parser) -> None:
    """Where the roles come from when nothing is rendered."""
    one.add_argument(
        "--from", metavar="PATH",
        help="what rolesOf derived, as a file or a mounted Secret; no key is needed then",
    )  # fmt: skip


def keys(one: Parser) -> None:
    """Which passwords are meant."""
    one.add_argument(
        "key", nargs="*", metavar="KEY", type=options.name, help="a password's name; default all"
    )


def grace(one: Parser) -> None:
    """How long nobody may be seen."""
    one.add_argument(
        "--grace", metavar="TIME",
        help="look for so long that nobody comes, such as 10m; default 0s, and 60s with"
        " --no-cluster, where one look misses who comes and goes; recover looks as long for"
        " somebody who has the new password, where only that shows it",
    )  # fmt: skip


def patience(given: argparse.Namespace) -> float:
    """What the options of `grace` and `cluster` say: seconds."""
    if given.grace is not None:
        return seconds(given.grace, "--grace")
    return 60 if given.no_cluster else 0


def cluster(one: Parser) -> None:
    """Where in Kubernetes to look."""
    one.add_argument("--namespace", metavar="NAME", help="default the pod's or kubeconfig's own")
    one.add_argument(
        "--no-cluster", action="store_true",
        help="no pod of Kubernetes uses the database: only the server's sessions count",
    )  # fmt: skip


def via(one: Parser) -> None:
    """The break-glass."""
    one.add_argument(
        "--via", metavar="COMMAND",
        help="break-glass: a command that ends in psql and reaches the server's own socket",
    )  # fmt: skip


def meant(given: argparse.Namespace) -> Source:
    """What `-e` and `--from` say."""
    return Source(given.environment, getattr(given, "from"))


def asked(given: argparse.Namespace) -> Cluster:
    """What the options of `cluster` say; raises SopsmithError (usage) where they contradict."""
    if given.namespace is not None and given.no_cluster:
        message = "--namespace and --no-cluster contradict each other"
        raise SopsmithError(Finding("usage", message, hint="give one of the two"))
    return Cluster(given.namespace, not given.no_cluster)


def seconds(text: str, option: str) -> float:
    """The time that an option says, such as 60s or 5m; raises SopsmithError (usage)."""
    match = re.fullmatch(r"([0-9]{1,6})(s|m|h)", text)
    if match is None:
        message = "a time is a whole number with s, m or h behind it"
        raise SopsmithError(Finding("usage", message, field=option, hint=f"{option} 90s, or 5m"))
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def sure(one: Parser) -> None:
    """To look first, or not to be asked."""
    one.add_argument("--dry-run", action="store_true", help="tell what would change, and stop")
    one.add_argument("--yes", action="store_true", help="do not ask")
