"""Which value of a recipe may be a superuser's password. Pure.

Nothing in a recipe has to say so, as only the server knows its superuser; what it says of a value
may show that it is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Recipe, Ref, Url, Value, Values
from sopsmith.postgres import endpoint
from sopsmith.postgres.account import Account
from sopsmith.recipes import roles

_TEXTS = ("password", "bytes")  # what else is generated are keys and certificates


def check_superuser(
    recipe: Recipe, name: str, user: str, values: Values, accounts: Sequence[Account]
) -> None:
    """See that this value may be the password of the superuser `user`.

    Raises SopsmithError (recreate-refused).
    """
    own = [each.value for each in accounts if user in each.roles and each.value != name]
    message = f"is not the password of {user}: that is {own[0]}" if own else None
    message = _problem(recipe, name, user, values) or message
    if message is not None:
        hint = _hint(recipe, name, user, values)
        raise SopsmithError(Finding("recreate-refused", message, recipe.file, name, hint))


def title(recipe: Recipe, name: str) -> str:
    """What is meant, for people."""
    value = recipe.values[name]
    return f"{name} version {value.version}" if value.origin == "generated" else name


def _hint(recipe: Recipe, name: str, user: str, values: Values) -> str:
    """What to say instead: of a password that is another's, he may be who is meant."""
    hint = f"--superuser names the value that is the password of {user} and of nobody else"
    logins = {login for _, login in _logins(recipe, name, values)} - {user}
    other = logins.pop() if len(logins) == 1 else None
    if other is None or _takes_turns(recipe.values[name]):
        return hint
    return f"--user {other} where that is the superuser; else {hint}"


def _takes_turns(value: Value) -> bool:
    return value.role is not None and value.role.strategy == "alternating"


def _problem(recipe: Recipe, name: str, user: str, values: Values) -> str | None:
    value = recipe.values[name]
    if name not in values:
        return "is absent"
    if _takes_turns(value):
        return "is the password of two roles that take turns"
    logins = dict(_logins(recipe, name, values))
    for url, login in logins.items():
        if login != user:
            return f"is the password of {login or 'something else'} in {url}"
    if logins:
        return None
    if value.derivation is not None:
        return "is derived, and no password"
    if value.generator is not None and value.generator.kind not in _TEXTS:
        return f"is no password: it is generated as {value.generator.kind}"
    return None


def _logins(recipe: Recipe, name: str, values: Values) -> Iterator[tuple[str, str | None]]:
    """The URLs that have it as their password, and who logs in by each to a PostgreSQL."""
    for url, each in recipe.values.items():
        derived = each.derivation
        if isinstance(derived, Url) and derived.password == (Ref(name),) and url in values:
            is_postgres = roles.is_postgres(derived)
            yield url, _user(values[url].text() or "") if is_postgres else None


def _user(url: str) -> str | None:
    try:
        return endpoint.parse(url).user
    except ValueError:
        return None
