"""PostgreSQL's passwords in a recipe: what belongs to one, and what is wrong with it. Pure.

A password says how it is changed (`role`); whose it is, and where it logs in, its URLs say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sopsmith.findings import Finding
from sopsmith.model import Access, Alternate, DatabaseRoles, Recipe, Ref, Role, Template, Url, Value
from sopsmith.recipes.resolve import Resolved


def linked(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values, those for databases with the names of all that they are derived from."""
    return {name: _linked(value, values) for name, value in values.items()}


def _linked(value: Value, values: Mapping[str, Value]) -> Value:
    derivation = value.derivation
    if not isinstance(derivation, DatabaseRoles):
        return value
    passwords = tuple(access(each.password, values) for each in derivation.passwords)
    return value._replace(derivation=derivation._replace(passwords=passwords))


def access(name: str, values: Mapping[str, Value]) -> Access:
    """What belongs to the password of this name."""
    role = values[name].role if name in values else None
    urls = tuple(each for each in _urls(values) if _is(_url(values, each).password, name))
    users: tuple[str, ...] = ()
    if role is not None and role.strategy == "alternating":
        users = next(filter(None, (_users(_url(values, url), values) for url in urls)), ())
    return Access(name, users, urls, role.rotator if role else None)


def passwords(recipe: Recipe) -> tuple[Access, ...]:
    """What belongs to each password of a role in the recipe; those that need no rotator first.

    A rotator's own password is one of these, and has to be right before it changes others.
    """
    found = [access(name, recipe.values) for name, value in recipe.values.items() if value.role]
    return tuple(sorted(found, key=lambda each: each.rotator is not None))


def _urls(values: Mapping[str, Value]) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value.derivation, Url) and is_postgres(value.derivation):
            yield name


def is_postgres(url: Url) -> bool:
    """Whether a URL is one of PostgreSQL's, with a driver's name behind the scheme or not."""
    scheme = "".join(part for part in url.scheme if isinstance(part, str))
    return scheme.partition("+")[0] in ("postgres", "postgresql")


def _url(values: Mapping[str, Value], name: str) -> Url:
    derivation = values[name].derivation
    assert isinstance(derivation, Url)  # noqa: S101 - `_urls` gave the name
    return derivation


def _is(template: Template | None, name: str) -> bool:
    """Whether a part of a URL is this value and nothing else."""
    return template == (Ref(name),)


def _users(url: Url, values: Mapping[str, Value]) -> tuple[str, ...]:
    """The names of the values with the two roles' names, where the URL's user is one of two."""
    names = [part.name for part in url.user or () if isinstance(part, Ref)]
    chosen = values[names[0]].derivation if names and names[0] in values else None
    return (chosen.a, chosen.b) if isinstance(chosen, Alternate) else ()


def unset(recipe: Recipe, names: Iterable[str]) -> Iterator[Finding]:
    """Which of these passwords a running database keeps, as no role says how it is changed."""
    for name in names:
        urls = access(name, recipe.values).urls
        if urls and recipe.values[name].role is None:
            message = f"the running database of {', '.join(urls)} keeps the password that it has"
            hint = (
                "say beside it role: {strategy: in-place}, and then"
                f" sopsmith postgres apply -e {recipe.environment} --via 'COMMAND … psql' sets it;"
                " two roles that take turns (strategy: alternating) are not shut out meanwhile"
            )
            yield Finding("db-unset", message, recipe.file, name, hint)


def first_starts(recipe: Recipe) -> Iterator[Finding]:
    """Secrets of which PostgreSQL's image makes one of two alternating roles a superuser: those of
    a steady name, which a server reads once, with the password under the name that it goes by."""
    for secret in recipe.secrets:
        value = recipe.values.get(secret.data.get("POSTGRES_PASSWORD", ""))
        role = None if value is None else value.role
        if secret.hash or value is None or role is None or role.strategy != "alternating":
            continue
        message = f"a new server makes a superuser with {value.name}, which is an application's"
        hint = (
            "name another role with a password of its own: data: {POSTGRES_USER: SUPERUSER, "
            "POSTGRES_PASSWORD: SUPERUSER_PASSWORD, …}; nothing is wrong where no server starts "
            "with it"
        )
        field = f"spec.secrets.{secret.handle}"
        yield Finding("db-first-start", message, recipe.file, field, hint)


