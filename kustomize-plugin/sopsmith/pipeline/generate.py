"""Step 2: seeds → generated values. Deterministic: the same seed and recipe give the same bytes.

The byte layout is written down in kustomize-plugin/README.md and frozen by tests/golden/generate:
what v1 once produced it produces for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Generator, Recipe, Sensitive, Value, Values
from sopsmith.recipes.kinds import FROM_STREAM
from sopsmith.recipes.template import asks_before

LABEL = b"sopsmith/v1"
CHECK_LABEL = b"sopsmith/v1/check"
BLOCK = 64  # bytes of one HKDF call
CHECK = 16  # bytes of a seed's public check value

_SEED = re.compile(r"[0-9a-f]{64}\Z")


class Generated(NamedTuple):
    """Every seed-generated value, and what those were whose previous value is asked for."""

    values: Values
    previous: Values


def generate(recipe: Recipe, seeds: Values) -> Generated:
    """Derive every seed-generated value of the recipe.

    Raises SopsmithError (seed-refused) for each seed that is missing, malformed or not the one
    whose check value the recipe holds.
    """
    now = [value for value in recipe.values.values() if value.origin == "generated"]
    before = _before(recipe, now)
    keys = _checked_seeds(recipe, seeds, {value.seed for value in (*now, *before)})
    return Generated(_made(recipe, now, keys), _made(recipe, before, keys))


def _before(recipe: Recipe, values: Iterable[Value]) -> list[Value]:
    """The values as they were, where a derivation asks for it and there was a rotation."""
    asked = {name for value in recipe.values.values() for name in asks_before(value)}
    asked |= {value.name for value in values if value.role}
    return [
        value._replace(**value.previous._asdict())
        for value in values
        if value.previous and value.name in asked
    ]


def _made(recipe: Recipe, values: Iterable[Value], keys: Mapping[str, bytes]) -> Values:
    return {
        value.name: Sensitive(
            generated(
                keys[value.seed],
                app=recipe.app,
                environment=recipe.environment,
                value_id=value.id,
                version=value.version,
                generator=value.generator,
            )
        )
        for value in values
        if value.generator is not None
    }


def versions(
    recipe: Recipe, seeds: Values, name: str, numbers: Iterable[int]
) -> Iterator[tuple[int, Sensitive]]:
    """What a seed-generated value is in versions of these numbers, in their order.

    A version is made from every seed and by every generator that the leaf still knows of, those of
    now first: nobody wrote down which it was of.
    """
    value = recipe.values[name]
    past = value.previous
    used = [value.seed, *((past.seed,) if past else ()), *sorted(seeds)]
    generators = [value.generator, *((past.generator,) if past else ())]
    made = {
        (seed, canonical(generator)): value._replace(seed=seed, generator=generator)
        for generator in generators
        for seed in dict.fromkeys(used)
        if generator is not None and seed in seeds
    }
    keys = _checked_seeds(recipe, seeds, set(seeds))
    for number in numbers:
        for each in made.values():
            yield number, _made(recipe, [each._replace(version=number)], keys)[name]


def generated(
    seed: bytes, *, app: str, environment: str, value_id: str, version: int, generator: Generator
) -> str:
    """One value (HKDF-SHA256, RFC 5869; layout: kustomize-plugin/README.md)."""
    stream = _stream(seed, app, environment, value_id, version, canonical(generator))
    return FROM_STREAM[generator.kind](generator.options, stream)


def check_value(seed: bytes, app: str, environment: str, number: str) -> str:
    """The public check value of a seed: 32 hex characters that tell nothing about it."""
    return hkdf(seed, lengthed(CHECK_LABEL, app, environment, number), CHECK).hex()


def canonical(generator: Generator) -> str:
    """The generator as JSON with sorted keys and no spaces, defaults filled in."""
    tree = {generator.kind: dict(generator.options)}
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def lengthed(*fields: bytes | str) -> bytes:
    """Every field behind its length (4 bytes, big-endian), so that no two lists read alike."""
    raw = [field if isinstance(field, bytes) else field.encode() for field in fields]
    return b"".join(len(field).to_bytes(4, "big") + field for field in raw)


def hkdf(key: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 without salt (RFC 5869, section 2)."""
    return HKDF(SHA256(), length, None, info).derive(key)


def _stream(
    seed: bytes, app: str, environment: str, value_id: str, version: int, generator: str
) -> Iterator[int]:
    """The endless byte stream of one value: one HKDF call a block, the block's number in `info`."""
    block = 0
    while True:
        number = block.to_bytes(4, "big")
        counter = version.to_bytes(4, "big")
        info = lengthed(LABEL, app, environment, value_id, counter, generator, number)
        yield from hkdf(seed, info, BLOCK)
        block += 1


def _checked_seeds(recipe: Recipe, seeds: Values, used: Set[str]) -> dict[str, bytes]:
    findings = []
    keys: dict[str, bytes] = {}
    for number in sorted(used | set(recipe.seeds) | set(seeds)):
        text = seeds[number].text() if number in seeds else None
        problem = _seed_problem(recipe, number, text)
        if problem:
            findings.append(Finding("seed-refused", problem[0], recipe.file, f"spec.seeds.{number}",
                                    problem[1]))  # fmt: skip
        elif text:
            keys[number] = bytes.fromhex(text)
    if findings:
        raise SopsmithError(findings)
    return keys


def _seed_problem(recipe: Recipe, number: str, text: str | None) -> tuple[str, str] | None:
    name = f"SOPSMITH_SEED_{number}"
    if text is None:
        return f"no component holds {name}", "restore it from git: every generated value needs it"
    if not _SEED.match(text) or set(text) == {"0"}:
        return f"{name} is no seed: 64 lower-case hex characters, not all zeros", "restore it"
    check = check_value(bytes.fromhex(text), recipe.app, recipe.environment, number)
    known = recipe.seeds.get(number)
    if known is None:
        hint = f'if it is yours and new, write under spec: seeds: {{"{number}": "{check}"}}'
        return f"{name} is not known to the recipe", hint
    if check != known:  # both are public
        hint = "restore the component, or app and environment in the recipe: the check covers them"
        return f"{name} is not the seed that the recipe knows", hint
    return None
