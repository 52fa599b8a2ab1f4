"""What a server was last made to accept, beside what git says now. Pure."""

from __future__ import annotations

from sopsmith.postgres.account import Account
from sopsmith.postgres.observation import Mark


def identity(account: Account) -> tuple[str, str, str]:
    """Whose mark it is: application, environment and value."""
    return account.app, account.environment, account.value


def served(account: Account, mark: Mark | None) -> Account:
    """The account as the database was last made to accept it: where git is rotations ahead, that
    of before. Else the role in its way could never be closed, and it never applied.

    Git knows no more of the password than of the one before; without it, there are no URLs.
    """
    earlier = account.as_of_before()
    if mark is None or earlier is None or mark.slot == account.slot:
        return account
    if earlier.now.version == mark.version:
        return earlier
    if not is_earlier(mark.version, account.now.version):
        return account
    return earlier._replace(now=earlier.now._replace(version=mark.version), urls={})


def is_last(account: Account, mark: Mark | None) -> bool:
    """Whether what git says is what was applied last."""
    return mark is not None and (mark.slot, mark.version) == (account.slot, account.now.version)


def is_retired(account: Account, mark: Mark | None) -> bool:
    """Whether what git says is older than what may come back."""
    return mark is not None and is_earlier(account.now.version, mark.lowest)


def is_earlier(version: int | None, than: int | None) -> bool:
    """Whether both are known and one is the older."""
    return version is not None and than is not None and version < than
