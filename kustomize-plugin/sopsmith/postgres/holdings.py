"""What a role has in one database, and what goes by its name: question and answer. Pure.

Names come with their schemas, as nothing but PostgreSQL's own is in a channel's path.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import NamedTuple

from sopsmith.postgres.statements import literal


class Thing(NamedTuple):
    """An object, as PostgreSQL itself names it: quoted, with its schema and argument types."""

    kind: str  # such as `materialized view`
    identity: str


class Right(NamedTuple):
    """A privilege on another's object, by name."""

    kind: str
    identity: str
    column: str | None
    privilege: str
    grantable: bool
    grantee: str


class Default(NamedTuple):
    """A privilege on what a role will make."""

    role: str
    schema: str | None  # None: everywhere in the database
    kind: str
    privilege: str
    grantable: bool
    grantee: str | None  # None: PUBLIC


class Policy(NamedTuple):
    """A row-level policy that names the role."""

    name: str
    table: str  # quoted, with its schema
    roles: tuple[str, ...]


class Setting(NamedTuple):
    """What a login starts with: ALTER ROLE … SET."""

    role: str | None  # None: every role in this database
    is_here: bool  # in this database alone
    name: str
    value: str


class Holdings(NamedTuple):
    """What a role has in a database, and of the server as a whole."""

    database: str
    inherits: bool
    has_schema: bool  # one of the role's name, which "$user" means
    sessions: int
    limit: int  # of connections; -1 is none
    free: int  # connections that the server has left
    attributes: dict[str, list[str]]  # by role: this one's and the owner's
    joined: tuple[str, ...]  # the roles that it is a member of and the owner is not
    members: tuple[str, ...]  # who can become it
    owned: tuple[Thing, ...]
    kept: tuple[Thing, ...]  # a superuser's, which stay its own
    rights: tuple[Right, ...]
    defaults: tuple[Default, ...]
    policies: tuple[Policy, ...]
    settings: tuple[Setting, ...]
    mentions: tuple[Thing, ...]  # whose text asks who is there
    mappings: tuple[str, ...]  # the foreign servers that it logs in to
    elsewhere: dict[str, int]  # by database: objects and rights in others
    rules: tuple[int, ...]  # lines of pg_hba.conf that name it and not both of the two


def question(old: str, owner: str, logins: Sequence[str], version: int) -> str:
    """One statement that gives the answer of a server of this version as JSON."""
    names = {
        "parameters": _PARAMETERS if version >= 150000 else "",
        "old": literal(old),
        "owner": literal(owner),
        "logins": ", ".join(map(literal, logins)),
    }
    return _QUESTION.format(**names)


def read(answer: str) -> Holdings:
    """The answer; ValueError, KeyError or TypeError where it is none.

    Sorted, as the server's order follows its statistics, and two looks are compared.
    """
    tree = json.loads(answer)
    for field, kind in _RECORDS.items():
        tree[field] = tuple(sorted((kind(**each) for each in tree[field]), key=repr))
    tree["policies"] = tuple(e._replace(roles=tuple(sorted(e.roles))) for e in tree["policies"])
    for field in ("joined", "members", "mappings", "rules"):
        tree[field] = tuple(sorted(tree[field]))
    return Holdings(**tree)


_RECORDS = {"owned": Thing, "kept": Thing, "mentions": Thing, "rights": Right,
            "defaults": Default, "policies": Policy, "settings": Setting}  # fmt: skip

