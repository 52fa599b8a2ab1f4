"""The safe write-back: every change of a file goes through here, whole or not at all.

lock → read → check → change a copy in memory → verify it → replace. All files of one command are
prepared and verified before the first is replaced; where a replacement fails, those before it are
put back.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sopsmith import settings
from sopsmith.components import change
from sopsmith.components.change import Change, Step
from sopsmith.components.rules import Rule, Rules, governing, linked, parse_rules, rule_for
from sopsmith.components.sealed import Path, Trust, component_of, format_of, plain_length, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import MOST_BYTES, Component, Format, Read, Sealed, Sensitive
from sopsmith.repository import Leaf
from sopsmith.text import document
from sopsmith.tools import files, git, git_write, replace, sops, sops_write
from sopsmith.voice import Session

RULES = ".sops.yaml"


class ComponentEdit(NamedTuple):
    """Change keys of an encrypted map."""

    file: str  # relative to the root, as everywhere here
    changes: tuple[Change, ...]


class NewComponent(NamedTuple):
    """Make a new encrypted map."""

    file: str
    entries: Mapping[str, Sensitive]


class WholeFile(NamedTuple):
    """Make or replace an encrypted file that is one value."""

    file: str
    content: Sensitive
    is_new: bool = False  # nothing may stand there yet


class Document(NamedTuple):
    """Make or replace an encrypted document whose leaves stand at any depth."""

    file: str
    leaves: Mapping[Path, Sensitive]


class TextEdit(NamedTuple):
    """Change a plaintext file, such as a recipe; None before: it must not be there yet."""

    file: str
    before: bytes | None
    after: bytes


class Rekey(NamedTuple):
    """Encrypt a file to the recipients that its creation rule names now."""

    file: str
    rules: bytes  # text of the .sops.yaml that governs it, as it will be
    new_data_key: bool  # also encrypt all values under a new data key


class Removal(NamedTuple):
    """Remove a file that still is what it was."""

    file: str
    before: bytes


Edit = ComponentEdit | NewComponent | WholeFile | Document | TextEdit | Rekey | Removal


class Prepared(NamedTuple):
    """A file's text before and after; None where there is none."""

    file: str
    before: bytes | None
    after: bytes | None


class Desk(NamedTuple):
    """What the preparation of an edit works with."""

    root: str
    env: Mapping[str, str]
    read: Read
    trust: Trust
    timeout: float
    sops: Callable[[], sops_write.Writer]


class Draft(NamedTuple):
    """Changes that are prepared and verified, under the lock, with nothing written yet."""

    root: str
    changed: tuple[Prepared, ...]

    def read(self, file: str) -> bytes:
        """A file as it will be."""
        for each in self.changed:
            if each.file == file and each.after is not None:
                return each.after
            if each.file == file:
                raise SopsmithError(Finding("file-unreadable", "is to be removed", file))
        return files.reader(self.root)(file)

    def write(self) -> tuple[str, ...]:
        """Write all of them or none, and return the files that are others now."""
        _replace_all(self.root, self.changed)
        return tuple(each.file for each in self.changed)

    def undo(self) -> None:
        """Put back what was written; what somebody changed since stays theirs.

        Raises SopsmithError (partly-written).
        """
        stuck = [each.file for each in reversed(self.changed)
                 if not _put_back(self.root, each, each)]  # fmt: skip
        if stuck:
            raise SopsmithError(_stuck(stuck))


def write(root: str, env: Mapping[str, str], edits: Sequence[Edit]) -> tuple[str, ...]:
    """Make these changes, and return the files that are others now. Raises what `written` does."""
    with written(root, env, edits) as changed:
        return changed


@contextlib.contextmanager
def written(root: str, env: Mapping[str, str], edits: Sequence[Edit]) -> Iterator[tuple[str, ...]]:
    """Make these changes, and keep other writers out while the body looks at them.

    What decides about the edits and was read before may be another by now: `transaction.carry_out`
    plans under the lock. Gives the files that are others now; whatever the body raises, they stay
    so. Raises what `draft` and `Draft.write` do, and write-locked.
    """
    with replace.locked(root):
        yield draft(root, env, edits, commit=False).write()


