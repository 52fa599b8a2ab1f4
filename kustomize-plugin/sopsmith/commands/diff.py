"""`sopsmith diff`: what changed between two commits, by name and never by value."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sopsmith import report
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import past
from sopsmith.history.chronicle import of_repository
from sopsmith.history.compare import Row, compare, effects
from sopsmith.history.compare_files import compare_files
from sopsmith.history.compare_values import Made, Same, unsettled
from sopsmith.history.reopened import contents, held
from sopsmith.history.snapshot import Place, Snapshot
from sopsmith.history.standing import Key, Standing, labels
from sopsmith.model import Component, Read, Sensitive
from sopsmith.pipeline.decrypt import Content
from sopsmith.pipeline.generate import generated
from sopsmith.tools import files, git
from sopsmith.voice import Session


class Side(NamedTuple):
    """One of the two moments."""

    standing: Standing
    read: Read


def diff(session: Session, revisions: Sequence[str], *, where: str | None, output: str) -> int:
    """Print what changed from one commit, HEAD by default, to another, by default the work tree.

    As with `git diff`, differences are no failure: the exit code is 0 with and without any.
    """
    here = git.Repository(files.find_root(".", session.env), session.env)
    commits = _commits(here, revisions)
    environment = past.environment(where, session.env)
    standings = past.standing(here, commits, environment)
    past.check_known(environment, standings)
    reads = (git.reader(here, each) if each else files.reader(here.root) for each in commits)
    before, after = (Side(*each) for each in zip(standings, reads, strict=True))
    rows = _rows(session.env, before, after)
    if output == "json":
        session.write(report.as_json([_as_data(key, row) for key, row in rows]))
    elif rows:
        session.write(_table(rows, session.colour))
    else:
        session.write("nothing changed\n")
    return 0


def _commits(here: git.Repository, revisions: Sequence[str]) -> tuple[str | None, str | None]:
    """The two commits that are meant; None is the work tree. Raises SopsmithError (usage)."""
    if len(revisions) > 2:
        hint = "sopsmith diff FROM TO, or FROM alone up to the files as they are now"
        raise SopsmithError(Finding("usage", "more than two commits were named", hint=hint))
    if len(revisions) == 1 and ".." in revisions[0] and "..." not in revisions[0]:
        one, _, other = revisions[0].partition("..")
        revisions = [one or "HEAD", other or "HEAD"]
    named = [past.commit_of(here, each) for each in revisions or ["HEAD"]]
    return named[0], named[1] if len(named) > 1 else None


def _rows(env: Mapping[str, str], before: Side, after: Side) -> list[tuple[Key | None, Row]]:
    found: list[tuple[Key | None, Row]] = [
        (None, row) for row in of_repository(before.standing, after.standing)
    ]
    was, now = before.standing.leaves, after.standing.leaves
    same = _same(env, before, after)
    for key in sorted({*was, *now}):
        if _is_unknown(key, before.standing, after.standing):
            continue
        pair = was.get(key), now.get(key)
        rows = [*compare(*pair, same), *effects(*pair, same), *compare_files(*pair, same)]
        found += [(key, each) for row in rows for each in _told(row)]
    return found


def _is_unknown(key: Key, before: Standing, after: Standing) -> bool:
    """Whether the leaf's recipe can't be read on one side: a row of its own says so."""
    known: Iterable[Snapshot] = filter(None, (before.leaves.get(key), after.leaves.get(key)))
    return any(
        side.trouble(each.recipe) is not None
        for each in known
        for side in (before, after)
        if key not in side.leaves
    )


def _told(row: Row) -> Iterable[Row]:
    """A file that was encrypted anew has one row, not one for each of its values."""
    if row.what == "value" and row.change == "re-encrypted":
        return [row._replace(change="settings")] if row.detail else []
    return [row]


# --- what only a key can tell ---------------------------------------------------------------------


def _same(env: Mapping[str, str], before: Side, after: Side) -> Same:
    """Compares values in memory, where a file's data key was changed and a key is at hand."""
    pairs = [
        pair
        for key in before.standing.leaves.keys() & after.standing.leaves.keys()
        for pair in unsettled(before.standing.leaves[key], after.standing.leaves[key])
    ]
    if not pairs:
        return lambda one, other: None
    old = contents(env, before.read, {one.component for one, _ in pairs})
    new = contents(env, after.read, {other.component for _, other in pairs})

    def same(one: Place | Made, other: Place) -> bool | None:
        was = _made(old, one) if isinstance(one, Made) else _value(old, one)
        now = _value(new, other)
        return None if was is None or now is None else was.data() == now.data()

    return same


def _value(contents: Mapping[Component, Content | SopsmithError], place: Place) -> Sensitive | None:
    content = contents.get(place.component)
    return held(content, place.key) if isinstance(content, Content) else None


def _made(contents: Mapping[Component, Content | SopsmithError], made: Made) -> Sensitive | None:
    """What a seed made."""
    seed, value = _value(contents, made.seed), made.value
    text = seed.text() if seed else None
    if text is None or value.generator is None:
        return None
    with contextlib.suppress(ValueError):  # what is no seed made nothing
        identity = {"app": made.recipe.app, "environment": made.recipe.environment}
        return Sensitive(generated(bytes.fromhex(text), value_id=value.id, version=value.version,
                                   generator=value.generator, **identity))  # fmt: skip
    return None


# --- telling --------------------------------------------------------------------------------------


def _as_data(key: Key | None, row: Row) -> dict[str, str | None]:
    app, environment, _ = key or (None, None, None)
    return {"app": app, "environment": environment, **row._asdict()}


def _table(rows: Sequence[tuple[Key | None, Row]], colour: bool) -> str:
    label = labels({key for key, _ in rows if key})
    header = ("ENVIRONMENT", "WHAT", "NAME", "CHANGE", "DETAIL")
    body = [(label(key), row.what, row.name, row.change, row.detail or "-") for key, row in rows]
    return report.table(header, body, colour)
