"""The recipes of a repository, and which environment's is meant: for commands that change files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith import checkout, settings
from sopsmith.components import placement
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Read, Recipe, Sealed
from sopsmith.pipeline import render
from sopsmith.recipes import listing, overlay
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import (
    SUFFIXES,
    Resolved,
    Source,
    holds_recipe,
    read_source,
    resolve,
)
from sopsmith.recipes.template import reached
from sopsmith.tools import files, git, sops


class Leaf(NamedTuple):
    """One environment's recipe, and the repository in which its files can be changed."""

    root: str  # absolute
    env: Mapping[str, str]
    resolved: Resolved
    recipe: Recipe

    @property
    def read(self) -> Read:
        """Reads a file below the root."""
        return files.reader(self.root)

    @property
    def git(self) -> git.Repository:
        """The repository, for git."""
        return git.Repository(self.root, self.env)


def leaf(where: str | None, env: Mapping[str, str], names: Sequence[str] = ()) -> Leaf:
    """The one leaf that is meant: by a path, by an environment's name, or by being the only one.

    Without a word it is the recipe of the current folder, else the only one of the repository, or
    the only one that declares all of `names`.
    Raises SopsmithError (usage) where none or several could be meant, and what the recipes raise.
    """
    root, found = _looked_up(where, env)
    is_path = where is not None and _is_path(where)
    meant = [each for each in found if is_path or where in (None, each.spec.get("environment"))]
    if len(meant) > 1:
        declaring = [each for each in meant if set(names) <= set(each.spec.get("values", {}))]
        meant = declaring if names and declaring else meant
    if len(meant) != 1:
        raise SopsmithError(_not_one(meant or found, is_known=bool(meant)))
    return Leaf(root, env, meant[0], parse(meant[0]))


def root_of(where: str | None, env: Mapping[str, str]) -> str:
    """The root below which `leaf` looks; raises SopsmithError (path-refused)."""
    if where is None or not _is_path(where):
        return files.find_root(".", env)
    return files.find_root(where if os.path.isdir(where) else os.path.dirname(where) or ".", env)


def _looked_up(where: str | None, env: Mapping[str, str]) -> tuple[str, Sequence[Resolved]]:
    """The root, and every leaf that could be meant."""
    if (where is not None and _is_path(where)) or (where is None and checkout.is_overlay(".")):
        here = checkout.at(where or ".", env)
        return here.root, checkout.resolved(here)
    root = files.find_root(".", env)
    return root, leaves(root, env)


def _is_path(where: str) -> bool:
    return os.path.isfile(where) or checkout.is_overlay(where)


def meant(path: str | None, where: str | None, env: Mapping[str, str]) -> checkout.Checkout:
    """The recipes at a path, or the one of an environment as `leaf` finds it.

    Raises SopsmithError (usage) for both, and what `leaf` and `checkout.at` raise.
    """
    if path is not None and where is not None:
        message = "a path and --environment both say what is meant"
        raise SopsmithError(Finding("usage", message, hint="give one of the two"))
    if path is not None and "/" not in path and not os.path.exists(path):
        hint = f"a path is meant; an environment goes by its name with -e {path}"
        raise SopsmithError(Finding("file-unreadable", "does not exist", path, hint=hint))
    place = path or where or "."
    if path is not None or _is_path(place):
        return checkout.at(place, env)
    one = leaf(where, env)
    return checkout.at(os.path.join(one.root, one.resolved.file), env)


def every_leaf(env: Mapping[str, str]) -> tuple[Leaf, ...]:
    """Every leaf of the repository around the current folder, checked."""
    root = files.find_root(".", env)
    found = leaves(root, env)
    if not found:
        raise SopsmithError(_not_one((), is_known=False))
    return tuple(Leaf(root, env, each, parse(each)) for each in found)


@contextlib.contextmanager
def one_at_a_time(leaves: Sequence[Leaf], command: str) -> Iterator[None]:
    """A command on several environments, of which somebody may have only one's key: say whose is
    missing, and how the others go without it."""
    try:
        yield
    except SopsmithError as error:
        closed = {
            leaf.recipe.environment: each.file
            for each in error.findings
            for leaf in leaves
            if each.code == "no-key" and each.file in {c.file for c in leaf.recipe.components}
        }
        others = dict.fromkeys(leaf.recipe.environment for leaf in leaves)
        ways = " or ".join(f"{command} -e {name}" for name in others if name not in closed)
        raise SopsmithError(
            _closed(each, [name for name, file in closed.items() if file == each.file], ways)
            for each in error.findings
        ) from None


def _closed(finding: Finding, environments: Sequence[str], ways: str) -> Finding:
    if not environments:
        return finding
    hint = "; ".join(filter(None, (ways and f"{ways} does without", finding.hint)))
    return finding._replace(environment=", ".join(environments), hint=hint)


def uncommitted(leaf: Leaf) -> tuple[str, ...]:
    """The files that the leaf is made of and git's last commit does not hold as they are; none
    where there is no git."""
    return git.changed(leaf.git, files_of(leaf)) if git.is_checkout(leaf.git) else ()


