"""What has to change in a sealed folder, so that it holds just what the recipes give."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from sopsmith import settings, writeback
from sopsmith.components import change
from sopsmith.components.change import Change
from sopsmith.components.rules import rule_for
from sopsmith.components.sealed import seal
from sopsmith.delivery import flux
from sopsmith.delivery.flux import SealedSecret
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Sealed, Sensitive
from sopsmith.pipeline.render import Rendered
from sopsmith.tools import files, replace
from sopsmith.writeback import Edit

State = Literal["new", "changed", "unchanged", "removed"]
_Wanted = Mapping[str, Sensitive] | Sensitive


class Standing(NamedTuple):
    """How one file stands to what the recipes give."""

    file: str  # relative to the root
    secret: str
    state: State
    keys: tuple[str, ...] = ()  # of the Secret: those that are new, other or gone


class Plan(NamedTuple):
    """A sealed folder beside what it should be."""

    standings: tuple[Standing, ...]
    edits: tuple[Edit, ...]
    deviations: tuple[Finding, ...]  # files that are not encrypted as their rule says


class Folder(NamedTuple):
    """A sealed folder: it is below a root, and nobody else writes into it."""

    root: str
    env: Mapping[str, str]
    path: str  # relative to the root

    def content(self, name: str) -> bytes | None:
        """A file of the folder; None where there is none."""
        return replace.content(self.root, posixpath.join(self.path, name))


def plan(folder: Folder, rendered: Sequence[Rendered], *, component: bool) -> Plan:
    """Compare the folder with what these recipes render to.

    Raises SopsmithError: usage (another's kustomization is there), looks-encrypted, and what
    reading and decrypting raise.
    """
    secrets = [flux.sealed(each, one.values) for one in rendered for each in one.recipe.secrets]
    before = folder.content(flux.KUSTOMIZATION)
    if before is not None and not flux.is_ours(before):
        message = "holds a kustomization.yaml that sopsmith seal did not write"
        hint = "give a folder of its own, and list it under resources of that one"
        raise SopsmithError(Finding("usage", message, folder.path, hint=hint))
    there, deviations = _there(folder, secrets)
    pairs = [
        _compared(folder, each.secret.name, name, wanted, there.get(name))
        for each in secrets
        for name, wanted in each.wanted.items()
    ]
    after = flux.kustomization(secrets, component=component, where=folder.path)
    file = posixpath.join(folder.path, flux.KUSTOMIZATION)
    state: State = "new" if before is None else "unchanged" if before == after else "changed"
    known = {name for each in secrets for name in each.wanted}
    gone = list(_left_over(folder, known)) if before is not None else []
    standings = [
        *(standing for standing, _ in pairs),
        Standing(file, "", state),
        *(Standing(each.file, _secret_of(each.file), "removed") for each in gone),
    ]
    edits: list[Edit] = [edit for _, edit in pairs if edit is not None]
    if before != after:
        edits.append(writeback.TextEdit(file, before, after))
    return Plan(tuple(standings), (*edits, *gone), tuple(deviations))


def _there(
    folder: Folder, secrets: Iterable[SealedSecret]
) -> tuple[dict[str, bytes], list[Finding]]:
    """The files that are there already, decrypted, and how they deviate from their rule."""
    trust = settings.read(folder.env).trust
    sealed: dict[str, Sealed] = {}
    deviations: list[Finding] = []
    for each in secrets:
        for name, wanted in each.wanted.items():
            data = folder.content(name)
            if data is not None:
                file = posixpath.join(folder.path, name)
                whole = "content" if isinstance(wanted, Sensitive) else None
                sealed[name] = seal(Component(file, whole, None), data, trust)
                deviations += _deviation(folder, sealed[name])
    plain = writeback.opened(folder.env, list(sealed.values()))
    return dict(zip(sealed, plain, strict=True)), deviations


def _deviation(folder: Folder, sealed: Sealed) -> Iterator[Finding]:
    file = sealed.component.file
    rules = writeback.rules_for(folder.root, file)
    rule = rule_for(rules, file)
    if rule is None:
        yield Finding("rule-missing", f"no rule of {rules.file} covers it", file)
        return
    actual, _ = change.policy_of(sealed.component, sealed.data)
    found = change.deviation(file, actual, change.policy_of_rule(rule))
    if found:
        yield found


def _compared(
    folder: Folder, secret: str, name: str, wanted: _Wanted, plain: bytes | None
) -> tuple[Standing, Edit | None]:
    file = posixpath.join(folder.path, name)
    if isinstance(wanted, Sensitive):
        key = posixpath.basename(name).removesuffix(".enc")
        if plain == wanted.data():
            return Standing(file, secret, "unchanged"), None
        state: State = "new" if plain is None else "changed"
        return Standing(file, secret, state, (key,)), writeback.WholeFile(file, wanted)
    if plain is None:
        return Standing(file, secret, "new", tuple(wanted)), writeback.NewComponent(file, wanted)
    keys = flux.differing_keys(plain, wanted)
    if not keys:
        return Standing(file, secret, "unchanged"), None
    changes = tuple(Change(key, wanted.get(key)) for key in keys)
    return Standing(file, secret, "changed", keys), writeback.ComponentEdit(file, changes)


def _left_over(folder: Folder, known: set[str]) -> Iterator[writeback.Removal]:
    """Files of Secrets, or keys, that the recipes do not give any more."""
    top = os.path.join(folder.root, folder.path)
    for below in sorted(os.listdir(top)):
        if not os.path.isdir(os.path.join(top, below)):
            continue
        for entry in sorted(os.listdir(os.path.join(top, below))):
            name = f"{below}/{entry}"
            if name not in known and (entry == flux.LINES or entry.endswith(".enc")):
                file = posixpath.join(folder.path, name)
                yield writeback.Removal(file, files.reader(folder.root)(file))


def _secret_of(file: str) -> str:
    return posixpath.basename(posixpath.dirname(file)).rpartition("_")[2]
