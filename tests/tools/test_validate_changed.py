"""`sopsmith validate`: which leaves a change touches, and what is left to check without a key."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.repository import FUNCTION, Repo

BASE = "secrets/shop.recipe.yaml"
SHARED = "secrets/shared.enc.yaml"


def recipe(**spec: Any) -> str:
    head = {"apiVersion": "sopsmith.dev/v1alpha1", "kind": "SecretRecipe"}
    metadata = {"name": "shop", "annotations": FUNCTION}
    return json.dumps({**head, "metadata": metadata, "spec": spec}, indent=1)


def overlay(repo: Repo, environment: str) -> None:
    """An environment with a component of its own, guarded, over the base."""
    folder = f"overlays/{environment}"
    repo.component(
        f"secrets/{environment}.enc.yaml", {"TOKEN": repo.canary()}, environment=environment
    )
    repo.write(f"{folder}/recipe.yaml", recipe(environment=environment, extends=f"../../{BASE}"))
    guard = {"path": "guard.yaml"}
    kustomization = {"generators": ["recipe.yaml"], "patches": [guard]}
    repo.write(f"{folder}/kustomization.yaml", json.dumps(kustomization))
    repo.write(f"{folder}/guard.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\n")


@pytest.fixture
def two(repo: Repo) -> Repo:
    """Staging and production over one base, each with a component, and one that both read."""
    environments = "staging,production"
    repo.component(SHARED, {"SHARED": repo.canary()}, environment=environments)
    values: dict[str, Any] = {"TOKEN": {}, "SHARED": {}}
    base = recipe(
        app="shop",
        components=["$(environment).enc.yaml", "shared.enc.yaml"],
        values=values,
        secrets={"shop": {"keys": [*values]}},
    )
    repo.write(BASE, base)
    overlay(repo, "staging")
    overlay(repo, "production")
    repo.write("README.md", "# shop\n")
    repo.write(
        ".sops.yaml", f"creation_rules: [{{path_regex: ^secrets/, age: {repo.recipient}}}]\n"
    )
    repo.run("git", "add", "--all")
    return repo


def checked(repo: Repo, *argv: str, cwd: str = ".") -> tuple[int, str]:
    """How many were validated, and in what state they are."""
    run = repo.run("sopsmith", "validate", *argv, cwd=cwd)
    assert run.code == 0, run.out + run.err
    count, _, state = run.out.splitlines()[-1].removeprefix("checked ").partition(" ")
    return int(count), state.partition(": ")[2]


FINE = "0 errors, 0 warnings"


def test_without_a_path_everything_is_validated(two: Repo) -> None:
    assert checked(two) == (2, FINE)
    assert checked(two, cwd="overlays/staging") == (2, FINE)


def test_an_environment_may_be_named_as_everywhere(two: Repo) -> None:
    two.edit("overlays/staging/recipe.yaml", lambda text: text.replace('"extends"', '"extend"'))
    for place in ("production", "overlays/production"):
        assert checked(two, "-e", place)[0] == 1
    run = two.cli("validate", "-e", "staging")
    assert run.code == 2 and "[recipe-field]" in run.out
    run = two.cli("validate", "-e", "nowhere")
    assert run.code == 2 and "no environment has that name" in run.err


@pytest.mark.parametrize(
    ("file", "touched"),
    [
        (BASE, 2),
        (SHARED, 2),
        ("secrets/staging.enc.yaml", 1),
        ("overlays/staging/recipe.yaml", 1),
        ("overlays/staging/kustomization.yaml", 1),
        ("overlays/staging/guard.yaml", 1),
        ("overlays/staging/patches/deployment.yaml", 1),
        ("README.md", 0),
        (".sops.yaml", 0),
        ("secrets/gone.enc.yaml", 0),
        ("../elsewhere.yaml", 0),
    ],
)
def test_a_change_touches_what_is_made_from_it(two: Repo, file: str, touched: int) -> None:
    assert checked(two, "--changed", file) == (touched, FINE)


def test_several_changes_touch_each_leaf_once(two: Repo) -> None:
    files = (SHARED, BASE, "overlays/production/recipe.yaml", "README.md")
    assert checked(two, "--changed", *files) == (2, FINE)
    assert checked(two, "--changed") == (0, FINE)


def test_paths_of_changes_start_where_the_command_runs(two: Repo) -> None:
    assert checked(two, "--changed", "recipe.yaml", cwd="overlays/staging") == (1, FINE)
    assert checked(two, "--changed", f"../../{BASE}", cwd="overlays/staging") == (2, FINE)


def test_a_component_or_base_may_be_named_as_a_path(two: Repo) -> None:
    assert checked(two, "secrets/production.enc.yaml") == (1, FINE)
    assert checked(two, BASE) == (2, FINE)


def test_a_path_that_nothing_reads_is_wrong_usage(two: Repo) -> None:
    run = two.cli("validate", "README.md")
    assert run.code == 2
    assert "error: README.md: no recipe reads it [usage]" in run.out


def test_a_clear_comment_in_a_component_is_found_with_a_key(two: Repo) -> None:
    two.edit(SHARED, lambda text: f"# {two.canary()}\n{text}")
    run = two.cli("validate", "overlays/staging")
    assert run.code == 5
    assert f"error: {SHARED}:1: is a comment in plaintext" in run.out
    two.canaries.pop()  # it stands in the file


def test_a_change_that_breaks_one_environment_is_found_through_the_base(two: Repo) -> None:
    two.component("secrets/staging.enc.yaml", {}, environment="staging")
    run = two.cli("validate", "--changed", BASE)
    assert run.code == 1
    assert "TOKEN: is missing" in run.out or "[missing]" in run.out


def test_a_broken_base_is_told_once(two: Repo) -> None:
    two.write(BASE, "a: [")
    two.edit("overlays/staging/recipe.yaml", lambda text: text.replace("staging", "stage"))
    run = two.cli("validate", "--changed", BASE)
    assert run.code == 2
    assert run.out.count(f"error: {BASE}") == 1


def test_a_base_that_is_gone_is_missed_by_those_that_extend_it(two: Repo) -> None:
    (two.path / BASE).unlink()
    run = two.cli("validate", "--changed", BASE)
    assert (run.code, run.out.count(f"error: {BASE}: does not exist")) == (3, 1)
    assert two.cli("validate", "--changed", "README.md").code == 3


def test_a_broken_recipe_elsewhere_stops_nobody(two: Repo) -> None:
    broken = "apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\nspec: [\n"
    two.write("overlays/broken/recipe.yaml", broken)
    assert checked(two, "--changed", SHARED) == (2, FINE)
    assert two.cli("validate").code == 2
    assert two.cli("validate", "--changed", "overlays/broken/recipe.yaml").code == 2


def test_a_leaf_under_a_list_of_recipes_is_validated_once(two: Repo) -> None:
    two.write("overlays/all/fan.yaml", recipe(recipes=["recipe.yaml"]))
    two.write("overlays/all/recipe.yaml", recipe(environment="staging", extends=f"../../{BASE}"))
    two.write("overlays/all/kustomization.yaml", '{"generators": ["fan.yaml"]}')
    run = two.cli("validate")
    assert "checked 3 paths" in run.out


def test_a_recipe_inside_a_kustomization_is_found(two: Repo) -> None:
    inline = recipe(environment="staging", extends=f"../../{BASE}")
    two.write("overlays/inline/kustomization.yaml", f"generators:\n- |\n  {indented(inline)}")
    assert two.cli("validate").out.endswith("checked 3 paths: 0 errors, 1 warning\n")
    assert checked(two, "--changed", "README.md") == (0, FINE)


def test_a_recipe_behind_a_link_is_found(two: Repo) -> None:
    folder = two.path / "overlays/staging"
    (folder / "recipe.yaml").rename(folder / "real.txt")
    (folder / "recipe.yaml").symlink_to("real.txt")
    assert "checked 2 paths" in two.cli("validate").out


def test_a_recipe_inside_a_kustomization_of_another_name_is_found(two: Repo) -> None:
    folder = two.path / "overlays/staging"
    text = indented((folder / "recipe.yaml").read_text())
    (folder / "recipe.yaml").unlink()
    (folder / "kustomization.yaml").unlink()
    kustomization = f"namePrefix: &no ''\nnameSuffix: *no\ngenerators:\n- |\n  {text}"
    two.write("overlays/staging/Kustomization", kustomization)
    assert "checked 2 paths" in two.cli("validate").out


def indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def test_a_repository_without_a_recipe_is_wrong_usage(repo: Repo) -> None:
    run = repo.cli("validate")
    assert run.code == 2
    assert "no recipe of an environment is in this repository [usage]" in run.err
    assert checked(repo, "--changed", "README.md") == (0, FINE)


# --- keys -----------------------------------------------------------------------------------------


def test_without_a_key_the_rest_is_checked_and_a_warning_says_so(two: Repo) -> None:
    run = two.cli("validate", "overlays/staging", SOPS_AGE_KEY_FILE=None)
    assert run.code == 0
    assert (
        "warning: secrets/staging.enc.yaml: no private key is configured, so its values" in run.out
    )
    assert run.out.count("[validated-keyless]") == 2
    assert "hint: it is encrypted to" in run.out


def test_where_a_key_is_required_its_lack_is_an_error(two: Repo) -> None:
    run = two.cli("validate", "--require-key", SOPS_AGE_KEY_FILE=None)
    assert run.code == 3
    assert "[no-key]" in run.out


def test_one_environment_without_its_key_leaves_the_other_validated(
    two: Repo, other_recipient: str
) -> None:
    two.component("secrets/production.enc.yaml", {"TOKEN": "x"}, recipient=other_recipient)
    rules = [
        {"path_regex": "production", "age": other_recipient},
        {"path_regex": "", "age": two.recipient},
    ]
    two.write(".sops.yaml", json.dumps({"creation_rules": rules}))
    two.component("secrets/staging.enc.yaml", {}, environment="staging")
    run = two.cli("validate")
    assert run.code == 1
    assert "secrets/production.enc.yaml: none of the private keys fits" in run.out
    assert "[missing]" in run.out


@pytest.fixture
def other_recipient(repo: Repo) -> str:
    """Of a key that nobody here has."""
    run = repo.run("age-keygen", "-o", str(repo.path.parent / "other.txt"))
    return run.err.split()[-1]


def test_without_a_key_the_keyless_findings_still_decide(two: Repo) -> None:
    two.edit(SHARED, lambda text: text.replace("type:str]", "type:str]x", 1))
    run = two.cli("validate", SOPS_AGE_KEY_FILE=None)
    assert run.code == 5
    assert "[tampered]" in run.out


def test_without_a_key_what_the_day_and_the_overlay_say_is_said(two: Repo) -> None:
    two.write("overlays/staging/guard.yaml", "")
    run = two.cli("validate", "overlays/staging", SOPS_AGE_KEY_FILE=None)
    assert "[guard-missing]" in run.out


def test_findings_annotate_a_pull_request(two: Repo) -> None:
    two.write("overlays/staging/guard.yaml", "")
    run = two.cli("validate", "--changed", BASE, "--output", "github")
    assert run.out.startswith("::warning file=overlays/staging/kustomization.yaml,line=")


def test_findings_without_a_key_are_data_too(two: Repo) -> None:
    run = two.cli("validate", "overlays/staging", "--output", "json", SOPS_AGE_KEY_FILE=None)
    codes = [finding["code"] for finding in run.document["findings"]]
    assert codes == ["validated-keyless"] * 2
