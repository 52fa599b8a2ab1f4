"""`set`, `unset`, `get`, `fill` and `pin`, as people and scripts use them, and what stops them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.past import give
from tests.repository import Repo, Run

SHOP, KEYSTORE, MQ = "secrets/shop.enc.yaml", "secrets/keystore.p12.enc", "secrets/mq.enc.yaml"
RECIPE = "overlay/recipe.yaml"
SMTP_URL = {"url": {"scheme": "smtp", "user": "shop", "password": "$(SMTP_PASSWORD)", "host": "mx"}}
DATABASE_URL = {
    "url": {"scheme": "postgresql", "user": "shop", "password": "$(DB_PASSWORD)", "host": "db"}
}
VALUES = {
    "SMTP_PASSWORD": {"optional": True, "rules": {"minLength": 12}},
    "SMTP_URL": {"derive": SMTP_URL, "optional": True},
    "API_TOKEN": {},
    "DB_PASSWORD": {"generate": {"password": {}}},
    "DATABASE_URL": {"derive": DATABASE_URL},
    "KEYSTORE": {},
    "MQ_PASSWORD": {"optional": True},
    "TLS_KEY": {"generate": {"ecdsa": {}}, "optional": True},
    "SESSION_KEY": {"generate": {"password": {}}, "stored": True, "optional": True},
}
KEYS = [name for name in VALUES if name != "KEYSTORE"]


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """The application."""
    return made(repo)


def made(repo: Repo) -> Repo:
    """An application with a component of each kind, committed."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    given = {"SOPSMITH_SEED_1": repo.seed, "API_TOKEN": repo.canary()}
    repo.component(SHOP, given)
    repo.component(KEYSTORE, b"\0first")
    repo.component(MQ, {"password": repo.canary(), "unread": repo.canary()}, environment=None)
    leaf(repo)
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    commit(repo)
    return repo


def leaf(repo: Repo, **more: Any) -> Path:
    components = [f"../{SHOP}", {"path": f"../{KEYSTORE}", "as": "KEYSTORE"},
                  {"path": f"../{MQ}", "as": {"MQ_PASSWORD": "password"}}]  # fmt: skip
    secrets = {"backend": {"keys": KEYS}, "files": {"data": {"keystore.p12": "KEYSTORE"}}}
    spec = {"seeds": repo.seeds(), "components": components, "values": VALUES, "secrets": secrets}
    return repo.leaf(**spec | more)


def commit(repo: Repo) -> None:
    repo.run("git", "add", ".")
    assert repo.run("git", "commit", "-qm", "one").code == 0


def set_(repo: Repo, name: str, text: str | bytes, *flags: str, **env: Any) -> Run:
    data = text if isinstance(text, bytes) else text.encode()
    return repo.run("sopsmith", "set", name, *flags, stdin=data, **env)


def status(repo: Repo) -> list[str]:
    """What git shows as changed."""
    return repo.run("git", "status", "--short", "--untracked-files=all").out.splitlines()


def get(repo: Repo, name: str, *flags: str) -> str:
    run = repo.cli("get", name, *flags)
    assert run.code == 0, run.err
    return run.out


def stopped(repo: Repo, run: Run, code: int, *said: str) -> None:
    """It ended with this exit code, told this, and changed nothing."""
    assert run.code == code, run.err
    assert [text for text in said if text not in run.err] == []
    assert status(repo) == []


# --- set ------------------------------------------------------------------------------------------


def test_a_value_is_set_and_its_consequences_told(shop: Repo) -> None:
    fresh = shop.canary()
    run = set_(shop, "SMTP_PASSWORD", fresh)
    assert run == (0, f"SMTP_PASSWORD set in {SHOP}\nderived from it: SMTP_URL\n"
                      "Secrets that change: backend\n", "")  # fmt: skip
    assert status(shop) == [f" M {SHOP}"]
    assert get(shop, "SMTP_PASSWORD") == fresh
    assert get(shop, "SMTP_URL") == f"smtp://shop:{fresh}@mx"


def test_the_same_value_again_changes_nothing(shop: Repo) -> None:
    run = set_(shop, "API_TOKEN", get(shop, "API_TOKEN"))
    assert run == (0, "API_TOKEN is that value already: nothing changed\n", "")
    assert status(shop) == []


@pytest.mark.parametrize("flags", [(), ("--force",)])
def test_the_same_value_again_is_no_younger(shop: Repo, flags: tuple[str, ...]) -> None:
    aged = VALUES | {"API_TOKEN": {"maxAge": "90d", "rotated": "2020-01-01"}}
    leaf(shop, values=aged)
    commit(shop)
    run = set_(shop, "API_TOKEN", get(shop, "API_TOKEN"), *flags)
    assert run == (0, "API_TOKEN is that value already: nothing changed\n", "")
    assert status(shop) == []
    assert set_(shop, "API_TOKEN", shop.canary(), *flags).code == 0
    assert status(shop) == [f" M {RECIPE}", f" M {SHOP}"]


def test_scripts_get_json(shop: Repo) -> None:
    run = set_(shop, "SMTP_PASSWORD", shop.canary(), "--output", "json")
    assert run.document == {
        "value": "SMTP_PASSWORD", "environment": "production", "file": SHOP, "changed": True,
        "derived": ["SMTP_URL"], "secrets": ["backend"], "commit": None,
        "findings": [],
    }  # fmt: skip
    run = set_(shop, "SMTP_PASWORD", "x", "--output", "json")
    assert (run.code, run.document["findings"][0]["code"]) == (2, "recipe-name")


def test_a_value_is_data_for_who_asks_so(shop: Repo) -> None:
    fresh = shop.canary(after='"\n')
    assert set_(shop, "API_TOKEN", fresh, "--exact").code == 0
    run = shop.cli("get", "API_TOKEN", "--output", "json")
    assert run.document == {"value": "API_TOKEN", "environment": "production", "text": fresh}
    assert set_(shop, "KEYSTORE", b"\0\xff", "--exact").code == 0
    assert shop.cli("get", "KEYSTORE", "--output", "json").document["base64"] == "AP8="
    run = shop.cli("get", "API_TOKN", "--output", "json")
    assert (run.code, run.document["findings"][0]["code"]) == (2, "recipe-name")


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_one_line_break_at_the_end_is_what_echo_adds(shop: Repo, ending: str) -> None:
    fresh = shop.canary()
    assert set_(shop, "API_TOKEN", fresh + ending).code == 0
    assert get(shop, "API_TOKEN") == fresh


