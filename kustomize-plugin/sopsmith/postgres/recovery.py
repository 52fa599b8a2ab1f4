"""What git, the database and the cluster say of one password, and the one right thing to do. Pure.

Whatever was interrupted where, the state is what these three say, and all of them can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from sopsmith.findings import Finding
from sopsmith.postgres import applied, presence, refusals
from sopsmith.postgres.account import Account, Secret
from sopsmith.postgres.consumers import Place
from sopsmith.postgres.observation import Mark, Observed
from sopsmith.postgres.statements import close_role

Holds = Literal["now", "before", "another", "nothing", "unknown"]
"""Which of the account's passwords a role or a Secret has; `nothing`: nobody can log in."""
Action = Literal[
    "none", "apply", "make", "replace", "reinstate", "wait", "retire", "rotate", "ask", "look"
]
_SHOWN = 3  # of those who use a role


class LiveSecret(NamedTuple):
    """A Secret of the cluster that names a role, and whether the database lets it in, or may."""

    name: str
    role: str
    holds: Holds
    logs_in: bool
    readers: tuple[str, ...] = ()  # pods and what starts them; none of an old one left behind


class Standing(NamedTuple):
    """All that is known of an account at one moment."""

    account: Account
    seen: Observed
    holds: Mapping[str, Holds]  # by role
    others: Mapping[str, Secret]  # by role: which one `another` is, where that is known
    secrets: tuple[LiveSecret, ...] | None  # None: nobody looked into the cluster
    consumers: Mapping[str, tuple[str, ...]]  # by role: pods and what starts them
    hidden: frozenset[str] = frozenset()  # roles that some hold in a Secret that shows no URL
    place: Place | None = None  # where in the cluster somebody looked
    is_shown: bool = True  # whether it was the right place, as far as anything shows that

    @property
    def mark(self) -> Mark | None:
        """What was applied last."""
        return self.seen.mark(self.account.marked)

    def sessions(self, role: str) -> int:
        """How many the server has."""
        there = self.seen.roles.get(role)
        return len(there.sessions) if there else 0


class Decision(NamedTuple):
    """What it means, and what to do about it."""

    action: Action
    words: str
    hint: str | None = None  # what a person does meanwhile
    awaits: str | None = None  # the role that somebody has to be seen as: a longer look may tell


def decide(standing: Standing) -> Decision:
    """The one right thing; `wait`, `look` and `none` change nothing, `rotate` and `ask` are a
    person's."""
    decision = _decided(standing)
    if standing.place is None or standing.is_shown or not _is_by_silence(standing, decision):
        return decision
    return Decision("look", presence.words(standing.account, standing.place))


def _is_by_silence(standing: Standing, decision: Decision) -> bool:
    """Whether it is right only where nobody holds another password, as no look was heard of any.
    Of a rotator it is right anyway: no application logs in as it, and the cluster need not have it.
    """
    account = standing.account
    is_open = account.strategy == "in-place" and standing.holds[account.active] != "nothing"
    is_shared = is_open and not account.is_rotator
    return decision.action in ("replace", "retire") or (decision.action == "apply" and is_shared)


def _decided(standing: Standing) -> Decision:
    account = standing.account
    if is_retired(standing):
        return Decision("rotate", "git says a version that was retired: rotate forward")
    if standing.holds[account.active] == "unknown":
        words = f"the server does not tell whether {account.active} has the password"
        return Decision("wait", f"{words}: check says why")
    if account.strategy == "in-place":
        return _in_place(standing)
    if standing.holds[account.active] == "now":
        return _accepted(standing)
    return _not_accepted(standing)


def is_retired(standing: Standing) -> bool:
    """Whether git says a version that may not come back."""
    return applied.is_retired(standing.account, standing.mark)


def is_adopted(standing: Standing) -> bool:
    """Whether the active role is open with a password that nobody here gave it: that of the
    application which had the role before; and the other one is free, so that a rotation helps."""
    account = standing.account
    if account.other is None or standing.mark is not None:
        return False
    holds = standing.holds
    return holds[account.active] == "another" and holds[account.other] == "nothing"


