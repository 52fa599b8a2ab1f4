"""Measures what a render costs, against sops alone and against KSOPS. How to read it: README.md.

It works in a throw-away repository with a fresh age key; standard library and real programs only.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import sub, truediv
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, NamedTuple

from ci.bench.options import positive

CORES = os.cpu_count() or 1
VALUES = 6  # of each component
SIZES = (1, 2, 5, 20, 100)  # components
SOPS = ("sops", "--config", "/dev/null")  # as the function calls it
BUILD = ("kustomize", "build", "--enable-alpha-plugins", "--enable-exec")
SKIPPED = "skipped: no ksops on PATH; name one with KSOPS=/path/to/ksops"
TITLES = {
    "a": "sops decrypt alone",
    "b": "sopsmith-krm",
    "c": "kustomize build with sopsmith-krm",
    "d": "kustomize build with KSOPS",
}
# What kustomize sends to a function is recorded by a function that emits nothing.
RECORDER = """#!/bin/sh
cat > '{call}'
echo '{{"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": []}}'
"""

Data = dict[str, dict[str, bytes]]  # Secret: key: value


class BenchError(Exception):
    """The measurement stops: a program failed, or the ways do not agree."""


class Way(NamedTuple):
    """One way to the values: programs that together do the work, at most 2 a core at a time."""

    commands: tuple[tuple[str, ...], ...]
    folder: Path
    stdin: Path = Path(os.devnull)


class Sample(NamedTuple):
    """One run of a way."""

    ms: float
    mib: float  # the largest process


class Spread(NamedTuple):
    """Median and quartiles."""

    median: float
    low: float
    high: float


Samples = Mapping[str, Sequence[Sample]]  # by way
Sizes = Iterator[tuple[int, Samples]]  # with the number of components


class Repository(NamedTuple):
    """The throw-away repository, and the environment of everything that runs in it."""

    path: Path
    env: Mapping[str, str]
    recipient: str


def main() -> int:
    """Measure, and print a table line by line or all as JSON."""
    options = _options()
    show = _json if options.output == "json" else _text
    try:
        ksops = _ksops()
        with tempfile.TemporaryDirectory(prefix="sopsmith-bench-") as folder:
            repo = _repository(Path(folder).resolve())
            show(
                _machine(repo, options.runs, ksops),
                _floor(repo, options.runs),
                _sizes(repo, options.components, options.runs, ksops),
            )
    except BenchError as error:
        print(f"bench: error: {error}", file=sys.stderr)
        return 1
    return 0


def _options() -> argparse.Namespace:
    how = "Measure a render. Options go through make as ARGS='--runs 5 --components 1,2'."
    parser = argparse.ArgumentParser(prog="make bench", description=how)
    parser.add_argument("--runs", type=positive, default=15, help="of each way (default 15)")
    parser.add_argument("--components", type=_counts, default=SIZES, help="such as 1,2,5")
    parser.add_argument("--output", choices=("text", "json"), default="text")
    return parser.parse_args()


def _counts(text: str) -> tuple[int, ...]:
    return tuple(map(positive, text.split(",")))


def _ksops() -> str | None:
    stated = os.environ.get("KSOPS")
    found = shutil.which(stated or "ksops")
    if stated and not found:
        raise BenchError(f"KSOPS={stated} is no program")
    return found and os.path.abspath(found)


# --- the repository -------------------------------------------------------------------------------


def _repository(folder: Path) -> Repository:
    """An empty repository with a key. Of the caller's variables only PATH reaches what runs in it.

    PYTHONDONTWRITEBYTECODE above all does not: Python would compile sopsmith at each start.
    """
    home, key = folder / "home", folder / "home" / "age.txt"
    home.mkdir()
    path = os.pathsep.join(map(os.path.abspath, os.environ["PATH"].split(os.pathsep)))
    env = {"PATH": path, "HOME": str(home), "TMPDIR": str(home), "SOPS_AGE_KEY_FILE": str(key)}
    repo = Repository(folder / "repository", env, "")
    _run(("git", "init", "--quiet", str(repo.path)), env)
    _run(("age-keygen", "-o", str(key)), env)
    return repo._replace(recipient=_run(("age-keygen", "-y", str(key)), env).decode().strip())


def _component(repo: Repository, number: int) -> tuple[str, dict[str, bytes]]:
    """Encrypt one Secret of six values, which KSOPS and sopsmith can both read."""
    name = f"component-{number:03}"
    values = {f"C{number:03}_VALUE_{index}": token_urlsafe(24) for index in range(VALUES)}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque"}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
    sops = (*SOPS, "encrypt", "--age", repo.recipient)
    formats = ("--input-type", "json", "--output-type", "yaml", "--filename-override", "any")
    chosen = ("--encrypted-regex", "^data$")
    text = _run((*sops, *formats, *chosen), repo.env, json.dumps(secret | {"data": data}).encode())
    _write(repo.path / f"{name}.yaml", text)
    return name, {key: text.encode() for key, text in values.items()}


def _overlays(repo: Repository, known: Data, ksops: str | None) -> dict[str, Way]:
    """The ways to the data of these components, in the order in which they take turns.

    The recipe is a base and a leaf, as in the example: kustomize reads the leaf alone.
    """
    ours, theirs = repo.path / f"sopsmith-{len(known)}", repo.path / f"ksops-{len(known)}"
    files = [f"{name}.yaml" for name in known]
    base = {
        "app": "bench",
        "components": [f"../{file}" for file in files],
        "values": {key: {} for data in known.values() for key in data},
        "secrets": {name: {"hash": False, "keys": [*data]} for name, data in known.items()},
    }
    recipe = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}
    _write(ours / "base.yaml", json.dumps({**recipe, "spec": base}, indent=2).encode())
    leaf = {"environment": "bench", "extends": "base.yaml"}
    _overlay(ours, "sopsmith-krm", {**recipe, "spec": leaf})
    call = _record(repo, ours)
    ways = {
        "a": Way(tuple((*SOPS, "decrypt", file) for file in files), repo.path),
        "b": Way((("sopsmith-krm",),), ours, call),
        "c": Way(((*BUILD, "."),), ours),
    }
    if ksops:
        listed = [f"../{file}" for file in files]
        _overlay(theirs, ksops, {"apiVersion": "viaduct.ai/v1", "kind": "ksops", "files": listed})
        ways["d"] = Way(((*BUILD, "."),), theirs)
    return ways


def _overlay(folder: Path, program: str, config: Mapping[str, Any]) -> None:
    annotations = {"config.kubernetes.io/function": json.dumps({"exec": {"path": program}})}
    metadata = {"metadata": {"name": "bench", "annotations": annotations}}
    _write(folder / "kustomization.yaml", b"generators: [generator.yaml]\n")
    _write(folder / "generator.yaml", json.dumps({**config, **metadata}).encode())


def _record(repo: Repository, overlay: Path) -> Path:
    """The ResourceList that kustomize sends to the function, byte for byte."""
    call = overlay / "call.yaml"
    program = repo.path / "recorder" / "sopsmith-krm"
    _write(program, RECORDER.format(call=call).encode())
    program.chmod(0o700)
    path = f"{program.parent}{os.pathsep}{repo.env['PATH']}"
    _run((*BUILD, str(overlay)), {**repo.env, "PATH": path})
    return call


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _run(
    command: Sequence[str], env: Mapping[str, str], stdin: bytes = b"", folder: Path | None = None
) -> bytes:
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, env=env, cwd=folder)
    except OSError as error:
        raise BenchError(f"{command[0]} can't be started; run make setup") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        raise BenchError(f"{command[0]} ended with {done.returncode}\n{said}")
    return done.stdout


# --- measuring ------------------------------------------------------------------------------------


def _floor(repo: Repository, runs: int) -> Samples:
    """What is paid before anything of ours or of KSOPS's starts."""
    _write(repo.path / "empty" / "kustomization.yaml", b"resources: []\n")
    ways = {
        "python -c pass": Way(((sys.executable, "-c", "pass"),), repo.path),
        "kustomize build, nothing in it": Way((("kustomize", "build", "empty"),), repo.path),
    }
    return _alternate(repo, ways, runs)


