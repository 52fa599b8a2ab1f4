"""A component of one environment is not handed to the readers of another, wherever it lies."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from tests.repository import Repo, Run

PRODUCTION, DEV = "secrets/production/shop.enc.yaml", "secrets/dev/shop.enc.yaml"
MAIL, EXTRA = "secrets/production/mail.enc.yaml", "secrets/dev/extra.enc.yaml"
RULES = """\
creation_rules:
  - path_regex: ^secrets/dev/
    age: {dev}
  - path_regex: ^secrets/production/
    age: {production}
"""


class Two(NamedTuple):
    """A repository of two environments, each with a key, and who has both of them."""

    repo: Repo
    dev: str  # its recipient
    dev_key: Path

    def commit(self) -> None:
        self.repo.run("git", "add", ".")
        assert self.repo.run("git", "commit", "-qm", "one").code == 0

    def copy(self, file: str, to: str) -> None:
        self.repo.write(to, (self.repo.path / file).read_bytes())
        self.commit()

    def dev_opens(self, file: str) -> bool:
        sops = ("sops", "--config", "/dev/null", "decrypt", file)
        return self.repo.run(*sops, SOPS_AGE_KEY_FILE=str(self.dev_key)).code == 0

    def refused(self, run: Run, file: str, code: str, *said: str) -> None:
        """It tells why, and neither this file nor any other is changed or asked about."""
        assert run.code == 5, run.err
        assert code in run.codes and f"{file}: " in run.err
        assert [text for text in said if text not in run.err] == []
        assert "--yes" not in run.err
        assert self.repo.run("git", "status", "--short").out == ""
        assert not self.dev_opens(file)

    def stated(self, file: str, environment: str | None, *readers: str) -> None:
        """A component of its own, that shares no ciphertext with another."""
        values = {"TOKEN": self.repo.canary()}
        recipients = ",".join(readers or [self.repo.recipient])
        self.repo.component(file, values, environment=environment, recipient=recipients)
        self.commit()


@pytest.fixture
def two(repo: Repo) -> Two:
    dev_key, dev = repo.stranger("dev.key")
    both = repo.path.parent / "both.key"
    both.write_bytes(repo.key_file.read_bytes() + dev_key.read_bytes())
    repo.env["SOPS_AGE_KEY_FILE"] = str(both)
    repo.write(".sops.yaml", RULES.format(dev=dev, production=repo.recipient))
    seed = {"SOPSMITH_SEED_1": repo.seed}
    repo.component(PRODUCTION, {**seed, "TOKEN": repo.canary()})
    repo.component(DEV, {"TOKEN": repo.canary()}, environment="dev", recipient=dev)
    for environment, file in (("production", PRODUCTION), ("dev", DEV)):
        repo.leaf(environment, environment=environment, components=[f"../{file}"],
                  seeds=repo.seeds() if environment == "production" else None,
                  values={"TOKEN": {}}, secrets={"shop": {"keys": ["TOKEN"]}})  # fmt: skip
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    made = Two(repo, dev, dev_key)
    made.commit()
    return made


@pytest.fixture
def new(two: Two) -> str:
    """The recipient of somebody who reads nothing yet."""
    return two.repo.stranger("new.key")[1]


SYNCS = [("sync",), ("sync", "--yes"), ("sync", "-e", "dev", "--yes", "--output", "json")]


# --- by what it says itself -----------------------------------------------------------------------


@pytest.mark.parametrize("file", [EXTRA, DEV])
def test_a_copy_of_production_is_not_given_to_dev(two: Two, file: str) -> None:
    """Listed in a recipe or not: sync would decrypt it for whoever reads that folder."""
    two.copy(PRODUCTION, file)
    for argv in SYNCS:
        run = two.repo.cli("recipients", *argv)
        two.refused(run, file, "wrong-environment", "belongs to production", "dev")


def test_what_says_that_it_is_productions_is_not_given_to_dev(two: Two) -> None:
    """No other file holds the like of it: what it says is enough."""
    two.stated(EXTRA, "production")
    for argv in SYNCS:
        said = f"belongs to production, and dev is what {two.dev} reads"
        two.refused(two.repo.cli("recipients", *argv), EXTRA, "wrong-environment", said)


def test_one_more_reader_of_dev_gets_no_component_of_production(two: Two, new: str) -> None:
    """Also where dev's own key reads it already."""
    two.stated(EXTRA, "production", two.repo.recipient, two.dev)
    for more in ((), ("--yes",)):
        run = two.repo.cli("recipients", "add", new, "-e", "dev", *more)
        assert (run.code, run.codes) == (5, {"wrong-environment"}), run.err
        assert two.repo.run("git", "status", "--short").out == ""


def test_what_is_both_environments_own_is_given_to_both(two: Two) -> None:
    two.stated(EXTRA, "dev, production")
    run = two.repo.cli("recipients", "sync", "--yes")
    assert run.code == 0, run.err
    assert two.dev_opens(EXTRA)


