"""What stops the work.

SopsmithError      carries every finding; the exit code is computed from their codes
Interrupted        a signal asked us to stop; no handler of errors may take it for one
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping

from sopsmith.findings import Finding

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what asks us to stop


class SopsmithError(Exception):
    """The work stops here, for the reasons in `findings`; `done` is what was done by then, for who
    asked for JSON."""

    def __init__(
        self, findings: Finding | Iterable[Finding], done: Mapping[str, object] | None = None
    ) -> None:
        given = (findings,) if isinstance(findings, Finding) else findings
        self.findings: tuple[Finding, ...] = tuple(dict.fromkeys(given))
        self.done = done or {}
        super().__init__("; ".join(finding.code for finding in self.findings))


class Interrupted(BaseException):
    """A signal asked us to stop."""

    def __init__(self, signal: int) -> None:
        super().__init__(signal)
        self.signal = signal
