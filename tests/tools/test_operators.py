"""Random operators with accidents never lock a pod out; how, says `tests/operators.py`."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from sopsmith.postgres.account import Strategy
from tests.operators import CANARY, Operators
from tests.servers import Server, heard

HISTORIES = int(os.environ.get("HISTORIES", "200"))  # the same ones each time, if nobody asks
SETTINGS = settings(
    max_examples=HISTORIES // 2, stateful_step_count=14, deadline=None, print_blob=True,
    derandomize="HISTORIES" not in os.environ, suppress_health_check=list(HealthCheck),
)  # fmt: skip


@pytest.mark.parametrize("strategy", ["alternating", "in-place"])
def test_whatever_operators_do(postgres18: Server, strategy: Strategy) -> None:
    class Here(Operators):
        server = postgres18

    Here.strategy = strategy
    run_state_machine_as_test(Here, settings=SETTINGS)
    assert heard(postgres18, [CANARY]) == []
