"""`sopsmith check`: the rules that a commit has to keep, without any key."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator, Sequence

from sopsmith import report, settings
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.guard import against as comparison
from sopsmith.guard import check as rules
from sopsmith.history import revision
from sopsmith.recipes.resolve import Resolved
from sopsmith.text.lines import located
from sopsmith.tools import files, git
from sopsmith.voice import Session


def check(session: Session, paths: Sequence[str], *, against: str | None, output: str) -> int:
    """Print what is wrong with the files, or with all that git tracks; the exit code is theirs.

    With `against`, a revision, also what became of versions and seeds since this branch left it.
    """
    trust = settings.read(session.env).trust
    root = files.find_root(".", session.env)
    here = git.Repository(root, session.env)
    asked = list(_asked(paths, root)) if paths else None
    known = dict.fromkeys([*git.listed(here, untracked=False), *(asked or ())])
    _check_known(here, asked or (), ["HEAD", against or "HEAD"])
    regular = [file for file in known if _is_regular(root, file)]
    links = sorted(set(known) - set(regular))
    read = files.reader(root)
    checked = rules.check(regular, read, trust, asked, links, files.beyond(root))
    findings = list(checked.findings)
    if against is not None:
        findings += _compared(here, checked.leaves, against)
    found = sorted(located(findings, read), key=_place)
    count = f"{checked.files} file{'' if checked.files == 1 else 's'}"
    session.write(report.told(found, count, output=output, colour=session.colour))
    return exit_code(found)


def _place(finding: Finding) -> tuple[str, int]:
    return finding.file or "", finding.line or 0


def _compared(here: git.Repository, leaves: Sequence[Resolved], against: str) -> Iterator[Finding]:
    commit = revision.base(here, against)
    if commit is None:
        return
    past = revision.leaves(here, commit)
    yield from past.findings
    found: Iterable[Finding] = comparison.problems(leaves, past.leaves)
    for merged in git.merging(here):
        found = _own(found, leaves, revision.leaves(here, merged))
    yield from found


def _own(
    found: Iterable[Finding], leaves: Sequence[Resolved], merged: revision.Past
) -> Iterator[Finding]:
    """What a merge under way changes itself: what a side brings was checked where it was made."""
    known = {leaf.file for leaf in merged.leaves}
    news = {
        (each.code, each.file, each.field) for each in comparison.problems(leaves, merged.leaves)
    }
    for each in found:
        if each.file not in known or (each.code, each.file, each.field) in news:
            yield each


def _asked(paths: Sequence[str], root: str) -> Iterator[str]:
    """The files, relative to the root; of a folder, nothing is known here."""
    for path in paths:
        folder = os.path.dirname(path) or "."
        if not os.path.isdir(folder) or os.path.isdir(path):
            hint = "name files; without any, all that git tracks are checked"
            raise SopsmithError(Finding("usage", "is no file", path, hint=hint))
        inside = files.relative(folder, root)
        if inside == ".." or inside.startswith("../"):
            raise SopsmithError(Finding("path-refused", "leads outside the root", path))
        name = os.fsencode(os.path.basename(path)).decode("utf-8", "surrogateescape")
        yield posixpath.join(inside, name)


def _check_known(here: git.Repository, asked: Sequence[str], revisions: Sequence[str]) -> None:
    """Refuse names of nothing: a typing error would pass as fine. What git knows may be gone."""
    gone = [each for each in asked if not os.path.lexists(os.path.join(here.root, _on_disk(each)))]
    unknown = sorted({*gone} - git.known(here, gone, revisions)) if gone else []
    if unknown:
        hint = "name files; without any, all that git tracks are checked"
        raise SopsmithError(
            Finding("usage", "does not exist, and git knows no file of that name", each, hint=hint)
            for each in unknown
        )


def _is_regular(root: str, file: str) -> bool:
    """Whether it is a file of its own: what a link leads to has a name of its own."""
    try:
        return stat.S_ISREG(os.lstat(os.path.join(root, _on_disk(file))).st_mode)
    except OSError:
        return False


def _on_disk(file: str) -> str:
    """A file's name as the system spells it."""
    return os.fsdecode(file.encode("utf-8", "surrogateescape"))