def draft(root: str, env: Mapping[str, str], edits: Sequence[Edit], *, commit: bool) -> Draft:
    """Prepare these changes; the caller holds the lock until they are written.

    `commit` says that the files are to be committed, so that they are not written where git could
    not.
    Raises SopsmithError and leaves every file as it was: what the checks of a component raise,
    would-be-plaintext, recipients-differ, crypt-rule, rule-missing, write-unverified, write-failed,
    write-conflict, under-way; `Draft.write` partly-written where even putting back failed.
    """
    if commit and edits:
        git_write.check_settled(git.Repository(root, env), [edit.file for edit in edits])
    desk = desk_in(root, env)
    made = [_prepare(desk, edit) for edit in edits]
    changed = tuple(each for each in made if each.before != each.after)
    _check_sizes(changed)
    return Draft(root, changed)


def _check_sizes(changed: Sequence[Prepared]) -> None:
    for each in changed:
        if each.after is not None and len(each.after) >= MOST_BYTES:
            message = "would be 8 MiB or more, and then nobody reads it again"
            raise SopsmithError(Finding("write-failed", message, each.file))


def recipe_edit(leaf: Leaf, edit: Callable[[str], str]) -> TextEdit:
    """The change of a leaf's own recipe file, made from its text as it is now.

    Raises SopsmithError (usage) for a recipe that is written in a kustomization.
    """
    file = leaf.resolved.file
    if not os.path.isfile(os.path.join(leaf.root, file)):
        hint = "move it into a file of its own, and list that under generators"
        message = "stands inside a kustomization and can't be changed there"
        raise SopsmithError(Finding("usage", message, file, hint=hint))
    before = leaf.read(file)
    after = edit(before.decode("utf-8"))
    _check_reading(file, after)
    return TextEdit(file, before, after.encode("utf-8"))


def _check_reading(file: str, text: str) -> None:
    """Another reader of YAML 1.2 has to see in the text what ours does."""
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError
    except ImportError:
        pip = "pip install 'PATH_OF_THE_CHECKOUT[cli]'"
        hint = f"{pip} brings what commands that change files need"
        message = "the package ruamel.yaml is not installed"
        raise SopsmithError(Finding("program-missing", message, hint=hint)) from None
    try:
        seen = YAML(typ="safe", pure=True).load(text)
    except YAMLError:  # its text may quote the file's
        seen = None
    if not _is_alike(document.parse(text.encode()), seen):
        hint = "edit it by hand"
        raise SopsmithError(Finding("layout-unsafe", "would read otherwise", file, hint=hint))


