"""Whether a restored database is the one that was dumped: what is measured and compared. Pure.

The same are: the number of rows and a checksum of every table, where every sequence stands, all
large objects, the versions of extensions, which objects there are and who owns them, every grant,
every setting of databases and roles, and the verifiers of roles that got no new one. The order of
rows counts for nothing, and so does how an expression is spelt: PostgreSQL spells some anew when it
reads them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_HASH = "('x' || substr(encode(sha256({}), 'hex'), 1, 16))::bit(64)::bigint"
_ROW = _HASH.format("textsend((x.*)::text)").replace("'", "''")
_LARGE_OBJECT = _HASH.format(
    "textsend(concat_ws(' ', oid, pg_get_userbyid(lomowner), (SELECT array_agg(a::text ORDER BY "
    "a::text) FROM unnest(coalesce(lomacl, acldefault('L', lomowner))) AS a))) || lo_get(oid)"
)
_OWN = "nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'"
_CLASSES = "pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"

# No value of a user's stands in these statements: PostgreSQL writes the names, and runs what it
# wrote (\gexec).
MEASURE = f"""
SELECT format('SELECT json_build_array(''table'', %L, count(*), coalesce(sum({_ROW}), 0)::text) '
              'FROM ONLY %I.%I AS x', format('%I.%I', nspname, relname), nspname, relname)
FROM {_CLASSES} WHERE relkind = 'r' AND {_OWN} \\gexec
SELECT format('SELECT json_build_array(''sequence'', %L, last_value, is_called) FROM %I.%I',
              format('%I.%I', nspname, relname), nspname, relname)
FROM {_CLASSES} WHERE relkind = 'S' AND {_OWN} \\gexec
SELECT json_build_array('large objects', '', count(*), coalesce(sum({_LARGE_OBJECT}), 0)::text)
FROM pg_largeobject_metadata;
SELECT json_build_array('extension', extname, extversion, nspname)
FROM pg_extension JOIN pg_namespace AS n ON n.oid = extnamespace;
"""  # noqa: S608

Measured = Mapping[tuple[str, str, str], Any]
"""What was measured, by database (none: of the whole server), kind and name."""

_TOLD = ("-- Name: ", "GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES ", "CREATE DATABASE ",
         "ALTER DATABASE ", "ALTER ROLE ")  # fmt: skip


def measured(answer: bytes) -> dict[tuple[str, str], Any]:
    """From the answer to MEASURE: one JSON array a line."""
    lines = answer.decode("utf-8", "surrogateescape").split("\n")
    rows = (json.loads(line) for line in lines if line)
    return {(row[0], row[1]): row[2:] for row in rows}


def outlined(schema: bytes) -> dict[tuple[str, str], Any]:
    """From a dump of a database's schema as SQL: its objects, owners, grants and settings."""
    lines = schema.decode("utf-8", "surrogateescape").splitlines()
    return _counted("definition", (line for line in lines if line.startswith(_TOLD)))


def globals_outlined(dump: bytes) -> dict[tuple[str, str], Any]:
    """From a dump of the roles without passwords: all of it, whatever the order."""
    lines = dump.decode("utf-8", "surrogateescape").splitlines()
    told = (line for line in lines if not line.startswith(("--", "\\restrict", "\\unrestrict")))
    return _counted("of roles", filter(None, told))


def _counted(kind: str, lines: Any) -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {}
    for line in lines:
        found[kind, line] = found.get((kind, line), 0) + 1
    return found


def differences(old: Measured, new: Measured) -> list[str]:
    """What is not the same, by database, kind and name; never what it holds."""
    words = []
    for database, kind, name in sorted(old.keys() | new.keys()):
        before, after = old.get((database, kind, name)), new.get((database, kind, name))
        if before != after:
            whose = f" of {database}" if database else ""
            words.append(f"{kind} {name}".strip() + whose + _how(kind, before, after))
    return words


def _how(kind: str, before: Any, after: Any) -> str:
    if before is None or after is None:
        return " is lost" if after is None else " is new"
    if kind == "table" and before[0] != after[0]:
        return f" has {after[0]} rows instead of {before[0]}"
    return " differs"
