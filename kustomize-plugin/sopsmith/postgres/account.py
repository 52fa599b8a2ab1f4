"""One PostgreSQL password with all that belongs to it, and the same as a document. Pure.

A render knows it by the recipe; in a cluster, where nothing is decrypted, `derive: {rolesOf: …}`
has written it into a Secret that is mounted as a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from sopsmith.model import Access, Recipe, Sensitive, Values
from sopsmith.postgres import endpoint
from sopsmith.postgres.endpoint import Endpoint

KIND = "DatabaseRoles"
API_VERSION = "sopsmith.dev/v1alpha1"
Strategy = Literal["alternating", "in-place"]
_NOT_WRITTEN = {"others", "is_rotator"}  # fields that no document holds


class Secret(NamedTuple):
    """A password and the version of the value that it is; a stored value has none."""

    version: int | None
    password: Sensitive

    @property
    def text(self) -> str:
        """The password itself; PostgreSQL's are text."""
        return self.password.text() or ""


class Account(NamedTuple):
    """A password's roles, where they log in, and what it is and was."""

    app: str
    environment: str
    value: str  # the password's name in the recipe
    strategy: Strategy
    roles: tuple[str, ...]  # in slots a and b; or the one
    slot: str  # the one in use
    owner: str | None
    now: Secret
    before: Secret | None
    urls: Mapping[str, Endpoint]  # by their names in the recipe
    rotator: Endpoint | None
    others: tuple[Secret, ...] = ()  # other versions, nearest first
    is_rotator: bool = False  # of another account

    @property
    def active(self) -> str:
        """The role that the application uses."""
        return self.roles[1 if self.slot == "b" else 0]

    @property
    def other(self) -> str | None:
        """Of alternating roles, the one that it does not use (any more)."""
        return self.roles[0 if self.slot == "b" else 1] if len(self.roles) == 2 else None

    @property
    def names(self) -> tuple[str, ...]:
        """All roles that belong to it: those that log in, their owner and the rotator."""
        rotator = self.rotator.user if self.rotator else None
        return (*self.roles, *filter(None, (self.owner, rotator)))

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases that its URLs name."""
        return tuple(dict.fromkeys(each.database for each in self.urls.values()))

    @property
    def marked(self) -> str:
        """The role whose comment says which version was applied last."""
        return self.owner or self.active

    def as_of_before(self) -> Account | None:
        """The account before its last rotation; None where nothing is known of that."""
        if self.before is None:
            return None
        role, slot = self.active, self.slot
        if self.other is not None:
            role, slot = self.other, "a" if self.slot == "b" else "b"
        urls = {name: to.of(role, self.before.password) for name, to in self.urls.items()}
        return self._replace(slot=slot, now=self.before, before=self.now, urls=urls)

    @property
    def title(self) -> str:
        """What is meant, for people."""
        version = "" if self.now.version is None else f" version {self.now.version}"
        return f"{self.value}{version}"


def of(recipe: Recipe, access: Access, values: Values, previous: Values) -> Account:
    """The account of one password among these values.

    Raises ValueError, with no value in it, where its URLs or names are not what PostgreSQL takes,
    and KeyError with the name of a value that is absent.
    """
    value = recipe.values[access.password]
    role = value.role
    if role is None:
        raise ValueError("is the password of no role")
    urls = {name: _endpoint(name, values) for name in access.urls}
    names = tuple(values[name].text() or "" for name in access.users)
    before = previous.get(access.password)
    was = value.previous.version if value.previous else None
    return Account(
        app=recipe.app,
        environment=recipe.environment,
        value=value.name,
        strategy=role.strategy,
        roles=names or tuple(dict.fromkeys(each.user for each in urls.values()))[:1],
        slot=value.slot or "a",
        owner=role.owner,
        now=Secret(_version(value.origin, value.version), values[access.password]),
        before=None if before is None else Secret(_version(value.origin, was), before),
        urls=urls,
        rotator=None if access.rotator is None else _endpoint(access.rotator, values),
    )


def related(accounts: Iterable[Account]) -> list[Account]:
    """The accounts, each of which knows whether it is the rotator of another."""
    found = list(accounts)
    logins = {(to.place, to.user) for to in (each.rotator for each in found) if to is not None}
    return [
        each._replace(
            is_rotator=each.rotator is None
            and any((to.place, to.user) in logins for to in each.urls.values())
        )
        for each in found
    ]


def _version(origin: str, version: int | None) -> int | None:
    return version if origin == "generated" else None


def _endpoint(name: str, values: Values) -> Endpoint:
    try:
        return endpoint.parse(values[name].text() or "")
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


# --- as a document --------------------------------------------------------------------------------


def document(accounts: Iterable[Account]) -> str:
    """The accounts as JSON: it holds passwords, so it belongs into a Secret."""
    tree = {"apiVersion": API_VERSION, "kind": KIND, "roles": [_tree(a) for a in accounts]}
    return json.dumps(tree, sort_keys=True, separators=(",", ":"))


def _tree(account: Account) -> dict[str, Any]:
    fields = {name: each for name, each in account._asdict().items() if name not in _NOT_WRITTEN}
    fields["now"] = _secret_tree(account.now)
    fields["before"] = None if account.before is None else _secret_tree(account.before)
    fields["urls"] = {name: _endpoint_tree(each) for name, each in account.urls.items()}
    fields["rotator"] = None if account.rotator is None else _endpoint_tree(account.rotator)
    return fields


def _secret_tree(secret: Secret) -> dict[str, Any]:
    return {"version": secret.version, "password": secret.text}


def _endpoint_tree(each: Endpoint) -> dict[str, Any]:
    password = None if each.password is None else each.password.text()
    return {**each._asdict(), "options": dict(each.options), "password": password}


def read(data: bytes) -> tuple[Account, ...]:
    """The accounts of a document; raises ValueError, without its text, where it is none."""
    try:
        tree = json.loads(data)
        if (tree["apiVersion"], tree["kind"]) != (API_VERSION, KIND):
            raise ValueError
        return tuple(_account(each) for each in tree["roles"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        raise ValueError("is not what rolesOf derives") from None


def _account(tree: Mapping[str, Any]) -> Account:
    if set(tree) != set(Account._fields) - _NOT_WRITTEN:
        raise ValueError
    before, rotator = tree["before"], tree["rotator"]
    return Account(
        app=_text(tree["app"]),
        environment=_text(tree["environment"]),
        value=_text(tree["value"]),
        strategy="alternating" if tree["strategy"] == "alternating" else "in-place",
        roles=tuple(map(_text, _some(tree["roles"]))),
        slot=_text(tree["slot"]),
        owner=None if tree["owner"] is None else _text(tree["owner"]),
        now=_secret(tree["now"]),
        before=None if before is None else _secret(before),
        urls={name: _login(each) for name, each in _some(tree["urls"].items())},
        rotator=None if rotator is None else _login(rotator),
    )


def _some(found: Iterable[Any]) -> list[Any]:
    """As a list, which has to hold something."""
    if not (some := list(found)):
        raise ValueError
    return some


def _secret(tree: Mapping[str, Any]) -> Secret:
    version = tree["version"]
    return Secret(None if version is None else int(version), Sensitive(_text(tree["password"])))


def _login(tree: Mapping[str, Any]) -> Endpoint:
    password = tree["password"]
    return Endpoint(
        host=_text(tree["host"]),
        port=_text(tree["port"]),
        database=_text(tree["database"]),
        user=_text(tree["user"]),
        password=None if password is None else Sensitive(_text(password)),
        options={_taken(name): _text(each) for name, each in tree["options"].items()},
        scheme=_text(tree["scheme"]),
    )


def _taken(option: str) -> str:
    """An option that a URL may have, and no other of libpq's."""
    if option not in endpoint.TAKEN:
        raise ValueError
    return option


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError
    value.encode()  # half a surrogate pair is no text
    return value