def _is_alike(ours: Any, theirs: Any) -> bool:
    """The same data; where readers are known to differ (1e5, dates) any scalar will do."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return list(ours) == list(theirs) and all(_is_alike(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_is_alike, ours, theirs))
    if isinstance(ours, document.Unquoted):
        return not isinstance(theirs, dict | list)
    return type(ours) is type(theirs) and bool(ours == theirs)


def finish(
    session: Session, root: str, changed: Sequence[str], message: str, *, commit: bool
) -> str | None:
    """Commit exactly the changed files where that is asked for; the new commit's hash.

    The caller holds the lock, or the commit may hold what another writer changed meanwhile.
    """
    if not commit or not changed:
        return None
    return git_write.commit(git.Repository(root, session.env), changed, message)


def rules_for(root: str, file: str) -> Rules:
    """The creation rules that govern a file: of the nearest .sops.yaml above it.

    Raises SopsmithError: what governing_in and parse_rules raise.
    """
    config = governing_in(root, file)
    return parse_rules(files.reader(root)(config), config)


def governing_in(root: str, file: str) -> str:
    """The .sops.yaml that governs a file of the work tree.

    Raises SopsmithError: rule-missing (there is none), path-refused (it is a link).
    """
    config = governing(file, lambda name: os.path.lexists(os.path.join(root, name)))
    if config is None:
        hint = f"sopsmith init writes {RULES}; it says who can read which file"
        raise SopsmithError(Finding("rule-missing", f"no {RULES} governs it", file, hint=hint))
    if os.path.islink(os.path.join(root, config)):
        raise SopsmithError(linked(config))
    return config


def desk_in(root: str, env: Mapping[str, str]) -> Desk:
    """What changes below a root are made with; sops is looked for when it is needed."""
    chosen = settings.read(env)
    found: list[sops_write.Writer] = []

    def writer() -> sops_write.Writer:
        if not found:  # only encrypted files need it, and it is asked for its version
            found.append(sops_write.writer(env, chosen.trust.key_types, chosen.timeout))
        return found[0]

    return Desk(root, env, files.reader(root), chosen.trust, chosen.timeout, writer)


def _prepare(desk: Desk, edit: Edit) -> Prepared:
    if isinstance(edit, TextEdit):
        return Prepared(*edit)
    if isinstance(edit, Removal):
        return Prepared(edit.file, edit.before, None)
    if isinstance(edit, ComponentEdit):
        return _edited(desk, edit)
    if isinstance(edit, Rekey):
        return _rekeyed(desk, edit)
    return _encrypted(desk, edit)


# --- an existing component ------------------------------------------------------------------------


def _edited(desk: Desk, edit: ComponentEdit) -> Prepared:
    component = Component(edit.file, None, None)
    data = desk.read(edit.file)
    sealed = seal(component, data, desk.trust)
    policy, _ = change.policy_of(component, data)
    deviation = change.deviation(edit.file, policy, _policy(desk, edit.file))
    if deviation:
        raise SopsmithError(deviation)
    steps = change.steps(sealed, policy.selection, edit.changes)
    return Prepared(edit.file, data, amended(desk, sealed, steps))


def amended(desk: Desk, sealed: Sealed, steps: Sequence[Step]) -> bytes:
    """A component's text with these steps made and verified; the same text where none is needed.

    Raises SopsmithError (write-unverified, and whatever keeps sops from doing it).
    """
    component, before = sealed.component, sealed.data
    (plain,) = opened(desk.env, [sealed])
    steps = _needed(steps, change.leaves(plain, component.file))
    if not steps:
        return before
    after = sops_write.set_leaves(desk.sops(), sealed, steps)
    changed = _sealed_anew(component, after, desk.trust)
    if change.policy_of(component, after)[0] != change.policy_of(component, before)[0]:
        raise change.unverified(component.file, "its recipients or its crypt rule were changed")
    read_back = _read_back(desk, changed)
    change.verify(sealed, changed, plain, read_back, steps)
    return after


def under_new_key(desk: Desk, component: Component, data: bytes) -> bytes:
    """The same values for the same readers, under a data key that nobody else can know.

    Raises SopsmithError (write-unverified, and whatever keeps sops from doing it).
    """
    before = _sealed_anew(component, data, desk.trust)
    changed = _sealed_anew(component, sops_write.rotate_data_key(desk.sops(), before), desk.trust)
    if change.policy_of(component, changed.data)[0] != change.policy_of(component, data)[0]:
        raise change.unverified(component.file, "its recipients or its crypt rule were changed")
    if _read_back(desk, changed) != _read_back(desk, before):
        raise change.unverified(component.file, "it does not read back as what it was")
    return changed.data


def _needed(steps: Sequence[Step], leaves: Mapping[tuple[str, ...], object]) -> tuple[Step, ...]:
    """Leave out what is so already: no new ciphertext for an old value."""
    return tuple(
        step
        for step in steps
        if (step.path in leaves if step.text is None else leaves.get(step.path) != step.text)
    )


def _policy(desk: Desk, file: str) -> change.Policy:
    return change.policy_of_rule(_rule(desk.root, file)[1])


def _rule(root: str, file: str) -> tuple[Rules, Rule]:
    rules = rules_for(root, file)
    rule = rule_for(rules, file)
    if rule is None:
        hint = "add a rule whose path_regex matches it"
        raise SopsmithError(
            Finding("rule-missing", f"no rule of {rules.file} covers it", file, hint=hint)
        )
    return rules, rule


def _check_kinds(desk: Desk, file: str, rule: Rule) -> None:
    """Refuse a rule before sops hands the data key to a program or service that it names."""
    kinds = {key.partition(":")[0] for group in rule.groups for key in group}
    foreign = sorted(kinds - desk.trust.key_types)
    if foreign:
        hint = f"set SOPSMITH_KEY_TYPES={','.join(sorted(kinds))} where you trust these services"
        message = f"names keys of the kind {', '.join(foreign)}"
        raise SopsmithError(Finding("foreign-key-type", message, file, hint=hint))


def opened(env: Mapping[str, str], sealed: Sequence[Sealed]) -> tuple[bytes, ...]:
    """Decrypt in memory; raises SopsmithError with every reason why not."""
    chosen = settings.read(env)
    with sops.engine(env, chosen.trust.key_types, chosen.timeout)(sealed) as wait:
        found = wait()
    stops = [each for each in found if isinstance(each, Finding)]
    if stops:
        raise SopsmithError(stops)
    return tuple(each for each in found if isinstance(each, bytes))


def _sealed_anew(component: Component, data: bytes, trust: Trust) -> Sealed:
    """The check of what sops wrote: whatever is wrong with it is not the file's fault."""
    try:
        return seal(component, data, trust)
    except SopsmithError as error:
        message = f"what sops wrote {error.findings[0].message}"
        raise change.unverified(component.file, message) from None


