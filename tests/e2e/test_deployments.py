"""The simulator of ci/bench, small: both ways through the same random lives on a real server."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.repository import ROOT

DEPLOYMENTS = 25


@pytest.fixture(scope="module")
def simulated() -> Any:
    argv = ("--deployments", str(DEPLOYMENTS), "--seed", "4", "--output", "json")
    command = (sys.executable, "-m", "ci.bench.deployments", *argv)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_deployment_ends_in_one_way_or_another(simulated: Any) -> None:
    assert sum(simulated["events"].values()) == DEPLOYMENTS
    for way in ("old", "ours"):
        assert sum(simulated["ways"][way]["verdicts"].values()) == DEPLOYMENTS


def test_ours_refuses_what_would_fail_and_fails_at_nothing(simulated: Any) -> None:
    ours = simulated["ways"]["ours"]
    assert ours["verdicts"]["failed"] == 0
    assert ours["verdicts"]["refused"] > 0
    assert ours["unnoticed"] == {}
    assert all(mode["failed"] == 0 for mode in ours["modes"].values())


def test_the_old_way_fails_and_each_failure_has_a_repair_with_its_time(simulated: Any) -> None:
    old = simulated["ways"]["old"]
    assert old["verdicts"]["failed"] > 0
    met = [mode for mode in old["modes"].values() if mode["failed"]]
    assert all(mode["steps"] > 0 and mode["seconds"]["median"] > 0 for mode in met)
    assert sum(mode["failed"] * mode["steps"] for mode in met) == old["repair_steps"]


def test_what_is_assumed_is_printed(simulated: Any) -> None:
    chances = [each["probability"] for each in simulated["assumptions"]]
    assert chances and all(0 < chance < 1 for chance in chances)
    assert simulated["raw_passwords"]["pasted"] > 0
