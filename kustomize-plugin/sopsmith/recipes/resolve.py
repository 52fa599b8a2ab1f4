"""Recipe files → one merged spec that remembers which file each field came from. Pure.

`extends` is followed depth first, left to right, each file once; specs merge by RFC 7386 with two
additions: `components` are joined, and a value has one origin.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Read
from sopsmith.recipes import schema, shape
from sopsmith.text import document

ORIGINS = ("default", "generate", "derive")
Path = tuple[str, ...]
MOST_BYTES = 1024 * 1024  # of one recipe
MOST_FINDINGS = 100  # of one file
DEEPEST = 32  # files that extend each other
# Of the names of files that can hold a recipe: it may stand in a kustomization.
SUFFIXES = (".yaml", ".yml", ".json", "Kustomization")
# However YAML and JSON may write it: on one line, behind a byte order mark, quoted, far apart. What
# stands before is looked at from behind: to try at every brace would cost the square of the text.
_KIND = re.compile(rb"[\"']?kind[\"']?[ \t]*:\s*[\"']?%s\b" % schema.KIND.encode())
_BLANK, _OPENING = b" \t{", b"\n{,"
_BOM = b"\xef\xbb\xbf"


class Source(NamedTuple):
    """One recipe file, read."""

    file: str  # relative to the root, for messages
    folder: str  # relative to the root; relative paths of the file start here
    document: Any


class Resolved(NamedTuple):
    """A leaf's merged spec. `origins` maps the path of every field to the file that set it."""

    file: str
    spec: Mapping[str, Any]
    origins: Mapping[Path, str]

    def where(self, *path: str) -> tuple[str, str]:
        """The file that set a field, and the field's name for a message."""
        return self.origins.get(path, self.file), ".".join(("spec", *path))


def holds_recipe(data: bytes) -> bool:
    """Whether a file's text reads like a SecretRecipe, or holds one."""
    return any(_starts_a_field(data, match.start()) for match in _KIND.finditer(data))


def _starts_a_field(data: bytes, at: int) -> bool:
    """Whether a line or a map begins there, in flow style or behind blanks."""
    start = at
    while start > 0 and data[start - 1] in _BLANK:
        start -= 1
    is_first = start == 0 or (start == len(_BOM) and data.startswith(_BOM))
    return is_first or data[start - 1] in _OPENING or b"{" in data[start:at]


def read_source(file: str, read: Read) -> Source:
    """Read and parse one recipe file; broken text raises SopsmithError (recipe-syntax)."""
    return Source(file, posixpath.dirname(file), parsed(read(file), file))


def parsed(data: bytes, file: str, parse: Callable[[bytes], Any] = document.parse) -> Any:
    """A file's text as plain data; broken text raises SopsmithError (recipe-syntax)."""
    try:
        if len(data) > MOST_BYTES:
            raise document.DocumentError("is over 1 MiB")
        return parse(data)
    except document.DocumentError as error:
        raise SopsmithError(Finding("recipe-syntax", str(error), file)) from None


def resolve(source: Source, read: Read) -> tuple[Resolved, ...]:
    """Every leaf that this recipe stands for: itself, or those that its `recipes` lists."""
    _check(source)
    listed = source.document["spec"].get("recipes")
    if listed is None:
        return (_merge_leaf(source, read),)
    if not listed:
        raise SopsmithError(Finding("recipe-empty", "no recipe is listed", source.file))
    leaves: list[Resolved] = []
    findings: list[Finding] = []
    for path in listed:
        try:
            leaves.append(_listed_leaf(source, path, read))
        except SopsmithError as error:
            findings += error.findings
    if findings:
        raise SopsmithError(findings)
    return tuple(leaves)


def _listed_leaf(source: Source, path: str, read: Read) -> Resolved:
    leaf = read_source(join(source, path), read)
    _check(leaf)
    if leaf.document["spec"].get("recipes") is not None:
        message = f"lists {leaf.file}, which lists recipes itself"
        raise SopsmithError(Finding("recipe-extends", message, source.file, "spec.recipes"))
    return _merge_leaf(leaf, read)


