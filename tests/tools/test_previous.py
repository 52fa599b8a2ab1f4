"""A rotation that overlaps, through real sops and kustomize: for a while there are two keys."""

from __future__ import annotations

from typing import Any

from tests.repository import Repo

PASSWORD: dict[str, Any] = {"generate": {"password": {}}}
WAS: dict[str, Any] = {"derive": {"previousOf": "JWT"}, "optional": True}
ROLES: dict[str, Any] = {
    "USER_A": {"default": "app_a"},
    "USER_B": {"default": "app_b"},
    "USER": {"derive": {"alternate": {"a": "USER_A", "b": "USER_B", "slotOf": "PASSWORD"}}},
    "DSN": {"derive": {"url": {"scheme": "postgresql", "user": "$(USER)",
                               "password": "$(PASSWORD)", "host": "db"}}},
}  # fmt: skip
GUARD = """generators: [recipe.yaml]
patches: [{patch: "{apiVersion: v1, kind: Secret, metadata: {name: shop}}"}]
"""


def built(repo: Repo, values: dict[str, Any], **spec: Any) -> dict[str, bytes]:
    """The one Secret's data, as kustomize builds it."""
    repo.shop(values=values, **spec)
    repo.write("overlay/kustomization.yaml", GUARD)
    return repo.kustomize().built["shop"]


# --- from a seed ------------------------------------------------------------------------------


def test_a_first_deployment_a_rotation_and_the_one_after(repo: Repo) -> None:
    first = built(repo, {"JWT": PASSWORD, "WAS": WAS})
    assert set(first) == {"JWT"}
    rotated = {**PASSWORD, "version": 2, "previous": {"version": 1}}
    second = built(repo, {"JWT": rotated, "WAS": WAS})
    assert second["WAS"] == first["JWT"] != second["JWT"]
    again = {**PASSWORD, "version": 3, "previous": {"version": 2}}
    assert built(repo, {"JWT": again, "WAS": WAS})["WAS"] == second["JWT"]


def test_it_must_be_optional_before_the_first_rotation(repo: Repo) -> None:
    repo.shop(values={"JWT": PASSWORD, "WAS": {"derive": WAS["derive"]}})
    run = repo.function()
    assert (run.code, run.codes, run.document["items"]) == (1, {"missing"}, [])
    assert "WAS: can't be derived while JWT has no previous value" in run.err
    assert "there is none before the first rotation: mark WAS optional: true" in run.err


# --- alternating roles ------------------------------------------------------------------------


def test_one_commit_flips_user_and_password_together(repo: Repo) -> None:
    first = built(repo, {**ROLES, "PASSWORD": {**PASSWORD, "slot": "a"}})
    assert first["USER"] == b"app_a"
    rotated = {**PASSWORD, "version": 2, "slot": "b", "previous": {"version": 1}}
    was = {"derive": {"previousOf": "PASSWORD"}}
    second = built(repo, {**ROLES, "PASSWORD": rotated, "WAS": was})
    assert second["DSN"] == b"postgresql://app_b:%s@db" % second["PASSWORD"]
    assert (second["USER"], second["WAS"]) == (b"app_b", first["PASSWORD"])
    back = built(repo, {**ROLES, "PASSWORD": {**rotated, "version": 3, "slot": "a"}})
    assert back["USER"] == b"app_a"


def test_the_name_of_a_role_makes_no_hash_hard_to_guess(repo: Repo) -> None:
    public = {"derive": {"url": {"scheme": "postgresql", "user": "$(USER)", "host": "db.example"}}}
    secrets = {name.lower(): {"keys": [name]} for name in ("USER", "PUBLIC", "DSN")}
    repo.shop(values={**ROLES, "PASSWORD": PASSWORD, "PUBLIC": public}, secrets=secrets)
    said = repo.cli("validate", "overlay/recipe.yaml").out
    guessable = [name for name in secrets if f"secrets.{name}: is hashed into its name" in said]
    assert guessable == ["user", "public"]


# --- kept in a component ----------------------------------------------------------------------

KEPT = "SOPSMITH_PREVIOUS_JWT"


def test_a_given_value_is_kept_under_a_reserved_key(repo: Repo) -> None:
    now, before = repo.canary(), repo.canary()
    repo.component("jwt.yaml", {"JWT": now, KEPT: before})
    values: dict[str, Any] = {"JWT": {}, "WAS": WAS}
    data = built(repo, values, components=["../jwt.yaml"], seeds=None)
    assert data == {"JWT": now.encode(), "WAS": before.encode()}


