"""Make a database accept what git says of one password, or leave it as it is.

Look, plan, change, log in, under one lock; idempotent, so that whoever was interrupted runs it
again. Whatever is impure is in a Way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import observation, plan, scram, statements
from sopsmith.postgres.account import Account
from sopsmith.postgres.channel import At, Channel, SqlError
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.plan import Plan
from sopsmith.postgres.verdict import Attempt

TRIES = 4  # of a login that has to be good: a pooler or a replica may need a moment
PAUSE = 0.5  # seconds between them
PASSING = (
    "db-locked",
    "db-login",
    "db-pooler",
    "db-unknown",
    "db-unreachable",
    "db-unverified",
)  # may go by


WayIn = Callable[[str | None], AbstractContextManager[Channel]]
"""To a database of this name, or to the one that a URL or a command names."""


class Way(NamedTuple):
    """How to reach a server, and what else is impure."""

    login: Callable[[Endpoint], Attempt]
    session: Callable[[Endpoint, str], AbstractContextManager[Channel]]
    salt: Callable[[], bytes]
    pause: Callable[[float], None]  # seconds
    at: At = lambda point: None
    via: WayIn | None = None  # in place of the rotator

    def verifier(self, password: str, role: str) -> str:
        """A verifier with fresh salt."""
        return scram.verifier(password, self.salt())


class Applied(NamedTuple):
    """What came of it."""

    account: Account
    changes: tuple[str, ...]  # in words; none where all was right
    logins: Mapping[str, Attempt]  # by the URLs' names


def apply(account: Account, way: Way, *, unused: Observed | None = None) -> Applied:
    """Make the server accept the account's password; `unused` as in `plan.apply`.

    Raises SopsmithError: db-unreachable, db-login, db-unverified, db-unknown, db-locked, db-failed,
    and what `plan.apply` raises. Nothing is changed then, but where db-unknown says so.
    """
    with repeatable(account, "recover" if unused else "apply"), channel(account, way) as server:
        seen = looked(account, server, way)
        is_right = accepts(account, seen, way)
        made = plan.apply(account, seen, accepts=is_right, verifier=way.verifier, unused=unused)
        carry_out(account, made, server, way, seen)
        logins = confirmed(account, way)
        bad = failed(account, logins)
        if bad and not is_right:
            bad += _undone(account, seen, server, way)
        if bad:
            raise SopsmithError(bad)
    return Applied(account, plan.words(made), logins)


def _undone(account: Account, seen: Observed, server: Channel, way: Way) -> list[Finding]:
    """Take back a change that no login confirms; what is wrong where that fails too."""
    try:
        carry_out(account, plan.undo(account, seen, way.verifier), server, way)
    except SopsmithError as error:
        return list(error.findings)
    return []


def failed(account: Account, logins: Mapping[str, Attempt]) -> list[Finding]:
    """What is wrong with logins by the account's URLs."""
    return [each.finding(name, account.urls[name])
            for name, each in logins.items() if not each.is_good]  # fmt: skip


def channel(account: Account, way: Way) -> AbstractContextManager[Channel]:
    """The way in that may change the password: the break-glass, the rotator, or the role itself."""
    way.at("before connect")
    if way.via is not None:
        return way.via(None)
    return _session(account, way)


@contextmanager
def _session(account: Account, way: Way) -> Iterator[Channel]:
    to, name = at_primary(account) if account.rotator is not None else _itself(account, way)
    with ExitStack() as stack:
        try:
            made = stack.enter_context(way.session(to, name))
        except SopsmithError as error:
            raise SopsmithError(_shut_out(account, each) for each in error.findings) from None
        yield made


def _shut_out(account: Account, finding: Finding) -> Finding:
    """What helps where the way in itself has another password: then `status` sees nothing."""
    if finding.code != "db-login":
        return finding
    verb = "apply" if account.rotator is None else "bootstrap"
    hint = f"sopsmith postgres {verb} -e {account.environment} --via 'COMMAND … psql' puts it right"
    return finding._replace(hint=hint)


def at_primary(account: Account) -> tuple[Endpoint, str]:
    """A login that shows what the server itself has, and its name: the rotator's goes to the
    primary with no pooler between; without one, the first URL's."""
    if account.rotator is not None:
        return account.rotator, f"{account.value}.role.rotator"
    name, to = next(iter(account.urls.items()))
    return to, name


def _itself(account: Account, way: Way) -> tuple[Endpoint, str]:
    """The login as the role, by the password that it has: the one of now, or the previous."""
    to, name = at_primary(account)
    now = way.login(to)
    if now.is_good or account.before is None or now.verdict != "wrong-password":
        return to, name
    return to.of(account.active, account.before.password), f"{name} (previous)"


