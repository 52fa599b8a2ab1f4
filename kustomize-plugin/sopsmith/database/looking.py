"""What a server has of one account, with the lock on it or without, and whether the application can
log in with what git says."""

from __future__ import annotations

from collections.abc import Mapping

from sopsmith.database.connecting import Way, at_primary, channel
from sopsmith.database.failures import spoken
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import observation, scram, statements
from sopsmith.postgres.account import Account
from sopsmith.postgres.channel import Channel, SqlError
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.verdict import Attempt

TRIES = 4  # of a login that has to be good: a pooler or a replica may need a moment
PAUSE = 0.5  # seconds between them


def glance(account: Account, way: Way) -> Observed:
    """Look at the roles without the lock.

    Raises SopsmithError: db-failed, db-unreachable, and what the way in raises.
    """
    with channel(account, way) as server, spoken(account):
        return look(account, server)


def looked(account: Account, server: Channel, way: Way) -> Observed:
    """Take the lock, which the session holds, and look at the roles.

    Raises SopsmithError: db-locked, db-failed, db-pooler, db-unreachable.
    """
    way.at("after connect")
    with spoken(account):
        lock(account, server, way)
        return look(account, server)


def lock(account: Account, server: Channel, way: Way) -> None:
    """Keep other operators out; raises SqlError, and SopsmithError (db-pooler)."""
    way.at("before lock")
    if server.is_pooled():
        message = "a pooler stands before the server, where a lock would stay with others"
        hint = "let role.rotator name a URL of the server itself"
        raise SopsmithError(Finding("db-pooler", message, field=account.value, hint=hint))
    server.ask(statements.lock(account.marked))
    way.at("after lock")


def look(account: Account, server: Channel) -> Observed:
    """What the server shows of the account's roles; raises SqlError."""
    answer = server.ask(observation.question(account))
    try:
        seen = observation.read(answer or "")
        if not seen.roles or not seen.can_read_verifiers:
            return seen
        return observation.read(answer or "", server.ask(observation.verifiers(seen.roles)))
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
    to = to.probe(account.active, account.now.password)
    way.at("before probe")
    attempt = way.login(to)
    way.at("after probe")
    if not attempt.is_answer:
        raise SopsmithError(attempt.finding(name, to))
    return attempt.proven


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


def failed(account: Account, logins: Mapping[str, Attempt]) -> list[Finding]:
    """What is wrong with logins by the account's URLs."""
    return [each.finding(name, account.urls[name])
            for name, each in logins.items() if not each.is_good]  # fmt: skip
