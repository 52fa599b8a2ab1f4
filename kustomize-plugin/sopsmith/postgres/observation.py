"""What a server shows of an account's roles: the question as SQL, and the answer. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sopsmith.postgres.account import Account
from sopsmith.postgres.endpoint import PROBE
from sopsmith.postgres.owners import SETTINGS
from sopsmith.postgres.statements import PREFIX, literal

_NAME = re.compile(r"[\w ./:-]*")


class Mark(NamedTuple):
    """What the comment on a role says: public, and changed in one transaction with the role."""

    app: str
    environment: str
    value: str
    slot: str
    version: int | None  # the one applied last
    lowest: int | None  # an older one was retired and never comes back
    salt: str | None = None  # `scram.salt_shown` of a superuser that is no role of ours

    @property
    def text(self) -> str:
        """The comment."""
        fields = {name: each for name, each in self._asdict().items() if name != "salt" or each}
        return PREFIX + json.dumps(fields, separators=(",", ":"))


class Seen(NamedTuple):
    """One role on the server."""

    can_log_in: bool  # as long as its password has not expired
    is_superuser: bool
    is_ours: bool  # to change, for whoever asked
    member_of: tuple[str, ...]
    becomes: str | None  # ALTER ROLE … SET role
    comment: str | None
    sessions: tuple[str, ...]  # application names
    has_things: bool = False  # objects or rights by name, in whichever database
    verifier: str | None = None  # where it may be read
    has_login: bool = False  # LOGIN, also where its password has expired


class Database(NamedTuple):
    """A database, as far as it matters whose it is."""

    owner: str
    is_superusers: bool


class Observed(NamedTuple):
    """A server, as far as the roles are concerned."""

    version: int  # such as 160004
    encoding: str  # of the database, such as UTF8
    in_recovery: bool
    user: str
    is_superuser: bool
    can_read_verifiers: bool
    roles: Mapping[str, Seen]  # the account's, and the superusers that log in
    others: tuple[str, ...]  # names of roles by which other owners are known
    settings: Mapping[str, str]  # likewise
    databases: Mapping[str, Database] | None = None  # of those that URLs name, the ones there are

    def comment(self, role: str) -> str | None:
        """The role's comment."""
        seen = self.roles.get(role)
        return seen.comment if seen else None

    def mark(self, role: str) -> Mark | None:
        """What was applied last, as the role's comment says."""
        return read_mark(self.comment(role) or "")


def nothing() -> Observed:
    """A server that has none of the roles, before its first start."""
    return Observed(0, "UTF8", False, "", True, False, {}, (), {})


def question(account: Account) -> str:
    """One statement that gives the answer as JSON; every login may ask it."""
    names = {*account.roles, *filter(None, (account.owner,))}
    if account.rotator is not None:
        names.add(account.rotator.user)
    listed = ", ".join(map(literal, sorted(names)))
    return _QUESTION.format(
        names=listed, probe=literal(PROBE), settings=", ".join(map(literal, SETTINGS)),
        databases=", ".join(map(literal, account.databases)) or "NULL",
    )  # fmt: skip