def _sizes(repo: Repository, counts: Sequence[int], runs: int, ksops: str | None) -> Sizes:
    components = dict(_component(repo, number) for number in range(1, max(counts) + 1))
    for count in counts:
        known = dict(list(components.items())[:count])
        ways = _overlays(repo, known, ksops)
        _check_equal(repo, ways, known)
        yield count, _alternate(repo, ways, runs)


def _alternate(repo: Repository, ways: Mapping[str, Way], runs: int) -> dict[str, list[Sample]]:
    """Let the ways take turns, so that whatever else the machine does hits all of them alike.

    The first turn warms up and does not count.
    """
    samples: dict[str, list[Sample]] = {name: [] for name in ways}
    for _ in range(1 + runs):
        for name, way in ways.items():
            samples[name].append(_measure(way, repo.env))
    return {name: taken[1:] for name, taken in samples.items()}


def _measure(way: Way, env: Mapping[str, str]) -> Sample:
    """Run a way once. The kernel tells the peak of a process and of all that it waited for."""
    waiting = list(way.commands)[::-1]
    running: dict[int, subprocess.Popen[bytes]] = {}
    peak = 0
    started = time.perf_counter()
    while waiting or running:
        while waiting and len(running) < 2 * CORES:
            child = _start(waiting.pop(), way, env)
            running[child.pid] = child
        pid, status, usage = os.wait4(-1, 0)
        child = running.pop(pid)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise BenchError(f"{child.args!r} ended with {child.returncode}")
        peak = max(peak, usage.ru_maxrss)
    ms = (time.perf_counter() - started) * 1000
    return Sample(ms, peak / (2**20 if sys.platform == "darwin" else 2**10))


