"""What a program says its version is, asked in one way by whoever needs it."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest

from sopsmith.commands.doctor import PROGRAMS
from sopsmith.tools import process, sops
from tests.programs import wait_until
from tests.repository import Repo


def told(folder: Path, script: str) -> tuple[int, ...] | None:
    """The version that we hear from a program."""
    program = folder / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return process.version((str(program), "--version"), {"PATH": "/usr/bin:/bin"})


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("sops 3.11.0 (latest)", (3, 11, 0)),
        ("v5.7.1", (5, 7, 1)),
        ("git version 2.39.5 (Apple Git-154)", (2, 39, 5)),
        ("1.2", (1, 2)),
        ("no number", None),
        ("", None),
    ],
)
def test_a_version_is_the_first_dotted_number(
    tmp_path: Path, says: str, version: tuple[int, ...] | None
) -> None:
    assert told(tmp_path, f"echo '{says}'") == version


@pytest.mark.parametrize("script", ["echo 3.11.0; exit 1", "echo 3.11.0; kill -9 $$"])
def test_who_fails_tells_none(tmp_path: Path, script: str) -> None:
    assert told(tmp_path, script) is None


def test_doctor_asks_sops_as_the_engine_does(repo: Repo) -> None:
    program = process.which("sops", repo.env["PATH"])
    assert program is not None
    version = sops.version(program, repo.env)
    assert version is not None and version >= sops.OLDEST
    (row,) = (p for p in repo.cli("doctor", "--output", "json").document["programs"]
              if p["name"] == "sops")  # fmt: skip
    assert row["version"] == ".".join(map(str, version))
    asked = next(each for each in PROGRAMS if each.name == "sops")
    assert (asked.arguments, asked.oldest) == (sops.TELL_VERSION, sops.OLDEST)


def test_while_one_is_ended_the_time_of_the_others_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The one floods its pipe, and heeds no interrupt; the other waits for somebody to read."""
    monkeypatch.setattr(process, "MOST_OUTPUT", 1 << 20)
    monkeypatch.setattr(process, "GRACE", 7.0)
    scripts = (
        "trap '' INT; head -c 2000000 /dev/zero; sleep 600",
        "sleep 1; head -c 200000 /dev/zero",
    )
    calls = [process.Call(("/bin/sh", "-c", each), b"", dict(os.environ)) for each in scripts]
    with process.started(calls, process.GRACE - 0.5, 2) as wait:
        flood, other = wait()
    assert flood == process.Failed("too-much-output")
    assert isinstance(other, process.Done) and len(other.stdout) == 200000


def test_who_is_interrupted_has_time_to_clean_up_though_the_machine_stood_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, cleaned = tmp_path / "there", tmp_path / "cleaned"
    script = (
        f"trap 'sleep 0.3; echo > {cleaned}; exit 1' INT; echo > {there}; while :; do sleep 1; done"
    )
    with process.started([process.Call(("/bin/sh", "-c", script), b"", dict(os.environ))], 60, 1):
        wait_until(there.exists, "the program")
        hours = itertools.count(0, 3600)
        monkeypatch.setattr(time, "monotonic", lambda: float(next(hours)))
    assert cleaned.exists()
