"""`sopsmith import`: values from a .env file, a manifest or a live Secret, into a component.

Today's values are kept: what could be generated or derived is suggested, and written where it is
accepted. The plaintext is in memory alone; whether its source is in git is told.
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith import checkout, report
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, one_line, text
from sopsmith.history import pending, trail
from sopsmith.imports import destination, importing, intake
from sopsmith.imports.destination import Target
from sopsmith.imports.dotenv import Entry, parse_dotenv
from sopsmith.imports.importing import Imported
from sopsmith.imports.intake import Plan
from sopsmith.imports.manifest import Manifest, parse_manifests
from sopsmith.imports.suggest import suggest
from sopsmith.model import MOST_BYTES
from sopsmith.setup import scaffold
from sopsmith.tools import cluster, files, git
from sopsmith.transaction import Work, carry_out
from sopsmith.voice import Session

_MANIFEST = re.compile(rb"\s*[{]|(?:.*\n)*?(?:apiVersion|kind|items|data|stringData) *:")
_OVERLAY = ("kustomization", "guard")
_SECRET = re.compile(r"([a-z0-9][-a-z0-9]{0,62})/([a-z0-9][-.a-z0-9]{0,252})\Z")


class Source(NamedTuple):
    """Where plaintext comes from."""

    name: str  # for messages
    data: bytes
    path: str | None  # the file that still holds it

    def __repr__(self) -> str:
        return f"Source({self.name}, ***)"


class Outcome(NamedTuple):
    """What was imported, and what is to be told."""

    plan: Plan
    target: Target
    notes: tuple[str, ...]
    changed: tuple[str, ...]
    commit: str | None


def import_values(
    session: Session, source: str | None, *, secret: str | None, where: str | None,
    component: str | None, recipe: str | None, app: str | None, accept: str, take: Sequence[str],
    commit: bool, output: str,
) -> int:  # fmt: skip
    """Write what is read into a component and a recipe, both made where they are missing.

    The exit code tells whether anything of it was left out.
    """
    read = _source(session, source, secret)
    root = files.find_root(".", session.env)
    manifests, notes = _manifests(read)

    def planned() -> tuple[Work, tuple[Plan, Target, Imported]]:
        target = destination.target(root, session.env, where, recipe)
        name = _app(app, target, manifests, root)
        named = [each._replace(name=each.name or name) for each in manifests]
        imported = importing.gather(named, read.name, hashed=not manifests[0].name)
        plan = intake.plan(target, imported, suggest(imported.values), app=name,
                           component=component, accept=accept, take=take)  # fmt: skip
        written = [row.name for row in plan.rows if row.state in intake.WRITTEN]
        same = [row.name for row in plan.rows if row.state == "there already"]
        begun = pending.begun(target.leaf, same) if commit and target.leaf else {}
        message = trail.message("import", target.environment, [*written, *begun], "import")
        work = Work(plan.edits, message, begun=_files(target, begun))
        return work, (plan, target, imported)

    done, (plan, target, imported) = carry_out(
        session, root, planned, commit=commit, tells_refusal=True
    )
    notes = (*notes, *imported.notes)
    outcome = Outcome(plan, target, notes, done.changed, done.commit)
    again = [read.path or "-"] if secret is None else ["--secret", secret]
    again += ["-e", where] if where else []
    again += ["--recipe", recipe] if recipe else []
    again += ["--component", component] if component else []
    left = [*_left_out(outcome, ["sopsmith", "import", *again], accept)]
    findings = [*plan.findings, *left]
    if target.leaf is None:
        findings += checkout.unlisted(checkout.at(os.path.join(root, target.recipe), session.env))
    findings += [*_plaintext_left(session, root, read, bool(left)), *done.findings]
    if output == "json":
        session.write(report.as_json(_tree(outcome, findings)))
    else:
        _show(session, outcome, accept)
    session.say(text(findings, "sopsmith: ", session.colour))
    return exit_code(findings)


# --- what is read ---------------------------------------------------------------------------------


def _source(session: Session, source: str | None, secret: str | None) -> Source:
    if (source is None) == (secret is None):
        hint = "sopsmith import .env, or - for standard input, or --secret NAMESPACE/NAME"
        raise SopsmithError(Finding("usage", "name one source", hint=hint))
    if secret is not None:
        match = _SECRET.match(secret)
        if match is None:
            raise SopsmithError(Finding("usage", "is no NAMESPACE/NAME", field="--secret"))
        return Source(secret, cluster.secret(match[1], match[2]), None)
    if source is None or source == "-":
        return Source("standard input", session.read_stdin(), None)
    try:
        with open(source, "rb") as stream:
            data = stream.read(MOST_BYTES)
    except OSError as error:
        why = "does not exist" if isinstance(error, FileNotFoundError) else "can't be read"
        raise SopsmithError(Finding("file-unreadable", why, source)) from None
    if len(data) == MOST_BYTES:
        raise SopsmithError(Finding("file-unreadable", "is 8 MiB or more", source))
    return Source(source, data, source)


def _manifests(read: Source) -> tuple[tuple[Manifest, ...], tuple[str, ...]]:
    """The Secrets of a manifest, or the entries of a .env file as one without a name."""
    if read.name.endswith((".yaml", ".yml", ".json")) or (
        ".env" not in os.path.basename(read.name) and _MANIFEST.match(read.data)
    ):
        return parse_manifests(read.data, read.name), ()
    entries = parse_dotenv(read.data, read.name)
    names = [entry.name for entry in entries]
    if "sops_version" in names:
        hint = "name it under components of a recipe"
        raise SopsmithError(
            Finding("import-source", "is encrypted by sops already", read.name, hint=hint)
        )
    if not entries:
        raise SopsmithError(Finding("import-source", "holds no NAME=value", read.name))
    values = {entry.name: entry.value for entry in entries}  # the last one counts, as in a shell
    return (Manifest("", None, "Opaque", False, values),), tuple(_notes(entries))


def _notes(entries: Sequence[Entry]) -> list[str]:
    last = {entry.name: entry.line for entry in entries}
    notes = []
    for entry in entries:
        if last[entry.name] != entry.line:
            notes.append(f"{entry.name} (line {entry.line}): stands again below, which counts")
        elif entry.notes:
            notes.append(f"{entry.name} (line {entry.line}): {'; '.join(entry.notes)}")
    return notes


def _app(app: str | None, target: Target, manifests: Sequence[Manifest], root: str) -> str:
    """The application's name: as it is, as it is said, as the only Secret's, as the folder's."""
    if target.leaf is not None:
        if app not in (None, target.leaf.recipe.app):
            message = f"the recipe is of another app, {target.leaf.recipe.app}"
            raise SopsmithError(Finding("usage", message, target.recipe, "--app"))
        return target.leaf.recipe.app
    folder = re.sub("[^a-z0-9]+", "-", os.path.basename(root).lower()).strip("-")
    name = app or (manifests[0].name if len(manifests) == 1 else "") or folder
    problem = scaffold.app_problem(name)
    if problem:
        hint = "name the application with --app"
        raise SopsmithError(Finding("usage", f"an application's name {problem}", hint=hint))
    return name


