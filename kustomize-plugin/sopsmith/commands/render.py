"""`sopsmith render`: what the function emits, before kustomize adds prefix, namespace and hash."""

from __future__ import annotations

from sopsmith import checkout, report, repository
from sopsmith.pipeline.render import Rendered, emitted
from sopsmith.recipes.provenance import source
from sopsmith.voice import Session


def render(
    session: Session, path: str | None, *, where: str | None, masked: bool, output: str
) -> int:
    """Print the ResourceList, or with `masked` what each key is made of."""
    rendered = checkout.rendered(repository.meant(path, where, session.env))
    secrets = emitted(rendered)
    if masked:
        rows = [row for each in rendered for row in _rows(each)]
        header = ("SECRET", "KEY", "ORIGIN", "FROM")
        keys = [name.lower() for name in header]
        session.write(
            report.as_json([dict(zip(keys, row, strict=True)) for row in rows])
            if output == "json"
            else report.table(header, rows, session.colour)
        )
        return 0
    session.write_bytes(secrets)
    return 0


def _rows(rendered: Rendered) -> list[tuple[str, str, str, str]]:
    return [
        (secret.name, key, rendered.recipe.values[name].origin, source(rendered, name))
        for secret in rendered.recipe.secrets
        for key, name in sorted(secret.data.items())
        if name in rendered.values
    ]
