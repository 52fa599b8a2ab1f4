"""`sopsmith postgres bootstrap`: once, as a superuser, so that a rotator can do the rest."""

from __future__ import annotations

from sopsmith import report
from sopsmith.database import accounts, administrator, bootstrapping, failures, ways
from sopsmith.database.accounts import Source
from sopsmith.findings import one_line
from sopsmith.voice import Session


def bootstrap(
    session: Session, source: Source, *, superuser: str | None, via: str | None, output: str
) -> int:
    """Make roles and rights of every password of a role; print what is so now."""
    way = ways.real(session.env, via)
    found = accounts.accounts(source, session.env)
    session.say(accounts.at_risk(source, session.env))
    done: dict[str, None] = {}
    telling = failures.telling(lambda: {"ensured": list(done)})
    with telling, administrator.way_in(session.env, source, way, superuser)(None) as channel:
        for account in found:
            new = [each for each in bootstrapping.bootstrap(account, channel, way)
                   if each not in done]  # fmt: skip
            done |= dict.fromkeys(new)
            if output == "text":  # as it goes: the next one may fail
                session.write("".join(f"ensured  {words}\n" for words in new))
        told = bootstrapping.warnings(found, channel)
    if output == "json":
        session.write(report.as_json({"ensured": list(done), "warnings": list(told)}))
    else:
        session.say("".join(f"sopsmith: warning: {one_line(words)}\n" for words in told))
    return 0
