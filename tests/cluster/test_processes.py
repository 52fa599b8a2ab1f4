"""What the control plane starts comes up or says why not, and does not outlive it."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from ci.cluster.processes import ClusterError, running, wait_until
from tests.repository import ROOT

SERVE = """
import signal, sys, time
from pathlib import Path
from ci.cluster.processes import running, unwinding_on

folder = Path(sys.argv[1])
program = ("sh", "-c", "sleep 1000 & echo $! > ../../new; mv ../../new ../../child; wait")
with unwinding_on(signal.SIGINT, signal.SIGTERM):
    with running(program, folder=folder, ready=(folder / "child").exists):
        print("up", flush=True)
        while True:  # a pause could begin just after the signal
            time.sleep(0.1)
"""


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM))
def test_a_signal_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    argv = (sys.executable, "-c", SERVE, str(tmp_path))
    with subprocess.Popen(argv, cwd=ROOT, stdout=PIPE, stderr=PIPE) as serving:
        assert serving.stdout is not None and serving.stdout.readline() == b"up\n"
        child = Path("/proc", (tmp_path / "child").read_text().strip())
        assert child.exists()
        serving.send_signal(number)
    wait_until(lambda: _has_ended(child), f"{child} to end")


def _has_ended(process: Path) -> bool:
    """Gone, or a zombie that nobody asked for yet."""
    try:
        return "Z" in (process / "stat").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return True


START = """
import os, signal, subprocess, sys
from pathlib import Path
from ci.cluster.processes import running, unwinding_on

class Interrupted(subprocess.Popen):
    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        print(self.pid, flush=True)
        os.kill(os.getpid(), signal.SIGTERM)

subprocess.Popen = Interrupted
with unwinding_on(signal.SIGTERM):
    with running(("sleep", "1000"), folder=Path(sys.argv[1]), ready=lambda: True):
        print("up", flush=True)
"""


def test_a_signal_while_one_is_started_ends_it(tmp_path: Path) -> None:
    """It comes when the program runs and its caller has not heard of it yet."""
    argv = (sys.executable, "-c", START, str(tmp_path))
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.endswith("KeyboardInterrupt: 15\n")
    (started,) = done.stdout.split()
    assert not Path("/proc", started).exists()


def test_one_that_ends_shows_its_last_words(tmp_path: Path) -> None:
    argv = ("sh", "-c", "echo no such flag; exit 2")
    with pytest.raises(ClusterError, match=r"sh ended with 2: see .*/sh\.log\n  no such flag"):
        running(argv, folder=tmp_path, ready=lambda: False).__enter__()


def test_one_that_never_serves_is_ended(tmp_path: Path) -> None:
    expected = "waited 0 s for sleep to be ready, saw see .*/sleep.log"
    with pytest.raises(ClusterError, match=expected):
        running(("sleep", "1000"), folder=tmp_path, ready=lambda: False, seconds=0).__enter__()
