"""The image's files name what there is."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.repository import ROOT

PLUGIN = ROOT / "kustomize-plugin"
DOCKERFILE = (PLUGIN / "Dockerfile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(name: str) -> dict[str, str]:
    """The packages of a lock, each with its version and hashes."""
    text = (ROOT / f"ci/tools/{name}.txt").read_text()
    blocks = re.findall(r"^([a-z0-9-]+)(==.*(?:\n    --hash.*)+)", text, re.MULTILINE)
    return dict(blocks)


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9-]", each)[0].lower() for each in requirements}


# --- the image ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", ["runtime", "wheel"])
def test_the_image_gets_the_versions_that_are_tested(lock: str) -> None:
    every = locked("requirements")
    assert {name: every.get(name) for name in locked(lock)} == locked(lock), "run: make lock"


def test_the_locks_hold_what_the_package_asks_for() -> None:
    assert names(PROJECT["project"]["dependencies"]) <= set(locked("runtime"))
    assert names(PROJECT["build-system"]["requires"]) <= set(locked("wheel"))


def test_bases_are_pinned_by_digest() -> None:
    bases = dict(re.findall(r"^ARG (\w+)=(\S+)", DOCKERFILE, re.MULTILINE))
    stages = set(re.findall(r"^FROM .*AS (\w+)", DOCKERFILE, re.MULTILINE))
    used = re.findall(r"^FROM (?:--platform=\S+ )?\$(\w+)", DOCKERFILE, re.MULTILINE)
    assert len(used) == len(re.findall("^FROM", DOCKERFILE, re.MULTILINE)) == 4
    for base in used:
        pinned = re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", bases[base])
        assert pinned or bases[base] in stages


def test_what_the_image_is_made_from_is_all_that_is_sent() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    ignored = (PLUGIN / "Dockerfile.dockerignore").read_text()
    sent = re.findall(r"^!(.*)$", ignored, re.MULTILINE)
    assert sorted(sent) == sorted(path for line in copied for path in line.split())
    assert all((ROOT / path).exists() for path in sent)