def test_a_carriage_return_without_one_is_meant(shop: Repo) -> None:
    fresh = shop.canary()
    set_(shop, "API_TOKEN", fresh + "\r", "--force")
    assert shop.run("sopsmith", "get", "API_TOKEN").out == fresh + "\r"


def test_line_breaks_before_it_are_meant(shop: Repo) -> None:
    fresh = shop.canary()
    assert set_(shop, "API_TOKEN", f"\n{fresh}\n\n").code == 0
    assert get(shop, "API_TOKEN") == f"\n{fresh}\n"


def test_exact_keeps_it(shop: Repo) -> None:
    fresh = shop.canary()
    assert set_(shop, "API_TOKEN", f"{fresh}\n", "--exact").code == 0
    assert get(shop, "API_TOKEN") == f"{fresh}\n"


@pytest.mark.parametrize("text", ["", "\n", "\r\n"])
def test_nothing_on_standard_input_is_no_value(shop: Repo, text: str) -> None:
    run = set_(shop, "API_TOKEN", text)
    stopped(shop, run, 2, "standard input is empty", "sopsmith unset")


def test_bytes_do_not_go_into_a_map(shop: Repo) -> None:
    stopped(shop, set_(shop, "API_TOKEN", b"\xff\xfe\xfd"), 1, "API_TOKEN", "[not-text]")
    stopped(shop, set_(shop, "API_TOKEN", b"a\0b" * 8, "--force"), 1, "API_TOKEN", "[not-text]")


def test_a_whole_file_takes_bytes_as_they_are(shop: Repo) -> None:
    content = bytes(range(256)) + b"\n"
    assert set_(shop, "KEYSTORE", content, "--exact").code == 0
    assert status(shop) == [f" M {KEYSTORE}"]
    assert shop.function().secrets["files"]["keystore.p12"] == content
    assert set_(shop, "KEYSTORE", content, "--exact").code == 0


def test_a_picked_value_goes_under_its_key(shop: Repo) -> None:
    fresh = shop.canary()
    assert set_(shop, "MQ_PASSWORD", fresh).code == 0
    assert status(shop) == [f" M {MQ}"]
    assert get(shop, "MQ_PASSWORD") == fresh


def test_what_is_not_declared_is_named_with_the_nearest(shop: Repo) -> None:
    run = set_(shop, "SMTP_PASWORD", shop.canary())
    stopped(shop, run, 2, "SMTP_PASWORD: is no declared value", "did you mean SMTP_PASSWORD?")
    run = set_(shop, "SOMETHING", shop.canary())
    stopped(shop, run, 2, "declare it under values: SOMETHING: {}")


def test_what_is_made_is_not_set(shop: Repo) -> None:
    run = set_(shop, "DATABASE_URL", shop.canary())
    stopped(shop, run, 2, "is derived, not kept", "change the values that it is derived from")
    run = set_(shop, "DB_PASSWORD", shop.canary())
    stopped(
        shop, run, 2, "is generated from the seed", "sopsmith pin DB_PASSWORD -e production lets it"
    )


def test_the_rules_of_the_recipe_are_asked_first(shop: Repo) -> None:
    stopped(shop, set_(shop, "SMTP_PASSWORD", "short"), 1, "SMTP_PASSWORD", "--force stores it")
    assert set_(shop, "SMTP_PASSWORD", "short", "--force").code == 0
    assert get(shop, "SMTP_PASSWORD") == "short"
    assert shop.cli("validate", "overlay").code == 1


def test_a_placeholder_is_refused(shop: Repo) -> None:
    stopped(shop, set_(shop, "API_TOKEN", "CHANGE_ME"), 1, "API_TOKEN", "[placeholder]")


def test_a_name_that_would_be_clear_is_refused(shop: Repo) -> None:
    leaf(shop, values=VALUES | {"X_unencrypted": {}})
    commit(shop)
    run = set_(shop, "X_unencrypted", shop.canary(), "--force")
    stopped(shop, run, 5, "would be written in plaintext", "[would-be-plaintext]")


def test_without_a_key_nothing_is_set(shop: Repo) -> None:
    run = set_(shop, "API_TOKEN", shop.canary(), SOPS_AGE_KEY_FILE=None)
    stopped(shop, run, 3, "no private key is configured")


def test_outside_a_repository(shop: Repo) -> None:
    (shop.path / ".git").rename(shop.path.parent / "git")
    run = set_(shop, "API_TOKEN", shop.canary())
    assert (run.code, run.codes) == (5, {"path-refused"})
    (shop.path.parent / "git").rename(shop.path / ".git")


# --- which environment, which component -----------------------------------------------------------


@pytest.fixture
def two(shop: Repo) -> Repo:
    """Another environment beside it, with two components of its own."""
    for name in ("one", "two"):
        shop.component(f"secrets/{name}.enc.yaml", {"OLD_" + name: "x"}, environment="staging")
    parts = ["../secrets/one.enc.yaml", "../secrets/two.enc.yaml"]
    shop.leaf(
        "staging", environment="staging", components=parts,
        values={"API_TOKEN": {}, "OLD_one": {}, "OLD_two": {"group": "g", "optional": True},
                "MATE": {"group": "g", "optional": True}},
        secrets={"backend": {"keys": ["API_TOKEN", "OLD_one", "OLD_two", "MATE"]}},
    )  # fmt: skip
    commit(shop)
    return shop


def test_which_environment_has_to_be_said(two: Repo) -> None:
    run = set_(two, "API_TOKEN", two.canary())
    stopped(two, run, 2, "several recipes could be meant", "say which with --environment",
            "production (overlay/recipe.yaml)", "staging (staging/recipe.yaml)")  # fmt: skip
    run = set_(two, "API_TOKEN", two.canary(), "-e", "stagin")
    stopped(two, run, 2, "no environment has that name")
    stopped(two, set_(two, "API_TOKEN", "x", "-e", "nowhere/else"), 2, "no environment")


@pytest.mark.parametrize("where", ["production", "overlay", RECIPE])
def test_the_environment_by_name_folder_or_file(two: Repo, where: str) -> None:
    assert set_(two, "API_TOKEN", two.canary(), "-e", where).code == 0
    assert status(two) == [f" M {SHOP}"]


