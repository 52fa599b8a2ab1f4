"""Set-ups where a login says something else about a password than it seems to.

Most let in whoever comes, or take a password from elsewhere; the others refuse the right one.
Each gives a URL, the variables around it and the word for what a login there proves:

- `unverified`: it came in, and not because of the URL's password
- `pooler`, `standby`: a password decided, but not the one that the primary has now
- `not-allowed`: refused, whatever the password
- `wrong-password`: refused as if it were wrong; no client can tell why
"""

from __future__ import annotations

import os
import pwd
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from threading import Thread
from typing import NamedTuple

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.certificates import authority
from tests.pooler import pgbouncer
from tests.programs import needed, short_folder, wait_until
from tests.servers import RULES, Server, follow, pause, server, standby

RULES_THAT_LIE = f"""\
local all peered peer map=mine
host all trusted 127.0.0.1/32 trust
host all identified 127.0.0.1/32 ident
host all rejected 127.0.0.1/32 reject
host all clear 127.0.0.1/32 password
host all digest 127.0.0.1/32 md5
{RULES}"""
CERTIFICATE_RULES = "hostssl all certified 127.0.0.1/32 cert\n"
COMES_IN = ("unverified", "pooler", "standby")


class Lie(NamedTuple):
    """A login to try, and the word that fits what it proves."""

    url: str
    env: Mapping[str, str]
    verdict: str


Liar = Callable[[Server, Path], AbstractContextManager[Lie]]


