"""`sopsmith postgres recreate`: the last resort, a new data directory with all the old data."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Sensitive
from sopsmith.postgres import recreation, sameness
from sopsmith.postgres.owners import SETTINGS, Owner, owner_of, refusal
from sopsmith.postgres.recreation import Facts, refused
from sopsmith.tools import data_directory, postgres_programs, replace, workspace
from sopsmith.tools.data_directory import Place
from sopsmith.tools.postgres_programs import Programs, Server
from sopsmith.voice import Session

_CLEAN = ("shut down",)
_RUNNING = ("in production",)
Step = Callable[[str], None]


class Old(NamedTuple):
    """All that is to be found again."""

    facts: Facts
    verifiers: Mapping[str, str | None]
    measured: sameness.Measured


class Job(NamedTuple):
    """What one run works with."""

    session: Session
    programs: Programs
    place: Place
    sockets: str
    step: Step  # is told every step before it is taken; what it raises stops the work


def recreate(
    session: Session, *, data: str, database: str, user: str, password: Sensitive,
    verifiers: Mapping[str, str], programs: str | None, confirm: str, keep_dump: bool,
    owner_evidence: Owner | None, stamp: str, step: Step = lambda name: None,
) -> int:  # fmt: skip
    """Make a new data directory whose superuser `user` has `password`, with all the old data.

    `confirm` is what the flag names, and has to be `database`. `verifiers` are those that other
    roles get. The old directory is kept beside the new one; on any failure it is in its place as
    it was. Raises SopsmithError: recreate-refused and foreign-owner before anything is touched but
    a running server, which is stopped; recreate-failed; recreate-halfway.
    """
    if confirm != database:
        hint = "--database names the one whose server is re-initialised"
        raise SopsmithError(refused(f"{database} is meant, and {confirm} was named", hint))
    recreation.check_given(password.data(), verifiers)
    if owner_evidence:
        raise SopsmithError(refusal(owner_evidence))
    found = postgres_programs.find(programs, session.env)
    place = Place(os.path.realpath(data), stamp)
    with replace.locked(os.path.dirname(place.data), 0), workspace.folder() as sockets:
        job = Job(session, found, place, sockets, step)
        _recover(job)
        _look(job)
        data_directory.prepare(place)
        try:
            kept = _made(job, database, user, password, verifiers, keep_dump=keep_dump)
            session.write(_told(place, kept))
        finally:
            if not _is_aside(place):
                data_directory.clear(place.work)
    return 0


def _made(
    job: Job, database: str, user: str, password: Sensitive, verifiers: Mapping[str, str], *,
    keep_dump: bool,
) -> str | None:  # fmt: skip
    """Make the new directory, see that it holds everything, and put it in its place."""
    before = _stopped(job)
    job.step("copy")
    data_directory.copy(job.place)
    named = {role: each for role, each in verifiers.items() if role != user}
    with _serving(job, job.place.copy, user) as server:
        old = _read(job, server, database, user, named)
    data_directory.clear(job.place.copy)
    job.step("initialise")
    options = old.facts.initdb
    postgres_programs.initialise(job.programs, job.place.new, options, password.data())
    data_directory.carry_over(job.place)
    with _serving(job, job.place.new, user) as server:
        _restore(job, server, old, {**named, **_verifier_of(server, user)})
    job.step("login")
    with _serving(job, job.place.new, user, "scram-sha-256") as server:
        _log_in(server, database, user, password)
    job.step("settle")
    postgres_programs.settle(job.programs, job.place.new)
    _swap(job, before)
    return data_directory.keep_dump(job.place) if keep_dump else None


# --- before anything is made ----------------------------------------------------------------------


def _look(job: Job) -> None:
    """See what can be seen of the directory without a server; refuse what can't be done."""
    job.step("check")
    trouble = data_directory.trouble(job.place.data, job.programs.major)
    if trouble:
        raise SopsmithError(refused(f"{job.place.data} {trouble[0]}", trouble[1]))

    def setting(name: str) -> str:
        return postgres_programs.setting(job.programs, job.place.data, name)

    owner = owner_of((), {name: setting(name) for name in SETTINGS})
    if owner:
        raise SopsmithError(refusal(owner))
    if setting("archive_mode") not in ("", "off"):
        message = "it archives its WAL, and a new directory begins with the names of the old one"
        hint = "set archive_mode to off; afterwards archive to another place, from a new backup on"
        raise SopsmithError(refused(message, hint))
    if not data_directory.has_room(job.place.data):
        message = "there is no room beside the data directory for a copy of it"
        raise SopsmithError(Finding("recreate-failed", message))
    state = postgres_programs.state(job.programs, job.place.data)
    running = postgres_programs.is_running(job.programs, job.place.data)
    if state not in (_RUNNING if running else _CLEAN):
        message = f"its server was not shut down on this machine (state: {state})"
        hint = "start and stop it where it belongs; a standby is not re-initialised"
        raise SopsmithError(refused(message, hint))