def test_the_folder_that_one_stands_in_is_meant(two: Repo) -> None:
    fresh = two.canary()
    run = two.run("sopsmith", "set", "API_TOKEN", stdin=fresh.encode(), cwd="overlay")
    assert run.code == 0, run.err
    assert get(two, "API_TOKEN", "-e", "production") == fresh


def test_the_only_one_that_declares_it_is_meant(two: Repo) -> None:
    assert set_(two, "SMTP_PASSWORD", two.canary()).code == 0


def test_which_component_has_to_be_said(two: Repo) -> None:
    run = set_(two, "API_TOKEN", two.canary(), "-e", "staging")
    stopped(two, run, 2, "several components could hold it", "with --component:",
            "secrets/one.enc.yaml, secrets/two.enc.yaml")  # fmt: skip
    there = ("-e", "staging", "--component", "secrets/two.enc.yaml")
    stopped(two, set_(two, "API_TOKEN", "x", *there[:3], "secrets/no.yaml"), 2, "no component")
    assert set_(two, "API_TOKEN", two.canary(), *there).code == 0
    assert status(two) == [" M secrets/two.enc.yaml"]
    run = set_(two, "API_TOKEN", two.canary(), *there[:3], "secrets/one.enc.yaml")
    assert (run.code, "stands in secrets/two.enc.yaml already" in run.err) == (2, True)


def test_a_value_goes_to_its_group(two: Repo) -> None:
    assert set_(two, "MATE", two.canary(), "-e", "staging", "--force").code == 0
    assert status(two) == [" M secrets/two.enc.yaml"]


# --- commits --------------------------------------------------------------------------------------


def test_a_commit_holds_exactly_what_was_changed(shop: Repo) -> None:
    shop.write("README.md", "staged\n")
    shop.run("git", "add", "README.md")
    shop.write("overlay/kustomization.yaml", "generators: [recipe.yaml] # edited\n")
    fresh = shop.canary()
    run = set_(shop, "SMTP_PASSWORD", fresh, "--commit", "--output", "json")
    assert run.document["commit"] == shop.run("git", "rev-parse", "HEAD").out.strip()
    shown = shop.run("git", "show", "--format=%B", "--name-only", "HEAD").out
    assert shown.split("\n\n") == [
        "secrets(production): set SMTP_PASSWORD",
        "Sopsmith-Command: set\nSopsmith-Environment: production\nSopsmith-Value: SMTP_PASSWORD",
        f"\n{SHOP}\n".lstrip("\n") if "\n\n\n" not in shown else f"\n{SHOP}\n",
    ]
    assert status(shop) == ["A  README.md", " M overlay/kustomization.yaml"]
    for command in (("log", "-p"), ("reflog",)):
        assert fresh not in shop.run("git", *command).out


def test_nothing_changed_is_no_commit(shop: Repo) -> None:
    before = shop.run("git", "rev-parse", "HEAD").out
    assert set_(shop, "API_TOKEN", get(shop, "API_TOKEN"), "--commit").code == 0
    assert shop.run("git", "rev-parse", "HEAD").out == before


def test_another_writer_waits_for_the_commit(shop: Repo) -> None:
    """Or its change would be in a commit that is named after ours."""
    hook = shop.write(".git/hooks/pre-commit", "#!/bin/sh\ntouch ../begun\nsleep 1\n")
    hook.chmod(0o755)
    argv = ["sopsmith", "set", "SMTP_PASSWORD", "--commit"]
    first = subprocess.Popen(argv, stdin=subprocess.PIPE, env=shop.env, cwd=shop.path)
    assert first.stdin is not None
    first.stdin.write(shop.canary().encode())
    first.stdin.close()
    until = time.monotonic() + 120
    while not (shop.path.parent / "begun").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    second = set_(shop, "MQ_PASSWORD", shop.canary(), "--commit")
    assert (first.wait(), second.code) == (0, 0), second.err
    subjects = shop.run("git", "log", "-2", "--format=%s").out.splitlines()
    assert subjects == [f"secrets(production): set {n}" for n in ("MQ_PASSWORD", "SMTP_PASSWORD")]
    assert status(shop) == []


def refused_commit(repo: Repo, run: Run, fresh: str) -> None:
    """The file is changed and not committed, and that is what is said."""
    assert (run.code, run.codes) == (6, {"not-committed"}), run.err
    assert f"SMTP_PASSWORD set in {SHOP}\n" in run.out
    assert "git commit was refused" in run.err
    assert "the files are changed and not committed; " in run.err
    assert f": git commit -m 'secrets(production): set SMTP_PASSWORD' -- {SHOP}\n" in run.err
    assert status(repo) == [f" M {SHOP}"]
    assert get(repo, "SMTP_PASSWORD") == fresh


def test_git_knows_no_identity(shop: Repo) -> None:
    shop.run("git", "config", "--unset", "user.email")
    shop.run("git", "config", "user.useConfigOnly", "true")
    fresh = shop.canary()
    refused_commit(shop, set_(shop, "SMTP_PASSWORD", fresh, "--commit"), fresh)


def test_a_hook_refuses_the_commit(shop: Repo) -> None:
    hook = shop.write(
        ".git/hooks/pre-commit", "#!/bin/sh\nsopsmith get SMTP_PASSWORD >&2\nexit 1\n"
    )
    hook.chmod(0o755)
    fresh = shop.canary()
    run = set_(shop, "SMTP_PASSWORD", fresh, "--commit")
    refused_commit(shop, run, fresh)


@pytest.mark.parametrize("flags", [(), ("--commit",)])
def test_the_same_value_again_is_committed_where_no_commit_holds_it(
    shop: Repo, flags: tuple[str, ...]
) -> None:
    shop.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n").chmod(0o755)
    fresh = shop.canary()
    assert set_(shop, "SMTP_PASSWORD", fresh, *flags).code == (6 if flags else 0)
    again = set_(shop, "SMTP_PASSWORD", fresh, "--commit")
    assert (again.code, again.codes, status(shop)) == (6, {"not-committed"}, [f" M {SHOP}"])
    (shop.path / ".git/hooks/commit-msg").unlink()
    run = set_(shop, "SMTP_PASSWORD", fresh, "--commit")
    assert (run.code, status(shop), run.err) == (0, [], "")
    assert "SMTP_PASSWORD is that value already: nothing changed\ncommitted " in run.out
    subject = shop.run("git", "log", "-1", "--format=%s").out
    assert subject == "secrets(production): set SMTP_PASSWORD\n"


