"""`sopsmith init`: the rules, keys, components, recipes and hooks of a new application.

What is there is kept, and what is missing is made: a second run changes nothing, and one that was
interrupted is completed by running it again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith import carried, checkout, report, writeback
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, text
from sopsmith.history import trail
from sopsmith.model import Sensitive
from sopsmith.recipes import guards
from sopsmith.setup import application, interview, keys, scaffold
from sopsmith.setup.interview import Options
from sopsmith.setup.keys import Key
from sopsmith.setup.scaffold import Application, Reader
from sopsmith.tools import files, git, git_write
from sopsmith.voice import Session

_OWN = "the environment's own key"
_ADD_RECOVERY = (
    "age-keygen on a machine that stays offline; then here: sopsmith recipients add age1…"
)


class Outcome(NamedTuple):
    """What a run made, what it kept, and what is left to do."""

    app: Application
    written: tuple[str, ...]
    kept: tuple[str, ...]
    keys: tuple[Key, ...]
    findings: tuple[Finding, ...]
    commit: str | None
    is_new_clone: bool  # whose git got the merge driver only now


def init(session: Session, options: Options, *, commit: bool, output: str) -> int:
    """Make what is missing, and check the outcome; the exit code is that of the findings."""
    root = _root(session)
    if commit:
        git_write.check_settled(git.Repository(root, session.env), ["."])
    there = application.standing(root)
    app = interview.application(session, options, there, lambda f: application.exists(root, f))
    before = [file for file in application.paths(app) if application.exists(root, file)]
    taken = _taken(session, root, before) if commit else ()
    unruled = application.unruled(root, app)
    readers = interview.readers(session, options, app, unruled)
    fresh = [Sensitive(os.urandom(32).hex()) for _ in app.environments]
    edits = application.edits(root, session.env, app, fresh, session.today.isoformat())

    own_keys = keys.own(root, session.env, app, unruled, session.today.isoformat())
    own = {key.environment: Reader(key.recipient, _OWN) for key in own_keys}
    everyone = {each: (own[each], *readers[each]) for each in unruled}
    written: tuple[str, ...] = ()
    if unruled:
        written = writeback.write(root, session.env, [application.rules_edit(root, everyone)])
    made = None
    with writeback.written(root, session.env, edits) as changed:
        written += changed
        is_new_clone = _install_merge_driver(session, root)
        findings = [*_warnings(session, root, options, everyone, written)]
        findings += _checked(session, root, app)
        if commit and not exit_code(findings):
            made, refused = _commit(session, root, app, written)
            findings += [*taken, *refused]
    kept = tuple(file for file in before if file not in written)
    outcome = Outcome(app, written, kept, own_keys, tuple(findings), made, is_new_clone)
    _report(session, outcome, output)
    return exit_code(findings)


def _root(session: Session) -> str:
    """The root of the git repository around the current folder."""
    none = Finding("usage", "this is no git repository", hint="git init && sopsmith init")
    try:
        root = files.find_root(".", session.env)
    except SopsmithError as error:
        raise error if session.env.get("SOPSMITH_ROOT") else SopsmithError(none) from None
    if not os.path.exists(os.path.join(root, ".git")):
        raise SopsmithError(none)
    return root


def _commit(
    session: Session, root: str, app: Application, written: Sequence[str]
) -> tuple[str | None, tuple[Finding, ...]]:
    """The commit, or why there is none; what was made is told all the same.

    What is there and no commit holds belongs to it, as a run before may have made it: or a clone
    would lack what the new files read.
    """
    message = trail.message("init", None, [], f"init {app.name}")
    left = git.changed(git.Repository(root, session.env), list(application.paths(app)))
    files = tuple(dict.fromkeys((*written, *left)))
    try:
        return writeback.finish(session, root, files, message, commit=True), ()
    except SopsmithError as error:
        return None, error.findings


def _taken(session: Session, root: str, there: Sequence[str]) -> tuple[Finding, ...]:
    """What somebody changed in files that git knows, and that the commit takes along."""
    here = git.Repository(root, session.env)
    known = git.known(here, there, ()) if there else ()
    return tuple(carried.along(here, [file for file in there if file in known], ()))


def _install_merge_driver(session: Session, root: str) -> bool:
    """In this clone's own configuration: git takes no program's name from a repository."""
    here = git.Repository(root, session.env)
    if git.setting(here, "merge.sopsmith.driver") is not None:
        return False
    git.change_setting(here, "merge.sopsmith.name", "sopsmith: key by key")
    git.change_setting(here, "merge.sopsmith.driver", scaffold.MERGE_DRIVER)
    return True


def _checked(session: Session, root: str, app: Application) -> Iterator[Finding]:
    """Every finding about the application as it stands now.

    Who has one environment's key has what most people have, so that the others are told alone.
    """
    for environment in app.environments:
        folder = os.path.join(root, scaffold.overlay(environment))
        try:
            here = checkout.at(os.path.join(folder, "recipe.yaml"), session.env)
            forgotten = tuple(checkout.unlisted(here))
            yield from forgotten
            here = here if forgotten else checkout.at(folder, session.env)
            rendered = checkout.rendered(here)
        except SopsmithError as error:
            yield from map(_noted, error.findings)
            continue
        yield from (finding for each in rendered for finding in each.findings)
        if here.kustomization:
            recipes = [each.recipe for each in rendered]
            yield from guards.problems(here.kustomization, here.sources, recipes, here.read)


def _noted(finding: Finding) -> Finding:
    if finding.code != "no-key":
        return finding
    message = f"{finding.message}, so its values were not validated"
    return finding._replace(code="validated-keyless", message=message)


def _warnings(
    session: Session, root: str, options: Options, ruled: Mapping[str, Sequence[Reader]],
    written: Sequence[str],
) -> Iterator[Finding]:  # fmt: skip
    """What is not done, and what a person may have thought was done."""
    if ruled and not options.no_recovery and not any(map(_has_recovery, ruled.values())):
        message = "no recovery key can read the seeds: who loses the key file loses all"
        yield Finding("no-recovery", message, scaffold.RULES, hint=_ADD_RECOVERY)
    if not ruled and (options.recipients or options.recovery):
        message = "its rules were kept, so nobody was added"
        hint = "sopsmith recipients add age1…"
        yield Finding("readers-kept", message, scaffold.RULES, hint=hint)
    if not application.has_hooks(root):
        hint = "add a local hook to it: id sopsmith-check, entry sopsmith check, language system"
        yield Finding("hooks-missing", "runs no check of secrets", scaffold.HOOKS, hint=hint)
    listed = set(git.listed(git.Repository(root, session.env)))
    for file in written:
        if file not in listed:
            hint = "git check-ignore -v shows the line that does; it has to be committed"
            yield Finding("ignored-by-git", "is ignored by git", file, hint=hint)


def _has_recovery(readers: Sequence[Reader]) -> bool:
    return any(reader.note == interview.RECOVERY for reader in readers)


# --- what people read -----------------------------------------------------------------------------


def _report(session: Session, outcome: Outcome, output: str) -> None:
    if output == "json":
        session.write(report.as_json(_tree(outcome)))
        return
    lines = [f"{word}  {file}\n" for word, paths in
             (("made", outcome.written), ("kept", outcome.kept)) for file in paths]  # fmt: skip
    lines += ["merge driver installed in this clone\n"] if outcome.is_new_clone else []
    session.write("".join(lines) + report.committed(outcome.commit))
    if outcome.keys:
        rows = [(key.environment, key.recipient, key.file) for key in outcome.keys]
        header = ("ENVIRONMENT", "PUBLIC KEY", "PRIVATE KEY IN")
        session.write("\n" + report.table(header, rows, session.colour))
    session.say(text(outcome.findings, "sopsmith: ", session.colour))
    steps = _next(outcome)
    told = "".join(f"  {step}\n" for step in steps)
    session.write(f"\nnext:\n{told}" if steps else "\nall is there\n")


def _tree(outcome: Outcome) -> dict[str, object]:
    return {
        "application": outcome.app.name,
        "environments": outcome.app.environments,
        "made": outcome.written,
        "kept": outcome.kept,
        "keys": [key._asdict() for key in outcome.keys],
        "findings": report.findings_json(outcome.findings),
        "commit": outcome.commit,
        "mergeDriverInstalled": outcome.is_new_clone,
        "next": _next(outcome),
    }


def _next(outcome: Outcome) -> list[str]:
    """What a person does now."""
    steps = []
    new = [key for key in outcome.keys if key.is_new]
    if new:
        steps.append(f"keep a copy of {new[0].file} in a safe place: who loses it can read nothing")
        steps.append(
            "give each cluster its environment's key and no other: the comments there say whose"
        )
    unlisted = [each for each in outcome.findings if each.code == "recipe-unlisted"]
    steps += [f"in {each.file}, {each.hint}" for each in unlisted]
    if outcome.written or outcome.is_new_clone:
        steps.append("pre-commit install")
    if outcome.written:
        if outcome.commit is None:
            steps.append("git add --all && git commit")
        folder = scaffold.overlay(outcome.app.environments[0])
        steps.append(f"kustomize build --enable-alpha-plugins --enable-exec {folder}")
    return steps
