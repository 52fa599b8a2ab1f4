"""The five steps, in order: the only file that knows it. Pure but for the engine it is given.

decrypt → generate → derive → validate → emit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.model import MOST_BYTES, Component, Engine, Read, Recipe, Sealed, Values
from sopsmith.sealed import Trust, seal


class Rendered(NamedTuple):
    """What became of one recipe after the first four steps."""

    recipe: Recipe
    values: Values
    places: Mapping[str, str]  # given or stored value: the file it stands in
    findings: tuple[Finding, ...]


def render(
    recipes: Sequence[Recipe], read: Read, engine: Engine, trust: Trust
) -> tuple[Rendered, ...]:
    """Render every recipe; all components are decrypted at once, each once.

    Raises SopsmithError where a component, a key or a seed stops the work; findings about values
    are in the result.
    """
    sealed = _seal(recipes, read, trust)
    with engine(tuple(sealed.values())) as wait:
        # Only now, while the engine's processes run: this loads cryptography.
        from sopsmith.pipeline import decrypt, derive, emit, generate, validate  # noqa: F401 - emit is for `emitted`

        opened = dict(zip(sealed, wait(), strict=True))
    rendered: list[Rendered] = []
    stops: list[Finding] = []
    for recipe in recipes:
        try:
            mine = [(sealed[component], opened[component]) for component in recipe.components]
            decrypted = decrypt.gather(recipe, mine)
            generated = generate.generate(recipe, decrypted.seeds)
            derived = derive.derive(recipe, {**decrypted.values, **generated})
            found = validate.validate(recipe, derived.values, decrypted.places)
        except SopsmithError as error:
            stops += error.findings
        else:
            findings = (*decrypted.findings, *derived.findings, *found)
            rendered.append(Rendered(recipe, derived.values, decrypted.places, findings))
    if stops:
        raise SopsmithError([*stops, *(f for each in rendered for f in each.findings)])
    return tuple(rendered)


def emitted(rendered: Sequence[Rendered]) -> bytes:
    """The fifth step: all Secrets as one ResourceList.

    Raises SopsmithError with every finding where there is an error among them.
    """
    from sopsmith.pipeline import emit

    findings = [finding for each in rendered for finding in each.findings]
    if exit_code(findings):
        raise SopsmithError(findings)
    return emit.resource_list(
        item for each in rendered for item in emit.emit(each.recipe, each.values)
    )


def _seal(recipes: Sequence[Recipe], read: Read, trust: Trust) -> dict[Component, Sealed]:
    sealed: dict[Component, Sealed] = {}
    stops: list[Finding] = []
    for component in dict.fromkeys(each for recipe in recipes for each in recipe.components):
        try:
            data = read(component.file)
            if len(data) == MOST_BYTES:
                raise SopsmithError(Finding("file-unreadable", "is 8 MiB or more", component.file))
            sealed[component] = seal(component, data, trust)
        except SopsmithError as error:
            stops += error.findings
    if stops:
        raise SopsmithError(stops)
    return sealed
