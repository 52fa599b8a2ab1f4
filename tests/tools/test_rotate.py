"""`sopsmith rotate`: what changes in git is what was said, and every step renders."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

import pytest

from sopsmith.pipeline.generate import check_value
from tests.repository import Repo

RULES = "creation_rules: [{path_regex: \\.enc\\., age: %s}]\n"

BASE = """\
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata: {name: shop}
spec:
  app: shop
  components: [$(environment).enc.yaml]
  values:
    POSTGRES_PASSWORD: {generate: {password: {length: 40}}, maxAge: 90d}
    JWT_SECRET: {generate: {bytes: {size: 48}}, rotation: overlap}
    JWT_OLD: {optional: true, derive: {previousOf: JWT_SECRET}}
    CSRF_SECRET: {generate: {bytes: {}}}
    DATABASE_URL: {derive: {template: "pg://shop:$(POSTGRES_PASSWORD)@db"}}
    TLS_KEY: {generate: {ecdsa: {}}, maxAge: 365d}
    TLS_OLD: {optional: true, derive: {previousOf: TLS_KEY}}
    MASTER_KEY: {rotation: never}
    DISK_KEY: {generate: {bytes: {}}, stored: true, rotation: never}
    SMTP_PASSWORD: {}
  secrets:
    backend:
      keys: [DATABASE_URL, JWT_SECRET, JWT_OLD, CSRF_SECRET, MASTER_KEY, SMTP_PASSWORD]
    postgres: {hash: false, keys: [POSTGRES_PASSWORD]}
    tls: {keys: [TLS_KEY, TLS_OLD, DISK_KEY]}
"""

LEAF = """\
# %(environment)s, by hand
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata:
  name: shop
  annotations: {config.kubernetes.io/function: "exec: {path: sopsmith-krm}"}
spec:
  environment: %(environment)s # the leaf
  extends: ../base.recipe.yaml
  seeds: {"1": "%(check)s"}

  values:
    # twice already
    POSTGRES_PASSWORD: {version: 3, rotated: 2024-01-31}   # before the move
    JWT_SECRET:
      version: 2
    TLS_KEY: {rotated: 2024-01-31}
"""

WORKLOADS = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: backend}
spec:
  template:
    spec:
      containers: [{name: a, image: a, envFrom: [{secretRef: {name: backend}}]}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  template:
    spec:
      containers:
        - name: a
          image: a
          env: [{name: P, valueFrom: {secretKeyRef: {name: postgres, key: POSTGRES_PASSWORD}}}]
"""


def today() -> str:
    """As the program that is run says it."""
    return datetime.now(UTC).date().isoformat()  # noqa: TID251


def pem(repo: Repo) -> str:
    """Stands for a key that was drawn."""
    return repo.canary(before="-----BEGIN ", after="\n-----END\n")


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """An application with a leaf for production, committed."""
    repo.write(".sops.yaml", RULES % repo.recipient)
    repo.write("base.recipe.yaml", BASE)
    repo.write("prod/recipe.yaml", LEAF % {"environment": "production",
                                           "check": repo.seeds()["1"]})  # fmt: skip
    repo.write("prod/kustomization.yaml", "resources: [../app]\ngenerators: [recipe.yaml]\n")
    repo.write("app/kustomization.yaml", "resources: [workloads.yaml]\n")
    repo.write("app/workloads.yaml", WORKLOADS)
    stored = {"SOPSMITH_SEED_1": repo.seed, "TLS_KEY": pem(repo), "MASTER_KEY": repo.canary(),
              "DISK_KEY": repo.canary(), "SMTP_PASSWORD": repo.canary()}  # fmt: skip
    repo.component("production.enc.yaml", stored)
    commit(repo)
    return repo


def commit(repo: Repo) -> None:
    """Commit all."""
    for name, text in (("user.name", "A"), ("user.email", "a@example.org")):
        repo.run("git", "config", name, text)
    repo.run("git", "add", "-A")
    assert repo.run("git", "commit", "-qm", "as it was").code == 0


def diff(repo: Repo, *paths: str) -> list[str]:
    """The lines that went and came since the last commit."""
    lines = repo.run("git", "diff", "-U0", "--", *paths).out.splitlines()
    return [line for line in lines if re.match(r"[-+](?![-+])", line)]


def values(repo: Repo) -> dict[str, bytes]:
    """All that is emitted, by key."""
    secrets = repo.cli("render", "prod").secrets
    return {key: data for each in secrets.values() for key, data in each.items()}


# --- generated values -----------------------------------------------------------------------------


def test_a_rotation_is_a_diff_of_one_line(shop: Repo) -> None:
    before = values(shop)
    run = shop.cli("rotate", "POSTGRES_PASSWORD", "-e", "production")
    assert run.code == 0
    assert diff(shop) == [
        "-    POSTGRES_PASSWORD: {version: 3, rotated: 2024-01-31}   # before the move",
        f"+    POSTGRES_PASSWORD: {{version: 4, rotated: {today()}}}   # before the move",
    ]
    changed = {key for key, data in values(shop).items() if data != before[key]}
    assert changed == {"POSTGRES_PASSWORD", "DATABASE_URL"}


def test_what_else_changes_is_told_first(shop: Repo) -> None:
    run = shop.cli("rotate", "POSTGRES_PASSWORD", "-e", "production", "--dry-run")
    assert run.out == (
        "production (prod/recipe.yaml)\n"
        "VALUE              NOW        THEN       KEPT\n"
        "POSTGRES_PASSWORD  version 3  version 4  -\n"
        "derived from it: DATABASE_URL\n"
        "Secrets that change: backend, postgres\n"
        "restarts: Deployment/backend\n"
        "reads it and is not restarted, since the Secret keeps its name: StatefulSet/db\n"
        "nothing was changed\n"
    )
    assert diff(shop) == []


