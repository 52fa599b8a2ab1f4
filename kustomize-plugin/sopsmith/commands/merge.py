"""`sopsmith merge`: git's merge driver for encrypted components.

Two branches that set different keys of one file always conflict on its MAC. Here the three sides
are decrypted in memory and joined key by key, and sops writes the result, with a MAC of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sopsmith import writeback
from sopsmith.components import change
from sopsmith.components.change import Policy, Step
from sopsmith.components.merging import Leaves, Merge, merge
from sopsmith.components.sealed import format_of, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, one_line
from sopsmith.model import Component, Sealed
from sopsmith.tools import files, replace
from sopsmith.voice import Session

_LEFT = "ours was kept; git checkout --theirs FILE takes the other"


class Side(NamedTuple):
    """One side of the merge."""

    sealed: Sealed
    policy: Policy
    leaves: Leaves


def merge_files(session: Session, base: str, ours: str, theirs: str, path: str) -> int:
    """Join THEIRS into OURS, which git takes for the result; 1 where a person has to decide.

    Whatever goes wrong leaves OURS as it was, and git marks the file as in conflict.
    """
    root = files.find_root(".", session.env)
    desk = writeback.desk_in(root, session.env)
    inside = files.relative(".", root)
    names = [f"{inside}/{name}" if inside else name for name in (base, ours, theirs)]
    texts = [desk.read(name) for name in names]
    if format_of(Component(path, None, None)) == "binary":
        raise SopsmithError(_conflict(path, "both sides changed the one value that it is"))
    was, mine, other = (_side(desk, path, text) for text in texts)
    if mine is None or other is None:
        raise SopsmithError(_conflict(path, "one side is empty"))
    before: Leaves = {} if was is None else was.leaves
    chosen, second = _chosen(path, was, mine, other)
    found = merge(before, chosen.leaves, second.leaves)
    clear = {*chosen.sealed.clear, *second.sealed.clear}  # nothing proves which side is right
    steps = [each for each in (*found.steps, *_ours(found, chosen, mine)) if each.path not in clear]
    after = writeback.amended(desk, chosen.sealed, steps)
    if chosen is not mine and after != chosen.sealed.data and not _shares_key(chosen, was, mine):
        after = writeback.under_new_key(desk, chosen.sealed.component, after)
    with replace.locked(root):
        replace.replace(root, names[1], texts[1], after)
    keys = [".".join(each) for each in found.conflicts if each not in clear]
    if second.sealed.clear not in (chosen.sealed.clear, was.sealed.clear if was else None):
        keys.append("clear fields")
    if keys:
        raise SopsmithError(_conflict(path, f"both sides changed {', '.join(keys)}"))
    session.say(f"sopsmith: merged {one_line(path)} key by key\n")
    return 0


def _ours(found: Merge, chosen: Side, mine: Side) -> Iterator[Step]:
    """In a conflict our value stays, also where the result starts from the other side's text."""
    for path in found.conflicts if chosen is not mine else ():
        leaf = mine.leaves.get(path)
        if leaf is None or isinstance(leaf, str):
            yield Step(path, leaf)


def _side(desk: writeback.Desk, path: str, text: bytes) -> Side | None:
    """A side, decrypted; None for an empty one: git's way of saying that there was no file."""
    if not text.strip():
        return None
    component = Component(path, None, None)
    sealed = seal(component, text, desk.trust)
    (plain,) = writeback.opened(desk.env, [sealed])
    return Side(sealed, change.policy_of(component, text)[0], change.leaves(plain, path))


def _chosen(path: str, was: Side | None, mine: Side, other: Side) -> tuple[Side, Side]:
    """The side whose text the result starts from: the one with the newer readers, else ours."""
    if mine.policy == other.policy:
        only_theirs = was and _has_new_key(was, other) and not _has_new_key(was, mine)
        return (other, mine) if only_theirs else (mine, other)
    if was is not None and mine.policy == was.policy:
        if _readers(other) - _readers(was) and not _shares_key(other, was, mine):
            raise SopsmithError(_conflict(path, "the other side is a new file for new readers"))
        return other, mine
    if was is not None and other.policy == was.policy:
        return mine, other
    raise SopsmithError(_conflict(path, "both sides changed who can read it"))


def _has_new_key(was: Side, side: Side) -> bool:
    """Whether a value that stayed the same has another ciphertext: a new data key."""
    before: Mapping[tuple[str, ...], str] = was.sealed.ciphertexts
    same = [path for path, leaf in side.leaves.items() if leaf and was.leaves.get(path) == leaf]
    return bool(same) and all(before.get(p) != side.sealed.ciphertexts.get(p) for p in same)


def _readers(side: Side) -> frozenset[str]:
    return frozenset().union(*side.policy.groups)


def _shares_key(side: Side, *known: Side | None) -> bool:
    """Whether a side is encrypted with the data key of one that is ours: the same ciphertext was
    decrypted in both. Anybody can make a file for our readers, and knows the data key of it."""
    ours = [each.sealed.ciphertexts for each in known if each is not None]
    return any(
        text and any(each.get(path) == text for each in ours)
        for path, text in side.sealed.ciphertexts.items()
    )


def _conflict(path: str, what: str) -> Finding:
    hint = f"set what is right with sopsmith set, then git add {path}; {_LEFT}"
    return Finding("merge-conflict", what, path, hint=hint)
