"""The function as kustomize runs it: real sops, real age, real files."""

from __future__ import annotations

from tests.repository import Repo


def test_a_given_value_reaches_the_secret(repo: Repo) -> None:
    token = repo.canary()
    repo.shop({"TOKEN": token})
    assert repo.function().secrets == {"shop": {"TOKEN": token.encode()}}
