"""Where a value comes from, in a few words. Pure."""

from __future__ import annotations

from sopsmith.model import Alternate, PreviousOf, Recipe
from sopsmith.pipeline.render import Rendered
from sopsmith.recipes.template import IDENTITIES, chosen, references


def source(rendered: Rendered, name: str) -> str:
    """A value's source: a file, a seed and version, the values that it is derived from, or none."""
    recipe = rendered.recipe
    value = recipe.values[name]
    if value.origin == "derived":
        return _derived(recipe, name)
    if value.origin == "generated" and value.generator:
        return f"seed {value.seed}, {value.generator.kind}, version {value.version}"
    if name not in rendered.values:
        return "absent"
    place = rendered.places.get(name, value.file)
    return f"default in {place}" if place == value.file else place


def _derived(recipe: Recipe, name: str) -> str:
    value = recipe.values[name]
    derivation = value.derivation
    if isinstance(derivation, PreviousOf):
        before = recipe.values[derivation.name].previous
        return f"{derivation.name} before" + (f", version {before.version}" if before else "")
    if isinstance(derivation, Alternate):
        slot = recipe.values[derivation.slot_of].slot or "a"
        picked = chosen(derivation, recipe.values)
        return f"{picked}, slot {slot} of {derivation.slot_of}"
    return ", ".join(need for need in references(value) if need not in IDENTITIES)