def test_what_somebody_else_left_uncommitted_is_no_business_of_the_same_value(shop: Repo) -> None:
    assert set_(shop, "SMTP_PASSWORD", shop.canary()).code == 0
    before = status(shop)
    run = set_(shop, "API_TOKEN", get(shop, "API_TOKEN"), "--commit")
    assert (run.code, status(shop)) == (0, before)
    assert "committed" not in run.out


def test_what_else_a_commit_takes_along_is_told(shop: Repo) -> None:
    """git commits whole files."""
    assert set_(shop, "API_TOKEN", shop.canary()).code == 0
    run = set_(shop, "SMTP_PASSWORD", shop.canary(), "--commit")
    words = f"{SHOP}: the commit takes along what was changed there before: API_TOKEN [taken-along]"
    assert (run.code, run.err) == (0, f"sopsmith: warning: {words}\n")
    assert set_(shop, "SMTP_PASSWORD", shop.canary(), "--commit").err == ""


TAKEN = "the commit takes along what was changed there before"


@pytest.fixture
def lines(repo: Repo) -> Repo:
    """Two values in a component of lines."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    repo.component("secrets/app.enc.env", {"AAA": repo.canary(), "BBB": repo.canary()})
    repo.leaf(components=["../secrets/app.enc.env"], values={"AAA": {}, "BBB": {}},
              secrets={"a": {"keys": ["AAA", "BBB"]}})  # fmt: skip
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    commit(repo)
    return repo


def test_what_a_component_of_lines_takes_along_is_told_by_name(lines: Repo) -> None:
    assert set_(lines, "AAA", lines.canary()).code == 0
    run = set_(lines, "BBB", lines.canary(), "--commit")
    assert f"secrets/app.enc.env: {TAKEN}: AAA [taken-along]\n" in run.err


@pytest.mark.parametrize("form", ["lines", "shop"])
def test_a_new_reader_that_a_commit_takes_along_is_told(
    form: str, request: pytest.FixtureRequest
) -> None:
    repo: Repo = request.getfixturevalue(form)
    file, name = {"lines": ("secrets/app.enc.env", "BBB"), "shop": (SHOP, "API_TOKEN")}[form]
    other = re.findall("age1\\w+", repo.run("age-keygen").out)[0]
    assert repo.cli("recipients", "add", other, "--yes").code == 0
    run = set_(repo, name, repo.canary(), "--commit")
    assert f"{file}: {TAKEN}: who reads it [taken-along]\n" in run.err


def test_a_comment_that_a_commit_takes_along_is_told(shop: Repo) -> None:
    shop.write(RECIPE, "# mine\n" + (shop.path / RECIPE).read_text())
    run = shop.cli("pin", "DB_PASSWORD", "--commit")
    assert f"{RECIPE}: {TAKEN}: its layout or comments [taken-along]\n" in run.err


def test_the_named_value_is_not_taken_along_whatever_its_key_is_called(shop: Repo) -> None:
    fresh = shop.canary()
    for flags in ((), ("--commit",)):
        run = set_(shop, "MQ_PASSWORD", fresh, *flags)
        assert (run.code, run.err) == (0, "")
    assert status(shop) == []
    assert set_(shop, "MQ_PASSWORD", shop.canary()).code == 0
    give(shop, "unread", file=MQ)
    run = set_(shop, "MQ_PASSWORD", shop.canary(), "--commit")
    assert f"{MQ}: {TAKEN}: unread [taken-along]\n" in run.err


def test_of_a_secret_the_keys_are_told(shop: Repo) -> None:
    text = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"},
            "stringData": {"SMTP_PASSWORD": shop.canary(), "API_TOKEN": shop.canary()}}  # fmt: skip
    document = {"SOPSMITH_SEED_1": shop.seed}
    shop.component(SHOP, document)
    shop.component("secrets/k8s.enc.yaml", text, "--encrypted-regex", "^(data|stringData)$")
    shop.write(".sops.yaml", "creation_rules:\n  - path_regex: k8s\n    "
               f"encrypted_regex: ^(data|stringData)$\n    age: {shop.recipient}\n"
               f"  - age: {shop.recipient}\n")  # fmt: skip
    shop.edit(
        RECIPE, lambda text: text.replace(f'"../{SHOP}"', f'"../{SHOP}", "../secrets/k8s.enc.yaml"')
    )
    commit(shop)
    fresh = shop.canary()
    assert set_(shop, "SMTP_PASSWORD", fresh).code == 0
    assert set_(shop, "SMTP_PASSWORD", fresh, "--commit").err == ""
    assert set_(shop, "SMTP_PASSWORD", shop.canary()).code == 0
    run = set_(shop, "API_TOKEN", shop.canary(), "--commit")
    assert f"secrets/k8s.enc.yaml: {TAKEN}: SMTP_PASSWORD [taken-along]\n" in run.err


def test_a_pin_tells_what_else_its_commit_takes_along(shop: Repo) -> None:
    assert set_(shop, "API_TOKEN", shop.canary()).code == 0
    run = shop.cli("pin", "DB_PASSWORD", "--commit")
    assert run.code == 0
    assert f"{SHOP}: {TAKEN}: API_TOKEN [taken-along]\n" in run.err


def test_a_root_below_the_top_commits_what_was_begun_and_says_what_it_takes_along(
    repo: Repo,
) -> None:
    inner = Repo.__new__(Repo)
    inner.__dict__.update(repo.__dict__, path=repo.path / "deep/app")
    inner.env = {**repo.env, "SOPSMITH_ROOT": str(inner.path)}
    made(inner)
    fresh = inner.canary()
    assert set_(inner, "SMTP_PASSWORD", fresh).code == 0
    again = set_(inner, "SMTP_PASSWORD", fresh, "--commit")
    assert (again.code, again.err, status(inner)) == (0, "", [])
    assert set_(inner, "API_TOKEN", inner.canary()).code == 0
    told = set_(inner, "SMTP_PASSWORD", inner.canary(), "--commit").err
    assert f"{SHOP}: the commit takes along what was changed there before: API_TOKEN [" in told


def test_what_was_drawn_and_not_committed_is_committed_by_the_next_fill(shop: Repo) -> None:
    shop.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n").chmod(0o755)
    refused = shop.cli("fill", "--commit")
    assert (refused.code, refused.codes) == (6, {"not-committed"})
    assert " drawn\n" in refused.out
    (shop.path / ".git/hooks/commit-msg").unlink()
    run = shop.cli("fill", "--commit")
    assert (run.code, "no stored value is missing\ncommitted " in run.out) == (0, True)
    assert (status(shop), subject(shop)) == ([], "secrets(production): fill SESSION_KEY, TLS_KEY")
    assert "committed" not in shop.cli("fill", "--commit").out


def subject(repo: Repo) -> str:
    return repo.run("git", "log", "-1", "--format=%s").out.strip()


def rotated(shop: Repo) -> None:
    assert shop.cli("rotate", "TLS_KEY").code == 0


def given_an_age(shop: Repo) -> None:
    shop.edit(RECIPE, lambda text: text.replace('"TLS_KEY": {', '"TLS_KEY": {"maxAge": "30d",'))


@pytest.mark.parametrize("changed", [rotated, given_an_age])
def test_what_else_became_of_a_drawn_value_is_not_committed_as_filled(
    shop: Repo, changed: Callable[[Repo], None]
) -> None:
    assert shop.cli("fill", "--commit").code == 0
    changed(shop)
    before = status(shop)
    run = shop.cli("fill", "--commit")
    assert (run.code, before != [], status(shop)) == (0, True, before)
    assert run.out == "no stored value is missing\n"


@pytest.mark.parametrize("words", [("unset", "MQ_PASSWORD"), ("pin", "DB_PASSWORD")])
def test_a_refused_commit_is_told_after_what_was_done(shop: Repo, words: tuple[str, str]) -> None:
    shop.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n").chmod(0o755)
    run = shop.cli(*words, "--commit")
    assert (run.code, run.codes) == (6, {"not-committed"})
    assert run.out.startswith(words[1])


def test_a_hook_sees_what_is_committed(shop: Repo) -> None:
    hook = shop.write(".git/hooks/pre-commit", "#!/bin/sh\ngit diff --cached --name-only > seen\n")
    hook.chmod(0o755)
    shop.write("README.md", "staged\n")
    shop.run("git", "add", "README.md")
    assert set_(shop, "SMTP_PASSWORD", shop.canary(), "--commit").code == 0
    assert (shop.path / "seen").read_text() == f"{SHOP}\n"


@pytest.mark.parametrize("command", ["set", "unset", "rotate", "fill", "pin", "recipients", "init"])
def test_in_the_midst_of_a_merge_nothing_is_written_to_be_committed(
    shop: Repo, command: str
) -> None:
    """The next commit is the merge, and a commit of one file would have dropped its conflict."""
    for branch in ("theirs", "ours"):
        shop.run("git", "checkout", "-q", "-B", branch, "master")
        assert set_(shop, "SMTP_PASSWORD", shop.canary(), "--commit").code == 0
    assert shop.run("git", "merge", "theirs").code == 1
    shop.run("git", "checkout", "-q", "--ours", SHOP)
    before = status(shop)
    assert before == [f"UU {SHOP}"]
    argv = {
        "set": ("API_TOKEN",), "unset": ("SMTP_PASSWORD",), "rotate": ("DB_PASSWORD",),
        "fill": (), "pin": ("DB_PASSWORD",), "recipients": ("sync",), "init": (),
    }[command]  # fmt: skip
    if command == "recipients":
        shop.edit(".sops.yaml", lambda text: text + "# the same\n")
        before = status(shop)
    fresh = shop.canary().encode()
    run = shop.run("sopsmith", command, *argv, "--commit", stdin=fresh)
    assert (run.code, run.codes) == (3, {"under-way"}), run.err
    assert "a merge is under way" in run.err
    assert status(shop) == before
    assert get(shop, "SMTP_PASSWORD") in shop.canaries


def test_after_a_conflict_a_value_is_set_and_the_merge_goes_on(shop: Repo) -> None:
    for branch in ("theirs", "ours"):
        shop.run("git", "checkout", "-q", "-B", branch, "master")
        assert set_(shop, "SMTP_PASSWORD", shop.canary(), "--commit").code == 0
    shop.run("git", "merge", "theirs")
    shop.run("git", "checkout", "-q", "--ours", SHOP)
    fresh = shop.canary()
    refused = set_(shop, "SMTP_PASSWORD", fresh, "--commit").err
    assert set_(shop, "SMTP_PASSWORD", fresh).code == 0
    command = refused.strip().partition("leave out --commit, then ")[2]
    assert shop.run("sh", "-c", command, GIT_EDITOR="true").code == 0
    assert status(shop) == []
    assert shop.run("git", "log", "-1", "--format=%s").out == "Merge branch 'theirs' into ours\n"
    assert get(shop, "SMTP_PASSWORD") == fresh


# --- on a terminal --------------------------------------------------------------------------------


def on_terminal(repo: Repo, *answers: str) -> tuple[int, str]:
    """Run `set SMTP_PASSWORD` on a terminal; its exit code and all that stood on the screen."""
    program = str(shutil.which("sopsmith"))
    pid, terminal = pty.fork()
    if not pid:
        os.chdir(repo.path)
        os.execve(program, [program, "set", "SMTP_PASSWORD"], repo.env)  # noqa: S606
    screen, waiting, until = b"", list(answers), time.monotonic() + 120
    while time.monotonic() < until:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                chunk = os.read(terminal, 4096)
            except OSError:  # Linux says so when the other end is closed
                break
            if not chunk:
                break
            screen += chunk
        prompts = len(re.findall(rb"(?:production|once more): ", screen))
        if waiting and prompts > len(answers) - len(waiting):
            time.sleep(0.05)  # getpass switches the echo off, then asks
            os.write(terminal, waiting.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen.decode()


def test_a_person_is_asked_twice_without_echo(shop: Repo) -> None:
    fresh = shop.canary()
    code, screen = on_terminal(shop, fresh, fresh)
    assert code == 0, screen
    assert "SMTP_PASSWORD for production: " in screen
    assert "once more: " in screen
    assert fresh not in screen
    assert get(shop, "SMTP_PASSWORD") == fresh


def test_a_person_who_mistypes_changes_nothing(shop: Repo) -> None:
    one, two = shop.canary(), shop.canary()
    code, screen = on_terminal(shop, one, two)
    assert (code, "the two differ; nothing was changed" in screen) == (2, True)
    assert one not in screen
    assert status(shop) == []


def test_a_person_who_types_nothing_changes_nothing(shop: Repo) -> None:
    code, screen = on_terminal(shop, "", "")
    assert code in (1, 2), screen
    assert status(shop) == []


# --- unset ----------------------------------------------------------------------------------------


def test_a_value_is_taken_out(shop: Repo) -> None:
    set_(shop, "SMTP_PASSWORD", shop.canary())
    commit(shop)
    assert shop.cli("unset", "SMTP_PASSWORD") == (0, f"SMTP_PASSWORD removed from {SHOP}\n", "")
    run = shop.cli("get", "SMTP_PASSWORD")
    assert (run.code, run.codes) == (1, {"missing"})


def test_a_value_that_is_asked_for_is_taken_out_with_a_word(shop: Repo) -> None:
    run = shop.cli("unset", "API_TOKEN", "--output", "json")
    tree = run.document
    (finding,) = tree.pop("findings")
    assert tree == {
        "value": "API_TOKEN", "environment": "production", "files": [SHOP], "commit": None,
    }  # fmt: skip
    assert (finding["code"], finding["field"]) == ("not-rendering", "API_TOKEN")
    shop.run("git", "checkout", "-q", ".")
    assert "sopsmith set API_TOKEN -e production" in shop.cli("unset", "API_TOKEN").err


def test_a_line_in_plaintext_is_taken_out_and_set_anew(shop: Repo) -> None:
    text = (shop.path / SHOP).read_text()
    shop.write(SHOP, f"SMTP_PASSWORD: {shop.canary()}\n{text}")
    runs = [set_(shop, "SMTP_PASSWORD", shop.canary()), shop.cli("get", "API_TOKEN"),
            shop.cli("validate")]  # fmt: skip
    for run in runs:
        assert run.code == 5
        assert "take it out of the file; sopsmith set KEY or sops edit" in run.err + run.out
    shop.write(SHOP, text)
    assert set_(shop, "SMTP_PASSWORD", shop.canary()).code == 0


@pytest.mark.parametrize("verb", ["set", "get", "restore"])
def test_a_seed_is_no_value_that_could_be_declared(shop: Repo, verb: str) -> None:
    run = shop.cli(verb, "SOPSMITH_SEED_1", *(("--to", "HEAD") if verb == "restore" else ()))
    stopped(shop, run, 2, "an old seed comes back with its file: git checkout COMMIT -- FILE",
            "sopsmith rotate --seed -e production makes a new one")  # fmt: skip


def test_what_is_not_declared_any_more_can_be_taken_out(shop: Repo) -> None:
    shop.component(SHOP, {"SOPSMITH_SEED_1": shop.seed, "API_TOKEN": "x" * 9, "GONE": "y" * 9})
    commit(shop)
    assert shop.cli("unset", "GONE", "--commit").code == 0
    assert status(shop) == []
    assert "GONE" not in (shop.path / SHOP).read_text()


def test_what_is_made_now_is_taken_out_where_pin_asks_for_it(shop: Repo) -> None:
    given = {"SOPSMITH_SEED_1": shop.seed, "API_TOKEN": shop.canary()}
    shop.component(SHOP, given | {"DB_PASSWORD": shop.canary()})
    commit(shop)
    run = shop.cli("pin", "DB_PASSWORD")
    stopped(shop, run, 1, "hint: sopsmith unset DB_PASSWORD -e production")
    run = shop.cli("unset", "DB_PASSWORD", "-e", "production")
    assert run == (0, f"DB_PASSWORD removed from {SHOP}\n", "")
    assert shop.cli("pin", "DB_PASSWORD").code == 0


def test_what_stands_nowhere_is_not_taken_out(shop: Repo) -> None:
    stopped(shop, shop.cli("unset", "SMTP_PASSWORD"), 1, "stands in no component")
    stopped(shop, shop.cli("unset", "NOTHING"), 1, "stands in no component")
    stopped(shop, shop.cli("unset", "DATABASE_URL"), 2, "is derived, not kept")
    stopped(shop, shop.cli("unset", "KEYSTORE"), 1, "stands in no component that could lose it")


def test_a_picked_value_is_taken_out_under_its_key(shop: Repo) -> None:
    assert shop.cli("unset", "MQ_PASSWORD").code == 0
    assert status(shop) == [f" M {MQ}"]
    text = (shop.path / MQ).read_text()
    assert "password:" not in text
    assert "unread:" in text


def test_what_a_recipe_does_not_read_is_not_taken_out(shop: Repo) -> None:
    """Of a component with picks nothing else is read, so a key of that name is another's."""
    stopped(shop, shop.cli("unset", "unread"), 1, "stands in no component")
    stopped(shop, shop.cli("unset", "password"), 1, "stands in no component")


