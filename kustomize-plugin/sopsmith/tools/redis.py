"""Log in to Redis as an application would: AUTH, SELECT and PING (Redis protocol, RESP2)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable

from sopsmith.postgres.endpoint import Endpoint
from sopsmith.postgres.verdict import Attempt, Verdict

SECONDS = 10.0
_MOST = 64 * 1024  # bytes of one answer


def login(to: Endpoint, seconds: float = SECONDS) -> Attempt:
    """Try a login; without a password in the URL it proves nothing but that somebody answers."""
    try:
        plain = socket.create_connection((to.host, int(to.port)), seconds)
        with plain, _secured(to, plain) as stream:
            return _logged_in(to, stream)
    except ssl.SSLError:
        return Attempt("tls", False)
    except (OSError, ValueError):
        return Attempt("unreachable", False)


def _secured(to: Endpoint, plain: socket.socket) -> socket.socket:
    if to.scheme != "rediss":
        return plain
    return ssl.create_default_context().wrap_socket(plain, server_hostname=to.host)


def _logged_in(to: Endpoint, stream: socket.socket) -> Attempt:
    with stream.makefile("rb") as answers:

        def ask(*words: str) -> bytes:
            stream.sendall(_command(words))
            answer = answers.readline(_MOST)
            if not answer.endswith(b"\n"):
                raise ValueError
            return answer

        is_proven = False
        if to.password is not None:
            answer = ask("AUTH", *filter(None, (to.user,)), to.password.text() or "")
            if answer.startswith(b"-"):
                return Attempt(_refusal(answer), False)
            is_proven = True
        for words in (("SELECT", to.database), ("PING",)):
            answer = ask(*words)
            if answer.startswith(b"-"):
                return Attempt(_refusal(answer), is_proven)
    return Attempt("reachable", is_proven)


def _refusal(answer: bytes) -> Verdict:
    """By the error's first word, and for AUTH without a password by what Redis says of it."""
    if answer.startswith((b"-WRONGPASS", b"-NOAUTH")) or b"invalid password" in answer:
        return "wrong-password"
    if b"without any password" in answer or b"no password is set" in answer:
        return "unverified"
    if answer.startswith((b"-LOADING", b"-MASTERDOWN")):
        return "starting"
    return "no-database" if b"DB index" in answer else "refused"


def _command(words: Iterable[str]) -> bytes:
    parts = [word.encode() for word in words]
    lines = [f"${len(part)}\r\n".encode() + part + b"\r\n" for part in parts]
    return f"*{len(parts)}\r\n".encode() + b"".join(lines)
