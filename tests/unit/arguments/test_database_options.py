"""How long nobody may be seen with a role that is to be closed."""

from __future__ import annotations

import pytest

from sopsmith.arguments import database_options
from sopsmith.cli import parser

GRACES = {"": 0, "--no-cluster": 60, "--no-cluster --grace 0s": 0, "--grace 10m": 600}


@pytest.mark.parametrize("verb", ["rotate P --now", "rollback P --now", "retire", "recover"])
@pytest.mark.parametrize("options", GRACES)
def test_where_only_sessions_tell_one_look_is_not_enough(verb: str, options: str) -> None:
    given = parser().parse_args(["postgres", *verb.split(), *options.split()])
    assert database_options.patience(given) == GRACES[options]
