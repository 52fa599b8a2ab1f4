"""What stops the work.

SopsmithError      carries every finding; the exit code is computed from their codes
Interrupted        a signal asked us to stop; no handler of errors may take it for one
"""

from __future__ import annotations

import signal
from collections.abc import Iterable

from sopsmith.findings import Finding

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what asks us to stop


class SopsmithError(Exception):
    """The work stops here, for the reasons in `findings`."""

    def __init__(self, findings: Finding | Iterable[Finding]) -> None:
        given = (findings,) if isinstance(findings, Finding) else findings
        self.findings: tuple[Finding, ...] = tuple(dict.fromkeys(given))
        super().__init__("; ".join(finding.code for finding in self.findings))


class Interrupted(BaseException):
    """A signal asked us to stop."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal
