"""`sopsmith get`: one value to standard output, because somebody asked for it by name."""

from __future__ import annotations

from sopsmith import repository
from sopsmith.components import placement
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.voice import Session


def get(session: Session, name: str, *, where: str | None) -> int:
    """Print one value as it is, whatever its origin; on a terminal with a line break."""
    leaf = repository.leaf(where, session.env, [name])
    value = placement.declared(leaf.recipe, name)
    rendered = repository.rendered(leaf)
    if name not in rendered.values:
        verb = {"given": "set", "stored": "fill"}.get(value.origin)
        hint = f"sopsmith {verb} {name} -e {leaf.recipe.environment}"
        hint = hint if verb else "sopsmith validate tells why"
        raise SopsmithError(Finding("missing", "is absent", leaf.recipe.file, name, hint))
    session.write_bytes(rendered.values[name].data() + (b"\n" if session.is_terminal else b""))
    return 0
