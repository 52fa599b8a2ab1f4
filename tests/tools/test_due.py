"""`sopsmith due`: what is past its age, told without a key."""

from __future__ import annotations

from typing import Any

from tests.repository import Repo

AGED = {"generate": {"password": {}}, "maxAge": "90d"}


def leaf(repo: Repo, environment: str, **fields: Any) -> None:
    values = {"TOKEN": {**AGED, **fields}}
    secrets = {"shop": {"keys": ["TOKEN"]}}
    repo.leaf(environment, environment=environment, values=values, secrets=secrets)


def test_every_overdue_value_of_the_repository_is_a_warning_and_no_failure(repo: Repo) -> None:
    leaf(repo, "staging", rotated="2024-01-31")
    leaf(repo, "production")
    leaf(repo, "dev", rotated="2999-01-01")
    run = repo.cli("due", SOPS_AGE_KEY_FILE=None)
    assert (run.code, run.err) == (0, "")
    assert "warning: staging/recipe.yaml:14: TOKEN: was due on 2024-04-30 [overdue]" in run.out
    assert "warning: production/recipe.yaml:14: TOKEN: has a maxAge and no rotated date" in run.out
    assert "dev/recipe.yaml" not in run.out


def test_a_value_that_only_the_base_speaks_of_is_shown_there(repo: Repo) -> None:
    """An annotation without a line stands nowhere in a review."""
    head = "apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\nmetadata: {name: shop}\n"
    value = "    TOKEN: {generate: {password: {}}, maxAge: 90d}\n"
    repo.write("base.yaml", f"{head}spec:\n  app: shop\n  values:\n{value}")
    repo.leaf(app=None, extends="../base.yaml", secrets={"shop": {"keys": ["TOKEN"]}})
    run = repo.cli("due", "--output", "github")
    assert run.out.startswith("::warning file=base.yaml,line=7,") and "-e production" in run.out


def test_where_nothing_is_due_nothing_is_said(repo: Repo) -> None:
    leaf(repo, "dev", rotated="2999-01-01")
    run = repo.cli("due")
    assert (run.code, run.out, run.err) == (0, "", "")
    assert repo.cli("due", "--output", "json").document == {"findings": []}


def test_a_broken_recipe_hides_no_other(repo: Repo) -> None:
    leaf(repo, "staging", rotated="2024-01-31")
    repo.write("broken.yaml", "kind: SecretRecipe\nspec: [\n")
    run = repo.cli("due")
    assert (run.code, run.out.count("[overdue]")) == (0, 1)
    assert run.err == "sopsmith: broken.yaml is broken, so its values were not looked at\n"


def test_overdue_values_are_data_too(repo: Repo) -> None:
    leaf(repo, "staging", rotated="2024-01-31")
    (finding,) = repo.cli("due", "--output", "json").document["findings"]
    assert (finding["field"], finding["severity"]) == ("TOKEN", "warning")


def test_outside_a_repository_it_says_so(repo: Repo) -> None:
    run = repo.run("sopsmith", "due", cwd="..")
    assert (run.code, run.codes) == (5, {"path-refused"})
