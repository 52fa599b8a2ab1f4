"""Look at git, the database and the cluster at once; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator

from sopsmith.database import connecting, looking, versions
from sopsmith.database.connecting import Way
from sopsmith.model import Sensitive
from sopsmith.postgres import consumers, scram
from sopsmith.postgres.account import Account
from sopsmith.postgres.consumers import Live
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.recovery import Holds, LiveSecret, Standing
from sopsmith.postgres.versions import PROBES, Held, candidates


def standing(account: Account, way: Way, live: Live | None, *, probes: int = 0) -> Standing:
    """All that is known of the account; without `live` nobody looks into the cluster.

    Where a role has another password than git says and no verifier can be read, logins find out
    which Secrets get in, at most PROBES, and then which version it is, at most `probes` of both
    together. No password is tried twice: servers lock out who does.
    Raises SopsmithError where the server can't be asked.
    """
    seen = looking.glance(account, way)
    holds = {role: _held(account, role, seen, way) for role in account.roles}
    tried: dict[str, dict[str, bool]] = {role: {} for role in account.roles}
    secrets = None if live is None else tuple(_secrets(account, seen, holds, live, way, tried))
    who = {} if live is None else {role: _users(account, role, live) for role in account.roles}
    found = {role: _version(account, role, seen, way, tried[role], probes)
             for role in account.roles if holds[role] == "another"}  # fmt: skip
    others = {role: each.secret for role, each in found.items() if each}
    hidden = frozenset(each for each in account.roles
                       if live and consumers.hidden(live, each, account.now.text))  # fmt: skip
    return Standing(account, seen, holds, others, secrets, who, hidden)


def _users(account: Account, role: str, live: Live) -> tuple[str, ...]:
    password = next((each.text() for _, each in _candidates(account, role)), None)
    return consumers.of(live, role, password)


def _version(
    account: Account, role: str, seen: Observed, way: Way, tried: dict[str, bool], probes: int
) -> Held | None:
    wrong = [password for _, password in _candidates(account, role)]
    found = [
        each
        for each in candidates(account, seen.mark(account.marked))
        if each.role == role and each.secret.password not in wrong
    ]
    if any(tried.values()):
        return next((each for each in found if tried.get(each.secret.text)), None)
    rest = [each for each in found if each.secret.text not in tried]
    to = connecting.at_primary(account)[0]
    return versions.search(rest, seen, to, way.login, max(probes - len(tried), 0)).held


def _held(account: Account, role: str, seen: Observed, way: Way) -> Holds:
    there = seen.roles.get(role)
    if there is None or not there.can_log_in:
        return "nothing"
    for name, password in _candidates(account, role):
        if there.verifier is not None:
            is_it = scram.is_of(there.verifier, password.text() or "", role)
        else:
            attempt = way.login(connecting.at_primary(account)[0].probe(role, password))
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
    account: Account, seen: Observed, holds: dict[str, Holds], live: Live, way: Way,
    tried: dict[str, dict[str, bool]],
) -> Iterator[LiveSecret]:  # fmt: skip
    """Old Secrets stay where nobody prunes, so a login is tried only where nothing else tells, and
    first what is read; of what is read and was not tried, it is not known that it does not work."""

    def readers(each: tuple[str, str]) -> tuple[str, ...]:
        return consumers.reading(live, {each[0]})

    for role in account.roles:
        known = {each.text() or "": name for name, each in _candidates(account, role)}
        there, has = seen.roles.get(role), holds[role]
        for each in sorted(consumers.passwords(live, role), key=lambda e: bool(readers(e)),
                           reverse=True):  # fmt: skip
            secret, password = each
            read = readers(each)
            held = known.get(password, "another")
            if has != "unknown" and (has != "another" or held != "another"):
                logs_in = has == held
            elif there is not None and there.verifier is not None:
                logs_in = bool(scram.is_of(there.verifier, password, role))
            else:
                if password not in tried[role] and len(tried[role]) < PROBES:
                    to = connecting.at_primary(account)[0].probe(role, Sensitive(password))
                    tried[role][password] = way.login(to).proven
                logs_in = tried[role].get(password, bool(read))
            yield LiveSecret(secret, role, held, logs_in, read)
