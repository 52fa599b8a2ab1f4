"""Log in as the application would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import PreviousOf, Recipe, Url, Value, Values
from sopsmith.postgres import endpoint, refusals, statements
from sopsmith.postgres.account import Account
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.verdict import Attempt
from sopsmith.postgres.versions import Held, Search, named

Login = Callable[[Endpoint], Attempt]
PAUSE = 1.0  # seconds between two tries of who waits
_BY_HAND = (  # where it is the password of no role that a recipe knows
    r"correct the URL, or set the password there (\password in psql); where the recipe says role: "
    "{strategy: in-place} beside it, sopsmith postgres apply --via 'COMMAND … psql' does so"
)
_WHOLE = (
    "write it as postgresql://USER:PASSWORD@HOST:PORT/NAME or redis://:PASSWORD@HOST:PORT/0, each "
    "part percent-encoded"
)


class Checked(NamedTuple):
    """One URL and what came of a login by it."""

    name: str
    to: Endpoint
    attempt: Attempt
    account: Account | None = None  # whose password it has
    search: Search | None = None  # for what the database holds, where it is another

    @property
    def held(self) -> Held | None:
        """What the database holds instead, if that is known."""
        return self.search and self.search.held

    @property
    def finding(self) -> Finding | None:
        """What is wrong, if anything."""
        if self.attempt.is_good:
            return self._unrightful()
        found = self.attempt.finding(self.name, self.to)
        account = self.account
        if account is None and self.attempt.verdict == "wrong-password":
            return found._replace(hint=_BY_HAND if self.to.scheme == "postgresql" else found.hint)
        if account is None or self.search is None:
            return found
        hint = f"sopsmith postgres recover -e {account.environment}"
        if account.rotator is None:  # recover would not come in
            hint = refusals.break_glass(account)
        held = self.search.held
        if held is None:
            none = f"; no other version fits either ({self.search.tried} tried)"
            hint = hint if account.rotator is None else f"{hint} does, or says, what helps"
            return found._replace(
                message=f"{found.message}{none if self.search.tried else ''}", hint=hint
            )
        said = f"the database holds {held.words(account)}; git says {named(account, account.now)}"
        if self.search.is_retired:
            hint = refusals.forward(account)
        elif held.secret is account.before:
            hint = f"sopsmith postgres apply -e {account.environment}"
        return found._replace(
            message=f"{self.to.user} at {self.to.place}: wrong password: {said}",
            hint=hint,
        )

    def _unrightful(self) -> Finding | None:
        """The owner of alternating roles is there to own what they make."""
        owner = self.account and self.account.owner
        if owner is None or self.attempt.can_create:
            return None
        database = self.to.database
        message = f"{self.to.user} at {self.to.place}: {owner} may create nothing in {database}"
        given = statements.give_database(database, owner)
        hint = (
            f"a superuser gives it: {given}; or, where another role has to keep it, in it "
            f"{statements.let_create(owner)}; nothing is wrong where others make all tables"
        )
        return Finding("db-owner", message, field=self.name, hint=hint)


def check(
    urls: Mapping[str, Endpoint], accounts: Iterable[Account], login: Login
) -> Iterator[Checked]:
    """A login by every URL: servers lock out who tries a wrong password again and again, so the
    same login under two names is tried once."""
    owners = {name: each for each in accounts for name in each.urls}
    made: dict[tuple[str | None, ...], Attempt] = {}
    for name, to in urls.items():
        secret = None if to.password is None else to.password.text()
        options = (f"{option}={text}" for option, text in sorted(to.options.items()))
        key = (to.scheme, to.place, to.user, secret, *options)
        if key not in made:
            made[key] = login(to)
        attempt = made[key]
        owner = owners.get(name)
        if attempt.is_good and (attempt.pooled or attempt.in_recovery) and owner:
            attempt = _at_primary(owner, to, attempt, login)
        yield Checked(name, to, attempt, owner)


def _at_primary(account: Account, to: Endpoint, attempt: Attempt, login: Login) -> Attempt:
    """What a pooler or a standby says counts where the primary says it too."""
    if account.rotator is None:
        return attempt
    there = login(account.rotator.of(to.user, to.password))
    is_denied = there.is_answer and not there.proven
    return attempt._replace(verdict="stale", proven=False) if is_denied else attempt


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


class Meant(NamedTuple):
    """What a recipe's values say of databases."""

    urls: Mapping[str, Endpoint]
    unread: Sequence[Finding] = ()  # URLs that are left out, and why


def of_values(recipe: Recipe, values: Values) -> Meant:
    """The databases' URLs among the values of a recipe; one that can't be tried keeps none of the
    others from it."""
    urls: dict[str, Endpoint] = {}
    unread: list[Finding] = []
    for name, value in recipe.values.items():
        text = values[name].text() if name in values else None
        if text is None or not _is_meant(value, text.removeprefix("jdbc:")):
            continue
        is_derived = isinstance(value.derivation, Url)
        try:
            urls[name] = _read(text) if is_derived else _given(text)
        except ValueError as error:
            hint = "correct the parts that the recipe derives it from" if is_derived else None
            unread.append(Finding("db-unread", f"was not tried: it {error}", None, name, hint))
    return Meant(urls, unread)


def _is_meant(value: Value, text: str) -> bool:
    """Whether it is a URL that is to log in now: what was one before its rotation need not."""
    return endpoint.is_database(text) and not isinstance(value.derivation, PreviousOf)


def _given(text: str) -> Endpoint:
    """What somebody gave as a whole; raises ValueError where nobody can log in by it as it stands:
    an application may have the rest elsewhere, as in PGUSER and PGPASSWORD."""
    to = _read(text.removeprefix("jdbc:"))
    if to.password is None and to.scheme == "postgresql":
        raise ValueError("holds no password")
    return to


def _read(url: str) -> Endpoint:
    """What one login can try; raises ValueError where it is none: which of several servers of a
    Redis is to be asked, its cluster or its Sentinels say to their clients alone."""
    to = endpoint.parse(url)
    if to.scheme == "postgresql":
        return to
    if "," in to.host:
        raise ValueError("names several servers, as of a cluster or of Sentinels")
    if not (to.database.isascii() and to.database.isdecimal()):
        raise ValueError("names a database that is no number, as a Sentinel's does")
    return to


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
        return _read(url)
    except ValueError as error:
        raise SopsmithError(Finding("db-roles", str(error), None, name, _WHOLE)) from None
