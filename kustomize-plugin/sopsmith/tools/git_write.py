"""Make commits of exactly the named files, with the `git` program."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.tools import git, process
from sopsmith.tools.git import Commit, Repository

_UNDER_WAY = (  # what git keeps while it is in the midst of something, and how that goes on
    ("MERGE_HEAD", "a merge", "git commit"),
    ("rebase-merge", "a rebase", "git rebase --continue"),
    ("rebase-apply", "a rebase", "git rebase --continue"),
    ("CHERRY_PICK_HEAD", "a cherry-pick", "git cherry-pick --continue"),
    ("REVERT_HEAD", "a revert", "git revert --continue"),
)


def check_settled(here: Repository, paths: Sequence[str]) -> None:
    """Raise SopsmithError (under-way) where a commit of single files is none, or undoes others.

    During a merge or its kind the next commit is the whole of it; and a file in conflict has three
    versions in the index, of which only a person knows that they are settled.
    """
    asked = [word for name, _, _ in _UNDER_WAY for word in ("--git-path", name)]
    found = git.output(here, "rev-parse", *asked).split(b"\n")
    for (_, what, then), name in zip(_UNDER_WAY, found, strict=False):
        if os.path.lexists(os.path.join(here.root, os.fsdecode(name))):
            raise SopsmithError(_not_settled(here, f"{what} is under way", paths, then))
    if git.output(here, "ls-files", "--unmerged", "-z"):
        raise SopsmithError(_not_settled(here, "git knows of a conflict", paths, "git commit"))


def _not_settled(here: Repository, what: str, paths: Sequence[str], then: str) -> Finding:
    message = f"{what}, so single files can't be committed; nothing was changed"
    hint = f"leave out --commit, then git add {shown(here, paths)} && {then}"
    return Finding("under-way", message, hint=hint)


def commit(here: Repository, paths: Sequence[str], message: str) -> str:
    """Commit exactly these paths, whatever else is staged, and return the new commit's hash.

    The repository's hooks run, with the whole environment: they may need keys. Where there is no
    commit, what was staged is what it was; what stops git later, in a post-commit hook, takes
    nothing back.
    Raises SopsmithError: not-committed (a hook refused it, no identity is set, …).
    """
    words = ("commit", "--quiet", "--file=-", "--only", "--")
    before = git.commit_of(here, "HEAD")
    with _named(here, paths, before) as (new, named):
        asked = (*words, *_literal(named))
        result = _asked(here, *asked, stdin=message.encode(), timeout=git.LONG_TIMEOUT)
        made = git.commit_of(here, "HEAD")
        has_failed = isinstance(result, process.Failed) or result.status != 0
        if made is None or (has_failed and made == before):
            raise SopsmithError(_refused(here, paths, new, message))
    return made


class Upstream(NamedTuple):
    """Where a branch is pushed to."""

    remote: str
    ref: str  # its full name there
    ahead: tuple[Commit, ...] = ()  # what it lacks of the branch, newest first

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.name}/{self.ref.removeprefix('refs/heads/')}"

    @property
    def name(self) -> str:
        """The remote's, for people; a URL in its place may hold a password."""
        return self.remote if re.fullmatch(r"[\w./-]+", self.remote) else "the remote"


def upstream(here: Repository) -> Upstream:
    """Where the current branch is pushed to.

    Raises SopsmithError: usage where it has no commit, no upstream, or is set to be pushed
    elsewhere (a fork), behind where that has commits which the branch lacks, program-failed where
    it can't be asked.
    """
    head = git.call(here, "symbolic-ref", "--quiet", "HEAD").stdout.rstrip(b"\n")
    branch = os.fsdecode(head).removeprefix("refs/heads/")
    if not branch:
        message = "no branch is checked out that could be pushed"
        raise SopsmithError(Finding("usage", message, hint="git switch BRANCH; or --no-push"))
    if git.commit_of(here, "HEAD") is None:
        hint = "git add --all && git commit; then the same command again"
        raise SopsmithError(Finding("usage", "the branch has no commit yet", hint=hint))
    remote = git.setting(here, f"branch.{branch}.remote")
    ref = git.setting(here, f"branch.{branch}.merge")
    if remote is None or remote == "." or ref is None:  # the dot: another branch of this clone
        message = "the branch has no upstream to push to"
        hint = f"git push --set-upstream origin {branch}; or --no-push"
        raise SopsmithError(Finding("usage", message, hint=hint))
    found = Upstream(remote, ref)
    own = git.setting(here, f"branch.{branch}.pushRemote") or git.setting(
        here, "remote.pushDefault"
    )
    if own not in (None, remote):
        message = f"the branch follows {found.title} and is pushed elsewhere"
        hint = "sopsmith rotate --commit; once that is merged, --now --no-push does the rest"
        raise SopsmithError(Finding("usage", message, hint=hint))
    there = _there(here, found)
    if there is not None and git.merge_base(here, there, "HEAD") != there:
        message = f"{found.title} has commits that the branch lacks"
        raise SopsmithError(Finding("behind", message, hint="git pull --rebase, then run it again"))
    since = "HEAD" if there is None else f"{there}..HEAD"
    return found._replace(ahead=tuple(git.log(here, [since])))


