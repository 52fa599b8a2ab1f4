"""A plan shown before it is carried out, and the question whether to."""

from __future__ import annotations

from collections.abc import Sequence

from sopsmith.rotations import prospect
from sopsmith.rotations.prospect import Prospect
from sopsmith.voice import Session


def show(session: Session, told: Sequence[Prospect], *, is_text: bool, yes: bool) -> None:
    """The plan, before anything is done; who asked for JSON sees it where there is a question."""
    shown = words(told, colour=session.colour and is_text)
    if is_text:
        session.write(shown)
    elif session.is_terminal and not yes:
        session.say(shown)


def words(told: Sequence[Prospect], *, colour: bool = False) -> str:
    """The plan, for people."""
    return "".join(prospect.text(each, colour) for each in told)


def agreed(session: Session, what: str, *, yes: bool) -> bool:
    """Whether to go ahead: asked on a terminal; elsewhere, as in CI, whoever called has decided."""
    if yes or not session.is_terminal:
        return True
    return session.ask(f"{what}? y/n", "n").lower() in ("y", "yes")