def _stopped(job: Job) -> data_directory.Sign:
    """Stop the server where one runs; the sign of a directory that nobody uses."""
    job.step("stop")
    if postgres_programs.is_running(job.programs, job.place.data):
        postgres_programs.stop(job.programs, job.place.data)
        job.session.say("sopsmith: the server is stopped; start it again as you always do\n")
    if postgres_programs.state(job.programs, job.place.data) not in _CLEAN:
        raise SopsmithError(refused("its server did not shut down cleanly", "stop it first"))
    return data_directory.sign(job.place.data)


def _serving(job: Job, data: str, user: str, how: str = "trust") -> Any:
    """A server of ours on a directory, whose only door is our socket."""
    hba, ident = (os.path.join(job.place.work, name) for name in ("hba", "ident"))
    data_directory.write(hba, f"local all all {how}\n".encode())
    data_directory.write(ident, b"")
    log = os.path.join(job.place.work, "log")
    settings = postgres_programs.Settings(job.sockets, hba, ident, log)
    return postgres_programs.serving(job.programs, data, user, settings)


# --- the old one ----------------------------------------------------------------------------------


def _read(job: Job, server: Server, database: str, user: str, named: Mapping[str, str]) -> Old:
    """Refuse what can't be kept, measure everything, and dump it."""
    job.step("ask")
    try:
        answer = postgres_programs.query(server, "template1", recreation.FACTS)
    except SopsmithError:
        message = f"{user} is no superuser of this directory"
        raise SopsmithError(refused(message, "name the one that it was made with")) from None
    facts = recreation.facts_of(answer, server.programs.major)
    problems = recreation.refusals(facts, database, user, named)
    if problems:
        raise SopsmithError(problems)
    job.step("measure")
    old = Old(facts, recreation.verifiers_of(_ask_verifiers(server)), _measure(server, facts))
    job.step("dump")
    roles = postgres_programs.roles(server, passwords=True)
    data_directory.write(os.path.join(job.place.dump, "roles.sql"), roles)
    for number, name in enumerate(facts.databases):
        data_directory.write(_file(job.place, number), b"")  # by us, so that nobody else reads it
        postgres_programs.dump(server, name, _file(job.place, number))
    return old


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


# --- the new one ----------------------------------------------------------------------------------


def _verifier_of(server: Server, user: str) -> dict[str, str]:
    """What PostgreSQL itself made of the password that initdb was given."""
    made = recreation.verifiers_of(_ask_verifiers(server))[user]
    if made is None:
        raise SopsmithError(Finding("recreate-failed", "initdb set no password"))
    return {user: made}


