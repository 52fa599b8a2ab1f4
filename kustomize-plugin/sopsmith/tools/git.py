"""Read commits and the work tree's state, with the `git` program."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import MOST_BYTES, Read
from sopsmith.tools import process

TIMEOUT = 60  # seconds of one call
LONG_TIMEOUT = 600  # hooks run within a commit, and gpg within a look at signatures
_QUIET = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C.UTF-8"}
_PASSED = (
    "HOME", "PATH", "XDG_CONFIG_HOME", "TMPDIR", "GNUPGHOME", "SSH_AUTH_SOCK", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy",
    "no_proxy",
)  # fmt: skip
_WHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY")
_OWN_WAY = ("-c", "core.fsmonitor=false", "-c", "grep.fullName=false", "-c", "log.follow=false")
_FULL = ("--full-history", "--parents", "--date-order")
_OBJECT = re.compile(rb"([0-9a-f]{40,64}) (blob|tree|commit|tag) ([0-9]+)\Z")
_ASTRAY = re.compile(rb"(?:symlink|dangling|loop|notdir) ([0-9]+)\Z")  # where a link leads
_MOST_AT_ONCE = 32 * 1024 * 1024  # bytes of contents that one process is asked for


class Repository(NamedTuple):
    """A git checkout: its root, which is also ours, and the environment that git gets."""

    root: str  # absolute
    env: Mapping[str, str]


class Commit(NamedTuple):
    """One commit of a history."""

    hash: str
    author: str
    email: str
    date: str  # of the commit, ISO 8601 with the committer's zone
    subject: str
    message: str = ""  # all of it, subject included
    parents: tuple[str, ...] = ()


class Blob(NamedTuple):
    """A file's content, by its name in git."""

    id: str
    size: int  # bytes


def call(
    here: Repository, *arguments: str, stdin: bytes = b"", timeout: float = TIMEOUT
) -> process.Done:
    """Run git for its output. Its hooks, fsmonitor and pagers are no business of a read."""
    found = environment(here.env)
    passed = {n: t for n, t in found.items() if n in _PASSED or n.startswith("GIT_")}
    argv = (program(here), "-C", here.root, *_OWN_WAY, *arguments)
    result = process.run(process.Call(argv, stdin, {**passed, **_QUIET}), timeout)
    if isinstance(result, process.Failed):
        code = "program-timeout" if result.reason == "timeout" else "program-failed"
        raise SopsmithError(Finding(code, f"git {arguments[0]} did not end by itself"))
    return result


def program(here: Repository) -> str:
    """git's absolute path; raises SopsmithError (program-missing)."""
    found = process.which("git", here.env.get("PATH", ""))
    if found is None:
        raise SopsmithError(Finding("program-missing", "git is not on PATH"))
    return found


def environment(env: Mapping[str, str]) -> dict[str, str]:
    """What git gets of the environment, where a hook may have run us.

    Where things are may be told relative to the folder that we start in, and git starts in the
    root; only GIT_INDEX_FILE counts from the top of the work tree. GIT_DIR alone, as a hook of a
    linked worktree gets it, would make the root that top, so it is left out: git finds it.
    """
    fixed = {n: os.path.abspath(t) if n in _WHERE and t else t for n, t in env.items()}
    if "GIT_WORK_TREE" not in fixed:
        fixed.pop("GIT_DIR", None)
    fixed.pop("GIT_PREFIX", None)
    return fixed


def is_checkout(here: Repository) -> bool:
    """Whether git is there and knows the folder."""
    if process.which("git", here.env.get("PATH", "")) is None:
        return False
    return call(here, "rev-parse", "--is-inside-work-tree").stdout.strip() == b"true"


def output(
    here: Repository, *arguments: str, stdin: bytes = b"", timeout: float = TIMEOUT
) -> bytes:
    """git's standard output; raises SopsmithError (program-failed) where it fails."""
    result = call(here, *arguments, stdin=stdin, timeout=timeout)
    if result.status:
        message = f"git {arguments[0]} failed with exit status {result.status}"
        raise SopsmithError(Finding("program-failed", message, hint="run it by hand to see why"))
    return result.stdout