# --- get ------------------------------------------------------------------------------------------


def test_every_origin_can_be_read(shop: Repo) -> None:
    assert get(shop, "API_TOKEN") in shop.canaries
    password = get(shop, "DB_PASSWORD")
    assert len(password) == 32
    assert get(shop, "DATABASE_URL") == f"postgresql://shop:{password}@db"
    assert get(shop, "KEYSTORE") == "\0first"


def test_what_can_not_be_read_says_why(shop: Repo) -> None:
    stopped(shop, shop.cli("get", "API_TOKN"), 2, "did you mean API_TOKEN?")
    stopped(shop, shop.cli("get", "SMTP_PASSWORD"), 1, "is absent", "sopsmith set SMTP_PASSWORD")
    stopped(shop, shop.cli("get"), 2, "missing: KEY")


# --- fill -----------------------------------------------------------------------------------------


def test_what_is_missing_is_drawn_once(shop: Repo) -> None:
    plan = shop.cli("fill", "--dry-run")
    assert plan.code == 0
    assert "2 values to draw" in plan.out
    assert status(shop) == []
    run = shop.cli("fill", "--commit")
    assert "2 values drawn" in run.out
    assert get(shop, "TLS_KEY").startswith("-----BEGIN PRIVATE KEY-----\n")
    session = get(shop, "SESSION_KEY")
    assert len(session) == 32
    assert session not in run.out
    message = shop.run("git", "log", "-1", "--format=%B").out
    assert message.startswith("secrets(production): fill SESSION_KEY, TLS_KEY\n")
    assert shop.cli("fill").out == "no stored value is missing\n"
    assert get(shop, "SESSION_KEY") == session


