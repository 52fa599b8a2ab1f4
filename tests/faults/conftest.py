"""The server that the faults befall, how many there are, and what came of them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from sopsmith.report import table
from tests.faults.faults import KINDS, doubles, singles, some
from tests.faults.test_now import BREAKS
from tests.faults.test_promotion import PROMOTIONS
from tests.faults.world import World
from tests.programs import needed
from tests.servers import LOUD, heard, server

SEED = 1
FEW, MANY = 60, 2000  # pairs; of about half, the second one finds something to befall
STRIDE = 5  # of the broken commits and rotations, likewise
EACH = 2  # of the single ones, where there are few


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--every-fault", action="store_true", help="all of them: see `make faults`")
    parser.addoption("--seed", type=int, default=SEED, help="of the pairs of faults")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each case; `make test` has a sample that is the same every time."""
    has_all = metafunc.config.getoption("--every-fault", default=False)
    seed = metafunc.config.getoption("--seed", default=SEED)
    if "single" in metafunc.fixturenames:
        cases = singles() if has_all else some(singles(), EACH, seed)
        metafunc.parametrize("single", cases, ids=[each.title for each in cases])
    if "promotion" in metafunc.fixturenames:
        promotions = PROMOTIONS if has_all else PROMOTIONS[::STRIDE]
        titles = [each.title for each in promotions]
        metafunc.parametrize("promotion", promotions, ids=titles)
    if "broken" in metafunc.fixturenames:
        breaks = BREAKS if has_all else BREAKS[::STRIDE]
        metafunc.parametrize("broken", breaks, ids=[each.title for each in breaks])
    if "double" in metafunc.fixturenames:
        cases = doubles(MANY if has_all else FEW, seed)
        metafunc.parametrize("double", cases, ids=[each.title for each in cases])


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """One for the session, loud; it has heard no password."""
    with server(needed(18), settings=LOUD) as started:
        made = World(started)
        with closing(made.owner):
            yield made
            assert heard(started, made.canaries()) == []


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print how many commands put each kind of fault right, by step."""
    done = [
        (name, value, report.duration)
        for report in terminalreporter.getreports("passed")
        if report.when == "call"
        for name, value in report.user_properties
    ]
    singles = [(value, seconds) for name, value, seconds in done if name == "single"]
    doubles = [(value, seconds) for name, value, seconds in done if name == "double"]
    write = terminalreporter.write
    if singles:
        write(f"\nsingle faults: put right by 0/1/2 commands\n{_by_step(singles)}")
        write(_sum("single faults", [value[2] for value, _ in singles], singles))
    if doubles:
        both = [each for each in doubles if each[0][3]]
        write(_sum("pairs of faults", [value[2] for value, _ in both], both))
        write(f"pairs whose second fault found nothing left to befall: {len(doubles) - len(both)};"
              f" seed {config.getoption('--seed', default=SEED)}\n")  # fmt: skip


def _by_step(done: list[Any]) -> str:
    counts = Counter((step, fault, runs) for (step, fault, runs, _), _ in done)
    steps = dict.fromkeys(step for (step, *_), _ in done)
    rows = []
    for step in sorted(steps, key=lambda each: each.partition(" ")[2]):
        cells = ["/".join(str(counts[step, fault, runs]) for runs in range(3)) for fault in KINDS]
        rows.append((step, *("-" if cell == "0/0/0" else cell for cell in cells)))
    return table(("", *KINDS), rows, False)


def _sum(title: str, runs: list[int], done: list[Any]) -> str:
    by = Counter(runs)
    seconds = sum(seconds for _, seconds in done)
    return (f"{title}: {len(done)}; by no command {by[0]}, one {by[1]}, two {by[2]};"
            f" {seconds:.0f} s\n")  # fmt: skip
