"""Rotates a database's password under load, as GitOps does it, and counts the logins that fail.

Of two roles none may fail. In place some do: how long a pod's password is not the database's is
measured. How to read it: README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from ci.bench import our_way, pods
from ci.bench.ground import ground
from ci.bench.options import positive
from ci.bench.pods import PODS, Pods, Seen, Told
from sopsmith.database import applying, retiring, ways
from sopsmith.errors import SopsmithError
from sopsmith.model import Sensitive
from sopsmith.postgres import account as documents
from sopsmith.postgres.account import Account, Secret, Strategy
from tests.database import Shop, shop
from tests.repository import Repo
from tests.servers import Server

VERSION = 18
RATE = 200  # tries of a login a second that count as load
CALM = 0.2  # seconds between two rotations in place, in which nothing but the pods is at work
SKIPPED = {0: 0.75, 1: 0.20, 2: 0.05}  # commits that the cluster never syncs, before one it does
CHANCES = {
    "two Jobs at once": 0.1,
    "retire while pods roll": 0.1,
    "an old pod restarts": 0.3,
    "retire forgotten": 0.1,
}
NOTES = (
    f"{PODS} pods in {pods.PROCESSES} processes log in without a pause, by libpq and SCRAM with "
    "4,096 iterations, each time by a new connection, on the machine that runs the server too",
    "one render with sops gives the first account; later versions are made from it as rotate does",
    "a pod's switch, the sync and the Jobs are calls in this process: what a controller and "
    "Kubernetes take comes on top of a window in place; of two roles both work until retire",
    "in place at once: the Secret and all pods follow as apply returns; on failure: the Secret "
    f"does, and a pod reads it when a login failed, {pods.PAUSE * 1000:.0f} ms later",
)


class Run(NamedTuple):
    """What came of one set-up with one seed."""

    counts: Counter[str]
    windows: Sequence[float]  # seconds, one a rotation and pod
    seen: Sequence[Seen]
    seconds: float

    @property
    def failed(self) -> int:
        """Logins."""
        return sum(each.failed for each in self.seen)


def main() -> int:
    """Rotate, and print a table or JSON; 1: a login of two roles failed, or the load was light."""
    options = _options()
    with ground(VERSION) as (started, folder):
        key = our_way.key(folder)
        runs = {
            setup: [_run(started, folder / f"{number}-{seed}", key, setup, options, seed)
                    for seed in range(1, options.seeds + 1)]
            for number, setup in enumerate(SETUPS)
        }  # fmt: skip
    tree = _tree(runs, options)
    print(json.dumps(tree, indent=2) if options.output == "json" else _text(tree))
    found = tree["setups"]["alternating"]
    return int(any(found["logins failed"]) or min(found["tries a second"]) < RATE)


def _options() -> argparse.Namespace:
    how = "Rotate under load. Options go through make as ARGS='--rotations 20 --seeds 1'."
    parser = argparse.ArgumentParser(prog="make bench-rotations", description=how)
    parser.add_argument("--rotations", type=positive, default=100, help="of each (default 100)")
    parser.add_argument("--seeds", type=positive, default=3, help="runs of each (default 3)")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    return parser.parse_args()


# --- what is rotated ------------------------------------------------------------------------------


def _run(server: Server, folder: Path, key: tuple[Path, str], setup: str,
         options: argparse.Namespace, seed: int) -> Run:  # fmt: skip
    (folder / "home").mkdir(parents=True)
    strategy: Strategy = "alternating" if setup == "alternating" else "in-place"
    made = shop(Repo(folder / "repo", *key), server, strategy)
    made.bootstrap()
    first = documents.read(made.value("ROLES").encode())[-1]
    applying.apply(first, ways.real({}))
    begun = time.monotonic()
    with pods.running(_url(made, first)) as (live, seen):
        world = World(made, live, Random(f"{setup}/{seed}"))  # noqa: S311 - repeatable
        counts, windows = SETUPS[setup](world, first, options.rotations)
    run = Run(counts, windows, seen, time.monotonic() - begun)
    print(f"bench: {setup}, seed {seed}: {run.seconds:.0f} s, {run.failed} failed", file=sys.stderr)
    return run


class World(NamedTuple):
    """What a rotation meets."""

    shop: Shop
    pods: Pods
    rng: Random

    def happens(self, name: str) -> bool:
        """Whether it does this time."""
        return self.rng.random() < CHANCES[name]


def _rotated(account: Account, rng: Random) -> Account:
    """The next version, as `sopsmith rotate` commits it."""
    now = Secret((account.now.version or 0) + 1, Sensitive(rng.randbytes(24).hex()))
    slot = "a" if account.slot == "b" or account.other is None else "b"
    after = account._replace(slot=slot, now=now, before=account.now)
    urls = {name: to.of(after.active, now.password) for name, to in account.urls.items()}
    return after._replace(urls=urls)


def _url(made: Shop, account: Account) -> str:
    return made.server.url(account.active, account.now.text, made.name)


# --- two roles ------------------------------------------------------------------------------------


def _alternating(world: World, first: Account, rotations: int) -> tuple[Counter[str], list[float]]:
    counts: Counter[str] = Counter()
    head = live = first
    while counts["rotations"] < rotations:
        skipped = world.rng.choices(list(SKIPPED), list(SKIPPED.values()))[0]
        for _ in range(1 + skipped):
            head = _rotated(head, world.rng)
        counts["commits skipped"] += skipped
        if not _synced(world, live, head, counts):
            continue  # git goes on, as the refusal says
        _roll(world, live, head, counts)
        live = head
        counts["rotations"] += 1
        if world.happens("retire forgotten"):
            counts["retire forgotten"] += 1
        else:
            _retired(live, counts)
    return counts, []


def _synced(world: World, live: Account, head: Account, counts: Counter[str]) -> bool:
    """Whether the sync's Job applied; a refusal is counted, and obeyed."""
    refused = _refused(lambda: _jobs(world, head, counts))
    if refused is None:
        return True
    counts["refused before any harm"] += 1
    if "sopsmith rotate" in refused:
        return False
    _retired(live, counts)  # by the cluster's CronJob, which knows what was applied last
    return _refused(lambda: _jobs(world, head, counts)) is None