def test_an_overlap_keeps_the_old_value_whatever_becomes_of_the_generator(shop: Repo) -> None:
    before = values(shop)
    assert "JWT_OLD" not in before
    assert shop.cli("rotate", "JWT_SECRET").code == 0
    assert diff(shop) == [
        "-      version: 2",
        "+      version: 3",
        f"+      rotated: {today()}",
        '+      previous: {version: 2, seed: "1", generate: {bytes: {size: 48}}}',
    ]
    shop.edit("base.recipe.yaml", lambda text: text.replace("size: 48", "size: 64"))
    after = values(shop)
    assert after["JWT_OLD"] == before["JWT_SECRET"] != after["JWT_SECRET"]


def test_the_next_rotation_takes_over_what_the_last_one_kept(shop: Repo) -> None:
    shop.cli("rotate", "JWT_SECRET")
    middle = values(shop)["JWT_SECRET"]
    commit(shop)
    shop.cli("rotate", "JWT_SECRET")
    after = values(shop)
    assert after["JWT_OLD"] == middle
    assert 'previous: {version: 3, seed: "1"' in (shop.path / "prod/recipe.yaml").read_text()


def test_a_slot_flips_with_the_version(shop: Repo) -> None:
    shop.edit(
        "prod/recipe.yaml", lambda text: text.replace("version: 3, ", "version: 3, slot: a, ")
    )
    run = shop.cli("rotate", "POSTGRES_PASSWORD")
    assert "POSTGRES_PASSWORD  version 3, slot a  version 4, slot b  previous" in run.out
    line = next(line for line in diff(shop) if line.startswith("+"))
    assert f"{{version: 4, slot: b, rotated: {today()}, previous: {{version: 3, " in line
    commit(shop)
    assert shop.cli("rotate", "POSTGRES_PASSWORD").code == 0
    assert "slot: a" in (shop.path / "prod/recipe.yaml").read_text()


def test_after_a_restored_version_rotation_goes_past_the_highest(shop: Repo) -> None:
    shop.edit("prod/recipe.yaml", lambda text: text.replace(
        "{version: 3, rotated: 2024-01-31}", "{version: 3, previous: {version: 7}}"))  # fmt: skip
    assert shop.cli("rotate", "POSTGRES_PASSWORD").code == 0
    assert f"{{version: 8, rotated: {today()}}}" in (shop.path / "prod/recipe.yaml").read_text()


def test_a_value_that_the_leaf_does_not_mention_gets_an_entry(shop: Repo) -> None:
    assert shop.cli("rotate", "CSRF_SECRET").code == 0
    assert diff(shop) == [f"+    CSRF_SECRET: {{version: 2, rotated: {today()}}}"]


def test_without_a_key_a_generated_value_is_rotated_all_the_same(shop: Repo) -> None:
    run = shop.cli("rotate", "CSRF_SECRET", SOPS_AGE_KEY_FILE="/nowhere")
    assert run.code == 0
    assert diff(shop) != []
    assert "so the new values were not validated [validated-keyless]" in run.err


def test_a_json_leaf_stays_json(repo: Repo) -> None:
    repo.shop(values={"TOKEN": {"generate": {"password": {}}}})
    commit(repo)
    assert repo.cli("rotate", "TOKEN").code == 0
    assert diff(repo) == [
        "-    }", "+    },", '+    "version": 2,', f'+    "rotated": "{today()}"',
    ]  # fmt: skip
    assert repo.cli("render", "overlay").code == 0


# --- stored values --------------------------------------------------------------------------------


def test_a_stored_value_is_drawn_anew_and_the_old_one_kept_where_it_is_asked_for(
    shop: Repo,
) -> None:
    before = values(shop)
    run = shop.cli("rotate", "TLS_KEY", "-e", "production")
    assert run.code == 0
    assert "TLS_KEY  stored  drawn anew  SOPSMITH_PREVIOUS_TLS_KEY" in run.out
    after = values(shop)
    assert after["TLS_OLD"] == before["TLS_KEY"]
    assert after["TLS_KEY"].startswith(b"-----BEGIN PRIVATE KEY-----")
    assert diff(shop, "prod") == [
        "-    TLS_KEY: {rotated: 2024-01-31}", f"+    TLS_KEY: {{rotated: {today()}}}",
    ]  # fmt: skip
    keys = {line[1:].strip().partition(":")[0] for line in diff(shop, "production.enc.yaml")}
    assert keys - {"lastmodified"} == {"TLS_KEY", "SOPSMITH_PREVIOUS_TLS_KEY", "mac"}
    for data in after.values():
        shop.canary(data.decode())


def test_what_is_not_asked_for_any_more_is_forgotten(shop: Repo) -> None:
    shop.cli("rotate", "TLS_KEY")
    commit(shop)
    shop.edit("base.recipe.yaml", lambda text: text.replace(
        "    TLS_OLD: {optional: true, derive: {previousOf: TLS_KEY}}\n", "")
        .replace("TLS_KEY, TLS_OLD", "TLS_KEY"))  # fmt: skip
    assert shop.cli("rotate", "TLS_KEY").code == 0
    assert "SOPSMITH_PREVIOUS" not in (shop.path / "production.enc.yaml").read_text()


def test_a_stored_value_that_was_never_drawn_can_t_be_rotated(shop: Repo) -> None:
    shop.edit("base.recipe.yaml", lambda t: t.replace("DISK_KEY: {", "NEW: {generate: {age: {}}, "
              "optional: true}\n    DISK_KEY: {"))  # fmt: skip
    run = shop.cli("rotate", "NEW", "-e", "production")
    assert (run.code, run.codes) == (1, {"stored-missing"})
    assert "sopsmith fill NEW -e production" in run.err


