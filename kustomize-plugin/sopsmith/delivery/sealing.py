"""What has to change in a sealed folder, so that it holds just what the recipes give."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from sopsmith import settings, writeback
from sopsmith.components import change
from sopsmith.components.change import Change, Policy
from sopsmith.components.rules import Rules, rule_for
from sopsmith.components.sealed import seal
from sopsmith.components.selection import Selection, encrypts
from sopsmith.delivery import flux, kustomization, ruling
from sopsmith.delivery.flux import Content, Guard, SealedSecret
from sopsmith.delivery.folders import Folder
from sopsmith.delivery.kustomization import KUSTOMIZATION, Statement
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Sealed, Secret, Sensitive
from sopsmith.pipeline.render import Rendered
from sopsmith.recipes.overlay import KUSTOMIZATIONS
from sopsmith.tools import files
from sopsmith.writeback import Edit

State = Literal["new", "changed", "unchanged", "removed"]


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
    deviations: tuple[Finding, ...]  # files that no rule covers, or not encrypted as theirs says
    is_component: bool

    @property
    def is_behind(self) -> bool:
        """Whether anything is not as the recipes give it."""
        return any(each.state != "unchanged" for each in self.standings)


class _Piece(NamedTuple):
    """One encrypted file of the folder: its name there, and what it has to hold."""

    name: str
    secret: str
    content: Content


def plan(folder: Folder, rendered: Sequence[Rendered], *, component: bool | None) -> Plan:
    """Compare the folder with what these recipes render to.

    Without `component` its kind stays what it is. Raises SopsmithError: usage (somebody else's
    files are there), wrong-environment, looks-encrypted, and what reading and decrypting raise.
    """
    recipes = [one.recipe for one in rendered]
    identity = kustomization.identity(recipes)
    before = folder.content(KUSTOMIZATION)
    stated = _stated(folder, before, identity)
    rules = writeback.rules_for(folder.root, folder.file(KUSTOMIZATION))
    secrets = _laid_out(folder, rendered, rules)
    pieces = _pieces(secrets)
    known = {each.name for each in pieces}
    if stated is None:
        _check_only(folder, {name for name in folder.names() if name not in known})
    there, deviations = _there(folder, pieces, rules)
    uncovered = [each for each in pieces if rule_for(rules, folder.file(each.name)) is None]
    if uncovered:
        file = folder.file(uncovered[0].name)
        deviations = [ruling.missing(rules, folder.path, file, _readers(folder, rendered))]
    pairs = [_compared(folder, each, there.get(each.name)) for each in pieces]
    if stated is None:
        changed = {s.file for s, _ in pairs if s.state == "changed"}
        _check_only(folder, {posixpath.relpath(file, folder.path) for file in changed})
    is_component = component if component is not None else bool(stated and stated.is_component)
    after = kustomization.written(secrets, identity, component=is_component, where=folder.path)
    file = folder.file(KUSTOMIZATION)
    state: State = "new" if before is None else "unchanged" if before == after else "changed"
    gone = list(_left_over(folder, stated.files if stated else (), known))
    standings = [
        *(standing for standing, _ in pairs),
        Standing(file, "", state),
        *(Standing(each.file, _secret_of(each.file), "removed") for each in gone),
    ]
    # The kustomization is last: until all is as it says, the one before names what is to go.
    edits: list[Edit] = [*(edit for _, edit in pairs if edit is not None), *gone]
    if before != after:
        edits.append(writeback.TextEdit(file, before, after))
    return Plan(tuple(standings), tuple(edits), tuple(deviations), is_component)


# --- whose folder it is ---------------------------------------------------------------------------


def _stated(
    folder: Folder, before: bytes | None, identity: kustomization.Identity
) -> Statement | None:
    if before is None:
        return None
    stated = kustomization.stated(before, folder.file(KUSTOMIZATION))
    if others := [n for n in KUSTOMIZATIONS if n != KUSTOMIZATION and folder.is_plain(n)]:
        message = f"holds {others[0]} as well, and kustomize takes no two"
        raise SopsmithError(Finding("usage", message, folder.path, hint="remove it"))
    if stated is None:
        message = "holds a kustomization.yaml that sopsmith seal did not write"
        hint = "give a folder of its own, and list it under resources of that one"
        raise SopsmithError(Finding("usage", message, folder.path, hint=hint))
    if all(stated.identity) and stated.identity != identity:
        message = f"holds Secrets of {stated.identity}, and these are of {identity}"
        hint = "give a folder of its own; where it is to be another's, remove the folder first"
        raise SopsmithError(Finding("wrong-environment", message, folder.path, hint=hint))
    return stated


def _check_only(folder: Folder, others: set[str]) -> None:
    """Refuse a folder that `seal` did not begin: what it finds there may be all that there is."""
    if others:
        message = f"holds files that sopsmith seal did not write: {', '.join(sorted(others)[:3])}"
        hint = "give a folder that is empty or not there yet"
        raise SopsmithError(Finding("usage", message, folder.path, hint=hint))


# --- what it holds and should hold ----------------------------------------------------------------


def _laid_out(folder: Folder, rendered: Sequence[Rendered], rules: Rules) -> list[SealedSecret]:
    def laid_out(secret: Secret, one: Rendered) -> SealedSecret:
        rule = rule_for(rules, folder.file(f"{flux.folder_of(secret)}/{flux.LINES}"))
        # sops keeps whole files by its default alone, so another choice is not evaded by a file.
        is_default = rule is None or rule.selection == Selection()
        return flux.sealed(
            secret, one.values, lambda key: not is_default or encrypts(Selection(), (key,))
        )

    return [laid_out(secret, one) for one in rendered for secret in one.recipe.secrets]


def _pieces(secrets: Sequence[SealedSecret]) -> list[_Piece]:
    found = [
        _Piece(name, each.secret.name, content)
        for each in secrets
        for name, content in each.wanted.items()
    ]
    return [*found, _Piece(flux.GUARD, "", flux.guard(secrets[0].secret))]


def _there(
    folder: Folder, pieces: Sequence[_Piece], rules: Rules
) -> tuple[dict[str, bytes], list[Finding]]:
    """The files that are there already, decrypted, and how they deviate from their rule."""
    trust = settings.read(folder.env).trust
    sealed: dict[str, Sealed] = {}
    deviations: list[Finding] = []
    for each in pieces:
        data = folder.content(each.name)
        if data is not None:
            whole = "content" if isinstance(each.content, Sensitive) else None
            component = Component(folder.file(each.name), whole, None)
            if each.name.endswith(flux.LINES) and re.search(rb"^#", data, re.MULTILINE):
                message = "holds a comment, which Flux would hand on to what reads it"
                raise SopsmithError(Finding("tampered", message, component.file))
            sealed[each.name] = seal(component, data, trust)
            deviations += _deviation(sealed[each.name], rules)
    plain = writeback.opened(folder.env, list(sealed.values()))
    return dict(zip(sealed, plain, strict=True)), deviations


def _deviation(sealed: Sealed, rules: Rules) -> Iterator[Finding]:
    file = sealed.component.file
    rule = rule_for(rules, file)
    actual, _ = change.policy_of(sealed.component, sealed.data)
    found = change.deviation(file, actual, change.policy_of_rule(rule)) if rule else None
    if found:
        yield found


def _readers(folder: Folder, rendered: Sequence[Rendered]) -> list[Policy]:
    """Who reads the components that the values come from."""
    read = files.reader(folder.root)
    components = dict.fromkeys(each for one in rendered for each in one.recipe.components)
    return [change.policy_of(each, read(each.file))[0] for each in components]


def _compared(folder: Folder, piece: _Piece, plain: bytes | None) -> tuple[Standing, Edit | None]:
    file, content = folder.file(piece.name), piece.content
    keys, edit = _difference(file, content, plain)
    state: State = "unchanged" if edit is None else "new" if plain is None else "changed"
    return Standing(file, piece.secret, state, keys), edit


def _difference(
    file: str, content: Content, plain: bytes | None
) -> tuple[tuple[str, ...], Edit | None]:
    """The keys that are not as they should be, and what changes that."""
    if isinstance(content, Guard):
        meant = {path: value.text() for path, value in content.leaves.items()}
        if plain is not None and change.leaves(plain, file) == meant:
            return (), None
        return (), writeback.Document(file, content.leaves)
    if isinstance(content, Sensitive):
        if plain == content.data():
            return (), None
        key = posixpath.basename(file).removesuffix(".enc")
        return (key,), writeback.WholeFile(file, content)
    if plain is None:
        return tuple(content), writeback.NewComponent(file, content)
    return _changed_lines(file, content, plain)


def _changed_lines(
    file: str, content: Mapping[str, Sensitive], plain: bytes
) -> tuple[tuple[str, ...], Edit | None]:
    keys = flux.differing_keys(plain, content)
    changes = tuple(Change(key, content.get(key)) for key in keys)
    return keys, writeback.ComponentEdit(file, changes) if keys else None


def _left_over(
    folder: Folder, named: Sequence[str], known: set[str]
) -> Iterator[writeback.Removal]:
    """Files that only the kustomization as it is names: of Secrets, or keys, that are no more."""
    for name in named:
        content = folder.content(name) if name not in known and folder.is_plain(name) else None
        if content is not None:
            yield writeback.Removal(folder.file(name), content)


def _secret_of(file: str) -> str:
    return posixpath.basename(posixpath.dirname(file)).rpartition("_")[2]
