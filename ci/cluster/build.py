"""Builds the pinned programs of the control plane into .tools/cluster, each once.

Beside them it puts the CustomResourceDefinitions that come in the same modules. With --docker it
also unpacks a Docker engine into .tools/docker, where root runs it and none is there; with --kind
it builds kind, too.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, NoReturn

from ci.cluster import docker, redis
from ci.tools.install import find_go

PINS = Path(__file__).resolve().parent / "programs"
HOME = PINS.parents[2] / ".tools" / "cluster"
BIN = HOME / "bin"
CRDS = HOME / "crds"


class Pin(NamedTuple):
    """A folder of programs/: one Go module, and what is taken from it."""

    folder: str
    module: str
    programs: dict[str, str]  # each with its package in the module
    takes: str = "half a minute"  # on two cores
    crds: str = ""
    version: str = ""  # what its release builds set to the version


PIN_LIST = (
    Pin("etcd", "go.etcd.io/etcd/server/v3", {"etcd": ""}, "one minute"),
    Pin(
        folder="kubernetes",
        module="k8s.io/kubernetes",
        programs={
            "kube-apiserver": "/cmd/kube-apiserver",
            "kube-controller-manager": "/cmd/kube-controller-manager",
            "kubectl": "/cmd/kubectl",
        },
        takes="seven minutes",
        version="k8s.io/component-base/version.gitVersion=v",
    ),
    Pin(
        folder="kustomize-controller",
        module="github.com/fluxcd/kustomize-controller",
        programs={"kustomize-controller": ""},
        takes="four minutes",
        crds="config/crd/bases/*.yaml",
    ),
    Pin(
        folder="source-controller",
        module="github.com/fluxcd/source-controller",
        programs={},
        crds="config/crd/bases/*.yaml",
    ),
    Pin(
        folder="argocd",
        module="github.com/argoproj/argo-cd/v3",
        programs={"argocd": "/cmd"},
        takes="five minutes",
        crds="manifests/crds/*-crd.yaml",
        version="github.com/argoproj/argo-cd/v3/common.version=",
    ),
)

ENV = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -trimpath", "GOWORK": "off"}

KIND = Pin("kind", "sigs.k8s.io/kind", {"kind": ""})

AGAIN = "then run the command again; what is built stays"
# What a failing Go says, and what to do then.
HINTS = {
    "missing go.sum entry": f"restore ci/cluster/programs from git, {AGAIN}",
    "checksum mismatch": "restore ci/cluster/programs from git; if it still differs, do not go on",
    "no space left": f"free 12 GB (Go keeps its cache in the home folder), {AGAIN}",
    "signal: killed": f"free 3 GB of memory, {AGAIN}",
}
NETWORK = f"check the network and the proxy settings, {AGAIN}"
REDIS = f"on Debian and Ubuntu: apt install redis-tools; {AGAIN}"
DOCKER = "install a Docker engine, or go on without: then the image is not tested"


def main(*options: str) -> None:
    """Provide all that is missing."""
    if redis.program() is None:
        install_redis()
    if "--docker" in options and docker.program() is None:
        unpack_docker()
    for pin in (*PIN_LIST, KIND) if "--kind" in options else PIN_LIST:
        if not is_built(pin):
            build(pin, find_go(PINS / pin.folder))


def missing() -> list[str]:
    """What a control plane still lacks: the programs' folders, and Redis."""
    pins = [pin.folder for pin in PIN_LIST if not is_built(pin)]
    return pins if redis.program() else [*pins, "redis-server"]


def is_built(pin: Pin) -> bool:
    """Whether the programs are there, of exactly the modules that are pinned now."""
    stamp = HOME / f"{pin.folder}.sum"
    if not stamp.exists():
        return False
    built_of, *made = stamp.read_text().splitlines()
    return built_of == digest(pin) and all((HOME / name).exists() for name in made)


def digest(pin: Pin) -> str:
    """The sum of what decides what is built."""
    files = [PINS / pin.folder / name for name in ("go.mod", "go.sum")]
    how = repr((pin.module, pin.programs, pin.crds, flags(pin), ENV))
    return hashlib.sha256(b"".join([*(f.read_bytes() for f in files), how.encode()])).hexdigest()


