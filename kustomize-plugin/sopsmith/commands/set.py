"""`sopsmith set`: give a value, from a hidden prompt or standard input."""

from __future__ import annotations

from functools import partial

from sopsmith import aftermath, report, repository, store, writeback
from sopsmith.components import placement
from sopsmith.components.placement import Place
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.history import pending, trail
from sopsmith.model import Sensitive
from sopsmith.pipeline.render import Rendered, given_anew
from sopsmith.recipes.template import reached
from sopsmith.repository import Leaf
from sopsmith.store import Deposit
from sopsmith.transaction import Work, carry_out, check_agreed
from sopsmith.voice import Session


def set_value(
    session: Session, name: str, *, where: str | None, component: str | None, exact: bool,
    force: bool, commit: bool, output: str,
) -> int:  # fmt: skip
    """Store one given or stored value in its component, after checking it by the recipe's rules."""
    before, _ = _meant(session, name, where, component)
    value = _read(session, before.recipe.environment, name, exact)

    def plan() -> tuple[Work, tuple[Leaf, Place]]:
        leaf, place = _meant(session, name, where, component)
        check_agreed(before.recipe.environment, leaf.recipe.environment)
        if not force:
            _check(leaf, name, value)
        message = trail.message("set", leaf.recipe.environment, [name], "set")
        edits = _edits(session, leaf, place, name, value)
        begun = pending.begun(leaf, [name]).get(name, ()) if commit else ()
        work = Work(edits, message, check=partial(aftermath.left, leaf), begun=begun)
        return work, (leaf, place)

    done, (leaf, place) = carry_out(session, before.root, plan, commit=commit, tells_refusal=True)
    affected = reached(leaf.recipe.values, [name]) - {name}
    secrets = repository.secrets_with(leaf.recipe, [name])
    if output == "json":
        tree = {"value": name, "environment": leaf.recipe.environment, "file": place.file,
                "changed": bool(done.changed), "derived": sorted(affected), "secrets": secrets,
                "commit": done.commit, "findings": report.findings_json(done.findings)}  # fmt: skip
        session.write(report.as_json(tree))
        return exit_code(done.findings)
    if done.changed:
        session.write(f"{name} set in {place.file}\n" + _consequences(sorted(affected), secrets))
    else:
        session.write(f"{name} is that value already: nothing changed\n")
    session.write(report.committed(done.commit))
    session.say(aftermath.told(done.findings))
    return exit_code(done.findings)


def _meant(
    session: Session, name: str, where: str | None, component: str | None
) -> tuple[Leaf, Place]:
    """The recipe, and where it keeps the value."""
    leaf = repository.leaf(where, session.env, [name])
    placement.kept(leaf.recipe, name)
    receiving = repository.receiving_components(leaf)
    return leaf, placement.place(leaf.recipe, receiving, name, component)


def _edits(
    session: Session, leaf: Leaf, place: Place, name: str, value: Sensitive
) -> list[writeback.Edit]:
    """The component's change; where the recipe counts the value's age, its day as well."""
    edits = store.edits([Deposit(leaf, place, value)])
    if leaf.recipe.values[name].max_age is not None and not _is_now(leaf, place, name, value):
        edits += store.dated(leaf, [name], session.today)
    return edits


def _is_now(leaf: Leaf, place: Place, name: str, value: Sensitive) -> bool:
    """Whether it is that value already: to give it again makes it no younger."""
    now = _rendered(leaf).values.get(name) if place.exists else None
    return now is not None and now.data() == value.data()


def _rendered(leaf: Leaf) -> Rendered:
    """What there is, where files are missing that values are still to be put into."""
    return repository.rendered(repository.existing(leaf))


def _consequences(derived: list[str], secrets: list[str]) -> str:
    lines = [f"derived from it: {', '.join(derived)}\n"] if derived else []
    lines += [f"Secrets that change: {', '.join(secrets)}\n"] if secrets else []
    return "".join(lines)


def _read(session: Session, environment: str, name: str, exact: bool) -> Sensitive:
    """The new value. One line break at the end is what `echo` adds, unless it is meant."""
    if session.is_terminal:
        first = session.ask_secret(f"{name} for {environment}")
        if first != session.ask_secret("once more"):
            raise SopsmithError(Finding("usage", "the two differ; nothing was changed"))
        return Sensitive(first)
    data = session.read_stdin()
    if not exact and data.endswith(b"\n"):
        data = data[:-1].removesuffix(b"\r")
    if not data:
        mine = f"{name} -e {environment}"
        hint = f"printf %s VALUE | sopsmith set {mine}, or to have none: sopsmith unset {mine}"
        raise SopsmithError(Finding("usage", "standard input is empty", hint=hint))
    return Sensitive(data)


def _check(leaf: Leaf, name: str, value: Sensitive) -> None:
    """Refuse what the recipe's own rules call an error, before it is written."""
    findings = given_anew(_rendered(leaf), {name: value})
    errors = [each for each in findings if each.severity == "error" and each.field == name]
    if errors:
        hint = "give another, or --force stores it all the same"
        raise SopsmithError([each._replace(hint=each.hint or hint) for each in errors])
