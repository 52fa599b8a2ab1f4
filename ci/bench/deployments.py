"""Simulates deployments of an application with a database: the old way and sopsmith, side by side.

Random lives of environments on a real PostgreSQL, both ways with the same events and the same
slips; whether a deployment runs is decided by a real login. How to read it: README.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from ci.bench import lives, old_way, our_way
from ci.bench.ground import ground
from ci.bench.lives import MODES, Outcome, Trouble
from ci.bench.options import positive
from tests.servers import Server

VERSION = 18
STRATEGIES = ("in-place", "alternating")
VERDICTS = {
    "success": "success on the first try",
    "refused": "refused before the deploy, with a message",
    "failed": "failed at run time",
}
NOTES = (
    "in this process: what a sync runs (validate, render, postgres apply, retire); as commands: "
    "rotate, set, bootstrap, git, sops, psql",
    "seconds are the machine's: the repair's programs and the deployment once more; people's time, "
    "kubectl and restarts of pods are not counted, in either way",
    "a key that the application needs and nobody declares in the recipe fails in both ways; here "
    "the recipe changes in the commit that needs it",
    "a deployment is asked once, when its new pod starts; what old pods see meanwhile is not",
)


class Ways(NamedTuple):
    """What came of the same deployments in both."""

    old: Sequence[Outcome]
    ours: Sequence[Outcome]


def main() -> int:
    """Simulate, and print tables or JSON; 1: a deployment of ours failed at run time."""
    options = _options()
    begun = time.perf_counter()
    with ground(VERSION) as (started, folder):
        ways = _simulated(started, folder, options.deployments, options.seed)
    tree = _tree(ways, options.deployments, options.seed, time.perf_counter() - begun)
    print(json.dumps(tree, indent=2) if options.output == "json" else _text(tree))
    return int(tree["ways"]["ours"]["verdicts"]["failed"] > 0)


def _options() -> argparse.Namespace:
    how = "Simulate deployments. Options go through make as ARGS='--deployments 100 --seed 2'."
    parser = argparse.ArgumentParser(prog="make bench-deployments", description=how)
    parser.add_argument("--deployments", type=positive, default=1000, help="default 1000")
    parser.add_argument("--seed", type=int, default=1, help="of what is random (default 1)")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    return parser.parse_args()


# --- simulating -----------------------------------------------------------------------------------


def _simulated(server: Server, folder: Path, deployments: int, seed: int) -> Ways:
    ways = Ways([], [])
    key = our_way.key(folder)
    for number, events in enumerate(lives.lives(deployments, seed)):
        rngs = [Random(f"{seed}/{number}/{way}") for way in Ways._fields]  # noqa: S311 - repeatable
        old = old_way.Old(server, f"old{number}", rngs[0])
        ours = our_way.made(server, f"our{number}", rngs[1], folder / f"life{number}",
                            STRATEGIES[number % 2], key)  # fmt: skip
        for event in events:
            ways = Ways([*ways.old, old_way.deploy(old, event)],
                        [*ways.ours, our_way.deploy(ours, event)])  # fmt: skip
        for database in (old.database, ours.database):  # 8 MB each
            server.owner_run(f'DROP DATABASE "{database}"')
    return ways


# --- summing up -----------------------------------------------------------------------------------


def _tree(ways: Ways, deployments: int, seed: int, seconds: float) -> dict[str, Any]:
    raw = [each.raw_breaks for each in ways.old if each.raw_breaks is not None]
    return {
        "deployments": deployments,
        "seed": seed,
        "seconds": round(seconds, 1),
        "postgresql": VERSION,
        "notes": NOTES,
        "assumptions": _assumptions(),
        "events": dict(Counter(each.event.kind for each in ways.old)),
        "raw_passwords": {"pasted": len(raw), "broke": sum(raw)},
        "ways": {name: _way(found) for name, found in ways._asdict().items()},
        "steps": {"old": {"routine": old_way.ROUTINE, "repair": old_way.REPAIR},
                  "ours": {"routine": our_way.ROUTINE, "repair": our_way.REPAIR}},
    }  # fmt: skip


def _assumptions() -> list[dict[str, Any]]:
    tables = (("environment begins", lives.STARTS), ("then", lives.LATER), ("slip", lives.SLIPS))
    rows = [
        {"kind": kind, "name": name, "probability": chance, "words": words}
        for kind, table in tables
        for name, (chance, words) in table.items()
    ]
    words = "of pastes, once a raw password has broken a URL of the team; before that none"
    learned = {"name": "percent-encoded", "probability": lives.ENCODES, "words": words}
    return [*rows, {"kind": "learned", **learned}]


def _way(found: Sequence[Outcome]) -> dict[str, Any]:
    troubles = [trouble for each in found for trouble in each.troubles]
    verdicts = Counter(each.verdict for each in found)
    unnoticed = Counter(each.unnoticed for each in found if each.unnoticed)
    return {
        "verdicts": {name: verdicts[name] for name in VERDICTS},
        "unnoticed": dict(unnoticed),
        "routine_steps": sum(len(each.steps) for each in found),
        "repair_steps": sum(len(each.steps) for each in troubles),
        "repair_seconds": _spread(each.seconds for each in troubles),
        "modes": {mode: _mode([t for t in troubles if t.problem.mode == mode]) for mode in MODES},
    }


def _mode(troubles: Sequence[Trouble]) -> dict[str, Any]:
    stages = Counter(each.problem.stage for each in troubles)
    return {
        "refused": stages["before"],
        "failed": stages["run time"],
        "steps": round(statistics.mean(len(each.steps) for each in troubles), 1) if troubles else 0,
        "seconds": _spread(each.seconds for each in troubles),
    }


def _spread(seconds: Iterable[float]) -> dict[str, float] | None:
    numbers = sorted(seconds)
    if not numbers:
        return None
    if len(numbers) == 1:
        numbers *= 2
    low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return {"median": round(median, 3), "low": round(low, 3), "high": round(high, 3)}


# --- showing --------------------------------------------------------------------------------------


def _text(tree: dict[str, Any]) -> str:
    head = (f"{tree['deployments']} deployments, seed {tree['seed']}, PostgreSQL "
            f"{tree['postgresql']}, SCRAM by libpq; {tree['seconds']:.0f} s in all")  # fmt: skip
    parts = (head, *_lines_of_assumptions(tree), *_totals(tree), *_modes(tree), *_steps(tree), "")
    return "\n".join([*parts, *(f"- {note}" for note in tree["notes"])])


def _lines_of_assumptions(tree: dict[str, Any]) -> list[str]:
    lines = ["", "assumed, not measured:"]
    for each in tree["assumptions"]:
        chance = f"{each['probability']:.0%}"
        lines.append(f"  {each['kind']:<19}{each['name']:<25}{chance:>4}  {each['words']}")
    raw = tree["raw_passwords"]
    share = f" ({raw['broke'] / raw['pasted']:.0%})" if raw["pasted"] else ""
    found = f"{raw['broke']} of {raw['pasted']}{share} base64 passwords break a URL as they are"
    return [*lines, "", f"measured: {found}"]


def _totals(tree: dict[str, Any]) -> list[str]:
    old, ours, count = tree["ways"]["old"], tree["ways"]["ours"], tree["deployments"]
    rows: list[tuple[str, ...]] = [("", "old way", "sopsmith")]
    for verdict, words in VERDICTS.items():
        shown = (f"{way['verdicts'][verdict]} ({way['verdicts'][verdict] / count:.1%})"
                 for way in (old, ours))  # fmt: skip
        rows.append((words, *shown))
    for words in dict.fromkeys((*old["unnoticed"], *ours["unnoticed"])):
        shown = (str(way["unnoticed"].get(words, 0)) for way in (old, ours))
        rows.append((f"runs in the end, but {words}", *shown))
    for kind in ("routine", "repair"):
        shown = (str(way[f"{kind}_steps"]) for way in (old, ours))
        rows.append((f"steps by hand: {kind}", *shown))
    rows.append(("seconds of a repair: median (quartiles)",
                 *(_cell(way["repair_seconds"]) for way in (old, ours))))  # fmt: skip
    return ["", *(f"{words:<56}{a:>24}{b:>24}" for words, a, b in rows)]


def _modes(tree: dict[str, Any]) -> list[str]:
    lines = ["", f"{'':<32}{'old way':<44}sopsmith"]
    columns = f"{'failed':>7}{'steps':>7}  {'seconds':<24}"
    lines.append(f"{'':<32}{columns:<44}{'refused':>8}{columns}")
    for mode in MODES:
        old, ours = (tree["ways"][way]["modes"][mode] for way in Ways._fields)
        left, right = (
            f"{each['failed']:>7}{each['steps'] or '-':>7}  {_cell(each['seconds']):<24}"
            for each in (old, ours)
        )
        lines.append(f"{mode:<32}{left:<44}{ours['refused']:>8}{right}".rstrip())
    return lines


def _steps(tree: dict[str, Any]) -> list[str]:
    lines = []
    for way, title in (("old", "old way"), ("ours", "sopsmith")):
        for kind, table in tree["steps"][way].items():
            lines += ["", f"{title}, {kind}:"]
            lines += [f"  {name:<32}{len(steps)}  {' · '.join(steps)}"
                      for name, steps in table.items()]  # fmt: skip
    return lines


def _cell(spread: dict[str, float] | None) -> str:
    if spread is None:
        return "-"
    return f"{spread['median']:.3f} ({spread['low']:.3f}–{spread['high']:.3f})"


if __name__ == "__main__":
    sys.exit(main())