def _restore(job: Job, server: Server, old: Old, verifiers: Mapping[str, str]) -> None:
    """Restore everything, set the verifiers, and see that all else is the same."""
    job.step("restore")
    with data_directory.writing(), open(os.path.join(job.place.dump, "roles.sql"), "rb") as stream:
        roles = stream.read().decode("utf-8", "surrogateescape")
    made = recreation.globals_for(roles, old.facts.superuser)
    postgres_programs.query(server, "template1", made)
    for number, name in _order(old.facts):
        postgres_programs.restore(server, name, _file(job.place, number))
    if "postgres" not in old.facts.databases:
        postgres_programs.query(server, "template1", "DROP DATABASE postgres;")
    job.step("passwords")
    postgres_programs.query(server, "template1", recreation.set_verifiers(verifiers))
    job.step("compare")
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


def _log_in(server: Server, database: str, user: str, password: Sensitive) -> None:
    """See that the new password opens it, and that another does not."""
    right = postgres_programs.can_log_in(server, database, user, password.data())
    other = postgres_programs.can_log_in(server, database, user, password.data() + b"x")
    if not right or other:
        message = f"{user} can't log in with the new password"
        if right:
            message = f"{user} gets in with any password"
        raise SopsmithError(Finding("recreate-failed", message))


# --- the swap, and what an earlier run left -------------------------------------------------------


def _swap(job: Job, before: data_directory.Sign) -> None:
    """Two renames; what fails after the first is undone."""
    place = job.place
    job.step("old aside")
    if data_directory.sign(place.data) != before:
        raise SopsmithError(_used())
    try:
        data_directory.take_aside(place)
        if data_directory.sign(place.before) != before:
            raise SopsmithError(_used())
        job.step("new in place")
        data_directory.put_in_place(place)
    except BaseException:
        _back(place)
        if not os.path.lexists(place.new):  # a signal came when all was done
            job.session.say(_told(place, None))
        raise


def _used() -> Finding:
    message = "a server ran from the directory meanwhile, so it may hold more than was dumped"
    return Finding("recreate-failed", message, hint="keep it stopped, and run this again")


def _is_aside(place: Place) -> bool:
    """Whether the old directory waits to be put back: then nothing is removed."""
    return os.path.lexists(place.before) and os.path.lexists(place.new)


def _back(place: Place) -> None:
    """Undo the first rename where it was all that was done."""
    if not _is_aside(place):
        return
    try:
        data_directory.put_back(place)
    except OSError:
        message = f"the old directory is {place.before}, and could not be put back"
        hint = f"mv -T {place.before} {place.data}"
        raise SopsmithError(Finding("recreate-halfway", message, hint=hint)) from None


def _recover(job: Job) -> None:
    """Undo what a killed run left, and say so."""
    parent, base = os.path.split(job.place.data)
    names = os.listdir(parent)
    prefix = f"{base}.recreate-"
    stamps = [each.removeprefix(prefix) for each in names if each.startswith(prefix)]
    places = {stamp: Place(job.place.data, stamp) for stamp in stamps}
    begun = [stamp for stamp, place in places.items() if os.path.lexists(place.new)]
    for left in recreation.leftovers(names, base, begun):
        place = places[left.stamp]
        if left.is_foreign:
            message = f"an earlier run left {place.before}, and something else is in its place"
            hint = f"see which of them holds the data; then remove {place.work}"
            raise SopsmithError(Finding("recreate-halfway", message, hint=hint))
        for each in (place.copy, place.new):
            if os.path.lexists(each) and postgres_programs.is_running(job.programs, each):
                postgres_programs.stop(job.programs, each, "immediate")
        if left.is_aside:
            _back(place)
            job.session.say("sopsmith: an earlier run died between its renames; the old directory "
                            "is in its place again\n")  # fmt: skip
        data_directory.clear(place.work)
        job.session.say("sopsmith: removed what an earlier run left\n")


def _told(place: Place, kept: str | None) -> str:
    told = f"{place.data} is re-initialised with the new password, and holds all that it held\n"
    told += f"the old directory, with the old passwords, is {place.before}\n"
    told += f"when you need it no more: rm -r {place.before}\n"
    return told + (f"the dump of all data is {kept}\n" if kept else "")