def test_a_component_that_two_environments_share_is_rotated_for_both(repo: Repo) -> None:
    repo.write(".sops.yaml", RULES % repo.recipient)
    repo.component("shared.enc.yaml", {"TOKEN": repo.canary()}, environment="dev,production")
    spec: Any = {"components": ["../shared.enc.yaml"], "secrets": {"a": {"keys": ["TOKEN"]}}}
    value = {"generate": {"bytes": {}}, "stored": True, "maxAge": "9d", "rotated": "2024-01-01"}
    repo.leaf("dev", environment="dev", values={"TOKEN": value}, **spec)
    repo.leaf("prod", values={"TOKEN": value}, **spec)
    commit(repo)
    run = repo.cli("rotate", "--due")
    assert run.code == 0
    assert "dev (dev/recipe.yaml)" in run.out
    assert "production (prod/recipe.yaml)" in run.out
    for folder in ("dev", "prod"):
        assert f'"rotated": "{today()}"' in (repo.path / folder / "recipe.yaml").read_text()
    one, two = (repo.cli("render", folder).secrets["a"] for folder in ("dev", "prod"))
    assert one == two


def test_what_another_environment_never_rotates_is_refused(repo: Repo) -> None:
    repo.write(".sops.yaml", RULES % repo.recipient)
    repo.component("shared.enc.yaml", {"TOKEN": repo.canary()}, environment="dev,production")
    spec: Any = {"components": ["../shared.enc.yaml"], "secrets": {"a": {"keys": ["TOKEN"]}}}
    value = {"generate": {"bytes": {}}, "stored": True}
    repo.leaf("dev", environment="dev", values={"TOKEN": value}, **spec)
    repo.leaf("prod", values={"TOKEN": {**value, "rotation": "never"}}, **spec)
    commit(repo)
    run = repo.cli("rotate", "TOKEN", "-e", "dev")
    assert (run.code, run.codes) == (2, {"rotation-never"})
    assert "prod/recipe.yaml: TOKEN" in run.err
    assert diff(repo) == []
    repo.write("prod/recipe.yaml", "kind: SecretRecipe\nspec: [\n")
    run = repo.cli("rotate", "TOKEN", "-e", "dev/recipe.yaml", "--dry-run")
    assert "prod/recipe.yaml is broken, so whether it reads what rotates is not known" in run.err


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "what"),
    [
        ("MASTER_KEY", "rotation-never", "what it encrypted could not be read any more"),
        ("DISK_KEY", "rotation-never", "change rotation: never in base.recipe.yaml"),
        ("SMTP_PASSWORD", "usage", "sopsmith set SMTP_PASSWORD -e production"),
        ("DATABASE_URL", "usage", "sopsmith rotate POSTGRES_PASSWORD -e production"),
        ("JWT_OLD", "usage", "sopsmith rotate JWT_SECRET -e production"),
        ("JWT_SECERT", "recipe-name", "did you mean JWT_SECRET?"),
    ],
)
def test_what_can_t_be_rotated_says_why(shop: Repo, name: str, code: str, what: str) -> None:
    run = shop.cli("rotate", "CSRF_SECRET", name, "-e", "production")
    assert (run.code, run.codes) == (2, {code})
    assert what in run.err
    assert diff(shop) == []  # not the other one either


@pytest.mark.parametrize(
    "argv", [(), ("A", "--due"), ("A", "--seed"), ("--due", "--all"), ("--due", "--seed")]
)
def test_exactly_one_choice_is_made(shop: Repo, argv: tuple[str, ...]) -> None:
    assert (shop.cli("rotate", *argv).code, diff(shop)) == (2, [])


def test_a_recipe_inside_a_kustomization_is_not_changed(repo: Repo) -> None:
    repo.shop(values={"TOKEN": {"generate": {"password": {}}}})
    text = (repo.path / "overlay/recipe.yaml").read_text()
    (repo.path / "overlay/recipe.yaml").unlink()
    inline = "".join(f"    {line}\n" for line in text.splitlines())
    file = repo.write("overlay/kustomization.yaml", f"generators:\n  - |-\n{inline}")
    before = file.read_text()
    run = repo.cli("rotate", "TOKEN", "-e", "overlay")
    assert (run.code, run.codes) == (2, {"usage"})
    assert "move it into a file of its own" in run.err
    assert file.read_text() == before


def test_a_layout_that_can_t_be_kept_names_the_file(shop: Repo) -> None:
    shop.edit("prod/recipe.yaml", lambda text: text.replace(
        "{version: 3, rot", "{version: 3, # third\n      previous: {version: 2}, rot"))  # fmt: skip
    commit(shop)
    run = shop.cli("rotate", "POSTGRES_PASSWORD")
    assert (run.code, run.codes) == (3, {"layout-unsafe"})
    assert "prod/recipe.yaml: spec.values.POSTGRES_PASSWORD.previous: " in run.err
    assert diff(shop) == []


# --- the question ---------------------------------------------------------------------------------


def on_terminal(repo: Repo, answer: str, *argv: str) -> str:
    """Run on a terminal with this answer, and give what it shows on standard output."""
    ours, theirs = pty.openpty()
    command = ["sopsmith", "rotate", "CSRF_SECRET", *argv]
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        command, stdin=theirs, stderr=theirs, stdout=subprocess.PIPE, env=repo.env,
        cwd=repo.path, timeout=120,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # Linux: all was read
        while chunk := os.read(ours, 65536):  # it comes in parts
            shown += chunk
    os.close(ours)
    assert done.returncode == 0
    return (shown + done.stdout).decode()


