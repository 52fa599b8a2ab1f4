"""`sopsmith postgres recreate`: the last resort, a new data directory with all the old data."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from sopsmith import exchange, report, repository, transfer
from sopsmith.components import placement
from sopsmith.database import accounts
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Sensitive
from sopsmith.postgres import recreation, scram
from sopsmith.postgres.owners import SETTINGS, owner_of, refusal
from sopsmith.postgres.recreation import refused
from sopsmith.postgres.superuser_password import check_superuser, title
from sopsmith.rotations import assent
from sopsmith.tools import data_directory, postgres_programs, replace, workspace
from sopsmith.tools.data_directory import Place
from sopsmith.tools.postgres_programs import Programs, Server
from sopsmith.voice import Session, outliving

_CLEAN = ("shut down",)
_RUNNING = ("in production",)


def of_recipe(
    session: Session, where: str | None, *, superuser: str, user: str, data: str, confirm: str,
    programs: str | None, keep_dump: bool, stamp: str, dry_run: bool, yes: bool,
) -> int:  # fmt: skip
    """The same with what git says: `superuser` names the value that is the superuser's password,
    and the roles of the recipe get their current ones. Raises what `recreate` and rendering do.
    """
    leaf = repository.leaf(where, session.env, [superuser])
    placement.declared(leaf.recipe, superuser)
    rendered = accounts.checked(leaf)
    found = accounts.of_rendered(rendered)
    databases = list(dict.fromkeys(to.database for each in found for to in each.urls.values()))
    if not databases:
        message = "no password of the recipe is a role's, so no database is known"
        raise SopsmithError(Finding("db-roles", message, leaf.recipe.file))
    check_superuser(rendered.recipe, superuser, user, rendered.values, found)
    verifiers = {each.active: scram.steady_verifier(each.now.text, each.active) for each in found}
    titles = {each.active: each.title for each in found} | {user: title(leaf.recipe, superuser)}
    return recreate(
        session, data=data, database=confirm if confirm in databases else databases[0], user=user,
        password=rendered.values[superuser], verifiers=verifiers, titles=titles, programs=programs,
        confirm=confirm, keep_dump=keep_dump, stamp=stamp, dry_run=dry_run, yes=yes,
    )  # fmt: skip


class Job(NamedTuple):
    """What one run works with."""

    session: Session
    programs: Programs
    place: Place
    sockets: str
    step: transfer.Step


def recreate(
    session: Session, *, data: str, database: str, user: str, password: Sensitive,
    verifiers: Mapping[str, str], titles: Mapping[str, str], programs: str | None, confirm: str,
    keep_dump: bool, stamp: str, dry_run: bool, yes: bool, step: transfer.Step = lambda name: None,
) -> int:  # fmt: skip
    """Make a new data directory whose superuser `user` has `password`, with all the old data.

    `confirm` is what the flag names, and has to be `database`. `verifiers` are those that other
    roles get, and `titles` the values that all of them are. What will be is shown first, and on a
    terminal asked. The old directory is kept beside the new one; on any failure it is in its place
    as it was, and a server that ran from it runs again. It is not stopped before it has shown that
    it is the one. Raises SopsmithError: recreate-refused, foreign-owner, recreate-failed,
    recreate-halfway.
    """
    if confirm != database:
        hint = "--database names the one whose server is re-initialised"
        raise SopsmithError(refused(f"{database} is meant, and {confirm} was named", hint))
    recreation.check_given(password.data(), verifiers)
    found = postgres_programs.find(programs, session.env)
    place, named = Place(os.path.realpath(data), stamp), _named(user, verifiers)
    with replace.locked(os.path.dirname(place.data), 0), workspace.folder() as sockets:
        job = Job(session, found, place, sockets, _telling(session, step))
        _undo(job, dry_run=dry_run)
        _look(job)
        _look_inside(job, database, user, named)
        session.write(_plan(job, titles))
        if dry_run or not assent.agreed(session, f"re-initialise {place.data}", yes=yes):
            session.write("nothing was changed\n")
            return 0
        _look_inside(job, database, user, named)  # another may run there by the time of an answer
        data_directory.prepare(place)
        try:
            kept = _made(job, database, user, password, verifiers, keep_dump=keep_dump)
            with outliving(session, _kept(place)) as lasting:
                lasting.write(_told(place, kept))
        finally:
            if not exchange.is_aside(place):
                data_directory.clear(place.work)
    return 0


def _telling(session: Session, step: transfer.Step) -> transfer.Step:
    """Each step before it is taken, and in words where it takes long."""

    def begins(name: str) -> None:
        step(name)
        words = recreation.STEPS[name]
        session.say(f"sopsmith: {words}\n" if words else "")

    return begins


def _made(
    job: Job, database: str, user: str, password: Sensitive, verifiers: Mapping[str, str], *,
    keep_dump: bool,
) -> str | None:  # fmt: skip
    """Make the new directory, see that it holds everything, and put it in its place."""
    named = _named(user, verifiers)
    with _stopped(job) as before:
        job.step("copy")
        data_directory.copy(job.place)
        with _serving(job, job.place.copy, user) as server:
            old = transfer.read(server, job.place, database, named, job.step)
        data_directory.clear(job.place.copy)
        job.step("initialise")
        options = old.facts.initdb
        postgres_programs.initialise(job.programs, job.place.new, options, password.data())
        data_directory.carry_over(job.place)
        with _serving(job, job.place.new, user) as server:
            transfer.restore(server, job.place, old, named, job.step)
        job.step("login")
        with _serving(job, job.place.new, user, "scram-sha-256") as server:
            transfer.log_in(server, database, password)
        job.step("settle")
        postgres_programs.settle(job.programs, job.place.new)
        exchange.swap(job.place, before, job.step)
    return data_directory.keep_dump(job.place) if keep_dump else None


def _named(user: str, verifiers: Mapping[str, str]) -> dict[str, str]:
    """The roles but the superuser that get another verifier."""
    return {role: each for role, each in verifiers.items() if role != user}


# --- before anything is made ----------------------------------------------------------------------


def _undo(job: Job, *, dry_run: bool) -> None:
    """Undo what a killed run left, or say that it will be."""
    if dry_run and exchange.is_left(job.place.data):
        job.session.say("sopsmith: an earlier run was killed; what it left is undone first\n")
    for words in () if dry_run else exchange.recover(job.programs, job.place.data):
        job.session.say(f"sopsmith: {words}\n")


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
    running = data_directory.running(job.place.data)
    if state not in (_RUNNING if running else _CLEAN):
        message = f"its server was not shut down on this machine (state: {state})"
        hint = "start and stop it where it belongs; a standby is not re-initialised"
        raise SopsmithError(refused(message, hint))


def _look_inside(job: Job, database: str, user: str, named: Collection[str]) -> None:
    """Refuse a running server that is not the one, or that does not show it: stopping the wrong one
    takes another application's database down."""
    running = data_directory.running(job.place.data)
    if running is None:
        return
    message = f"its server runs, and does not let {user} see whether it is the one of {database}"
    silent = refused(message, "where it is, stop it yourself; then run this again")
    server = Server(job.programs, running.host, user, running.port)
    transfer.ask(server, database, named, silent)
    told = postgres_programs.query(server, "template1", "SHOW data_directory;").rstrip(b"\n")
    if os.path.realpath(told) != os.fsencode(job.place.data):  # without a socket: who has its port
        raise SopsmithError(silent)


