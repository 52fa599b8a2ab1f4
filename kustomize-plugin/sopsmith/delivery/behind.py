"""Sealed folders of a repository that are not what the recipes give any more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sopsmith.delivery import folders, kustomization, sealing
from sopsmith.delivery.folders import Folder, Found
from sopsmith.delivery.kustomization import KUSTOMIZATION
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.pipeline.render import Rendered


def behind(
    root: str, env: Mapping[str, str], rendered: Sequence[Rendered], source: str
) -> Iterator[tuple[str, Finding | None]]:
    """Each folder that states these recipes' app and environment, and how it is behind.

    `source` is the overlay or recipe that gives them. Without a key of the folder nobody can tell,
    and nothing is said of it.
    """
    identity = kustomization.identity(one.recipe for one in rendered)
    for found in folders.known(root, env):
        if found.statement.identity == identity:
            try:
                yield found.path, _compared(Folder(root, env, found.path), rendered, found, source)
            except SopsmithError as error:
                if {each.code for each in error.findings} != {"no-key"}:
                    first = error.findings[0]
                    message = f"can't be compared with the recipes: {first.message}"
                    file = first.file or Folder(root, env, found.path).file(KUSTOMIZATION)
                    yield found.path, Finding("sealed-behind", message, file, hint=first.hint)


def _compared(
    folder: Folder, rendered: Sequence[Rendered], found: Found, source: str
) -> Finding | None:
    plan = sealing.plan(folder, rendered, component=None)
    if not plan.is_behind:
        return None
    message = "is not what the recipes give now, so Flux applies older Secrets"
    file = folder.file(KUSTOMIZATION)
    return Finding("sealed-behind", message, file, hint=found.command(source))