def test_on_a_terminal_it_asks_after_the_plan_was_shown(shop: Repo) -> None:
    shown = on_terminal(shop, "n")
    assert "rotate CSRF_SECRET? y/n [n]:" in shown
    assert shown.endswith("restarts: Deployment/backend\nnothing was changed\n")
    assert diff(shop) == []
    assert on_terminal(shop, "y").endswith("changed prod/recipe.yaml\n")
    assert diff(shop) != []


def test_with_yes_it_does_not_ask(shop: Repo) -> None:
    assert "y/n" not in on_terminal(shop, "", "--yes")
    assert diff(shop) != []


# --- due and all ----------------------------------------------------------------------------------


def test_due_rotates_what_is_past_its_max_age_and_nothing_else(shop: Repo) -> None:
    run = shop.cli("rotate", "--due", "--commit")
    assert run.code == 0
    assert re.findall(r"^(\w+) .*(?:version|stored)", run.out, re.MULTILINE) == [
        "POSTGRES_PASSWORD", "TLS_KEY",
    ]  # fmt: skip
    assert shop.run("git", "status", "--porcelain").out == ""
    body = shop.run("git", "log", "-1", "--format=%B").out
    assert body.splitlines()[0] == "secrets(production): rotate POSTGRES_PASSWORD, TLS_KEY"
    assert "Sopsmith-Command: rotate\nSopsmith-Environment: production\n" in body
    again = shop.cli("rotate", "--due")
    assert (again.code, again.out) == (0, "nothing is due\n")


def test_due_leaves_out_what_only_people_can_rotate(shop: Repo) -> None:
    shop.edit("base.recipe.yaml", lambda text: text.replace(
        "SMTP_PASSWORD: {}", "SMTP_PASSWORD: {maxAge: 30d}")
        .replace("CSRF_SECRET: {", "CSRF_SECRET: {maxAge: 30d, "))  # fmt: skip
    shop.edit("prod/recipe.yaml", lambda t: t + "    SMTP_PASSWORD: {rotated: 2024-01-01}\n")
    run = shop.cli("rotate", "--due", "--output", "json")
    assert run.code == 0
    (one,) = run.document["environments"]
    assert [each["value"] for each in one["rotated"]] == ["POSTGRES_PASSWORD", "TLS_KEY"]
    assert {(each["field"], each["code"]) for each in one["leftOut"]} == {
        ("SMTP_PASSWORD", "usage"), ("CSRF_SECRET", "overdue"),
    }  # fmt: skip


def test_what_is_due_and_left_out_is_not_called_nothing(shop: Repo) -> None:
    shop.edit("base.recipe.yaml", lambda text: text.replace(
        "SMTP_PASSWORD: {}", "SMTP_PASSWORD: {maxAge: 30d}")
        .replace("maxAge: 90d", "").replace("maxAge: 365d", ""))  # fmt: skip
    run = shop.cli("rotate", "--due", "-e", "production")
    assert "  sopsmith set SMTP_PASSWORD -e production, or set rotated in the leaf\n" in run.out
    assert run.out.endswith("nothing was rotated: all of it is left out\n")


def test_what_nobody_gave_is_never_due(shop: Repo) -> None:
    shop.edit("base.recipe.yaml", lambda text: text.replace(
        "SMTP_PASSWORD: {}", "SMTP_PASSWORD: {}\n    API_TOKEN: {maxAge: 30d, optional: true}")
        .replace("[POSTGRES_PASSWORD]", "[POSTGRES_PASSWORD, API_TOKEN]"))  # fmt: skip
    for command in ("due", "validate", "rotate --due --dry-run"):
        assert "API_TOKEN" not in shop.cli(*command.split()).out
    assert shop.run("sopsmith", "set", "API_TOKEN", "-e", "production",
                    stdin=shop.canary().encode()).code == 0  # fmt: skip
    shop.edit("prod/recipe.yaml", lambda text: re.sub(
        "API_TOKEN: .*", "API_TOKEN: {rotated: 2024-01-31}", text))  # fmt: skip
    assert "API_TOKEN: was due on 2024-03-01" in shop.cli("due", SOPS_AGE_KEY_FILE=None).out


def test_what_a_value_was_is_not_there_before_it_rotates(shop: Repo) -> None:
    run = shop.cli("get", "JWT_OLD", "-e", "production")
    assert run.code == 1 and "JWT_SECRET has no previous value" in run.err
    assert "hint: there is none before the first rotation\n" in run.err


def test_what_the_recipe_says_in_clear_has_no_new_one_to_get(shop: Repo) -> None:
    shop.edit("base.recipe.yaml", lambda text: text.replace(
        "SMTP_PASSWORD: {}", "SMTP_PASSWORD: {default: none}\n    SMTP_HOST: {default: mx}")
        .replace("[POSTGRES_PASSWORD]", "[POSTGRES_PASSWORD, SMTP_HOST]"))  # fmt: skip
    run = shop.cli("rotate", "--all", "-e", "production", "--dry-run")
    assert "left out: SMTP_PASSWORD" in run.out  # a component gives another
    assert "SMTP_HOST" not in run.out


def test_all_rotates_what_may_be_and_names_the_rest(shop: Repo) -> None:
    before = values(shop)
    run = shop.cli("rotate", "--all", "-e", "production")
    assert run.code == 0
    for name in ("MASTER_KEY", "DISK_KEY", "SMTP_PASSWORD"):
        assert f"left out: {name} (production): " in run.out
    after = values(shop)
    same = {key for key in before if after[key] == before[key]}
    assert same == {"MASTER_KEY", "DISK_KEY", "SMTP_PASSWORD"}


