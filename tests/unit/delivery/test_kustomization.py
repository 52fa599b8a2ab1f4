"""What the kustomization of a sealed folder says, and that nothing else is taken for one."""

from __future__ import annotations

import pytest
import yaml

from sopsmith.delivery import flux, kustomization
from sopsmith.delivery.kustomization import Identity, Statement
from sopsmith.errors import SopsmithError
from sopsmith.model import Secret, Sensitive

IDENTITY = Identity(frozenset({"shop"}), frozenset({"production", "staging"}))


def text(*, component: bool = False) -> bytes:
    data = {"a": "A", "k.yaml": "B"}
    secret = Secret("s", "s", "ns", "Opaque", data, True, None, False, {"l": "1e5"}, {"n": "☃: x"})
    values = {"A": Sensitive("a"), "B": Sensitive("b\nb")}
    sealed = [flux.sealed(secret, values, lambda key: True)]
    return kustomization.written(sealed, IDENTITY, component=component, where="flux")


@pytest.mark.parametrize("component", [False, True])
def test_what_is_written_is_read_again(component: bool) -> None:
    files = ("ns_s/values.enc.env", "ns_s/k.yaml.enc", "guard.enc.yaml")
    stated = kustomization.stated(text(component=component), "f")
    assert stated is not None
    assert stated._replace(files=tuple(sorted(stated.files))) == Statement(
        IDENTITY, component, tuple(sorted(files))
    )


def test_kustomize_reads_it_likewise() -> None:
    tree = yaml.safe_load(text())
    assert tree["metadata"]["annotations"] == {
        "sopsmith.dev/app": "shop", "sopsmith.dev/environment": "production,staging"
    }  # fmt: skip
    assert tree["patches"] == [{"path": "guard.enc.yaml"}]


def test_another_kustomization_is_not_ours() -> None:
    assert kustomization.stated(b"resources: []\n", "f") is None
    assert kustomization.stated(b"\n" + text(), "f") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ns_s/k.yaml.enc", "../k.yaml.enc"), ("ns_s/k.yaml.enc", "/etc/k.enc"),
        ("ns_s/k.yaml.enc", "a/b/k.enc"), ("ns_s/k.yaml.enc", "k.enc"),
        ("ns_s/values.enc.env", "ns_s/other.env"), ("ns_s/values.enc.env", "../values.enc.env"),
        ("guard.enc.yaml\"\n", "../shop.enc.yaml\"\n"), ("kind: Kustomization", "kind: Other"),
        ("secretGenerator:", "secretGenerators:"), ("patches:", "<<<<<<< ours\npatches:"),
    ],
)  # fmt: skip
def test_what_names_other_files_is_refused(before: str, after: str) -> None:
    changed = text().replace(before.encode(), after.encode())
    assert changed != text()
    with pytest.raises(SopsmithError, match="usage"):
        kustomization.stated(changed, "f")
