"""What must not be touched, and why: said before any harm. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import owners
from sopsmith.postgres.account import Account
from sopsmith.postgres.applied import identity, is_retired, served
from sopsmith.postgres.observation import Mark, Observed, Seen

# A role's name is the bytes that it was made with, and a login's are UTF-8.
_AS_SENT = ("UTF8", "SQL_ASCII")


def check_server(account: Account, seen: Observed, *, is_bootstrap: bool = False) -> None:
    """Refuse a server, or a version of the password, that must not be touched; `bootstrap` may
    touch what was retired, as it opens nothing with it.

    Raises SopsmithError: db-standby, db-failed (no such characters there), foreign-owner,
    db-other-app, db-retired.
    """
    if seen.in_recovery:
        hint = "name the primary in the rotator's URL"
        message = "the server is a standby or in recovery, which changes nothing"
        raise SopsmithError(Finding("db-standby", message, field=account.value, hint=hint))
    if seen.encoding not in _AS_SENT and not all(map(str.isascii, account.names)):
        raise SopsmithError(foreign_characters(account))
    owner = owners.owner_of(seen.others, seen.settings)
    if owner is not None:
        raise SopsmithError(owners.refusal(owner))
    mark = seen.mark(account.marked)
    if mark is None:
        return
    if (mark.app, mark.environment, mark.value) != identity(account):
        message = f"{account.marked} belongs to {mark.value} of {mark.app} in {mark.environment}"
        hint = "another database, or other names for the roles"
        raise SopsmithError(Finding("db-other-app", message, field=account.value, hint=hint))
    if is_retired(account, mark) and not is_bootstrap:
        message = f"version {account.now.version} was retired: the lowest is {mark.lowest}"
        raise SopsmithError(
            Finding("db-retired", message, field=account.value, hint=forward(account))
        )


def foreign_characters(account: Account) -> Finding:
    """Why a database is none to name these roles in."""
    message = "the database's encoding makes other names of those of the roles"
    hint = "name the roles in ASCII, or a database in UTF8"
    return Finding("db-failed", message, field=account.value, hint=hint)


def check_rotator(account: Account, name: str, seen: Observed) -> None:
    """Refuse a role of this name that is there for something else, whose password stays its own.

    Raises SopsmithError: db-privilege (a superuser), db-other-app.
    """
    there, mark = seen.roles.get(name), seen.mark(name)
    hint = "another database, or another name in the rotator's URL"
    if there is not None and there.is_superuser:
        message = f"{name} is a superuser, which no rotator needs to be"
        raise SopsmithError(Finding("db-privilege", message, field=account.value, hint=hint))
    if mark is not None and (mark.app, mark.environment) != identity(account)[:2]:
        message = f"{name} belongs to {mark.value} of {mark.app} in {mark.environment}"
        raise SopsmithError(Finding("db-other-app", message, field=account.value, hint=hint))


def check_rights(account: Account, seen: Observed, changes: Sequence[object]) -> None:
    """Before PostgreSQL says it in the middle of a plan; raises SopsmithError (db-privilege)."""
    mine = [name for name in (*account.roles, account.owner) if name in seen.roles]
    foreign = [name for name in mine if name and not seen.roles[name].is_ours]
    if changes and foreign and not seen.is_superuser:
        message = f"{seen.user} may not change {', '.join(foreign)}"
        hint = f"sopsmith postgres bootstrap -e {account.environment} gives it the right"
        raise SopsmithError(Finding("db-privilege", message, field=account.value, hint=hint))


def in_use(account: Account, active: Seen, mark: Mark | None) -> Finding:
    """Why an open role with another password stays as it is."""
    who = ""
    if active.sessions:
        names = ", ".join(sorted({each or "(no name)" for each in active.sessions})[:5])
        who = f", {len(active.sessions)} sessions of {names}"
    held = "another password"
    is_served = mark is not None and mark.slot == account.slot
    if mark is not None and is_served and mark.version not in (None, account.now.version):
        held = f"version {mark.version}"
    message = f"{account.active} is open with {held}, so pods may hold it{who}"
    hint = f"{freeing(account, mark)}; then sopsmith postgres apply -e {account.environment} again"
    return Finding("db-in-use", message, field=account.title, hint=hint)


def freeing(account: Account, mark: Mark | None) -> str:
    """What makes room for a password whose role is open with another one."""
    where = f"-e {account.environment}"
    if mark is not None and mark.slot == account.slot:
        return f"{rotation(account)} take the other role"
    if served(account, mark) is not account:
        return f"sopsmith postgres retire {where} closes it once nobody uses it"
    return f"sopsmith postgres recover {where} looks who holds it"


def unused(account: Account) -> str:
    """What ends the wait for somebody who does not come."""
    command = f"sopsmith postgres retire {account.value} -e {account.environment}"
    return f"where no application runs, or all have the new URL, {command} ends it"


def ahead(account: Account, former: str) -> str:
    """What frees the role of a password that is not applied, as the one of before still has it."""
    command = f"sopsmith postgres retire {account.value} -e {account.environment}"
    return f"{account.title} is not applied; once nobody uses {former}, {command} closes it"


def forward(account: Account) -> str:
    """What ends it where git says a version that was retired: forward, not back."""
    command = f"sopsmith postgres rotate {account.value} -e {account.environment} --now"
    return f"{command} goes forward, as nothing goes back"


def rotation(account: Account) -> str:
    """What rotates where `postgres rotate` refuses; pushed, so that it is not lost."""
    return f"sopsmith rotate {account.value} -e {account.environment} --commit and git push"


def break_glass(account: Account) -> str:
    """What helps where the way in itself has another password: `bootstrap` gives a rotator that of
    its URL, and no application's role another one."""
    is_rotator = account.is_rotator or account.rotator is not None
    verb = "bootstrap" if is_rotator else "apply"
    return f"sopsmith postgres {verb} -e {account.environment} --via 'COMMAND … psql' puts it right"


def still_used(account: Account, other: str, there: Seen, consumers: Sequence[str]) -> Finding:
    """Why a role that git does not name any more stays open."""
    sessions = sorted({each or "(no name)" for each in there.sessions})
    who = [*consumers, *(f"a session of {each}" for each in sessions)]
    shown = ", ".join(who[:10]) + (", …" if len(who) > 10 else "")
    hint = "restart or end them, then run it again; --grace says how long none may be seen"
    return Finding("db-in-use", f"{other} is still used: {shown}", field=account.value, hint=hint)