def break_another(repo: Repo) -> None:
    """Somebody declares a rule that a value does not keep."""
    before = "SMTP_PASSWORD: {}"
    repo.edit(
        "base.recipe.yaml", lambda t: t.replace(before, before[:-1] + "rules: {minLength: 999}}")
    )


@pytest.mark.parametrize("choice", ["CSRF_SECRET", "TLS_KEY", "--seed"])
def test_what_was_wrong_before_is_told_and_stops_no_rotation(shop: Repo, choice: str) -> None:
    """A leaked secret does not wait until another one is given."""
    break_another(shop)
    commit(shop)
    run = shop.cli("rotate", choice, "--commit")
    assert (run.code, "committed " in run.out) == (0, True), run.err
    assert run.err.count("sopsmith: warning: production.enc.yaml: SMTP_PASSWORD: has") == 1
    assert "[min-length], so nothing renders [not-rendering]" in run.err
    assert diff(shop) == []


@pytest.mark.parametrize("name", ["CSRF_SECRET", "TOKEN"])
@pytest.mark.parametrize("broken", [False, True], ids=["whole", "broken before"])
def test_what_a_rotation_would_break_is_not_written(shop: Repo, name: str, broken: bool) -> None:
    """As where only some passwords fit a pattern; TOKEN is stored, so sops would write it."""
    token = "    TOKEN: {generate: {password: {}}, stored: true}\n"
    shop.edit("base.recipe.yaml", lambda t: t.replace("values:\n", f"values:\n{token}")
              .replace("keys: [DATABASE", "keys: [TOKEN, DATABASE"))  # fmt: skip
    assert shop.cli("fill").code == 0
    start = re.escape(shop.cli("get", name).out[:5])
    fits = f"    {name}: {{rules: {{pattern: '{start}.*'}}}}\n"
    shop.edit("prod/recipe.yaml", lambda t: t.replace("values:\n", f"values:\n{fits}"))
    if broken:
        break_another(shop)
    commit(shop)
    run = shop.cli("rotate", name, "--commit", "--yes")
    assert (run.code, run.codes) == (1, {"pattern"}), run.err
    assert "nothing was changed" in run.err
    assert diff(shop) == []


@pytest.mark.parametrize("choice", ["--due", "--all", "--seed"])
def test_what_it_leaves_is_what_check_asks_for(shop: Repo, choice: str) -> None:
    assert shop.cli("rotate", choice, "-e", "production").code == 0
    run = shop.cli("check", "--against", "HEAD")
    assert (run.code, run.err) == (0, "")


# --- seeds ----------------------------------------------------------------------------------------


GENERATED = {"POSTGRES_PASSWORD", "DATABASE_URL", "JWT_SECRET", "CSRF_SECRET"}


def commits(repo: Repo) -> list[str]:
    """The commits since the first one, oldest first, by subject."""
    subjects = repo.run("git", "log", "--reverse", "--format=%s").out.splitlines()
    return subjects[1:]


def seeds(repo: Repo) -> set[str]:
    """The numbers of the seeds that the component holds."""
    text = (repo.path / "production.enc.yaml").read_text()
    return set(re.findall("SOPSMITH_SEED_([0-9]+)", text))


def test_a_new_seed_comes_in_steps_that_each_render(shop: Repo) -> None:
    before = values(shop)
    run = shop.cli("rotate", "--seed", "-e", "production", "--commit")
    assert run.code == 0
    assert commits(shop) == [
        "secrets(production): draw seed 2",
        "secrets(production): move to seed 2: CSRF_SECRET, JWT_SECRET, POSTGRES_PASSWORD",
    ]
    shop.run("git", "checkout", "-q", "HEAD~1")
    assert values(shop) == before
    shop.run("git", "checkout", "-q", "-")
    after = values(shop)
    assert {key for key in before if after[key] != before[key]} == GENERATED
    assert after["JWT_OLD"] == before["JWT_SECRET"]


def test_the_old_seed_stays_while_an_old_value_is_kept(shop: Repo) -> None:
    run = shop.cli("rotate", "--seed", "--yes")
    assert "3. seed 1 stays for the old values that are kept of JWT_SECRET" in run.out
    assert "sopsmith rotate JWT_SECRET -e production" in run.out
    assert seeds(shop) == {"1", "2"}
    commit(shop)
    assert shop.cli("rotate", "JWT_SECRET").code == 0
    before = values(shop)
    last = shop.cli("rotate", "--seed")
    assert (last.code, "seed 1 is removed: changed" in last.out) == (0, True)
    assert "until then the old values are in use" not in last.out  # no value changed
    assert seeds(shop) == {"2"}
    assert '"1":' not in (shop.path / "prod/recipe.yaml").read_text().split("values:")[0]
    assert values(shop) == before


def test_two_seeds_are_no_change_that_was_begun(shop: Repo) -> None:
    """The first stays for an old value only, so who asks for a new seed again gets one."""
    assert shop.cli("rotate", "--seed", "--commit").code == 0
    before = values(shop)
    run = shop.cli("rotate", "--seed", "--commit")
    assert run.code == 0
    assert run.out.startswith(
        "1. seed 3 is drawn, into production.enc.yaml\n"
        "2. 3 values to move to it, each to a new version\n"
        "3. seed 1 is removed\n"
        "3. seed 2 stays for the old values that are kept of JWT_SECRET\n"
    )
    assert [each.partition(": ")[2].partition(":")[0] for each in commits(shop)[2:]] == [
        "draw seed 3", "move to seed 3", "remove seed 1",
    ]  # fmt: skip
    head = shop.run("git", "rev-parse", "HEAD").out.strip()
    for revision in (f"{head}~2", f"{head}~1", head):
        shop.run("git", "checkout", "-q", revision)
        assert shop.cli("validate", "prod").code == 0
    after = values(shop)
    assert {key for key in before if after[key] != before[key]} == {*GENERATED, "JWT_OLD"}
    assert after["JWT_OLD"] == before["JWT_SECRET"]


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_stopped_after_any_step_the_same_command_finishes_it(shop: Repo, taken: int) -> None:
    """Of a change from the second seed to the third: each step is one commit."""
    assert shop.cli("rotate", "--seed", "--commit").code == 0
    assert shop.cli("rotate", "--seed", "--commit").code == 0
    whole = seeds(shop)
    shop.run("git", "reset", "-q", "--hard", f"HEAD~{3 - taken}")
    run = shop.cli("rotate", "--seed", "--output", "json", "--dry-run")
    assert run.document["seed"] == ("3" if taken < 3 else "4")
    if taken < 3:
        assert shop.cli("rotate", "--seed").code == 0
        assert seeds(shop) == whole == {"2", "3"}