def _start(command: Sequence[str], way: Way, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    with way.stdin.open("rb") as stdin:
        return subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.DEVNULL, env=env, cwd=way.folder
        )


def _check_equal(repo: Repository, ways: Mapping[str, Way], known: Data) -> None:
    """Nothing is measured unless every way emits exactly what was encrypted; c stands for b."""
    for name in ways.keys() - {"b"}:
        way = ways[name]
        out = b"---\n".join(_run(each, repo.env, folder=way.folder) for each in way.commands)
        if _secrets(out.decode()) != known:
            raise BenchError(f"{TITLES[name]} does not emit what was encrypted")


def _secrets(text: str) -> Data:
    """The data of Secrets in the YAML that sops and kustomize print: only as much as it takes."""
    secrets: Data = {}
    for document in re.split(r"^---$", text, flags=re.MULTILINE):
        name = re.search(r"^ +name: (\S+)$", document, re.MULTILINE)
        data = re.search(r"^data:\n((?: +\S+: \S+\n)+)", document, re.MULTILINE)
        if name and data:
            pairs = (line.split() for line in data[1].splitlines())
            secrets[name[1]] = {key[:-1]: base64.b64decode(value) for key, value in pairs}
    return secrets


# --- showing --------------------------------------------------------------------------------------


def _machine(repo: Repository, runs: int, ksops: str | None) -> dict[str, Any]:
    sops = _run(("sops", "--version", "--disable-version-check"), repo.env)
    return {
        "cores": CORES,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "sops": sops.decode().split()[1],
        "kustomize": _run(("kustomize", "version"), repo.env).decode().strip().lstrip("v"),
        "ksops": ksops is not None,
        "runs": runs,
    }


def _spread(numbers: Sequence[float]) -> Spread:
    if len(numbers) == 1:
        return Spread(numbers[0], numbers[0], numbers[0])
    low, median, high = statistics.quantiles(numbers, n=4, method="inclusive")
    return Spread(median, low, high)


def _ms(samples: Sequence[Sample]) -> Spread:
    return _spread([sample.ms for sample in samples])


def _mib(samples: Sequence[Sample]) -> float:
    return max(sample.mib for sample in samples)


def _compared(
    samples: Samples, one: str, other: str, how: Callable[[float, float], float]
) -> Spread | None:
    """One way against another, turn by turn; None where there is no other."""
    if other not in samples:
        return None
    pairs = zip(samples[one], samples[other], strict=True)
    return _spread([how(mine.ms, theirs.ms) for mine, theirs in pairs])


def _json(machine: Mapping[str, Any], floor: Samples, sizes: Sizes) -> None:
    measured = [
        {
            "components": count,
            "ms": {name: _plain(_ms(taken)) for name, taken in samples.items()},
            "mib": {name: round(_mib(taken), 1) for name, taken in samples.items()},
            "b-a": _plain(_compared(samples, "b", "a", sub)),
            "c/d": _plain(_compared(samples, "c", "d", truediv)),
        }
        for count, samples in sizes
    ]
    floors = {name: _plain(_ms(taken)) for name, taken in floor.items()}
    print(json.dumps({"machine": machine, "floor": floors, "measured": measured}, indent=2))


def _plain(spread: Spread | None) -> dict[str, float] | None:
    return spread and {name: round(number, 2) for name, number in spread._asdict().items()}


def _text(machine: Mapping[str, Any], floor: Samples, sizes: Sizes) -> None:
    versions = ", ".join(f"{name} {machine[name]}" for name in ("python", "sops", "kustomize"))
    print(f"{machine['cores']} cores, {machine['system']}, {versions}")
    print(f"ms: median (quartiles) of {machine['runs']} runs in turn; MiB: the largest process\n")
    for name, taken in floor.items():
        print(f"floor  {name:<34}{_cell(_ms(taken))}")
    for name, title in TITLES.items():
        print(f"{name:<7}{title if name != 'd' or machine['ksops'] else SKIPPED}")
    head = "".join(f"{title:>20}" for title in (*TITLES, "b - a", "c / d"))
    print(f"\n{'components':>10}{head}{'MiB a/b/c/d':>18}", flush=True)
    for count, samples in sizes:
        cells = [_cell(_ms(samples[name])) if name in samples else "-" for name in TITLES]
        cells.append(_cell(_compared(samples, "b", "a", sub)))
        cells.append(_cell(_compared(samples, "c", "d", truediv), digits=2))
        row = "".join(f"{cell:>20}" for cell in cells)
        memory = "/".join(f"{_mib(taken):.0f}" for taken in samples.values())
        print(f"{count:>10}{row}{memory:>18}", flush=True)


def _cell(spread: Spread | None, digits: int = 0) -> str:
    if spread is None:
        return "-"
    low, high = f"{spread.low:.{digits}f}", f"{spread.high:.{digits}f}"
    return f"{spread.median:.{digits}f} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main())
