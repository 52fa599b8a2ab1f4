"""An INI file as sops writes it (stores/ini/store.go), as the JSON that says the same. Pure.

No component is one; a rule may cover one, and then what stands in it has to be judged.
"""

from __future__ import annotations

import json
import re

from sopsmith.components.metadata import unflatten
from sopsmith.text.document import DocumentError

_SECTION = re.compile(r"\[([^\]]+)\]\Z")
_FIELD = re.compile(r"([^\s=:\"'`#;\[][^=:\"'`]*?) *= ?(.*)\Z")
_METADATA = "sops"


def as_json(data: bytes) -> bytes:
    """The sections as maps, with the metadata as a tree.

    Raises DocumentError for what sops does not write: another reader may see a value in it.
    """
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise DocumentError("the text is not UTF-8") from None
    tree: dict[str, dict[str, str]] = {}
    section: dict[str, str] = tree.setdefault("DEFAULT", {})  # what stands before the first
    for number, line in enumerate(lines, 1):
        header, field = _SECTION.match(line), _FIELD.match(line)
        if header:
            section = tree.setdefault(header[1], {})
        elif field and field[1] not in section:
            section[field[1]] = field[2]
        elif field or (line and not line.startswith((";", "#"))):
            trouble = "a key stands twice" if field else "a line that sops does not write"
            raise DocumentError(trouble, number)
    metadata = unflatten(tree.pop(_METADATA, {}))
    kept = {name: fields for name, fields in tree.items() if fields}
    return json.dumps({**kept, _METADATA: metadata}).encode()