def test_without_overlap_the_old_seed_goes_at_once(repo: Repo) -> None:
    repo.write(".sops.yaml", RULES % repo.recipient)
    repo.shop({"GIVEN": repo.canary()}, values={"TOKEN": {"generate": {"password": {}}}})
    commit(repo)
    before = repo.cli("render", "overlay").secrets["shop"]
    run = repo.cli("rotate", "--seed", "--output", "json", "--commit")
    assert run.code == 0
    assert [each["step"] for each in run.document["steps"]] == ["draw", "move", "remove"]
    assert len(commits(repo)) == 3
    for revision in ("HEAD~2", "HEAD~1"):
        repo.run("git", "checkout", "-q", revision)
        assert repo.cli("render", "overlay").code == 0
        repo.run("git", "checkout", "-q", "-")
    after = repo.cli("render", "overlay").secrets["shop"]
    assert after["GIVEN"] == before["GIVEN"]
    assert after["TOKEN"] != before["TOKEN"]
    assert "SOPSMITH_SEED_1" not in (repo.path / "shop.enc.yaml").read_text()


def test_leaves_that_share_a_seed_move_together(repo: Repo) -> None:
    repo.write(".sops.yaml", RULES % repo.recipient)
    values_: Any = {"TOKEN": {"generate": {"password": {}}}}
    repo.shop(values=values_)
    other = repo.leaf("other", components=["../shop.enc.yaml"], seeds=repo.seeds(),
                      values={"OTHER": {"generate": {"bytes": {}}}},
                      secrets={"other": {"keys": ["OTHER"]}})  # fmt: skip
    commit(repo)
    assert repo.cli("rotate", "--seed", "-e", "overlay").code == 0
    assert '"seed": "2"' in other.read_text()
    assert repo.cli("validate", "overlay", "other").code == 0


def test_a_seed_that_was_drawn_and_not_used_yet_is_taken_up(shop: Repo) -> None:
    """As after an interruption between the steps."""
    seed = shop.canary(token_hex(32))
    check = check_value(bytes.fromhex(seed), "shop", "production", "2")
    stdin = f'"{seed}"'.encode()
    path = ["sops", "set", "--value-stdin", "production.enc.yaml", '["SOPSMITH_SEED_2"]']
    assert shop.run(*path, stdin=stdin).code == 0
    shop.edit("prod/recipe.yaml", lambda text: text.replace('{"1": ', f'{{"2": "{check}", "1": '))
    run = shop.cli("rotate", "--seed", "--output", "json")
    assert run.code == 0
    assert [each["step"] for each in run.document["steps"]] == ["move"]
    assert run.document["seed"] == "2"


def test_stopped_between_recipe_and_component_it_goes_on(shop: Repo) -> None:
    shop.edit("prod/recipe.yaml", lambda text: text.replace('{"1": ', f'{{"2": {"ab" * 16}, "1": '))
    assert shop.cli("rotate", "--seed").code == 0  # draws another, since the first is lost
    commit(shop)
    assert shop.cli("rotate", "JWT_SECRET").code == 0
    before = values(shop)
    shop.edit("prod/recipe.yaml", lambda text: re.sub(r', "1": "\w{32}"', "", text))
    run = shop.cli("rotate", "--seed")
    assert (run.code, "seed 1 is removed: changed production.enc.yaml" in run.out) == (0, True)
    assert values(shop) == before


def test_a_dry_run_tells_the_steps_and_takes_none(shop: Repo) -> None:
    run = shop.cli("rotate", "--seed", "--dry-run")
    assert run.code == 0
    assert run.out.startswith(
        "1. seed 2 is drawn, into production.enc.yaml\n"
        "2. 3 values to move to it, each to a new version\n"
        "3. seed 1 stays for the old values that are kept of JWT_SECRET\n"
        "production (prod/recipe.yaml)\n"
    )
    assert diff(shop) == []


def test_a_recipe_without_a_seed_says_so(repo: Repo) -> None:
    repo.component("a.enc.yaml", {"A": repo.canary()})
    repo.leaf(components=["../a.enc.yaml"], values={"A": {}}, secrets={"a": {"keys": ["A"]}})
    run = repo.cli("rotate", "--seed")
    assert (run.code, run.codes) == (2, {"usage"})
    assert "reads no seed" in run.err


def test_a_seed_whose_commit_was_refused_comes_with_the_next(shop: Repo) -> None:
    """Or a commit would name a seed that no commit holds."""
    hook = shop.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    refused = shop.cli("rotate", "--seed", "--yes", "--commit")
    assert refused.code == 6 and "seed 2 is in production.enc.yaml: changed" in refused.out
    assert "nothing was changed" not in refused.out
    hook.unlink()
    assert shop.cli("rotate", "--seed", "--yes", "--commit").code == 0
    tracked = shop.run("git", "status", "--short", "--untracked-files=no").out
    assert tracked == ""
    assert shop.run("git", "stash", "-q").code == 0
    assert shop.cli("validate").code == 0