def listed(here: Repository, *, untracked: bool = True) -> tuple[str, ...]:
    """The files of the work tree that git tracks, or would: what it ignores is left out.

    Paths are relative to the root. A file that is tracked and gone is left out as well.
    """
    others = ("--others", "--exclude-standard") if untracked else ()
    out = output(here, "ls-files", "-z", "--cached", *others)
    names = dict.fromkeys(_names(out))
    return tuple(name for name in names if os.path.lexists(os.path.join(here.root, name)))


def changed(here: Repository, paths: Sequence[str]) -> tuple[str, ...]:
    """Which of these the last commit does not hold as they are; what git ignores is left out."""
    options = ("--porcelain=v1", "-z", "--no-renames", "--untracked-files=all")
    literal = [f":(literal){path}" for path in paths]
    found = _names(output(here, "status", *options, "--", *literal))
    prefix = len(_prefix(here)) if found else 0  # these alone count from the top of the work tree
    return tuple(name[3 + prefix :] for name in found)


def _prefix(here: Repository) -> str:
    """The root's path in the work tree with a slash at its end; none at its top."""
    return os.fsdecode(output(here, "rev-parse", "--show-prefix").removesuffix(b"\n"))


def known(here: Repository, paths: Sequence[str], revisions: Sequence[str]) -> frozenset[str]:
    """Which of these the index or one of the revisions holds; one that is no commit holds none."""
    literal = [f":(literal){path}" for path in paths]
    found = _names(output(here, "ls-files", "-z", "--", *literal))
    for commit in filter(None, (commit_of(here, each) for each in revisions)):
        found += _names(output(here, "ls-tree", "-r", "-z", "--name-only", commit, "--", *paths))
    return frozenset(found)


def _names(out: bytes) -> list[str]:
    return [name.decode("utf-8", "surrogateescape") for name in out.split(b"\0") if name]


def commit_of(here: Repository, revision: str) -> str | None:
    """The full hash of a revision's commit; None where there is none of that name.

    A revision that could be taken for an option is none.
    """
    if revision.startswith("-") or "\n" in revision:
        return None
    verify = ("rev-parse", "--quiet", "--verify", "--end-of-options")
    result = call(here, *verify, revision + "^{commit}")
    return result.stdout.decode("ascii", "replace").strip() if result.status == 0 else None


def ambiguous(here: Repository, revision: str) -> tuple[str, ...]:
    """The tag and the branches that a revision could mean, by full name; none where it is one.

    git takes the tag, and whoever may push one decides. What is no name on its way to a commit,
    such as HEAD or a full hash, is taken before any of them.
    """
    name = re.split(r"[~^:]|@\{", revision, maxsplit=1)[0]
    if name in ("", "HEAD") or "\n" in name:
        return ()
    kinds = ("refs/tags/{}", "refs/heads/{}", "refs/remotes/{}", "refs/remotes/{}/HEAD")
    asked = [kind.format(name) for kind in kinds]
    out = output(here, "for-each-ref", "--format=%(refname)", "--", *asked)
    there = out.decode("utf-8", "surrogateescape").splitlines()
    found = tuple(ref for ref in asked if ref in there)
    return found if len(found) > 1 else ()


def merge_base(here: Repository, one: str, other: str) -> str | None:
    """The newest commit that both came from; None where their known histories never meet."""
    result = call(here, "merge-base", "--end-of-options", one, other)
    return result.stdout.decode("ascii", "replace").split("\n")[0] if result.status == 0 else None


def is_shallow(here: Repository) -> bool:
    """Whether older commits were left out when it was cloned."""
    return output(here, "rev-parse", "--is-shallow-repository").strip() == b"true"


def setting(here: Repository, name: str) -> str | None:
    """A setting of git's configuration, from wherever it is set; None where it is not."""
    result = call(here, "config", "--get", name)
    return result.stdout.decode("utf-8", "replace").rstrip("\n") if result.status == 0 else None


def change_setting(here: Repository, name: str, text: str) -> None:
    """Set it in this clone's own configuration; raises SopsmithError (program-failed)."""
    output(here, "config", "--local", name, text)


def ignores(here: Repository, path: str) -> bool:
    """Whether git leaves a file (absolute, there or to be) out of every commit."""
    return call(here, "check-ignore", "--quiet", "--", path).status == 0


