"""Whether a look into a cluster was at the right place: else its silence tells nothing. Pure.

A mistyped namespace looks like one where nobody uses a role any more, and so does that of another
environment, whose roles may have the same names: only a password tells whose Secret it is.
"""

from __future__ import annotations

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.postgres import consumers
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live, Place


def is_shown(account: Account, live: Live) -> bool:
    """Whether a Secret there has a password of this account, read by a pod or not."""
    known = (account.now, account.before, *account.others)
    texts = {each.text for each in known if each is not None}
    logins = (text for role in account.roles for _, text in consumers.passwords(live, role))
    if any(text in texts for text in logins):
        return True
    nearest = (each.text for each in known[:2] if each is not None)
    return any(consumers.holding(live, each) for each in nearest)


def check(account: Account, live: Live) -> None:
    """Raise SopsmithError (db-unseen) where nothing shows that it was the right place."""
    if not is_shown(account, live):
        raise SopsmithError(unseen(account, live.place))


def words(account: Account, place: Place) -> str:
    """What a look found that found nothing."""
    return f"no Secret with a password of {' or '.join(account.roles)} was seen in {place.words}"


def unseen(account: Account, place: Place) -> Finding:
    """Why nothing follows from it that nobody was seen."""
    hint = (
        "--namespace NAME says where the application runs; where nothing of it is there yet, sync "
        "it first; --no-cluster goes by the database's sessions alone, for whoever gets the "
        "password otherwise than by a Secret"
    )
    message = f"{words(account, place)}, so nobody knows who uses them"
    return Finding("db-unseen", message, field=account.title, hint=hint)
