"""Components of any commit, decrypted in memory: what a value was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sopsmith import settings
from sopsmith.components.sealed import PREVIOUS, SEED, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Read, Sensitive
from sopsmith.pipeline.decrypt import Content, open_sealed
from sopsmith.tools import sops


def contents(
    env: Mapping[str, str], read: Read, components: Iterable[Component]
) -> dict[Component, Content | SopsmithError]:
    """What each component holds, or why nobody can tell."""
    chosen = settings.read(env)
    found: dict[Component, Content | SopsmithError] = {}
    sealed = []
    for component in components:
        try:
            sealed.append(seal(component, read(component.file), chosen.trust))
        except SopsmithError as error:
            found[component] = error
    with sops.engine(env, chosen.trust.key_types, chosen.timeout)(sealed) as wait:
        for each, opened in zip(sealed, wait(), strict=True):
            try:
                if isinstance(opened, Finding):
                    raise SopsmithError(opened)
                found[each.component] = open_sealed(each, opened)
            except SopsmithError as error:
                found[each.component] = error
    return found


def held(content: Content, key: str) -> Sensitive | None:
    """The value of a key, also of one that is no value of a recipe."""
    if key.startswith(SEED):
        return content.seeds.get(key.removeprefix(SEED))
    if key.startswith(PREVIOUS):
        return content.previous.get(key.removeprefix(PREVIOUS))
    return content.entries.get(key)
