"""Every step of a write × every fault: each file is the old one or the new one, and never another.

A forked child makes the write. The module `os`, as the writing code sees it, counts the calls; at
one of them the fault happens. The new texts are made by real sops beforehand and decrypt, so that a
case is a comparison of bytes. Where sops itself takes part, further down, every case decrypts.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import os
import resource
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sopsmith import writeback
from sopsmith.components.change import Change
from sopsmith.errors import Interrupted, SopsmithError
from sopsmith.model import Sensitive
from sopsmith.tools import files, keyring, process, replace, sops_write
from tests.repository import Repo

COMPONENT, RECIPE, NEW = "secrets/shop.enc.yaml", "overlay/recipe.yaml", "secrets/more/new.enc.env"
STEPS = frozenset(
    {"close", "fchmod", "fstat", "fsync", "link", "makedirs", "memfd_create", "open", "pread",
     "rename", "stat", "unlink", "write"}
)  # fmt: skip
FOREIGN = b"somebody else was faster\n"

Act = Callable[[str, partial[Any]], Any]  # gets the step's name and its call


class End(NamedTuple):
    """How the child ended."""

    signal: int  # 0: by itself
    codes: frozenset[str]  # of the findings; empty where it succeeded


# --- a child in which something goes wrong --------------------------------------------------------


class Watched:
    """A module, with some of its functions behind `act`."""

    def __init__(self, module: Any, names: frozenset[str], act: Act) -> None:
        self._module, self._names, self._act = module, names, act

    def __getattr__(self, name: str) -> Any:
        real = os.fstat if name == "fsync" else getattr(self._module, name)  # no power is cut here
        if name not in self._names:
            return real
        return lambda *given, **named: self._act(
            _title(name, given), partial(real, *given, **named)
        )


def _title(name: str, given: tuple[Any, ...]) -> str:
    """What a step is called: the function, and which kind of file it is about."""
    what = given[0] if given else ""
    if isinstance(what, int):
        kind = "a file" if stat.S_ISREG(os.fstat(what).st_mode) else "a folder"
        return f"{name} {kind}"
    is_fresh = str(what).endswith(".sopsmith-new")
    return f"{name} {'.new' if is_fresh else os.path.basename(str(what))}"


def child(act: Act, write: Callable[[], object]) -> End:
    """Run `write` in a fork in which `act` stands before each step."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        with suppress(BaseException):
            watched: Any = Watched(os, STEPS, act)
            for one in (files, keyring, replace, sops_write):
                vars(one)["os"] = watched
            flock: Any = fcntl.flock
            fcntl.flock = lambda *given: act("flock", partial(flock, *given))
            vars(files)["open"] = vars(replace)["open"] = lambda *given, **named: act(
                "read", partial(builtins.open, *given, **named)
            )
            os.write(writing, " ".join(_codes(write)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as stream:
        told = stream.read().decode()
    _, status = os.waitpid(pid, 0)
    killed = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    assert killed or told
    return End(killed, frozenset(told.split()) - {"fine"})


def _codes(write: Callable[[], object]) -> list[str]:
    try:
        write()
    except SopsmithError as error:
        return [finding.code for finding in error.findings]
    except Interrupted:
        return ["interrupted"]
    except BaseException as error:
        return [f"bug:{type(error).__name__}:{error}".replace(" ", "_")]
    return ["fine"]


def ordinarily(title: str, call: partial[Any]) -> Any:
    return call()


def nth(number: int, fault: Act) -> Act:
    """Let the fault happen at one step only."""
    count = iter(range(10_000))

    def act(title: str, call: partial[Any]) -> Any:
        return fault(title, call) if next(count) == number else call()

    return act


# --- what can go wrong ----------------------------------------------------------------------------


def kill_before(title: str, call: partial[Any]) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_after(title: str, call: partial[Any]) -> Any:
    with suppress(OSError):
        call()
    os.kill(os.getpid(), signal.SIGKILL)


def interrupt_before(title: str, call: partial[Any]) -> Any:
    raise Interrupted(signal.SIGTERM)


def interrupt_after(title: str, call: partial[Any]) -> Any:
    call()
    raise Interrupted(signal.SIGTERM)


def fails(number: int, *, done: bool = False) -> Act:
    """The call fails; where it is done as well, only its good answer was lost."""

    def act(title: str, call: partial[Any]) -> Any:
        if done or title.startswith("close"):  # a failed close has closed
            call()
        raise OSError(number, os.strerror(number))

    return act


def cut_short(title: str, call: partial[Any]) -> Any:
    """A write takes some of the bytes only, as it may."""
    if title.startswith("write"):
        return call.func(call.args[0], call.args[1][:7])
    return call()


FAULTS: dict[str, Act] = {
    "kill-before": kill_before,
    "kill-after": kill_after,
    "interrupt-before": interrupt_before,
    "interrupt-after": interrupt_after,
    **{name: fails(getattr(errno, name)) for name in ("ENOSPC", "EIO", "EROFS", "EDQUOT")},
    "EIO-though-done": fails(errno.EIO, done=True),
    "cut-short": cut_short,
}


# --- three files at once: a component, a recipe and a new component -------------------------------


class Stage(NamedTuple):
    """A repository, and a change of it that real sops has made and that is not written yet."""

    repo: Repo
    changes: tuple[writeback.Prepared, ...]

    @property
    def root(self) -> str:
        return str(self.repo.path)

    def write(self) -> None:
        """What the last part of every write does."""
        with replace.locked(self.root, patience=0):
            writeback._replace_all(self.root, self.changes)

    def now(self) -> dict[str, bytes | None]:
        """What the files hold."""
        paths = {each.file: self.repo.path / each.file for each in self.changes}
        return {file: p.read_bytes() if p.exists() else None for file, p in paths.items()}

    @property
    def old(self) -> dict[str, bytes | None]:
        return {each.file: each.before for each in self.changes}

    @property
    def new(self) -> dict[str, bytes | None]:
        return {each.file: each.after for each in self.changes}

    def left_over(self) -> list[Path]:
        """Files that nobody asked for."""
        known = {
            self.repo.path / name
            for name in (*self.new, ".sops.yaml", "overlay/kustomization.yaml")
        }
        found = [p for p in self.repo.path.rglob("*") if p.is_file() and ".git" not in p.parts]
        return [path for path in found if path not in known]

    def reset(self) -> None:
        shutil.rmtree(self.repo.path / "secrets/more", ignore_errors=True)
        for path in self.left_over():
            path.unlink()
        for each in self.changes:
            if each.before is not None:
                path = self.repo.path / each.file
                path.write_bytes(each.before)
                path.chmod(0o640)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, age_key: tuple[Path, str]) -> Iterator[Stage]:
    """The repository of all cases here."""
    folder = tmp_path_factory.mktemp("stage")
    (folder / "home").mkdir()
    repo = Repo(folder / "repo", *age_key)
    repo.shop({"TOKEN": repo.canary(), "OTHER": repo.canary()}, components=["../" + COMPONENT])
    (repo.path / "secrets").mkdir()
    (repo.path / "shop.enc.yaml").rename(repo.path / COMPONENT)
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    recipe = (repo.path / RECIPE).read_bytes()
    edits: list[writeback.Edit] = [
        writeback.ComponentEdit(COMPONENT, (Change("TOKEN", Sensitive(repo.canary())),)),
        writeback.TextEdit(RECIPE, recipe, recipe + b" \n"),
        writeback.NewComponent(NEW, {"SALT": Sensitive(repo.canary())}),
    ]
    desk = writeback.desk_in(str(repo.path), repo.env)
    stage = Stage(repo, tuple(writeback._prepare(desk, edit) for edit in edits))
    yield stage
    assert list(repo.singing()) == []


@pytest.fixture
def stage(built: Stage) -> Stage:
    """The repository as it was before the write."""
    built.reset()
    assert built.now() == built.old
    return built


def steps_of(write: Callable[[], object]) -> list[str]:
    """The names of a write's steps, in order, from a run in which nothing goes wrong."""
    with tempfile.TemporaryFile() as note:

        def act(title: str, call: partial[Any]) -> Any:
            os.write(note.fileno(), title.encode() + b"\n")
            return call()

        assert child(act, write) == End(0, frozenset())
        note.seek(0)
        return note.read().decode().splitlines()


class Case(NamedTuple):
    """One step of the write."""

    number: int
    name: str


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One case for each step of writing three files, whatever stands in them."""
    if "step" not in metafunc.fixturenames:
        return
    with tempfile.TemporaryDirectory() as folder:
        root = os.path.join(os.path.realpath(folder), "repo")
        os.mkdir(root)
        changes = [
            writeback.Prepared(COMPONENT, b"a", b"b"),
            writeback.Prepared(RECIPE, b"a", b"b"),
            writeback.Prepared(NEW, None, b"b"),
        ]
        for each in changes[:2]:
            path = Path(root, each.file)
            path.parent.mkdir()
            path.write_bytes(b"a")

        def write() -> None:
            with replace.locked(root):
                writeback._replace_all(root, changes)

        names = steps_of(write)
    cases = [Case(n, name) for n, name in enumerate(names)]
    metafunc.parametrize("step", cases, ids=[f"{n}-{name.replace(' ', '-')}" for n, name in cases])


@pytest.mark.parametrize("fault", FAULTS)
def test_at_any_fault_a_file_is_the_old_one_or_the_new_one(
    stage: Stage, step: Case, fault: str
) -> None:
    end = child(nth(step.number, FAULTS[fault]), stage.write)
    now = stage.now()
    assert all(now[file] in (stage.old[file], stage.new[file]) for file in now)
    if end.signal:
        assert end.signal == signal.SIGKILL and "kill" in fault
    elif not end.codes:
        assert now == stage.new
    elif now == stage.new:  # all was done when the signal came
        assert end.codes == {"interrupted"}
    else:
        assert now == stage.old
        assert end.codes <= {"write-failed", "interrupted"}
    for file, text in now.items():
        assert text is None or mode(stage, file) == 0o640 or file == NEW
    only_ciphertext_is_left(stage)
    assert not stage.left_over() or end.signal or step.name == "unlink .new"
    if end.signal:
        the_next_write_cleans_up(stage)


def only_ciphertext_is_left(stage: Stage) -> None:
    """What a process left behind has the one known name, and the text that it was writing."""
    for path in stage.left_over():
        assert path.name.endswith(".sopsmith-new")
        assert any((text or b"").startswith(path.read_bytes()) for text in stage.new.values())


def the_next_write_cleans_up(stage: Stage) -> None:
    """The lock is free, and whatever was left behind goes."""

    def write() -> None:
        with replace.locked(stage.root, patience=0):
            for file, now in stage.now().items():
                replace.replace(stage.root, file, now, b"next\n")

    assert child(ordinarily, write) == End(0, frozenset())
    assert set(stage.now().values()) == {b"next\n"}
    assert stage.left_over() == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_stays_full_or_broken(stage: Stage, step: Case, number: int) -> None:
    """From this step on: who can't put back what was replaced says so, and names it."""
    count = iter(range(10_000))
    needs_space = ("open .new", "write", "makedirs", "fsync a file")
    changes_something = (*needs_space, "rename", "link", "unlink", "fchmod")
    hit = needs_space if number == errno.ENOSPC else changes_something

    def act(title: str, call: partial[Any]) -> Any:
        is_broken = next(count) >= step.number and title.startswith(hit)
        return fails(number)(title, call) if is_broken else call()

    end = child(act, stage.write)
    now = stage.now()
    if not end.codes:
        assert now == stage.new
    elif "partly-written" in end.codes:
        assert end.codes == {"partly-written", "write-failed"}
        assert now not in (stage.old, stage.new)
    else:
        assert end.codes == {"write-failed"}
        assert now == stage.old
    assert all(now[file] in (stage.old[file], stage.new[file]) for file in now)
    only_ciphertext_is_left(stage)


@pytest.mark.parametrize("file", [COMPONENT, NEW])
def test_another_writer_at_any_moment_is_noticed(stage: Stage, step: Case, file: str) -> None:
    """An editor saves the file: its version stays, but for the one call between look and rename."""
    path = stage.repo.path / file

    def save(title: str, call: partial[Any]) -> Any:
        path.parent.mkdir(exist_ok=True)
        aside = path.with_name("aside")
        aside.write_bytes(FOREIGN)
        aside.rename(path)
        return call()

    end = child(nth(step.number, save), stage.write)
    now = stage.now()
    others = {name: text for name, text in now.items() if name != file}
    if not end.codes:  # in time, or after all
        assert others == {name: stage.new[name] for name in others}
        assert now[file] == FOREIGN or step.name.startswith(("rename", "close", "read"))
    else:
        assert now[file] == FOREIGN
        assert end.codes == {"write-conflict"}
        assert others == {name: stage.old[name] for name in others}


def test_what_was_replaced_and_then_changed_by_another_is_not_put_back(stage: Stage) -> None:
    """The first file is another's by now, and the last can't be written: that is told."""

    def act(title: str, call: partial[Any]) -> Any:
        if title == "makedirs more":
            (stage.repo.path / COMPONENT).write_bytes(FOREIGN)
            raise OSError(errno.ENOSPC, "")
        return call()

    assert child(act, stage.write).codes == {"write-failed", "partly-written"}
    assert list(stage.now().values()) == [FOREIGN, stage.old[RECIPE], None]


def test_the_order_is_the_one_that_outlives_a_power_cut(stage: Stage) -> None:
    """Written, synced, looked at once more, renamed, and the name synced."""
    names = [name for name in steps_of(stage.write) if not name.startswith(("stat", "close"))]
    for file in ("shop.enc.yaml", "recipe.yaml"):
        at = names.index(f"open {file}")
        assert names[at - 4 : at] == ["open .new", "write a file", "fchmod a file", "fsync a file"]
        after = ["read", "rename .new", "unlink .new", "fsync a folder"]
        assert names[at + 1 : at + 5] == after


def mode(stage: Stage, file: str) -> int:
    return stat.S_IMODE((stage.repo.path / file).stat().st_mode)


# --- with sops ------------------------------------------------------------------------------------


class Whole(NamedTuple):
    """A repository, and a change of one key from the first read to the last rename."""

    stage: Stage
    key: str
    before: str
    after: str

    def write(self, **changes: str) -> None:
        wanted = changes or {self.key: self.after}
        edit = writeback.ComponentEdit(
            COMPONENT, tuple(Change(key, Sensitive(text)) for key, text in wanted.items())
        )
        writeback.write(self.stage.root, self.stage.repo.env, [edit])

    def held(self) -> dict[str, str]:
        """What real sops decrypts, MAC and all."""
        repo = self.stage.repo
        sops = ("sops", "--config", "/dev/null", "decrypt", "--output-type", "json")
        run = repo.run(*sops, COMPONENT)
        assert run.code == 0, run.err
        values: dict[str, str] = run.document
        return values

    def is_whole(self, end: End) -> bool:
        """Whether the file is the old one byte for byte, or a new one that decrypts."""
        if (self.stage.repo.path / COMPONENT).read_bytes() == self.stage.old[COMPONENT]:
            return bool(end.signal or end.codes)
        return self.held()[self.key] == self.after and not end.codes


@pytest.fixture
def whole(stage: Stage) -> Whole:
    """The same repository: here sops takes part in every case."""
    before, after = stage.repo.canaries[1], stage.repo.canaries[3]
    whole = Whole(stage, "TOKEN", before, after)
    assert whole.held()["TOKEN"] == before
    return whole


@pytest.mark.parametrize("fault", FAULTS)
def test_up_to_the_first_write_nothing_is_touched(whole: Whole, fault: str) -> None:
    """Reading the rules and the file, and the copy in memory that sops changes."""
    names = steps_of(whole.write)
    assert {"memfd_create sopsmith", "pread a file", "flock", "open .sops.yaml"} <= set(names)
    whole.stage.reset()
    for number, name in enumerate(names[: names.index("unlink .new")]):
        if fault == "cut-short" and not name.startswith("write"):
            continue
        end = child(nth(number, FAULTS[fault]), whole.write)
        assert not {code for code in end.codes if "bug" in code}, (number, name, end)
        assert whole.is_whole(end), (number, name, end)
        assert whole.stage.left_over() == []
        if not end.codes:
            whole.stage.reset()


STORE = "secrets/store.p12.enc"


class Kind(NamedTuple):
    """Another kind of edit, and the file that it is about."""

    file: str
    edit: Callable[[Repo], writeback.Edit]


KINDS = {
    "new-component": Kind(
        NEW, lambda repo: writeback.NewComponent(NEW, {"SALT": Sensitive(repo.canaries[1])})
    ),
    "whole-file": Kind(
        STORE, lambda repo: writeback.WholeFile(STORE, Sensitive(repo.canaries[1].encode()))
    ),
    "rekey": Kind(
        COMPONENT,
        lambda repo: writeback.Rekey(
            COMPONENT, (repo.path / ".sops.yaml").read_bytes(), new_data_key=True
        ),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ["kill-after", "interrupt-after", "EDQUOT"])
def test_up_to_the_first_write_of_any_kind_nothing_is_touched(
    stage: Stage, kind: str, fault: str
) -> None:
    """sops takes part in each case."""
    file, edit = KINDS[kind]

    def write() -> None:
        writeback.write(stage.root, stage.repo.env, [edit(stage.repo)])

    before = stage.now().get(file)
    names = steps_of(write)
    assert opens(stage, file)
    stage.reset()
    for number, name in enumerate(names[: names.index("unlink .new")]):
        end = child(nth(number, FAULTS[fault]), write)
        where = (number, name, end)
        assert not {code for code in end.codes if "bug" in code}, where
        path = stage.repo.path / file
        if (path.read_bytes() if path.exists() else None) == before:
            assert end.signal or end.codes, where
        else:
            assert opens(stage, file) and not end.codes, where
        assert [each for each in stage.left_over() if each != path] == [], where
        stage.reset()


def opens(stage: Stage, file: str) -> bool:
    """Whether real sops decrypts it, MAC and all."""
    kind = {".env": "dotenv", ".enc": "binary"}.get(file[-4:], "yaml")
    formats = ("--input-type", kind, "--output-type", kind)
    run = stage.repo.run("sops", "--config", "/dev/null", "decrypt", *formats, file)
    return run.code == 0


SOPS_CALLS = 4  # the values as they are, its version, the change, the values as they will be


@pytest.mark.parametrize("call", range(SOPS_CALLS))
@pytest.mark.parametrize("moment", ["before its start", "after its start", "at its end"])
def test_a_kill_beside_any_sops_leaves_the_old_file(whole: Whole, call: int, moment: str) -> None:
    def write() -> None:
        module: Any = process
        calls = iter(range(10))
        spawn, result = module._spawn, module._result

        def spawned(*given: Any) -> Any:
            is_it = next(calls) == call
            if is_it and moment == "before its start":
                os.kill(os.getpid(), signal.SIGKILL)
            started = spawn(*given)
            if is_it and moment == "after its start":
                os.kill(os.getpid(), signal.SIGKILL)
            module._result = partial(ended, is_it)
            return started

        def ended(is_it: bool, running: Any) -> Any:
            what = result(running)
            if is_it and what is not None:
                os.kill(os.getpid(), signal.SIGKILL)
            return what

        module._spawn = spawned
        whole.write()

    end = child(ordinarily, write)
    assert end.signal == signal.SIGKILL
    assert whole.stage.now() == whole.stage.old
    assert whole.stage.left_over() == []
    whole.write()  # the lock died with its holder
    assert whole.held()["TOKEN"] == whole.after


@pytest.mark.parametrize("call", range(SOPS_CALLS))
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_sops_that_dies_leaves_the_old_file(
    whole: Whole, call: int, number: signal.Signals
) -> None:
    def write() -> None:
        module: Any = process
        calls, spawn = iter(range(10)), module._spawn

        def spawned(given: process.Call, timeout: float) -> Any:
            dies = ("/bin/sh", "-c", f"kill -{int(number)} $$")
            return spawn(given._replace(argv=dies) if next(calls) == call else given, timeout)

        module._spawn = spawned
        whole.write()

    end = child(ordinarily, write)
    assert end.codes == {"program-missing" if call == 1 else "program-failed"}
    assert whole.stage.now() == whole.stage.old


# --- the file of private keys ---------------------------------------------------------------------


class Keys(NamedTuple):
    """A key file with two keys, the second without an end of its line, and a third to come."""

    path: Path
    before: bytes
    after: bytes
    fresh: keyring.Identity

    def append(self) -> None:
        keyring.append(str(self.path), [self.fresh], "2026-11-21")

    def reset(self) -> None:
        for path in self.path.parent.iterdir():
            path.unlink()
        self.path.write_bytes(self.before)
        self.path.chmod(0o644)

    def left_over(self) -> list[Path]:
        return [path for path in self.path.parent.iterdir() if path != self.path]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    path = tmp_path / "age/keys.txt"
    path.parent.mkdir()
    key = b"AGE-SECRET-KEY-1" + b"Q" * 58
    path.write_bytes(b"# mine\n" + key + b"\n" + key)
    fresh = keyring.Identity("app", "age1x", Sensitive(key.decode()))
    before = path.read_bytes()
    keyring.append(str(path), [fresh], "2026-11-21")
    after = path.read_bytes()
    assert after.startswith(before + b"\n# app\n") and mode_of(path) == 0o600
    made = Keys(path, before, after, fresh)
    made.reset()
    return made


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("fault", FAULTS)
def test_at_any_fault_no_key_is_lost(keys: Keys, fault: str) -> None:
    names = steps_of(keys.append)
    assert {"flock", "open .new", "write a file", "fsync a file", "rename .new"} <= set(names)
    for number, name in enumerate(names):
        keys.reset()
        end = child(nth(number, FAULTS[fault]), keys.append)
        where = (number, name, end)
        now = keys.path.read_bytes()
        assert now in (keys.before, keys.after), where
        assert now == keys.after or end.signal or end.codes, where
        assert not {code for code in end.codes if code.startswith("bug")}, where
        assert now == keys.before or mode_of(keys.path) == 0o600, where
        for path in keys.left_over():
            assert (path.name, mode_of(path)) == (".keys.txt.sopsmith-new", 0o600), where
            assert end.signal or name == "unlink .new", where
        if now == keys.before:
            assert child(ordinarily, keys.append) == End(0, frozenset())
            assert (keys.path.read_bytes(), keys.left_over()) == (keys.after, []), where


def test_keys_that_are_added_at_once_are_all_kept(keys: Keys) -> None:
    pids = []
    for number in range(8):
        pid = os.fork()
        if not pid:
            with suppress(BaseException):
                fresh = keys.fresh._replace(label=f"app {number}")
                keyring.append(str(keys.path), [fresh], "2026-11-21")
                os._exit(0)
            os._exit(1)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)
    assert keys.path.read_bytes().count(b"AGE-SECRET-KEY-1") == 2 + 8


# --- several at once ------------------------------------------------------------------------------


def test_writers_at_once_lose_nothing(whole: Whole) -> None:
    """Four processes start together, each with a key of its own: the file ends with all of them."""
    repo = whole.stage.repo
    values = {f"KEY_{index}": repo.canary() for index in range(4)}
    ready, go = os.pipe()
    pids = []
    for key, text in values.items():
        pid = os.fork()
        if not pid:
            os.close(go)
            os.read(ready, 1)  # ends for all when the parent closes its end
            with suppress(BaseException):
                whole.write(**{key: text})
                os._exit(0)
            os._exit(1)
        pids.append(pid)
    os.close(ready)
    os.close(go)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * len(pids)
    assert whole.held().items() >= {**values, "TOKEN": whole.before}.items()


def test_the_same_key_at_once_ends_as_one_of_them(whole: Whole) -> None:
    texts = [whole.stage.repo.canary() for _ in range(2)]
    pids = []
    for text in texts:
        pid = os.fork()
        if not pid:
            with suppress(BaseException):
                whole.write(TOKEN=text)
                os._exit(0)
            os._exit(1)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    assert whole.held()["TOKEN"] in texts


def test_who_waits_too_long_is_told(stage: Stage) -> None:
    def write() -> None:
        with replace.locked(stage.root, patience=0.1):
            raise AssertionError

    with replace.locked(stage.root):
        assert child(ordinarily, write).codes == {"write-locked"}
    with replace.locked(stage.root, patience=0):
        pass


# --- limits of the real machine -------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 7, 1000])
def test_a_limit_on_file_size(stage: Stage, size: int) -> None:
    def write() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        stage.write()

    end = child(ordinarily, write)
    assert end.codes == {"write-failed"}
    assert stage.now() == stage.old
    assert stage.left_over() == []


@pytest.mark.parametrize("size", [0, 100, 1600])
def test_a_limit_on_file_size_meets_sops(whole: Whole, size: int) -> None:
    def write() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        whole.write()

    end = child(ordinarily, write)
    assert end.codes <= {"write-failed", "program-failed", "program-missing", "write-unverified"}
    assert whole.is_whole(end)


def test_too_few_descriptors(whole: Whole) -> None:
    """At any number of files that may be open, it works or fails cleanly."""
    lowest = os.dup(0)
    os.close(lowest)
    ends = set()
    for limit in range(lowest, lowest + 100):  # some may be open above the lowest that is free

        def write(limit: int = limit) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            whole.write()

        end = child(ordinarily, write)
        assert not [code for code in end.codes if code.startswith("bug")], (limit - lowest, end)
        assert whole.is_whole(end), (limit - lowest, end)
        ends.add(end.codes)
        whole.stage.reset()
        if not end.codes:
            break
    assert frozenset() in ends
    assert len(ends) > 1


def test_a_folder_that_may_not_be_written(whole: Whole) -> None:
    """Root may write anywhere, so the write is made by somebody else."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        component = root / "shop.enc.yaml"
        component.write_bytes(b"old")
        if os.geteuid() == 0:
            os.chown(root, 65534, 65534)
        root.chmod(0o500)

        def write() -> None:
            if os.geteuid() == 0:
                os.seteuid(65534)
            with replace.locked(str(root)):
                change = writeback.Prepared(component.name, b"old", b"new")
                writeback._replace_all(str(root), [change])

        end = child(ordinarily, write)
        root.chmod(0o700)
        assert end.codes == {"write-failed"}
        assert [path.read_bytes() for path in root.iterdir()] == [b"old"]
