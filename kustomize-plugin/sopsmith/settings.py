"""What the environment sets: the operator's word, not git's. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from sopsmith.components.metadata import KEY_TYPES
from sopsmith.components.sealed import Trust
from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding


class Settings(NamedTuple):
    """The settings of one run."""

    trust: Trust
    timeout: float  # seconds for one sops call


def read(env: Mapping[str, str]) -> Settings:
    """Read SOPSMITH_KEY_TYPES, SOPSMITH_ALLOW_DEMO_KEY and SOPSMITH_SOPS_TIMEOUT.

    Raises SopsmithError (usage) for a value that means nothing.
    """
    kinds = frozenset(env.get("SOPSMITH_KEY_TYPES", "age").replace(" ", "").split(","))
    if not kinds <= set(KEY_TYPES):
        hint = f"known kinds: {', '.join(KEY_TYPES)}"
        raise SopsmithError(Finding("usage", "SOPSMITH_KEY_TYPES names an unknown kind", hint=hint))
    demo = env.get("SOPSMITH_ALLOW_DEMO_KEY") == "1"
    seconds = env.get("SOPSMITH_SOPS_TIMEOUT", "30")
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", seconds) or float(seconds) == 0:
        message = "SOPSMITH_SOPS_TIMEOUT is no number of seconds from 0.001 to 9999"
        raise SopsmithError(Finding("usage", message))
    return Settings(Trust(kinds, demo), float(seconds))
