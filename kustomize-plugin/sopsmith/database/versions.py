"""Find which version of a password a database holds: by its verifier, else by a few logins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sopsmith.database import connecting, looking
from sopsmith.database.checking import Checked, Login
from sopsmith.database.connecting import Way
from sopsmith.errors import SopsmithError
from sopsmith.postgres import versions
from sopsmith.postgres.account import Account
from sopsmith.postgres.channel import SqlError
from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.observation import Observed
from sopsmith.postgres.versions import PROBES, Held, Search


def named(found: Sequence[Checked], way: Way) -> Iterator[Checked]:
    """The same, and where a password is wrong, what the database holds instead.

    Each account is looked for once: servers lock out who tries passwords.
    """
    known: dict[str, Search] = {}
    for each in found:
        account = each.account
        is_wrong = each.attempt.verdict == "wrong-password"
        if not is_wrong or account is None or each.to.user != account.active:
            yield each
            continue
        if account.value not in known:
            known[account.value] = _searched(account, each.to, way, found)
        yield each._replace(search=known[account.value])


def search(
    found: Sequence[Held], seen: Observed | None, to: Endpoint, login: Login, probes: int
) -> Search:
    """The first of these that is on the server; at most `probes` logins find it."""
    by = Search(None, 0) if seen is None else versions.by_verifier(found, seen)
    if by.held:
        return by
    tried = by.tried
    for each in islice(versions.unread(found, seen), probes):
        attempt = login(to.probe(each.role, each.secret.password))
        if not attempt.is_answer:
            break
        tried += 1
        if attempt.proven:
            return Search(each, tried)
    return Search(None, tried)


def _searched(account: Account, to: Endpoint, way: Way, found: Iterable[Checked]) -> Search:
    seen = looked(account, way, found)
    mark = None if seen is None else seen.mark(account.marked)
    return search(versions.candidates(account, mark), seen, to, way.login, PROBES)


def looked(account: Account, way: Way, found: Iterable[Checked]) -> Observed | None:
    """What the rotator sees of the roles; None where it has none or does not come in."""
    rotator = account.rotator
    if rotator is None or any(not c.attempt.is_good and _is_same(c.to, rotator) for c in found):
        return None
    try:
        with way.session(*connecting.at_primary(account)) as channel:
            return looking.look(account, channel)
    except (SopsmithError, SqlError):  # logins have to tell then
        return None


def _is_same(one: Endpoint, other: Endpoint) -> bool:
    return (one.place, one.user) == (other.place, other.user)
