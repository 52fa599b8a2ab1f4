"""`sopsmith postgres check`: log in by every database URL, as the application would."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from sopsmith import report, repository
from sopsmith.database import accounts, checking, superusers, versions, ways
from sopsmith.database.accounts import Source
from sopsmith.database.checking import Checked, Meant
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding, exit_code
from sopsmith.postgres.account import Account
from sopsmith.voice import Session


def check(
    session: Session, source: Source, *, variables: Sequence[str], wait: float, output: str
) -> int:
    """Print what came of a login by every URL; the exit code is the findings'.

    With `variables`, the URLs are those in the environment, as a container has them; `wait` says
    for how many seconds to try again while one fails.
    """
    (urls, unread), known = _meant(session, source, variables)
    if not urls and not unread:
        hint = "derive one: url: {scheme: postgresql, …}"
        raise SopsmithError(Finding("db-roles", "there is no database URL to check", hint=hint))

    def check_all() -> list[Checked]:
        return list(checking.check(urls, known, ways.login))

    tried = checking.wait(check_all, wait, time.monotonic, time.sleep)
    way = ways.real(session.env)
    found = list(versions.named(tried, way))
    findings = [*(each.finding for each in found if each.finding), *unread]
    findings += superusers.findings(known, tried, way)
    findings = [each._replace(hint=each.hint and session.again(each.hint)) for each in findings]
    if output == "json":
        tree = {"urls": [_tree(each) for each in found], "findings": report.findings_json(findings)}
        session.write(report.as_json(tree))
    else:
        session.write(
            report.table(("URL", "ROLE", "AT", "LOGIN"), map(_row, found), session.colour)
        )
        count = f"{len(found)} URL{'' if len(found) == 1 else 's'}"
        session.write(report.told(findings, count, output="text", colour=session.colour))
    return exit_code(findings)


def _meant(
    session: Session, source: Source, variables: Sequence[str]
) -> tuple[Meant, Sequence[Account]]:
    if variables:
        return Meant(checking.from_environment(session.env, variables)), ()
    if source.path is not None:
        known = accounts.accounts(source, session.env)
        return Meant(checking.of_accounts(known)), known
    rendered = accounts.checked(repository.leaf(source.where, session.env))
    return checking.of_values(rendered.recipe, rendered.values), accounts.of_rendered(rendered)


def _row(each: Checked) -> tuple[str, ...]:
    return each.name, each.to.user or "-", each.to.place, each.attempt.words


def _tree(each: Checked) -> dict[str, Any]:
    tree = {"url": each.name, "role": each.to.user, "at": each.to.place, **each.attempt._asdict()}
    account, held = each.account, each.held
    if account is None or held is None:
        return {**tree, "holds": None}
    holds = {"role": held.role, "version": held.secret.version, "git": account.now.version}
    return {**tree, "holds": holds}
