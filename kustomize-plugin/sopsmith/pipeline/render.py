"""The five steps, in order: the only file that knows it. Pure but for the engine it is given.

decrypt → generate → derive → validate → emit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.model import MOST_BYTES, Component, Engine, Read, Recipe, Sealed, Values
from sopsmith.sealed import Trust, seal


class Rendered(NamedTuple):
    """What became of one recipe. With errors among the findings there are no items."""

    recipe: Recipe
    values: Values
    places: Mapping[str, str]  # given or stored value: the file it stands in
    findings: tuple[Finding, ...]
    items: list[dict[str, Any]]


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
        from sopsmith.pipeline import decrypt, derive, emit, generate, validate

        opened = dict(zip(sealed, wait(), strict=True))
    rendered = []
    for recipe in recipes:
        mine = [(sealed[component], opened[component]) for component in recipe.components]
        decrypted = decrypt.gather(recipe, mine)
        generated = generate.generate(recipe, decrypted.seeds)
        derived = derive.derive(recipe, {**decrypted.values, **generated})
        found = validate.validate(recipe, derived.values, decrypted.places)
        findings = (*decrypted.findings, *derived.findings, *found)
        items = [] if exit_code(findings) else emit.emit(recipe, derived.values)
        rendered.append(Rendered(recipe, derived.values, decrypted.places, findings, items))
    return tuple(rendered)


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
