"""The kinds of generators: one entry says what a kind takes, how strong it is and how it is kept.

Pure. What comes of a stream of random bytes is made here too, whether the stream is derived from a
seed or is the system's; golden vectors freeze it (tests/golden/generate.json). Kinds that no stream
can give are drawn in tools/draw.py.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from sopsmith.recipes.shape import Shape, choice, integer, list_of, one_kind, record, text

ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

_LABEL = r"[A-Za-z0-9_]([-_A-Za-z0-9]{0,61}[A-Za-z0-9_])?"
_HOST = rf"(\*\.)?{_LABEL}(\.{_LABEL})*|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*"

Options = Mapping[str, Any]


class Kind(NamedTuple):
    """All that is known of a kind before anything is drawn."""

    options: Shape  # a record of what may be set
    description: str
    defaults: Options = {}
    needs: tuple[str, ...] = ()  # options of which at least one has to be set
    entropy: Callable[[Options], float] = lambda options: 256.0  # bits; keys count as 256
    from_stream: Callable[[Options, Iterator[int]], str] | None = None

    @property
    def stored(self) -> bool:
        """Whether its values can only be drawn once and kept in a component."""
        return self.from_stream is None


def _password(options: Options, stream: Iterator[int]) -> str:
    """Characters by rejection: bytes past the last whole multiple of the alphabet are dropped."""
    alphabet = str(options["alphabet"])
    limit = 256 - 256 % len(alphabet)
    accepted = (byte for byte in stream if byte < limit)
    return "".join(alphabet[next(accepted) % len(alphabet)] for _ in range(int(options["length"])))


def _bytes(options: Options, stream: Iterator[int]) -> str:
    raw = bytes(next(stream) for _ in range(int(options["size"])))
    if options["encoding"] == "hex":
        return raw.hex()
    if options["encoding"] == "base64":
        return base64.b64encode(raw).decode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


KINDS: Mapping[str, Kind] = {
    "password": Kind(
        record(
            length=(integer(1, 1024), "characters; default 32"),
            alphabet=(
                text(r"(?=[!-~]{2,94}$)(?!.*(.).*\1).*", "2 to 94 different ASCII characters"),
                "characters to draw from, literally; default A-Za-z0-9",
            ),
        ),
        "random text",
        {"length": 32, "alphabet": ALPHANUMERIC},
        entropy=lambda options: options["length"] * math.log2(len(set(options["alphabet"]))),
        from_stream=_password,
    ),
    "bytes": Kind(
        record(
            size=(integer(1, 1024), "bytes before encoding; default 32"),
            encoding=(
                choice("hex", "base64", "base64url"),
                "default base64; base64url has no padding",
            ),
        ),
        "random bytes as text",
        {"size": 32, "encoding": "base64"},
        entropy=lambda options: options["size"] * 8.0,
        from_stream=_bytes,
    ),
    "rsa": Kind(
        record(bits=(integer(2048, 8192), "default 3072")),
        "RSA key, PKCS#8 PEM; stored",
        {"bits": 3072},
    ),
    "ecdsa": Kind(
        record(curve=(choice("P-256", "P-384", "P-521"), "default P-256")),
        "ECDSA key, PKCS#8 PEM; stored",
        {"curve": "P-256"},
    ),
    "ed25519": Kind(record(), "Ed25519 key, PKCS#8 PEM; stored"),
    "ssh": Kind(
        record(type_=(choice("ed25519", "rsa"), "default ed25519")),
        "OpenSSH key; stored",
        {"type": "ed25519"},
    ),
    "age": Kind(record(), "age identity; stored"),
    "certificate": Kind(
        record(
            commonName=(text(".{1,64}", "1 to 64 characters"), "subject"),
            dnsNames=(
                list_of(text(_HOST, "a host name or an address")),
                "subject alternative names",
            ),
            days=(integer(1, 7300), "validity; default 365"),
        ),
        "self-signed certificate and key as one PEM; stored",
        {"days": 365},
        needs=("dnsNames", "commonName"),
    ),
}

FROM_STREAM = {name: kind.from_stream for name, kind in KINDS.items() if kind.from_stream}

GENERATE = one_kind(
    "kind of generator",
    **{name: (kind.options, kind.description) for name, kind in KINDS.items()},
)


def is_host(text: str | None) -> bool:
    """Whether a certificate can name it as a host: a name, a wildcard or an address."""
    return text is not None and re.fullmatch(_HOST, text) is not None


def is_stored(value: Mapping[str, Any]) -> bool:
    """Whether a recipe's value is drawn once and kept, by its kind or by `stored: true`."""
    return bool(value.get("stored")) or any(
        KINDS[kind].stored for kind in value.get("generate") or ()
    )
