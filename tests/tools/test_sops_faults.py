"""Whatever sops or the machine does wrong ends in exit 3, in time and in silence.

Fakes stand in for faults that the real sops does not have on demand; each sings on both streams.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sopsmith.errors import STOPS
from tests.repository import Repo, Run


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository of an application with one given value."""
    repo.shop({"TOKEN": repo.canary()})
    return repo


def fake(repo: Repo, script: str) -> None:
    """Put a program named sops before the real one; $CANARY is a secret, $PIDS a file."""
    folder = repo.path.parent / "bin"
    folder.mkdir(exist_ok=True)
    head = f"#!/bin/sh\nCANARY={repo.canary()}\nPIDS={folder}/pids\n"
    (folder / "sops").write_text(f"{head}{script}\n")
    (folder / "sops").chmod(0o755)
    repo.env["PATH"] = f"{folder}:{os.environ['PATH']}"


def only(repo: Repo, *programs: str) -> Path:
    """Make these programs the only ones on PATH; the folder that holds them."""
    folder = repo.path.parent / "only"
    folder.mkdir()
    for program in programs:
        (folder / program).symlink_to(str(shutil.which(program)))
    repo.env["PATH"] = str(folder)
    return folder


def failed(run: Run, code: str, *texts: str) -> None:
    """The run could not do it, emitted nothing, and says these texts."""
    assert (run.code, run.codes) == (3, {code}), run.err
    assert run.document["items"] == []
    assert [text for text in texts if text not in run.err] == []


def running(pid: int) -> bool:
    """Whether the process still does something after a moment; a zombie does not."""
    for _ in range(3000):
        try:
            os.kill(pid, 0)
            if sys.platform == "linux" and ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return False
        except (ProcessLookupError, FileNotFoundError):
            return False
        time.sleep(0.02)
    return True


def pids(repo: Repo, count: int) -> list[int]:
    """The process ids that the fake notes, once all are there."""
    file = repo.path.parent / "bin/pids"
    for _ in range(3000):
        noted = file.read_text().split() if file.exists() else []
        if len(noted) >= count:
            return [int(pid) for pid in noted]
        time.sleep(0.02)
    raise AssertionError("the fake never started")


# --- the program ------------------------------------------------------------------------------


def test_sops_is_missing(shop: Repo) -> None:
    only(shop, "sopsmith-krm", "kustomize")
    failed(shop.function(), "program-missing", "error: sops is not on PATH",
           "hint: install sops 3.11 or newer; sopsmith doctor shows")  # fmt: skip
    assert shop.kustomize().code


def test_sops_is_not_executable(shop: Repo) -> None:
    (only(shop, "sopsmith-krm") / "sops").write_text("#!/bin/sh\n")
    failed(shop.function(), "program-missing", "or not executable")


@pytest.mark.parametrize("content", ["#!/nowhere/sh\n", "\x7fELF", ""])
def test_sops_is_no_program(shop: Repo, content: str) -> None:
    fake(shop, "")
    (shop.path.parent / "bin/sops").write_text(content)
    failed(shop.function(), "program-missing", "sops can't be started")


def test_sops_is_too_old(shop: Repo) -> None:
    version = 'case "$*" in *--version) echo "sops 3.8.1 (latest)"; exit 0;; esac\n'
    fake(shop, version + "echo no such command: $CANARY >&2; exit 100")
    failed(shop.function(), "program-missing", "sops 3.8.1 is too old", "install 3.11 or newer")


ENTRIES = """{"SOPSMITH_ENVIRONMENT": "production", "TOKEN": """
GARBAGE = {
    "nothing": "",
    "text": "echo hello",
    "no-utf-8": r"printf '\377\376'",
    "its-input": "cat",
    "a-list": "echo '[]'",
    "cut-off": f"echo '{ENTRIES}'",
    "other-keys": """echo '{"OTHER": "x"}'""",
    "a-key-less": f"""echo '{{"TOKEN": "{"x" * 24}"}}'""",
    "a-longer-value": f"""echo '{ENTRIES} "{"x" * 25}"}}'""",
    "a-number": f"echo '{ENTRIES} 5}}'",
    "half-a-character": rf"""printf '%s' '{ENTRIES} "\ud800"}}'""",
    "10,000-levels": "printf '[%.0s' $(seq 10000)",
}


