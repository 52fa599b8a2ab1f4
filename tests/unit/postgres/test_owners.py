"""Another owner is named by what the database shows, and an ordinary database has none."""

from __future__ import annotations

import pytest

from sopsmith.findings import exit_code
from sopsmith.postgres.owners import owner_of, refusal

PLAIN = {"postgres", "app", "admin", "standby", "pg_monitor", "v-neck-sweaters"}
DYNAMIC = "v-token-readonly-4Y5k3ZbXpY7pVk2KxyzQ-1793000000"
OWNED = {
    "CloudNativePG by its setting": ("CloudNativePG", set(), {"cnpg.config_sha256": "0a1b"}),
    "CloudNativePG by its paths": (
        "CloudNativePG", {"streaming_replica"}, {"archive_command": "/controller/manager wal"},
    ),
    "Zalando by its library": ("Zalando", set(), {"shared_preload_libraries": "a, bg_mon,b"}),
    "Zalando by its roles": ("Zalando", {"robot_zmon", "cron_admin"}, {}),
    "Crunchy": ("Crunchy", {"_crunchyrepl"}, {}),
    "Vault": ("Vault", {DYNAMIC}, {}),
}  # fmt: skip
FREE = {
    "nothing": (set[str](), {}),
    "a role of a restored CloudNativePG dump": ({"streaming_replica"}, {"archive_command": "cp"}),
    "an unset placeholder": (set[str](), {"cnpg.config_sha256": ""}),
    "one role that Spilo has too": ({"cron_admin"}, {"shared_preload_libraries": "bg_monitor"}),
    "monitoring by pgMonitor": ({"ccp_monitoring"}, {}),
    "a name that starts like Vault's": ({DYNAMIC + "-old", "x" + DYNAMIC}, {}),
}


@pytest.mark.parametrize(("name", "roles", "settings"), OWNED.values(), ids=OWNED)
def test_an_owner_is_named(name: str, roles: set[str], settings: dict[str, str]) -> None:
    owner = owner_of(PLAIN | roles, settings)
    assert owner is not None and owner.name.startswith(name)


@pytest.mark.parametrize(("roles", "settings"), FREE.values(), ids=FREE)
def test_an_ordinary_database_has_none(roles: set[str], settings: dict[str, str]) -> None:
    assert owner_of(PLAIN | roles, settings) is None


def test_it_is_refused_with_the_reason_and_what_to_do_instead() -> None:
    owner = owner_of({"_crunchyrepl", "ccp_monitoring"}, {})
    assert owner is not None
    finding = refusal(owner)
    assert exit_code([finding]) == 5
    assert "(role _crunchyrepl, role ccp_monitoring)" in finding.message
    assert "<cluster>-pguser-<user>" in (finding.hint or "")


def test_the_value_of_a_setting_is_never_told() -> None:
    settings = {"cnpg.config_sha256": "canary", "archive_command": "/controller/canary"}
    owner = owner_of({"streaming_replica"}, settings)
    assert owner is not None
    assert "canary" not in repr(owner)
    assert owner.evidence == (
        "setting cnpg.config_sha256", "archive_command in /controller", "role streaming_replica",
    )  # fmt: skip
