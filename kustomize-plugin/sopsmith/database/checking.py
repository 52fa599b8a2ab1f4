"""Log in as the application would, and say which password a database holds where it is another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Recipe, Url, Values
from sopsmith.postgres.account import Account
from sopsmith.postgres.endpoint import Endpoint, parse
from sopsmith.postgres.verdict import Attempt
from sopsmith.recipes.roles import is_postgres

Login = Callable[[Endpoint], Attempt]
PAUSE = 1.0  # seconds between two tries of who waits


class Checked(NamedTuple):
    """One URL, what came of a login by it, and which password of the account works there."""

    name: str
    to: Endpoint
    attempt: Attempt
    holds: str | None = None  # in words, where it is not the current one

    @property
    def finding(self) -> Finding | None:
        """What is wrong, if anything."""
        if self.attempt.is_good:
            return None
        found = self.attempt.finding(self.name, self.to)
        if self.holds is None:
            return found
        return found._replace(message=f"{found.message}; it holds {self.holds}")


def check(
    urls: Mapping[str, Endpoint], accounts: Iterable[Account], login: Login
) -> Iterator[Checked]:
    """A login by every URL, and where a password is wrong, one more by the previous one.

    No more than that: servers lock out who tries passwords.
    """
    owners = {name: each for each in accounts for name in each.urls}
    for name, to in urls.items():
        attempt = login(to)
        holds = None
        if attempt.verdict == "wrong-password" and name in owners:
            holds = _held(owners[name], to, login)
        elif attempt.is_good and (attempt.pooled or attempt.in_recovery) and name in owners:
            attempt = _at_primary(owners[name], to, attempt, login)
        yield Checked(name, to, attempt, holds)


def _at_primary(account: Account, to: Endpoint, attempt: Attempt, login: Login) -> Attempt:
    """What a pooler or a standby says counts where the primary says it too."""
    if account.rotator is None:
        return attempt
    there = login(account.rotator.of(to.user, to.password))
    is_denied = there.is_answer and not there.proven
    return attempt._replace(verdict="stale", proven=False) if is_denied else attempt


def _held(account: Account, to: Endpoint, login: Login) -> str | None:
    if account.before is None:
        return None
    role = account.other or account.active
    if not login(to.of(role, account.before.password)).proven:
        return None
    version = account.before.version
    held = "the previous password" if version is None else f"version {version}"
    return held if role == account.active else f"{held}, of {role}"


def wait(check_all: Callable[[], list[Checked]], seconds: float, now: Callable[[], float],
         pause: Callable[[float], None]) -> list[Checked]:  # fmt: skip
    """Check until all is good or the time is over; the last outcome."""
    until = now() + seconds
    found = check_all()
    while any(not each.attempt.is_good for each in found) and now() < until:
        pause(min(PAUSE, max(until - now(), 0)))
        found = check_all()
    return found


# --- what to check --------------------------------------------------------------------------------


def of_values(recipe: Recipe, values: Values) -> dict[str, Endpoint]:
    """The databases' URLs among the values of a recipe; raises SopsmithError (db-roles)."""
    urls = [
        name
        for name, value in recipe.values.items()
        if name in values and isinstance(value.derivation, Url) and _is_database(value.derivation)
    ]
    return {name: _parsed(name, values[name].text() or "") for name in urls}


def _is_database(url: Url) -> bool:
    return is_postgres(url) or url.scheme in (("redis",), ("rediss",))


def of_accounts(accounts: Iterable[Account]) -> dict[str, Endpoint]:
    """The URLs of accounts, and their rotators'."""
    found: dict[str, Endpoint] = {}
    for each in accounts:
        found |= each.urls
        if each.rotator is not None:
            found[f"{each.value}.rotator"] = each.rotator
    return found


def from_environment(env: Mapping[str, str], names: Iterable[str]) -> dict[str, Endpoint]:
    """The URLs in these variables, as a container has them; raises SopsmithError (usage)."""
    found = {}
    for name in names:
        if not env.get(name):
            hint = "name a variable that holds a URL"
            raise SopsmithError(Finding("usage", "is not set in the environment", None, name, hint))
        found[name] = _parsed(name, env[name])
    return found


def _parsed(name: str, url: str) -> Endpoint:
    try:
        return parse(url)
    except ValueError as error:
        raise SopsmithError(Finding("db-roles", str(error), field=name)) from None