def _read_back(desk: Desk, changed: Sealed) -> bytes:
    """Decrypt what sops wrote: where it is broken, the file is not, which is as it was."""
    try:
        return opened(desk.env, [changed])[0]
    except SopsmithError as error:
        if error.findings[0].code != "tampered":
            raise
        raise change.unverified(changed.component.file, "it does not decrypt") from None


# --- a new one ------------------------------------------------------------------------------------


def _encrypted(desk: Desk, edit: NewComponent | WholeFile | Document) -> Prepared:
    """Encrypt a whole file by its rule."""
    rules, rule = _rule(desk.root, edit.file)
    _check_kinds(desk, rules.file, rule)
    component = Component(edit.file, "content" if isinstance(edit, WholeFile) else None, None)
    form = format_of(component)
    plain, given = _plaintext(edit, form, rule)
    unsealed = Sealed(component, form, plain, {}, {}, ())
    config, path = (os.path.join(desk.root, name) for name in (rules.file, edit.file))
    after = sops_write.encrypt(desk.sops(), unsealed, given, config, path)
    sealed = _sealed_anew(component, after, desk.trust)
    if change.deviation(edit.file, change.policy_of(component, after)[0],
                        change.policy_of_rule(rule)):  # fmt: skip
        raise change.unverified(edit.file, "it is not encrypted as its rule says")
    read_back = _read_back(desk, sealed)
    if not isinstance(edit, WholeFile):
        change.verify_new(sealed, read_back, _leaves(edit), rule)
    elif read_back != plain or plain_length(sealed.ciphertexts[("data",)]) != len(plain):
        raise change.unverified(edit.file, "it does not read back as what was meant")
    return Prepared(edit.file, _present(desk, edit), after)


def _plaintext(
    edit: NewComponent | WholeFile | Document, form: Format, rule: Rule
) -> tuple[bytes, Format]:
    """What sops is to encrypt as text, and the format of that text."""
    if isinstance(edit, WholeFile):
        return edit.content.data(), form
    if isinstance(edit, Document):
        return json.dumps(change.tree(edit.file, rule.selection, edit.leaves)).encode(), "json"
    changes = [Change(key, value) for key, value in edit.entries.items()]
    empty = Sealed(Component(edit.file, None, None), form, b"", {}, {}, ())
    steps = change.steps(empty, rule.selection, changes)
    if form == "dotenv":
        lines = "".join(f"{step.path[0]}={_on_one_line(step.text)}\n" for step in steps)
        return lines.encode(), "dotenv"
    return json.dumps({step.path[0]: step.text for step in steps}).encode(), "json"


def _leaves(edit: NewComponent | Document) -> Mapping[Path, Sensitive]:
    if isinstance(edit, Document):
        return edit.leaves
    return {(key,): value for key, value in edit.entries.items()}


