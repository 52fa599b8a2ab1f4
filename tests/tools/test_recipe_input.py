"""Wrong recipes and calls: exit 2 (5 where git would choose what runs), what, where and what next.

What concerns the text of a recipe is tried on a leaf by `sopsmith render` and on a base by the
function, since kustomize resolves or refuses it in what it hands over; the rest goes through
kustomize too, whose own exit code is 1.
"""

from __future__ import annotations

import json
import resource
from typing import Any

import pytest

from tests.repository import FUNCTION, Repo, Run

HEAD = "apiVersion: sopsmith.dev/v1alpha1\nkind: SecretRecipe\n"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)
)

# text of a recipe: what is said of it, with the line
TEXTS: dict[str, tuple[str | bytes, str]] = {
    "broken": (HEAD + "spec: [\n", "the text is not valid YAML (line 4)"),
    "empty": ("", "the text is empty"),
    "duplicate key": (HEAD + "spec:\n  a: b\n  a: c\n", "a key stands twice in one map (line 5)"),
    "anchor": (HEAD + "spec: &x {app: a}\n", "anchors are not accepted (line 3)"),
    "alias": (HEAD + "spec: {app: *x}\n", "aliases are not accepted (line 3)"),
    "merge key": (HEAD + "spec:\n  <<: {app: a}\n", "a key that is not text; quote it (line 4)"),
    "tag": (HEAD + "spec: {app: !!str a}\n", "tags are not accepted (line 3)"),
    "two documents": (HEAD + "---\n" + HEAD, "a second document; one file holds one (line 3)"),
    "empty value": (HEAD + "spec:\n", 'an empty value; write "" or null (line 3)'),
    "leading zero": (HEAD + "spec: {app: 007}\n", "a number with leading zeros"),
    "alias bomb": (BOMB, "anchors are not accepted (line 1)"),
    "10,000 lists": (HEAD + "spec: " + "[" * 10_000, "more than 64 levels of nesting (line 3)"),
    "10,000 maps": (HEAD + "spec: " + "{a: " * 10_000, "more than 64 levels of nesting (line 3)"),
    "10,000 block lists": ("- " * 10_000, "more than 64 levels of nesting (line 1)"),
    "100 MiB": ("a: b\n" * (20 * 2**20), "MiB"),
    "2 MiB": (HEAD + "# a comment\n" * (2**21 // 12), "MiB"),
    "UTF-16": ("spec: {}".encode("utf-16"), "the text holds NUL bytes; save it as UTF-8"),
    "NUL": (HEAD + "spec: {app: a\0}\n", "the text holds NUL bytes; save it as UTF-8"),
    "Latin-1": ("spec: é".encode("latin-1"), "the text is not UTF-8"),
}  # fmt: skip


def assert_refused(run: Run, code: str, *words: str) -> None:
    """Exit 2 with this finding."""
    assert (run.code, run.codes) == (2, {code})
    assert all(word in run.err for word in words), run.err


def assert_emits_nothing(run: Run, code: str, *words: str) -> None:
    """The same, and the function's list is empty and tells the same."""
    assert_refused(run, code, *words)
    assert run.document["items"] == []
    assert {each["tags"]["code"] for each in run.document["results"]} == {code}


@pytest.mark.parametrize("case", TEXTS)
def test_a_leafs_text_is_refused(repo: Repo, case: str) -> None:
    text, message = TEXTS[case]
    repo.write("leaf.yaml", text)
    assert_refused(repo.cli("render", "leaf.yaml"), "recipe-syntax", "leaf.yaml: ", message)


@pytest.mark.parametrize("case", TEXTS)
def test_a_bases_text_is_refused_by_the_function(repo: Repo, case: str) -> None:
    text, message = TEXTS[case]
    repo.write("base.yaml", text)
    repo.leaf(extends="../base.yaml")
    assert_emits_nothing(repo.function(), "recipe-syntax", "base.yaml: ", message)
    assert repo.kustomize().code == 1


@pytest.mark.parametrize("case", [*[c for c in TEXTS if "10,000" in c], "alias bomb", "100 MiB"])
def test_a_heavy_text_costs_next_to_nothing(repo: Repo, case: str) -> None:
    repo.write("light.yaml", TEXTS["anchor"][0])
    repo.write("heavy.yaml", TEXTS[case][0])

    def seconds(file: str) -> float:
        """The processor time of one run, the smallest of three."""
        spent = []
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            assert repo.cli("render", file).code == 2
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(spent)

    assert seconds("heavy.yaml") - seconds("light.yaml") < 0.2


# --- what a recipe says ---------------------------------------------------------------------------

PASSWORD: dict[str, Any] = {"generate": {"password": {}}}


def derived(name: str) -> dict[str, Any]:
    """A value derived from another."""
    return {"derive": {"template": f"$({name})"}}


# spec: the finding's code and what is said of it
SPECS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown field": ({"zebra": 1}, "recipe-field", "spec.zebra: unknown field"),
    "misspelt field": ({"secerts": {}}, "recipe-field", "hint: did you mean secrets?"),
    "misspelt value": (
        {"values": {"A": {}, "B": derived("AA")}, "secrets": {"s": {"keys": ["A", "B"]}}},
        "recipe-name", "hint: did you mean A?",
    ),
    "number for text": ({"values": {"A": {"default": 5}}}, "recipe-value", "hint: quote it"),
    "two origins": (
        {"values": {"TOKEN": {**PASSWORD, "default": "x"}}},
        "recipe-origin", "spec.values.TOKEN: has two origins: default and generate",
    ),
    "circle of derivations": (
        {"values": {"TOKEN": derived("B"), "B": derived("TOKEN")}},
        "recipe-cycle", "is derived in a circle: B → TOKEN → B",
    ),
    "nothing to emit": ({"secrets": {}}, "recipe-empty", "emitting nothing would delete"),
    "an empty Secret": ({"secrets": {"s": {}}}, "recipe-empty", "names no value in keys or data"),
    "no environment": ({"environment": None}, "recipe-incomplete", "is a base"),
    "no app": ({"app": None}, "recipe-incomplete", "spec.app: must be given"),
    "unknown base": ({"extends": "gone.yaml"}, "file-unreadable", "gone.yaml: does not exist"),
    **{
        f"version {version!r}": (
            {"values": {"TOKEN": {**PASSWORD, "version": version}}},
            "recipe-value", "spec.values.TOKEN.version: must be an integer from 1 to 4294967295",
        )
        for version in (-1, 0, 2**32, "4", "four", 1.5, True)
    },
}  # fmt: skip


@pytest.mark.parametrize("case", SPECS)
def test_a_recipe_that_makes_no_sense_is_refused(repo: Repo, case: str) -> None:
    change, code, words = SPECS[case]
    secrets = {"shop": {"keys": ["TOKEN"]}}
    complete: dict[str, Any] = {"values": {"TOKEN": PASSWORD}, "secrets": secrets}
    repo.leaf(**complete | change)
    exit_code = 3 if code == "file-unreadable" else 2
    for run in (repo.cli("render", "overlay"), repo.function()):
        assert (run.code, run.codes) == (exit_code, {code})
        assert words in run.err
    built = repo.kustomize()
    assert (built.code, built.out) == (1, "")
    assert words in built.err


@pytest.mark.parametrize(
    ("field", "text"), [("apiVersion", "sopsmith.dev/v2"), ("kind", "SecretRecipes")]
)
def test_a_file_of_another_kind_is_refused(repo: Repo, field: str, text: str) -> None:
    repo.leaf()
    recipe = json.loads((repo.path / "overlay/recipe.yaml").read_text())
    repo.write("overlay/recipe.yaml", json.dumps({**recipe, field: text}))
    assert_refused(repo.cli("render", "overlay/recipe.yaml"), "recipe-kind", field, "must be ")
    assert_emits_nothing(repo.function(), "recipe-kind", f"{field}: must be ")
    built = repo.kustomize()
    assert built.code == 1
    assert "recipe-kind" in built.err


def test_a_circle_of_bases_is_refused(repo: Repo) -> None:
    repo.write("a.yaml", HEAD + "spec: {extends: b.yaml}\n")
    repo.write("b.yaml", HEAD + "spec: {extends: a.yaml}\n")
    repo.leaf(extends="../a.yaml")
    for run in (repo.cli("render", "overlay"), repo.function(), repo.kustomize()):
        assert "runs in a circle: a.yaml → b.yaml → a.yaml [recipe-extends]" in run.err


def test_a_base_that_extends_its_leaf_is_refused(repo: Repo) -> None:
    repo.write("a.yaml", HEAD + "spec: {extends: overlay/recipe.yaml}\n")
    repo.leaf(extends="../a.yaml")
    assert_refused(repo.cli("render", "overlay"), "recipe-extends", "in a circle")
    assert_emits_nothing(repo.function(), "recipe-extends", "in a circle")


def test_a_base_is_not_rendered_alone(repo: Repo) -> None:
    repo.write("a.yaml", HEAD + "spec: {app: shop, secrets: {s: {keys: [A]}}, values: {A: {}}}\n")
    run = repo.cli("render", "a.yaml")
    assert_refused(run, "recipe-incomplete", "a recipe without one is a base")


def test_five_faults_are_told_at_once(repo: Repo) -> None:
    values = {
        "A": {"generate": {"pasword": {}}},
        "B": {"version": 0},
        "C": {"defalt": "x"},
        "app": {},
    }
    repo.leaf(values=values, enviroment="dev")
    for run in (repo.cli("render", "overlay"), repo.function()):
        assert run.code == 2
        assert run.err.count("sopsmith: error: ") == 5
    assert len(run.document["results"]) == 5


# --- what a call says -----------------------------------------------------------------------------

LIST = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n"
CONFIG = "functionConfig: {kind: SecretRecipe}\n"
CALLS: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "standard input: the text is empty"),
    "garbage": ("hello", "standard input is no ResourceList"),
    "a list of resources": ("- kind: Secret\n", "standard input is no ResourceList"),
    "a resource": ("kind: Secret\n", "standard input is no ResourceList"),
    "no function config": (LIST + "items: []\n", "carries no functionConfig"),
    "null for it": (LIST + "functionConfig: null\n", "carries no functionConfig"),
    "a list of them": (LIST + "functionConfig: [{}, {}]\n", "carries no functionConfig"),
    "two of them": (LIST + CONFIG + CONFIG, "a key stands twice in one map (line 4)"),
    "two documents": (LIST + CONFIG + "---\n" + LIST + CONFIG, "a second document"),
    "resources of others": (LIST + CONFIG + "items: [{kind: Secret}]\n", "under generators:"),
    "items that are none": (LIST + CONFIG + "items: [5]\n", "under generators:"),
    "UTF-16": ((LIST + CONFIG).encode("utf-16"), "the text holds NUL bytes"),
    "an alias bomb": (LIST + BOMB, "anchors are not accepted"),
    "100 MiB": ("a: b\n" * (20 * 2**20), "standard input is over 4 MiB"),
}


