"""`sopsmith fill`: draw every stored value that is missing, and keep it in its component."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sopsmith import aftermath, report, repository, store, writeback
from sopsmith.components import placement
from sopsmith.components.placement import Place
from sopsmith.findings import Finding, exit_code
from sopsmith.history import pending, trail
from sopsmith.model import Sealed, Sensitive, Value
from sopsmith.repository import Leaf
from sopsmith.store import Deposit
from sopsmith.tools import age, draw
from sopsmith.transaction import Work, carry_out
from sopsmith.voice import Session


class Missing(NamedTuple):
    """A stored value that no component holds yet."""

    leaf: Leaf
    value: Value
    place: Place


class Begun(NamedTuple):
    """A stored value that is drawn already and that no commit holds, and the files that do."""

    leaf: Leaf
    name: str
    files: tuple[str, ...]


class Plan(NamedTuple):
    """What is to be done, and what is left to people."""

    missing: tuple[Missing, ...]
    dates: tuple[tuple[Leaf, list[str]], ...]  # the values that become of today, by leaf
    empty: Mapping[str, Leaf]  # maps to be made that nothing is put into yet
    given: tuple[tuple[str, str], ...]  # environment and name of what somebody has to give


def fill(
    session: Session, names: Sequence[str], *, where: str | None, component: str | None,
    dry_run: bool, commit: bool, output: str,
) -> int:  # fmt: skip
    """Fill one environment, or without a word all of them: what is there stays as it is."""
    read = partial(_read, session, names, where)
    touched: list[Leaf] = []

    def planned() -> tuple[Work, Plan]:
        known = read()
        plan = _plan(known, names, component)
        touched.extend((*(each.leaf for each in plan.missing), *plan.empty.values()))
        begun = _begun(known, names) if commit else []
        leaves = (*touched, *(each.leaf for each in begun))
        filled = dict.fromkeys(leaf.recipe.environment for leaf in leaves)
        drawn = [*(each.value.name for each in plan.missing), *(each.name for each in begun)]
        message = trail.message("fill", tuple(filled), tuple(dict.fromkeys(drawn)), "fill")
        files = [file for each in begun for file in each.files]
        return Work(_edits(session, plan), message, begun=files), plan

    changed: tuple[str, ...] = ()
    made, found = None, tuple[Finding, ...]()
    if dry_run:
        plan = _plan(read(), names, component)
    else:
        root = repository.root_of(where, session.env)
        with repository.one_at_a_time(touched, " ".join(("sopsmith fill", *names))):
            (changed, made, found), plan = carry_out(
                session, root, planned, commit=commit, tells_refusal=True
            )
    if output == "json":
        tree = _tree(plan, is_written=bool(changed), commit=made)
        session.write(report.as_json({**tree, "findings": report.findings_json(found)}))
    else:
        _tell(session, plan, made, dry_run=dry_run)
        session.say(aftermath.told(found))
    return exit_code(found)


def _begun(leaves: Sequence[Leaf], names: Sequence[str]) -> list[Begun]:
    found = pending.filled(leaves)
    return [
        Begun(leaf, name, files)
        for leaf in leaves
        for name, files in found.get(leaf.resolved.file, {}).items()
        if not names or name in names
    ]


def _read(session: Session, names: Sequence[str], where: str | None) -> tuple[Leaf, ...]:
    """The leaves that are meant; each of these names is declared in one of them."""
    leaves = (
        repository.every_leaf(session.env)
        if where is None
        else (repository.leaf(where, session.env),)
    )
    for name in names:
        if not any(name in leaf.recipe.values for leaf in leaves):
            placement.declared(leaves[0].recipe, name)  # says what is wrong with it
    return leaves


def _plan(leaves: Sequence[Leaf], names: Sequence[str], component: str | None) -> Plan:
    """What is to be drawn and made; what several leaves read from one place, once."""
    missing: list[Missing] = []
    lacking: list[tuple[str, Leaf]] = []
    given: list[tuple[str, str]] = []
    for leaf in leaves:
        sealed = repository.receiving_components(leaf)
        missing += _missing(leaf, sealed, names, component)
        lacking += [(file, leaf) for file in _lacking(sealed) if not names]
        given += [(leaf.recipe.environment, name) for name in _not_given(leaf, sealed)]
    taken = {each.place.file for each in missing}
    empty = {file: leaf for file, leaf in lacking if file not in taken}
    once = {(each.place.file, each.place.key): each for each in missing}
    return Plan(tuple(once.values()), _dates(missing), empty, tuple(given))


def _row(each: Missing) -> tuple[str, str, str, str]:
    kind = each.value.generator.kind if each.value.generator else ""
    return (each.leaf.recipe.environment, each.value.name, kind, each.place.file)


def _tree(plan: Plan, *, is_written: bool, commit: str | None) -> dict[str, object]:
    keys = ("environment", "value", "kind", "file")
    return {
        "drawn": [dict(zip(keys, _row(each), strict=True)) for each in plan.missing],
        "empty": list(plan.empty),
        "written": is_written,
        "commit": commit,
        "missing": [{"environment": e, "value": n} for e, n in plan.given],
    }


def _tell(session: Session, plan: Plan, commit: str | None, *, dry_run: bool) -> None:
    rows = [_row(each) for each in plan.missing]
    if rows:
        header = ("ENVIRONMENT", "VALUE", "KIND", "COMPONENT")
        session.write(report.table(header, rows, session.colour))
    for file in plan.empty:
        session.write(f"{file} {'is to be made' if dry_run else 'is made'}, without values yet\n")
    session.write(_summary(len(rows), dry_run) + report.committed(commit))
    for environment, name in plan.given:
        session.write(f"still to be given: sopsmith set {name} -e {environment}\n")


def _summary(count: int, dry_run: bool) -> str:
    if not count:
        return "no stored value is missing\n"
    what = "1 value" if count == 1 else f"{count} values"
    return f"{what} to draw\n" if dry_run else f"{what} drawn\n"


def _missing(
    leaf: Leaf, sealed: Sequence[Sealed], names: Sequence[str], component: str | None
) -> list[Missing]:
    found = []
    for value in leaf.recipe.values.values():
        if value.origin == "stored" and (not names or value.name in names):
            place = placement.place(leaf.recipe, sealed, value.name, component)
            if not place.exists:
                found.append(Missing(leaf, value, place))
    return found


def _lacking(sealed: Sequence[Sealed]) -> list[str]:
    """The maps that are not there yet: without them nothing renders, whatever they are to hold."""
    return [e.component.file for e in sealed if not e.data and e.component.whole is None]


def _not_given(leaf: Leaf, sealed: Sequence[Sealed]) -> list[str]:
    """Values that a person has to give, and has not."""
    present = {key for each in sealed for key in placement.names_of(each)}
    return [
        value.name
        for value in leaf.recipe.values.values()
        if value.origin == "given"
        and value.default is None
        and not value.optional
        and value.name not in present
    ]


def _edits(session: Session, plan: Plan) -> list[writeback.Edit]:
    def new_identity() -> Sensitive:
        return age.new_identity(session.env)

    edits = store.edits(
        Deposit(each.leaf, each.place, draw.draw(generator, session.today, new_identity), True)
        for each in plan.missing
        if (generator := each.value.generator) is not None
    )
    edits += [store.new_map([leaf], file, {}) for file, leaf in plan.empty.items()]
    for leaf, names in plan.dates:
        edits += store.dated(leaf, names, session.today)
    return edits


def _dates(missing: Sequence[Missing]) -> tuple[tuple[Leaf, list[str]], ...]:
    """The values that become of today, by leaf: each leaf counts the age of what it reads."""
    found: dict[str, tuple[Leaf, list[str]]] = {}
    for each in missing:
        found.setdefault(each.leaf.resolved.file, (each.leaf, []))[1].append(each.value.name)
    return tuple(found.values())