def in_use(standing: Standing, decision: Decision) -> Finding:
    """Why nothing is done where a person has to say so, most often by a rotation."""
    title, hint = standing.account.title, advice(standing)
    return Finding("db-in-use", decision.words, field=title, hint=hint)


def advice(standing: Standing) -> str:
    """What a person does where `recover` must not: the role in its way may be one to retire."""
    account = standing.account
    if is_retired(standing):
        return refusals.forward(account)
    if account.other is None:
        command = f"sopsmith postgres apply -e {account.environment}"
        return f"{command} sets git's, and shuts out who holds the other one"
    if is_adopted(standing):
        rotation = f"sopsmith postgres rotate {account.value} -e {account.environment} --now"
        return f"{rotation} gives its application the other role"
    again = f"then sopsmith postgres recover -e {account.environment} again"
    is_served = applied.served(account, standing.mark) is account
    is_free = standing.holds.get(account.other or "", "nothing") == "nothing"
    is_changed = applied.is_last(account, standing.mark) and not is_free  # by hand, since then
    if standing.secrets is None and (standing.mark is None or is_changed):
        # a rotation would meet the other role, which is open too
        return f"where nobody uses {account.active}: {close_role(account.active)}; {again}"
    is_needed = standing.consumers.get(account.active)
    if not is_served and not is_needed:
        return f"{refusals.freeing(account, standing.mark)}; {again}"
    return f"{refusals.rotation(account)}; {again}"


def following(standing: Standing, decision: Decision) -> str | None:
    """What comes after what was decided is done, where that is not all."""
    account, other = standing.account, standing.account.other
    is_more = decision.action in ("apply", "replace") and other is not None
    if not is_more or standing.holds[other or ""] == "nothing":
        return None
    command = f"sopsmith postgres recover -e {account.environment}"
    return f"{command} again closes {other} once nobody uses it"


def _accepted(standing: Standing) -> Decision:
    """The database has what git says; what is left is the role of before."""
    account = standing.account
    other = account.other or ""
    if applied.served(account, standing.mark) is not account:  # an apply of former commits
        return Decision("apply", f"{account.active} is open, and {other} was applied after it")
    late = _late(standing)
    if late is not None:
        if not late.readers:  # an old one, perhaps; what every sync brings is the one that lacks
            return Decision("wait", f"no Secret has {account.title} yet: sync it")
        words = f"the Secret {late.name} has another password of {account.active}"
        return Decision("wait", f"{words}, read by {_some(late.readers)}: sync it")
    if _lags(standing, other):
        if standing.holds[other] == "before" or _lets_in(standing, other):
            return Decision("wait", f"the cluster still has {other}, which still works: sync it")
        if standing.consumers.get(other):  # else it is an old one that nobody pruned
            if _is_reinstatable(standing) and _holding(standing, other, "before"):
                return Decision("reinstate", f"pods hold {other}, which cannot log in")
            return Decision("wait", _locked_out(standing, other))
    if standing.holds[other] == "nothing":
        if standing.consumers.get(other):
            return Decision("wait", _locked_out(standing, other))
        there = standing.seen.roles.get(other)
        if there is None:
            return Decision("make", f"{other} is missing, which the next rotation takes")
        if not there.has_login:  # it has not only expired
            return _agreed(standing)
    if standing.consumers.get(other) or standing.sessions(other):
        return Decision("wait", f"{other} is still used: restart or end what holds it")
    if not applied.is_last(account, standing.mark):  # then retire would close nothing
        return Decision("apply", f"{account.active} is open, and not noted as applied last")
    return _unheard(standing, account.active, other) or Decision(
        "retire", f"nobody uses {other} any more"
    )


