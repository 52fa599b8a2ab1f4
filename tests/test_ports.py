"""A port that a test has for its server stays its own until the server starts."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from ci.ports import free_ports
from tests.repository import ROOT


def test_no_port_is_given_twice() -> None:
    ports = [*free_ports(200), *free_ports(200)]
    assert len({*ports}) == 400


def test_one_that_is_in_use_is_left_out() -> None:
    (taken,) = free_ports(1)
    with socket.create_server(("127.0.0.1", taken)):
        assert taken not in free_ports(6000)  # more than there are


def test_none_is_one_that_the_kernel_gives_away() -> None:
    assert max(free_ports(6000)) < 32_768  # Linux's own begin there, others' above


def test_two_workers_have_none_in_common() -> None:
    """Each in a process of its own, more often than its part has ports; nobody else's here."""
    code = "from ci.ports import free_ports; print(*free_ports(6000))"
    parts = [
        subprocess.run(
            (sys.executable, "-c", code), cwd=ROOT, check=True, capture_output=True,
            env={**os.environ, "PYTEST_XDIST_WORKER": worker},
        ).stdout.split()
        for worker in ("gw2", "gw3")
    ]  # fmt: skip
    assert {*parts[0]}.isdisjoint(parts[1])
