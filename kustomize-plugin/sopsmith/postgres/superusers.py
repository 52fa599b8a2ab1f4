"""Superusers that have a password of the application's, which no rotation takes away. Pure.

PostgreSQL's image makes one of POSTGRES_USER and POSTGRES_PASSWORD. A comment notes which password
it has, as at any role of ours. Only who reads verifiers may say that it is so no more: git can't
make each password again that it once said, and a login that fails may lock a superuser out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sopsmith.postgres import scram, statements, versions
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.applied import identity
from sopsmith.postgres.observation import Mark, Observed
from sopsmith.postgres.plan import Change, Plan
from sopsmith.postgres.versions import Held


class Open(NamedTuple):
    """A superuser that a password of the account opens."""

    role: str
    password: str  # which one, for people
    is_seen: bool  # by its verifier; else it was when somebody last read that


def known(account: Account, seen: Observed) -> tuple[Open, ...]:
    """Those that have a password which git says or said, by their verifiers or else by notes."""
    return tuple(_known(account, seen))


def _known(account: Account, seen: Observed) -> Iterator[Open]:
    found = _by_verifier(account, seen)
    for role in _foreign(account, seen):
        note = _note(account, role, seen)
        if role in found:
            yield Open(role, versions.named(account, found[role]), is_seen=True)
        elif note is not None and _stands(note, role, seen):
            stored = "a stored version" if note.version is None else f"version {note.version}"
            yield Open(role, stored, is_seen=False)


def noting(account: Account, seen: Observed) -> Plan:
    """Make the notes true, for who reads verifiers; a comment that is somebody else's stays."""
    return tuple(_noting(account, seen))


def _noting(account: Account, seen: Observed) -> Iterator[Change]:
    found = _by_verifier(account, seen)
    for role in _foreign(account, seen):
        note, secret = _note(account, role, seen), found.get(role)
        if secret is None and note is not None and not _stands(note, role, seen):
            words = f"{role} is noted to have no password of {account.value} any more"
            yield Change(words, (statements.mark(role, ""),))
        elif secret is not None and (note or not seen.comment(role)):
            salt = scram.salt_shown(seen.roles[role].verifier or "")
            new = Mark(*identity(account), account.slot, secret.version, None, salt)
            if note is None or (note.version, note.salt) != (new.version, new.salt):
                named = versions.named(account, secret)
                words = f"{role} is noted to have {named} of {account.value}"
                yield Change(words, (statements.mark(role, new.text),))


def words(account: Account, each: Open) -> str:
    """That it is so, and what ends it."""
    return f"{state(account, each)}: {remedy(account, each.role)}"


def state(account: Account, each: Open) -> str:
    """That it is so."""
    has = "has" if each.is_seen else "was last seen to have"
    named = f"{each.password} of {account.value}"
    return f"{each.role}, a superuser, {has} {named}, and no rotation takes it away"


def remedy(account: Account, role: str) -> str:
    """What a person does: psql hashes the new password before it sends it."""
    named = statements.name(role)
    return (
        f"once no application logs in as it, \\password {named} in psql gives it another; or, where"
        f" psql needs none, ALTER ROLE {named} PASSWORD NULL; then, to have it noted,"
        f" sopsmith postgres bootstrap -e {account.environment}"
    )


def _by_verifier(account: Account, seen: Observed) -> dict[str, Secret]:
    """What they have of the passwords that can still be made, as far as verifiers may be read."""
    made = [each for each in (account.now, account.before, *account.others) if each is not None]
    searched = (
        versions.by_verifier((Held(role, each) for each in made), seen)
        for role in _foreign(account, seen)
    )
    return {each.held.role: each.held.secret for each in searched if each.held}


def _stands(note: Mark, role: str, seen: Observed) -> bool:
    """Whether a note has to be believed: the password is no other one while the salt is the same,
    and who may not look knows nothing better."""
    if not seen.can_read_verifiers:
        return True
    verifier = seen.roles[role].verifier
    return verifier is not None and note.salt in (None, scram.salt_shown(verifier))


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
