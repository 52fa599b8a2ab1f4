"""Measures what `sopsmith check` costs before a commit. How to read it: README.md.

It works in a throw-away repository with a fresh age key; standard library and real programs only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from secrets import token_hex, token_urlsafe

GOAL = 300  # ms at 50 files
HOOK = "… --against HEAD FILES"  # what the hook of .pre-commit-hooks.yaml runs
VALUES = 6  # of each component
A_LEAF = 5  # components
RULES = "creation_rules:\n  - path_regex: ^secrets/.*\\.enc\\.yaml$\n    age: {}\n"
RECIPE = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}


def main() -> int:
    """Measure all ways a hook comes in, and print medians and quartiles; 1: over the goal."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="sopsmith-bench-") as folder:
        root = Path(folder).resolve() / "repository"
        env = _environment(root)
        files = _build(root, env, options.files)
        ways = {
            "python -c pass": (sys.executable, "-c", "pass"),
            "sopsmith --version": ("sopsmith", "--version"),
            "sopsmith check": ("sopsmith", "check"),
            f"sopsmith check {len(files)} FILES": ("sopsmith", "check", *files),
            HOOK: ("sopsmith", "check", "--against", "HEAD", *files),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for turn in range(options.runs + 1):
            for name, command in ways.items():
                ms = _timed(command, root, env)
                if turn:  # the first one warms up
                    taken[name].append(ms)
    print(f"{len(files)} encrypted files, {options.runs} runs; ms: median (quartiles)")
    for name, numbers in taken.items():
        low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
        print(f"{name:24}  {median:4.0f} ({low:.0f}–{high:.0f})")
    return int(statistics.median(taken[HOOK]) > GOAL)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure sopsmith check.")
    parser.add_argument("--files", type=int, default=50, help="encrypted (default 50)")
    parser.add_argument("--runs", type=int, default=15, help="at least 2 (default 15)")
    return parser.parse_args()


def _environment(root: Path) -> dict[str, str]:
    """Of the caller's variables only PATH; see render.py."""
    home = root.parent / "home"
    home.mkdir()
    path = os.pathsep.join(map(os.path.abspath, os.environ["PATH"].split(os.pathsep)))
    return {"PATH": path, "HOME": str(home)}


def _build(root: Path, env: Mapping[str, str], count: int) -> list[str]:
    """A repository of so many components and the recipes that read them; returns the components."""
    _run(("git", "init", "--quiet", str(root)), env)
    key = _run(("age-keygen",), env).decode()
    recipient = next(line for line in key.splitlines() if "public key" in line).split()[-1]
    (root / ".sops.yaml").write_text(RULES.format(recipient))
    names = [f"secrets/component-{number:03}.enc.yaml" for number in range(count)]
    for number, name in enumerate(names):
        values = {f"C{number:03}_VALUE_{index}": token_urlsafe(24) for index in range(VALUES)}
        seed = {} if number % A_LEAF else {"SOPSMITH_SEED_1": token_hex(32)}
        tree = {"SOPSMITH_ENVIRONMENT": _environment_of(number), **seed, **values}
        sops = ("sops", "--config", "/dev/null", "encrypt", "--age", recipient)
        kinds = ("--input-type", "json", "--output-type", "yaml", "--filename-override", "any")
        _write(root / name, _run((*sops, *kinds), env, json.dumps(tree).encode()))
    for first in range(0, count, A_LEAF):
        _leaf(root, first, names[first : first + A_LEAF])
    _run(("git", "-C", str(root), "add", "-A"), env)
    who = ("-c", "user.name=bench", "-c", "user.email=bench@example.org")
    _run(("git", "-C", str(root), *who, "commit", "--quiet", "--message", "Start"), env)
    return names


def _environment_of(number: int) -> str:
    return f"environment-{number // A_LEAF}"


def _leaf(root: Path, first: int, names: Sequence[str]) -> None:
    """A leaf that gives every value of these components and generates one."""
    keys = [
        f"C{first + at:03}_VALUE_{index}" for at in range(len(names)) for index in range(VALUES)
    ]
    spec = {
        "app": "bench",
        "environment": _environment_of(first),
        "seeds": {"1": "0" * 32},
        "components": [f"../../{name}" for name in names],
        "values": {**{key: {} for key in keys}, "MADE": {"generate": {"password": {}}}},
        "secrets": {"bench": {"keys": [*keys, "MADE"]}},
    }
    folder = root / "overlays" / _environment_of(first)
    _write(folder / "recipe.yaml", json.dumps({**RECIPE, "spec": spec}, indent=1).encode())
    _write(folder / "kustomization.yaml", b"generators: [recipe.yaml]\n")


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _run(command: Sequence[str], env: Mapping[str, str], stdin: bytes = b"") -> bytes:
    return subprocess.run(command, input=stdin, capture_output=True, env=env, check=True).stdout


def _timed(command: Sequence[str], root: Path, env: Mapping[str, str]) -> float:
    """One run in ms; what it checks has to be in order."""
    started = time.perf_counter()
    subprocess.run(command, cwd=root, env=env, check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    sys.exit(main())