def test_a_reader_of_one_file_alone_may_be_added(two: Two, new: str) -> None:
    """An auditor reads no environment, and gets what a rule of its own says."""
    rule = f"creation_rules:\n  - path_regex: /audit\n    age: {two.repo.recipient},{new}\n"
    two.repo.edit(".sops.yaml", lambda text: text.replace("creation_rules:\n", rule))
    two.stated("secrets/production/audit.enc.yaml", "production")
    run = two.repo.cli("recipients", "sync", "--yes")
    assert run.code == 0, run.err
    assert new in (two.repo.path / "secrets/production/audit.enc.yaml").read_text()


SHARED = "secrets/shared/both.enc.yaml"


@pytest.fixture
def sharing(two: Two) -> Two:
    """Both environments list a file that both read, and its rule names both keys."""
    both = f"{two.repo.recipient},{two.dev}"
    rule = f"creation_rules:\n  - path_regex: shared\n    age: {both}\n"
    two.repo.edit(".sops.yaml", lambda text: text.replace("creation_rules:\n", rule))
    for name in ("dev", "production"):
        two.repo.edit(f"{name}/recipe.yaml", lambda text: text.replace(
            '"components": [', f'"components": ["../{SHARED}",'))  # fmt: skip
    value = {"MORE": two.repo.canary()}
    two.repo.component(SHARED, value, environment="dev,production", recipient=both)
    two.commit()
    return two


def test_what_both_share_gives_dev_nothing_else_of_productions(sharing: Two) -> None:
    sharing.stated(EXTRA, "production")
    run = sharing.repo.cli("recipients", "sync", "--yes")
    sharing.refused(run, EXTRA, "wrong-environment", "belongs to production, and dev is what")


def test_what_both_list_has_to_say_that_it_is_both_environments(sharing: Two) -> None:
    sharing.stated(SHARED, "production")
    run = sharing.repo.cli("recipients", "sync", "--yes")
    sharing.refused(run, SHARED, "wrong-environment", "and dev lists it")


def test_where_a_file_lies_counts_though_dev_reads_one_of_productions(two: Two) -> None:
    """A rule lets dev read one component of production's own, and this is another."""
    both = f"{two.repo.recipient},{two.dev}"
    rule = f"creation_rules:\n  - path_regex: production/shop\n    age: {both}\n"
    two.repo.edit(".sops.yaml", lambda text: text.replace("creation_rules:\n", rule))
    two.stated(PRODUCTION, "production", *both.split(","))
    two.stated(EXTRA, "production")
    run = two.repo.cli("recipients", "sync", "--yes")
    two.refused(run, EXTRA, "wrong-environment", "belongs to production, and dev has this rule")


def test_a_broken_recipe_does_not_tell_who_reads_what(two: Two) -> None:
    two.stated(EXTRA, "production")
    two.repo.edit("dev/recipe.yaml", lambda text: text.replace('"app"', '"ap"'))
    run = two.repo.cli("recipients", "sync", "--yes")
    assert (run.code, run.codes) == (2, {"usage"}), run.err
    assert "dev/recipe.yaml: is broken" in run.err and not two.dev_opens(EXTRA)


def test_what_is_of_no_recipes_environment_is_in_its_place(two: Two, new: str) -> None:
    """A component that is left of an environment keeps no reader out, unless it was brought in."""
    two.stated(EXTRA, "staging", two.dev)
    run = two.repo.cli("recipients", "add", new, "-e", "dev")
    assert run.code == 0, run.err
    two.stated(EXTRA, "staging")
    run = two.repo.cli("recipients", "sync", "--yes")
    two.refused(run, EXTRA, "wrong-environment", "belongs to staging, and dev is what")


@pytest.mark.parametrize("is_committed", [False, True])
def test_an_edited_rule_is_followed_by_what_is_of_no_recipes_environment(
    two: Two, is_committed: bool
) -> None:
    """It was encrypted as its rule said, so nobody brought it in; production's readers are the
    same, for a repository often begins with one key."""
    file = "secrets/staging/shop.enc.yaml"
    rule = f"  - path_regex: ^secrets/staging/\n    age: {two.repo.recipient}"
    two.repo.edit(".sops.yaml", lambda text: f"{text}{rule}\n")
    two.stated(file, "staging")
    two.repo.edit(".sops.yaml", lambda text: text.replace(rule, f"{rule},{two.dev}"))
    if is_committed:
        two.commit()
    run = two.repo.cli("recipients", "sync", "--yes")
    assert run.code == 0, run.err
    assert two.dev_opens(file)


def test_what_took_the_place_of_a_file_was_brought_in_all_the_same(two: Two) -> None:
    """That once a file of dev's lay there does not make it dev's."""
    two.stated(EXTRA, "dev", two.dev)
    two.stated(EXTRA, "staging")
    run = two.repo.cli("recipients", "sync", "--yes")
    two.refused(run, EXTRA, "wrong-environment", "belongs to staging, and dev is what")