def files_of(leaf: Leaf) -> list[str]:
    """The files that the leaf is made of."""
    recipes = {leaf.resolved.file, *leaf.resolved.origins.values()}
    components = (each.file for each in leaf.recipe.components)
    return sorted({*map(overlay.file_of, recipes), *components})


def sealed_components(leaf: Leaf) -> tuple[Sealed, ...]:
    """The leaf's components, checked without a key."""
    trust = settings.read(leaf.env).trust
    return tuple(render.sealed([leaf.recipe], leaf.read, trust).values())


def existing(leaf: Leaf) -> Leaf:
    """The leaf without the components whose files are not there yet."""
    there = (each for each in leaf.recipe.components if not _is_absent(leaf, each))
    return leaf._replace(recipe=leaf.recipe._replace(components=tuple(there)))


def receiving_components(leaf: Leaf) -> tuple[Sealed, ...]:
    """The components that values can be put into, with those whose files are not there yet."""
    lacking = (each for each in leaf.recipe.components if _is_absent(leaf, each))
    return (*sealed_components(existing(leaf)), *map(placement.absent, lacking))


def _is_absent(leaf: Leaf, component: Component) -> bool:
    return not os.path.lexists(os.path.join(leaf.root, component.file))


def reread(leaf: Leaf, read: Read | None = None) -> Leaf:
    """The leaf as its files say now, or as `read` shows them."""
    file, read = leaf.resolved.file, read or leaf.read
    if not os.path.isfile(os.path.join(leaf.root, file)):
        return leaf  # it stands in a kustomization, which is never changed
    for resolved in resolve(read_source(file, read), read):
        if resolved.file == file:
            return leaf._replace(resolved=resolved, recipe=parse(resolved))
    return leaf


def rendered(leaf: Leaf, read: Read | None = None) -> render.Rendered:
    """Run the five steps on the leaf, with its components as they are or as `read` shows them;
    findings about values are in the result."""
    chosen = settings.read(leaf.env)
    engine = sops.engine(leaf.env, chosen.trust.key_types, chosen.timeout)
    return render.render([leaf.recipe], read or leaf.read, engine, chosen.trust)[0]


def secrets_with(recipe: Recipe, names: Iterable[str]) -> list[str]:
    """The Secrets that change with these values, by themselves or by what is derived from them."""
    affected = reached(recipe.values, names)
    return [secret.name for secret in recipe.secrets if affected.intersection(secret.data.values())]


def leaves(root: str, env: Mapping[str, str]) -> tuple[Resolved, ...]:
    """Every leaf of the repository, merged; a broken recipe raises SopsmithError."""
    read = files.reader(root)
    return tuple(leaf for file in recipe_files(root, env) for leaf in _leaves_in(file, read))


def _leaves_in(file: str, read: Read) -> Iterator[Resolved]:
    """The leaves that stand in a file, which may be a kustomization."""
    for source in overlay.held(file, read):
        if is_leaf(source):
            yield from resolve(source, read)


def whole_leaves(names: Iterable[str], read: Read) -> tuple[list[Resolved], list[str]]:
    """The leaves in these files that are whole recipes, and the files that hold broken ones."""
    whole: list[Resolved] = []
    broken = []
    for file in names:
        try:
            found = list(_leaves_in(file, read))
            for each in found:
                parse(each)
            whole += found
        except SopsmithError:
            broken.append(file)
    return whole, broken


def recipe_files(root: str, env: Mapping[str, str]) -> Iterator[str]:
    """The files of the work tree that hold a SecretRecipe, relative to the root.

    By their text, or because a kustomization lists them under whatever name; a link that leads to
    one of these is not another.
    """
    read = files.reader(root)
    known = git.listed(git.Repository(root, env))
    found: set[str] = set()
    for file in known:
        path = os.path.join(root, file)
        is_plain = os.path.isfile(path) and not os.path.islink(path)
        if file.endswith(SUFFIXES) and is_plain and holds_recipe(read(file)):
            found.add(os.path.realpath(path))
            yield file
    for file in listing.recipes(listing.kustomizations(known), read):
        if os.path.realpath(os.path.join(root, file)) not in found:
            yield file


def is_leaf(source: Source) -> bool:
    """Whether a recipe states an environment."""
    spec = source.document.get("spec") if isinstance(source.document, dict) else None
    return isinstance(spec, dict) and spec.get("environment") is not None


def _not_one(leaves: Sequence[Resolved], *, is_known: bool) -> Finding:
    """None fits, or several do: name those that there are."""
    if not leaves:
        hint = "sopsmith init makes one"
        return Finding("usage", "no recipe of an environment is in this repository", hint=hint)
    shown = ", ".join(f"{each.spec.get('environment')} ({each.file})" for each in leaves[:20])
    message = "several recipes could be meant" if is_known else "no environment has that name"
    return Finding("usage", message, hint=f"say which with --environment: {shown}")
