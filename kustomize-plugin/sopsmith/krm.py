"""The KRM function: a ResourceList on stdin becomes a ResourceList on stdout.

What this file imports decides its time; what is heavy is imported by pipeline/render.py while sops
runs. It can reach sops and files under the root, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sopsmith import checkout, voice
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.pipeline.render import emitted
from sopsmith.recipes import overlay
from sopsmith.recipes.resolve import Source
from sopsmith.recipes.schema import KIND
from sopsmith.text import document
from sopsmith.tools import files

MOST_INPUT = 4 * 1024 * 1024


def main() -> None:
    """The entry of `sopsmith-krm`."""
    voice.end(voice.run(_main, _write_results))


def _main() -> int:
    voice.write_out(function(_read_stdin(), os.getcwd(), os.environ))
    return 0


def function(data: bytes, folder: str, env: Mapping[str, str]) -> bytes:
    """One call: the ResourceList in `data`, of a kustomization in `folder`, to the ResourceList.

    Raises SopsmithError with every finding where there is an error among them.
    """
    config = _function_config(data)
    root = files.find_root(folder, env)
    inside = files.relative(folder, root)
    source = Source(f"{inside or '.'} (recipe {config['metadata'].get('name')})", inside, config)
    refused = [each for each in overlay.declaration(source) if each.code == "function-refused"]
    if refused:
        raise SopsmithError(refused)
    return emitted(checkout.rendered(checkout.Checkout(root, env, (source,), None)))


def _read_stdin() -> bytes:
    try:
        with open(0, "rb", closefd=False) as stream:
            data = stream.read(MOST_INPUT + 1)
    except OSError:
        raise SopsmithError(Finding("function-input", "standard input can't be read")) from None
    if len(data) > MOST_INPUT:
        raise SopsmithError(Finding("function-input", "standard input is over 4 MiB"))
    return data


def _function_config(data: bytes) -> dict[str, Any]:
    """The functionConfig of a ResourceList (KRM functions specification v1)."""
    try:
        call = document.parse(data)
    except document.DocumentError as error:
        raise SopsmithError(Finding("function-input", f"standard input: {error}")) from None
    if not isinstance(call, dict) or call.get("kind") != "ResourceList":
        hint = "run it by kustomize build; to try a recipe by hand use sopsmith render"
        message = "standard input is no ResourceList"
        raise SopsmithError(Finding("function-input", message, hint=hint))
    config = call.get("functionConfig")
    if not isinstance(config, dict) or not isinstance(config.setdefault("metadata", {}), dict):
        message = "the ResourceList carries no functionConfig"
        raise SopsmithError(Finding("function-input", message))
    items = call.get("items")
    own = (KIND, config.get("kind"))  # kustomize hands a generator its own configuration
    if any(
        not isinstance(item, dict) or item.get("kind") not in own
        for item in (items if isinstance(items, list) else ())
    ):
        hint = "list the recipe under generators:, not under transformers: or validators:"
        message = "resources of others came along, and sopsmith-krm only generates"
        raise SopsmithError(Finding("function-input", message, hint=hint))
    return config


def _write_results(findings: tuple[Finding, ...]) -> None:
    """The findings as results: without a well-formed list kustomize does not see the exit."""
    from sopsmith.pipeline.emit import resource_list

    try:
        voice.write_out(resource_list((), findings))
    except SopsmithError:  # stdout is gone; stderr and the exit code have told
        return
