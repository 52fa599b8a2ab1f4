"""What can go wrong, by name, and at which points of which work."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from random import Random
from threading import Thread
from typing import NamedTuple

from sopsmith.database import looking
from sopsmith.errors import Interrupted, SopsmithError
from tests.faults.scenes import VERBS, Act, Hit, Scene
from tests.faults.world import STARTS, Start, password
from tests.proxy import Fault, close_before, garbage_for, hang_on, lie_about, lose_reply_to

LOGINS = ("connect", "probe", "login test")
COMMANDS = ("apply", "retire")
_PROOF = b",p="  # ends what a client says in a login by SCRAM

# --- the points of each work ----------------------------------------------------------------------


def _around(*steps: str) -> tuple[str, ...]:
    return tuple(f"{when} {step}" for step in steps for when in ("before", "after"))


def _apply(*before: str) -> tuple[str, ...]:
    steps = _around("connect", "lock", *before, "begin", "alter", "commit", "login test")
    return ("before apply", *steps, "after apply")


_LOOK = "before connect"  # for a look that keeps nobody out


def _retire(*after_look: str) -> tuple[str, ...]:
    steps = _around(*after_look, "login test", "connect", "lock", "begin", "alter", "commit")
    return ("before retire", _LOOK, *steps, "after retire")


def points(start: Start) -> tuple[str, ...]:
    """The points of the work where nothing goes wrong."""
    probes = () if start.layout == "alternating" or not start.applied else ("probe",)
    ahead = ("probe",) if start.work[0] == "retire" else ()  # has the database what git says?
    each = {"apply": _apply(*probes), "retire": _retire(*ahead)}
    return tuple(point for verb in start.work for point in each[verb])


# --- what happens there ---------------------------------------------------------------------------


def _kill(scene: Scene, hit: Hit) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(scene: Scene, hit: Hit) -> None:
    raise Interrupted(signal.SIGTERM)


def _bug(scene: Scene, hit: Hit) -> None:
    raise RuntimeError(password(scene.start, scene.git))


def _network(make: Callable[[bytes, bool], Fault]) -> Act:
    """Something between us and the server, before it hears us or after it has done what we say."""

    def act(scene: Scene, hit: Hit) -> None:
        assert scene.network is not None
        is_done = hit.when == "after"
        pattern = _PROOF if is_done and hit.step in LOGINS else b""
        times = looking.TRIES if hit.step == "login test" else 1
        scene.network.faults.extend([make(pattern, is_done)] * times)

    return act


def _lie(scene: Scene, hit: Hit) -> None:
    """An answer in good form that is not true."""
    assert scene.network is not None
    if hit.step in LOGINS:
        fault = lie_about(b"", _message(b"E", b"SFATAL\0VFATAL\0C28P01\0Mno\0\0"))
        times = looking.TRIES if hit.step == "login test" else 1
        scene.network.faults.extend([fault] * times)
    else:
        done = _message(b"C", b"DO\0") + _message(b"Z", b"I")
        scene.network.faults.append(lie_about(b"", done, goes_on=True))


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", 4 + len(content)) + content


def _second(verb: str, *, rotates: bool = False) -> Act:
    """Another operator, who comes to the end at once or waits for the lock."""

    def act(scene: Scene, hit: Hit) -> None:
        scene.note("git", scene.git + rotates)
        if verb == "retire":
            scene.note("may_close", True)
        account = scene.world.account(scene.start, scene.git)

        def work() -> None:
            try:
                VERBS[verb](account, scene.world.way())
                scene.history.append(f"second {verb}: done")
            except SopsmithError as error:
                codes = [each.code for each in error.findings]
                scene.history.append(f"second {verb}: {codes}")

        other = Thread(target=work)
        other.start()
        scene.others.append(other)
        while other.is_alive() and not scene.world.waits():
            time.sleep(0.005)

    return act


class Kind(NamedTuple):
    """A kind of fault."""

    act: Act
    network: bool = False
    after: bool = True  # also after a step


KINDS: dict[str, Kind] = {
    "killed": Kind(_kill),
    "stopped": Kind(_stop),
    "bug": Kind(_bug),
    "lost": Kind(_network(lambda p, done: (lose_reply_to if done else close_before)(p)), True),
    "hang": Kind(_network(lambda p, done: hang_on(p, deliver=done)), True),
    "garbage": Kind(_network(lambda p, done: garbage_for(p, deliver=done)), True),
    "lie": Kind(_lie, True, after=False),
    "second apply": Kind(_second("apply")),
    "second retire": Kind(_second("retire")),
    "second rotate": Kind(_second("apply", rotates=True)),
}
FAULTS: dict[str, Act] = {name: kind.act for name, kind in KINDS.items()}


def hits(start: Start) -> Iterator[Hit]:
    """Every fault at every point where it can be.

    What happens on the network after a step is prepared before it.
    """
    path = points(start)
    for number, point in enumerate(path):
        when, _, step = point.partition(" ")
        for name, kind in KINDS.items():
            is_possible = (kind.after or when == "before") and not (
                kind.network and step in COMMANDS
            )
            is_there = name != "second retire" or start.layout == "alternating"
            if is_possible and is_there:
                earlier = kind.network and when == "after"
                yield Hit(number - earlier, point, name)


class Case(NamedTuple):
    """A fault in a start's work, and perhaps one more: in the same run or in the next one."""

    start: str
    first: Hit
    second: Hit | None = None
    is_next: bool = False

    @property
    def title(self) -> str:
        """As the name of a test."""
        more = ""
        if self.second is not None:
            run = "next" if self.is_next else "same"
            more = f" then {self.second.fault} {self.second.point} {self.second.number} {run}"
        return f"{self.start}: {self.first.fault} {self.first.point} {self.first.number}{more}"


def singles() -> list[Case]:
    """Every fault at every point of every start."""
    return [Case(name, hit) for name, start in STARTS.items() for hit in hits(start)]


def some(cases: list[Case], each: int, seed: int) -> list[Case]:
    """A sample that has every fault before and after every step, so many times if there are."""
    groups: dict[tuple[str, str], list[Case]] = {}
    for case in Random(seed).sample(cases, len(cases)):  # noqa: S311 - repeatable
        groups.setdefault((case.first.point, case.first.fault), []).append(case)
    return [case for group in groups.values() for case in group[:each]]


def doubles(count: int, seed: int) -> list[Case]:
    """So many pairs, by seed: the second fault befalls what the first leaves of a run, or the
    command that comes after."""
    rng = Random(seed)  # noqa: S311 - repeatable
    cases = singles()
    found: dict[Case, None] = {}
    while len(found) < count:
        case = rng.choice(cases)
        is_next = rng.random() < 0.85
        number = rng.randrange(14) if is_next else case.first.number + rng.randrange(1, 14)
        when, fault = rng.choice(("before", "after")), rng.choice([*KINDS])
        if fault == "second retire" and STARTS[case.start].layout != "alternating":
            continue
        found[case._replace(second=Hit(number, when, fault), is_next=is_next)] = None
    return [*found]