@pytest.mark.parametrize("script", GARBAGE.values(), ids=GARBAGE)
def test_sops_exits_with_0_and_garbage(repo: Repo, script: str) -> None:
    repo.component("app.yaml", {"TOKEN": repo.canary()})
    repo.component("tls.key", repo.canary().encode())
    secrets = {"shop": {"keys": ["TOKEN", "TLS"], "hash": False}}
    files = ["../app.yaml", {"path": "../tls.key", "as": "TLS"}]
    repo.leaf(components=files, values={"TOKEN": {}, "TLS": {}}, secrets=secrets)
    fake(repo, f"echo $CANARY >&2\n{script}")
    what = "sops exited with 0 and printed something else than this file's plaintext"
    failed(repo.function(), "program-failed", f"app.yaml: {what}", f"tls.key: {what}",
           "hint: check which sops is on PATH: sopsmith doctor")  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGTERM])
def test_sops_is_killed(shop: Repo, number: int) -> None:
    fake(shop, f"echo $CANARY; echo $CANARY >&2; kill -{int(number)} $$")
    failed(shop.function(), "program-failed", f"sops was killed by signal {int(number)}")


def test_sops_panics(shop: Repo) -> None:
    fake(shop, "printf 'panic: %s\n\ngoroutine 1 [running]:\n' $CANARY >&2; exit 2")
    failed(shop.function(), "program-failed", "sops crashed", "hint: run it by hand")


@pytest.mark.parametrize("status", [1, 2, 3, 100, 203, 255])
def test_sops_fails(shop: Repo, status: int) -> None:
    fake(shop, f"echo $CANARY; echo $CANARY >&2; exit {status}")
    failed(shop.function(), "program-failed", f"sops failed with exit status {status}",
           "hint: run it by hand where its output may be seen: sops decrypt")  # fmt: skip


def test_sops_floods_stdout(shop: Repo) -> None:
    fake(shop, "echo $$ >$PIDS; exec cat /dev/zero")
    failed(shop.function(), "program-failed", "sops printed far too much and was ended")
    assert not any(map(running, pids(shop, 1)))


def test_what_sops_says_on_stderr_does_not_matter(repo: Repo) -> None:
    token = repo.canary()
    repo.shop({"TOKEN": token})
    fake(repo, f"head -c 9000000 /dev/zero >&2; echo $CANARY >&2; exec {shutil.which('sops')} $*")
    assert repo.function().secrets["shop"] == {"TOKEN": token.encode()}


@pytest.mark.parametrize(
    "script", ["exit 0", "exit 1", "kill -KILL $$", "kill -TERM $PPID; exec sleep 60"]
)
def test_kustomize_fails_with_us(shop: Repo, script: str) -> None:
    fake(shop, f"echo $CANARY; echo $CANARY >&2; {script}")
    built = shop.kustomize()
    assert built.code and not built.out


# --- time -------------------------------------------------------------------------------------

HANGING = {
    "it-sleeps": "echo $$ >$PIDS; exec sleep 60",
    "a-child-holds-the-pipe": "sleep 60 & echo $$ $! >$PIDS; wait",
    "its-streams-are-closed": "echo $$ >$PIDS; exec sleep 60 <&- >&- 2>&-",
    "it-never-stops-to-talk": "echo $$ >$PIDS; exec cat /dev/zero >&2",
}


@pytest.mark.parametrize("script", HANGING.values(), ids=HANGING)
def test_sops_hangs(shop: Repo, script: str) -> None:
    fake(shop, f"echo $CANARY >&2\n{script}")
    run = shop.function(SOPSMITH_SOPS_TIMEOUT="2")  # by then it has begun
    failed(run, "program-timeout", "sops did not finish within 2 s and was ended",
           "SOPSMITH_SOPS_TIMEOUT sets the limit in seconds")  # fmt: skip
    assert not any(map(running, pids(shop, 1)))


def test_an_agent_that_sops_leaves_behind_does_not_hold_us_up(repo: Repo) -> None:
    """It keeps the pipes open, so sops's own end has to count."""
    token = repo.canary()
    repo.shop({"TOKEN": token})
    fake(repo, f"sleep 90 & echo $! >$PIDS; exec {shutil.which('sops')} $*")
    assert repo.function(SOPSMITH_SOPS_TIMEOUT="60").secrets["shop"] == {"TOKEN": token.encode()}
    (agent,) = pids(repo, 1)
    os.kill(agent, signal.SIGTERM)


@pytest.mark.parametrize(
    "limit", ["0", "-1", "1s", "", ".", "1e3", "٣", "nan", "inf", "10000", "9" * 400]
)
def test_a_time_limit_that_means_nothing(shop: Repo, limit: str) -> None:
    run = shop.function(SOPSMITH_SOPS_TIMEOUT=limit)
    assert (run.code, run.codes, run.document["items"]) == (2, {"usage"}, [])
    assert "SOPSMITH_SOPS_TIMEOUT is no number of seconds from 0.001 to 9999" in run.err


