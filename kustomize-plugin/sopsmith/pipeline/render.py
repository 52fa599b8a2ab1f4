"""The five steps, in order: the only file that knows it. Pure but for the engine it is given.

decrypt → generate → derive → validate → emit
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith.components.sealed import Trust, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.model import MOST_BYTES, Component, Engine, Read, Recipe, Sealed, Sensitive, Values


class Rendered(NamedTuple):
    """What became of one recipe after the first four steps."""

    recipe: Recipe
    values: Values
    previous: Values  # what values were before their last rotation
    places: Mapping[str, str]  # given or stored value: the file it stands in
    findings: tuple[Finding, ...]
    seeds: Values  # by number


def render(
    recipes: Sequence[Recipe], read: Read, engine: Engine, trust: Trust
) -> tuple[Rendered, ...]:
    """Render every recipe; all components are decrypted at once, each once.

    Raises SopsmithError where a component, a key or a seed stops the work; findings about values
    are in the result.
    """
    checked = sealed(recipes, read, trust)
    with engine(tuple(checked.values())) as wait:
        # Only now, while the engine's processes run: this loads cryptography.
        from sopsmith.pipeline import decrypt, derive, emit, generate, validate  # noqa: F401 - emit is for `emitted`

        opened = dict(zip(checked, wait(), strict=True))
    rendered: list[Rendered] = []
    stops: list[Finding] = []
    for recipe in recipes:
        try:
            mine = [(checked[component], opened[component]) for component in recipe.components]
            decrypted = decrypt.gather(recipe, mine)
            generated = generate.generate(recipe, decrypted.seeds)
            values = {**decrypted.values, **generated.values}
            previous = {**decrypted.previous, **generated.previous}
            derived = derive.derive(recipe, values, previous)
            found = validate.validate(recipe, derived.values, decrypted.places)
        except SopsmithError as error:
            stops += of_leaf(recipe, error.findings)
        else:
            findings = tuple(of_leaf(recipe, (*decrypted.findings, *derived.findings, *found)))
            rendered.append(
                Rendered(
                    recipe, derived.values, previous, decrypted.places, findings, decrypted.seeds
                )
            )
    if stops:
        raise SopsmithError([*stops, *(f for each in rendered for f in each.findings)])
    return tuple(rendered)


def emitted(rendered: Sequence[Rendered]) -> bytes:
    """The fifth step: all Secrets as one ResourceList.

    Raises SopsmithError with every finding where there is an error among them.
    """
    from sopsmith.pipeline import emit

    check(rendered)
    return emit.resource_list(
        item for each in rendered for item in emit.emit(each.recipe, each.values)
    )


def check(rendered: Sequence[Rendered]) -> None:
    """Raise SopsmithError with every finding where there is an error among them."""
    findings = [finding for each in rendered for finding in each.findings]
    if exit_code(findings):
        raise SopsmithError(findings)


def versions(
    rendered: Rendered, name: str, numbers: Iterable[int]
) -> Iterator[tuple[int, Sensitive]]:
    """What a generated value is in versions of these numbers, by each seed that the leaf has."""
    from sopsmith.pipeline import generate

    return generate.versions(rendered.recipe, rendered.seeds, name, numbers)


def given_anew(rendered: Rendered, given: Values) -> tuple[Finding, ...]:
    """The findings that there would be if these values were given otherwise."""
    from sopsmith.pipeline import derive, validate

    recipe = rendered.recipe
    derived_by_it = {name for name, value in recipe.values.items() if value.origin == "derived"}
    kept = {name: each for name, each in rendered.values.items() if name not in derived_by_it}
    derived = derive.derive(recipe, {**kept, **given}, rendered.previous)
    found = validate.validate(recipe, derived.values, rendered.places)
    return tuple(of_leaf(recipe, (*derived.findings, *found)))


def of_leaf(recipe: Recipe, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The same, and whose they are where they point at a base, which several leaves extend."""
    own = {None, recipe.file, *(component.file for component in recipe.components)}
    for each in findings:
        yield each if each.file in own else each._replace(environment=recipe.environment)


def sealed(recipes: Sequence[Recipe], read: Read, trust: Trust) -> dict[Component, Sealed]:
    """Check every component of these recipes without a key, each once.

    Raises SopsmithError with everything that is wrong with any of them.
    """
    found: dict[Component, Sealed] = {}
    stops: list[Finding] = []
    for component in dict.fromkeys(each for recipe in recipes for each in recipe.components):
        try:
            data = read(component.file)
            if len(data) == MOST_BYTES:
                raise SopsmithError(Finding("file-unreadable", "is 8 MiB or more", component.file))
            found[component] = seal(component, data, trust)
        except SopsmithError as error:
            stops += error.findings
    if stops:
        raise SopsmithError(stops)
    return found