def test_only_what_is_named_is_drawn(shop: Repo) -> None:
    run = shop.cli("fill", "SESSION_KEY", "--output", "json")
    drawn = {"environment": "production", "value": "SESSION_KEY", "kind": "password", "file": SHOP}
    assert run.document == {"drawn": [drawn], "empty": [], "written": True, "commit": None,
                            "missing": [], "findings": []}  # fmt: skip
    stopped_at = shop.cli("fill", "SESSION_KEI")
    assert (stopped_at.code, "did you mean SESSION_KEY?" in stopped_at.err) == (2, True)


def test_the_day_of_what_was_drawn_is_committed_with_it(lacking: Repo) -> None:
    lacking.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n").chmod(0o755)
    assert lacking.cli("fill", "--commit").code == 6
    (lacking.path / ".git/hooks/commit-msg").unlink()
    assert (lacking.cli("fill", "--commit").code, status(lacking)) == (0, [])
    assert subject(lacking) == "secrets(production,staging): fill KEY_A, KEY_B, TLS"


def test_all_environments_are_filled_and_what_people_owe_is_told(two: Repo) -> None:
    run = two.cli("fill")
    assert run.code == 0, run.err
    assert "still to be given: sopsmith set API_TOKEN -e staging\n" in run.out


def test_a_value_of_one_environment_is_filled_where_it_is_declared(two: Repo) -> None:
    run = two.cli("fill", "SESSION_KEY")
    assert run.code == 0, run.err
    assert status(two) == [f" M {SHOP}"]


