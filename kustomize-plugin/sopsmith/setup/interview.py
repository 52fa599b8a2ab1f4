"""What `init` has to know: taken from options, else asked, where somebody is there to answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from sopsmith.components import recipient
from sopsmith.components.sealed import DEMO_RECIPIENT
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.setup import scaffold
from sopsmith.setup.scaffold import Application, Reader
from sopsmith.voice import Session

RECOVERY = "recovery, kept offline"
_KINDS = " or ".join(scaffold.DATABASES)
_TRIES = 3


class Options(NamedTuple):
    """The command line, as it was typed."""

    name: str | None = None
    environments: str | None = None
    database: str | None = None
    recipients: tuple[str, ...] = ()  # age1…, or ENVIRONMENT=age1…
    recovery: str | None = None
    no_recovery: bool = False
    yes: bool = False


class Question(NamedTuple):
    """One thing to know."""

    option: str
    prompt: str
    default: str
    problem: Callable[[str], str | None]


def application(
    session: Session, given: Options, standing: Application, exists: Callable[[str], bool]
) -> Application:
    """Name, environments and database; `standing` is what the repository suggests.

    Where the base recipe exists, it says by itself whether there is a database.
    Raises SopsmithError (usage) for names that can't be, and where the name is missing and nobody
    is there to answer.
    """
    asked = _asked(session, given)
    if given.name is None and asked is None and not given.yes:
        hint = "sopsmith init --name NAME, or --yes for the folder's"
        raise SopsmithError(Finding("usage", "the application's name is missing", hint=hint))
    name = Question("--name", "application", standing.name, scaffold.app_problem)
    where = Question("--environments", "environments", ",".join(standing.environments),
                     lambda text: scaffold.environments_problem(_split(text)))  # fmt: skip
    database = Question("--database", f"database ({_KINDS})", standing.database,
                        lambda text: None if text in scaffold.DATABASES else f"is no {_KINDS}",
                        )  # fmt: skip
    app = standing._replace(name=_answer(asked, name, given.name))
    return Application(
        app.name,
        _split(_answer(asked, where, given.environments)),
        _answer(None if exists(app.base) else asked, database, given.database),
    )


def readers(
    session: Session, given: Options, app: Application, environments: Sequence[str]
) -> dict[str, tuple[Reader, ...]]:
    """Who reads each of these environments, besides its own key; nothing is asked for none.

    Raises SopsmithError (usage) for what is no public key, or names no environment of the app.
    """
    asked = _asked(session, given) if environments else None
    others = Question(
        "--recipient", "public keys of others who read every environment (age1… age1…)", "",
        lambda text: next(filter(None, (_key_problem(key, app) for key in text.split())), None),
    )  # fmt: skip
    offline = Question(
        "--recovery", "public key of a recovery key that is kept offline (age1…)", "",
        lambda text: _age_problem(text) if text else None,
    )  # fmt: skip
    named = _answer(asked, others, " ".join(given.recipients) or None).split()
    recovery = _answer(asked, offline, "" if given.no_recovery else given.recovery)
    last = [Reader(recovery, RECOVERY)] if recovery else []
    places = [_place(text) for text in named]
    return {
        each: (*(Reader(key, "a reader") for at, key in places if at in ("", each)), *last)
        for each in environments
    }


def _asked(session: Session, given: Options) -> Session | None:
    return session if session.is_terminal and not given.yes else None


def _answer(asked: Session | None, question: Question, given: str | None) -> str:
    """The option, else the answer, else the default; somebody who errs is asked again."""
    for _ in range(_TRIES):
        text = given
        if text is None:
            text = question.default
            text = asked.ask(question.prompt, text) if asked else text
        trouble = question.problem(text)
        if trouble is None:
            return text
        if given is not None or asked is None:
            break
        asked.say(f"{question.option.removeprefix('--')}: {trouble}\n")
    hint = "sopsmith init --help"
    raise SopsmithError(Finding("usage", trouble or "", field=question.option, hint=hint))


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _place(text: str) -> tuple[str, str]:
    """The environment, empty for all, and the key."""
    where, _, key = text.rpartition("=")
    return where, key


def _key_problem(text: str, app: Application) -> str | None:
    where, key = _place(text)
    if where and where not in app.environments:
        return f"names no environment; there are {', '.join(app.environments)}"
    return _age_problem(key)


def _age_problem(key: str) -> str | None:
    if key == DEMO_RECIPIENT:
        return "is the demo key, which everyone has"
    return recipient.problem(key)
