"""What has to change on a server so that it accepts what git says, or why nothing may. Pure.

Of two alternating roles one is changed while nobody can be using it: it is new or closed; or open
and just as it was when `recover` saw that nobody holds what it has. Whatever else is asked is
refused before any harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import statements
from sopsmith.postgres.account import Account
from sopsmith.postgres.applied import identity, is_last
from sopsmith.postgres.observation import Mark, Observed
from sopsmith.postgres.refusals import check_rights, check_server, freeing, in_use, still_used

Verifier = Callable[[str, str], str]
"""Makes the verifier of a password for a role: (password, role) → text."""


class Change(NamedTuple):
    """One change of a role."""

    words: str
    statements: tuple[str, ...]


Plan = tuple[Change, ...]


def sql(plan: Plan) -> tuple[str, ...]:
    """The statements of a plan, in their order."""
    return tuple(line for change in plan for line in change.statements)


def words(plan: Plan) -> tuple[str, ...]:
    """What a plan changes, for people."""
    return tuple(change.words for change in plan if change.words)


# --- apply ----------------------------------------------------------------------------------------


def apply(
    account: Account, seen: Observed, *, accepts: bool, verifier: Verifier,
    unused: Observed | None = None,
) -> Plan:  # fmt: skip
    """The changes that let the application log in with what git says; none where it can.

    `accepts`: the active role has this password already. `unused`: the server when it was found out
    that nobody holds the password of an open role: while it is like that, changing it harms nobody.
    Raises SopsmithError: db-standby, foreign-owner, db-retired, db-in-use, db-other-app,
    db-privilege, db-adopt.
    """
    check_server(account, seen)
    if account.strategy == "in-place":
        return _in_place(account, seen, accepts=accepts, verifier=verifier)
    return _alternating(account, seen, accepts=accepts, verifier=verifier, unused=unused)


def marking(account: Account, seen: Observed, lowest: int | None = None) -> Plan:
    """The comment that says what is applied now; nothing where it says so already."""
    new = _mark(account, seen, lowest)
    is_there = new == seen.mark(account.marked)
    return () if is_there else (Change("", (statements.mark(account.marked, new.text),)),)


def _marked(account: Account, seen: Observed, plan: Sequence[Change]) -> Plan:
    """The plan, and the comment, which is told where nothing else changes."""
    words = "" if plan else f"{account.title} is noted as applied last"
    return (*plan, *(each._replace(words=words) for each in marking(account, seen)))


def _mark(account: Account, seen: Observed, lowest: int | None = None) -> Mark:
    old = seen.mark(account.marked)
    known = [each for each in (lowest, old.lowest if old else None) if each is not None]
    lowest = max(known, default=None)
    return Mark(*identity(account), account.slot, account.now.version, lowest)


def _alternating(
    account: Account, seen: Observed, *, accepts: bool, verifier: Verifier, unused: Observed | None
) -> Plan:
    owner = account.owner or ""
    plan = [*owned(owner, seen)]
    for role in account.roles:
        plan += joined(role, account, seen)
    if not accepts:
        active = seen.roles.get(account.active)
        if active is not None and active.can_log_in and not _is_as_it_was(account, seen, unused):
            raise SopsmithError(in_use(account, active, seen.mark(owner)))
        hashed = verifier(account.now.text, account.active)
        words = f"{account.active} gets the password of {account.title}"
        plan.append(Change(words, (statements.open_role(account.active, hashed),)))
    changes = _marked(account, seen, plan)
    check_rights(account, seen, changes)
    return changes


def _is_as_it_was(account: Account, seen: Observed, then: Observed | None) -> bool:
    """Whether the active role, and what was applied last, is what it was at that time."""
    if then is None:
        return False
    return (seen.roles.get(account.active), seen.mark(account.marked)) == (
        then.roles.get(account.active), then.mark(account.marked)
    )  # fmt: skip


def owned(owner: str, seen: Observed) -> Plan:
    """The owner, made where it is not there; raises SopsmithError (db-adopt)."""
    there = seen.roles.get(owner)
    if there is None:
        return (Change(f"{owner} is made, the owner", (statements.create_owner(owner),)),)
    if there.can_log_in:
        message = f"{owner} can log in, so it can't be the owner of alternating roles"
        hint = f"name a new owner in the recipe; then sopsmith postgres adopt --role {owner}"
        raise SopsmithError(Finding("db-adopt", message, hint=hint))
    return ()


def joined(role: str, account: Account, seen: Observed) -> Plan:
    """One of the two, made where it is not there, in the owner; raises SopsmithError (db-adopt)."""
    owner, there = account.owner or "", seen.roles.get(role)
    create = () if there else (statements.create_login(role),)
    if there and there.is_superuser:
        message = f"{role} is a superuser"
        hint = f"name two other roles in the recipe; then sopsmith postgres adopt --role {role}"
        raise SopsmithError(Finding("db-adopt", message, hint=hint))
    if there and owner in there.member_of and there.becomes == owner:
        return ()
    if there and there.has_things:
        message = f"{role} has objects or rights of its own, which its sessions would lose"
        hint = f"sopsmith postgres adopt -e {account.environment} {account.value} --role {role}"
        raise SopsmithError(Finding("db-adopt", message, field=account.value, hint=hint))
    words = f"{role} {'joins' if there else 'is made, in'} {owner}"
    return (Change(words, (*create, *statements.join(role, owner))),)


def _in_place(account: Account, seen: Observed, *, accepts: bool, verifier: Verifier) -> Plan:
    role = account.active
    there = seen.roles.get(role)
    is_self = seen.user == role
    if there is None and not accepts:
        message = f"the role {role} does not exist"
        hint = f"sopsmith postgres bootstrap -e {account.environment}"
        raise SopsmithError(Finding("db-privilege", message, field=account.value, hint=hint))
    plan: list[Change] = []
    if not accepts:
        hashed = verifier(account.now.text, role)
        words = f"{role} gets the password of {account.title}"
        change = statements.set_password if is_self else statements.open_role
        plan.append(Change(words, (change(role, hashed),)))
    changes = _marked(account, seen, plan) if there and there.is_ours else tuple(plan)
    if not is_self:
        check_rights(account, seen, changes)
    return changes


# --- reinstating, undoing, retiring ---------------------------------------------------------------


def reinstate(earlier: Account, seen: Observed, then: Observed, verifier: Verifier) -> Plan:
    """Give the role of before its password back, which pods hold; `earlier` is the account as it
    was then, and `then` the server when that was found out.

    Raises SopsmithError: db-in-use where the role is open and not as it was, db-privilege, and what
    `check_server` raises.
    """
    check_server(earlier, seen)
    role, there = earlier.active, seen.roles.get(earlier.active)
    if there is not None and there.can_log_in and not _is_as_it_was(earlier, seen, then):
        raise SopsmithError(in_use(earlier, there, seen.mark(earlier.marked)))
    opened = statements.open_role(role, verifier(earlier.now.text, role))
    plan = (Change(f"{role} gets back the password of {earlier.title}", (opened,)),)
    check_rights(earlier, seen, plan)
    return plan


def undo(account: Account, seen: Observed, verifier: Verifier) -> Plan:
    """Put the active role back to what it was when it was looked at, after a change that no login
    confirms; an in-place password whose verifier nobody could read goes back to the previous one.
    None where nobody knows what it was, or where it had expired. It fails where somebody applied
    something else since then.
    """
    role = account.active
    was = seen.roles.get(role)
    words = f"{role} is as it was"
    if account.strategy == "in-place" and was and was.has_login and not was.can_log_in:
        return ()
    if was is None or not was.can_log_in:
        back = statements.close_role(role)
    elif account.strategy == "alternating":
        known = was.verifier
        back = statements.open_role(role, known) if known else statements.close_role(role)
    elif was.verifier:
        back, words = statements.set_password(role, was.verifier), f"{role} has its former password"
    elif account.before is not None:
        hashed = verifier(account.before.text, role)
        back, words = statements.set_password(role, hashed), f"{role} has the previous password"
    else:
        return ()
    old = seen.comment(account.marked)
    is_markable = account.strategy == "alternating" or (was is not None and was.is_ours)
    if not is_markable:
        return (Change(words, (back,)),)
    guard = statements.unchanged(account.marked, _mark(account, seen).text)
    return (Change(words, (guard, back, statements.mark(account.marked, old or ""))),)


def retire(account: Account, seen: Observed, consumers: Sequence[str]) -> Plan:
    """Close the role that the application does not use any more; none where it is closed.

    `consumers`: who still refers to it. Raises SopsmithError: db-in-use, usage (one role alone),
    and what `check_server` raises.
    """
    check_server(account, seen)
    other = account.other
    if other is None:
        message = "has one role, which stays in use"
        raise SopsmithError(Finding("usage", message, field=account.value))
    there = seen.roles.get(other)
    if there is None or not there.has_login:
        return ()
    mark = seen.mark(account.marked)
    if not is_last(account, mark):
        message = f"{account.active} is not known to be in use: {account.title} was not applied"
        hint = f"sopsmith postgres apply -e {account.environment}"
        if mark is not None and mark.slot == account.slot:  # which apply would refuse
            hint = freeing(account, mark)
        raise SopsmithError(Finding("db-in-use", message, field=account.value, hint=hint))
    if consumers or there.sessions:
        raise SopsmithError(still_used(account, other, there, consumers))
    close = Change(f"{other} is closed", (statements.close_role(other),))
    return (close, *marking(account, seen, lowest=account.now.version))
