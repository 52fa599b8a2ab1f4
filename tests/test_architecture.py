"""The shape that imports can't show: who may touch the world, and what the function loads."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repository import ROOT

PACKAGE = ROOT / "kustomize-plugin/sopsmith"
PURE = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path.parent.name not in ("tools", "commands")
    and path.name not in ("krm.py", "cli.py", "voice.py", "checkout.py")
)
HEAVY = {"subprocess", "dataclasses", "logging", "concurrent.futures", "tempfile", "argparse"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_middle_opens_and_prints_nothing(path: Path) -> None:
    tree = ast.parse(path.read_text())
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {function.id for function in called if isinstance(function, ast.Name)}
    assert not names & {"open", "print", "input", "exec", "eval"}


def test_the_function_loads_nothing_heavy() -> None:
    script = (
        "import sys, sopsmith.krm, sopsmith.pipeline.validate, sopsmith.pipeline.generate\n"
        f"sys.exit(', '.join({HEAVY!r} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_function_reaches_only_sops_and_files() -> None:
    script = (
        "import sys, sopsmith.krm, sopsmith.pipeline.validate, sopsmith.pipeline.generate\n"
        "sys.exit(' '.join(sorted(m for m in sys.modules if m.startswith('sopsmith.tools.'))))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr.split() == [
        f"sopsmith.tools.{name}" for name in ("files", "process", "sops")
    ]


def test_sops_is_started_before_cryptography_is_loaded() -> None:
    script = "import sys, sopsmith.krm; sys.exit('cryptography' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0


def test_packages_import_nothing_of_themselves() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        assert "import" not in path.read_text()


def test_the_signals_that_stop_us_stand_in_one_place() -> None:
    naming = [path.name for path in PACKAGE.rglob("*.py") if "SIGHUP" in path.read_text()]
    assert naming == ["errors.py"]