def _jobs(world: World, head: Account, counts: Counter[str]) -> None:
    number = 1 + world.happens("two Jobs at once")
    counts["two Jobs at once"] += number - 1
    with ThreadPoolExecutor(number) as pool:
        list(pool.map(lambda _: applying.apply(head, ways.real({})), range(number)))


def _roll(world: World, former: Account, head: Account, counts: Counter[str]) -> None:
    """The pods get the new URL one after another, while those of before go on and restart."""
    held = dict.fromkeys(range(PODS), former)
    for number in world.rng.sample(range(PODS), PODS):
        others = [each for each, account in held.items() if account is former]
        if world.happens("an old pod restarts"):
            world.pods.switch(world.rng.choice(others), _url(world.shop, former))
            counts["an old pod restarts"] += 1
        if world.happens("retire while pods roll"):
            refused = _refused(lambda: _retire(head, _users(held, head)))
            counts["retire while pods roll: refused"] += refused is not None
            counts["retire while pods roll: closed"] += refused is None
        world.pods.switch(number, _url(world.shop, head))
        held[number] = head


def _users(held: dict[int, Account], live: Account) -> retiring.Consumers:
    """Who refers to a role: pods, and the Deployment that names the Secret of now."""
    roles = {f"pod {number}": account.active for number, account in held.items()}
    roles["Deployment"] = live.active
    return lambda account: [name for name, used in roles.items() if used == account.other]


def _retired(live: Account, counts: Counter[str]) -> None:
    """Until it is done, as the CronJob does: a session may take a moment to end."""
    users = _users(dict.fromkeys(range(PODS), live), live)
    while _refused(lambda: _retire(live, users)) is not None:
        counts["retire waited for a session"] += 1
        time.sleep(0.05)


def _retire(head: Account, users: retiring.Consumers) -> None:
    retiring.retire(head, ways.real({}), users, grace=0, now=time.monotonic)


