"""What happens to deployments: the assumptions, the lives drawn from them, and what came of each.

Nothing here knows either way; `old_way` and `our_way` are given the same lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import NamedTuple

from tests.servers import Server

PLACEHOLDER = "CHANGE_ME"
LIFE = 5  # deployments of one environment; each begins with one of STARTS

STARTS = {
    "first": (0.6, "an environment is deployed for the first time, written by hand"),
    "template": (0.4, "likewise, from a copied template full of CHANGE_ME"),
}
LATER = {
    "rotation": (0.5, "the database's password is changed"),
    "rename": (0.2, "the database gets another name (a change of host goes wrong alike)"),
    "new key": (0.3, "the application needs one more key"),
}
SLIPS = {
    "volume": (0.1, "first or template: the volume of an earlier try is there, initialised by it"),
    "volume of another seed": (0.5, "that try had other seeds than now, not just an older version"),
    "placeholder of password": (0.1, "template: POSTGRES_PASSWORD is left as it was"),
    "placeholder of url": (0.1, "template: DATABASE_URL is left as it was"),
    "placeholder of api": (0.1, "template: API_KEY is left as it was"),
    "url forgotten": (0.2, "rotation or rename: DATABASE_URL is left as it was"),
    "database forgotten": (0.2, "rotation: nobody tells the database (ALTER USER)"),
    "key forgotten": (0.2, "new key: this environment does not get it"),
    "version by hand": (0.1, "rotation: the recipe's version is raised by hand, the slot is not"),
    "retire forgotten": (0.1, "any: the former role of two stays open"),
}
ENCODES = 0.5  # of pastes, once a password as it is has broken a URL of this team; before none
MODES = ("unescaped password", "stale DATABASE_URL", "placeholder", "missing key",
         "older password in the database", "version raised by hand",
         "former role still open", "unforeseen")  # fmt: skip


class Event(NamedTuple):
    """One deployment: what is changed, and which of all slips people make if they can."""

    kind: str
    slips: frozenset[str]


class Problem(NamedTuple):
    """Why a deployment does not run."""

    mode: str
    stage: str  # "before": refused with a message, nothing was rolled out; or "run time"


class Trouble(NamedTuple):
    """A problem and its repair."""

    problem: Problem
    steps: tuple[str, ...]  # by hand
    seconds: float  # of the machine: the repair's programs, and the deployment once more


class Outcome(NamedTuple):
    """What came of one deployment in one way."""

    event: Event
    troubles: tuple[Trouble, ...]
    steps: tuple[str, ...]  # by hand, without repairs
    unnoticed: str | None = None  # what is wrong although it runs
    raw_breaks: bool | None = None  # whether a password pasted as it is broke its URL; None: none

    @property
    def verdict(self) -> str:
        """`success` on the first try, `refused` before anything was rolled out, or `failed`."""
        stages = {each.problem.stage for each in self.troubles}
        return "failed" if "run time" in stages else "refused" if stages else "success"


def lives(deployments: int, seed: int) -> list[list[Event]]:
    """Random lives with so many deployments in all; the last may be shorter."""
    rng = Random(seed)  # noqa: S311 - the same lives for the same number
    events = [_event(rng, STARTS if n % LIFE == 0 else LATER) for n in range(deployments)]
    return [events[n : n + LIFE] for n in range(0, deployments, LIFE)]


def _event(rng: Random, kinds: Mapping[str, tuple[float, str]]) -> Event:
    (kind,) = rng.choices(list(kinds), [chance for chance, _ in kinds.values()])
    return Event(kind, frozenset(name for name, (p, _) in SLIPS.items() if rng.random() < p))


def settled(
    attempt: Callable[[], Problem | None], repair: Callable[[Problem], Sequence[str]]
) -> tuple[Trouble, ...]:
    """Deploy, and repair until it runs or no step is known.

    Raises RuntimeError where repairs lead nowhere.
    """
    troubles: list[Trouble] = []
    problem = attempt()
    while problem is not None:
        if len(troubles) > len(MODES):
            raise RuntimeError(f"no repair helps: {[each.problem for each in troubles]}")
        begun = time.perf_counter()
        steps = repair(problem)
        after = attempt()
        troubles.append(Trouble(problem, tuple(steps), time.perf_counter() - begun))
        problem = after if steps else None
    return tuple(troubles)


def runs(server: Server, env: Mapping[str, str], needed: Sequence[str], database: str) -> bool:
    """Whether an application starts: its keys are there, and libpq gets into its database by its
    DATABASE_URL and SCRAM."""
    if not all(env.get(key) for key in ("DATABASE_URL", *needed)):
        return False
    found = server.login(env["DATABASE_URL"], connect_timeout=60)
    return found is not None and found[1] == database