def test_the_longest_time_limit(shop: Repo) -> None:
    assert shop.function(SOPSMITH_SOPS_TIMEOUT="9999").code == 0


WAYS = pytest.mark.parametrize(
    "argv",
    [("sopsmith-krm",), ("sopsmith", "render", "."), ("sopsmith", "validate", ".")],
    ids=lambda argv: argv[-2] if len(argv) > 1 else argv[0],
)


@WAYS
@pytest.mark.parametrize("number", [15, 2, 1], ids=["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_us_and_sops(shop: Repo, argv: tuple[str, ...], number: int) -> None:
    fake(shop, "sleep 60 >/dev/null 2>&1 & echo $$ $! >$PIDS; wait")
    run, orphans = interrupted(shop, argv, lambda pid: os.kill(pid, number))
    assert run.code == 128 + number
    assert run.err == "sopsmith: error: interrupted\n"
    assert run.out == ""
    assert not any(map(running, orphans))


@WAYS
def test_a_signal_while_sops_starts(shop: Repo, argv: tuple[str, ...]) -> None:
    fake(shop, "echo $$ >$PIDS; kill -TERM $PPID; exec sleep 60")
    run, orphans = interrupted(shop, argv, lambda pid: None)
    assert run.code == 143
    assert not any(map(running, orphans))


@pytest.mark.parametrize("number", [15, 2], ids=["SIGTERM", "SIGINT"])
def test_an_impatient_person_leaves_nobody_behind(repo: Repo, number: int) -> None:
    for name in "ab":
        repo.component(f"{name}.yaml", {name: repo.canary()})
    secrets = {"shop": {"keys": ["a", "b"], "hash": False}}
    repo.leaf(components=["../a.yaml", "../b.yaml"], values={"a": {}, "b": {}}, secrets=secrets)
    both = "until [ $(wc -l <$PIDS) = 2 ]; do :; done"
    again = f"while kill -{number} $PPID; do :; done"
    fake(repo, f"echo $$ >>$PIDS; {both}; {again}; exec sleep 60")
    run, orphans = interrupted(repo, ("sopsmith-krm",), lambda pid: None, 2)
    assert (run.code, run.err) == (128 + number, "sopsmith: error: interrupted\n")
    assert not any(map(running, orphans))


def heeding() -> None:
    """Let a child heed every signal, also where the tests run in the background or under nohup."""
    for number in STOPS:
        signal.signal(number, signal.SIG_DFL)


def interrupted(
    repo: Repo, argv: tuple[str, ...], interrupt: Callable[[int], None], calls: int = 1
) -> tuple[Run, list[int]]:
    """Run with a fake that hangs, interrupt once it does; the run and what the fake started."""
    popen = subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=repo.env,
        cwd=repo.path / "overlay", preexec_fn=heeding,
    )  # fmt: skip
    with popen as process:
        assert process.stdin is not None
        process.stdin.write(repo.call() if argv == ("sopsmith-krm",) else b"")
        process.stdin.close()
        process.stdin = None
        orphans = pids(repo, calls)
        interrupt(process.pid)
        out, err = process.communicate(timeout=120)
    run = Run(process.returncode, out.decode(), err.decode())
    repo.runs.append(run)
    return run, orphans


# --- streams ----------------------------------------------------------------------------------


def shell(repo: Repo, command: str, *, prints: bool = False) -> Run:
    script = f"exec {command}"
    return repo.run("sh", "-c", script, stdin=repo.call(), cwd="overlay", prints=prints)


@pytest.mark.parametrize("stdout", [">&-", ">/dev/full"])
@pytest.mark.parametrize("command", ["sopsmith-krm", "sopsmith render .", "sopsmith validate ."])
def test_stdout_takes_nothing(shop: Repo, command: str, stdout: str) -> None:
    if stdout == ">/dev/full" and not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    run = shell(shop, f"{command} {stdout}")
    assert (run.code, run.codes, run.out) == (3, {"output-failed"}, "")
    assert "standard output is closed or full; nothing of it counts" in run.err


@pytest.mark.parametrize("stdin", ["<&-", "</dev/null"])
def test_no_call_on_stdin(shop: Repo, stdin: str) -> None:
    run = shell(shop, f"sopsmith-krm {stdin}")
    assert (run.code, run.codes, run.document["items"]) == (2, {"function-input"}, [])


@pytest.mark.parametrize("closed", ["<&-", "2>&-", "<&- 2>&-"])
def test_streams_that_a_command_does_not_need(repo: Repo, closed: str) -> None:
    token = repo.canary()
    repo.shop({"TOKEN": token})
    run = shell(repo, f"sopsmith render . {closed}", prints=True)
    assert run.secrets["shop"]["TOKEN"] == token.encode()


@pytest.mark.parametrize("closed", ["<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_no_stream_at_all(shop: Repo, closed: str) -> None:
    assert shell(shop, f"sopsmith render . {closed}").code == 3


# --- what stands in the repository or the environment ------------------------------------------


@pytest.mark.parametrize("path", ["", ".", "./bin", "..", "../bin:"])
def test_an_evil_sops_in_the_repository(repo: Repo, path: str) -> None:
    token = repo.canary()
    repo.shop({"TOKEN": token})
    for folder in (".", "bin", "overlay", "overlay/bin"):
        evil = repo.write(f"{folder}/sops", f"#!/bin/sh\ntouch {repo.path}/evil\n")
        evil.chmod(0o755)
    run = repo.function(PATH=f"{path}:{repo.env['PATH']}")
    assert run.secrets == {"shop": {"TOKEN": token.encode()}}
    assert repo.kustomize(PATH=f"{path}:{repo.env['PATH']}").code == 0
    assert not (repo.path / "evil").exists()


@pytest.mark.parametrize("text", ["creation_rules: [{age: nobody}]", "{", "stores: 5", "\x00"])
def test_an_evil_config_in_the_repository(shop: Repo, text: str) -> None:
    for folder in (".", "overlay"):
        shop.write(f"{folder}/.sops.yaml", text)
    assert shop.function().code == 0
    assert shop.kustomize().code == 0


EVIL = {
    "SOPS_CONFIG": "/nowhere", "SOPS_AGE_RECIPIENTS": "nobody", "SOPS_DECRYPTION_ORDER": "nonsense",
    "SOPS_KEYSERVICE": "tcp://127.0.0.1:1", "SOPS_ENABLE_LOCAL_KEYSERVICE": "false",
    "SOPS_EDITOR": "/nowhere", "SOPS_GPG_EXEC": "/nowhere", "SOPS_AGE_KEY_CMD": "",
    "GODEBUG": "http2debug=2", "GOTRACEBACK": "crash", "HTTPS_PROXY": "http://127.0.0.1:1",
}  # fmt: skip


@pytest.mark.parametrize("name", EVIL)
def test_a_variable_has_no_effect(shop: Repo, name: str) -> None:
    env: dict[str, Any] = {name: EVIL[name]}
    run = shop.function(**env)
    assert (run.code, run.codes) == (0, set())


def test_sops_sees_nothing_of_our_environment_but_where_keys_are(shop: Repo) -> None:
    fake(shop, "env >$PIDS; exit 1")
    env: dict[str, Any] = {name: text for name, text in EVIL.items() if text}
    shop.function(**env, AWS_SECRET_ACCESS_KEY=shop.canary(), VAULT_TOKEN=shop.canary())
    seen = dict(line.split("=", 1) for line in (shop.path.parent / "bin/pids").read_text().split())
    assert {name for name in seen if seen[name] == env.get(name)} == set()
    assert seen.keys().isdisjoint({"AWS_SECRET_ACCESS_KEY", "VAULT_TOKEN"})
    assert seen["SOPS_AGE_KEY_FILE"] == str(shop.key_file)


# --- size -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [65_536, 700_000])
def test_components_larger_than_a_pipe(repo: Repo, size: int) -> None:
    token, raw = repo.canary() + "x" * size, os.urandom(size // 8)
    repo.component("app.yaml", {"TOKEN": token})
    repo.component("raw.enc", raw)
    values: dict[str, Any] = {"TOKEN": {}, "RAW": {}}
    secrets = {"shop": {"keys": ["TOKEN", "RAW"], "hash": False}}
    files = ["../app.yaml", {"path": "../raw.enc", "as": "RAW"}]
    repo.leaf(components=files, values=values, secrets=secrets)
    assert repo.function().secrets == {"shop": {"TOKEN": token.encode(), "RAW": raw}}


def test_a_large_component_that_sops_does_not_read(repo: Repo) -> None:
    repo.shop({"TOKEN": repo.canary() + "x" * 300_000})
    fake(repo, "exit 1")
    failed(repo.function(), "program-failed")


def test_sixty_components_at_once(repo: Repo) -> None:
    texts = {f"TOKEN_{number}": repo.canary() for number in range(60)}
    for name, text in texts.items():
        repo.component(f"{name}.yaml", {name: text})
    secrets = {"shop": {"keys": sorted(texts), "hash": False}}
    files = [f"../{name}.yaml" for name in texts]
    repo.leaf(components=files, values={name: {} for name in texts}, secrets=secrets)
    assert repo.function().secrets["shop"] == {n: text.encode() for n, text in texts.items()}
