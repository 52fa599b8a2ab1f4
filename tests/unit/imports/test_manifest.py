"""Secrets out of manifests, as the API server would read them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from sopsmith.errors import SopsmithError
from sopsmith.imports.importing import gather
from sopsmith.imports.manifest import Manifest, parse_manifests

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: shop, namespace: prod}\n"


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def entries(text: str) -> dict[str, str | bytes]:
    (found,) = parse_manifests(text.encode(), "secret.yaml")
    return {key: value.data() for key, value in found.entries.items()}


def test_data_is_decoded_and_string_data_wins() -> None:
    text = f"{SECRET}data: {{A: {encoded('1')}, B: {encoded('2')}}}\nstringData: {{B: three}}\n"
    assert entries(text) == {"A": b"1", "B": b"three"}


def test_bytes_stay_bytes_and_lines_of_base64_are_joined() -> None:
    assert entries(f"{SECRET}data:\n  A: |\n    {encoded(b'')}\n    /w\n    ==\n") == {"A": b"\xff"}


@pytest.mark.parametrize("text", ["data: {}", "data: null\nstringData:", ""])
def test_a_secret_may_hold_nothing(text: str) -> None:
    assert entries(SECRET + text) == {}


def test_what_it_is_besides_its_entries_is_kept() -> None:
    text = f"{SECRET}type: kubernetes.io/tls\nimmutable: true\nstringData: {{a: b}}\n"
    (found,) = parse_manifests(text.encode(), "secret.yaml")
    assert found[:4] == ("shop", "prod", "kubernetes.io/tls", True)


def live(name: str, kind: str = "Secret", **fields: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **fields}


def test_a_list_holds_many_and_those_of_controllers_are_left_out() -> None:
    items = [
        live("a", data={"A": encoded("1")}),
        live("b", kind="ConfigMap", data={"B": "2"}),
        live("token", type="kubernetes.io/service-account-token", data={"token": encoded("3")}),
        live("c", stringData={"C": "4"}),
    ]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    assert [each.name for each in parse_manifests(text.encode(), "-")] == ["a", "c"]


def test_documents_of_one_file_are_many() -> None:
    text = f"{SECRET}stringData: {{A: b}}\n---\nkind: Service\n---\n{SECRET}stringData: {{C: d}}\n"
    assert len(parse_manifests(text.encode(), "all.yaml")) == 2


BAD = {
    "no secret": ("kind: ConfigMap\ndata: {A: hunter2}\n", None, "holds no Secret"),
    "text": ("hunter2", None, "holds no Secret"),
    "broken": ("a: [hunter2", None, "the text is not valid YAML"),
    "no base64": (f"{SECRET}data: {{A: hunter2!}}\n", "data.A", "is no base64"),
    "an alias": (f"x: &x hunter2\n{SECRET}stringData: {{A: *x}}\n", "stringData.A", "must be text"),
    "a map": (f"{SECRET}stringData: {{A: {{b: hunter2}}}}\n", "stringData.A", "must be text"),
    "no map": (f"{SECRET}data: [hunter2]\n", "data", "must be a map"),
    "no name": ("kind: Secret\nstringData: {A: hunter2}\n", "metadata.name", "must be given"),
    "encrypted": (
        f"{SECRET}stringData: {{A: b}}\nsops: {{mac: hunter2}}\n",
        "sops",
        "is encrypted",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_can_not_be_read_is_refused_and_not_quoted(case: str) -> None:
    text, field, message = BAD[case]
    with pytest.raises(SopsmithError) as refused:
        parse_manifests(text.encode(), "secret.yaml")
    (found,) = refused.value.findings
    assert (found.code, found.field) == ("import-source", field)
    assert found.message.startswith(message) and "hunter2" not in repr(found)


# --- names ----------------------------------------------------------------------------------------


def manifest(name: str, text: str, namespace: str | None = None) -> Manifest:
    (found,) = parse_manifests(f"{SECRET}stringData: {{{text}}}\n".encode(), "-")
    return found._replace(name=name, namespace=namespace)


def test_one_content_under_one_key_is_one_value() -> None:
    found = gather([manifest("a", "K: same, X: 1"), manifest("b", "K: same")], "-", hashed=False)
    assert sorted(found.values) == ["K", "X"]
    assert [dict(each.data) for each in found.secrets] == [{"K": "K", "X": "X"}, {"K": "K"}]


def test_another_content_under_one_key_is_another_value() -> None:
    found = gather([manifest("a", "K: one"), manifest("b", "K: two")], "-", hashed=False)
    assert {n: v.reveal() for n, v in found.values.items()} == {"K": "one", "b.K": "two"}
    assert dict(found.secrets[1].data) == {"K": "b.K"}


@pytest.mark.parametrize("key", ["app", "environment", "SOPSMITH_SEED_1"])
def test_a_name_that_is_taken_is_another_one(key: str) -> None:
    found = gather([manifest("a", f"{key}: one")], "-", hashed=False)
    assert dict(found.secrets[0].data) == {key: f"a.{key}"} and found.notes


@pytest.mark.parametrize(
    "secrets",
    [
        [manifest("a", "A: b", "x"), manifest("b", "A: b", "y")],
        [manifest("a", "'A B': c")],
        [manifest("a", "A: b"), manifest("a", "B: c")],
        [manifest("a", "K: one, b.K: two"), manifest("b", "K: three")],
    ],
)
def test_what_fits_in_no_recipe_is_refused(secrets: list[Manifest]) -> None:
    with pytest.raises(SopsmithError) as refused:
        gather(secrets, "-", hashed=False)
    assert [each.code for each in refused.value.findings] == ["import-source"]