CERTIFICATE = {"certificate": {"commonName": "shop"}}
NEW = {
    "TLS": {"generate": CERTIFICATE, "maxAge": "90d"},
    "MAIL": {"optional": True},
    "KEY_A": {"generate": {"ecdsa": {}}, "optional": True},
    "KEY_B": {"generate": {"bytes": {}}, "stored": True, "optional": True, "maxAge": "90d"},
}
TLS, MORE = "secrets/new/tls.pem.enc", "secrets/new/more.enc.yaml"


@pytest.fixture
def lacking(repo: Repo) -> Repo:
    """Two environments that list a map that nobody made yet; one lists a whole file as well."""
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    whole = {"path": f"../{TLS}", "as": "TLS"}
    repo.leaf(components=[whole, f"../{MORE}"], values=NEW, secrets={"a": {"keys": [*NEW]}})
    keys = [name for name in NEW if name != "TLS"]
    repo.leaf("staging", environment="staging", components=[f"../{MORE}"],
              values={key: NEW[key] for key in keys}, secrets={"a": {"keys": keys}})  # fmt: skip
    commit_as(repo)
    return repo


def commit_as(repo: Repo) -> None:
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    commit(repo)


def test_what_is_listed_and_not_there_yet_is_made(lacking: Repo) -> None:
    plan = lacking.cli("fill", "--dry-run")
    assert (plan.code, status(lacking)) == (0, [])
    run = lacking.cli("fill", "--commit")
    assert run.code == 0, run.err
    assert "3 values drawn" in run.out
    changed = lacking.run("git", "show", "--name-only", "--format=", "HEAD").out.split()
    assert changed == ["overlay/recipe.yaml", MORE, TLS, "staging/recipe.yaml"]
    assert "BEGIN CERTIFICATE" in get(lacking, "TLS", "-e", "production")
    for environment in ("production", "staging"):  # one map, whose values are drawn once
        assert len(get(lacking, "KEY_B", "-e", environment)) == 44
    checked = lacking.cli("validate", "overlay", "staging")
    assert set(re.findall(r"\[(.*)\]", checked.out)) == {"guard-missing"}
    assert lacking.cli("check").code == 0
    assert lacking.cli("fill").out == "no stored value is missing\n"


def test_a_map_that_nothing_is_put_into_yet_is_made_all_the_same(shop: Repo) -> None:
    leaf(shop, components=[f"../{SHOP}", f"../{MORE}", {"path": f"../{KEYSTORE}", "as": "KEYSTORE"},
                           {"path": f"../{MQ}", "as": {"MQ_PASSWORD": "password"}}])  # fmt: skip
    commit(shop)
    assert shop.cli("validate", "overlay").code == 3
    plan = shop.cli("fill", "--dry-run").out
    assert f"{MORE} is to be made, without values yet\n" in plan and status(shop) == []
    run = shop.cli("fill", "--commit")
    assert run.code == 0, run.err
    assert f"{MORE} is made, without values yet\n2 values drawn\n" in run.out
    assert shop.cli("validate", "overlay").code == 0
    secret = shop.canary()
    assert set_(shop, "SMTP_PASSWORD", secret, "--component", MORE).code == 0
    assert get(shop, "SMTP_PASSWORD") == secret


def test_the_age_of_what_was_drawn_counts_from_that_day(lacking: Repo) -> None:
    """In each leaf that reads it, or it would never be found when it is due."""
    assert lacking.cli("fill").code == 0
    assert lacking.cli("due").out + lacking.cli("rotate", "--due").out == "nothing is due\n"
    for folder in ("overlay", "staging"):
        lacking.edit(f"{folder}/recipe.yaml", lambda text: re.sub(
            r'"rotated": "[-0-9]+"', '"rotated": "2024-01-31"', text))  # fmt: skip
    due = lacking.cli("rotate", "--due", "--dry-run", "--output", "json").document
    turns = [[turn["value"] for turn in each["rotated"]] for each in due["environments"]]
    assert turns == [["KEY_B", "TLS"], ["KEY_B"]]


def test_a_value_is_set_into_a_map_that_is_not_there_yet(lacking: Repo) -> None:
    secret = lacking.canary()
    run = set_(lacking, "MAIL", secret, "-e", "staging")
    assert run.code == 0, run.err
    assert status(lacking) == [f"?? {MORE}"]
    assert get(lacking, "MAIL", "-e", "staging") == secret
    assert lacking.cli("fill").code == 0  # the others go into it, too
    assert get(lacking, "MAIL", "-e", "production") == secret


