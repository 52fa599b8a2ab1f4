"""Three sides of a component → one text, joined key by key under a MAC that sops makes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sopsmith import writeback
from sopsmith.components import change
from sopsmith.components.change import Policy, Step
from sopsmith.components.conflict import conflict
from sopsmith.components.merging import Leaves, Merge, merge
from sopsmith.components.sealed import Path, format_of, seal
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Component, Sealed

CLEAR = "clear fields"  # nothing proves which side's are right


class Side(NamedTuple):
    """One side, decrypted."""

    sealed: Sealed
    policy: Policy
    leaves: Leaves


class Join(NamedTuple):
    """How the sides fit together: what `chosen`, whose text the result starts from, still needs."""

    file: str
    was: Side | None
    mine: Side
    chosen: Side
    second: Side
    found: Merge

    @property
    def conflicts(self) -> dict[str, Path]:
        """What both sides changed, each in its way, by the names that people give."""
        clear = self.clear
        keys = {".".join(path): path for path in self.found.conflicts if path not in clear}
        known = (self.chosen.sealed.clear, self.was.sealed.clear if self.was else None)
        return keys if self.second.sealed.clear in known else {**keys, CLEAR: ()}

    @property
    def clear(self) -> set[Path]:
        return {*self.chosen.sealed.clear, *self.second.sealed.clear}

    @property
    def theirs(self) -> Side:
        return self.second if self.chosen is self.mine else self.chosen


def compared(desk: writeback.Desk, file: str, texts: tuple[bytes, bytes, bytes]) -> Join:
    """Decrypt base, ours and theirs, and see how they fit.

    Raises SopsmithError: merge-conflict where a person has to choose one side whole; what seal and
    decryption raise.
    """
    if format_of(Component(file, None, None)) == "binary":
        raise SopsmithError(whole_conflict(file, "both sides changed the one value that it is"))
    base = b"" if conflict(texts[0], file, encrypted=True) else texts[0]  # of crossed merges
    was, mine, other = (_side(desk, file, text) for text in (base, *texts[1:]))
    if mine is None or other is None:
        raise SopsmithError(whole_conflict(file, "one side is empty"))
    chosen, second = _chosen(file, was, mine, other)
    before: Leaves = {} if was is None else was.leaves
    found = merge(before, chosen.leaves, second.leaves)
    return Join(file, was, mine, chosen, second, found)


def text_of(desk: writeback.Desk, join: Join, taken: Collection[str] = ()) -> bytes:
    """The joined text: of the conflicts those `taken` are theirs, and all others ours.

    Raises SopsmithError: write-unverified, merge-conflict where a side can't be taken by itself,
    and whatever keeps sops from writing.
    """
    chosen = join.chosen
    side = join.theirs if CLEAR in taken else join.mine
    if CLEAR in join.conflicts and side.sealed.clear != chosen.sealed.clear:
        raise SopsmithError(whole_conflict(join.file, f"{CLEAR} can't be taken by themselves"))
    steps = [*join.found.steps, *_decided(join, taken)]
    after = writeback.amended(desk, chosen.sealed, [e for e in steps if e.path not in join.clear])
    is_theirs = chosen is not join.mine and after != chosen.sealed.data
    if is_theirs and not _shares_key(chosen, join.was, join.mine):
        after = writeback.under_new_key(desk, chosen.sealed.component, after)
    return after


def _decided(join: Join, taken: Collection[str]) -> Iterator[Step]:
    """The values of the conflicts, where the chosen text does not hold them already."""
    for name, path in join.conflicts.items():
        side = join.theirs if name in taken else join.mine
        leaf = side.leaves.get(path)
        if side is join.chosen or not path:
            continue
        if leaf is not None and not isinstance(leaf, str):
            raise SopsmithError(whole_conflict(join.file, f"{name} is no text on one side"))
        yield Step(path, leaf)


def whole_conflict(file: str, what: str) -> Finding:
    """A conflict in which one side has to be taken whole."""
    hint = f"git checkout --ours {file}, or --theirs, takes one side whole; then git add {file}"
    return Finding("merge-conflict", what, file, hint=hint)


def _side(desk: writeback.Desk, file: str, text: bytes) -> Side | None:
    """A side, decrypted; None for an empty one: git's way of saying that there was no file."""
    if not text.strip():
        return None
    component = Component(file, None, None)
    sealed = seal(component, text, desk.trust)
    (plain,) = writeback.opened(desk.env, [sealed])
    return Side(sealed, change.policy_of(component, text)[0], change.leaves(plain, file))


def _chosen(file: str, was: Side | None, mine: Side, other: Side) -> tuple[Side, Side]:
    """The side whose text the result starts from: the one with the newer readers, else ours."""
    if mine.policy == other.policy:
        only_theirs = was and _has_new_key(was, other) and not _has_new_key(was, mine)
        return (other, mine) if only_theirs else (mine, other)
    if was is not None and mine.policy == was.policy:
        if _readers(other) - _readers(was) and not _shares_key(other, was, mine):
            raise SopsmithError(
                whole_conflict(file, "the other side is a new file for new readers")
            )
        return other, mine
    if was is not None and other.policy == was.policy:
        return mine, other
    raise SopsmithError(_of_readers(file))


def _of_readers(file: str) -> Finding:
    """Both sides changed readers: who is to be one stands in the rules, and no file decides it."""
    found = whole_conflict(file, "both sides changed who can read it")
    hint = (
        "settle .sops.yaml first, with the readers that both sides mean; then git checkout --ours "
        f"{file}, or --theirs, takes one side whole (set again what only the other changed), and "
        f"sopsmith recipients sync gives it those readers; then git add .sops.yaml {file}"
    )
    return found._replace(hint=hint)


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
