"""What an import writes: names for what was read, and the recipe's text for them. Pure."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.imports.manifest import Manifest
from sopsmith.imports.suggest import Suggestion
from sopsmith.model import Sensitive
from sopsmith.recipes.resolve import ORIGINS
from sopsmith.recipes.schema import NAME
from sopsmith.text import notation
from sopsmith.text.notation import flow

ACCEPTED = {"none": (), "derived": ("derived",), "all": ("derived", "generated", "at rest")}
_TAKEN = re.compile(r"(app|environment)\Z|SOPSMITH_")


class Emitted(NamedTuple):
    """A Secret that the imported one becomes."""

    name: str
    type: str
    is_immutable: bool
    data: Mapping[str, str]  # Secret key: value name
    hashed: bool


class Imported(NamedTuple):
    """Everything that was read, under the names it has in the recipe."""

    values: Mapping[str, Sensitive]
    secrets: tuple[Emitted, ...]
    namespace: str | None
    notes: tuple[str, ...]  # about names, without a value


def gather(manifests: Sequence[Manifest], file: str, *, hashed: bool) -> Imported:
    """Give every entry a value's name: its key, or `SECRET.KEY` where that is taken.

    Entries of two Secrets with the same key and content are one value. Raises SopsmithError
    (import-source) for a key that no Secret can have, for two Secrets or values of one name, and
    for Secrets of several namespaces.
    """
    namespaces = {each.namespace for each in manifests}
    if len(namespaces) > 1:
        hint = "import one namespace after the other"
        message = "holds Secrets of several namespaces"
        raise SopsmithError(Finding("import-source", message, file, hint=hint))
    twice = [name for name, times in Counter(each.name for each in manifests).items() if times > 1]
    if twice:
        raise SopsmithError(Finding("import-source", "stands in it twice", file, twice[0]))
    wrong = [
        Finding("import-source", "a key is no name of A-Z a-z 0-9 - _ .", file, each.name)
        for each in manifests
        if not all(re.fullmatch(NAME, key) for key in each.entries)
    ]
    if wrong:
        raise SopsmithError(wrong)
    values: dict[str, Sensitive] = {}
    secrets, notes = [], []
    for each in manifests:
        data = {}
        for key, value in each.entries.items():
            name = key
            if _TAKEN.match(key) or (key in values and values[key].data() != value.data()):
                name = f"{each.name}.{key}"
                if name in values and values[name].data() != value.data():
                    message = f"is also the name that {key} of {each.name} needs"
                    raise SopsmithError(Finding("import-source", message, file, name))
                notes.append(f"{key} of {each.name} is the value {name}: its own name is taken")
            values[name] = value
            data[key] = name
        secrets.append(Emitted(each.name, each.type, each.immutable, data, hashed))
    return Imported(values, tuple(secrets), next(iter(namespaces), None), tuple(notes))


def fields(suggestion: Suggestion, accept: str) -> Mapping[str, Any]:
    """What the recipe says of a value: as it is, or as it was suggested and accepted."""
    is_wanted = suggestion.what in ACCEPTED[accept] or suggestion.what == "given"
    return suggestion.fields if is_wanted else {}


def undeclared(suggestion: Suggestion) -> Suggestion:
    """The same for a leaf that extends others and inherits no such value: it names an origin.

    Fields of a value that is nowhere declared are a misspelt name there, so that what is given
    has to say so.
    """
    if not suggestion.fields or any(origin in suggestion.fields for origin in ORIGINS):
        return suggestion
    return suggestion._replace(fields={"generate": None, **suggestion.fields})


def whole_file(component: str, name: str) -> str:
    """The path of a file that is one value of bytes, beside a component."""
    return posixpath.join(posixpath.dirname(component), f"{name}.enc")


def relative(file: str, recipe: str) -> str:
    """A file's path as the recipe names it."""
    return posixpath.relpath(file, posixpath.dirname(recipe) or ".")


def new_leaf(
    app: str,
    environment: str,
    components: Sequence[str | Mapping[str, str]],
    values: Mapping[str, Mapping[str, Any]],
    secrets: Sequence[Emitted],
) -> str:
    """The text of a leaf that emits what was imported; paths are relative to it."""
    lines = [
        f"# {app} in {environment}: imported, every value as it was.",
        "apiVersion: sopsmith.dev/v1alpha1",
        "kind: SecretRecipe",
        "metadata:",
        f"  name: {flow(f'{app}-{environment}')}",
        "  annotations:",
        '    config.kubernetes.io/function: "exec: {path: sopsmith-krm}"',
        "spec:",
        f"  app: {flow(app)}",
        f"  environment: {flow(environment)}",
        "  components:",
        *(f"    - {flow(each)}" for each in components),
        "  values:",
        *(f"    {notation.field((name,), said)}" for name, said in values.items()),
        "  secrets:",
        *(line for secret in secrets for line in _secret_lines(secret)),
    ]
    return "\n".join(lines) + "\n"


def _secret_lines(secret: Emitted) -> list[str]:
    same = [key for key, name in secret.data.items() if key == name]
    others = {key: name for key, name in secret.data.items() if key != name}
    said = {
        "hash": None if secret.hashed else False,
        "type": None if secret.type == "Opaque" else secret.type,
        "immutable": True if secret.is_immutable else None,
    }
    lines = [f"    {notation.key(secret.name)}:"]
    lines += [f"      {field}: {flow(text)}" for field, text in said.items() if text is not None]
    if same or not others:
        lines += ["      keys:" + ("" if same else " []"), *(f"        - {flow(n)}" for n in same)]
    if others:
        lines += ["      data:", *(f"        {notation.field((k,), n)}" for k, n in others.items())]
    return lines
