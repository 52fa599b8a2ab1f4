"""`sopsmith get`: one value to standard output, because somebody asked for it by name."""

from __future__ import annotations

import base64

from sopsmith import report, repository
from sopsmith.components import placement
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Sensitive
from sopsmith.pipeline import derive
from sopsmith.voice import Session


def get(session: Session, name: str, *, where: str | None, output: str) -> int:
    """Print one value as it is, whatever its origin; on a terminal with a line break."""
    leaf = repository.leaf(where, session.env, [name])
    value = placement.declared(leaf.recipe, name)
    rendered = repository.rendered(leaf)
    if name not in rendered.values:
        is_told = any(each.field == name for each in rendered.findings)
        if value.origin == "derived" and not is_told:
            raise SopsmithError(derive.absent(leaf.recipe, value, rendered.values))
        verb = {"given": "set", "stored": "fill"}.get(value.origin)
        hint = f"sopsmith {verb} {name} -e {leaf.recipe.environment}"
        hint = hint if verb else "sopsmith validate tells why"
        raise SopsmithError(Finding("missing", "is absent", leaf.recipe.file, name, hint))
    found = rendered.values[name]
    if output == "json":
        tree = {"value": name, "environment": leaf.recipe.environment, **_content(found)}
        session.write(report.as_json(tree))
    else:
        session.write_bytes(found.data() + (b"\n" if session.is_terminal else b""))
    return 0


def _content(value: Sensitive) -> dict[str, str]:
    """JSON can't hold bytes that are not UTF-8."""
    text = value.text()
    return {"base64": base64.b64encode(value.data()).decode()} if text is None else {"text": text}
