"""A command that is pasted from a hint has the options that were given."""

from __future__ import annotations

import shlex

import pytest

from sopsmith.arguments import carrying
from sopsmith.arguments.carrying import Given
from sopsmith.cli import parser

TAKEN = {
    "recover": {"namespace", "no_cluster", "via", "grace"},
    "check": {"wait"},
    "bootstrap": {"via", "as"},
    "rotate": {"namespace", "no_cluster", "via", "no_push"},
}


def carried(text: str, environment: str | None = None, **options: str) -> str:
    """The text, after a command with these options."""
    return carrying.carried(Given(environment, options), TAKEN)(text)


def test_a_hint_looks_where_the_command_looked() -> None:
    hint = "then sopsmith postgres recover -e production again; or sopsmith postgres check"
    assert carried(hint, namespace="--namespace shop") == (
        "then sopsmith postgres recover -e production --namespace shop again; "
        "or sopsmith postgres check"
    )


def test_an_option_comes_after_what_is_meant() -> None:
    hint = "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now, with all of before"
    assert carried(hint, no_cluster="--no-cluster", no_push="--no-push") == (
        "sopsmith postgres rotate POSTGRES_PASSWORD -e production --now --no-cluster --no-push, "
        "with all of before"
    )


@pytest.mark.parametrize("name", ["db-password", "pg.password", "P"])
def test_a_value_may_have_any_name(name: str) -> None:
    hint = f"recover, or sopsmith postgres rotate {name} -e prod --now, with all of before"
    assert carried(hint, "x", no_push="--no-push") == (
        f"recover, or sopsmith postgres rotate {name} -e x --now --no-push, with all of before"
    )


def test_the_environment_is_named_as_it_was() -> None:
    assert carried("sopsmith postgres check", "overlays/my shop") == (
        "sopsmith postgres check -e 'overlays/my shop'"
    )
    assert (
        carried("sopsmith postgres check -e prod: why", "x") == "sopsmith postgres check -e x: why"
    )


@pytest.mark.parametrize(
    "hint",
    [
        "sopsmith postgres takes --no-cluster where no pod uses it",
        "sopsmith postgres recover -e production --no-cluster",
        "sopsmith rotate KEY -e production",
        "nothing to type",
    ],
)
def test_what_says_so_itself_or_takes_none_stays(hint: str) -> None:
    assert carried(hint, namespace="--namespace shop") == hint


def test_another_way_in_stays_the_other_one() -> None:
    hint = "sopsmith postgres bootstrap --as NAME_OF_ITS_URL, or --via 'COMMAND … psql'"
    assert carried(hint, via="--via psql") == hint


@pytest.mark.parametrize("via", ["kubectl exec -i 'my db' -- psql", "psql"])
def test_a_command_is_quoted_for_the_shell(via: str) -> None:
    words = ["postgres", "recover", "-e", "production", "--via", via]
    found = carrying.carried(carrying.given(parser().parse_args(words)), TAKEN)
    again = shlex.split(found("sopsmith postgres recover -e production"))
    assert again[1:] == words


@pytest.mark.parametrize(
    "via",
    [
        "psql postgresql://a:hunter2@h",
        "env PGPASSWORD=hunter2 psql",
        "kubectl --token hunter2 exec -i db-0 -- psql",
    ],
)
def test_what_may_hold_a_password_is_not_repeated(via: str) -> None:
    words = ["postgres", "recover", "--via", via]
    found = carrying.carried(carrying.given(parser().parse_args(words)), TAKEN)
    assert "hunter2" not in found("sopsmith postgres recover")
