"""Carry all that one PostgreSQL server holds into another by a dump, and see that it is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Sensitive
from sopsmith.postgres import recreation, sameness
from sopsmith.postgres.recreation import Facts, refused
from sopsmith.tools import data_directory, postgres_programs
from sopsmith.tools.data_directory import Place
from sopsmith.tools.postgres_programs import Server

Step = Callable[[str], None]
"""Is told every step before it is taken; what it raises stops the work."""


class Old(NamedTuple):
    """All that is to be found again."""

    facts: Facts
    verifiers: Mapping[str, str | None]
    measured: sameness.Measured


def read(server: Server, place: Place, database: str, named: Collection[str], step: Step) -> Old:
    """Refuse what can't be kept, measure everything, and dump it.

    `named` are the roles that get another verifier. Raises SopsmithError (recreate-refused,
    foreign-owner, recreate-failed).
    """
    step("ask")
    message = f"{server.user} is no superuser of this directory"
    silent = refused(message, "name the one that it was made with")
    facts = ask(server, database, named, silent)
    step("measure")
    old = Old(facts, recreation.verifiers_of(_ask_verifiers(server)), _measure(server, facts))
    step("dump")
    data_directory.write(_roles(place), postgres_programs.roles(server, passwords=True))
    for number, name in enumerate(facts.databases):
        data_directory.write(_file(place, number), b"")  # by us, so that nobody else reads it
        postgres_programs.dump(server, name, _file(place, number))
    return old


def ask(server: Server, database: str, named: Collection[str], silent: Finding) -> Facts:
    """What the server says about itself; raises SopsmithError: `silent` where it says nothing, and
    why what it holds is not re-initialised (recreate-refused, foreign-owner).
    """
    try:
        answer = postgres_programs.query(server, "template1", recreation.FACTS)
    except SopsmithError:
        raise SopsmithError(silent) from None
    facts = recreation.facts_of(answer, server.programs.major)
    problems = recreation.refusals(facts, database, server.user, named)
    if problems:
        raise SopsmithError(problems)
    return facts


def _roles(place: Place) -> str:
    return os.path.join(place.dump, "roles.sql")


def _file(place: Place, number: int) -> str:
    return os.path.join(place.dump, f"{number}.dump")


def _ask_verifiers(server: Server) -> bytes:
    return postgres_programs.query(server, "template1", recreation.VERIFIERS)


def _measure(server: Server, facts: Facts) -> dict[tuple[str, str, str], Any]:
    found: dict[tuple[str, str, str], Any] = {}
    for name in facts.databases:
        rows = sameness.measured(postgres_programs.query(server, name, sameness.MEASURE))
        outline = sameness.outlined(postgres_programs.schema(server, name))
        found |= {(name, *key): each for key, each in (rows | outline).items()}
    roles = sameness.globals_outlined(postgres_programs.roles(server, passwords=False))
    return found | {("", *key): each for key, each in roles.items()}


def _superusers(server: Server) -> dict[str, str]:
    """What PostgreSQL itself made of the password that initdb was given."""
    made = recreation.verifiers_of(_ask_verifiers(server))[server.user]
    if made is None:
        raise SopsmithError(Finding("recreate-failed", "initdb set no password"))
    return {server.user: made}


def restore(
    server: Server, place: Place, old: Old, verifiers: Mapping[str, str], step: Step
) -> None:
    """Restore everything, set verifiers, and see that all else is the same.

    The superuser's is that of the password that the new directory was made with. Raises
    SopsmithError (recreate-failed).
    """
    step("restore")
    verifiers = {**verifiers, **_superusers(server)}
    roles = data_directory.read(_roles(place)).decode("utf-8", "surrogateescape")
    postgres_programs.query(server, "template1", recreation.globals_for(roles, server.user))
    for number, name in _order(old.facts):
        postgres_programs.restore(server, name, _file(place, number))
    if "postgres" not in old.facts.databases:
        postgres_programs.query(server, "template1", "DROP DATABASE postgres;")
    step("passwords")
    postgres_programs.query(server, "template1", recreation.set_verifiers(verifiers))
    step("compare")
    now = recreation.verifiers_of(_ask_verifiers(server))
    answer = postgres_programs.query(server, "template1", recreation.FACTS)
    facts = recreation.facts_of(answer, server.programs.major)
    wrong = sameness.differences(old.measured, _measure(server, facts))
    wrong += recreation.wrong_verifiers({**old.verifiers, **verifiers}, now)
    if wrong:
        raise SopsmithError(
            Finding("recreate-failed", f"what was restored is not the same: {each}")
            for each in wrong
        )


def _order(facts: Facts) -> list[tuple[int, str]]:
    """template1 first: it can't be replaced while its copies are made."""
    numbered = list(enumerate(facts.databases))
    return sorted(numbered, key=lambda each: each[1] != "template1")


def log_in(server: Server, database: str, password: Sensitive) -> None:
    """See that the password opens it and another does not; raises SopsmithError."""
    right = postgres_programs.can_log_in(server, database, password.data())
    other = postgres_programs.can_log_in(server, database, password.data() + b"x")
    if not right or other:
        message = f"{server.user} can't log in with the new password"
        if right:
            message = f"{server.user} gets in with any password"
        raise SopsmithError(Finding("recreate-failed", message))
