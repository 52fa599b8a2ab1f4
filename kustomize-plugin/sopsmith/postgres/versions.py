"""Which version of a password a database holds, where it is not the one that git says. Pure.

A rotation that nobody applied, a `git revert`, a restored backup: the database has an older or a
newer version, which the same seed gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from sopsmith.postgres import scram
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.observation import Mark, Observed

MOST = 200  # versions that verifiers are compared with; fewer where one costs more than by default
NEWER = 3  # of these: a revert of so many rotations
PROBES = 4  # logins, where no verifier can be read: servers lock out who tries passwords


class Held(NamedTuple):
    """A password of the account that a role has."""

    role: str
    secret: Secret

    def words(self, account: Account) -> str:
        """For people."""
        name = named(account, self.secret)
        return name if self.role == account.active else f"{name}, of {self.role}"


class Search(NamedTuple):
    """What came of looking for a password, and how many it was compared with."""

    held: Held | None
    tried: int
    is_retired: bool = False  # what git says: then it never comes back


def named(account: Account, secret: Secret) -> str:
    """A password of the account, for people; a stored one has no version."""
    if secret.version is not None:
        return f"version {secret.version}"
    return "the previous one" if secret is account.before else "the current one"


def nearest(now: int) -> Iterator[int]:
    """The versions around this one, without it, nearest first, the older of two before the newer.

    At most MOST, down to 1, and at most NEWER above it.
    """
    both = (each for far in range(1, MOST + 1) for each in (now - far, now + far))
    return islice((each for each in both if 1 <= each <= now + NEWER), MOST)


def candidates(account: Account, mark: Mark | None) -> list[Held]:
    """What the roles may have instead of the current password of the active one, likeliest first.

    That is what was applied last, then the previous password where it was in use, then those that
    were the active role's: of two roles that took turns, every other one.
    """
    active, other = account.active, account.other
    before = account.before

    def rank(each: Held) -> int:
        if _is_marked(account, each, mark):
            return 0
        if each.secret is before and each.role == (other or active):
            return 1
        if each.role != active:
            return 4
        return 2 if other is None or _is_even(account, each.secret) else 3

    secrets = [account.now, *([before] if before else []), *account.others]
    found = [Held(role, each) for role in account.roles for each in secrets]
    return sorted((h for h in found if h != Held(active, account.now)), key=rank)


def _is_marked(account: Account, each: Held, mark: Mark | None) -> bool:
    if mark is None or each.secret.version is None:
        return False
    role = account.roles[1 if mark.slot == "b" and account.other else 0]
    return (each.role, each.secret.version) == (role, mark.version)


def _is_even(account: Account, secret: Secret) -> bool:
    """Whether a version was of the role that the current one is of, if they took turns."""
    return ((account.now.version or 0) - (secret.version or 1)) % 2 == 0


def by_verifier(found: Iterable[Held], seen: Observed) -> Search:
    """The first of these that a verifier on the server is of: nothing is asked of the server."""
    tried: Counter[str] = Counter()
    for each in found:
        there = seen.roles.get(each.role)
        stored = there.verifier if there and there.can_log_in else None
        if stored is not None and tried[each.role] < scram.affordable(stored, MOST):
            tried[each.role] += 1
            if scram.is_of(stored, each.secret.text, each.role):
                return Search(each, tried.total())
    return Search(None, tried.total())


def unread(found: Iterable[Held], seen: Observed | None) -> Iterator[Held]:
    """Those of roles that may log in, as far as is known, and whose verifier nobody could read."""
    for each in found:
        there = None if seen is None else seen.roles.get(each.role)
        if seen is None or (there and there.can_log_in and there.verifier is None):
            yield each
