"""Re-initialise a data directory: what is asked of the old one, and what refuses it. Pure.

Kept: every database with its objects, owners, grants, comments, settings, sequences and large
objects; roles with their verifiers; extensions; encoding, locale, checksums and the configuration.
Not kept: statistics (autovacuum makes them anew), the contents of materialised views as they stood
(they are refreshed), the system identifier and with it point-in-time recovery from older backups.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import owners

STEPS: Mapping[str, str] = {
    "check": "looking at the data directory",
    "stop": "",
    "copy": "copying the data directory",
    "ask": "",
    "measure": "measuring all that it holds",
    "dump": "dumping it",
    "initialise": "making a new data directory",
    "restore": "restoring the dump in it",
    "passwords": "",
    "compare": "comparing it with the old one",
    "login": "",
    "settle": "writing it through to the disk",
    "old aside": "",
    "new in place": "",
}
"""In this order, and what is said of those that take long. The old directory is only read up to
`settle`; the two renames follow it."""

_PLACEHOLDERS = ", ".join(f"('{name}')" for name in owners.SETTINGS)
FACTS = f"""
SELECT json_build_object(
  'superuser', (SELECT rolname FROM pg_roles WHERE oid = 10),
  'roles', (SELECT json_agg(rolname) FROM pg_roles),
  'databases', (SELECT json_agg(datname ORDER BY datname) FROM pg_database
                WHERE datname <> 'template0'),
  'closed', (SELECT count(*) FROM pg_database
             WHERE datname <> 'template0' AND (NOT datallowconn OR datconnlimit = -2)),
  'template', (SELECT to_jsonb(d) FROM pg_database d WHERE datname = 'template0'),
  'encoding', (SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template0'),
  'slots', (SELECT count(*) FROM pg_replication_slots),
  'prepared', (SELECT count(*) FROM pg_prepared_xacts),
  'subscriptions', (SELECT count(*) FROM pg_subscription),
  'recovering', pg_is_in_recovery(),
  'checksums', current_setting('data_checksums') = 'on',
  'segment', (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'),
  'readable', current_setting('data_directory_mode') = '0750',
  'settings', (SELECT json_object_agg(name, coalesce(current_setting(name, true), ''))
               FROM (VALUES {_PLACEHOLDERS}) AS asked (name)));
"""  # noqa: S608  (the names are constants of ours)

VERIFIERS = "SELECT json_object_agg(rolname, rolpassword) FROM pg_authid;"
"""Each role's verifier. They are no passwords, and not for show either."""


class Facts(NamedTuple):
    """What the old server says about itself."""

    superuser: str  # the one that initdb made
    roles: tuple[str, ...]
    databases: tuple[str, ...]  # without template0
    obstacles: tuple[str, ...]  # what a dump would lose
    settings: Mapping[str, str]
    initdb: tuple[str, ...]  # the options that make a directory of the same kind


def facts_of(answer: bytes, major: int) -> Facts:
    """The facts, from the answer to FACTS."""
    tree = json.loads(answer.decode("utf-8", "surrogateescape"))
    lost = {
        "closed": "databases that allow no connection",
        "prepared": "prepared transactions",
        "slots": "replication slots",
        "subscriptions": "subscriptions",
    }
    obstacles = [words for name, words in lost.items() if tree[name]]
    obstacles += ["a server in recovery"] if tree["recovering"] else []
    return Facts(tree["superuser"], tuple(tree["roles"]), tuple(tree["databases"]),
                 tuple(obstacles), tree["settings"], _options(tree, major))  # fmt: skip


def _options(tree: Mapping[str, Any], major: int) -> tuple[str, ...]:
    template = tree["template"]
    locale = template.get("datlocale") or template.get("daticulocale")
    provider = {"c": "libc", "i": "icu", "b": "builtin"}[template.get("datlocprovider", "c")]
    options = [
        f"--username={tree['superuser']}",
        f"--encoding={tree['encoding']}",
        f"--lc-collate={template['datcollate']}",
        f"--lc-ctype={template['datctype']}",
        f"--wal-segsize={tree['segment'] >> 20}",
    ]
    if major >= 15:
        options.append(f"--locale-provider={provider}")
    if locale and provider != "libc":
        options.append(f"--{provider}-locale={locale}")
    if template.get("daticurules"):
        options.append(f"--icu-rules={template['daticurules']}")
    if tree["checksums"]:
        options.append("--data-checksums")
    elif major >= 18:  # before, none was the default, and there was no such option
        options.append("--no-data-checksums")
    return (*options, *(["--allow-group-access"] if tree["readable"] else []))


# --- refusals -------------------------------------------------------------------------------------


def refused(message: str, hint: str | None = None) -> Finding:
    """Nothing was done, for this reason."""
    return Finding("recreate-refused", message, hint=hint)


def refusals(facts: Facts, database: str, user: str, named: Collection[str]) -> tuple[Finding, ...]:
    """Why this server is not re-initialised; nothing where it may be.

    `named` are the roles that get another verifier.
    """
    found = []
    if database not in facts.databases:
        there = ", ".join(name for name in facts.databases if name != "template1")
        message = f"there is no database {database} in this directory"
        found.append(refused(message, f"--database names the one that is meant; here: {there}"))
    if user != facts.superuser:
        message = f"{user} is not the superuser that this directory was made with"
        found.append(refused(message, f"that one is {facts.superuser}"))
    unknown = sorted(set(named) - set(facts.roles))
    found += [refused(f"there is no role {name} in this directory") for name in unknown]
    found += [
        refused(f"it has {words}, which a dump does not hold", "remove them first")
        for words in facts.obstacles
    ]
    owner = owners.owner_of(facts.roles, facts.settings)
    return (*found, *([owners.refusal(owner)] if owner else []))


_VERIFIER = re.compile(r"SCRAM-SHA-256\$[0-9]+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")


def check_given(password: bytes, verifiers: Mapping[str, str]) -> None:
    """See that the password and the verifiers can be used; raises SopsmithError (usage)."""
    if not password or b"\n" in password or b"\r" in password or b"\0" in password:
        message = "initdb takes no password that is empty or has a line break or NUL in it"
        raise SopsmithError(Finding("usage", message))
    for role, verifier in verifiers.items():
        if not _VERIFIER.fullmatch(verifier):
            raise SopsmithError(Finding("usage", f"what {role} would get is no SCRAM verifier"))


def verifiers_of(answer: bytes) -> dict[str, str | None]:
    """Each role's verifier, from the answer to VERIFIERS."""
    found: dict[str, str | None] = json.loads(answer.decode("utf-8", "surrogateescape"))
    return found


def wrong_verifiers(meant: Mapping[str, str | None], found: Mapping[str, str | None]) -> list[str]:
    """The roles whose verifier is not what it should be."""
    names = sorted(meant.keys() | found.keys())
    return [f"the password of {each}" for each in names if meant.get(each) != found.get(each)]


# --- SQL that is written --------------------------------------------------------------------------


def identifier(name: str) -> str:
    """A name as SQL quotes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL quotes it."""
    return "'" + text.replace("'", "''") + "'"


def set_verifiers(verifiers: Mapping[str, str]) -> str:
    """The statements that store verifiers; no password stands in them."""
    lines = ["SET standard_conforming_strings = on;"]
    lines += [f"ALTER ROLE {identifier(role)} PASSWORD {literal(verifier)};"
              for role, verifier in sorted(verifiers.items())]  # fmt: skip
    return "\n".join(lines)


def globals_for(dump: str, superuser: str) -> str:
    """The dump of roles, without the statement that makes the superuser whom initdb made."""
    for name in (superuser, identifier(superuser)):
        head, found, tail = dump.partition(f"\nCREATE ROLE {name};\n")
        if found:
            return head + "\n" + tail
    return dump


# --- what an earlier run left ---------------------------------------------------------------------


class Leftover(NamedTuple):
    """What stands beside the data directory, by the time stamp of the run that made it."""

    stamp: str
    is_aside: bool  # the old directory was renamed and the new one is not in its place
    is_foreign: bool  # ... and somebody made another one there


def leftovers(names: Collection[str], base: str, begun: Collection[str]) -> Sequence[Leftover]:
    """Unfinished runs by the names in the parent folder. `begun` are the stamps whose working
    folder still holds the new directory."""
    prefix = f"{base}.recreate-"
    stamps = sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))
    return [_leftover(stamp, names, base, stamp in begun) for stamp in stamps]


def _leftover(stamp: str, names: Collection[str], base: str, has_new: bool) -> Leftover:
    was_aside = f"{base}.before-{stamp}" in names
    return Leftover(stamp, was_aside and base not in names, was_aside and base in names and has_new)
