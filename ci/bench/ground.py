"""What a bench with a database stands on: a server and a folder of its own."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import programs
from tests.servers import Server, server


@contextmanager
def ground(version: int) -> Iterator[tuple[Server, Path]]:
    """A server of this version and a folder; both are gone in the end.

    Only what the bench makes may give a password or a key. Exits where the programs are missing.
    """
    for name in [name for name in os.environ if name.startswith(("PG", "SOPS"))]:
        del os.environ[name]
    found = programs(version)
    if found is None:
        sys.exit(f"bench: error: no PostgreSQL {version}; run make setup")
    with tempfile.TemporaryDirectory(prefix="sopsmith-bench-") as folder, server(found) as started:
        yield started, Path(folder).resolve()
