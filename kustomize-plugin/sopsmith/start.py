"""The command `sopsmith` from its first instant: who stops it while it loads hears no traceback."""

from __future__ import annotations

import signal


def main() -> None:
    """Load the command line, and be ended by Ctrl-C as any program until it heeds that itself."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from sopsmith import cli

    cli.main()
