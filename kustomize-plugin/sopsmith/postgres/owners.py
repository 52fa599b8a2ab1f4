"""Who else manages a database: what its roles and settings show, and how to leave it to them.

Two owners of one password are an outage: each sets back what the other set. A leftover role of a
dump that was restored elsewhere is no owner, so what every database might have counts only together
with something else. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from sopsmith.findings import Finding

SETTINGS = ("cnpg.config_sha256", "archive_command", "ssl_cert_file", "unix_socket_directories",
            "shared_preload_libraries")  # fmt: skip
"""The settings to ask for. The first is a placeholder, which pg_settings does not list: ask
`current_setting(name, true)` for it; the last two are hidden from who may not read all settings."""


class Owner(NamedTuple):
    """Another manager of the passwords of this database."""

    name: str
    evidence: tuple[str, ...]  # what shows it: roles and settings, never a setting's value
    delegation: str  # what to do instead


def owner_of(roles: Iterable[str], settings: Mapping[str, str]) -> Owner | None:
    """The other owner, by all role names and by the settings above that can be read."""
    names = set(roles)
    for name, shown, delegation in _KNOWN:
        evidence = shown(names, settings)
        if evidence:
            return Owner(name, evidence, delegation)
    return None


def refusal(owner: Owner) -> Finding:
    """The finding that says who owns it, why that is believed, and what to do."""
    message = f"{owner.name} manages the passwords of this server ({', '.join(owner.evidence)})"
    return Finding("foreign-owner", message, hint=owner.delegation)


_Evidence = tuple[str, ...]
_DYNAMIC = re.compile(r"v-.+-[A-Za-z0-9]{20}-[0-9]{10}")


def _cloudnativepg(roles: set[str], settings: Mapping[str, str]) -> _Evidence:
    own = [f"setting {name}" for name in sorted(settings)
           if name.startswith("cnpg.") and settings[name]]  # fmt: skip
    if "streaming_replica" in roles:
        own += [f"{name} in /controller" for name in SETTINGS
                if "/controller/" in settings.get(name, "")]  # fmt: skip
        own += ["role streaming_replica"] if own else []
    return tuple(own)


def _zalando(roles: set[str], settings: Mapping[str, str]) -> _Evidence:
    own = _roles(roles & {"robot_zmon", "cron_admin", "zalandos"})
    libraries = {each.strip() for each in settings.get("shared_preload_libraries", "").split(",")}
    if "bg_mon" in libraries:
        return (*own, "bg_mon in shared_preload_libraries")
    return own if len(own) > 1 else ()


def _crunchy(roles: set[str], settings: Mapping[str, str]) -> _Evidence:
    own = {each for each in roles if each.startswith("_crunchy")}
    return _roles(own | (roles & {"ccp_monitoring"})) if own else ()


def _vault(roles: set[str], settings: Mapping[str, str]) -> _Evidence:
    dynamic = sorted(filter(_DYNAMIC.fullmatch, roles))
    return (f"{len(dynamic)} roles named like its dynamic users",) if dynamic else ()


def _roles(names: Iterable[str]) -> _Evidence:
    return tuple(f"role {name}" for name in sorted(names))


_KNOWN: tuple[tuple[str, Callable[[set[str], Mapping[str, str]], _Evidence], str], ...] = (
    ("CloudNativePG", _cloudnativepg,
     "emit Secrets of type kubernetes.io/basic-auth with the label cnpg.io/reload: \"true\", and "
     "name them in the Cluster's managed roles"),
    ("Zalando's postgres-operator", _zalando,
     "it sets what its own credentials Secret says: emit an infrastructure-roles Secret, or change "
     "the Secret <user>.<cluster>.credentials.postgresql.acid.zalan.do"),
    ("Crunchy PGO", _crunchy,
     "emit the Secret <cluster>-pguser-<user> with password and verifier together: with only the "
     "password it keeps the old verifier"),
    ("Vault or OpenBao", _vault,
     "its database engine changes passwords by itself: read them from it through External Secrets, "
     "and keep them out of git"),
)  # fmt: skip