def flags(pin: Pin) -> str:
    """What the linker is told."""
    return f"-s -w -X {pin.version}{pinned(pin)}" if pin.version else "-s -w"


def build(pin: Pin, go: str) -> None:
    """Build a pin's programs and copy its definitions; its stamp comes last."""
    version = pinned(pin)
    (HOME / f"{pin.folder}.sum").unlink(missing_ok=True)
    for folder in (BIN, CRDS):
        folder.mkdir(parents=True, exist_ok=True)
    if pin.programs:
        say(f"building {' and '.join(pin.programs)} {version} ({pin.takes}, once)")
    for name, package in pin.programs.items():
        unproven = HOME / f"{name}.new"
        run_go(pin, go, "build", "-ldflags", flags(pin), "-o", str(unproven), pin.module + package)
        unproven.replace(BIN / name)
    made = [BIN / name for name in pin.programs]
    if pin.crds:
        run_go(pin, go, "mod", "download", pin.module)
        source = run_go(pin, go, "list", "-m", "-f", "{{.Dir}}", pin.module).strip()
        files = Path(source).glob(pin.crds)
        made += [shutil.copyfile(file, CRDS / file.name) for file in files]
    stamp = [digest(pin), *(str(each.relative_to(HOME)) for each in made)]
    (HOME / f"{pin.folder}.sum").write_text("\n".join(stamp))


def pinned(pin: Pin) -> str:
    text = (PINS / pin.folder / "go.mod").read_text()
    match = re.search(rf"^(?:require )?\s*{re.escape(pin.module)} v(\S+)", text, re.MULTILINE)
    if match is None:
        fail(f"{pin.module} is not pinned", f"see {PINS.parent / 'README.md'}")
    return match[1]


def run_go(pin: Pin, go: str, *words: str) -> str:
    """Run Go in a pin's folder, in silence; on failure show how it ended and what to do next."""
    done = subprocess.run(
        [go, *words],
        cwd=PINS / pin.folder,
        env={**os.environ, **ENV},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode == 0:
        return done.stdout
    said = [line for line in done.stderr.splitlines() if not line.startswith("go: downloading")]
    print(*said[-12:], sep="\n", file=sys.stderr)
    known = (advice for words, advice in HINTS.items() if words in done.stderr.lower())
    fail(f"could not build {pin.folder}: Go's last words are above", next(known, NETWORK))


def install_redis() -> None:
    """Debian's package that has the program and starts no service; only root can."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        fail("there is no redis-server on PATH", REDIS)
    say("installing Debian's redis-tools (a few seconds, once)")
    run_apt(apt, "update", hint=REDIS)
    run_apt(apt, "install", "--yes", "--no-install-recommends", "redis-tools", hint=REDIS)


def unpack_docker() -> None:
    """Debian's engine, taken out of its packages: installed, it would start as a service.

    Nobody but root could start it, so nobody else gets it.
    """
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        return
    say("unpacking Debian's docker.io (a few seconds, once)")
    unproven = docker.UNPACKED.with_suffix(".new")
    shutil.rmtree(unproven, ignore_errors=True)
    unproven.mkdir(parents=True)
    run_apt(apt, "update", hint=DOCKER)
    run_apt(apt, "download", *docker.PACKAGES, hint=DOCKER, cwd=unproven)
    for package in sorted(unproven.glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, unproven], check=True)
        package.unlink()
    unproven.replace(docker.UNPACKED)


def run_apt(apt: str, *words: str, hint: str, cwd: Path | None = None) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    silent = ("--quiet=2", "-o", "APT::Sandbox::User=root")  # else it warns of our folder's rights
    done = subprocess.run([apt, *silent, *words], cwd=cwd, env=env, stdout=subprocess.DEVNULL)
    if done.returncode:
        fail(f"apt-get {words[0]} failed: its words are above", hint)


def say(what: str) -> None:
    print(f"cluster: {what}", flush=True)


def fail(what: str, hint: str) -> NoReturn:
    sys.exit(f"cluster: error: {what}\ncluster: hint: {hint}")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(130)