# --- what no commit holds -------------------------------------------------------------------------


@contextlib.contextmanager
def refusing(repo: Repo, hook: str = "commit-msg") -> Iterator[None]:
    """A repository whose hook refuses every commit."""
    repo.write(f".git/hooks/{hook}", "#!/bin/sh\nexit 1\n").chmod(0o755)
    yield
    (repo.path / ".git/hooks" / hook).unlink()


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "JWT_SECRET", "TLS_KEY"])
def test_a_rotation_whose_commit_was_refused_is_committed_and_not_made_again(
    shop: Repo, name: str
) -> None:
    with refusing(shop):
        refused = shop.cli("rotate", name, "--commit")
        assert (refused.code, refused.codes) == (6, {"not-committed"})
        assert "changed prod/recipe.yaml\n" in refused.out
    made = values(shop)
    run = shop.cli("rotate", name, "--commit")
    assert (run.code, "is rotated already, and no commit holds it" in run.err) == (0, True)
    assert "changed" not in run.out and "committed " in run.out
    assert (values(shop), diff(shop)) == (made, [])
    assert commits(shop) == [f"secrets(production): rotate {name}"]
    assert shop.cli("rotate", name, "--commit").code == 0  # and the next is another
    assert values(shop) != made


@pytest.fixture
def keys(shop: Repo) -> Repo:
    """The shop with two stored keys of which nothing is kept, one of them a whole file."""
    shop.edit("base.recipe.yaml", lambda text: text.replace(
        "components: [$(environment).enc.yaml]",
        "components: [$(environment).enc.yaml, keys.enc.yaml, {path: host.enc.key, as: HOST_KEY}]",
    ).replace(
        "    MASTER_KEY: {rot",
        "    SSH_KEY: {generate: {ecdsa: {}}, maxAge: 1d}\n"
        "    HOST_KEY: {generate: {ecdsa: {}}, maxAge: 1d}\n    MASTER_KEY: {rot",
    ).replace("[TLS_KEY,", "[SSH_KEY, HOST_KEY, TLS_KEY,"))  # fmt: skip
    shop.edit("prod/recipe.yaml", lambda text: text + (
        "    SSH_KEY: {rotated: 2024-01-31}\n    HOST_KEY: {rotated: 2024-01-31}\n"))  # fmt: skip
    shop.component("keys.enc.yaml", {"SSH_KEY": pem(shop)})
    shop.component("host.enc.key", pem(shop).encode())
    commit(shop)
    return shop


@pytest.mark.parametrize("choice", ["--all", "--due", "JWT_SECRET SSH_KEY HOST_KEY"])
def test_what_nothing_is_kept_of_is_committed_with_the_rest(keys: Repo, choice: str) -> None:
    words = ("rotate", *choice.split(), "--commit")
    with refusing(keys):
        assert keys.cli(*words).code == 6
    made = values(keys)
    run = keys.cli(*words)
    assert (run.code, values(keys), diff(keys)) == (0, made, [])
    message = keys.run("git", "log", "-1", "--format=%B").out
    assert all(f"Sopsmith-Value: {name}" in message for name in ("SSH_KEY", "HOST_KEY"))


def test_the_hint_of_a_refused_second_rotation_commits_all_of_it(keys: Repo) -> None:
    assert keys.cli("rotate", "--all").code == 0
    made = values(keys)
    run = keys.cli("rotate", "--all")
    assert (run.code, "SSH_KEY: has another value than the last commit" in run.err) == (2, True)
    command = next(line for line in run.err.splitlines() if "hint: " in line).partition("hint: ")[2]
    assert keys.run(*command.partition(" commits it")[0].split()).code == 0
    assert (values(keys), diff(keys)) == (made, [])


@pytest.mark.parametrize(
    "asked", ["JWT_SECRET", "TLS_KEY", "--all", "JWT_SECRET CSRF_SECRET --commit"]
)
def test_what_is_rotated_and_not_committed_is_not_rotated_again(shop: Repo, asked: str) -> None:
    words = asked.split()
    name = words[0] if words[0] != "--all" else "JWT_SECRET"
    assert shop.cli("rotate", name).code == 0
    before = values(shop)
    run = shop.cli("rotate", *words)
    assert (run.code, run.codes, values(shop)) == (2, {"usage"}, before)
    command = f"sopsmith rotate {name} -e production --commit"
    assert f"hint: {command} commits it, and no other\n" in run.err
    assert shop.run(*command.split()).code == 0
    assert (shop.cli("rotate", *words).code, commits(shop)[0][-len(name) :]) == (0, name)


def test_several_rotations_without_a_commit_are_not_taken_for_one(shop: Repo) -> None:
    shop.edit("prod/recipe.yaml", lambda text: text.replace("version: 2", "version: 4"))
    run = shop.cli("rotate", "JWT_SECRET", "--commit")
    assert (run.code, run.codes) == (2, {"usage"})
    assert "JWT_SECRET: is at version 4, and the last commit has 2 [usage]" in run.err
    assert "git checkout -- prod/recipe.yaml takes every change of that file back" in run.err


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("JWT_SECRET", "version: 2", "version: 3", "is at version 3, with another `previous`"),
        ("POSTGRES_PASSWORD", "version: 3", "version: 4",
         "is at version 4, with another slot and `previous`"),
    ],
)  # fmt: skip
def test_a_version_that_was_raised_by_hand_is_no_rotation_without_what_one_keeps(
    shop: Repo, name: str, old: str, new: str, said: str
) -> None:
    shop.edit(
        "prod/recipe.yaml", lambda text: text.replace("{version: 3,", "{slot: a, version: 3,")
    )
    commit(shop)
    shop.edit("prod/recipe.yaml", lambda text: text.replace(old, new))
    run = shop.cli("rotate", name, "--commit")
    assert (run.code, run.codes, commits(shop)) == (2, {"usage"}, ["as it was"])
    assert f"{name}: {said} than a rotation writes" in run.err
    shop.run("git", "checkout", "-q", "--", "prod/recipe.yaml")  # as the hint says
    assert shop.cli("rotate", name, "--commit").code == 0


