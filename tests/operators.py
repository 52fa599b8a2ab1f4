"""Random operators of one database password, their accidents, and what must be true all the same.

A history is one password's: git's commits, a cluster with hashed Secrets and pods that read them,
and the roles of a real server. The model is small: who holds which credential, and which
credential may never come back. What the server holds is read from the server, never guessed.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from secrets import token_hex
from typing import Any, NamedTuple, TypeVar

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from psycopg.sql import SQL, Identifier
from psycopg.sql import Literal as Text

from sopsmith.database import applying, bootstrapping, recovering, retiring
from sopsmith.database.connecting import Way
from sopsmith.database.standing import standing
from sopsmith.errors import SopsmithError
from sopsmith.model import Sensitive
from sopsmith.postgres import consumers, endpoint, scram
from sopsmith.postgres.account import Account, Secret, Strategy
from sopsmith.postgres.channel import Channel
from sopsmith.postgres.consumers import Live
from sopsmith.postgres.endpoint import Endpoint
from tests.accidents import Died, Fault, superuser, way
from tests.roles import Row, restore, rows
from tests.servers import Server

CANARY = token_hex(8)  # begins every password
PODS = 2
REFUSED = {"db-in-use", "db-retired", "db-waiting", "db-locked", "db-other-app", "db-privilege"}
ROUNDS = 12  # of doing what `recover` says
_NUMBERS = itertools.count(1)
_Done = TypeVar("_Done")


class Held(NamedTuple):
    """What a Secret of the cluster holds."""

    role: str
    password: str


faults = st.none() | st.builds(
    Fault, st.sampled_from(("dies", "lost reply", "cut off")), st.integers(0, 14)
)
late = st.sampled_from((0, 0, 0, 1, 2))  # commits that an operator is behind


class Operators(RuleBasedStateMachine):
    """What people and controllers do to one password, in any order."""

    server: Server  # these two by a subclass
    strategy: Strategy

    def __init__(self) -> None:
        super().__init__()
        self.name = f"o{next(_NUMBERS)}"
        self.eye = self.server.owner()  # sees what the server holds
        self.passwords = (f"{CANARY}.{number}" for number in itertools.count(1))
        self.generated: dict[int, str] = {}  # by version: the same again for the same version
        self.commits: list[Account] = []
        self.secrets: dict[str, Held] = {}
        self.current = ""  # the name of the Secret that the cluster's objects name
        self.pods: list[str] = []  # the Secrets that they read
        self.sessions: dict[int, psycopg.Connection[Any]] = {}  # by pod
        self.closed: set[Held] = set()  # never to come back
        self.backup: tuple[Row, ...] | None = None
        self.is_bent = False  # somebody went round sopsmith since all agreed

    # --- a history begins -------------------------------------------------------------------------

    @initialize(is_stored=st.booleans(), reads_verifiers=st.booleans())
    def begin(self, is_stored: bool, reads_verifiers: bool) -> None:
        """The first version, bootstrapped and rolled out."""
        self.is_stored, self.reads_verifiers = is_stored, reads_verifiers
        self.commits.append(self._first())
        self.bootstrap(None)
        self.sync(None)
        self.pods = [self.current] * PODS
        assert self._lets_in(self._git())

    def teardown(self) -> None:
        """The model's word against libpq's: a real login says the same of each credential."""
        for each in {*self.secrets.values(), *([self._git()] if self.commits else [])}:
            url = self.server.url(each.role, each.password)
            assert (self.server.login(url) is not None) == self._lets_in(each)
        for session in self.sessions.values():
            session.close()
        self.eye.close()

    # --- git --------------------------------------------------------------------------------------

    @rule()
    def rotate(self) -> None:
        """As `sopsmith rotate` does it: past every version that the file knows."""
        last = self.head
        known = (last.now.version or 0, (last.before.version or 0) if last.before else 0)
        slot = "a" if last.slot == "b" else "b"
        self.commits.append(
            self._account(slot if self.strategy == "alternating" else "a",
                          self._secret(max(known) + 1), last.now)
        )  # fmt: skip

    @rule()
    def rotate_and_sync(self) -> None:
        """As on most days."""
        self.rotate()
        self.sync(None)

    @rule(back=st.integers(1, 4))
    def revert(self, back: int) -> None:
        """Git says again what it said some commits ago."""
        self.commits.append(self._commit(back))

    # --- operators --------------------------------------------------------------------------------

    @rule(back=late, fault=faults)
    def apply(self, back: int, fault: Fault | None) -> None:
        """By hand, by a sync that goes no further, or by a Job of former commits that is late."""
        self._applied(self._commit(back), fault)

    def _applied(self, account: Account, fault: Fault | None) -> bool:
        """Whether the database was made to accept the account; once more changes nothing."""
        if self._tried(lambda way: applying.apply(account, way), fault) is None:
            return False
        assert self._lets_in(_held(account))
        before = self._rows()
        assert applying.apply(account, self._way(None)).changes == ()
        assert self._rows() == before
        return True

    @rule(fault=faults)
    def sync(self, fault: Fault | None) -> None:
        """The hook applies; only then the Secret and what names it change."""
        if self._applied(self.head, fault):
            self._publish()

    @rule(pod=st.integers(0, PODS - 1))
    def roll(self, pod: int) -> None:
        """A pod is replaced by one with the Secret of now; its session ends."""
        self._end(pod)
        self.pods[pod] = self.current

    @rule()
    def stop(self) -> None:
        """Scaled to nothing; a pod that rolls comes back."""
        for pod in range(PODS):
            self._end(pod)
        self.pods = [""] * PODS

    @rule()
    def prune(self) -> None:
        """Secrets that nothing names any more go."""
        kept = {self.current, *self.pods}
        self.secrets = {name: held for name, held in self.secrets.items() if name in kept}

    @rule(pod=st.integers(0, PODS - 1))
    def restart(self, pod: int) -> None:
        """A pod logs in anew with what its Secret holds, and keeps that session."""
        self._end(pod)
        held = self.secrets.get(self.pods[pod])
        if held is not None and self._lets_in(held):
            url = self.server.url(held.role, held.password)
            self.sessions[pod] = psycopg.connect(url, autocommit=True)

    @precondition(lambda self: self.strategy == "alternating")
    @rule(back=late, fault=faults)
    def retire(self, back: int, fault: Fault | None) -> None:
        """Whoever is closed held a version that never comes back."""
        account, opened = self._commit(back), self._open()
        self._tried(lambda way: retiring.retire(account, way, self._users, grace=0,
                                                now=lambda: 0.0), fault)  # fmt: skip
        self._close(opened)

    @rule(back=late, fault=faults)
    def recover(self, back: int, fault: Fault | None) -> None:
        """One step of it."""
        account, opened = self._commit(back), self._open()
        done = self._tried(lambda way: self._recovered(account, way), fault)
        if done is not None and done.decision.action == "retire":
            self._close(opened)

    def _close(self, opened: set[Held]) -> None:
        if not self.is_stored:  # such a value has no version that could be told from another
            self.closed |= opened - self._open()

    @rule(fault=faults)
    def bootstrap(self, fault: Fault | None) -> None:
        """The first time, or once more: a role that has a password keeps it."""
        with self._superuser() as channel:
            self._tried(lambda way: bootstrapping.bootstrap(self.head, channel, way), fault)

    @rule()
    def settle(self) -> None:
        """Whoever does what `recover` says comes to where all agree."""
        said: list[str] = []
        for _ in range(ROUNDS):
            try:
                done = self._recovered(self.head, self._way(None))
            except SopsmithError as error:
                said.append(error.findings[0].message)
                self._obey(error)
                continue
            said.append(done.decision.words)
            if done.decision.action == "none":
                break
        else:
            raise AssertionError(f"no end: {said}")
        assert self._lets_in(self._git()), said
        self.sync(None)  # as a controller does, over and over
        for pod in range(PODS):
            self.roll(pod)
        assert [each for each in self._needed() if not self._lets_in(each)] == [], said
        self.is_bent = False

    # --- who goes round sopsmith ------------------------------------------------------------------

    @rule(number=st.integers(0, 1), kind=st.sampled_from(("password", "closed", "expired", "mark")))
    def dba(self, number: int, kind: str) -> None:
        """Somebody with psql."""
        role = self.head.roles[number % len(self.head.roles)]
        there = {row.role for row in self._rows()}
        marked = self.head.marked
        if role not in there or marked not in there:
            return
        statement = {
            "password": SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(
                Identifier(role), Text(scram.verifier(next(self.passwords), os.urandom(16), 1))),
            "closed": SQL("ALTER ROLE {} NOLOGIN").format(Identifier(role)),
            "expired": SQL("ALTER ROLE {} VALID UNTIL '2020-01-01'").format(Identifier(role)),
            "mark": SQL("COMMENT ON ROLE {} IS NULL").format(Identifier(marked)),
        }[kind]  # fmt: skip
        self.eye.execute(statement)
        self._bend()

    @rule()
    def save(self) -> None:
        """A backup."""
        self.backup = self._rows()

    @precondition(lambda self: self.backup is not None)
    @rule()
    def restored(self) -> None:
        """The database as it was in the backup; roles that are younger have gone."""
        for number in range(PODS):
            self._end(number)
        restore(self.eye, self._rows(), self.backup or ())
        self._bend()

    @rule()
    def sync_without_hooks(self) -> None:
        """A selective sync: the Secret changes, and nobody applied."""
        self._publish()
        self._bend()

    def _bend(self) -> None:
        self.is_bent = True
        self.closed.clear()

    # --- what must be true ------------------------------------------------------------------------

    @invariant()
    def pods_get_in(self) -> None:
        """Whatever a pod holds or would get is accepted."""
        if self.strategy == "alternating" and not self.is_bent:
            assert [each for each in self._needed() if not self._lets_in(each)] == []

    @invariant()
    def nothing_retired_comes_back(self) -> None:
        """A closed version stays out."""
        assert not [each for each in self.closed if self._lets_in(each)]

    # --- the world --------------------------------------------------------------------------------

    @property
    def head(self) -> Account:
        """What git says."""
        return self.commits[-1]

    def _first(self) -> Account:
        return self._account("a", self._secret(1), None)

    def _secret(self, version: int) -> Secret:
        if self.is_stored:
            return Secret(None, Sensitive(next(self.passwords)))
        if version not in self.generated:
            self.generated[version] = next(self.passwords)
        return Secret(version, Sensitive(self.generated[version]))

    def _account(self, slot: str, now: Secret, before: Secret | None) -> Account:
        is_two = self.strategy == "alternating"
        roles = (f"{self.name}_a", f"{self.name}_b") if is_two else (f"{self.name}_a",)
        active = roles[1 if slot == "b" else 0]
        rotator = f"{self.name}_rotator"
        return Account(
            app="shop", environment="test", value="POSTGRES_PASSWORD", strategy=self.strategy,
            roles=roles, slot=slot, owner=f"{self.name}_owner" if is_two else None, now=now,
            before=before, urls={"DATABASE_URL": self._endpoint(active, now.text)},
            rotator=self._endpoint(rotator, f"{CANARY}.rotator"),
        )  # fmt: skip

    def _endpoint(self, user: str, password: str) -> Endpoint:
        return endpoint.parse(self.server.url(user, password))

    def _commit(self, back: int) -> Account:
        return self.commits[-1 - min(back, len(self.commits) - 1)]

    def _git(self) -> Held:
        return _held(self.head)

    def _publish(self) -> None:
        held = self._git()
        url = self.server.url(*held)
        self.current = f"shop-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
        self.secrets[self.current] = held

    def _needed(self) -> set[Held]:
        """What pods hold, and what a new one would get."""
        return {self.secrets[each] for each in (self.current, *self.pods) if each}

    def _live(self) -> Live:
        secrets = (_object(name, data={"URL": base64.b64encode(self.server.url(*held).encode())})
                   for name, held in self.secrets.items())  # fmt: skip
        pods = (
            _object(f"pod-{number}", status={"phase": "Running"},
                    spec={"containers": [{"envFrom": [{"secretRef": {"name": name}}]}]})
            for number, name in enumerate(self.pods) if name
        )  # fmt: skip
        return Live(tuple(secrets), tuple(pods), (), {"Deployment": (self._deployment(),)})

    def _deployment(self) -> dict[str, Any]:
        spec = {"containers": [{"envFrom": [{"secretRef": {"name": self.current}}]}]}
        return _object("shop", spec={"replicas": len(self.pods), "template": {"spec": spec}})

    def _users(self, account: Account) -> tuple[str, ...]:
        return consumers.former(self._live(), account)

    def _recovered(self, account: Account, way: Way) -> recovering.Recovered:
        found = standing(account, way, self._live())
        return recovering.recover(found, way, self._users, grace=0, now=lambda: 0.0)

    def _obey(self, error: SopsmithError) -> None:
        """Do what a person is asked to."""
        (finding,) = error.findings
        hint = finding.hint or ""
        if finding.code == "db-in-use" and " rotate " in hint:
            self.rotate()
        elif finding.code == "db-in-use" and "postgres retire" in hint:
            self.retire(0, None)
        else:
            self.sync(None)
        for pod in range(PODS):
            self.roll(pod)
        self.prune()

    def _end(self, pod: int) -> None:
        if pod in self.sessions:
            self.sessions.pop(pod).close()

    # --- the server -------------------------------------------------------------------------------

    def _rows(self) -> tuple[Row, ...]:
        return rows(self.eye, self.name)

    def _lets_in(self, held: Held) -> bool:
        return any(row.role == held.role and row.lets_in(held.password) for row in self._rows())

    def _open(self) -> set[Held]:
        """Which of all credentials of this history get in."""
        known = {Held(each.active, each.now.text) for each in self.commits}
        return {each for each in known | {*self.secrets.values()} if self._lets_in(each)}

    def _tried(self, act: Callable[[Way], _Done], fault: Fault | None) -> _Done | None:
        """What an operator gets done, or None; who was refused has changed nothing."""
        before = self._rows()
        try:
            return act(self._way(fault))
        except Died:
            return None
        except SopsmithError as error:
            codes = {each.code for each in error.findings}
            assert CANARY not in str(error)
            if fault is None or codes <= REFUSED:
                assert self._rows() == before, codes
            return None

    def _way(self, fault: Fault | None) -> Way:
        return way(fault, (lambda name: self._superuser()) if self.reads_verifiers else None)

    def _superuser(self) -> AbstractContextManager[Channel]:
        return superuser(self.server)


def _held(account: Account) -> Held:
    return Held(account.active, account.now.text)


def _object(name: str, **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}
