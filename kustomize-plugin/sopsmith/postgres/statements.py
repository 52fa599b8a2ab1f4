"""SQL for roles: names and verifiers, never a password. Pure."""

from __future__ import annotations

from collections.abc import Iterable

LOCK_TIMEOUT = 10  # seconds to wait for another operator
STATEMENT_TIMEOUT = 20  # seconds
# Nobody who changes passwords runs what the owner of a database made or set for who logs in.
PATH = "search_path TO pg_catalog, pg_temp"
PREFIX = "sopsmith "  # begins the comment of a role that is ours
IDLE, INTERVAL, COUNT = 10, 5, 3  # seconds until a server asks who is silent, and how often

# PostgreSQL 16 asks for more and gives less: without INHERIT and SET a rotator changes passwords
# and can't become the role.
_ADMIN = (
    "BEGIN EXECUTE CASE WHEN current_setting('server_version_num')::int >= 160000"
    " THEN {new} ELSE {old} END; END"
)


def name(text: str) -> str:
    """An identifier."""
    return '"' + text.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text; the same whatever `standard_conforming_strings` is."""
    quoted = text.replace("'", "''")
    return f" E'{quoted.replace(chr(92), chr(92) * 2)}'" if "\\" in quoted else f"'{quoted}'"


def _do(block: str) -> str:
    """A block of code: as a literal, because a name may hold any dollar quote."""
    return f"DO {literal(block)}"


def settings(key: str) -> str:
    """What begins a transaction: no other operator is at it, and nothing waits for long."""
    return (
        f"SET LOCAL {PATH}; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s';"
        f" SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}s';"
        f" SET LOCAL synchronous_commit = on; SELECT pg_advisory_xact_lock({_lock(key)})"
    )


def unchanged(role: str, comment: str | None) -> str:
    """Fail, as one of two transactions that conflict, where the comment is not this one any more;
    all that are not ours are one, as they may be no text.

    The lock keeps out nobody who is in another database, and psql does not hold it while we think.
    """
    there = (
        "SELECT c FROM pg_roles, shobj_description(oid, 'pg_authid') c"
        f" WHERE rolname = {literal(role)} AND starts_with(c, {literal(PREFIX)})"
    )
    expected = literal(comment) if comment and comment.startswith(PREFIX) else "NULL"
    return _do(
        f"BEGIN IF ({there}) IS DISTINCT FROM {expected} THEN RAISE serialization_failure;"
        " END IF; END"
    )


def script(statements: Iterable[str], before: str = "") -> str:
    """All of these or none, as one text."""
    lines = ["BEGIN", *filter(None, (before,)), *statements, "COMMIT"]
    return ";\n".join(lines) + ";\n"


def lock(key: str) -> str:
    """Keep other operators out for as long as the session lasts.

    It ends with the machine or the network of who began it, too, and not two hours later.
    """
    return (
        f"SET tcp_keepalives_idle = {IDLE}; SET tcp_keepalives_interval = {INTERVAL};"
        f" SET tcp_keepalives_count = {COUNT};"
        f" SET lock_timeout = '{LOCK_TIMEOUT}s'; SET statement_timeout = '{STATEMENT_TIMEOUT}s';"
        f" SELECT pg_advisory_lock({_lock(key)});"
    )


def _lock(key: str) -> str:
    return f"hashtext({literal(f'sopsmith:{key}')})"


def create_owner(owner: str) -> str:
    """The role that owns what alternating roles make; nobody logs in as it."""
    return f"CREATE ROLE {name(owner)} NOLOGIN"


def create_login(role: str) -> str:
    """A role that may log in once it gets a password."""
    return f"CREATE ROLE {name(role)} NOLOGIN"


def join(role: str, owner: str) -> tuple[str, ...]:
    """What the role makes belongs to the owner, from the first statement of each session."""
    return (
        f"GRANT {name(owner)} TO {name(role)}",
        f"ALTER ROLE {name(role)} SET role TO {name(owner)}",
    )


def open_role(role: str, verifier: str) -> str:
    """Let the role log in with the password of this verifier, however long ago it expired."""
    return f"ALTER ROLE {name(role)} LOGIN PASSWORD {literal(verifier)} VALID UNTIL 'infinity'"


def set_password(role: str, verifier: str) -> str:
    """Give the role another password and nothing else: it may do this to itself."""
    return f"ALTER ROLE {name(role)} PASSWORD {literal(verifier)}"


def close_role(role: str) -> str:
    """Nobody logs in as the role any more; sessions that stand go on."""
    return f"ALTER ROLE {name(role)} NOLOGIN PASSWORD NULL"


def mark(role: str, text: str) -> str:
    """Say at the role, for everybody to read, what was applied last."""
    return f"COMMENT ON ROLE {name(role)} IS {literal(text)}"


def create_rotator(role: str, verifier: str) -> tuple[str, ...]:
    """The role that changes passwords, and no other right."""
    return (
        _do(
            f"BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {literal(role)})"
            f" THEN CREATE ROLE {name(role)} NOINHERIT; END IF; END"
        ),
        let_change(role, verifier),
    )


def let_change(role: str, verifier: str | None = None) -> str:
    """Let a role change passwords; it keeps its own where no verifier is given."""
    password = "" if verifier is None else f" PASSWORD {literal(verifier)}"
    return f"ALTER ROLE {name(role)} LOGIN CREATEROLE{password} VALID UNTIL 'infinity'"


def administer(role: str, rotator: str) -> str:
    """Let the rotator change this role, and not become it."""
    grant = f"GRANT {name(role)} TO {name(rotator)} WITH ADMIN "
    new, old = literal(f"{grant}TRUE, INHERIT FALSE, SET FALSE"), literal(f"{grant}OPTION")
    return _do(_ADMIN.format(new=new, old=old))


def let_create(owner: str) -> str:
    """Let the owner create things in a database that is another's."""
    return f"GRANT CREATE ON SCHEMA public TO {name(owner)}"


def give_database(database: str, owner: str) -> str:
    """Give the owner the database, whoever has it."""
    return f"ALTER DATABASE {name(database)} OWNER TO {name(owner)}"


def own_database(database: str, owner: str) -> str:
    """Give the owner the database, where so far a superuser has it: as after a first start."""
    change = give_database(database, owner)
    return _do(
        "BEGIN IF EXISTS (SELECT FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba"
        f" WHERE d.datname = {literal(database)} AND r.rolsuper) THEN"
        f" EXECUTE {literal(change)}; END IF; END"
    )
