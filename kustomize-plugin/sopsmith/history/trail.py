"""What a commit of ours says: a conventional message, and trailers that the audit reads. Pure.

It names commands, environments and values, and never what a value is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

COMMAND, ENVIRONMENT, VALUE = "Sopsmith-Command", "Sopsmith-Environment", "Sopsmith-Value"
_TRAILER = re.compile(rf"^({COMMAND}|{ENVIRONMENT}|{VALUE}): (.+)$", re.MULTILINE)
_MOST_NAMED = 3


def message(
    command: str, environment: str | Sequence[str] | None, names: Sequence[str], summary: str
) -> str:
    """The message of a commit: `secrets(production): rotate POSTGRES_PASSWORD`, and trailers."""
    environments = [environment] if isinstance(environment, str) else list(environment or ())
    scope = f"({','.join(environments)})" if environments else ""
    shown = ", ".join(names[:_MOST_NAMED])
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    subject = f"secrets{scope}: {summary or command}" + (f" {shown}{more}" if shown else "")
    trailers = [f"{COMMAND}: {command}"]
    trailers += [f"{ENVIRONMENT}: {each}" for each in environments]
    trailers += [f"{VALUE}: {name}" for name in names]
    return f"{subject}\n\n" + "\n".join(trailers) + "\n"


def trailers(body: str) -> dict[str, list[str]]:
    """Our trailers in a commit's message."""
    found: dict[str, list[str]] = {}
    for name, text in _TRAILER.findall(body):
        found.setdefault(name, []).append(text.strip())
    return found