def _on_one_line(text: str | None) -> str:
    return (text or "").replace("\n", "\\n")  # as sops writes it (stores/dotenv/store.go)


def _present(desk: Desk, edit: NewComponent | WholeFile | Document) -> bytes | None:
    """A whole file or document may replace one where that is meant; a new map may not."""
    is_new = isinstance(edit, NewComponent) or (isinstance(edit, WholeFile) and edit.is_new)
    if not is_new and os.path.lexists(os.path.join(desk.root, edit.file)):
        return desk.read(edit.file)
    return None


# --- its readers ----------------------------------------------------------------------------------


def _rekeyed(desk: Desk, edit: Rekey) -> Prepared:
    """Wrap the data key for others, or make a new one: the values stay what they are."""
    data = desk.read(edit.file)
    component = component_of(edit.file)
    sealed = seal(component, data, desk.trust)
    config = governing_in(desk.root, edit.file)
    rules = parse_rules(edit.rules, config)
    rule = rule_for(rules, edit.file)
    if rule is None:
        raise SopsmithError(Finding("rule-missing", f"no rule of {config} covers it", edit.file))
    _check_kinds(desk, config, rule)
    after, policy = data, change.policy_of_rule(rule)
    (plain,) = opened(desk.env, [sealed])
    if change.policy_of(component, data)[0].groups != policy.groups:
        after = sops_write.update_keys(desk.sops(), sealed, rule.raw)
    with _still_a_reader(edit.file):
        if edit.new_data_key:
            mine = _sealed_anew(component, after, desk.trust)
            after = sops_write.rotate_data_key(desk.sops(), mine)
        changed = _sealed_anew(component, after, desk.trust)
        deviation = change.deviation(edit.file, change.policy_of(component, after)[0], policy)
        if deviation:
            raise SopsmithError(deviation)
        if after == data:
            return Prepared(edit.file, data, data)
        if plain != _read_back(desk, changed):
            raise change.unverified(edit.file, "it does not read back as what it was")
    same = sealed.ciphertexts == changed.ciphertexts
    if same is edit.new_data_key and any(sealed.ciphertexts.values()):
        raise change.unverified(edit.file, "its values were not kept, or not encrypted anew")
    return Prepared(edit.file, data, after)


@contextlib.contextmanager
def _still_a_reader(file: str) -> Iterator[None]:
    """Where a file that this user opens would not open any more.

    Raises SopsmithError (usage) for it: what would be written could not even be read back.
    """
    try:
        yield
    except SopsmithError as error:
        if error.findings[0].code != "no-key":
            raise
        message = "you would lock yourself out: no other key of yours opens it"
        hint = "nothing was changed; another of its readers can do this"
        raise SopsmithError(Finding("usage", message, file, hint=hint)) from None


# --- onto the disk --------------------------------------------------------------------------------


def _replace_all(root: str, changed: Sequence[Prepared]) -> None:
    begun: list[Prepared] = []
    try:
        for each in changed:
            begun.append(each)
            _turn(root, each.file, each.before, each.after)
    except BaseException as stop:
        stuck = [each.file for each in reversed(begun) if not _put_back(root, each, begun[-1])]
        if stuck:
            causes = stop.findings if isinstance(stop, SopsmithError) else ()
            raise SopsmithError([*causes, _stuck(stuck)]) from None
        raise


def _stuck(files: Sequence[str]) -> Finding:
    hint = f"see git diff; git checkout -- {' '.join(files)} brings the old ones back"
    return Finding("partly-written", "is changed, and another file is not", files[0], hint=hint)


def _turn(root: str, file: str, before: bytes | None, after: bytes | None) -> None:
    """Make one text of a file into another; None is no file."""
    if after is not None:
        replace.replace(root, file, before, after)
    elif before is not None:
        replace.remove(root, file, before)


def _put_back(root: str, each: Prepared, last: Prepared) -> bool:
    """Whether it is the old one again; the last of all may have been replaced, or may not."""
    with contextlib.suppress(SopsmithError):  # what can't be put back is reported by the caller
        if each is last and replace.content(root, each.file) != each.after:
            return True
        _turn(root, each.file, each.after, each.before)
        return True
    return False
