"""`sopsmith postgres bootstrap`: once, as a superuser, so that a rotator can do the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sopsmith import report, repository
from sopsmith.components import placement
from sopsmith.database import accounts, bootstrapping, ways
from sopsmith.database.accounts import Source
from sopsmith.database.applying import Way
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import endpoint
from sopsmith.postgres.channel import Channel
from sopsmith.voice import Session


def bootstrap(
    session: Session, source: Source, *, superuser: str | None, via: str | None, output: str
) -> int:
    """Make roles and rights of every password of a role; print what was done."""
    way = ways.real(session.env, via)
    found = accounts.accounts(source, session.env)
    done: dict[str, None] = {}
    with _channel(session, source, way, superuser) as channel:
        for account in found:
            done |= dict.fromkeys(bootstrapping.bootstrap(account, channel, way))
        told = bootstrapping.warnings(found, channel)
    if output == "json":
        session.write(report.as_json({"changes": list(done), "warnings": list(told)}))
    else:
        session.write("".join(f"changed  {words}\n" for words in done))
        session.say("".join(f"sopsmith: warning: {words}\n" for words in told))
    return 0


@contextmanager
def _channel(
    session: Session, source: Source, way: Way, superuser: str | None
) -> Iterator[Channel]:
    if way.via is not None:
        with way.via() as channel:
            yield channel
        return
    if superuser is None or source.path is not None:
        message = "only a superuser can do it"
        hint = (
            "--as NAME, a value that is its URL; or --via 'kubectl exec -i … -- psql -U postgres'"
        )
        raise SopsmithError(Finding("usage", message, hint=hint))
    leaf = repository.leaf(source.where, session.env, [superuser])
    placement.declared(leaf.recipe, superuser)
    text = accounts.checked(leaf).values[superuser].text() or ""
    try:
        to = endpoint.parse(text)
    except ValueError as error:
        raise SopsmithError(Finding("db-roles", str(error), field=superuser)) from None
    with way.session(to, superuser) as channel:
        yield channel