_QUESTION = """\
SELECT json_build_object(
  'version', current_setting('server_version_num')::int,
  'encoding', current_setting('server_encoding'),
  'in_recovery', pg_is_in_recovery(),
  'user', current_user,
  'is_superuser', (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
  'can_read_verifiers', has_column_privilege('pg_catalog.pg_authid', 'rolpassword', 'SELECT'),
  'roles', (SELECT coalesce(json_object_agg(r.rolname, json_build_object(
      'can_log_in', r.rolcanlogin AND coalesce(r.rolvaliduntil > now(), true),
      'has_login', r.rolcanlogin,
      'is_superuser', r.rolsuper,
      'is_ours', (SELECT m.rolsuper OR (m.rolcreaterole AND NOT r.rolsuper AND
          (current_setting('server_version_num')::int < 160000
           OR pg_has_role(r.oid, 'MEMBER WITH ADMIN OPTION')))
        FROM pg_roles m WHERE m.rolname = current_user),
      'member_of', (SELECT coalesce(json_agg(o.rolname ORDER BY o.rolname), '[]')
        FROM pg_auth_members a JOIN pg_roles o ON o.oid = a.roleid WHERE a.member = r.oid),
      'becomes', (SELECT substr(c, 6) FROM unnest(r.rolconfig) c WHERE c LIKE 'role=%'),
      'comment', shobj_description(r.oid, 'pg_authid'),
      'sessions', (SELECT coalesce(json_agg(coalesce(s.application_name, '')
          ORDER BY s.application_name), '[]')
        FROM pg_stat_activity s WHERE s.usesysid = r.oid AND s.pid <> pg_backend_pid()
          AND s.application_name IS DISTINCT FROM {probe}),
      'has_things', EXISTS (SELECT FROM pg_shdepend d WHERE d.refobjid = r.oid
        AND d.refclassid = 'pg_authid'::regclass AND d.classid <> 'pg_auth_members'::regclass)
    )), '{{}}') FROM pg_roles r WHERE r.rolname IN ({names}) OR (r.rolsuper AND r.rolcanlogin)),
  'others', (SELECT coalesce(json_agg(rolname), '[]') FROM pg_roles
    WHERE rolname IN ('streaming_replica', 'robot_zmon', 'zalandos', 'cron_admin',
      'ccp_monitoring') OR starts_with(rolname::text, '_crunchy') OR rolname LIKE 'v-%'),
  'settings', (SELECT json_object_agg('cnpg.config_sha256',
        coalesce(current_setting('cnpg.config_sha256', true), ''))::jsonb ||
      coalesce(json_object_agg(name, setting), '{{}}')::jsonb FROM pg_settings
    WHERE name IN ({settings})),
  'databases', (SELECT coalesce(json_object_agg(d.datname, json_build_object(
      'owner', o.rolname, 'is_superusers', o.rolsuper)), '{{}}')
    FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba WHERE d.datname IN ({databases}))
);
"""


def verifiers(names: Iterable[str]) -> str:
    """The verifiers of roles as JSON, for who may read them."""
    listed = ", ".join(map(literal, names))
    return (
        "SELECT coalesce(json_object_agg(rolname, rolpassword), '{}') FROM pg_authid"
        f" WHERE rolname IN ({listed}) AND rolpassword IS NOT NULL;\n"
    )


def read(answer: str, verifiers: str | None = None) -> Observed:
    """The answer; ValueError, KeyError or TypeError where it is none."""
    tree = json.loads(answer)
    known = json.loads(verifiers) if verifiers else {}
    roles = {name: _seen(each, known.get(name)) for name, each in tree["roles"].items()}
    databases = {name: Database(**each) for name, each in tree["databases"].items()}
    return Observed(**{**tree, "roles": roles, "others": tuple(tree["others"]),
                       "databases": databases})  # fmt: skip


def _seen(tree: Mapping[str, Any], verifier: str | None) -> Seen:
    lists = {"member_of": tuple(tree["member_of"]), "sessions": tuple(map(_said, tree["sessions"]))}
    return Seen(**{**tree, **lists, "verifier": verifier})


def _said(application: str) -> str:
    """Who a session says it is, as far as that is a name: some say how they log in."""
    if "://" in application:
        return "(a URL)"
    return application if _NAME.fullmatch(application) else "(a name that may hold a secret)"


def read_mark(comment: str) -> Mark | None:
    """A comment of ours; None for anybody else's."""
    if not comment.startswith(PREFIX):
        return None
    try:
        mark = Mark(**json.loads(comment.removeprefix(PREFIX)))
    except (ValueError, TypeError, RecursionError):
        return None
    texts, numbers = (
        (*mark[:4], *([] if mark.salt is None else [mark.salt])),
        (mark.version, mark.lowest),
    )
    is_ours = all(isinstance(each, str) for each in texts)
    return mark if is_ours and all(each is None or type(each) is int for each in numbers) else None