def test_a_stored_value_is_kept_there_too_in_each_format(repo: Repo) -> None:
    stored = {**PASSWORD, "stored": True, "rotation": "overlap"}
    secrets = {"shop": {"keys": ["JWT", "WAS"], "hash": False}}
    for suffix in ("yaml", "json", "env"):
        now, before = repo.canary(), repo.canary()
        repo.component(f"kept.{suffix}", {"JWT": now, KEPT: before})
        files = [f"../kept.{suffix}"]
        repo.leaf(components=files, values={"JWT": stored, "WAS": WAS}, secrets=secrets)
        found = repo.function()
        assert found.secrets["shop"] == {"JWT": now.encode(), "WAS": before.encode()}
        assert "0 warnings" in repo.cli("validate", "overlay/recipe.yaml").out


def found(repo: Repo, values: dict[str, Any], *files: dict[str, Any]) -> str:
    """What `validate` says of these values with these components."""
    for number, entries in enumerate(files):
        seed = {} if number else {"SOPSMITH_SEED_1": repo.seed}
        repo.component(f"{number}.yaml", entries | seed)
    secrets = {"shop": {"keys": sorted(values), "hash": False}}
    names = [f"../{number}.yaml" for number, _ in enumerate(files)]
    repo.leaf(components=names, values=values, secrets=secrets, seeds=repo.seeds())
    return repo.cli("validate", "overlay/recipe.yaml").out


def test_two_components_that_keep_one_are_an_error(repo: Repo) -> None:
    first, second = {"JWT": repo.canary(), KEPT: repo.canary()}, {KEPT: repo.canary()}
    said = found(repo, {"JWT": {}, "WAS": WAS}, first, second)
    assert f": {KEPT}: keeps what JWT was, which stands in 0.yaml as well" in said
    assert repo.runs[-1].code == 1
    assert "[duplicate-key]" in said


def test_one_of_no_declared_value_is_a_warning(repo: Repo) -> None:
    entries = {"JWT": repo.canary(), "SOPSMITH_PREVIOUS_OLD": repo.canary()}
    said = found(repo, {"JWT": {}}, entries)
    message = "SOPSMITH_PREVIOUS_OLD: keeps what OLD was, which is not declared in the recipe"
    assert f": {message} [undeclared-key]" in said
    assert repo.runs[-1].code == 0


def test_a_generated_or_derived_value_keeps_nothing_there(repo: Repo) -> None:
    for values in ({"JWT": PASSWORD}, {"JWT": {"derive": {"template": "a"}}}):
        said = found(repo, values, {KEPT: repo.canary()})
        assert "by the recipe and may not stand here [origin-conflict]" in said


def test_what_is_kept_has_to_be_text(repo: Repo) -> None:
    said = found(repo, {"JWT": {}, "WAS": WAS}, {"JWT": repo.canary(), KEPT: 5})
    assert f": {KEPT}: is no text [not-flat]" in said


def test_a_kept_value_is_not_read_as_a_value(repo: Repo) -> None:
    repo.component("mq.yaml", {KEPT: repo.canary(), "other": repo.canary()})
    files = [{"path": "../mq.yaml", "as": {"TOKEN": KEPT}}]
    secrets = {"shop": {"keys": ["TOKEN"]}}
    repo.leaf(components=files, values={"TOKEN": {}, "JWT": {}}, secrets=secrets)
    assert "missing" in repo.function().codes


# --- what people see --------------------------------------------------------------------------


def test_list_and_masked_output_say_where_it_comes_from(repo: Repo) -> None:
    rotated = {**PASSWORD, "version": 2, "slot": "b", "previous": {"version": 1}}
    was = {"derive": {"previousOf": "PASSWORD"}}
    kept = {"derive": {"previousOf": "JWT"}, "optional": True}
    jwt = {"default": "public"}
    built(repo, {**ROLES, "PASSWORD": rotated, "WAS": was, "JWT": jwt, "KEPT": kept})
    rows = {row["value"]: row for row in repo.cli("list", "overlay", "--output", "json").document}
    assert rows["WAS"]["from"] == "PASSWORD before, version 1"
    assert rows["USER"]["from"] == "USER_B, slot b of PASSWORD"
    assert (rows["KEPT"]["from"], rows["KEPT"]["present"]) == ("JWT before", False)
    assert rows["USER"]["secrets"] == ["shop"]
    masked = repo.cli("render", "overlay", "--masked").out
    assert "PASSWORD before, version 1" in masked
    assert "KEPT" not in masked