def join(source: Source, path: str) -> str:
    """A path that stands in a recipe, relative to the root; refused where it leaves the root."""
    joined = posixpath.normpath(posixpath.join(source.folder, path))
    if path.startswith("/") or joined == ".." or joined.startswith("../"):
        trouble = "is absolute" if path.startswith("/") else "leaves the root"
        hint = "paths are relative to the recipe that names them, and stay below the root"
        raise SopsmithError(Finding("path-refused", f"{path} {trouble}", source.file, hint=hint))
    return joined


def _check(source: Source) -> None:
    findings = _misshapen(source)
    if findings:
        raise SopsmithError(findings)


def _misshapen(source: Source) -> list[Finding]:
    return [
        Finding(problem.code, problem.message, source.file, problem.path or None, problem.hint)
        for problem in islice(schema.check(source.document), MOST_FINDINGS)
    ]


def _merge_leaf(leaf: Source, read: Read) -> Resolved:
    spec: dict[str, Any] = {}
    origins: dict[Path, str] = {}
    findings: list[Finding] = []
    for base in _bases(leaf, read):
        findings += _base_problems(base, spec)
        _merge_file(spec, origins, base)
    findings += _leaf_problems(leaf, spec)
    if findings:
        raise SopsmithError(findings)
    _merge_file(spec, origins, leaf)
    return Resolved(leaf.file, spec, origins)


def _bases(leaf: Source, read: Read) -> list[Source]:
    """What the leaf extends, in merge order; what is wrong with any of them is said at once."""
    order: list[Source] = []
    seen: set[str] = set()
    findings: list[Finding] = []

    def visit(source: Source, trail: tuple[str, ...]) -> None:
        extends = source.document["spec"].get("extends") or []
        for path in [extends] if isinstance(extends, str) else extends:
            file = join(source, path)
            if file in trail or len(trail) > DEEPEST:
                message = f"more than {DEEPEST} files extend each other"
                if file in trail:
                    circle = " → ".join((*trail[trail.index(file) :], file))
                    message = f"extends runs in a circle: {circle}"
                raise SopsmithError(Finding("recipe-extends", message, source.file, "spec.extends"))
            if file not in seen:
                seen.add(file)
                base = read_source(file, read)
                problems = _misshapen(base)
                findings.extend(problems)
                if not problems:
                    visit(base, (*trail, file))
                    order.append(base)

    visit(leaf, (leaf.file,))
    if findings:
        raise SopsmithError(findings)
    return order


def _base_problems(base: Source, merged: Mapping[str, Any]) -> Iterator[Finding]:
    """A base has no environment and none of the fields that live in a leaf."""
    spec = base.document["spec"]
    if spec.get("environment") is not None:
        message = "has an environment, so it is a leaf; only bases can be extended"
        yield Finding("recipe-extends", message, base.file, "spec.environment")
    if spec.get("recipes") is not None:
        message = "lists recipes; only bases can be extended"
        yield Finding("recipe-extends", message, base.file, "spec.recipes")
    if spec.get("seeds") is not None:
        message = "belongs in the leaf: each environment has its own seeds"
        yield Finding("recipe-field", message, base.file, "spec.seeds")
    for name, value in (spec.get("values") or {}).items():
        for field in schema.LEAF_ONLY:
            if value is not None and value.get(field) is not None:
                message = "belongs in the leaf: each environment rotates by itself"
                yield Finding("recipe-field", message, base.file, f"spec.values.{name}.{field}")
    yield from _app_conflict(base, merged)