def _unheard(standing: Standing, role: str, former: str) -> Decision | None:
    """Where only sessions show who has followed, none of the role is no sign that all have: who
    connects now and then has the former one. A person who knows better says `retire`."""
    there = standing.seen.roles.get(former)
    is_open = there is not None and there.can_log_in
    if standing.secrets is not None or standing.sessions(role) or not is_open:
        return None
    account = standing.account
    hint = f"restart what uses the database, so that it comes as {role}; {refusals.unused(account)}"
    if role != account.active:  # git is ahead: who restarts is given what the server refuses
        hint = f"restart nothing yet: {refusals.ahead(account, former)}"
    again = f"then sopsmith postgres recover -e {account.environment} again"
    return Decision(
        "wait", f"nobody was seen as {role} yet, so {former} stays open", f"{hint}; {again}", role
    )


def _late(standing: Standing) -> LiveSecret | None:
    """A Secret with another password of the active role: one that is read, or that nothing has
    taken the place of; others are what nobody pruned."""
    is_there = _holding(standing, standing.account.active, "now")
    return next(
        (each for each in standing.secrets or ()
         if (each.role, each.holds) == (standing.account.active, "another")
         and (each.readers or not is_there)), None,
    )  # fmt: skip


def _locked_out(standing: Standing, role: str) -> str:
    who = _some(standing.consumers.get(role, ()))
    return f"{role} is closed, and {who} would log in as it: sync that, and restart it"


def _some(who: Sequence[str]) -> str:
    return ", ".join(who[:_SHOWN]) + (", …" if len(who) > _SHOWN else "")


def _agreed(standing: Standing) -> Decision:
    if standing.place is None:
        return Decision("none", "git and the database agree")
    if standing.is_shown:
        return Decision("none", "git, the database and the cluster agree")
    unseen = presence.words(standing.account, standing.place)
    return Decision("none", f"git and the database agree; {unseen}")


def _is_reinstatable(standing: Standing) -> bool:
    """Whether the password of before may come back: what was retired never does."""
    earlier = standing.account.as_of_before()
    return earlier is not None and not applied.is_retired(earlier, standing.mark)


def _not_accepted(standing: Standing) -> Decision:
    account = standing.account
    active = account.active
    held = standing.holds[active]
    if held == "nothing":
        return Decision("apply", f"{active} has no password yet, or is closed")
    if standing.sessions(active) or _lets_in(standing, active):
        return Decision("rotate", f"{active} is in use with another password")
    if active in standing.hidden:
        return Decision(
            "rotate", f"{active} has another password, which pods may hold without a URL"
        )
    if is_adopted(standing):
        return Decision("rotate", _never_applied(active))
    if standing.secrets is None:
        if applied.served(account, standing.mark) is not account:
            words = f"{active} was not closed when the other role took over"
            return _unheard(standing, account.other or "", active) or Decision("retire", words)
        return Decision("rotate", f"{active} is open with another password, which pods may hold")
    return Decision("replace", f"{active} has a password that nobody holds: replace it")


def _in_place(standing: Standing) -> Decision:
    account = standing.account
    role = account.active
    if standing.holds[role] == "now":
        if _lags(standing, role):
            return Decision("wait", f"the cluster still has a former password of {role}: sync it")
        return _agreed(standing)
    if _lags(standing, role) and _lets_in(standing, role):
        return Decision("wait", "pods hold a former password, which works: the sync applies it")
    is_noting = account.rotator is not None  # by itself no role can say what it was given
    if standing.holds[role] == "another" and standing.mark is None and is_noting:
        return Decision("ask", _never_applied(role))
    return Decision("apply", f"{role} has not the password that git says")


def _never_applied(role: str) -> str:
    return f"{role} is open with a password that was never applied, which its application may hold"


def _lags(standing: Standing, role: str) -> bool:
    """Whether a Secret still names the role, and none has what git says."""
    is_there = any(each.role == role for each in standing.secrets or ())
    return is_there and not _holding(standing, standing.account.active, "now")


def _holding(standing: Standing, role: str, holds: Holds) -> bool:
    return any(each.role == role and each.holds == holds for each in standing.secrets or ())


def _lets_in(standing: Standing, role: str) -> bool:
    return any(each.role == role and each.logs_in for each in standing.secrets or ())