def _refused(act: Callable[[], None]) -> str | None:
    """The hint of a refusal; whatever else is raised is a bug."""
    try:
        act()
    except SopsmithError as error:
        if {each.code for each in error.findings} - {"db-in-use", "db-retired"}:
            raise
        return error.findings[0].hint or ""
    return None


# --- one role in place ----------------------------------------------------------------------------


def _at_once(world: World, first: Account, rotations: int) -> tuple[Counter[str], list[float]]:
    return _in_place(world, first, rotations, is_at_once=True)


def _on_failure(world: World, first: Account, rotations: int) -> tuple[Counter[str], list[float]]:
    return _in_place(world, first, rotations, is_at_once=False)


def _in_place(
    world: World, head: Account, rotations: int, *, is_at_once: bool
) -> tuple[Counter[str], list[float]]:
    windows: list[float] = []
    for _ in range(rotations):
        time.sleep(CALM)
        head = _rotated(head, world.rng)
        commits: dict[str, float] = {}
        way = ways.real({}, at=lambda point, known=commits: known.update({point: time.monotonic()}))  # type: ignore[misc]
        applying.apply(head, way)
        for number in range(PODS):
            world.pods.tell(number, Told(_url(world.shop, head), is_at_once))
        windows += [had - commits["after commit"] for had in world.pods.answers(PODS)]
    return Counter({"rotations": rotations}), windows


SETUPS = {"alternating": _alternating, "in place, at once": _at_once,
          "in place, on failure": _on_failure}  # fmt: skip


# --- summing up and showing -----------------------------------------------------------------------


def _tree(runs: dict[str, list[Run]], options: argparse.Namespace) -> dict[str, Any]:
    assumed = {"commits skipped": SKIPPED, **CHANCES}
    return {
        "rotations": options.rotations, "seeds": options.seeds, "postgresql": VERSION,
        "notes": NOTES, "assumptions": assumed,
        "setups": {name: _setup(found) for name, found in runs.items()},
    }  # fmt: skip


def _setup(runs: Sequence[Run]) -> dict[str, list[float]]:
    """Each row with a number for each seed."""
    rows: dict[str, list[float]] = {name: [each.counts[name] for each in runs]
            for name in sorted({name for each in runs for name in each.counts})}  # fmt: skip
    logins = [sorted(s for seen in each.seen for s in seen.seconds) for each in runs]
    found: dict[str, list[float]] = {
        **rows,
        "logins": [len(each) for each in logins],
        "logins failed": [each.failed for each in runs],
        "tries a second": [round((len(found) + each.failed) / each.seconds)
                           for found, each in zip(logins, runs, strict=True)],
        "ms of a login: p50": [_ms(each, 0.5) for each in logins],
        "ms of a login: p99": [_ms(each, 0.99) for each in logins],
    }  # fmt: skip
    if all(each.windows for each in runs):
        found["ms of the window: p50"] = [_ms(each.windows, 0.5) for each in runs]
        found["ms of the window: p99"] = [_ms(each.windows, 0.99) for each in runs]
    return found


def _ms(seconds: Sequence[float], share: float) -> float:
    numbers = sorted(seconds)
    return round(1000 * numbers[min(int(len(numbers) * share), len(numbers) - 1)], 1)


def _text(tree: dict[str, Any]) -> str:
    head = f"{tree['rotations']} rotations of each, {tree['seeds']} seeds"
    lines = [f"{head}, PostgreSQL {tree['postgresql']}: median (least–most)"]
    lines += ["", "assumed, not measured:"]
    lines += [f"  {name:<28}{chance}" for name, chance in tree["assumptions"].items()]
    for name, rows in tree["setups"].items():
        lines += ["", name]
        lines += [f"  {row:<36}{_spread(numbers):>24}" for row, numbers in rows.items()]
    return "\n".join([*lines, "", *(f"- {note}" for note in tree["notes"])])


def _spread(numbers: Sequence[float]) -> str:
    return f"{statistics.median(numbers):,g} ({min(numbers):,g}–{max(numbers):,g})"


if __name__ == "__main__":
    sys.exit(main())