def blobs(here: Repository, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], bytes]:
    """The contents of many (commit, path) by one process; what does not exist is left out.

    Links within the commit are followed, as the work tree's are.
    """
    asked = list(dict.fromkeys(wanted))
    lines = [_spelled(here, *each) + b"\n" for each in asked]
    ask = ("cat-file", "--batch", "--follow-symlinks")
    out = output(here, *ask, stdin=b"".join(lines)) if asked else b""
    found: dict[tuple[str, str], bytes] = {}
    at = 0
    for each in asked:
        end = out.index(b"\n", at)
        match = _OBJECT.match(out[at:end])
        astray = _ASTRAY.match(out[at:end])
        at = end + 1
        if match:
            size = int(match[3])
            if match[2] == b"blob":
                found[each] = out[at : at + size]
            at += size + 1
        elif astray:
            at += int(astray[1]) + 1
    return found


def _spelled(here: Repository, commit: str, path: str) -> bytes:
    """A file of a commit on a line: where its name holds a line break, the name of its content."""
    name = f"{commit}:./{path}"
    if "\n" not in path:
        return name.encode("utf-8", "surrogateescape")
    result = call(here, "rev-parse", "--quiet", "--verify", "--end-of-options", name)
    return result.stdout.strip() or f"{commit}:".encode()  # a folder, which nobody asks for


def sides(here: Repository, file: str) -> tuple[bytes | None, bytes | None, bytes | None]:
    """What the index holds of a file in conflict: base, ours and theirs, as far as it does."""
    stages = [(f":{number}", file) for number in (1, 2, 3)]
    found = blobs(here, stages)
    base, ours, theirs = (found.get(stage) for stage in stages)
    return base, ours, theirs


def marked(here: Repository, ours: str, base: str, theirs: str) -> bytes | None:
    """Three files joined line by line, with git's marks where they clash; None where none do."""
    labels = ("-L", "ours", "-L", "base", "-L", "theirs")
    result = call(here, "merge-file", "-p", *labels, "--", ours, base, theirs)
    return result.stdout if 0 < result.status < 128 else None  # their number; 255: it failed


def reader(here: Repository, commit: str) -> Read:
    """The function that reads a file as it was in a commit, like files.reader does now.

    Raises SopsmithError (file-unreadable) where the commit has no such file.
    """

    def read(file: str) -> bytes:
        data = blobs(here, [(commit, file)]).get((commit, file))
        if data is None:
            message = f"does not exist in {commit[:12]}"
            raise SopsmithError(Finding("file-unreadable", message, file))
        return data[:MOST_BYTES]

    return read


def files_of(here: Repository, commit: str) -> tuple[str, ...]:
    """Every file of a commit."""
    return tuple(_names(output(here, "ls-tree", "-r", "-z", "--name-only", commit)))


def holding(here: Repository, commit: str, text: str, suffixes: Sequence[str]) -> tuple[str, ...]:
    """The files of a commit with one of these suffixes that hold the text."""
    flags = ("--no-color", "--no-recurse-submodules", "-l", "-z", "-F")
    result = call(here, "grep", *flags, "-e", text, commit, "--", *_ending(suffixes))
    if result.status not in (0, 1):  # 1: none
        raise SopsmithError(Finding("program-failed", "git grep failed"))
    return tuple(name.partition(":")[2] for name in _names(result.stdout))


def touched(
    here: Repository, revisions: Sequence[str], text: str, suffixes: Sequence[str]
) -> tuple[str, ...]:
    """The files to which a commit brought the text, or from which one took it: also those gone."""
    flags = ("log", "-S", text, "--name-only", "-z", "--format=", "--relative", "--no-renames")
    own = ("--no-textconv", "--no-ext-diff")  # a diff of decrypted files runs sops on each
    out = output(here, *flags, *own, "--end-of-options", *revisions, "--", *_ending(suffixes))
    return tuple(dict.fromkeys(name.lstrip("\n") for name in _names(out)))


def _ending(suffixes: Sequence[str]) -> list[str]:
    return [f":(glob)**/*{suffix}" for suffix in suffixes]


def blob_ids(here: Repository, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Blob]:
    """What many (commit, path) hold, by one process; what does not exist is left out."""
    asked = [each for each in dict.fromkeys(wanted) if "\n" not in each[1]]
    lines = [f"{commit}:./{path}\n".encode("utf-8", "surrogateescape") for commit, path in asked]
    out = output(here, "cat-file", "--batch-check", stdin=b"".join(lines)) if asked else b""
    told = out.split(b"\n")
    found = {}
    for each, line in zip(asked, told, strict=False):
        match = _OBJECT.match(line)
        if match and match[2] == b"blob":
            found[each] = Blob(match[1].decode(), int(match[3]))
    return found


