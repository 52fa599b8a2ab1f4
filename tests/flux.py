"""What kustomize-controller does with a sealed folder, done with real sops and real kustomize.

Its rule (internal/decryptor of fluxcd/kustomize-controller 1.7): each file that `secretGenerator`
names is decrypted once, as the format of the first key or `envs` entry that names it, and each that
`patches` names as the format of its suffix; then the folder is built without plugins. tests/cluster
shows the controller itself.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.repository import Repo, Run

FORMATS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".env": "dotenv", ".ini": "ini",
           ".dockerconfigjson": "json"}  # fmt: skip


def decrypted(repo: Repo, sealed: Path) -> None:
    """Decrypt the sources of a sealed folder in place, as Flux would."""
    done: set[Path] = set()
    tree = _tree(sealed)
    for generator in [*tree["secretGenerator"], {"files": _patches(tree)}]:
        sources = [each.split("=", 1) for each in generator.get("files", [])]
        sources += [["values.env", path] for path in generator.get("envs", [])]
        for key, path in sources:
            file = sealed / path
            if file not in done:
                form = next((f for end, f in FORMATS.items() if key.endswith(end)), "binary")
                file.write_bytes(_decrypt(repo, file, form))
                done.add(file)


def _patches(tree: Any) -> list[str]:
    return [f"{each['path']}={each['path']}" for each in tree.get("patches", [])]


def _tree(sealed: Path) -> Any:
    return yaml.safe_load((sealed / "kustomization.yaml").read_text())


def _decrypt(repo: Repo, file: Path, form: str) -> bytes:
    formats = ["--input-type", form, "--output-type", form]
    command = ["sops", "--config", "/dev/null", "decrypt", *formats, str(file)]
    return subprocess.run(command, env=repo.env, check=True, capture_output=True).stdout


def built(repo: Repo, folder: str, patches: Sequence[Any] = ()) -> Run:
    """What a build without plugins makes of a folder, as kustomize-controller builds.

    It adds the patches of its Kustomization to those of the folder.
    """
    file = repo.path / folder / "kustomization.yaml"
    text = file.read_text()
    tree = yaml.safe_load(text)
    file.write_text(yaml.safe_dump(tree | {"patches": [*tree.get("patches", ()), *patches]}))
    run = repo.run("kustomize", "build", folder)
    file.write_text(text)
    return run
