"""What a render will say of an import, found before anything is written. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from sopsmith.findings import Finding
from sopsmith.model import Read, Recipe, Sensitive, Values
from sopsmith.pipeline import validate
from sopsmith.pipeline.derive import Derived, derive
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import read_source, resolve

_TOLD_OTHERWISE = "unused-value"  # the import says which values are in no Secret yet


def recipe(file: str, read: Read, texts: Mapping[str, bytes]) -> Recipe:
    """The leaf, merged as it will be once these texts are written."""

    def reading(name: str) -> bytes:
        return texts[name] if name in texts else read(name)

    (resolved,) = resolve(read_source(file, reading), reading)
    return parse(resolved)


def rederived(now: Recipe, values: Values, given: Values, previous: Values) -> Values:
    """Today's values with others among them: what is derived from these follows."""
    kept = {name: each for name, each in values.items() if now.values[name].origin != "derived"}
    return derive(now, {**kept, **given}, previous).values


def findings(
    will_be: Recipe, derived: Derived, places: Mapping[str, str], before: Sequence[Finding]
) -> tuple[Finding, ...]:
    """What `validate` will find and does not find today, as warnings: a value that is in use has
    to get in as it is."""
    values = {
        name: _as_stored(each) for name, each in derived.values.items() if name in will_be.values
    }
    found = [*derived.findings, *validate.validate(will_be, values, places)]
    known = {(each.code, each.field) for each in before}
    return tuple(dict.fromkeys(_demoted(found, known)))


def _as_stored(value: Sensitive) -> Sensitive:
    """Text comes back from a component as text, though a manifest gave it as bytes."""
    text = value.text()
    return value if text is None else Sensitive(text)


def _demoted(
    found: Sequence[Finding], known: Collection[tuple[str, str | None]]
) -> Iterator[Finding]:
    for each in found:
        if each.code == _TOLD_OTHERWISE or (each.code, each.field) in known:
            continue
        if each.severity == "error":
            message = (
                f"{each.message}; imported all the same, and an error for validate ({each.code})"
            )
            yield each._replace(code="imported-unsound", message=message)
        else:
            yield each