@pytest.mark.parametrize("case", CALLS)
def test_a_call_of_another_form_is_refused(repo: Repo, case: str) -> None:
    repo.leaf()
    text, message = CALLS[case]
    run = repo.function(stdin=text if isinstance(text, bytes) else text.encode())
    assert_emits_nothing(run, "function-input", message)


def test_a_transformer_is_refused(repo: Repo) -> None:
    repo.shop({"TOKEN": repo.canary()})
    repo.write("overlay/map.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}")
    repo.write("overlay/kustomization.yaml", "resources: [map.yaml]\ntransformers: [recipe.yaml]\n")
    built = repo.kustomize()
    assert (built.code, built.out) == (1, "")
    assert "[function-input]" in built.err
    assert "list the recipe under generators:" in built.err


DECLARED = {
    "envs": ("exec: {path: sopsmith-krm, envs: [SOPSMITH_ROOT=/]}", "exec.envs"),
    "args": ("exec: {path: sopsmith-krm, args: [x]}", "exec.args"),
    "container": ("{exec: {path: sopsmith-krm}, container: {image: x}}", "container"),
    "an unknown field": ("{exec: {path: sopsmith-krm}, deferFailure: true}", "deferFailure"),
}


@pytest.mark.parametrize("annotation", ["config.kubernetes.io/function", "config.k8s.io/function"])
@pytest.mark.parametrize("case", DECLARED)
def test_git_does_not_choose_what_the_function_trusts(
    repo: Repo, case: str, annotation: str
) -> None:
    text, named = DECLARED[case]
    repo.shop({"TOKEN": repo.canary()})
    repo.edit(
        "overlay/recipe.yaml",
        lambda before: before.replace(json.dumps(FUNCTION)[1:-1], f'"{annotation}": "{text}"'),
    )
    run = repo.function()
    assert (run.code, run.codes, run.document["items"]) == (5, {"function-refused"}, [])
    assert f"carries {named}" in run.err
    built = repo.kustomize()
    assert (built.code, built.out) == (1, "")


def test_a_container_of_the_old_form_is_refused(repo: Repo) -> None:
    repo.shop({"TOKEN": repo.canary()})
    old = '"config.kubernetes.io/container": "image: x", '
    declared = json.dumps(FUNCTION)[1:-1]
    repo.edit("overlay/recipe.yaml", lambda text: text.replace(declared, old + declared))
    run = repo.function()
    assert (run.code, run.codes) == (5, {"function-refused"})