def test_what_slipped_into_the_statement_is_not_printed(two: Two) -> None:
    two.stated(EXTRA, two.repo.canary())
    run = two.repo.cli("recipients", "sync", "--yes")
    two.refused(run, EXTRA, "wrong-environment", "belongs to another environment")


def test_who_loses_it_loses_it_wherever_it_lies(two: Two) -> None:
    """A file that is out of place keeps no reader."""
    two.stated(EXTRA, "production", two.repo.recipient, two.dev)
    run = two.repo.cli("recipients", "sync")
    assert run.code == 0, run.err
    assert two.repo.recipient not in (two.repo.path / EXTRA).read_text()


# --- by what it holds -----------------------------------------------------------------------------


@pytest.mark.parametrize("environment", [None, "production"])
def test_a_copy_is_seen_without_a_key(two: Two, environment: str | None) -> None:
    two.stated(MAIL, environment)
    two.copy(MAIL, EXTRA)
    for argv in ((), (EXTRA,), (MAIL,)):
        run = two.repo.cli("check", *argv, SOPS_AGE_KEY_FILE=None)
        assert run.code == 5
        assert f"{EXTRA}: shares ciphertext with {MAIL}, which others read" in run.out
        assert "[copied-ciphertext]" in run.out and "recipients sync" not in run.out
    assert two.repo.cli("check", PRODUCTION).code == 0


@pytest.mark.parametrize("name", ["mail.enc.yaml", "keystore.p12.enc"])
def test_a_copy_that_says_nothing_is_not_given_to_dev(two: Two, name: str) -> None:
    """A whole file can't say whose it is."""
    given = f"secrets/production/{name}"
    if name.endswith(".enc"):
        two.repo.component(given, two.repo.canary().encode())
    else:
        two.stated(given, None)
    two.copy(given, f"secrets/dev/{name}")
    for argv in SYNCS:
        run = two.repo.cli("recipients", *argv)
        two.refused(run, f"secrets/dev/{name}", "copied-ciphertext", given)


def test_a_copy_that_was_made_over_by_sops_is_seen(two: Two) -> None:
    """Then no file differs from its rule, and one data key opens both."""
    two.copy(PRODUCTION, EXTRA)
    assert two.repo.run("sops", "updatekeys", "-y", EXTRA).code == 0
    run = two.repo.cli("check")
    assert (run.code, run.out.count("[copied-ciphertext]")) == (5, 2)


def test_a_copy_with_other_values_still_has_its_data_key(two: Two) -> None:
    """Whoever begins an environment with another's file begins with the key to it."""
    two.stated(MAIL, None)
    two.copy(MAIL, EXTRA)
    value = two.repo.canary()
    assert two.repo.run("sops", "set", EXTRA, '["TOKEN"]', f'"{value}"').code == 0
    assert "[copied-ciphertext]" in two.repo.cli("check").out


def test_a_copy_for_the_same_readers_is_nobodys_business(two: Two) -> None:
    two.copy(PRODUCTION, "secrets/production/backup.enc.yaml")
    assert two.repo.cli("check").code == 0


# --- whose a file is that no recipe lists ---------------------------------------------------------


def test_what_no_recipe_lists_goes_along_with_its_rule(two: Two, new: str) -> None:
    """Refused, it would have to be listed or moved before anybody is let in, or thrown out."""
    two.stated(MAIL, "production")
    for action in ("add", "remove"):
        run = two.repo.cli("recipients", action, new, "-e", "production")
        assert run.code == 0, run.err
        assert f"changed {MAIL}, which no recipe lists\n" in run.out
        assert f"changed {PRODUCTION}\n" in run.out
        assert (new in (two.repo.path / MAIL).read_text()) is (action == "add")
        assert new not in (two.repo.path / DEV).read_text()


def test_the_seed_of_what_no_recipe_lists_is_not_any_environments(two: Two, new: str) -> None:
    """A command without one is refused where there are several."""
    two.repo.component(MAIL, {"SOPSMITH_SEED_1": two.repo.seed})
    two.commit()
    assert two.repo.cli("recipients", "add", new, "-e", "production").code == 0
    lines = two.repo.cli("recipients", "remove", new, "-e", "production").out.splitlines()
    told = {line.split()[0]: line.partition("sopsmith ")[2] for line in lines if "_SEED_" in line}
    assert told == {
        PRODUCTION: "rotate --seed -e production",
        MAIL: "rotate --seed -e ENVIRONMENT, of whose recipe it is the seed",
    }


def test_what_no_recipe_lists_is_nobodys_while_a_recipe_is_broken(two: Two, new: str) -> None:
    """It may be that recipe's, and another environment's."""
    rule = f"creation_rules:\n  - age: {two.repo.recipient}\n"
    two.repo.write(".sops.yaml", rule)
    two.stated(DEV, "dev")
    two.repo.edit("dev/recipe.yaml", lambda text: text.replace('"app"', '"ap"'))
    two.commit()
    run = two.repo.cli("recipients", "add", new, "-e", "production")
    assert run.code == 2, run.err
    assert f"the rule of these files covers {DEV} too" in run.err
