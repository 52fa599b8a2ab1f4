"""Where and as whom a database URL logs in. Pure.

PostgreSQL's as libpq reads it (section 32.1.1.2), or Redis's.

Drivers are given parts and never a URL: each of them reads a URL otherwise, and their errors quote
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from sopsmith.model import Sensitive

_POSTGRES = re.compile(r"postgres(ql)?(\+[a-z0-9_]+)?\Z")
_REDIS = ("redis", "rediss")
_PORTS = {"postgresql": "5432", "redis": "6379", "rediss": "6379"}
TAKEN = (  # what a URL's query may say to libpq; other drivers' words are passed over
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "hostaddr",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
    "load_balance_hosts", "options", "ssl_min_protocol_version", "sslcert", "sslcrl", "sslkey",
    "sslmode", "sslnegotiation", "sslrootcert", "target_session_attrs", "tcp_user_timeout",
)  # fmt: skip


class Endpoint(NamedTuple):
    """One login: the parts of a URL, decoded."""

    host: str  # one, or several with commas; a path is the folder of a socket
    port: str
    database: str
    user: str
    password: Sensitive | None
    options: Mapping[str, str]  # of libpq
    scheme: str = "postgresql"  # or redis, rediss

    def __repr__(self) -> str:
        return f"Endpoint({self.place})"

    @property
    def place(self) -> str:
        """The server and database, as people say it."""
        return f"{self.host}:{self.port}/{self.database}"

    def of(self, user: str, password: Sensitive | None) -> Endpoint:
        """The same place for another login."""
        return self._replace(user=user, password=password)


def parse(url: str) -> Endpoint:
    """The parts of a URL; raises ValueError, without its text, where it is no database's."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is no URL") from None
    scheme = "postgresql" if _POSTGRES.match(parts.scheme) else parts.scheme
    if scheme not in _PORTS:
        raise ValueError("is no postgresql:// or redis:// URL")
    said = dict(parse_qsl(parts.query, keep_blank_values=True))
    user = unquote(parts.username or "") or said.get("user", "")
    host = unquote(_host(parts.netloc)) or said.get("host", "")
    if not host or not (user or scheme in _REDIS):
        raise ValueError("names no user" if host else "names no host")
    secret = said.get("password") if parts.password is None else unquote(parts.password)
    if secret is not None and "\0" in secret:
        raise ValueError("has a password that a database would cut off")
    default = "0" if scheme in _REDIS else user
    found = Endpoint(
        host=host,
        port=str(port or said.get("port") or _PORTS[scheme]),
        database=unquote(parts.path[1:]) or said.get("dbname", "") or default,
        user=user,
        password=Sensitive(secret) if secret else None,
        options={name: text for name, text in said.items() if name in TAKEN},
        scheme=scheme,
    )
    if any("\0" in each for each in (host, user, found.database, *found.options.values())):
        raise ValueError("has a part that a database would cut off")
    return found


def _host(netloc: str) -> str:
    """The host as it is written: urlsplit lowers it, and a socket's folder has capitals."""
    host = netloc.rpartition("@")[2]
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
