"""A repository to test in, with canaries that must not sing.

Every secret in it is a canary. After the test nothing of one may be in stderr or in a file, nor in
the stdout of any run that was not marked as one that prints values.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import json
import os
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from secrets import choice, token_hex
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from sopsmith.pipeline.generate import check_value
from sopsmith.tools import replace

ROOT = Path(__file__).parent.parent
ALNUM = string.ascii_letters + string.digits
FUNCTION = {"config.kubernetes.io/function": "exec: {path: sopsmith-krm}"}

# A hook of git that refuses what is committed while nobody holds the lock.
LOCKED_HOOK = f"""\
#!{sys.executable}
import fcntl, os
try:
    fcntl.flock(os.open(".", os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    raise SystemExit(0)
raise SystemExit("nobody holds the lock")
"""


class Run(NamedTuple):
    """One finished program."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)

    @property
    def codes(self) -> set[str]:
        """The codes of the findings on stderr."""
        lines = self.err.splitlines()
        return {line.rpartition("[")[2][:-1] for line in lines if line.startswith("sopsmith: e")}

    @property
    def secrets(self) -> dict[str, dict[str, bytes]]:
        """The emitted Secrets' decoded data by name."""
        assert self.code == 0, self.err
        return {
            item["metadata"]["name"]: {
                key: base64.b64decode(text) for key, text in item["data"].items()
            }
            for item in self.document["items"]
        }

    @property
    def manifests(self) -> dict[str, Any]:
        """What kustomize built, by Kind/name."""
        assert self.code == 0, self.err
        built = yaml.load_all(self.out, yaml.CSafeLoader)
        return {f"{each['kind']}/{each['metadata']['name']}": each for each in built}

    @property
    def built(self) -> dict[str, dict[str, bytes]]:
        """The decoded data of the Secrets that kustomize built, by name."""
        return {
            name.removeprefix("Secret/"): {
                key: base64.b64decode(text.replace("\n", ""), validate=True)
                for key, text in each["data"].items()
            }
            for name, each in self.manifests.items()
            if name.startswith("Secret/")
        }


class Repo:
    """A repository of one application, and the ways into it."""

    def __init__(self, path: Path, key_file: Path, recipient: str) -> None:
        self.path = path
        self.key_file = key_file
        self.recipient = recipient
        self.canaries: list[str] = []
        self.runs: list[Run] = []
        self.printing: set[int] = set()  # the ids of those that print values on purpose
        self.temp = path.parent / "tmp"
        self.temp.mkdir()
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(path.parent / "home"),
            "TMPDIR": str(self.temp),
            "SOPS_AGE_KEY_FILE": str(key_file),
        }
        self.seed = self.canary(token_hex(32))
        git = ["git", "init", "-q", str(path)]
        subprocess.run(git, check=True, env=self.env)

    # --- secrets ------------------------------------------------------------------------------

    def canary(self, text: str | None = None, *, before: str = "", after: str = "") -> str:
        """A secret that nobody may see: 24 random characters, or the given text."""
        marked = text or before + "".join(choice(ALNUM) for _ in range(24)) + after
        self.canaries.append(marked)
        return marked

    def component(
        self,
        path: str,
        values: dict[str, Any] | bytes,
        *flags: str,
        environment: str | None = "production",
        recipient: str | None = None,
    ) -> Path:
        """Encrypt values (or a whole file) with real sops; the format follows the suffix."""
        kinds = {"yaml": ("json", "yaml"), "json": ("json", "json"), "env": ("dotenv", "dotenv")}
        given, stored = kinds.get(path.rpartition(".")[2], ("binary", "binary"))
        if isinstance(values, bytes):
            given, stored, data = "binary", "binary", values
        else:
            if environment is not None and "kind" not in values:
                values = {"SOPSMITH_ENVIRONMENT": environment, **values}
            lines = "".join(f"{key}={text}\n" for key, text in values.items())
            data = lines.encode() if given == "dotenv" else json.dumps(values).encode()
        sops = ["sops", "--config", "/dev/null", "encrypt", "--age", recipient or self.recipient]
        formats = ["--input-type", given, "--output-type", stored, "--filename-override", "any"]
        done = subprocess.run(
            [*sops, *formats, *flags], input=data, capture_output=True, env=self.env
        )
        assert done.returncode == 0, done.stderr
        return self.write(path, done.stdout)

    def stranger(self, name: str) -> tuple[Path, str]:
        """A key of somebody else's beside the repository, and its recipient."""
        file = self.path.parent / name
        self.run("age-keygen", "-o", str(file))
        return file, self.run("age-keygen", "-y", str(file)).out.strip()

    # --- files --------------------------------------------------------------------------------

    def write(self, path: str, content: str | bytes) -> Path:
        """Write a file below the repository."""
        file = self.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    def edit(self, path: str, change: Callable[[str], str]) -> None:
        """Change a file's text; a change that changes nothing fails the test."""
        file = self.path / path
        before = file.read_text()
        after = change(before)
        assert after != before
        file.write_text(after)

    def leaf(self, folder: str = "overlay", **spec: Any) -> Path:
        """Write a leaf recipe and its kustomization; app and environment have defaults."""
        full = {"app": "shop", "environment": "production", **spec}
        document = {
            "apiVersion": "sopsmith.dev/v1alpha1",
            "kind": "SecretRecipe",
            "metadata": {"name": "shop", "annotations": FUNCTION},
            "spec": {key: value for key, value in full.items() if value is not None},
        }
        self.write(f"{folder}/kustomization.yaml", "generators: [recipe.yaml]\n")
        return self.write(f"{folder}/recipe.yaml", json.dumps(document, indent=1))

    def shop(self, given: dict[str, str] | None = None, **spec: Any) -> Path:
        """A small application: one component with a seed and given values, one Secret with all."""
        values = {name: {} for name in given or {}} | spec.pop("values", {})
        self.component("shop.enc.yaml", {"SOPSMITH_SEED_1": self.seed, **(given or {})})
        secrets = {"shop": {"keys": sorted(values), "hash": False}}
        defaults = {"components": ["../shop.enc.yaml"], "values": values, "secrets": secrets}
        return self.leaf(**defaults | {"seeds": self.seeds()} | spec)

    def seeds(self, environment: str = "production", app: str = "shop") -> dict[str, str]:
        """The recipe's `seeds` for the repository's seed."""
        return {"1": check_value(bytes.fromhex(self.seed), app, environment, "1")}

    # --- ways in ------------------------------------------------------------------------------

    def run(
        self, *argv: str, stdin: bytes = b"", cwd: str = ".", prints: bool = False,
        **env: str | None,
    ) -> Run:  # fmt: skip
        """Run a program in the repository; None removes a variable.

        `prints`: its standard output holds values on purpose.
        """
        return self._run(argv, stdin, cwd, env, prints)

    def _run(
        self, argv: tuple[str, ...], stdin: bytes, cwd: str, env: dict[str, str | None],
        prints: bool = False,
    ) -> Run:  # fmt: skip
        merged = {name: text for name, text in {**self.env, **env}.items() if text is not None}
        where = self.path / cwd
        done = subprocess.run(argv, input=stdin, capture_output=True, env=merged, cwd=where)
        run = Run(done.returncode, done.stdout.decode(), done.stderr.decode())
        self.runs.append(run)
        if run.code == 0 and (prints or _is_to_print(argv)):
            self.printing.add(id(run))
        return run

    def cli(self, *argv: str, **env: str | None) -> Run:
        """Run `sopsmith`."""
        return self._run(("sopsmith", *argv), b"", ".", env)

    def overtaken(
        self, argv: Sequence[str], other: Callable[[Repo], object], stdin: bytes = b""
    ) -> Run:
        """Run `sopsmith` so that it has to wait for the lock, and `other` changes files meanwhile.

        `other` does so in a copy, for the lock is held here.
        """
        with replace.locked(str(self.path)):
            pipe = subprocess.PIPE
            waiting = subprocess.Popen(
                ["sopsmith", *argv], stdin=pipe, stdout=pipe, stderr=pipe, cwd=self.path,
                env=self.env,
            )  # fmt: skip
            assert waiting.stdin
            waiting.stdin.write(stdin)
            waiting.stdin.close()
            waiting.stdin = None
            self._wait_for_lock(waiting)
            faster = copy.copy(self)
            faster.path = self.path.parent / "faster"
            shutil.copytree(self.path, faster.path)
            other(faster)
            shutil.copytree(faster.path, self.path, dirs_exist_ok=True)
            shutil.rmtree(faster.path)
        out, err = waiting.communicate(timeout=120)
        self.runs.append(Run(waiting.returncode, out.decode(), err.decode()))
        return self.runs[-1]

    def _wait_for_lock(self, waiting: subprocess.Popen[bytes]) -> None:
        """Who waits has the root open all the time, and who reads only for a moment."""
        seen = 0
        while seen < 8:
            assert waiting.poll() is None, "it ended without the lock"
            folder = Path(f"/proc/{waiting.pid}/fd")
            seen = seen + 1 if self.path in _open_files(folder) else 0
            time.sleep(0.04)

    def call(self, folder: str = "overlay") -> bytes:
        """The ResourceList of a call, with the recipe's text as it stands in the file."""
        text = (self.path / folder / "recipe.yaml").read_text()
        head = (
            "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\nitems: []\nfunctionConfig:\n"
        )
        return (head + "".join(f"  {line}\n" for line in text.splitlines())).encode()

    def function(
        self, folder: str = "overlay", stdin: bytes | None = None, **env: str | None
    ) -> Run:
        """Run `sopsmith-krm` as kustomize would, in the overlay's folder."""
        data = self.call(folder) if stdin is None else stdin
        return self._run(("sopsmith-krm",), data, folder, env)

    def kustomize(self, folder: str = "overlay", **env: str | None) -> Run:
        """Run `kustomize build` with the function."""
        flags = ("--enable-alpha-plugins", "--enable-exec")
        return self._run(("kustomize", "build", *flags, folder), b"", ".", env)

    # --- silence ------------------------------------------------------------------------------

    def singing(self) -> Iterator[str]:
        """Where a canary can be heard that should not."""
        for canary in self.canaries:
            forms = _forms(canary)
            for index, run in enumerate(self.runs):
                heard = run.err if id(run) in self.printing else run.err + run.out
                yield from (f"run {index}: {form}" for form in forms if form in heard)
            for folder in (self.path, self.temp):
                for file in folder.rglob("*"):
                    if file.is_file() and not file.is_symlink():
                        content = file.read_bytes()
                        yield from (f"{file}: {f}" for f in forms if f.encode() in content)


def _open_files(folder: Path) -> set[Path]:
    found = set()
    for each in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed by now
            found.add(each.readlink())
    return found


def _is_to_print(argv: Sequence[str]) -> bool:
    """Whether a program is started to print values; where it fails it prints none all the same."""
    if argv[0] == "sops":
        return "decrypt" in argv
    starts = (
        ["sopsmith", "get"], ["sopsmith", "render"], ["sopsmith", "build"], ["sopsmith-krm"],
        ["kustomize", "build"],
    )  # fmt: skip
    prints = any([*argv[: len(start)]] == start for start in starts)
    return prints and not {"--masked", "--detect"} & {*argv}


def _forms(text: str) -> set[str]:
    """The text as it could show: plain, base64 at each alignment, hex, percent-encoded, escaped."""
    raw = text.encode()
    shifted = {base64.b64encode(b"\0" * shift + raw).decode()[4:-4] for shift in range(3)}
    escaped = json.dumps(text)[1:-1]
    forms = {text, raw.hex(), quote(text, safe=""), escaped, repr(text)[1:-1], *shifted}
    return {form for form in forms if len(form) >= 8}
