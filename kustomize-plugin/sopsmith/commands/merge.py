"""`sopsmith merge`: git's merge driver for encrypted components, and the way out of a conflict.

Two branches that set different keys of one file always conflict on its MAC. Here the three sides
are decrypted in memory and joined key by key, and sops writes the result, with a MAC of its own.
Where that takes a person, the file gets git's own marks: nobody commits one side of it unawares.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Collection, Iterable, Sequence

from sopsmith import joining, writeback
from sopsmith.components.conflict import marked
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, one_line
from sopsmith.joining import CLEAR, Join
from sopsmith.recipes import naming
from sopsmith.tools import files, git, replace
from sopsmith.voice import Session


def drive(session: Session, base: str, ours: str, theirs: str, path: str) -> int:
    """Join THEIRS into OURS, which git takes for the result; 1 where a person has to decide.

    Whatever goes wrong leaves git's marks in OURS, and git marks the file as in conflict.
    """
    root = files.find_root(".", session.env)
    desk = writeback.desk_in(root, session.env)
    inside = files.relative(".", root)
    names = [f"{inside}/{name}" if inside else name for name in (base, ours, theirs)]
    was, mine, other = (desk.read(name) for name in names)
    try:
        join = joining.compared(desk, path, (was, mine, other))
        if join.conflicts:
            raise SopsmithError(_undecided(path, join.conflicts))
        after = joining.text_of(desk, join)
    except SopsmithError:
        here = git.Repository(root, session.env)
        with contextlib.suppress(SopsmithError), replace.locked(root):  # what stopped it matters
            text = git.marked(here, names[1], names[0], names[2]) or marked(mine, other)
            replace.replace(root, names[1], mine, text)
        raise
    with replace.locked(root):
        replace.replace(root, names[1], mine, after)
    session.say(f"sopsmith: merged {one_line(path)} key by key\n")
    return 0


def settle(
    session: Session, path: str, ours: Sequence[str] | None, theirs: Sequence[str] | None
) -> int:
    """Finish a merge of a component: of each key that both sides changed one side is taken.

    An empty list stands for all that the other does not name. Nothing is added to the index.
    """
    root = files.find_root(os.path.dirname(path) or ".", session.env)
    desk = writeback.desk_in(root, session.env)
    folder = files.relative(os.path.dirname(path) or ".", root)
    file = posixpath.join(folder, os.path.basename(path))
    with replace.locked(root):
        join = joining.compared(desk, file, _sides(git.Repository(root, session.env), file))
        taken = _taken(join, ours, theirs)
        after = joining.text_of(desk, join, taken)
        replace.replace(root, file, replace.content(root, file), after)
    for name in join.conflicts:
        session.write(f"{one_line(name)}: {'theirs' if name in taken else 'ours'}\n")
    session.write(f"joined {one_line(file)}; git add {one_line(file)} says that it is right\n")
    return 0


def _sides(here: git.Repository, file: str) -> tuple[bytes, bytes, bytes]:
    """Base, ours and theirs, as git keeps them until a conflict is resolved."""
    base, ours, theirs = git.sides(here, file)
    if ours is None and theirs is None:
        hint = f"git checkout -m -- {file} brings back one that was marked as resolved"
        raise SopsmithError(Finding("usage", "git knows of no conflict in it", file, hint=hint))
    if ours is None or theirs is None:
        hint = f"git add {file} keeps it, and git rm {file} removes it"
        raise SopsmithError(Finding("merge-conflict", "one side removed it", file, hint=hint))
    return base or b"", ours, theirs


def _taken(join: Join, ours: Sequence[str] | None, theirs: Sequence[str] | None) -> set[str]:
    """The conflicts of which their side is taken.

    Raises SopsmithError: usage (a key that is in no conflict, or said twice), merge-conflict.
    """
    mine, other = (_named(join, names or ()) for names in (ours, theirs))
    if mine & other or (ours == [] and theirs == []):
        raise SopsmithError(Finding("usage", "a key is taken from one side", join.file))
    left = set(join.conflicts) - mine - other
    if left and ours != [] and theirs != []:
        raise SopsmithError(_undecided(join.file, sorted(left)))
    return other | left if theirs == [] else other


def _named(join: Join, names: Iterable[str]) -> set[str]:
    """Conflicts by their names, or by the last part of it."""
    found = set()
    for name in names:
        known = {each for each, path in join.conflicts.items() if name in (each, *path[-1:])}
        if not known:
            hint = f"these are: {', '.join(join.conflicts) or 'none'}"
            message = "is in no conflict" if naming.shown(name) else "a key is in no conflict"
            raise SopsmithError(Finding("usage", message, join.file, naming.shown(name), hint))
        found |= known
    return found


def _undecided(file: str, keys: Collection[str]) -> Finding:
    named = ", ".join(key for key in keys if key != CLEAR)
    hint = f"sopsmith merge {file} --ours, or --theirs, or --ours KEY --theirs KEY"
    if not named:
        return joining.whole_conflict(file, f"both sides changed {CLEAR}")
    return Finding("merge-conflict", f"both sides changed {', '.join(keys)}", file, hint=hint)
