"""The hooks as a user gets them: pre-commit clones this repository and installs it for itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tests import hooked
from tests.repository import ROOT, Repo

README = (ROOT / "README.md").read_text()
PACKAGED = ("kustomize-plugin", ".pre-commit-hooks.yaml", "pyproject.toml", "README.md", "LICENSE")


BAD: dict[str, hooked.Change] = {
    "recipe-field": hooked.replaced(hooked.BASE, "minLength", "minLenght"),
    "not-encrypted": hooked.written("secrets/production.enc.env", "A=plain-1\n"),
    "clear-comment": hooked.added(hooked.COMPONENT, "# plain-1\n"),
    "version-jump": hooked.password("version: 6, rotated: 2026-11-20"),
    "min-length": hooked.sealed({"SMTP_PASSWORD": "plain-1"}),  # by the hook that has a key
}


def published(repo: Repo) -> tuple[str, str]:
    """This checkout as a repository with one commit: where it is, and the commit."""
    folder = repo.path.parent / "sopsmith"
    folder.mkdir()
    unwanted = shutil.ignore_patterns("__pycache__")
    for name in PACKAGED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=unwanted)
        else:
            shutil.copy(source, target)
    git = ("git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.c")
    for arguments in (("init", "-q"), ("add", "--all"), ("commit", "-qm", "release")):
        subprocess.run([*git, *arguments], check=True, env=repo.env)
    revision = subprocess.check_output([*git, "rev-parse", "HEAD"], env=repo.env, text=True)
    return str(folder), revision.strip()


def configuration(repo: Repo) -> str:
    """The README's .pre-commit-config.yaml, for that repository."""
    shown = re.search(r"^```yaml\n(repos:.*?)^```$", README, re.MULTILINE | re.DOTALL)
    assert shown
    place, revision = published(repo)
    named = {"URL_OF_THIS_REPOSITORY": place, "REVISION": revision}
    return re.sub("|".join(map(re.escape, named)), lambda match: named[match[0]], shown[1])


def offline(repo: Repo) -> dict[str, str]:
    """Build and run with the packages of .venv, but for sopsmith, which comes from the clone."""
    folders = repo.env["PATH"].split(os.pathsep)
    others = [each for each in folders if not os.path.isfile(f"{each}/sopsmith")]
    return {
        "PATH": os.pathsep.join([*others, str(ROOT / ".tools/bin")]),
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the option --no-build-isolation
        "PIP_IGNORE_INSTALLED": "1",
        "PIP_CONFIG_FILE": os.devnull,
    }


def test_a_clone_of_this_repository_brings_its_hooks(repo: Repo) -> None:
    hooked.build(repo)
    repo.write(".pre-commit-config.yaml", configuration(repo))
    passed = hooked.commit(repo, **offline(repo))
    assert passed.code == 0, passed.err
    home = Path(repo.env["HOME"])
    assert len([*home.glob(".cache/pre-commit/repo*/py_env*/bin/sopsmith")]) == 1
    for code, change in BAD.items():
        change(repo)
        stopped = hooked.commit(repo, **offline(repo))
        assert (stopped.code, code in hooked.said(stopped)) == (1, True), stopped.err
        repo.run("git", "reset", "-q", "--hard")
    hooked.added("README.md", "more\n")(repo)
    assert hooked.commit(repo, **offline(repo)).code == 0
