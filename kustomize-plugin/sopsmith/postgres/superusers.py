"""Superusers that have a password of the application's, which no rotation takes away. Pure.

PostgreSQL's image makes one of POSTGRES_USER and POSTGRES_PASSWORD. A comment notes which password
it has, as at any role of ours: who can't read verifiers tries that one, and no other.
"""

from __future__ import annotations

from collections.abc import Iterator

from sopsmith.postgres import statements, versions
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.applied import identity
from sopsmith.postgres.observation import Mark, Observed
from sopsmith.postgres.plan import Change, Plan
from sopsmith.postgres.versions import Held


def by_verifier(account: Account, seen: Observed) -> tuple[Held, ...]:
    """Those that have a password which git says or said, as far as verifiers may be read."""
    searched = (
        versions.by_verifier((Held(role, each) for each in _secrets(account)), seen)
        for role in _foreign(account, seen)
    )
    return tuple(each.held for each in searched if each.held)


def noted(account: Account, seen: Observed) -> tuple[Held, ...]:
    """The passwords that they were last known to have."""
    notes = {role: _note(account, role, seen) for role in _foreign(account, seen)}
    return tuple(
        Held(role, each)
        for role, note in notes.items()
        for each in _secrets(account)
        if note is not None and note.version == each.version
    )


def noting(account: Account, seen: Observed) -> Plan:
    """Make the notes true, for who reads verifiers; a comment that is somebody else's stays."""
    return tuple(_noting(account, seen))


def _noting(account: Account, seen: Observed) -> Iterator[Change]:
    found = {each.role: each.secret for each in by_verifier(account, seen)}
    for role in _foreign(account, seen):
        note, secret = _note(account, role, seen), found.get(role)
        if secret is None and note is not None:
            words = f"{role} is noted to have no password of {account.value} any more"
            yield Change(words, (statements.mark(role, ""),))
        elif secret is not None and (note or not seen.comment(role)):
            new = Mark(*identity(account), account.slot, secret.version, None)
            if note is None or note.version != new.version:
                words = f"{role} is noted to have {_named(account, secret)}"
                yield Change(words, (statements.mark(role, new.text),))


def words(account: Account, held: Held) -> str:
    """That it is so, and what ends it."""
    return f"{state(account, held)}: {remedy(held.role)}"


def state(account: Account, held: Held) -> str:
    """That it is so."""
    secret = _named(account, held.secret)
    return f"{held.role}, a superuser, has {secret}, and no rotation takes it away"


def remedy(role: str) -> str:
    """What a person does: psql hashes the new password before it sends it."""
    named = statements.name(role)
    return (
        f"once no application logs in as it, \\password {named} in psql gives it another; or, where"
        f" psql needs none, ALTER ROLE {named} PASSWORD NULL"
    )


def _named(account: Account, secret: Secret) -> str:
    return f"{versions.named(account, secret)} of {account.value}"


def _secrets(account: Account) -> list[Secret]:
    return [each for each in (account.now, account.before, *account.others) if each is not None]


def _foreign(account: Account, seen: Observed) -> list[str]:
    """The superusers that may log in and are none of the account's own roles."""
    return [
        role
        for role, there in seen.roles.items()
        if there.is_superuser and there.can_log_in and role not in account.names
    ]


def _note(account: Account, role: str, seen: Observed) -> Mark | None:
    mark = seen.mark(role)
    return mark if mark is not None and mark[:3] == identity(account) else None
