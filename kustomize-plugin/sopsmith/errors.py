"""The one error that crosses a border inside sopsmith: findings that stop the work.

SopsmithError      carries every finding; the exit code is computed from their codes
└─ Interrupted     a signal asked us to stop; carries its number
"""

from __future__ import annotations

from collections.abc import Iterable

from sopsmith.findings import Finding


class SopsmithError(Exception):
    """The work stops here, for the reasons in `findings`."""

    def __init__(self, findings: Finding | Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = (
            (findings,) if isinstance(findings, Finding) else tuple(findings)
        )
        super().__init__("; ".join(finding.code for finding in self.findings))


class Interrupted(SopsmithError):
    """A signal asked us to stop."""

    def __init__(self, signal: int) -> None:
        super().__init__(())
        self.signal = signal
