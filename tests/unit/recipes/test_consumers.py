"""Which workloads read which Secrets, from manifests that are read loosely."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.recipes.consumers import Workload, manifests, workloads
from sopsmith.recipes.resolve import Source
from sopsmith.text import document

PODS = {
    "envFrom": "containers: [{envFrom: [{configMapRef: {name: no}}, {secretRef: {name: s}}]}]",
    "env": "containers: [{env: [{name: A, value: s}, {valueFrom: {secretKeyRef: {name: s}}}]}]",
    "init": "initContainers: [{envFrom: [{secretRef: {name: s}}]}]",
    "volume": "volumes: [{secret: {secretName: s}}]",
    "projected": "volumes: [{projected: {sources: [{configMap: {}}, {secret: {name: s}}]}}]",
    "pull": "imagePullSecrets: [{name: s}]",
}


def read_from(files: Mapping[str, str]) -> Read:
    """A root that holds these files."""

    def read(file: str) -> bytes:
        if file not in files:
            raise SopsmithError(Finding("file-unreadable", "does not exist", file))
        return files[file].encode()

    return read


def built(files: Mapping[str, str]) -> tuple[Workload, ...]:
    """The workloads of the overlay in `o`."""
    trees = document.parse_loosely(files["o/kustomization.yaml"].encode())
    here = Source("o/kustomization.yaml", "o", trees[0] if trees else None)
    return workloads(manifests(here, read_from(files)))


def deployment(name: str, secret: str) -> str:
    """A Deployment that takes its environment from a Secret."""
    pod = f"{{containers: [{{envFrom: [{{secretRef: {{name: {secret}}}}}]}}]}}"
    return f"kind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {pod}}}}}\n"


@pytest.mark.parametrize("pod", PODS.values(), ids=PODS.keys())
@pytest.mark.parametrize(
    ("kind", "nested"),
    [
        ("Pod", "spec: {%s}"),
        ("Deployment", "spec: {template: {spec: {%s}}}"),
        ("StatefulSet", "spec: {template: {spec: {%s}}}"),
        ("DaemonSet", "spec: {template: {spec: {%s}}}"),
        ("Job", "spec: {template: {spec: {%s}}}"),
        ("CronJob", "spec: {jobTemplate: {spec: {template: {spec: {%s}}}}}"),
    ],
)
def test_a_pod_s_secrets_are_found_wherever_it_names_them(kind: str, nested: str, pod: str) -> None:
    text = f"kind: {kind}\nmetadata: {{name: a}}\n{nested % pod}\n"
    found = workloads(document.parse_loosely(text.encode()))
    assert found == (Workload(kind, "a", frozenset({"s"})),)


@pytest.mark.parametrize(
    "text",
    ["kind: Service\nmetadata: {name: a}", "[]", "kind: [Pod]", "kind: Pod\nmetadata: {}",
     "kind: Pod\nmetadata: {name: [a]}"],
)  # fmt: skip
def test_what_runs_no_pod_is_passed_over(text: str) -> None:
    assert workloads(document.parse_loosely(text.encode())) == ()


def test_bases_components_and_patches_are_followed() -> None:
    files = {
        "o/kustomization.yaml": "resources: [../base, own.yaml, https://x.example/y, gone.yaml]\n"
        "components: [../part]\n"
        "patches: [{path: patch.yaml}, {patch: 'kind: Pod\n\n  metadata: {name: inline}'}]\n",
        "o/own.yaml": deployment("own", "a") + "---\n" + deployment("two", "b"),
        "o/patch.yaml": deployment("base", "patched"),
        "base/kustomization.yml": "resources: [base.yaml, ../o]\n",  # a circle ends somewhere
        "base/base.yaml": deployment("base", "c"),
        "part/Kustomization": "resources: [part.yaml]\n",
        "part/part.yaml": deployment("part", "d"),
    }
    found = {each.name: each.secrets for each in built(files)}
    expected = {"own": {"a"}, "two": {"b"}, "base": {"c", "patched"}, "part": {"d"}}
    assert {name: found[name] for name in expected} == expected


@pytest.mark.parametrize(
    "text", ["", "[]", "resources: a", "resources: [1, {a: b}, '']", "resources: [../../out]",
             "patches: [a, [b], {path: [c]}]", "resources: [broken.yaml]"],
)  # fmt: skip
def test_what_kustomize_would_not_take_is_passed_over(text: str) -> None:
    assert built({"o/kustomization.yaml": text, "o/broken.yaml": "a: [\n"}) == ()


def test_a_base_that_many_share_is_read_once() -> None:
    files = {
        f"{name}/kustomization.yaml": f"resources: [../{after}, ../{after}/, ../x/../{after}]"
        for name, after in zip(["o", *map(str, range(40))], map(str, range(41)), strict=True)
    }  # 3 to the power of 16 ways lead to the bottom
    assert built(files | {"40/kustomization.yaml": ""}) == ()