def push(here: Repository, to: Upstream) -> str:
    """Push the current commit, and return its hash once the remote has it.

    The remote is asked again, as its answer may be lost after it took the commit, and as it may be
    pushed to another place than is fetched from.
    Raises SopsmithError (not-pushed).
    """
    head = git.commit_of(here, "HEAD") or ""
    words = ("push", "--quiet", "--end-of-options", to.remote, f"{head}:{to.ref}")
    result = _asked(here, *words, timeout=git.LONG_TIMEOUT)
    there = _there(here, to, wanted=head)
    if there != head and not _is_below(here, to, head, there):
        message = f"{to.title} did not take the commit"
        hint = "git push shows why; git pull --rebase where somebody else pushed"
        if isinstance(result, process.Done) and not result.status:
            message = f"the commit was pushed elsewhere, and {to.title} lacks it"
            hint = f"git remote get-url --push {to.name} shows where; once it is merged, git pull"
        raise SopsmithError(Finding("not-pushed", message, hint=hint))
    return head


def _asked(
    here: Repository, *words: str, stdin: bytes = b"", timeout: float = git.TIMEOUT
) -> process.Done | process.Failed:
    """Run git as people do, with the whole environment: hooks and ssh may need any of it."""
    env = {**git.environment(here.env), "GIT_TERMINAL_PROMPT": "0"}
    return process.run(process.Call((git.program(here), "-C", here.root, *words), stdin, env),
                       timeout)  # fmt: skip


def _is_below(here: Repository, to: Upstream, commit: str, there: str | None) -> bool:
    """Whether what the remote has by now was built on the commit, as by a bot that follows."""
    if there is None:
        return False
    words = ("fetch", "--quiet", "--no-tags", "--end-of-options", to.remote, to.ref)
    _asked(here, *words)
    return git.merge_base(here, commit, there) == commit


def _there(here: Repository, to: Upstream, wanted: str | None = None) -> str | None:
    """The commit that a branch of a remote has; None where it has no such branch."""
    words = ("ls-remote", "--quiet", "--end-of-options", to.remote, to.ref)
    result = _asked(here, *words)
    if isinstance(result, process.Failed) or result.status:
        code = "program-failed" if wanted is None else "not-pushed"
        message = f"{to.name} can't be asked what it has"
        raise SopsmithError(Finding(code, message, hint="git fetch shows why"))
    lines = os.fsdecode(result.stdout).splitlines()  # other refs may end with this one's name
    return next((line.split("\t")[0] for line in lines if line.endswith(f"\t{to.ref}")), None)


@contextlib.contextmanager
def _named(
    here: Repository, paths: Sequence[str], before: str | None
) -> Iterator[tuple[list[str], list[str]]]:
    """Name new files in the index, as git commits no others, and forget them if nothing comes of
    it. What is in the index already stays there as it is: git looks at the file itself.

    Gives those and all that git knows then: what is gone before it was ever committed is not.
    `before` is HEAD until something does.
    """
    out = git.output(here, "ls-files", "-z", "--", *_literal(paths))
    known = {name.decode("utf-8", "surrogateescape") for name in out.split(b"\0")}
    there = [path for path in paths if os.path.lexists(os.path.join(here.root, path))]
    new = [path for path in there if path not in known]
    try:
        if new:
            git.output(here, "add", "--intent-to-add", "--", *_literal(new))
        yield new, [path for path in paths if path in known or path in new]
    except BaseException:
        if new and git.commit_of(here, "HEAD") == before:
            names = "".join(f"{path}\0" for path in new).encode("utf-8", "surrogateescape")
            git.output(here, "update-index", "--force-remove", "-z", "--stdin", stdin=names)
        raise


def _refused(here: Repository, paths: Sequence[str], new: Sequence[str], message: str) -> Finding:
    """What git and its hooks said may quote a value, so the command that shows it is told."""
    subject = message.partition("\n")[0]
    add = f"git add --intent-to-add -- {shown(here, new)} && " if new else ""
    command = f"{add}git commit -m {shlex.quote(subject)} -- {shown(here, paths)}"
    then = "this shows why, or commits them"
    if git.call(here, "var", "GIT_COMMITTER_IDENT").status:
        then = "git needs user.name and user.email; then"
    hint = f"the files are changed and not committed; {then}: {command}"
    return Finding("not-committed", "git commit was refused", hint=hint)


def by_hand(here: Repository, paths: Sequence[str]) -> str:
    """The command with which a person commits exactly these."""
    known = git.known(here, paths, ())
    new = [path for path in paths if path not in known]
    add = f"git add -- {shown(here, new)} && " if new else ""
    return f"{add}git commit -- {shown(here, paths)}"


def _literal(paths: Sequence[str]) -> list[str]:
    return [f":(literal){path}" for path in paths]


def shown(here: Repository, paths: Sequence[str]) -> str:
    """Paths for a command that a person types in the current folder."""
    return " ".join(shlex.quote(os.path.relpath(os.path.join(here.root, path))) for path in paths)
