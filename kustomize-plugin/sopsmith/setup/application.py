"""The files of an application in a repository: which are there, and the edits that make the others.

Nothing that is there is replaced. A list gets the entry that it lacks, a recipe the check of a
seed; what can't be done so is said.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from sopsmith import settings, writeback
from sopsmith.components.rules import rule_for
from sopsmith.components.sealed import ENVIRONMENT, SEED, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Read, Recipe, Sensitive
from sopsmith.recipes.recipe import parse
from sopsmith.recipes.resolve import Resolved, read_source, resolve
from sopsmith.setup import scaffold
from sopsmith.setup.scaffold import ATTRIBUTES, HOOKS, IGNORE, RULES, Application, Reader
from sopsmith.text import layout
from sopsmith.tools import files
from sopsmith.writeback import Edit, NewComponent, TextEdit

_HEX = re.compile("[0-9a-f]{64}")


def standing(root: str) -> Application:
    """What the repository suggests: the application that is there, or one named like the folder."""
    bases = _names(root, "secrets", r"(.+)\.recipe\.yaml")
    folder = re.sub("[^a-z0-9]+", "-", os.path.basename(root).lower()).strip("-")
    name = bases[0] if len(bases) == 1 else folder
    there = dict.fromkeys(_ruled(root))  # written first: a stopped run knows by them what to make
    for each in _names(root, "overlays", "(.+)") + _names(root, "secrets", "(.+)"):
        if exists(root, _overlay(each)[0]) or exists(root, f"secrets/{each}/{name}.enc.yaml"):
            there.setdefault(each)
    return Application(name, tuple(there) or ("dev", "production"), scaffold.DATABASES[0])


def _ruled(root: str) -> list[str]:
    """The environments of the rules that we wrote."""
    text = files.reader(root)(RULES) if exists(root, RULES) else b""
    found: list[bytes] = re.findall(rb"\^secrets/([a-z][-a-z0-9]*)/\.\*\\+\.enc\(", text)
    return [each.decode() for each in found]


def _names(root: str, folder: str, pattern: str) -> list[str]:
    path = os.path.join(root, folder)
    found = os.listdir(path) if os.path.isdir(path) else []
    return sorted(match[1] for each in found if (match := re.fullmatch(pattern, each)))


def exists(root: str, file: str) -> bool:
    """Whether something has that path."""
    return os.path.lexists(os.path.join(root, file))


def paths(app: Application) -> Iterator[str]:
    """Every file of an application, in the order in which they are made."""
    yield from (RULES, IGNORE, ATTRIBUTES, HOOKS, app.base)
    for environment in app.environments:
        yield app.component(environment)
        yield from _overlay(environment)


def _overlay(environment: str) -> tuple[str, str, str]:
    folder = scaffold.overlay(environment)
    return (f"{folder}/recipe.yaml", f"{folder}/kustomization.yaml", f"{folder}/guard.yaml")


# --- who reads what ---------------------------------------------------------------------------


def unruled(root: str, app: Application) -> tuple[str, ...]:
    """The environments whose component no creation rule covers yet.

    Raises SopsmithError (rule-missing) where a `.sops.yaml` below the root should.
    """
    return tuple(each for each in app.environments if not _is_covered(root, app.component(each)))


def _is_covered(root: str, file: str) -> bool:
    try:
        rules = writeback.rules_for(root, file)
    except SopsmithError as error:
        if error.findings[0].code != "rule-missing":
            raise
        return False
    if rule_for(rules, file) is None and rules.folder:
        hint = "add a rule with a path_regex that matches it"
        message = f"no rule of {rules.file} covers it"
        raise SopsmithError(Finding("rule-missing", message, file, hint=hint))
    return rule_for(rules, file) is not None


def rules_edit(root: str, readers: Mapping[str, Sequence[Reader]]) -> TextEdit:
    """A `.sops.yaml`, or a rule for each of these environments behind those that are there.

    Raises SopsmithError (rule-missing) with the rule where it can't be put in by itself.
    """
    if not exists(root, RULES):
        return TextEdit(RULES, None, scaffold.rules(readers).encode())
    before = files.reader(root)(RULES)
    after = before.decode()
    for environment, each in readers.items():
        rule = scaffold.creation_rule(environment, each)
        try:
            after = layout.append_item(after, ("creation_rules",), rule)
        except SopsmithError:
            hint = f"add under creation_rules: - {json.dumps(rule)}"
            message = f"no rule covers {environment}, and none can be added by itself"
            raise SopsmithError(Finding("rule-missing", message, RULES, hint=hint)) from None
    return TextEdit(RULES, before, after.encode())


# --- everything else --------------------------------------------------------------------------


def edits(root: str, env: Mapping[str, str], app: Application, fresh: Sequence[Sensitive],
          day: str) -> list[Edit]:  # fmt: skip
    """What makes the missing files; `fresh` has a new seed for each environment.

    A component comes before the recipe that knows its seed: stopped between the two, the next run
    reads the seed where it is. Raises SopsmithError: seed-refused (a seed is lost), no-key, and
    what broken recipes raise.
    """
    found: list[Edit] = [*_shared(root)]
    planned: dict[str, bytes] = {}
    if not exists(root, app.base):
        planned[app.base] = scaffold.base(app).encode()
        found.append(TextEdit(app.base, None, planned[app.base]))
    for environment, seed in zip(app.environments, fresh, strict=True):
        found += _environment(root, env, app, environment, seed, planned, day)
    return found


def _shared(root: str) -> Iterator[TextEdit]:
    for file, lines in ((IGNORE, scaffold.IGNORED), (ATTRIBUTES, scaffold.ATTRIBUTED)):
        before = files.reader(root)(file) if exists(root, file) else None
        after = scaffold.with_lines((before or b"").decode("utf-8", "surrogateescape"), lines)
        yield TextEdit(file, before, after.encode("utf-8", "surrogateescape"))
    yield _hooks(root)


def _hooks(root: str) -> TextEdit:
    """The configuration of pre-commit, with our hooks behind those that are there."""
    if not exists(root, HOOKS):
        return TextEdit(HOOKS, None, scaffold.HOOKS_TEXT.encode())
    before = after = files.reader(root)(HOOKS)
    if not has_hooks(root):
        with contextlib.suppress(SopsmithError, UnicodeDecodeError):  # then a warning says so
            item = scaffold.hooks_repo()
            after = layout.append_item(before.decode(), ("repos",), item).encode()
    return TextEdit(HOOKS, before, after)


def has_hooks(root: str) -> bool:
    """Whether the configuration of pre-commit names our check."""
    return exists(root, HOOKS) and b"sopsmith-check" in files.reader(root)(HOOKS)


def _environment(
    root: str, env: Mapping[str, str], app: Application, environment: str, fresh: Sensitive,
    planned: Mapping[str, bytes], day: str,
) -> Iterator[Edit]:  # fmt: skip
    """The component, the leaf that knows its seed, and the overlay around it."""
    file = app.component(environment)
    leaf, kustomization, guard = _overlay(environment)
    is_new = not exists(root, leaf)
    text = scaffold.leaf(app, environment, {}, {}) if is_new else ""
    reading = _with(files.reader(root), {**planned, **({leaf: text.encode()} if is_new else {})})
    recipe = _recipe(leaf, reading)
    if file not in [component.file for component in recipe.components]:
        hint = "one repository holds one application; name that one, or begin another repository"
        message = f"does not read {file}: it is another application's"
        raise SopsmithError(Finding("usage", message, leaf, hint=hint))
    if not exists(root, file):
        if recipe.seeds:
            hint = f"git log -- {file} shows who removed it; restore it from there"
            message = f"knows the seed in {file}, which is gone"
            raise SopsmithError(Finding("seed-refused", message, leaf, "spec.seeds", hint))
        stated = {ENVIRONMENT: Sensitive(environment), f"{SEED}1": fresh}
        yield NewComponent(file, stated)
    if not recipe.seeds:
        seeds = _seeds(root, env, file, environment) if exists(root, file) else {"1": fresh}
        checks = _checks(recipe, seeds)
        if is_new:
            dates = {name: day for name, value in recipe.values.items() if value.max_age}
            text = scaffold.leaf(app, environment, checks, dates)
            yield TextEdit(leaf, None, text.encode())
        elif checks:
            before = reading(leaf)
            after = layout.set_field(before.decode(), ("spec", "seeds"), checks)
            yield TextEdit(leaf, before, after.encode())
    secrets = sorted(secret.name for secret in recipe.secrets)
    for other, made in ((kustomization, scaffold.KUSTOMIZATION), (guard, scaffold.guard(secrets))):
        if not exists(root, other):
            yield TextEdit(other, None, made.encode())


def _with(read: Read, planned: Mapping[str, bytes]) -> Read:
    return lambda file: planned[file] if file in planned else read(file)


def _recipe(leaf: str, read: Read) -> Recipe:
    found: Sequence[Resolved] = resolve(read_source(leaf, read), read)
    if len(found) != 1:
        message = "lists several recipes; init knows one application at a time"
        raise SopsmithError(Finding("usage", message, leaf))
    return parse(found[0])


def _seeds(
    root: str, env: Mapping[str, str], file: str, environment: str
) -> Mapping[str, Sensitive]:
    """The seeds of a component that is there, read with the key."""
    from sopsmith.pipeline import decrypt

    sealed = seal(Component(file, None, None), files.reader(root)(file), settings.read(env).trust)
    (plain,) = writeback.opened(env, [sealed])
    content = decrypt.open_sealed(sealed, plain)
    if content.environment != (environment,):
        message = f"does not state that it is {environment}'s"
        raise SopsmithError(Finding("wrong-environment", message, file))
    return content.seeds


def _checks(recipe: Recipe, seeds: Mapping[str, Sensitive]) -> dict[str, str]:
    from sopsmith.pipeline.generate import check_value

    return {
        number: check_value(bytes.fromhex(text), recipe.app, recipe.environment, number)
        for number, seed in sorted(seeds.items())
        if (text := seed.text()) and _HEX.fullmatch(text)  # the render refuses what is no seed
    }
