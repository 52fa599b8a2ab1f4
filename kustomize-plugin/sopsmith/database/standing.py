"""Look at git, the database and the cluster at once; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

from sopsmith.database import applying
from sopsmith.database.applying import Way
from sopsmith.model import Sensitive
from sopsmith.postgres import consumers, scram
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.recovery import Holds, LiveSecret, Standing


def standing(account: Account, way: Way, live: Live | None) -> Standing:
    """All that is known of the account; without `live` nobody looks into the cluster.

    No password is tried twice: servers lock out who does. Raises SopsmithError where the server
    can't be asked.
    """
    with applying.channel(account, way) as channel, applying.spoken(account):
        seen = applying.look(account, channel)
    holds = {role: _held(account, role, seen, way) for role in account.roles}
    secrets = None if live is None else tuple(_secrets(account, holds, live, way))
    who = {} if live is None else {role: consumers.of(live, role) for role in account.roles}
    return Standing(account, seen, holds, secrets, who)


def _held(account: Account, role: str, seen: Observed, way: Way) -> Holds:
    there = seen.roles.get(role)
    if there is None or not there.can_log_in:
        return "nothing"
    for name, password in _candidates(account, role):
        if there.verifier is not None:
            is_it = scram.is_of(there.verifier, password.text() or "", role)
        else:
            attempt = way.login(applying.at_primary(account)[0].of(role, password))
            if not attempt.is_answer:
                return "unknown"
            is_it = attempt.proven
        if is_it:
            return name
    return "another"


def _candidates(account: Account, role: str) -> Iterator[tuple[Holds, Sensitive]]:
    """What the role can have by what git says: the current one of two has the current password."""
    if role == account.active:
        yield "now", account.now.password
    if account.before is not None and (role == account.other or account.other is None):
        yield "before", account.before.password


def _secrets(
    account: Account, holds: dict[str, Holds], live: Live, way: Way
) -> Iterator[LiveSecret]:
    for role in account.roles:
        tried: dict[str, bool] = {}
        known = {each.text() or "": name for name, each in _candidates(account, role)}
        for secret, password in consumers.passwords(live, role):
            held = known.get(password, "another")
            if password not in tried:
                is_known = held in ("now", "before") and holds[role] != "unknown"
                to = applying.at_primary(account)[0].of(role, Sensitive(password))
                tried[password] = holds[role] == held if is_known else way.login(to).proven
            yield LiveSecret(secret, role, held, tried[password])
