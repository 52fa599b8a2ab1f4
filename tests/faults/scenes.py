"""The work of a start, in which something goes wrong at a point; and the commands that mend it."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import NamedTuple

from sopsmith.database import applying, bootstrapping, failures, recovering, standing
from sopsmith.database.connecting import Way
from sopsmith.errors import Interrupted, SopsmithError
from sopsmith.findings import text
from sopsmith.postgres.account import Account
from tests.faults.world import Start, World, password, retire
from tests.proxy import Proxy, proxy

SECONDS = 0.4  # until a hang counts as one
SILENT = ("hang", "lost")  # the faults after which no answer may come
# What comes before the commands that are counted: one more version where git was two ahead, the
# break-glass where the rotator has another password, and the word of a person that nobody runs.
FIRST = ("rotate", "bootstrap --via", "retire")
COMMAND = re.compile(
    r"sopsmith (?:postgres )?(\w+)(?: POSTGRES_PASSWORD)?(?: -e production( --via)?| shows)"
)


class Outcome(NamedTuple):
    """How a run ended."""

    how: str  # done, refused, interrupted, bug or killed
    said: str = ""  # what a person reads
    codes: tuple[str, ...] = ()

    @property
    def commands(self) -> tuple[str, ...]:
        """What it says is to be run, in this order."""
        return tuple("".join(found) for found in COMMAND.findall(self.said))


class Hit(NamedTuple):
    """A fault at a point: the number counts from the beginning of the run."""

    number: int
    point: str  # or `before` or `after` alone, of whichever step is there
    fault: str

    def of(self, point: str) -> Hit:
        """The same where it happens: what comes before a step can also befall its end."""
        when, _, step = point.partition(" ")
        if self.step:
            return self
        return self._replace(point=f"{self.when if when == 'before' else 'before'} {step}")

    @property
    def when(self) -> str:
        return self.point.partition(" ")[0]

    @property
    def step(self) -> str:
        return self.point.partition(" ")[2]


Act = Callable[["Scene", Hit], None]


class Scene:
    """One case while it happens."""

    def __init__(self, world: World, start: Start, faults: dict[str, Act]) -> None:
        self.world, self.start, self.faults = world, start, faults
        self.git = start.git
        self.may_close = False  # somebody has asked to retire
        self.history: list[str] = []
        self.happened = 0  # faults
        self.tell: Callable[[str, object], None] = lambda name, value: None
        self.others: list[Thread] = []
        self.outcomes: list[Outcome] = []
        self.network: Proxy | None = None
        self.roles: dict[str, tuple[bool, str | None]] = {}
        world.arrange(start)

    # --- running ------------------------------------------------------------------------------

    def run(self, verbs: Sequence[str], *hits: Hit) -> Outcome:
        """Run commands, with these faults; look at the database at every point."""
        before = self.world.accepted(self.start)
        if any("kill" in each.fault for each in hits):
            outcome = self._in_child(verbs, hits)
        else:
            outcome = self._here(verbs, hits, look=True)
        self.world.quiet(self.start)
        after = self.look("the end")
        self.outcomes.append(outcome)
        is_refused = outcome.how == "refused" and "db-unknown" not in outcome.codes
        if is_refused and verbs == ("apply",) and not self.others:
            assert after == before, f"what is refused changes nothing\n{self.story()}"
        for canary in (*self.world.canaries(), "SCRAM-SHA-256$"):
            assert canary not in outcome.said
        return outcome

    def _here(self, verbs: Sequence[str], hits: Sequence[Hit], *, look: bool) -> Outcome:
        if not hits:
            return self._outcome(lambda: self._work(verbs, (), None, look=look))
        with proxy(self.world.server.port) as self.network:
            return self._outcome(lambda: self._work(verbs, hits, self.network, look=look))

    def _work(
        self, verbs: Sequence[str], hits: Sequence[Hit], network: Proxy | None, *, look: bool
    ) -> None:
        numbers = iter(range(10_000))

        def at(point: str) -> None:
            number = next(numbers)
            if look:
                self.look(point)
            for hit in hits:
                if hit.number == number:
                    self.note("happened", self.happened + 1)
                    self.faults[hit.fault](self, hit.of(point))

        is_silent = any(hit.fault in SILENT for hit in hits)
        way = self.world.way(at, SECONDS if is_silent else None)
        try:
            for verb in verbs:
                at(f"before {verb}")
                if verb in ("retire", "recover", "status"):
                    self.note("may_close", True)
                port = network.port if network else None
                self.git += verb == "rotate"
                account = self.world.account(self.start, self.git, port)
                if verb.endswith(" --via"):
                    way = way._replace(via=lambda name: self.world.superuser())
                VERBS[verb.removesuffix(" --via")](account, way)
                at(f"after {verb}")
        finally:
            for other in self.others:
                other.join(60)
                assert not other.is_alive(), "the second operator hangs"

    def _outcome(self, work: Callable[[], None]) -> Outcome:
        try:
            work()
        except SopsmithError as error:
            codes = tuple(each.code for each in error.findings)
            return Outcome("refused", text(error.findings), codes)
        except Interrupted:
            return Outcome("interrupted")
        except RuntimeError as error:
            assert error.args == (password(self.start, self.git),)  # the one that a fault raises
            return Outcome("bug")
        return Outcome("done")

    def _in_child(self, verbs: Sequence[str], hits: Sequence[Hit]) -> Outcome:
        """In a fork, which may be killed."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            with suppress(BaseException):
                parents = self.world.owner  # which has to outlive us
                self.world.owner = self.world.server.owner()
                self.tell = partial(_tell, writing)
                self.tell("outcome", self._here(verbs, hits, look=False))
                assert parents
            os._exit(0)
        os.close(writing)
        outcome = Outcome("killed")
        with open(reading, "rb") as stream:
            for line in stream:
                name, value = json.loads(line)
                if name == "outcome":
                    outcome = Outcome(value[0], value[1], tuple(value[2]))
                else:
                    self.note(name, value)
        _, status = os.waitpid(pid, 0)
        assert (outcome.how == "killed") == os.WIFSIGNALED(status), self.story()
        return outcome

    def note(self, name: str, value: object) -> None:
        """Something is so from now on, for the parent of a child too."""
        setattr(self, name, value)
        self.tell(name, value)

    # --- what holds at every moment -----------------------------------------------------------

    def look(self, point: str) -> set[int]:
        """Hold what the database accepts against what may never happen."""
        start = self.start
        accepted = self.world.accepted(start)
        self.history.append(f"{point}: git {self.git}, accepted {sorted(accepted)}")
        if not start.applied:
            return accepted
        assert accepted & {*range(start.applied, self.git + 1)}, self.story()
        if start.layout == "alternating":
            assert self.may_close or start.applied in accepted, self.story()
            self._is_changed_while_closed()
        return accepted

    def _is_changed_while_closed(self) -> None:
        """An open role keeps its password: pods may hold it."""
        now = {name: self.world.role(name)[:2] for name in self.start.roles}
        for name, (could_log_in, verifier) in self.roles.items():
            assert not (could_log_in and now[name][0]) or now[name][1] == verifier, self.story()
        self.roles = now

    def story(self) -> str:
        """What happened so far."""
        return "\n".join([*self.history, *map(str, self.outcomes)])

    # --- afterwards ---------------------------------------------------------------------------

    def is_settled(self) -> bool:
        """Whether git's URL logs in, and nothing is left but to retire what is still open."""
        if not self.world.logs_in(self.start, self.git):
            return False
        decision = self.world.decided(self.start, self.git)
        is_closing = "postgres retire" in (
            decision.hint or ""
        )  # once somebody was seen, or said so
        return decision.action in ("none", "retire") or is_closing

    def converge(self) -> int:
        """Run what the last outcome says is to be run; how often that was necessary, or 3."""
        runs, rest = 0, [*FIRST]
        while runs < 3 and not self.is_settled():
            verb = self.next_command()
            self.run([verb])
            runs += 1
            if verb in rest:  # once each
                rest.remove(verb)
                runs = 0
        return runs

    def next_command(self) -> str:
        """What a person runs now: what the last run names, which has to name one if it refuses."""
        last = self.outcomes[-1]
        assert last.commands or last.how != "refused", f"no command is named\n{self.story()}"
        return next(iter(last.commands), "recover")


def _tell(writing: int, name: str, value: object) -> None:
    os.write(writing, json.dumps((name, value)).encode() + b"\n")


# --- commands -------------------------------------------------------------------------------------


def _recover(account: Account, way: Way) -> None:
    with failures.repeatable(account, "recover"):
        found = standing.standing(account, way, None)
        recovering.recover(found, way, lambda account: (), grace=0, now=time.monotonic)


def _apply(account: Account, way: Way) -> None:
    applying.apply(account, way)


def _bootstrap(account: Account, way: Way) -> None:
    assert way.via is not None
    with way.via(None) as channel:
        bootstrapping.bootstrap(account, channel, way)


VERBS: dict[str, Callable[[Account, Way], None]] = {
    "apply": _apply, "retire": retire, "recover": _recover, "status": _recover,
    "bootstrap": _bootstrap, "rotate": lambda account, way: None,
}  # fmt: skip
