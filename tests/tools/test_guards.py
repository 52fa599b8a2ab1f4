"""A guard names a Secret; where nothing makes it any more, kustomize and `validate` both say so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.repository import Repo

GUARD = "apiVersion: v1\nkind: Secret\nmetadata: {name: %s}\n"


def overlay(repo: Repo, *lines: str, patches: str = "patches: [{path: guard.yaml}]") -> None:
    text = "\n".join(("generators: [recipe.yaml]", patches, *lines)) + "\n"
    repo.write("overlay/kustomization.yaml", text)


def patched(*names: str) -> Callable[[Repo], None]:
    """A guard in a file, for several Secrets."""

    def write(repo: Repo) -> None:
        repo.write("overlay/guard.yaml", "---\n".join(GUARD % name for name in names))
        overlay(repo)

    return write


def inline(repo: Repo) -> None:
    patch = "".join(f"      {line}\n" for line in (GUARD % "gone").splitlines())
    overlay(repo, patches=f"patches:\n  - patch: |-\n{patch}")


def from_a_base(repo: Repo) -> None:
    """A base holds a Secret, and not the one that is patched."""
    repo.write("base/kustomization.yaml", "resources: [map.yaml]\n")
    repo.write("base/map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: gone}\n")
    patched("shop", "gone")(repo)
    overlay(repo, "resources: [../base]")


STALE = {"another name": patched("gone"), "one of two": patched("shop", "gone"),
         "inline": inline, "only a ConfigMap": from_a_base}  # fmt: skip


@pytest.fixture
def shop(repo: Repo) -> Repo:
    repo.shop({"TOKEN": repo.canary()})
    return repo


@pytest.mark.parametrize("how", STALE)
def test_a_guard_of_what_nothing_makes_is_found_as_the_build_finds_it(shop: Repo, how: str) -> None:
    STALE[how](shop)
    assert "no matches for Id Secret" in shop.kustomize().err
    run = shop.cli("validate", "overlay")
    assert run.code == 1
    where = "overlay/kustomization.yaml" if how == "inline" else "overlay/guard.yaml"
    assert f"error: {where}: patches a Secret gone that nothing in the overlay makes" in run.out
    assert "its recipes emit shop" in run.out


def secret_in_a_base(repo: Repo) -> None:
    repo.write("base/kustomization.yaml", "resources: [s.yaml]\n")
    repo.write("base/s.yaml", GUARD % "other")
    patched("shop", "other")(repo)
    overlay(repo, "resources: [../base]")


def secret_generator(repo: Repo) -> None:
    patched("shop", "other")(repo)
    overlay(repo, "secretGenerator: [{name: other, literals: [a=b]}]")


def with_a_target(repo: Repo) -> None:
    """Which may match nothing."""
    patched("shop")(repo)
    repo.write("overlay/other.yaml", GUARD % "other")
    patches = "patches: [{path: guard.yaml}, {path: other.yaml, target: {kind: Secret, name: x}}]"
    overlay(repo, patches=patches)


def prefixed(repo: Repo) -> None:
    repo.write("base/kustomization.yaml", "namePrefix: an-\nresources: [s.yaml]\n")
    repo.write("base/s.yaml", GUARD % "other")
    patched("shop", "an-other")(repo)
    overlay(repo, "resources: [../base]")


SOUND = {"ours": patched("shop"), "of a base": secret_in_a_base, "of a generator": secret_generator,
         "with a target": with_a_target, "prefixed": prefixed}  # fmt: skip


@pytest.mark.parametrize("how", SOUND)
def test_what_something_makes_may_be_patched(shop: Repo, how: str) -> None:
    SOUND[how](shop)
    assert shop.kustomize().code == 0
    run = shop.cli("validate", "overlay")
    assert (run.code, "guard" in run.out) == (0, False), run.out


def test_what_is_not_seen_may_make_anything(shop: Repo) -> None:
    patched("shop", "other")(shop)
    overlay(shop, "resources: ['https://example.org/base?ref=v1']")
    assert "guard-stale" not in shop.cli("validate", "overlay").out
