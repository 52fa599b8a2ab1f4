"""The KRM function: a ResourceList on stdin becomes a ResourceList on stdout.

What this file imports decides its time; what is heavy is imported by pipeline/render.py while sops
runs. It can reach sops and files under the root, nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from sopsmith import checkout, document, voice
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.resolve import Source
from sopsmith.schema import KIND
from sopsmith.tools import files

MOST_INPUT = 32 * 1024 * 1024
_FUNCTION = ("config.kubernetes.io/function", "config.k8s.io/function")
_CONTAINER = ("config.kubernetes.io/container", "config.k8s.io/container")


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
    here = checkout.enter(folder, env)
    inside = files.relative(folder, here.root)
    name = config.get("metadata", {}).get("name")
    source = Source(f"{inside or '.'} (recipe {name})", inside, config)
    rendered = checkout.rendered(here, [source])
    findings = [finding for each in rendered for finding in each.findings]
    if exit_code(findings):
        raise SopsmithError(findings)

    from sopsmith.pipeline.emit import resource_list

    return resource_list(item for each in rendered for item in each.items)


def _read_stdin() -> bytes:
    try:
        with open(0, "rb", closefd=False) as stream:
            data = stream.read(MOST_INPUT + 1)
    except OSError:
        raise SopsmithError(Finding("function-input", "standard input can't be read")) from None
    if len(data) > MOST_INPUT:
        raise SopsmithError(Finding("function-input", "standard input is over 32 MiB"))
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
    if not isinstance(config, dict) or not isinstance(config.get("metadata", {}), dict):
        message = "the ResourceList carries no functionConfig"
        raise SopsmithError(Finding("function-input", message))
    items = call.get("items")
    others = items if isinstance(items, list) else []
    if not all(isinstance(item, dict) and item.get("kind") == KIND for item in others):
        hint = "list the recipe under generators:, not under transformers: or validators:"
        message = "resources of others came along, and sopsmith-krm only generates"
        raise SopsmithError(Finding("function-input", message, hint=hint))
    _check_declaration(config.get("metadata", {}).get("annotations"))
    return config


def _check_declaration(annotations: object) -> None:
    """Refuse a declaration by which git chooses more than the program's name."""
    declared = annotations if isinstance(annotations, dict) else {}
    extra = [name for name in _CONTAINER if name in declared]
    for name in _FUNCTION:
        if name in declared:
            extra += _declared_extras(declared[name])
    if extra:
        message = f"the function's annotation carries {', '.join(extra)}"
        hint = "keep only exec: {path: sopsmith-krm}; the operator sets the environment"
        raise SopsmithError(Finding("function-refused", message, hint=hint))


def _declared_extras(text: object) -> list[str]:
    try:
        tree = document.parse(text.encode()) if isinstance(text, str) else None
    except document.DocumentError:
        tree = None
    program = tree.get("exec") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or not isinstance(program, dict):
        return ["no exec.path"]
    return sorted({*tree} - {"exec"}) + sorted(f"exec.{name}" for name in {*program} - {"path"})


def _write_results(findings: tuple[Finding, ...]) -> None:
    """The findings as results: without a well-formed list kustomize does not see the exit."""
    from sopsmith.pipeline.emit import resource_list

    try:
        voice.write_out(resource_list((), findings))
    except SopsmithError:  # stdout is gone; stderr and the exit code have told
        return


if __name__ == "__main__":
    main()