def test_a_version_that_was_raised_by_hand_is_a_rotation_where_nothing_is_kept(shop: Repo) -> None:
    shop.edit("prod/recipe.yaml", lambda text: text.replace("version: 3", "version: 4"))
    assert shop.cli("rotate", "POSTGRES_PASSWORD", "--commit").code == 0
    assert commits(shop) == ["secrets(production): rotate POSTGRES_PASSWORD"]


def test_a_value_that_was_set_is_rotated_all_the_same(shop: Repo) -> None:
    """Nobody rotated it since the last commit, so what was kept then is not what it is now."""
    given = pem(shop)
    assert shop.run("sopsmith", "set", "TLS_KEY", stdin=given.encode()).code == 0
    assert shop.cli("rotate", "TLS_KEY", "--commit").code == 0
    assert values(shop)["TLS_OLD"] == given.rstrip().encode()


def test_what_was_due_and_is_not_committed_is_committed_by_the_next_run(shop: Repo) -> None:
    shop.edit("prod/recipe.yaml", lambda text: text.replace(
        "TLS_KEY: {rotated: 2024-01-31}", f"TLS_KEY: {{rotated: {today()}}}"))  # fmt: skip
    commit(shop)
    with refusing(shop):
        assert shop.cli("rotate", "--due", "--commit").code == 6
    assert "nothing is due" in shop.cli("rotate", "--due").out
    run = shop.cli("rotate", "--due", "--commit")
    assert (run.code, diff(shop)) == (0, [])
    assert commits(shop)[-1] == "secrets(production): rotate POSTGRES_PASSWORD"
    assert "nothing is due" in shop.cli("rotate", "--due", "--commit").out


@pytest.mark.parametrize("tries", [1, 3])
def test_a_new_seed_whose_commits_were_refused_is_no_reason_for_another(
    shop: Repo, tries: int
) -> None:
    with refusing(shop):
        for _ in range(tries):
            assert shop.cli("rotate", "--seed", "--commit").code == 6
    run = shop.cli("rotate", "--seed", "--commit")
    assert (run.code, diff(shop), seeds(shop)) == (0, [], {"1", "2"})
    assert "POSTGRES_PASSWORD: {version: 4, " in (shop.path / "prod/recipe.yaml").read_text()
    assert shop.cli("check", "--against", "HEAD~1").code == 0


@pytest.mark.parametrize("is_refused", [True, False])
def test_the_commits_of_a_new_seed_tell_what_else_they_take_along(
    shop: Repo, is_refused: bool
) -> None:
    with refusing(shop):  # after its first step, or without a commit after the last
        begun = shop.cli("rotate", "--seed", *["--commit"] * is_refused)
        assert (begun.code, "taken-along" in begun.err) == (6 if is_refused else 0, False)
    given = shop.canary().encode()
    assert shop.run("sopsmith", "set", "SMTP_PASSWORD", stdin=given).code == 0
    run = shop.cli("rotate", "--seed", "--commit")
    assert (run.code, diff(shop)) == (0, [])
    told = "production.enc.yaml: the commit takes along what was changed there before"
    assert run.err.count("taken-along") == 1
    assert run.err.endswith(f"sopsmith: warning: {told}: SMTP_PASSWORD [taken-along]\n")


def test_a_new_seed_that_no_commit_holds_is_not_followed_by_another(shop: Repo) -> None:
    assert shop.cli("rotate", "--seed").code == 0
    before = values(shop)
    for words in (("--seed",), ("JWT_SECRET",)):
        run = shop.cli("rotate", *words)
        assert (run.code, run.codes, values(shop)) == (2, {"usage"}, before)
        assert "hint: sopsmith rotate --seed -e production --commit commits it" in run.err
    assert shop.cli("rotate", "--seed", "-e", "production", "--commit").code == 0
    assert (values(shop), diff(shop)) == (before, [])


def test_a_rotation_that_no_commit_holds_comes_before_a_new_seed(shop: Repo) -> None:
    assert shop.cli("rotate", "JWT_SECRET").code == 0
    run = shop.cli("rotate", "--seed", "--commit")
    assert (run.code, seeds(shop)) == (2, {"1"})
    assert "hint: sopsmith rotate JWT_SECRET -e production --commit commits it" in run.err


@pytest.mark.parametrize("is_changed", [False, True])
def test_only_of_what_is_changed_the_last_commit_is_read(shop: Repo, is_changed: bool) -> None:
    """To read all of it for each of twenty environments took seconds."""
    if is_changed:
        assert shop.cli("rotate", "JWT_SECRET").code == 0
    real, calls = shutil.which("git"), shop.temp.parent / "calls"
    spy = f'#!/bin/sh\necho "$*" >> {calls}\nexec {real} "$@"\n'
    shop.write("../bin/git", spy).chmod(0o755)
    path = f"{shop.path.parent}/bin:{shop.env['PATH']}"
    run = shop.cli("rotate", "--due", "--commit", "--dry-run", PATH=path)
    assert (run.code, " status " in calls.read_text()) == (0, True)
    assert (" grep " in calls.read_text()) == is_changed
