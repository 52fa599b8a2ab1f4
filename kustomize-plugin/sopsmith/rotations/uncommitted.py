"""Rotations that the work tree has and no commit holds: they are committed, and not made twice.

Another on top would leave a version out, which `check` refuses, and would keep as the value of
before one that was never deployed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date

from sopsmith.components.sealed import PREVIOUS
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import pending, reopened
from sopsmith.history.compare_values import kept_at
from sopsmith.history.pending import Pending
from sopsmith.history.snapshot import Place
from sopsmith.model import Read, Recipe, Sensitive, Value
from sopsmith.repository import Leaf
from sopsmith.rotations import rotation
from sopsmith.rotations.rotation import Plan, Turn
from sopsmith.rotations.turnover import Job
from sopsmith.tools import git


def made(jobs: Iterable[Job], today: date) -> tuple[Job, ...]:
    """What of these rotations is made already, as it was planned before that.

    A stored value of which nothing is kept can't tell that alone: beside one that was rotated it is
    made where it is another than in the last commit.
    Raises SopsmithError (usage) for what was made and is no single rotation since that commit.
    """
    turning = [each for each in jobs if each.plan.turns]
    known = pending.look(each.leaf for each in turning)
    looked = [(each, known.get(each.leaf.resolved.file)) for each in turning]
    sure: list[list[Turn]] = []
    problems: list[Finding] = []
    for each, since in looked:
        sure.append([])
        for turn in each.plan.turns:
            try:
                sure[-1] += _made(each.leaf, turn, since, today)
            except SopsmithError as error:
                problems += error.findings
    if problems:
        raise SopsmithError(problems)
    if not any(sure):
        return ()
    found = [
        each._replace(plan=Plan((*turns, *_others(each.leaf, each.plan.turns, since))))
        for (each, since), turns in zip(looked, sure, strict=True)
    ]
    return tuple(each for each in found if each.plan.turns)


def refused(jobs: Sequence[Job]) -> SopsmithError:
    """Why these are not rotated again, and what commits them."""
    return SopsmithError(_refusal(each, turn) for each in jobs for turn in each.plan.turns)


def _refusal(one: Job, turn: Turn) -> Finding:
    recipe = one.leaf.recipe
    names = " ".join(each.value.name for each in one.plan.turns)
    what = "" if turn.version is None else f" to version {turn.version}"
    message = f"is rotated{what} already, and no commit holds that"
    if _is_unkept(turn):
        message = "has another value than the last commit"
    hint = f"sopsmith rotate {names} -e {recipe.environment} --commit commits it, and no other"
    return Finding("usage", message, recipe.file, turn.value.name, hint)


def files_of(jobs: Iterable[Job]) -> tuple[str, ...]:
    """The files that rotations change."""
    found = [
        file
        for each in jobs
        for file in (each.leaf.resolved.file, *(place.file for place in each.places.values()))
    ]
    return tuple(dict.fromkeys(found))


def moved(leaves: Sequence[Leaf], held: Collection[str]) -> tuple[str, ...] | None:
    """The values that another seed makes than in the last commit; None where the seeds and theirs
    are what it says. One that a recipe names and nobody holds was never drawn to its end."""
    names: dict[str, None] = {}
    is_other = False
    known = pending.look(leaves)
    for leaf in leaves:
        since = known.get(leaf.resolved.file)
        if since is None:
            continue
        before = since.head.recipe
        seeds = {number: check for number, check in leaf.recipe.seeds.items() if number in held}
        is_other = is_other or seeds != before.seeds
        for name, value in leaf.recipe.values.items():
            old = before.values.get(name)
            if old is not None and old.origin == value.origin == "generated":
                names |= {name: None} if old.seed != value.seed else {}
    return tuple(names) if names or is_other else None


def check_versions(jobs: Sequence[Job], today: date) -> None:
    """Before values move to another seed: raise SopsmithError (usage) for what was rotated since
    the last commit; what moved already moves on."""
    still = []
    known = pending.look(each.leaf for each in jobs)
    for each in jobs:
        since = known.get(each.leaf.resolved.file)
        before = since.head.recipe.values if since else {}
        mine = (turn for turn in each.plan.turns if turn.value.name in before)
        still_there = tuple(t for t in mine if before[t.value.name].seed == t.value.seed)
        still.append(each._replace(plan=Plan(still_there)))
    done = made(still, today)
    if done:
        raise refused(done)


def dated(leaves: Iterable[Leaf], today: date) -> dict[str, list[Turn]]:
    """The rotations of values with a maxAge that are made already, by the leaf's file: `--due`
    finds none of them due any more. Raises what `made` does."""
    aged = {leaf.resolved.file: Job(leaf, _aged(leaf.recipe, today), {}) for leaf in leaves}
    found = {}
    for each in made(aged.values(), today):
        file = each.leaf.resolved.file
        names = {turn.value.name for turn in each.plan.turns}
        found[file] = [turn for turn in aged[file].plan.turns if turn.value.name in names]
    return found


def _aged(recipe: Recipe, today: date) -> Plan:
    values = (each for each in recipe.values.values() if each.max_age is not None)
    mine = (each for each in values if not rotation.refusal(recipe, each))
    return Plan(tuple(rotation.turn(recipe, each, today) for each in mine))


def _made(leaf: Leaf, turn: Turn, since: Pending | None, today: date) -> tuple[Turn, ...]:
    """The turn that was made since the last commit, if one was."""
    if since is None:
        return ()
    value, before = turn.value, since.head.recipe.values.get(turn.value.name)
    if before is None or (before.origin, before.id) != (value.origin, value.id):
        return ()
    then = value._replace(
        version=before.version, seed=before.seed, slot=before.slot, previous=before.previous
    )
    first = rotation.turn(leaf.recipe, then, today)
    if value.origin == "stored":
        return (first,) if turn.keeps and _is_drawn_anew(leaf, value, since) else ()
    if value.version <= before.version:
        return ()
    lacking = _lacking(value, before, first)
    if (value.version, value.seed) != (first.version, before.seed) or lacking:
        raise SopsmithError(_unclear(leaf.recipe, value, before, lacking))
    return (first,)


def _lacking(value: Value, before: Value, turn: Turn) -> list[str]:
    """What is not as a rotation writes it beside the version: somebody raised that by hand."""
    generator = value.generator
    kept = (before.version, before.seed, generator) if generator and turn.keeps else None
    lacks = {
        "slot": value.slot != turn.fields.get("slot", before.slot),
        "`previous`": value.previous != kept,
    }
    return [name for name, is_lacking in lacks.items() if is_lacking]


def _unclear(recipe: Recipe, value: Value, before: Value, lacking: Sequence[str]) -> Finding:
    """It was moved to another seed, rotated several times, or changed by hand."""
    where = (recipe.file, value.name)
    if value.seed != before.seed:
        message = f"moved to seed {value.seed}, and no commit holds that"
        hint = f"sopsmith rotate --seed -e {recipe.environment} --commit commits it"
        return Finding("usage", message, *where, hint)
    message = f"is at version {value.version}, and the last commit has {before.version}"
    if lacking and value.version == before.version + 1:
        what = " and ".join(lacking)
        message = f"is at version {value.version}, with another {what} than a rotation writes"
    hint = (
        f"git diff {recipe.file} shows it, and git checkout -- {recipe.file} takes every change of "
        "that file back; then rotate it once, and commit that"
    )
    return Finding("usage", message, *where, hint)


def _is_unkept(turn: Turn) -> bool:
    """Whether nothing tells afterwards that it was rotated."""
    return turn.value.origin != "generated" and not turn.keeps


def _others(leaf: Leaf, turns: Iterable[Turn], since: Pending | None) -> Iterator[Turn]:
    """What of these is unkept and surely not what it is in the last commit."""
    if since is not None:
        mine = (turn for turn in turns if _is_unkept(turn))
        yield from (turn for turn in mine if _is_other(leaf, turn.value.name, since))


def _is_other(leaf: Leaf, name: str, since: Pending) -> bool:
    then, now = since.head.places.get(name), since.now.places.get(name)
    if then is None or now is None:
        return now is not None
    kept = kept_at(then, now, since.head.parts, since.now.parts)
    if kept is None:  # under another data key
        was = _content(leaf, git.reader(leaf.git, "HEAD"), then, then.key)
        held = _content(leaf, leaf.read, now, now.key)
        kept = None in (was, held) or was == held
    return not kept


def _is_drawn_anew(leaf: Leaf, value: Value, since: Pending) -> bool:
    """Whether the component keeps, as what the value was, what it is in the last commit."""
    name = value.name
    then, now = since.head.places.get(name), since.now.places.get(name)
    kept = since.now.places.get(PREVIOUS + name)
    if then is None or now is None or kept is None or then.ciphertext == now.ciphertext:
        return False
    was = _content(leaf, git.reader(leaf.git, "HEAD"), then, then.key)
    return was is not None and was == _content(leaf, leaf.read, kept, kept.key)


def _content(leaf: Leaf, read: Read, place: Place, key: str) -> bytes | None:
    """What a key holds; None where that can't be told."""
    content = reopened.contents(leaf.env, read, [place.component])[place.component]
    held: Sensitive | None = None
    if not isinstance(content, SopsmithError):
        held = reopened.held(content, key)
    return held.data() if held is not None else None
