"""One seed after another, in steps that each leave a working repository.

A new seed is drawn beside the old one; values move to it, each to a new version; the old seed goes
once nothing is made from it, not even what a value was. What was begun is taken up where it stands,
unless a reader who was removed meanwhile knows the seed that values were moving to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sopsmith import repository, writeback
from sopsmith.components import placement
from sopsmith.components.change import Change
from sopsmith.components.sealed import SEED
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.history import readership
from sopsmith.model import Generator, Recipe, Sensitive
from sopsmith.recipes.recipe import parse
from sopsmith.repository import Leaf
from sopsmith.rotations import rotation, turnover
from sopsmith.rotations.rotation import Plan
from sopsmith.rotations.turnover import Job
from sopsmith.text import layout
from sopsmith.tools import draw, files

_NUMBER = re.compile(rf"{SEED}([1-9][0-9]*)\Z")
_SEED = Generator("bytes", {"size": 32, "encoding": "hex"}, stored=True)


class Standing(NamedTuple):
    """Which seeds there are, and every leaf that reads them from there."""

    leaves: tuple[Leaf, ...]  # the one that is meant first
    holders: Mapping[str, str]  # number: component
    broken: tuple[str, ...]  # recipe files of which nobody knows what they need
    exposed: frozenset[str] = frozenset()  # seeds that somebody knows who is no reader any more

    @property
    def newest(self) -> str:
        """The highest number."""
        return max(self.holders, key=int)

    @property
    def target(self) -> str:
        """The seed that values move to: the newest where a change to it was begun, else the next.

        After a change seeds may stay for what values were, so their number says nothing.
        """
        goes_on = self._is_begun and self.newest not in self.exposed
        return self.newest if goes_on else str(int(self.newest) + 1)

    @property
    def _is_begun(self) -> bool:
        """Whether values are left to move to the newest seed, or an older one has only to go."""
        older = self.holders.keys() - {self.newest}
        recipes = [leaf.recipe for leaf in self.leaves]
        is_moving = any(rotation.elsewhere(each, self.newest) for each in recipes)
        return bool(older) and (is_moving or bool(_unneeded(recipes, older)))

    @property
    def old(self) -> tuple[str, ...]:
        """The seeds to get rid of."""
        return tuple(sorted({*self.holders} - {self.target}, key=int))


class Step(NamedTuple):
    """One change of the repository, and how it is told."""

    name: str  # draw, move or remove
    words: str
    subject: str  # of its commit
    names: tuple[str, ...]  # the values that it changes
    edits: tuple[writeback.Edit, ...]


# Makes a step from how it stands then; None: nothing is to be done.
Make = Callable[[Standing], Step | None]


def look(leaf: Leaf) -> Standing:
    """How it stands now; raises SopsmithError (usage) where no component holds a seed."""
    now = _look(leaf)
    files_of = frozenset(now.holders.values())
    known = {file: readership.known_to_former(leaf.git, file, leaf.read(file)) for file in files_of}
    exposed = (n for n, file in now.holders.items() if SEED + n in known[file])
    return now._replace(exposed=frozenset(exposed))


def _look(leaf: Leaf) -> Standing:
    holders = _holders(leaf)
    if not holders:
        hint = "sopsmith init draws one; without generated values none is needed"
        raise SopsmithError(Finding("usage", "reads no seed", leaf.recipe.file, "components", hint))
    names = repository.recipe_files(leaf.root, leaf.env)
    found, broken = repository.whole_leaves(names, files.reader(leaf.root))
    others = (leaf._replace(resolved=each, recipe=parse(each)) for each in found)
    sharing = [
        each
        for each in others
        if each.resolved.file != leaf.resolved.file
        and any(c.file in holders.values() and not c.whole for c in each.recipe.components)
    ]
    return Standing((leaf, *sharing), holders, tuple(broken))


def _holders(leaf: Leaf) -> dict[str, str]:
    return {
        match[1]: sealed.component.file
        for sealed in repository.sealed_components(leaf)
        if sealed.component.whole is None
        for key in placement.keys_of(sealed)
        if (match := _NUMBER.match(key))
    }


def moves(now: Standing, target: str, today: date) -> tuple[Job, ...]:
    """What rotates in each leaf."""
    return tuple(
        Job(leaf, Plan(rotation.move(leaf.recipe, target, today)), {})
        for leaf in now.leaves
    )  # fmt: skip


def waiting(now: Standing, jobs: Sequence[Job]) -> dict[str, tuple[str, ...]]:
    """The old seeds that have to stay when the values have moved, and the values that need them."""
    needs = {
        number: tuple(
            dict.fromkeys(
                name
                for job in jobs
                for name in rotation.needed_by(job.leaf.recipe, number, job.plan.turns)
            )
        )
        for number in now.old
    }
    return {number: names for number, names in needs.items() if names}


# --- the steps ------------------------------------------------------------------------------------


def steps(target: str, today: date) -> Iterator[Make]:
    """The steps in their order."""
    yield lambda now: _draw(now, target, today)
    yield lambda now: _move(now, target, today)
    yield lambda now: _remove(now, target)


def _draw(now: Standing, target: str, today: date) -> Step | None:
    """The recipes first: stopped between the two, the next run draws another seed and goes on."""
    if target in now.holders:
        return None
    file = now.holders[now.newest]
    seed = draw.draw(_SEED, today, _no_identity)
    edits: list[writeback.Edit] = [
        turnover.recipe_edit(leaf, _with_check(leaf, target, seed)) for leaf in now.leaves
    ]
    edits.append(writeback.ComponentEdit(file, (Change(SEED + target, seed),)))
    return Step("draw", f"seed {target} is in {file}", f"draw seed {target}", (), tuple(edits))


def _no_identity() -> Sensitive:
    raise AssertionError("a seed is no identity")


def _with_check(leaf: Leaf, number: str, seed: Sensitive) -> Callable[[str], str]:
    from sopsmith.pipeline.generate import check_value

    raw = bytes.fromhex(seed.text() or "")
    check = check_value(raw, leaf.recipe.app, leaf.recipe.environment, number)
    return lambda text: layout.set_field(text, ("spec", "seeds", number), check)


def _move(now: Standing, target: str, today: date) -> Step | None:
    jobs = [job for job in moves(now, target, today) if job.plan.turns]
    names = tuple(dict.fromkeys(turn.value.name for job in jobs for turn in job.plan.turns))
    if not names:
        return None
    words = f"{len(names)} value{'' if len(names) == 1 else 's'} moved to seed {target}"
    subject = f"move to seed {target}:"
    return Step("move", words, subject, names, tuple(turnover.edits(jobs, today)))


def _remove(now: Standing, target: str) -> Step | None:
    """The recipes first: stopped between the two, the next run still sees the seed in its file."""
    recipes = [leaf.recipe for leaf in now.leaves]
    gone = _unneeded(recipes, now.holders.keys() - {target})
    if not gone:
        return None
    edits: list[writeback.Edit] = [
        turnover.recipe_edit(leaf, _without_checks(gone)) for leaf in now.leaves
    ]
    for file in dict.fromkeys(now.holders[number] for number in gone):
        keys = [SEED + number for number in gone if now.holders[number] == file]
        edits.append(writeback.ComponentEdit(file, tuple(Change(key, None) for key in keys)))
    numbers = ", ".join(gone)
    return Step("remove", f"seed {numbers} is removed", f"remove seed {numbers}", (), tuple(edits))


def _unneeded(recipes: Sequence[Recipe], numbers: Iterable[str]) -> list[str]:
    """The seeds from which nothing is made, not even what a value was."""
    return [
        number
        for number in sorted(numbers, key=int)
        if not any(rotation.needed_by(each, number) for each in recipes)
    ]


def _without_checks(numbers: Sequence[str]) -> Callable[[str], str]:
    def edit(text: str) -> str:
        for number in numbers:
            text = layout.remove_field(text, ("spec", "seeds", number))
        return text

    return edit
