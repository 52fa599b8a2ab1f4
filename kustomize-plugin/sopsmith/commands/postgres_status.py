"""`sopsmith postgres status` and `recover`: git, database and cluster, and what to do."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from sopsmith import report
from sopsmith.database import accounts, recovering, ways
from sopsmith.database.accounts import Source
from sopsmith.database.consuming import Cluster
from sopsmith.database.failures import repeatable, telling
from sopsmith.database.recovering import Recovered
from sopsmith.database.standing import standing
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, one_line
from sopsmith.postgres import presence, recovery, superusers, versions
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.recovery import Decision, Standing
from sopsmith.voice import Session

_OF_ONE = (5, 6)  # exit codes of what stops one account: refused, or half done
_MOST = 3  # Secrets that the table names for a role; --output json has them all
_HEADER = ("VALUE", "ROLE", "GIT", "DATABASE", "SESSIONS", "CLUSTER", "USED BY")


def status(
    session: Session, source: Source, cluster: Cluster, *, via: str | None, output: str
) -> int:
    """Print what each side has; the exit code is 1 where something is to be done or waited for."""
    way, meant = ways.real(session.env, via), accounts.accounts(source, session.env)
    live = cluster.live()
    session.say(live.place.told if live else "")
    found = []
    for account in meant:
        with repeatable(account, "status"):
            found.append(standing(account, way, live, probes=versions.PROBES))
    decided = [(each, recovery.decide(each)) for each in found]
    warned = [_warned(each) for each in found]
    if output == "json":
        trees = [{**_tree(*each), "warnings": words}
                 for each, words in zip(decided, warned, strict=True)]  # fmt: skip
        session.write(report.as_json(trees))
    else:
        session.write(_table(found, session.colour))
        session.write(session.again("".join(_verdict(*each) for each in decided)))
        session.say("".join(f"sopsmith: warning: {one_line(words)}\n"
                            for each in warned for words in each))  # fmt: skip
    return 0 if all(decision.action == "none" for _, decision in decided) else 1


def _warned(found: Standing) -> list[str]:
    open_to = superusers.known(found.account, found.seen)
    return [superusers.words(found.account, each) for each in open_to]


def recover(
    session: Session, source: Source, cluster: Cluster, *, grace: float, via: str | None,
    output: str,
) -> int:  # fmt: skip
    """Do the one right thing for each password; print what was found and done.

    One that has to wait, or must not be touched, keeps none of the others from it: that is raised
    at the end.
    """
    way, told = ways.real(session.env, via), ""
    done: list[Recovered] = []
    left: list[Finding] = []
    with telling(lambda: {"done": [_done(each) for each in done]}):
        session.say(accounts.at_risk(source, session.env))
        for account in accounts.accounts(source, session.env):
            with repeatable(account, "recover"):
                live = cluster.live()  # each time, as the one before may have taken its grace
                if live and live.place.told != told:
                    session.say(told := live.place.told)
                found = standing(account, way, live, probes=versions.PROBES)
            if output == "text":
                session.write(_table([found], session.colour))
            try:
                with repeatable(account, "recover"):
                    one = recovering.recover(
                        found, way, cluster.users, grace=grace, now=time.monotonic,
                        begins=ways.watching(session.say),
                        awaits=ways.watching(session.say, "whether somebody comes"),
                    )  # fmt: skip
            except SopsmithError as error:
                left += error.findings
                if exit_code(error.findings) not in _OF_ONE:
                    raise SopsmithError(left) from None
                continue
            done.append(one)
            _tell(session, one, output)
        if left:
            raise SopsmithError(left)
    if output == "json":
        session.write(report.as_json([_done(each) for each in done]))
    return 0


def _tell(session: Session, one: Recovered, output: str) -> None:
    session.say("".join(f"sopsmith: warning: {one_line(words)}\n" for words in _told(one)))
    if output == "text":
        session.write(session.again("".join(_lines(one))))


def _told(one: Recovered) -> Sequence[str]:
    return one.applied.warnings if one.applied else ()


def _verdict(found: Standing, decision: Decision) -> str:
    """What it means, and the command that puts it right, where one does."""
    words = f"{found.account.value}: {decision.words}\n"
    if decision.action == "look" and found.place is not None:
        return f"{words}hint: {presence.unseen(found.account, found.place).hint}\n"
    if decision.action in ("rotate", "ask"):
        return f"{words}hint: {recovery.advice(found)}\n"
    if decision.action in ("none", "wait"):
        return f"{words}hint: {decision.hint}\n" if decision.hint else words
    return f"{words}hint: sopsmith postgres recover -e {found.account.environment}\n"


def _lines(done: Recovered) -> Iterator[str]:
    yield f"found    {done.decision.words}\n"
    for words in done.applied.changes if done.applied else ():
        yield f"changed  {words}\n"
    hint = recovery.following(done.standing, done.decision)
    yield f"hint: {hint}\n" if hint else ""


def _done(each: Recovered) -> dict[str, Any]:
    """What was found, and what has changed since."""
    changes = each.applied.changes if each.applied else ()
    tree = _tree(each.standing, each.decision)
    return {**tree, "warnings": list(_told(each)), "changes": list(changes)}


def _table(found: Sequence[Standing], colour: bool) -> str:
    rows = [_row(each, role) for each in found for role in each.account.roles]
    return report.table(_HEADER, rows, colour)


def _row(each: Standing, role: str) -> tuple[str, ...]:
    account = each.account
    git = account.title if role == account.active else "-"
    cluster = "not asked" if each.secrets is None else _secrets(each, role)
    used = ", ".join(each.consumers.get(role, ())) or "-"
    other = each.others.get(role)
    held = versions.named(account, other) if other else _words(each, each.holds[role])
    held = held if role in each.seen.roles else "missing"
    return (account.value, role, git.removeprefix(f"{account.value} "), held,
            str(each.sessions(role)), cluster, used)  # fmt: skip


def _secrets(each: Standing, role: str) -> str:
    """Those that are read; of others, which stay where nobody prunes, how many there are."""
    those = [secret for secret in each.secrets or () if secret.role == role]
    shown = [secret for secret in those if secret.readers][:_MOST] or those[:1]
    said = [f"{secret.name} {_words(each, secret.holds)}" for secret in shown]
    more = len(those) - len(shown)
    return ", ".join(said) + (f" and {more} more" if more else "") or "-"


def _words(each: Standing, holds: recovery.Holds) -> str:
    known = _known(each.account, holds)
    if known is not None:
        return versions.named(each.account, known)
    return {"another": "another one", "nothing": "closed"}.get(holds, "not known")


def _known(account: Account, holds: recovery.Holds) -> Secret | None:
    return {"now": account.now, "before": account.before}.get(holds)


def _tree(each: Standing, decision: Decision) -> dict[str, Any]:
    account = each.account
    held = {role: each.others.get(role) or _known(account, each.holds[role])
            for role in account.roles}  # fmt: skip
    roles = [
        {"role": role, "active": role == account.active, "holds": each.holds[role],
         "version": secret and secret.version, "sessions": each.sessions(role),
         "usedBy": list(each.consumers.get(role, ()))}
        for role, secret in held.items()
    ]  # fmt: skip
    secrets = None if each.secrets is None else [s._asdict() for s in each.secrets]
    mark = each.mark if account.rotator else None  # of itself no role may note what it was given
    return {"value": account.value, "version": account.now.version, "slot": account.slot,
            "roles": roles, "cluster": each.place and each.place._asdict(), "secrets": secrets,
            "applied": mark and mark._asdict(),
            "action": decision.action, "words": decision.words}  # fmt: skip
