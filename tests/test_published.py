"""The image's files and the catalog's entry name what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sopsmith import __version__
from sopsmith.recipes.schema import API_VERSION, KIND
from sopsmith.tools.kustomize import FUNCTION
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


@pytest.mark.parametrize("lock", ["runtime", "database", "wheel"])
def test_the_image_gets_the_versions_that_are_tested(lock: str) -> None:
    every = locked("requirements")
    assert {name: every.get(name) for name in locked(lock)} == locked(lock), "run: make lock"


def test_the_locks_hold_what_the_package_asks_for() -> None:
    assert names(PROJECT["project"]["dependencies"]) <= set(locked("runtime"))
    extras = PROJECT["project"]["optional-dependencies"]
    assert names(extras["postgres"] + extras["cluster"]) <= set(locked("database"))
    assert names(PROJECT["build-system"]["requires"]) <= set(locked("wheel"))


def test_bases_are_pinned_by_digest() -> None:
    bases = dict(re.findall(r"^ARG (\w+)=(\S+)", DOCKERFILE, re.MULTILINE))
    stages = set(re.findall(r"^FROM .*AS ([\w-]+)", DOCKERFILE, re.MULTILINE))
    named = re.findall(r"^FROM (?:--platform=\S+ )?(\S+)", DOCKERFILE, re.MULTILINE)
    used = {bases[name[1:]] if name.startswith("$") else name for name in named}
    outside = used - stages
    assert len(outside) == 2  # Go's and Python's
    for base in outside:
        assert re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", base)


def test_what_the_image_is_made_from_is_all_that_is_sent() -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    ignored = (PLUGIN / "Dockerfile.dockerignore").read_text()
    sent = re.findall(r"^!(.*)$", ignored, re.MULTILINE)
    assert sorted(sent) == sorted(path for line in copied for path in line.split())
    assert all((ROOT / path).exists() for path in sent)


# --- the catalog's entry --------------------------------------------------------------------------


@pytest.fixture
def entry() -> Any:
    return yaml.safe_load((PLUGIN / "sopsmith-krm.yaml").read_text())["spec"]


def test_the_entry_names_the_kind_and_the_programs(entry: Any) -> None:
    (version,) = entry["versions"]
    assert (f"{entry['group']}/{version['name']}", entry["names"]["kind"]) == (API_VERSION, KIND)
    assert version["runtime"]["exec"]["path"] == FUNCTION in PROJECT["project"]["scripts"]
    assert f'ENTRYPOINT ["{FUNCTION}"]' in DOCKERFILE
    assert version["runtime"]["container"]["image"] == f"sopsmith:{__version__}"


def test_the_entry_leads_to_files(entry: Any) -> None:
    (version,) = entry["versions"]
    for path in (version["usage"], *version["examples"], "secretrecipe.schema.json"):
        assert (PLUGIN / path).is_file()


@pytest.mark.parametrize("recipe", sorted(ROOT.glob("overlays/*/recipe.yaml")), ids=str)
def test_the_entrys_schema_takes_recipes_and_nothing_else(entry: Any, recipe: Path) -> None:
    schema = entry["versions"][0]["schema"]["openAPIV3Schema"]
    content = yaml.safe_load(recipe.read_text())
    jsonschema.validate(content, schema)
    for wrong in ({**content, "kind": "ConfigMap"}, {"apiVersion": API_VERSION, "kind": KIND}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)