@contextmanager
def lying(programs: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """A server with rules that lie, for all that follow."""
    with server(programs, hba=RULES_THAT_LIE, settings=settings) as started:
        mine = f"mine {pwd.getpwuid(os.geteuid()).pw_name} peered\n"
        (started.folder / "data/pg_ident.conf").write_text(mine)
        started.reload()
        yield started


@contextmanager
def trust(server: Server, folder: Path) -> Iterator[Lie]:
    """The server asks for nothing."""
    server.role("trusted", token_hex())
    yield Lie(server.url("trusted", token_hex()), {}, "unverified")


@contextmanager
def peer(server: Server, folder: Path) -> Iterator[Lie]:
    """The server asks the kernel who is at the other end of the socket."""
    server.role("peered", token_hex())
    place = f"host={server.folder}&port={server.port}"
    yield Lie(f"postgresql://peered:{token_hex()}@/postgres?{place}", {}, "unverified")


@contextmanager
def ident(server: Server, folder: Path) -> Iterator[Lie]:
    """The server asks the client's machine who the client is."""
    server.role("identified", token_hex())
    with _identd("identified"):
        yield Lie(server.url("identified", token_hex()), {}, "unverified")


@contextmanager
def cert(server: Server, folder: Path) -> Iterator[Lie]:
    """The client's certificate is what comes in: at a server that speaks TLS."""
    with short_folder() as keys:
        ours = authority(keys)
        with _tls(ours.settings()) as other:
            other.role("certified", token_hex())
            query = ours.query(ours.issue("certified"))
            yield Lie(other.url("certified", token_hex(), **query), {}, "unverified")


@contextmanager
def pgpass(server: Server, folder: Path) -> Iterator[Lie]:
    """libpq finds the password in a file of passwords."""
    right = _user(server)
    file = folder / "pgpass"
    file.touch(mode=0o600)
    file.write_text(f"127.0.0.1:{server.port}:*:user:{right}\n")
    yield Lie(server.url("user", None), {"PGPASSFILE": str(file)}, "unverified")


@contextmanager
def pgpassword(server: Server, folder: Path) -> Iterator[Lie]:
    """libpq finds it in a variable."""
    yield Lie(server.url("user", None), {"PGPASSWORD": _user(server)}, "unverified")


@contextmanager
def service(server: Server, folder: Path) -> Iterator[Lie]:
    """libpq finds it in a file of services."""
    file = folder / "services"
    file.touch(mode=0o600)
    file.write_text(f"[shop]\npassword={_user(server)}\n")
    env = {"PGSERVICE": "shop", "PGSERVICEFILE": str(file)}
    yield Lie(server.url("user", None), env, "unverified")


@contextmanager
def md5(server: Server, folder: Path) -> Iterator[Lie]:
    """The server compares a weak digest, and proves nothing of itself."""
    right = token_hex()
    server.role("digest")
    server.change("digest", right, "md5")
    yield Lie(server.url("digest", right), {}, "unverified")


@contextmanager
def pooler_of_anyone(server: Server, folder: Path) -> Iterator[Lie]:
    """A pooler lets in anyone, with a password of its own."""
    mine = f"user=user password={_user(server)}"
    with pgbouncer(server, {}, auth_type="any", login=mine) as pooler:
        yield Lie(pooler.url("user", token_hex()), {}, "unverified")


@contextmanager
def pooler_cache(server: Server, folder: Path) -> Iterator[Lie]:
    """A pooler goes by the password before the change, and has a session from then."""
    old = _user(server)
    with pgbouncer(server, {"user": old}) as pooler:
        with closing(psycopg.connect(pooler.url("user", old), autocommit=True)) as session:
            session.execute("select 1")
        server.change("user", token_hex())
        yield Lie(pooler.url("user", old), {}, "pooler")


@contextmanager
def replica_lag(server: Server, folder: Path) -> Iterator[Lie]:
    """A standby has not seen the change: the old password comes in."""
    old = _user(server)
    with _lagging(server, token_hex()) as behind:
        yield Lie(behind.url("user", old), {}, "standby")


@contextmanager
def replica_lag_of_the_new(server: Server, folder: Path) -> Iterator[Lie]:
    """Likewise: there the new one is refused, which the primary takes."""
    _user(server)
    new = token_hex()
    with _lagging(server, new) as behind:
        yield Lie(behind.url("user", new), {}, "wrong-password")


@contextmanager
def no_rule(server: Server, folder: Path) -> Iterator[Lie]:
    """No rule fits: at a server that takes nobody but by TLS."""
    with short_folder() as keys, _tls(authority(keys).settings()) as other:
        yield Lie(other.url("user", _user(other)), {}, "not-allowed")


@contextmanager
def no_connect(server: Server, folder: Path) -> Iterator[Lie]:
    """The password is right, and the role may not use the database."""
    right = _user(server)
    server.database("closed")
    server.owner_run("REVOKE CONNECT ON DATABASE closed FROM PUBLIC")
    yield Lie(server.url("user", right, "closed"), {}, "not-allowed")


@contextmanager
def expired(server: Server, folder: Path) -> Iterator[Lie]:
    """The password is right, and its time is over."""
    right = _user(server)
    server.owner_run("ALTER ROLE \"user\" VALID UNTIL '2001-01-01'")
    yield Lie(server.url("user", right), {}, "wrong-password")


@contextmanager
def no_role(server: Server, folder: Path) -> Iterator[Lie]:
    """There is no such role."""
    server.owner_run(SQL("DROP ROLE IF EXISTS {}").format(Identifier("nobody")))
    yield Lie(server.url("nobody", token_hex()), {}, "wrong-password")


def _knowing(role: str, verdict: str, options: str = "LOGIN") -> Liar:
    """The password is right, and what decides is a rule for the role, or an option of it."""

    @contextmanager
    def knowing(server: Server, folder: Path) -> Iterator[Lie]:
        right = token_hex()
        server.role(role, right, options)
        yield Lie(server.url(role, right), {}, verdict)

    return knowing


LIARS: Mapping[str, Liar] = {
    "trust": trust,
    "peer": peer,
    "ident": ident,
    "cert": cert,
    ".pgpass": pgpass,
    "PGPASSWORD": pgpassword,
    "service file": service,
    # The server asks for the password itself: a false one would take any, and keep it.
    "clear text": _knowing("clear", "unverified"),
    "md5": md5,
    "pooler of anyone": pooler_of_anyone,
    "pooler cache": pooler_cache,
    "replica lag": replica_lag,
    "replica lag of the new": replica_lag_of_the_new,
    "reject": _knowing("rejected", "not-allowed"),
    "no rule": no_rule,
    "NOLOGIN": _knowing("owned", "not-allowed", "NOLOGIN"),
    "no CONNECT": no_connect,
    "expired": expired,
    "no role": no_role,
}


def _user(server: Server) -> str:
    """The right password of a new role `user`."""
    right = token_hex()
    server.role("user", right)
    return right


@contextmanager
def _tls(settings: Mapping[str, str]) -> Iterator[Server]:
    with server(needed(15), hba=CERTIFICATE_RULES, settings=settings) as other:
        yield other


@contextmanager
def _lagging(server: Server, password: str) -> Iterator[Server]:
    """A standby that doesn't show the password that its primary has now."""
    with standby(server) as behind:
        follow(behind, server)
        pause(behind)
        server.change("user", password)
        yield behind


@contextmanager
def _identd(name: str) -> Iterator[None]:
    """What on port 113 says that everybody is `name` (RFC 1413)."""
    bound: list[socket.socket] = []
    try:
        wait_until(lambda: _is_bound(bound), "port 113 to be free")  # of other test processes
        (listener,) = bound
    except (PermissionError, TimeoutError):
        pytest.skip("no identd can be had: port 113 is not ours")

    def answer() -> None:
        with suppress(OSError):  # closed: over
            while True:
                client, _ = listener.accept()
                with client:
                    ports = client.recv(100).strip()
                    client.sendall(ports + b" : USERID : UNIX : " + name.encode() + b"\r\n")

    thread = Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _is_bound(bound: list[socket.socket]) -> bool:
    """Whether the port is ours now."""
    try:
        bound.append(socket.create_server(("127.0.0.1", 113)))
    except PermissionError:
        raise
    except OSError:
        return False
    return True