def _files(target: Target, begun: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What an import of before left uncommitted; of a new leaf, the overlay around it too."""
    found = dict.fromkeys(file for each in begun.values() for file in each)
    here = git.Repository(target.root, target.env)
    if target.recipe in found and target.recipe not in git.known(here, [target.recipe], ["HEAD"]):
        folder = posixpath.dirname(target.recipe)
        found |= {posixpath.join(folder, f"{name}.yaml"): None for name in _OVERLAY}
    return tuple(found)


# --- what is told ---------------------------------------------------------------------------------


def _left_out(outcome: Outcome, again: Sequence[str], accept: str) -> Iterator[Finding]:
    """The values that stand there with another text, each with the command that takes it.

    What is derived stays so: as text it would not follow its parts any more.
    """
    differing = {row.name for row in outcome.plan.rows if row.state == "differs"}
    for row in outcome.plan.rows:
        if row.state == "differs":
            wanted = "derived" if (accept, row.suggestion.what) == ("none", "derived") else accept
            accepting = [] if wanted == "none" else ["--accept", wanted]
            proposal = row.suggestion.proposal if accepting else None
            parts = [n for n in proposal.names if n in differing] if proposal else []
            takes = [word for name in (*parts, row.name) for word in ("--take", name)]
            command = shlex.join([*again, *accepting, *takes])
            hint = f"{'… | ' if '-' in again else ''}{command}"
            message = "has another text here, which was kept: this one was not imported"
            place = row.file or outcome.target.recipe
            yield Finding("import-differs", message, place, row.name, hint)


def _plaintext_left(session: Session, root: str, read: Source, is_needed: bool) -> list[Finding]:
    """The source still holds the plaintext; where git has seen it, it has leaked."""
    if read.path is None:
        return []
    inside = files.relative(os.path.dirname(read.path) or ".", root)
    file = os.path.join(inside, os.path.basename(read.path))
    here = git.Repository(root, session.env)
    in_git = not inside.startswith("..") and (
        file in git.listed(here, untracked=False) or _was_committed(here, file)
    )
    if in_git:
        message = "is in git: treat every value in it as leaked, and rotate it"
        hint = f"git rm --cached {read.path}, add it to .gitignore, and give every value anew"
        return [Finding("plaintext-in-git", message, read.path, hint=hint)]
    if is_needed:
        hint = "keep it: what was not imported may stand nowhere else"
        return [Finding("plaintext-left", "still holds the plaintext", read.path, hint=hint)]
    hint = f"when the Secrets are deployed from here, delete it: shred -u {read.path}"
    return [Finding("plaintext-left", "still holds the plaintext", read.path, hint=hint)]


def _was_committed(here: git.Repository, file: str) -> bool:
    if git.commit_of(here, "HEAD") is None:
        return False
    return next(iter(git.log(here, ["HEAD"], [file])), None) is not None


def _tree(outcome: Outcome, findings: Sequence[Finding]) -> dict[str, object]:
    return {
        "environment": outcome.target.environment,
        "recipe": outcome.target.recipe,
        "values": [
            {"value": row.name, "state": row.state, "file": row.file,
             "suggestion": row.suggestion.what, "why": row.suggestion.why,
             "line": row.suggestion.line}
            for row in outcome.plan.rows
        ],
        "notes": list(outcome.notes),
        "changed": list(outcome.changed),
        "commit": outcome.commit,
        "findings": report.findings_json(findings),
    }  # fmt: skip


def _show(session: Session, outcome: Outcome, accept: str) -> None:
    rows = [
        (row.name, row.state, row.file or "-", row.suggestion.what, row.suggestion.why)
        for row in outcome.plan.rows
    ]
    header = ("VALUE", "IS", "IN", "LOOKS", "BECAUSE IT IS")
    session.write(report.table(header, rows, session.colour))
    for title, lines in _sections(outcome, accept):
        session.write(f"\n{title}\n" + "".join(f"  {one_line(line)}\n" for line in lines))
    if outcome.changed:
        session.write(f"\nwritten: {', '.join(outcome.changed)}\n")
        session.write(report.committed(outcome.commit))
        session.write(f"next: sopsmith validate {outcome.target.recipe}\n")
    else:
        session.write("\nnothing was changed\n" + report.committed(outcome.commit))


def _was_made(outcome: Outcome, name: str) -> bool:
    leaf = outcome.target.leaf
    return leaf is not None and leaf.recipe.values[name].origin in ("generated", "derived")


def _sections(outcome: Outcome, accept: str) -> list[tuple[str, list[str]]]:
    by_state = {state: [row.suggestion for row in outcome.plan.rows if row.state == state]
                for state in ("stored", "derived", "taken")}  # fmt: skip
    new = by_state["stored"]
    accepted = importing.ACCEPTED[accept]
    public = [each.line for each in new if each.what == "public"]
    drawn = [each.name for each in new if each.what in accepted and each.what == "generated"]
    rewritten = [each.name for each in by_state["derived"]
                 if each.proposal and not each.proposal.is_exact]  # fmt: skip
    sections = [
        (f"could stand in the recipe; --accept {choice} writes it, and today's value is kept:",
         [each.line for each in new if each.what in what and each.what not in accepted])
        for choice, what in (("derived", ("derived",)), ("all", ("generated", "at rest")))
    ] + [
        ("could be public text, in plaintext in the recipe; only you know whether it is:", public),
        ("keeps today's text until sopsmith rotate; without stored: true it comes from the seed:",
         drawn),
        ("is written otherwise now, and reads the same:", rewritten),
        ("was generated or derived, and is stored with the imported text from here on:",
         [each.name for each in by_state["taken"] if _was_made(outcome, each.name)]),
        ("is in no Secret yet; name it in one under spec.secrets:",
         [each.name for each in (*new, *by_state["derived"]) if outcome.target.leaf
          and each.name not in outcome.target.leaf.recipe.values]),
        ("was read as:", list(outcome.notes)),
    ]  # fmt: skip
    return [(title, lines) for title, lines in sections if lines]
