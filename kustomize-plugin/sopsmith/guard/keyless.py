"""What is wrong with recipes and what they read, as far as it shows without any key. Pure.

The keys of a component stand in clear, so what is missing, undeclared or there twice shows too.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from sopsmith.components.sealed import Trust
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Read, Recipe, Sensitive
from sopsmith.pipeline import decrypt, derive, validate
from sopsmith.pipeline.render import of_leaf, sealed
from sopsmith.recipes import consistency, overlay
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved, resolve


class Judged(NamedTuple):
    """What a recipe file stands for, what is wrong with it, and every file that decides it."""

    leaves: tuple[Resolved, ...]
    components: tuple[Component, ...]
    findings: tuple[Finding, ...]
    files: frozenset[str]


def judge(file: str, read: Read, trust: Trust) -> Judged:
    """Everything about one recipe file: a base by itself, a leaf with all that it reads."""
    seen: set[str] = set()

    def noted(path: str) -> bytes:
        seen.add(path)
        return read(path)

    leaves: tuple[Resolved, ...] = ()
    recipes: list[Recipe] = []
    findings: list[Finding] = []
    try:
        sources = overlay.held(file, noted)
        found = (leaf for source in sources for leaf in resolve(source, noted))
        leaves = tuple(leaf for leaf in found if leaf.spec.get("environment") is not None)
    except SopsmithError as error:
        findings += error.findings
    for leaf in leaves:
        try:
            recipes.append(parse(leaf))
        except SopsmithError as error:
            findings += error.findings
    findings += consistency.collisions(recipes)
    for recipe in recipes:
        findings += of_leaf(recipe, _recipe_problems(recipe, noted, trust))
    components = tuple(each for recipe in recipes for each in recipe.components)
    return Judged(leaves, components, tuple(findings), frozenset(seen))


def _recipe_problems(recipe: Recipe, read: Read, trust: Trust) -> Iterator[Finding]:
    yield from validate.weak_generators(recipe)
    try:
        texts = sealed([recipe], read, trust)
        decrypted = decrypt.gather_names(recipe, tuple(texts.values()))
    except SopsmithError as error:
        yield from error.findings
        return
    yield from decrypted.findings
    yield from _seed_problems(recipe, decrypted.seeds.keys())
    made = {n: Sensitive("x") for n, each in recipe.values.items() if each.origin == "generated"}
    before = {name: text for name, text in made.items() if recipe.values[name].previous}
    derived = derive.derive(recipe, {**decrypted.values, **made}, {**decrypted.previous, **before})
    yield from derived.findings
    yield from validate.presence(recipe, derived.values, decrypted.places)


def _seed_problems(recipe: Recipe, numbers: Set[str]) -> Iterator[Finding]:
    """Seeds that no component holds, or whose check value the recipe does not hold."""
    used = {each.seed for each in recipe.values.values() if each.origin == "generated"}
    for number in sorted(used | set(recipe.seeds) | numbers):
        name, field = f"SOPSMITH_SEED_{number}", f"spec.seeds.{number}"
        if number not in numbers:
            hint = "restore it from git: every generated value needs it"
            yield Finding("seed-refused", f"no component holds {name}", recipe.file, field, hint)
        elif number not in recipe.seeds:
            message = f"{name} is not known to the recipe"
            render = f"sopsmith render -e {recipe.environment}"
            hint = f"with a key, {render} says which check value belongs under seeds"
            yield Finding("seed-refused", message, recipe.file, field, hint)
