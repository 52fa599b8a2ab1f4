"""Where and as whom a database URL logs in. Pure.

PostgreSQL's as libpq reads it (section 32.1.1.2), or Redis's.

Drivers are given parts and never a URL: each of them reads a URL otherwise, and their errors quote
it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from sopsmith.model import Sensitive

_POSTGRES = re.compile(r"postgres(ql)?(\+[a-z0-9_]+)?\Z")
_URL = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]*)(?:/([^?]*))?(?:\?(.*))?\Z",
    re.DOTALL,
)
_SPACE = re.compile(r"[ \t\n\r\f\v]")  # which each reader takes otherwise
_SERVER = re.compile(r"(?:\[([^]]+)\]|((?!\[)[^:]*))(?::(.*))?\Z", re.DOTALL)
_PORT = re.compile(r"[0-9]{1,9}\Z")
_REDIS = ("redis", "rediss")
_PORTS = {"postgresql": "5432", "redis": "6379", "rediss": "6379"}
PROBE = "sopsmith probe"  # the application's name of a login that only asks for a password
TAKEN = (  # what a URL's query may say to libpq; other drivers' words are passed over
    "application_name", "channel_binding", "client_encoding", "connect_timeout", "hostaddr",
    "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
    "load_balance_hosts", "options", "ssl_min_protocol_version", "sslcert", "sslcrl", "sslkey",
    "sslmode", "sslnegotiation", "sslrootcert", "target_session_attrs", "tcp_user_timeout",
)  # fmt: skip
_LEFT = (  # what else libpq knows there: passed over, and nothing of it is shown
    "authtype", "fallback_application_name", "gssdelegation", "gssencmode", "gsslib",
    "krbsrvname", "max_protocol_version", "min_protocol_version", "oauth_client_id",
    "oauth_client_secret", "oauth_issuer", "oauth_scope", "passfile", "replication",
    "require_auth", "requirepeer", "requiressl", "scram_client_key", "scram_server_key",
    "service", "servicefile", "ssl_max_protocol_version", "sslcertmode", "sslcompression",
    "sslcrldir", "sslkeylogfile", "sslpassword", "sslsni", "tty",
)  # fmt: skip
_KNOWN = {"user", "password", "host", "port", "dbname", *TAKEN, *_LEFT}


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

    def probe(self, user: str, password: Sensitive | None) -> Endpoint:
        """The same, by a name that nobody takes for the application's."""
        options = {**self.options, "application_name": PROBE}
        return self._replace(user=user, password=password, options=options)


def is_database(text: str) -> bool:
    """Whether a text says that it is a database's URL, be it one that can be read or not."""
    scheme, is_url, _ = text.partition("://")
    return bool(is_url) and _scheme(scheme.strip()) in _PORTS


def parse(url: str) -> Endpoint:
    """The parts of a URL; raises ValueError, without its text, where it is no database's, or where
    a part that people are shown may be a piece of the password.

    Cut where libpq cuts it, and the query has the last word. What libpq would refuse and others
    read is read: other drivers' words in the query, and a percent sign that encodes nothing.
    """
    if _SPACE.search(url):
        raise ValueError("has white space in it")
    found = _URL.match(url)
    scheme = _scheme(found[1]) if found else ""
    if not found or scheme not in _PORTS:
        raise ValueError("is no postgresql:// or redis:// URL")
    if _is_torn(found[4], found[5] or "", found[6] or ""):
        raise ValueError("has an @ where none can be: a password has it as %40, and a / as %2F")
    written = dict(zip(("user", "password", "dbname"), found.group(2, 3, 5), strict=True))
    written |= dict(zip(("host", "port"), _servers(found[4]), strict=True))
    said = {name: _decoded(text or "") for name, text in written.items()} | _query(found[6] or "")
    user, host, secret = said["user"], said["host"], said["password"]
    if not host or not (user or scheme in _REDIS):
        raise ValueError("names no user" if host else "names no host")
    if user and not secret and scheme in _REDIS:  # redis-cli takes it for the password
        raise ValueError("has a user and no password; a password stands behind a colon, as in :p@")
    if "\0" in secret:
        raise ValueError("has a password that a database would cut off")
    endpoint = Endpoint(
        host=host,
        port=_port(said["port"], _PORTS[scheme]),
        database=said["dbname"] or ("0" if scheme in _REDIS else user),
        user=user,
        password=Sensitive(secret) if secret else None,
        options={name: text for name, text in said.items() if name in TAKEN},
        scheme=scheme,
    )
    if any("\0" in each for each in (host, user, endpoint.database, *endpoint.options.values())):
        raise ValueError("has a part that a database would cut off")
    return endpoint


def _scheme(written: str) -> str:
    """In lower case; PostgreSQL's has several names."""
    scheme = written.lower()
    return "postgresql" if _POSTGRES.match(scheme) else scheme


def _is_torn(servers: str, path: str, query: str) -> bool:
    """Whether a piece of the password may stand in these: one with a bare @ ends there, and what
    follows is read, and shown, as host and database."""
    entries = (entry.partition("=") for entry in query.split("&") if "@" in entry)
    return "@" in servers + path or any(name not in _KNOWN or not is_ for name, is_, _ in entries)


def _servers(written: str) -> tuple[str, str]:
    """The hosts and the ports, each with commas; of one without a port, it is empty."""
    each = [_SERVER.match(server) for server in written.split(",")]
    found = [server.group(1, 2, 3) for server in each if server]
    if len(found) < len(each):
        raise ValueError("is no URL")
    return (",".join(address or name for address, name, _ in found),
            ",".join(port or "" for _, _, port in found))  # fmt: skip


def _port(said: str, default: str) -> str:
    ports = [each or default for each in said.split(",")]
    if not all(_PORT.match(each) and 0 < int(each) < 1 << 16 for each in ports):
        raise ValueError("has a port that is none")
    return ",".join(ports)


def _query(written: str) -> dict[str, str]:
    pairs = [pair.partition("=")[::2] for pair in written.split("&")]
    said = [(_decoded(name), _decoded(text)) for name, text in pairs]
    return dict(("sslmode", "require") if pair == ("ssl", "true") else pair for pair in said)


def _decoded(text: str) -> str:
    """Without percent-encoding; a plus is a plus."""
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeError:
        raise ValueError("has a part that is not UTF-8") from None
