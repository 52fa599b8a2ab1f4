"""Values that repeat others: a URL with a password that stands elsewhere, or the same text twice.

Pure. What comes back is what `derive` in a recipe would say. It is proposed only where composing it
gives the same text, or a URL that reads the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from sopsmith.model import Parts, Sensitive
from sopsmith.pipeline.derive import compose, encode
from sopsmith.recipes.entropy import estimate

Texts = Mapping[str, str]

_URL = re.compile(
    r"""([A-Za-z][A-Za-z0-9+.-]*)://
        ([^@/?\#:]*):([^@/?\#]*)@  # without a password nothing could drift apart
        (\[[0-9A-Fa-f:.]+\]|[^@/?\#:,\[\]]+)
        (?::([0-9]{1,5}))?
        (/[^@?\#]*)?
        (?:\?([^\#+]*))?\Z""",
    re.VERBOSE,
)
_USER = re.compile("USER|LOGIN|ROLE")
_PASSWORD = re.compile("PASS|PWD|SECRET|TOKEN|KEY|AUTH")
_HOST = re.compile("HOST|SERVER|ADDR")
_PORT = re.compile("PORT")
_PATH = re.compile("(^|_)DB|DATABASE|NAME|VHOST")
_DATABASE = re.compile("POSTGRES|PG|DB|DATABASE|MYSQL|MARIADB|SQL")
_SHORT_SECRET = 8  # characters; a shorter password is taken for another value's by its name alone
_SAME_TEXT = 64  # bits; two values that share less may be alike by chance
_RANDOM = re.compile(r"(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{16,}|[A-Za-z0-9]{24,}")


class Proposal(NamedTuple):
    """What `derive` would say, and what it would change."""

    derive: Mapping[str, Any]
    names: tuple[str, ...]  # the values that it refers to
    composed: Sensitive  # what composing it gives
    is_exact: bool  # the same text, byte for byte
    was_raw: bool  # the password stood in the URL without percent-encoding


def url(name: str, text: str, others: Texts) -> Proposal | None:
    """The URL by its parts, where its password is another value; None where that can't be said."""
    read = _read(text, others)
    if read is None:
        return None
    parts, was_raw = read
    fitting = _Fitting(name, others)
    password = fitting.password(parts.password or "")
    query = {key: fitting.query(key, part) for key, part in parts.query}
    literal = [*(parts.path or ()), *(part for key, part in parts.query if not query[key])]
    if password is None or any(map(looks_random, literal)):
        return None
    if any(_PASSWORD.search(key.upper()) and not query[key] for key in query):
        return None
    found = {
        "user": parts.user and (fitting.part(parts.user, _USER) or _literal(parts.user)),
        "password": password,
        "host": fitting.part(parts.host, _HOST) or _literal(parts.host),
        "port": parts.port and (fitting.part(parts.port, _PORT) or int(parts.port)),
        "path": _path(parts.path, fitting),
        "query": {key: query[key] or _literal(part) for key, part in parts.query} or None,
    }
    derive = {"scheme": parts.scheme} | {k: part for k, part in found.items() if part is not None}
    named = tuple(dict.fromkeys(re.findall(r"(?<!\$)\$\(([^()]+)\)", str(derive))))
    composed = compose(parts)
    return Proposal({"url": derive}, named, Sensitive(composed), composed == text, was_raw)


def same(name: str, text: str, earlier: Texts) -> Proposal | None:
    """Another value with the same text, where that is no coincidence."""
    other = next((each for each, known in earlier.items() if known == text), None)
    if other is None or estimate(text) < _SAME_TEXT:
        return None
    if not _PASSWORD.search(f"{name} {other}".upper()) and "@" not in text:
        return None
    return Proposal({"template": f"$({other})"}, (other,), Sensitive(text), True, False)


def looks_random(text: str) -> bool:
    """Whether a part of it is too long and too mixed for a word."""
    return _RANDOM.search(text) is not None


# --- reading a URL ------------------------------------------------------------------------------


def _read(text: str, others: Texts) -> tuple[Parts, bool] | None:
    """The URL's parts, and whether its password had to be recognised to find where it ends."""
    for other in others.values():
        raw = f":{other}@"
        if raw in text and (set(other) & set("@/?#:") or unquote(other) != other):
            parts = _parts(text.replace(raw, f":{encode(other)}@", 1))
            if parts is not None:
                return parts, True
    parts = _parts(text)
    return None if parts is None else (parts, False)


def _parts(text: str) -> Parts | None:
    match = _URL.match(text)
    if match is None:
        return None
    scheme, user, password, host, port, path, query = match.groups()
    try:
        parts = Parts(
            scheme=scheme,
            user=_unquoted(user) or None,
            password=_unquoted(password),
            host=_unquoted(host.strip("[]")),
            port=None if port is None else str(int(port)),
            path=None if path is None else tuple(map(_unquoted, path[1:].split("/"))),
            query=tuple(sorted(_entries(query or ""))),
        )
    except ValueError:  # not UTF-8, or an entry of the query that has no value
        return None
    is_whole = parts.port is None or 0 < int(parts.port) < 65536
    has_once = len(dict(parts.query)) == len(parts.query)
    return parts if is_whole and has_once and password else None


def _unquoted(text: str) -> str:
    return unquote(text, errors="strict")


def _entries(query: str) -> Iterator[tuple[str, str]]:
    for entry in filter(None, query.split("&")):
        key, equals, text = entry.partition("=")
        if not equals:
            raise ValueError("no value")
        yield _unquoted(key), _unquoted(text)


# --- whose parts they are -----------------------------------------------------------------------


class _Fitting(NamedTuple):
    """The other values, seen from the URL of that name."""

    name: str
    others: Texts

    def password(self, text: str) -> str | None:
        """The value that the password is."""
        found = [name for name, other in self.others.items() if other == text]
        named = [name for name in found if _PASSWORD.search(name.upper())]
        near = [name for name in named if _family(name) == _family(self.name)]
        sure = near or (named + found if len(text) >= _SHORT_SECRET else [])
        return f"$({sure[0]})" if sure else None

    def part(self, text: str, kind: re.Pattern[str]) -> str | None:
        """The value that a public part is: named like it, and of the same family."""
        found = (
            name
            for name, other in self.others.items()
            if other == text and kind.search(name.upper()) and _family(name) == _family(self.name)
        )
        return next((f"$({name})" for name in found), None)

    def query(self, key: str, text: str) -> str | None:
        """The value that a secret entry of the query is."""
        return self.password(text) if _PASSWORD.search(key.upper()) else None


def _family(name: str) -> str:
    """What a name starts with: POSTGRES_HOST, PGUSER and DATABASE_URL are all a database's."""
    upper = name.upper()
    return "DB" if _DATABASE.match(upper) else re.split("[-_.]", upper)[0]


def _path(path: tuple[str, ...] | None, fitting: _Fitting) -> str | list[str] | None:
    if path is None:
        return None
    segments = [fitting.part(each, _PATH) or _literal(each) for each in path]
    return segments[0] if len(segments) == 1 else segments


def _literal(text: str) -> str:
    return text.replace("$(", "$$(")