def test_a_whole_file_is_set_where_none_is_yet(lacking: Repo) -> None:
    run = set_(lacking, "TLS", b"bytes\0", "-e", "production")
    assert run.code == 0, run.err
    assert status(lacking) == [" M overlay/recipe.yaml", f"?? {TLS}"]
    assert lacking.cli("fill").code == 0
    assert get(lacking, "TLS", "-e", "production") == "bytes\0"


def test_a_picked_key_is_put_into_a_new_file_under_its_name(repo: Repo) -> None:
    repo.write(".sops.yaml", f"creation_rules:\n  - age: {repo.recipient}\n")
    picked = {"path": "../mq.enc.env", "as": {"MQ_PASSWORD": "password"}}
    repo.leaf(components=[picked], values={"MQ_PASSWORD": {}},
              secrets={"a": {"keys": ["MQ_PASSWORD"]}})  # fmt: skip
    secret = repo.canary()
    assert set_(repo, "MQ_PASSWORD", secret).code == 0
    lines = (repo.path / "mq.enc.env").read_text().splitlines()
    assert [line.partition("=")[0] for line in lines[:2]] == ["SOPSMITH_ENVIRONMENT", "password"]
    assert get(repo, "MQ_PASSWORD") == secret


def test_without_a_rule_no_file_is_made(lacking: Repo) -> None:
    lacking.edit(".sops.yaml", lambda text: text.replace("- age", "- path_regex: ^no\n    age"))
    commit(lacking)
    stopped(lacking, lacking.cli("fill"), 2, "[rule-missing]", TLS)
    stopped(lacking, set_(lacking, "MAIL", "x", "-e", "staging"), 2, "[rule-missing]", MORE)


# --- pin ------------------------------------------------------------------------------------------


def test_a_pinned_value_stays_what_it_is(shop: Repo) -> None:
    set_(shop, "SMTP_PASSWORD", shop.canary())
    commit(shop)
    before = shop.function()
    run = shop.cli("pin", "DB_PASSWORD")
    assert run == (0, f"DB_PASSWORD is stored in {SHOP} now, unchanged\nfrom here on: sopsmith set "
                      "DB_PASSWORD -e production, or sopsmith rotate DB_PASSWORD -e production\n",
                   "")  # fmt: skip
    assert status(shop) == [f" M {RECIPE}", f" M {SHOP}"]
    assert shop.function().out == before.out
    value = yaml.safe_load((shop.path / RECIPE).read_text())["spec"]["values"]["DB_PASSWORD"]
    assert value == {"generate": {"password": {}}, "stored": True}
    fresh = shop.canary()
    assert set_(shop, "DB_PASSWORD", fresh).code == 0
    assert get(shop, "DATABASE_URL") == f"postgresql://shop:{fresh}@db"


def test_pin_drops_what_belongs_to_the_seed(shop: Repo) -> None:
    recipe = yaml.safe_load((shop.path / RECIPE).read_text())
    recipe["spec"]["values"]["DB_PASSWORD"] |= {"version": 3, "seed": "1"}
    text = "# of a person\n" + yaml.safe_dump(recipe, sort_keys=False)
    shop.write(RECIPE, text)
    commit(shop)
    before = shop.function().out
    assert shop.cli("pin", "DB_PASSWORD", "--commit").code == 0
    assert shop.function().out == before
    diff = shop.run("git", "show", "--format=", "--unified=0", "HEAD", "--", RECIPE).out
    lines = [
        line for line in diff.splitlines() if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert [line.replace(" ", "") for line in lines if line[0] == "-"] == [
        "-version:3",
        "-seed:'1'",
    ]
    assert [line.replace(" ", "") for line in lines if line[0] == "+"] == ["+stored:true"]
    assert status(shop) == []


def test_a_pinned_value_keeps_what_it_was_before_for_who_reads_it(shop: Repo) -> None:
    leaf(shop, values=VALUES | {"DB_PASSWORD_OLD": {"derive": {"previousOf": "DB_PASSWORD"},
                                                    "optional": True}},
         secrets={"backend": {"keys": [*KEYS, "DB_PASSWORD_OLD"]}})  # fmt: skip
    commit(shop)
    first = get(shop, "DB_PASSWORD")
    assert shop.cli("rotate", "DB_PASSWORD", "--yes", "--commit").code == 0
    before = shop.function().out
    assert shop.cli("pin", "DB_PASSWORD", "--commit").code == 0
    assert shop.function().out == before
    assert get(shop, "DB_PASSWORD_OLD") == first


def test_a_value_of_the_base_is_pinned_in_the_leaf(shop: Repo) -> None:
    base = json.loads((shop.path / RECIPE).read_text())
    spec = base["spec"]
    base["spec"] = {"app": "shop", "values": spec["values"]}
    shop.write("base.yaml", json.dumps(base))
    leaf(shop, extends="../base.yaml", values=None)
    commit(shop)
    before = shop.function().out
    assert shop.cli("pin", "DB_PASSWORD").code == 0
    assert status(shop) == [f" M {RECIPE}", f" M {SHOP}"]
    assert shop.function().out == before


def test_a_pin_that_was_killed_between_two_files_goes_on(shop: Repo) -> None:
    before = shop.function().out
    assert shop.cli("pin", "DB_PASSWORD").code == 0
    assert shop.run("git", "checkout", "-q", "--", RECIPE).code == 0
    assert shop.function().code != 0
    run = shop.cli("pin", "DB_PASSWORD", "--commit")
    assert (run.code, run.err) == (0, "")
    assert shop.function().out == before
    assert status(shop) == []


def test_what_is_not_of_the_seed_is_not_pinned(shop: Repo) -> None:
    said = "only what comes from the seed can be pinned"
    stopped(shop, shop.cli("pin", "API_TOKEN"), 2, "API_TOKEN: is given", said)
    stopped(shop, shop.cli("pin", "DATABASE_URL"), 2, "DATABASE_URL: is derived", said)
    stopped(shop, shop.cli("pin", "DB_PASWORD"), 2, "did you mean DB_PASSWORD?")
