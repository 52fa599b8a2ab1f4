"""What an attacker with a pull request tries: each once worked, or came close."""

from __future__ import annotations

import json
import time

import pytest

from sopsmith.components.metadata import KEY_TYPES
from tests.repository import FUNCTION, Repo

SECRET = ("--encrypted-regex", "^(data|stringData)$")


def declared(repo: Repo, annotation: str) -> None:
    """Declare the function of the overlay's recipe with this annotation."""
    tree = json.loads((repo.path / "overlay/recipe.yaml").read_text())
    tree["metadata"]["annotations"] = dict.fromkeys(FUNCTION, annotation)
    repo.write("overlay/recipe.yaml", json.dumps(tree))


@pytest.mark.parametrize(
    "annotation",
    [
        "exec: {path: sopsmith-krm, envs: [SOPSMITH_ALLOW_DEMO_KEY=1]}",
        "exec: &a {path: sopsmith-krm, envs: [SOPSMITH_ALLOW_DEMO_KEY=1]}",
        "exec: !!map {path: sopsmith-krm, envs: [SOPSMITH_ROOT=/]}",
        "exec: {path: sopsmith-krm, envs: [SOPSMITH_ROOT=/]}\n---\n",
    ],
    ids=["plain", "anchor", "tag", "second-document"],
)
def test_git_can_not_set_the_environment(repo: Repo, annotation: str) -> None:
    repo.shop({"TOKEN": repo.canary()})
    declared(repo, annotation)
    assert repo.function().codes == {"function-refused"}
    assert repo.kustomize().code == 1


@pytest.mark.parametrize("section", ["data", "stringData"])
def test_the_environment_can_not_be_moved_out_of_sight(repo: Repo, section: str) -> None:
    """For sops the path of `data:X` is that of X inside data, and the MAC knows no paths."""
    environment = "cHJvZHVjdGlvbg==" if section == "data" else "production"
    entries = {"A": repo.canary(), "SOPSMITH_ENVIRONMENT": environment}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, section: entries}
    file = repo.component("app.json", secret, *SECRET)
    tree = json.loads(file.read_text())
    moved = tree[section].pop("SOPSMITH_ENVIRONMENT")
    tree["sops"]["encrypted_regex"] = "^(data|stringData)"
    sops = tree.pop("sops")
    repo.write(
        "app.json", json.dumps({**tree, f"{section}:SOPSMITH_ENVIRONMENT": moved, "sops": sops})
    )
    repo.leaf(
        environment="staging", components=["../app.json"], values={"A": {}},
        secrets={"shop": {"keys": ["A"]}},
    )  # fmt: skip
    run = repo.function()
    assert (run.code, run.document["items"]) == (5, [])


@pytest.mark.parametrize("name", ["SOPS", "Sops", "\u017fops"])
@pytest.mark.parametrize("kind", KEY_TYPES)
def test_there_is_one_sops_section(repo: Repo, name: str, kind: str) -> None:
    file = repo.component("app.json", {"A": repo.canary()})
    tree = json.loads(file.read_text())
    repo.write("app.json", json.dumps({**tree, name: {kind: [{}]}}))
    repo.leaf(components=["../app.json"], values={"A": {}}, secrets={"shop": {"keys": ["A"]}})
    assert repo.function().code == 5


def test_a_recipe_in_another_folder_means_one_thing_or_nothing(repo: Repo) -> None:
    repo.shop({"TOKEN": repo.canary()})
    (repo.path / "overlay/recipe.yaml").rename(repo.write("overlay/gen/recipe.yaml", ""))
    repo.write("overlay/kustomization.yaml", "generators: [gen/recipe.yaml]\n")
    run = repo.cli("render", "overlay")
    assert (run.code, run.codes) == (2, {"recipe-extends"})


def test_no_annotation_makes_kustomize_drop_the_secret(repo: Repo) -> None:
    annotations = {"config.kubernetes.io/local-config": "true"}
    secrets = {"shop": {"keys": ["TOKEN"], "annotations": annotations}}
    repo.shop({"TOKEN": repo.canary()}, secrets=secrets)
    run = repo.function()
    assert (run.code, run.codes) == (2, {"recipe-value"})
    assert repo.kustomize().code == 1


@pytest.mark.parametrize(
    "line",
    ["x: !!bool maybe", "x: !!timestamp foo", 'x: !!int ""', "x: " + "[" * 200_000,
     "a: &a {x: 1}\n" + "\n".join(
         f"{chr(98 + n)}: &{chr(98 + n)} {{<<: [{', '.join(['*' + chr(97 + n)] * 40)}]}}"
         for n in range(6))],
    ids=["bool", "time", "int", "deep", "merge-bomb"],
)  # fmt: skip
def test_a_kustomization_breaks_nothing(repo: Repo, line: str) -> None:
    repo.shop({"TOKEN": repo.canary()})
    repo.write("overlay/kustomization.yaml", f"generators: [recipe.yaml]\n{line}\n")
    began = time.monotonic()
    assert repo.cli("validate", "overlay").code in (0, 2)
    assert time.monotonic() - began < 30  # some of these took minutes or the process


def test_a_small_recipe_can_not_fill_the_memory(repo: Repo) -> None:
    names = [f"X{n}" for n in range(8)]
    chain = {
        name: {"derive": {"template": f"$({before})" * 25}}
        for before, name in zip(["TOKEN", *names], names, strict=False)
    }
    repo.shop({"TOKEN": repo.canary()}, values={"TOKEN": {}, **chain})
    run = repo.function()
    assert (run.code, run.document["items"]) == (1, [])
    assert "max-length" in run.codes


def test_a_costly_pattern_is_not_tried_for_ever(repo: Repo) -> None:
    rules = {"rules": {"pattern": "((.?){400})*"}}
    repo.shop({"TOKEN": repo.canary() * 5000}, values={"TOKEN": rules})
    assert repo.function().codes == {"pattern"}


def test_a_thousand_faults_are_told_in_short(repo: Repo) -> None:
    template = {"derive": {"template": "$(MISSING)"}}
    repo.shop(values={f"A{n}": template for n in range(3000)})
    run = repo.function()
    assert run.code == 2 and len(run.err) < 200_000 and len(run.out) < 200_000
    assert "more; mend these first" in run.err


def test_an_empty_component_is_no_fault_of_ours(repo: Repo) -> None:
    repo.component("app.enc.yaml", {}, environment=None)
    repo.leaf(components=["../app.enc.yaml"], values={"A": {"default": "some-text"}},
              secrets={"shop": {"keys": ["A"], "hash": False}})  # fmt: skip
    assert repo.function().code in (0, 1)


def test_doctor_gives_no_key_to_other_programs(repo: Repo) -> None:
    """A program on PATH that writes down what it is given."""
    seen = repo.path.parent / "seen"
    fake = repo.write("../bin/git", f"#!/bin/sh\nenv > {seen}\necho git version 2.40.0\n")
    fake.chmod(0o755)
    path = f"{fake.parent}:{repo.env['PATH']}"
    repo.cli("doctor", PATH=path, SOPS_AGE_KEY=repo.canary(before="AGE-SECRET-KEY-1"))
    assert seen.exists() and "AGE-SECRET" not in seen.read_text()