# A parameter has no owner: that of a privilege on one is the first superuser.
_PARAMETERS = """\
  UNION ALL SELECT 'pg_parameter_acl'::regclass, oid, NULL, 10::oid, paracl FROM pg_parameter_acl
"""
# No backslash stands in it: what one means is a setting of the database.
# REASSIGN OWNED moves what pg_shdepend has. It never takes what the first superuser owns, nor
# should it: so of a superuser only what was made after initdb and is no extension's.
_QUESTION = """\
WITH old AS (SELECT * FROM pg_roles WHERE rolname = {old}),
here AS (SELECT * FROM pg_database WHERE datname = current_database()),
parties AS (SELECT oid, rolname FROM pg_roles WHERE rolname IN ({old}, {owner})),
made(classid, objid, owner, is_kept) AS (
  SELECT 'pg_class'::regclass, c.oid, relowner, false FROM pg_class c
    WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND relkind = 'S'
        AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))
  UNION ALL SELECT 'pg_proc'::regclass, oid, proowner, prosecdef FROM pg_proc
  UNION ALL SELECT 'pg_type'::regclass, t.oid, typowner, false FROM pg_type t
    WHERE typtype IN ('b', 'c', 'd', 'e', 'r') AND NOT EXISTS (SELECT FROM pg_type e
      WHERE e.typarray = t.oid) AND (typrelid = 0
        OR EXISTS (SELECT FROM pg_class c WHERE c.oid = typrelid AND relkind = 'c'))
  UNION ALL SELECT 'pg_namespace'::regclass, oid, nspowner, false FROM pg_namespace
    WHERE nspname !~ '^pg_'
  UNION ALL SELECT 'pg_operator'::regclass, oid, oprowner, false FROM pg_operator
  UNION ALL SELECT 'pg_opclass'::regclass, oid, opcowner, false FROM pg_opclass
  UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfowner, false FROM pg_opfamily
  UNION ALL SELECT 'pg_collation'::regclass, oid, collowner, false FROM pg_collation
  UNION ALL SELECT 'pg_conversion'::regclass, oid, conowner, false FROM pg_conversion
  UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictowner, false FROM pg_ts_dict
  UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgowner, false FROM pg_ts_config
  UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxowner, false FROM pg_statistic_ext
  UNION ALL SELECT 'pg_largeobject'::regclass, oid, lomowner, false FROM pg_largeobject_metadata
  UNION ALL SELECT 'pg_extension'::regclass, oid, extowner, true FROM pg_extension
  UNION ALL SELECT 'pg_event_trigger'::regclass, oid, evtowner, true FROM pg_event_trigger
  UNION ALL SELECT 'pg_foreign_server'::regclass, oid, srvowner, true FROM pg_foreign_server
  UNION ALL SELECT 'pg_publication'::regclass, oid, pubowner, true FROM pg_publication
  UNION ALL SELECT 'pg_database'::regclass, h.oid, (SELECT o.oid FROM old o, pg_roles d
    WHERE d.oid = h.datdba AND d.rolsuper), false FROM here h
),
supers AS (SELECT i.type AS kind, i.identity, m.is_kept FROM old, made m,
    pg_identify_object(m.classid, m.objid, 0) i
  WHERE old.rolsuper AND m.owner = old.oid AND m.objid >= 16384
    AND coalesce(i.schema, '') !~ '^pg_temp' AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = m.classid AND d.objid = m.objid AND d.deptype = 'e')),
owned AS (SELECT kind, identity FROM supers WHERE NOT is_kept
  UNION ALL SELECT i.type, i.identity FROM old, here, pg_shdepend d,
    pg_identify_object(d.classid, d.objid, d.objsubid) i
  WHERE NOT old.rolsuper AND d.refclassid = 'pg_authid'::regclass AND d.refobjid = old.oid
    AND d.deptype = 'o' AND d.dbid IN (0, here.oid) AND coalesce(i.schema, '') !~ '^pg_temp'
    AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass,
      'pg_auth_members'::regclass)),
acls(classid, objid, attribute, owner, acl) AS (
  SELECT 'pg_class'::regclass, oid, NULL, relowner, relacl FROM pg_class
  UNION ALL SELECT 'pg_class'::regclass, c.oid, attname, relowner, attacl
    FROM pg_attribute JOIN pg_class c ON c.oid = attrelid WHERE NOT attisdropped
  UNION ALL SELECT 'pg_proc'::regclass, oid, NULL, proowner, proacl FROM pg_proc
  UNION ALL SELECT 'pg_type'::regclass, oid, NULL, typowner, typacl FROM pg_type
  UNION ALL SELECT 'pg_namespace'::regclass, oid, NULL, nspowner, nspacl FROM pg_namespace
  UNION ALL SELECT 'pg_language'::regclass, oid, NULL, lanowner, lanacl FROM pg_language
  UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, NULL, fdwowner, fdwacl
    FROM pg_foreign_data_wrapper
  UNION ALL SELECT 'pg_foreign_server'::regclass, oid, NULL, srvowner, srvacl
    FROM pg_foreign_server
  UNION ALL SELECT 'pg_largeobject'::regclass, oid, NULL, lomowner, lomacl
    FROM pg_largeobject_metadata
  UNION ALL SELECT 'pg_database'::regclass, oid, NULL, datdba, datacl FROM pg_database
  UNION ALL SELECT 'pg_tablespace'::regclass, oid, NULL, spcowner, spcacl FROM pg_tablespace
{parameters}),
rights AS (SELECT i.type AS kind, i.identity, a.attribute AS column,
    e.privilege_type AS privilege, e.is_grantable AS grantable, p.rolname AS grantee
  FROM old, acls a, aclexplode(a.acl) e, parties p, pg_identify_object(a.classid, a.objid, 0) i
  WHERE NOT old.rolsuper AND p.oid = e.grantee AND a.owner NOT IN (SELECT oid FROM parties)
    AND coalesce(i.schema, '') !~ '^pg_temp'),
defaults AS (SELECT r.rolname AS role, n.nspname AS schema, d.defaclobjtype AS kind,
    e.privilege_type AS privilege, e.is_grantable AS grantable, g.rolname AS grantee
  FROM pg_default_acl d JOIN pg_roles r ON r.oid = d.defaclrole
    LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace, aclexplode(d.defaclacl) e
    LEFT JOIN pg_roles g ON g.oid = e.grantee
  WHERE {old} IN (r.rolname, g.rolname) OR {owner} IN (r.rolname, g.rolname)),
texts(classid, objid, part, text) AS (
  SELECT 'pg_policy'::regclass, oid, 0, concat(pg_get_expr(polqual, polrelid), ' ',
    pg_get_expr(polwithcheck, polrelid)) FROM pg_policy
  UNION ALL SELECT 'pg_attrdef'::regclass, oid, 0, pg_get_expr(adbin, adrelid) FROM pg_attrdef
  UNION ALL SELECT 'pg_class'::regclass, oid, 0, pg_get_viewdef(oid) FROM pg_class
    WHERE relkind IN ('v', 'm') AND oid >= 16384
  UNION ALL SELECT 'pg_proc'::regclass, oid, 0, prosrc FROM pg_proc WHERE oid >= 16384
),
mentions AS (SELECT i.type AS kind, i.identity
  FROM texts t, pg_identify_object(t.classid, t.objid, t.part) i
  WHERE t.text ~* '[[:<:]](current_user|session_user|current_role|pg_has_role)[[:>:]]'
    AND NOT EXISTS (SELECT FROM pg_depend d
      WHERE d.classid = t.classid AND d.objid = t.objid AND d.deptype = 'e')),
settings AS (SELECT r.rolname AS role, s.setdatabase <> 0 AS is_here,
    split_part(c, '=', 1) AS name, substr(c, strpos(c, '=') + 1) AS value
  FROM here, pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole, unnest(setconfig) c
  WHERE s.setdatabase IN (0, here.oid) AND (s.setrole = 0 OR r.rolname IN ({logins})))
SELECT json_build_object(
  'database', here.datname,
  'inherits', old.rolinherit,
  'has_schema', EXISTS (SELECT FROM pg_namespace WHERE nspname = old.rolname),
  'sessions', (SELECT count(*) FROM pg_stat_activity WHERE usesysid = old.oid),
  'limit', old.rolconnlimit,
  'free', (SELECT sum(CASE name WHEN 'max_connections' THEN 1 ELSE -1 END * setting::int)
      FROM pg_settings WHERE name IN ('max_connections', 'superuser_reserved_connections',
        'reserved_connections'))
    - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  'attributes', (SELECT json_object_agg(r.rolname, array_remove(ARRAY[
      CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
      CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
      CASE WHEN rolreplication THEN 'REPLICATION' END], NULL))
    FROM pg_roles r WHERE r.oid IN (SELECT oid FROM parties)),
  'joined', (SELECT coalesce(json_agg(DISTINCT r.rolname), '[]') FROM pg_auth_members m
    JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = old.oid AND r.rolname <> {owner}
      AND NOT EXISTS (SELECT FROM parties p WHERE p.rolname = {owner}
        AND (pg_has_role(p.oid, r.oid, 'MEMBER') OR pg_has_role(r.oid, p.oid, 'MEMBER')))),
  'members', (SELECT coalesce(json_agg(DISTINCT r.rolname), '[]') FROM pg_auth_members m
    JOIN pg_roles r ON r.oid = m.member WHERE m.roleid = old.oid
      AND coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)),
  'owned', (SELECT coalesce(json_agg(o), '[]') FROM owned o),
  'kept', (SELECT coalesce(json_agg(json_build_object('kind', kind, 'identity', identity)), '[]')
    FROM supers WHERE is_kept),
  'rights', (SELECT coalesce(json_agg(r), '[]') FROM rights r),
  'defaults', (SELECT coalesce(json_agg(d), '[]') FROM defaults d),
  'policies', (SELECT coalesce(json_agg(json_build_object('name', polname,
      'table', polrelid::regclass::text,
      'roles', ARRAY(SELECT rolname FROM pg_roles r WHERE r.oid = ANY (polroles)))), '[]')
    FROM pg_policy WHERE old.oid = ANY (polroles)),
  'settings', (SELECT coalesce(json_agg(s), '[]') FROM settings s),
  'mentions', (SELECT coalesce(json_agg(m), '[]') FROM mentions m),
  'mappings', (SELECT coalesce(json_agg(srvname), '[]') FROM pg_user_mappings
    WHERE umuser = old.oid),
  'elsewhere', (SELECT coalesce(json_object_agg(datname, n), '{{}}') FROM (SELECT b.datname,
      count(*) AS n FROM pg_shdepend d JOIN pg_database b ON b.oid = d.dbid
    WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = old.oid
    GROUP BY b.datname) other),
  'rules', (SELECT coalesce(json_agg(DISTINCT line_number), '[]') FROM pg_hba_file_rules
    WHERE {old} = ANY (user_name) AND NOT user_name @> ARRAY[{logins}])
)::jsonb FROM old, here;
"""
