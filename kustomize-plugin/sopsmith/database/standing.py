"""Look at git, the database and the cluster at once; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

from sopsmith.database import connecting, failures, looking, versions
from sopsmith.database.connecting import Way
from sopsmith.model import Sensitive
from sopsmith.postgres import consumers, scram
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.recovery import Holds, LiveSecret, Standing
from sopsmith.postgres.versions import Held, candidates


def standing(account: Account, way: Way, live: Live | None, *, probes: int = 0) -> Standing:
    """All that is known of the account; without `live` nobody looks into the cluster.

    Where a role has another password than git says and no verifier can be read, at most `probes`
    logins find out which version it is. No password is tried twice: servers lock out who does.
    Raises SopsmithError where the server can't be asked.
    """
    with connecting.channel(account, way) as channel, failures.spoken(account):
        seen = looking.look(account, channel)
    holds = {role: _held(account, role, seen, way) for role in account.roles}
    secrets = None if live is None else tuple(_secrets(account, seen, holds, live, way))
    who = {} if live is None else {role: _users(account, role, live) for role in account.roles}
    found = {role: _version(account, role, seen, way, probes) for role in account.roles
             if holds[role] == "another"}  # fmt: skip
    others = {role: each.secret for role, each in found.items() if each}
    return Standing(account, seen, holds, others, secrets, who)


def _users(account: Account, role: str, live: Live) -> tuple[str, ...]:
    password = next((each.text() for _, each in _candidates(account, role)), None)
    return consumers.of(live, role, password)


def _version(account: Account, role: str, seen: Observed, way: Way, probes: int) -> Held | None:
    tried = [password for _, password in _candidates(account, role)]
    found = [
        each
        for each in candidates(account, seen.mark(account.marked))
        if each.role == role and each.secret.password not in tried
    ]
    to = connecting.at_primary(account)[0]
    return versions.search(found, seen, to, way.login, probes).held


def _held(account: Account, role: str, seen: Observed, way: Way) -> Holds:
    there = seen.roles.get(role)
    if there is None or not there.can_log_in:
        return "nothing"
    for name, password in _candidates(account, role):
        if there.verifier is not None:
            is_it = scram.is_of(there.verifier, password.text() or "", role)
        else:
            attempt = way.login(connecting.at_primary(account)[0].of(role, password))
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
    account: Account, seen: Observed, holds: dict[str, Holds], live: Live, way: Way
) -> Iterator[LiveSecret]:
    """Old Secrets stay where nobody prunes, so a login is tried only where nothing else tells."""
    for role in account.roles:
        tried: dict[str, bool] = {}
        known = {each.text() or "": name for name, each in _candidates(account, role)}
        there, has = seen.roles.get(role), holds[role]
        for secret, password in consumers.passwords(live, role):
            held = known.get(password, "another")
            if has != "unknown" and (has != "another" or held != "another"):
                tried[password] = has == held
            elif there is not None and there.verifier is not None:
                tried[password] = bool(scram.is_of(there.verifier, password, role))
            elif password not in tried:
                to = connecting.at_primary(account)[0].of(role, Sensitive(password))
                tried[password] = way.login(to).proven
            yield LiveSecret(secret, role, held, tried[password])
