"""The way in to a server: the break-glass, the rotator, or the role itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import refusals, scram
from sopsmith.postgres.account import Account
from sopsmith.postgres.channel import At, Channel
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.verdict import CREATE_IT, Attempt

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
    if finding.code != "db-login" or finding.hint == CREATE_IT:
        return finding
    hint = refusals.break_glass(account)
    if account.rotator is not None:
        hint = f"apply puts it right where git rotated that password last; else {hint}"
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