# --- what is wrong --------------------------------------------------------------------------------


def problems(recipe: Recipe, resolved: Resolved) -> Iterator[Finding]:
    """What keeps `sopsmith postgres` from knowing whose a password is."""
    for name, value in recipe.values.items():
        if value.role is not None:
            yield from _of_role(recipe, value, value.role, resolved)
        if isinstance(value.derivation, DatabaseRoles):
            for each in value.derivation.passwords:
                asked = recipe.values.get(each.password)
                if asked is not None and asked.role is None:
                    message = f"{each.password} is the password of no role"
                    hint = f"say how it is changed: {each.password}: {{role: {{strategy: …}}}}"
                    where = resolved.where("values", name, "derive")
                    yield Finding("recipe-value", message, *where, hint)


def _of_role(recipe: Recipe, value: Value, role: Role, resolved: Resolved) -> Iterator[Finding]:
    where = resolved.where("values", value.name, "role")
    mine = access(value.name, recipe.values)
    if value.origin == "derived":
        yield Finding("recipe-value", "a derived value is no role's password", *where)
    if not mine.urls:
        hint = f"derive one: url: {{scheme: postgresql, password: $({value.name}), …}}"
        yield Finding("recipe-incomplete", "no PostgreSQL URL has it as its password", *where, hint)
    if role.rotator is not None:
        yield from _of_rotator(recipe, value, role.rotator, where)
    if role.strategy == "in-place":
        if role.owner is not None:
            message = "has a meaning for alternating roles alone"
            yield Finding("recipe-value", message, where[0], f"{where[1]}.owner")
        return
    for field in ("owner", "rotator"):
        if getattr(role, field) is None:
            yield Finding("recipe-incomplete", "must be given", where[0], f"{where[1]}.{field}")
    yield from _of_alternating(recipe, value, mine, where)


def _of_alternating(
    recipe: Recipe, value: Value, mine: Access, where: tuple[str, str]
) -> Iterator[Finding]:
    if value.origin not in ("generated", "stored"):
        message = f"a {value.origin} value does not alternate: nothing rotates it"
        yield Finding("recipe-value", message, *where, "strategy: in-place")
    for url in mine.urls:
        user = _url(recipe.values, url).user or ()
        names = [part.name for part in user if isinstance(part, Ref)]
        chosen = recipe.values[names[0]].derivation if names and names[0] in recipe.values else None
        is_right = len(user) == 1 and isinstance(chosen, Alternate)
        if not is_right or not isinstance(chosen, Alternate) or chosen.slot_of != value.name:
            alternate = f"alternate: {{a: …, b: …, slotOf: {value.name}}}"
            hint = f"user: $(NAME), NAME: {{derive: {{{alternate}}}}}"
            message = f"the user of {url} does not alternate with it"
            yield Finding("recipe-value", message, *where, hint)


def _of_rotator(
    recipe: Recipe, value: Value, name: str, where: tuple[str, str]
) -> Iterator[Finding]:
    field = f"{where[1]}.rotator"
    rotator = recipe.values.get(name)
    if rotator is None:
        yield Finding("recipe-name", f"{name} is no declared value", where[0], field)
    elif not isinstance(rotator.derivation, Url) or not is_postgres(rotator.derivation):
        message = f"{name} is derived as no PostgreSQL URL"
        yield Finding("recipe-value", message, where[0], field)
    elif _is(rotator.derivation.password, value.name):
        message = "would change its own password with it"
        hint = "another role's URL; a role that changes its own needs no rotator"
        yield Finding("recipe-value", message, where[0], field, hint)