def looked(account: Account, channel: Channel, way: Way) -> Observed:
    """Take the lock, which the session holds, and look at the roles.

    Raises SopsmithError: db-locked, db-failed, db-pooler, db-unreachable.
    """
    way.at("after connect")
    with spoken(account):
        lock(account, channel, way)
        return look(account, channel)


def lock(account: Account, channel: Channel, way: Way) -> None:
    """Keep other operators out; raises SqlError, and SopsmithError (db-pooler)."""
    way.at("before lock")
    if channel.is_pooled():
        message = "a pooler stands before the server, where a lock would stay with others"
        hint = "let role.rotator name a URL of the server itself"
        raise SopsmithError(Finding("db-pooler", message, field=account.value, hint=hint))
    channel.ask(statements.lock(account.marked))
    way.at("after lock")


def look(account: Account, channel: Channel) -> Observed:
    """What the server shows of the account's roles; raises SqlError."""
    answer = channel.ask(observation.question(account))
    try:
        seen = observation.read(answer or "")
        if not seen.roles or not seen.can_read_verifiers:
            return seen
        return observation.read(answer or "", channel.ask(observation.verifiers(seen.roles)))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise SqlError(None) from None


def accepts(account: Account, seen: Observed, way: Way) -> bool:
    """Whether the active role has this password; by its verifier, or else by a login.

    Raises SopsmithError where a login tells nothing about it: then nothing may be changed.
    """
    there = seen.roles.get(account.active)
    if there is None or not there.can_log_in:
        return False
    if there.verifier is not None:
        known = scram.is_of(there.verifier, account.now.text, account.active)
        return bool(known) and scram.is_scram(there.verifier)
    to, name = at_primary(account)
    to = to.of(account.active, account.now.password)
    way.at("before probe")
    attempt = way.login(to)
    way.at("after probe")
    if not attempt.is_answer:
        raise SopsmithError(attempt.finding(name, to))
    return attempt.proven


def carry_out(
    account: Account, made: Plan, channel: Channel, way: Way, seen: Observed | None = None
) -> None:
    """Run a plan in one transaction, while what was applied last is what was `seen`.

    Raises SopsmithError: db-unknown, db-locked, db-failed, ….
    """
    if made:
        before = statements.settings(account.marked)
        if seen is not None:
            before += f"; {statements.unchanged(account.marked, seen.comment(account.marked))}"
        with spoken(account):
            channel.transact(before, plan.sql(made), way.at)


def confirmed(account: Account, way: Way, tries: int = TRIES) -> dict[str, Attempt]:
    """A login by every URL, as the application would."""
    found = {}
    for name, to in account.urls.items():
        way.at("before login test")
        found[name] = _patient(to, way, tries)
        way.at("after login test")
    return found


def _patient(to: Endpoint, way: Way, tries: int) -> Attempt:
    attempt = way.login(to)
    for _ in range(tries - 1):
        if attempt.is_good or attempt.verdict in ("unverified", "no-database", "no-password"):
            break
        way.pause(PAUSE)
        attempt = way.login(to)
    return attempt


@contextmanager
def repeatable(account: Account, verb: str) -> Iterator[None]:
    """Name the command that does what is left, where none is named for what stops us."""
    command = f"sopsmith postgres {verb} -e {account.environment}"
    try:
        yield
    except SopsmithError as error:
        raise SopsmithError(_again(each, command) for each in error.findings) from None


def _again(finding: Finding, command: str) -> Finding:
    if finding.code not in PASSING or "sopsmith " in (finding.hint or ""):
        return finding
    before = f"{finding.hint}; then run" if finding.hint else "run"
    return finding._replace(hint=f"{before} it again: {command}")


@contextmanager
def spoken(account: Account) -> Iterator[None]:
    """Turn an SqlError into the finding that people see."""
    try:
        yield
    except SqlError as error:
        raise SopsmithError(sql_finding(account, error)) from None


def sql_finding(account: Account, error: SqlError) -> Finding:
    """What a failed statement means."""
    if error.state is None or error.state.startswith(("08", "57P")):
        message = "no answer came, so nobody knows whether the change was made"
        hint = "the server's log says why, or the command of --via, run by hand"
        return Finding("db-unknown", message, field=account.value, hint=hint)
    if error.state == "42501":
        message = "the server does not let this login do that"
        hint = f"sopsmith postgres bootstrap -e {account.environment} gives the right"
        return Finding("db-privilege", message, field=account.value, hint=hint)
    if error.state in ("55P03", "57014", "XX000", "40001", "40P01"):
        message = "somebody else changes the same roles"
        return Finding("db-locked", message, field=account.value)
    if error.state == "25006":
        message = "the server is read-only"
        hint = "name the primary in the rotator's URL"
        return Finding("db-standby", message, field=account.value, hint=hint)
    message = f"the server refuses a statement, SQLSTATE {error.state}"
    hint = "PostgreSQL's appendix A says what it means, and the server's log the rest"
    return Finding("db-failed", message, field=account.value, hint=hint)