def contents(here: Repository, wanted: Iterable[Blob]) -> Iterator[tuple[str, bytes]]:
    """The contents by id, in batches that stay in memory only until the next; those of MOST_BYTES
    and more are left out."""
    batch: list[Blob] = []
    for blob in dict.fromkeys(each for each in wanted if each.size < MOST_BYTES):
        if batch and sum(each.size for each in batch) + blob.size > _MOST_AT_ONCE:
            yield from _contents(here, batch)
            batch = []
        batch.append(blob)
    yield from _contents(here, batch)


def _contents(here: Repository, batch: Sequence[Blob]) -> Iterator[tuple[str, bytes]]:
    lines = "".join(f"{blob.id}\n" for blob in batch).encode()
    out = output(here, "cat-file", "--batch", stdin=lines) if batch else b""
    at = 0
    for blob in batch:
        at = out.index(b"\n", at) + 1
        yield blob.id, out[at : at + blob.size]
        at += blob.size + 1


def log(
    here: Repository, revisions: Sequence[str], paths: Sequence[str] = (), *, full: bool = False
) -> Iterator[Commit]:
    """The commits of these revisions that touch the paths, newest first.

    `full`: also those of branches whose changes a merge threw away; and their parents are the
    nearest commits before them that touch the paths.
    """
    form = "%H%x00%P%x00%an%x00%ae%x00%cI%x00%s%x00%B"
    flags = ["log", "-z", f"--format=tformat:{form}", "--no-show-signature", "--encoding=UTF-8"]
    flags += ["--no-notes", *(_FULL if full else ()), "--end-of-options"]
    out = output(here, *flags, *revisions, "--", *(f":(literal){path}" for path in paths))
    fields = out.decode("utf-8", "replace").split("\0")
    for index in range(0, len(fields) - 6, 7):
        name, parents, author, email, date, subject, message = fields[index : index + 7]
        yield Commit(name, author, email, date, subject, message, tuple(parents.split()))


def signatures(here: Repository, commits: Sequence[str]) -> dict[str, str]:
    """What git makes of each commit's signature: the letter of %G?, N where there is none."""
    if not commits:
        return {}
    flags = ("log", "-z", "--no-walk=unsorted", "--stdin", "--no-show-signature",
             "--encoding=UTF-8")  # fmt: skip
    lines = "".join(f"{commit}\n" for commit in commits).encode()
    out = output(
        here, *flags, "--format=tformat:%H %G?", stdin=lines, timeout=LONG_TIMEOUT
    ).decode()
    told = (line.lstrip("\n").partition(" ") for line in out.split("\0") if line)
    return {commit: letter for commit, _, letter in told}


def shallow_edges(here: Repository) -> frozenset[str]:
    """The commits at which a shallow clone ends: their parents exist, and are not here."""
    return frozenset(_kept(here, "shallow"))


def merging(here: Repository) -> tuple[str, ...]:
    """The commits that a merge under way brings: several of an octopus, none where none is.

    From git's own file: as a revision, the name would also mean a tag or branch of that name.
    """
    return _kept(here, "MERGE_HEAD")


def _kept(here: Repository, file: str) -> tuple[str, ...]:
    """The commits that git notes in a file of its folder, one a line."""
    name = os.fsdecode(output(here, "rev-parse", "--git-path", file).removesuffix(b"\n"))
    try:
        with open(os.path.join(here.root, name), encoding="ascii", errors="replace") as stream:
            return tuple(stream.read().split())
    except FileNotFoundError:
        return ()


def fetch(url: str, commit: str, folder: str, env: Mapping[str, str]) -> None:
    """Check a commit of another repository out into an empty folder; git verifies its hash.

    Raises SopsmithError (remote-base) where it is not to be had.
    """
    here = Repository(folder, env)
    output(here, "init", "--quiet")
    _check(call(here, "fetch", "--quiet", "--depth=1", "--end-of-options", url, commit), "fetch")
    _check(call(here, "checkout", "--quiet", "--detach", commit, "--"), "check out")


def _check(result: process.Done, what: str) -> None:
    if result.status:
        hint = "see whether this machine reaches it, and whether it has that commit"
        raise SopsmithError(Finding("remote-base", f"git could not {what} it", hint=hint))