def _leaf_problems(leaf: Source, merged: Mapping[str, Any]) -> Iterator[Finding]:
    """What a leaf says of a value has to reach a value that exists."""
    spec = leaf.document["spec"]
    inherited = merged.get("values", {})
    for name, value in (spec.get("values") or {}).items() if spec.get("extends") else ():
        if value and name not in inherited and not _names_origin(value):
            close = shape.nearest(name, inherited)
            declare = "declare it in a base, or say here that it is given: generate: null"
            hint = f"did you mean {close}?" if close else declare
            message = "sets fields of a value that is not inherited and gives it no origin"
            yield Finding("recipe-origin", message, leaf.file, f"spec.values.{name}", hint)
    yield from _app_conflict(leaf, merged)


def _names_origin(value: Mapping[str, Any]) -> bool:
    """Whether it says where the value comes from; `generate: null` says that it is given."""
    return "generate" in value or any(value.get(origin) is not None for origin in ORIGINS)


def _app_conflict(source: Source, merged: Mapping[str, Any]) -> Iterator[Finding]:
    mine, theirs = source.document["spec"].get("app"), merged.get("app")
    if mine is not None and theirs is not None and mine != theirs:
        message = f"is {mine} here and {theirs} in what is extended"
        yield Finding("recipe-extends", message, source.file, "spec.app")


def _merge_file(spec: dict[str, Any], origins: dict[Path, str], source: Source) -> None:
    patch = dict(source.document["spec"])
    patch.pop("extends", None)
    components = patch.pop("components", ())
    if patch.get("values"):
        patch["values"] = dict(patch["values"])
        for name, value in patch["values"].items():
            if value is not None:
                inherited = spec.get("values", {}).get(name, {})
                replaced, patch["values"][name] = _one_origin(inherited, value)
                for field in replaced:
                    _forget(origins, ("values", name, field), inherited.pop(field))
    _merge(spec, patch, (), source.file, origins)
    if components is None:
        spec.pop("components", None)
    elif components:
        located = [_locate(source, component) for component in components]
        spec["components"] = [*spec.get("components", ()), *located]
        origins[("components",)] = source.file


def _one_origin(
    inherited: Mapping[str, Any], patch: Mapping[str, Any]
) -> tuple[list[str], dict[str, Any]]:
    """The inherited fields that a patch of one value replaces, and the patch that remains.

    Naming an origin drops the inherited others, naming another kind drops the inherited kind, and
    `generate: null` drops what belongs to a generated value.
    """
    named = [origin for origin in ORIGINS if patch.get(origin) is not None]
    given = "generate" in patch and patch["generate"] is None
    replaced = {origin for origin in ORIGINS if (named or given) and origin not in named}
    if replaced and "generate" not in named:
        replaced.add("stored")
    for origin in ("generate", "derive"):
        if origin in named and set(inherited.get(origin, ())) != set(patch[origin]):
            replaced.add(origin)
    gone = ("version", "seed", "slot", "previous") if given else ()
    return (
        [field for field in inherited if field in replaced],
        {field: value for field, value in patch.items() if field not in gone},
    )


def _forget(origins: dict[Path, str], path: Path, node: Any) -> None:
    """Drop what is known of a field and of all below it."""
    origins.pop(path, None)
    for key, child in node.items() if isinstance(node, dict) else ():
        _forget(origins, (*path, key), child)


def _locate(source: Source, component: Any) -> dict[str, Any]:
    entry = {"path": component} if isinstance(component, str) else dict(component)
    return {**entry, "path": join(source, entry["path"]), "file": source.file}


def _merge(
    target: dict[str, Any],
    patch: Mapping[str, Any],
    path: Path,
    file: str,
    origins: dict[Path, str],
) -> None:
    """RFC 7386: maps merge, null deletes, anything else replaces."""
    for key, value in patch.items():
        here, old = (*path, key), target.get(key)
        if isinstance(old, dict) and not isinstance(value, dict):
            _forget(origins, here, old)
        if isinstance(value, dict):
            if not isinstance(old, dict):
                target[key] = {}
                origins[here] = file
            _merge(target[key], value, here, file, origins)
        elif value is None:
            target.pop(key, None)
            origins.pop(here, None)
        else:
            target[key] = value
            origins[here] = file