@contextmanager
def _stopped(job: Job) -> Iterator[data_directory.Sign]:
    """Stop the server where one runs, and start it again where what follows fails; the sign of a
    directory that nobody uses."""
    job.step("stop")
    running = data_directory.running(job.place.data)
    try:
        if running is not None:
            job.session.say("sopsmith: stopping the server\n")
            postgres_programs.stop(job.programs, job.place.data)
            job.session.say("sopsmith: the server is stopped\n")
        if postgres_programs.state(job.programs, job.place.data) not in _CLEAN:
            raise SopsmithError(refused("its server did not shut down cleanly", "stop it first"))
        yield data_directory.sign(job.place.data)
    except BaseException:
        if running is not None and data_directory.running(job.place.data) is None:
            _start_again(job, running.log)
        raise
    if running is not None:
        job.session.say("sopsmith: start the server again as you always do\n")


def _start_again(job: Job, log: str) -> None:
    words = "the server runs again, started by pg_ctl; hand it back to what runs it"
    try:
        postgres_programs.start_again(job.programs, job.place.data, log)
    except SopsmithError:
        words = "the server is stopped, and did not start; start it again as you always do"
    job.session.say(f"sopsmith: {words}\n")


def _serving(job: Job, data: str, user: str, how: str = "trust") -> AbstractContextManager[Server]:
    """A server of ours on a directory, whose only door is our socket."""
    hba, ident = (os.path.join(job.place.work, name) for name in ("hba", "ident"))
    data_directory.write(hba, f"local all all {how}\n".encode())
    data_directory.write(ident, b"")
    log = os.path.join(job.place.work, "log")
    settings = postgres_programs.Settings(job.sockets, hba, ident, log)
    return postgres_programs.serving(job.programs, data, user, settings)


# --- what is told ---------------------------------------------------------------------------------


def _plan(job: Job, titles: Mapping[str, str]) -> str:
    """What will be; who reads it may have named the wrong one."""
    place = job.place
    rows = [(f"the password of {role}", f"is {title}") for role, title in titles.items()]
    kept = f"is made anew, with all that it holds; the old one is {place.before}"
    rows.append((place.data, kept))
    if data_directory.running(place.data) is not None:
        rows.insert(0, ("its server", "is stopped; start it again when all is done"))
    return report.table(("WHAT", "WILL BE"), rows, job.session.colour)


def _kept(place: Place) -> str:
    return f"the old directory, with the old passwords, is {place.before}"


def _told(place: Place, kept: str | None) -> str:
    told = f"{place.data} is re-initialised with the new password, and holds all that it held\n"
    told += f"{_kept(place)}\n"
    told += f"when you need it no more: rm -r {place.before}\n"
    return told + (f"the dump of all data is {kept}\n" if kept else "")
