"""What an environment is after a change, seen before it is written: whether it still renders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sopsmith import repository
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code, text
from sopsmith.model import Read
from sopsmith.repository import Leaf

_OF_VALUES = 1  # the exit code of errors that say what is wrong with values, and no more than that
_SHOWN = 3


def checked(leaves: Iterable[Leaf], read: Read) -> tuple[Finding, ...]:
    """What is left to be mended in leaves when their files are as `read` shows them.

    Raises SopsmithError with the errors that there are only then: the change would cause them; and
    with all of them where it can't be told what the values are.
    """
    before: list[Finding] = []
    after: list[Finding] = []
    for leaf in leaves:
        found = _findings(leaf, read)
        after += found
        before += _findings(leaf, leaf.read) if exit_code(found) else ()
    known = {_identity(each) for each in before}
    caused = [
        each for each in after if exit_code([each]) > _OF_VALUES or
        (exit_code([each]) and _identity(each) not in known)
    ]  # fmt: skip
    if caused:
        hint = "nothing was changed; before, this was in order"
        raise SopsmithError(each._replace(hint=each.hint or hint) for each in caused)
    return tuple(map(_left, after))


def left(leaf: Leaf, read: Read) -> tuple[Finding, ...]:
    """What is left to be mended in a leaf, whoever caused it, for a change that is one of several:
    half a group comes before the other half."""
    return tuple(_left(each) for each in _findings(leaf, read) if exit_code([each]))


def told(left: Sequence[Finding]) -> str:
    """What is left, for people; a new environment lacks much, and `validate` lists it."""
    ends = [each for each in left if each.code == "taken-along" or exit_code([each])]  # of a commit
    left = [each for each in left if each not in ends]
    more = len(left) - _SHOWN
    rest = f"sopsmith: hint: and {more} more; sopsmith validate lists them\n" if more > 0 else ""
    return text(left[:_SHOWN], "sopsmith: ") + rest + text(ends, "sopsmith: ")


def _findings(leaf: Leaf, read: Read) -> list[Finding]:
    """What is wrong with a leaf as `read` shows it; without a key, that this is not known."""
    try:
        return list(repository.rendered(repository.reread(leaf, read), read).findings)
    except SopsmithError as error:
        return [_noted(each) for each in error.findings]


def _noted(finding: Finding) -> Finding:
    if finding.code != "no-key":
        return finding
    message = f"{finding.message}, so the new values were not validated"
    return finding._replace(code="validated-keyless", message=message)


def _identity(finding: Finding) -> tuple[object, ...]:
    return finding.code, finding.file, finding.field, finding.environment


def _left(finding: Finding) -> Finding:
    if not exit_code([finding]):
        return finding
    message = f"{finding.message} [{finding.code}], so nothing renders"
    return finding._replace(code="not-rendering", message=message)
