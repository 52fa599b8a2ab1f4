"""A superuser's way to a server: by a value that is its URL, or by break-glass."""

from __future__ import annotations

from collections.abc import Mapping

from sopsmith import repository
from sopsmith.components import placement
from sopsmith.database import accounts
from sopsmith.database.accounts import Source
from sopsmith.database.connecting import Way, WayIn
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import endpoint


def way_in(env: Mapping[str, str], source: Source, way: Way, superuser: str | None) -> WayIn:
    """The way in; raises SopsmithError: usage, db-roles, and what rendering raises."""
    if way.via is not None:
        return way.via
    if superuser is None or source.path is not None:
        message = "only a superuser can do it"
        hint = (
            "--as NAME, a value that is its URL; or --via 'kubectl exec -i … -- psql -U postgres'"
        )
        raise SopsmithError(Finding("usage", message, hint=hint))
    leaf = repository.leaf(source.where, env, [superuser])
    placement.declared(leaf.recipe, superuser)
    text = accounts.checked(leaf).values[superuser].text() or ""
    try:
        to = endpoint.parse(text)
    except ValueError as error:
        raise SopsmithError(Finding("db-roles", str(error), field=superuser)) from None
    return lambda name: way.session(to._replace(database=name) if name else to, superuser)
