"""`sopsmith init`: a new application from nothing, from half of it, and a second time."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.repository import LOCKED_HOOK, ROOT, Repo, Run

KEYS = "home/.config/sops/age/keys.txt"
DEMO = "age1a5lt4xfmz8hk7cuwy84v870hm9m3la2ya7c4c4yeuc2d3tdmqqhqyg608r"
WHO = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@b.c",
       "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@b.c"}  # fmt: skip
RULES = ".sops.yaml"
FLAGS = ("--name", "shop", "--no-recovery")
FILES = {
    ".gitattributes", ".gitignore", ".pre-commit-config.yaml", ".sops.yaml",
    "secrets/shop.recipe.yaml", "secrets/dev/shop.enc.yaml", "secrets/production/shop.enc.yaml",
    *(f"overlays/{environment}/{file}" for environment in ("dev", "production")
      for file in ("recipe.yaml", "kustomization.yaml", "guard.yaml")),
}  # fmt: skip


@pytest.fixture
def new(repo: Repo) -> Iterator[Repo]:
    """A git repository with nothing in it, and nobody's keys; seeds and keys are canaries."""
    repo.env.pop("SOPS_AGE_KEY_FILE")
    repo.env |= WHO
    yield repo
    keys = keyring(repo)
    if keys.is_file():
        for key in re.findall("AGE-SECRET-KEY-[0-9A-Z-]+", keys.read_text("latin-1")):
            repo.canary(key)
        for file in repo.path.glob("secrets/*/shop.enc.yaml"):
            opened = repo.run("sops", "decrypt", "--extract", '["SOPSMITH_SEED_1"]', str(file))
            if opened.code == 0 and opened.out:
                repo.canary(opened.out)


def keyring(repo: Repo) -> Path:
    return Path(repo.env.get("SOPS_AGE_KEY_FILE") or repo.path.parent / KEYS)


def contents(repo: Repo) -> dict[str, bytes]:
    """Every file of the work tree."""
    return {
        str(file.relative_to(repo.path)): file.read_bytes()
        for file in repo.path.rglob("*")
        if file.is_file() and ".git" not in file.relative_to(repo.path).parts
    }


def keypair() -> tuple[str, str]:
    """A fresh age key: its private and its public half."""
    out = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    return out.split()[-1], next(w for w in out.split() if w.startswith("age1"))


# --- from nothing -----------------------------------------------------------------------------


def test_an_application_from_nothing_renders_at_once(new: Repo) -> None:
    done = new.cli("init", *FLAGS)
    assert done.code == 0 and done.err == ""
    assert set(contents(new)) == FILES
    for environment in ("dev", "production"):
        built = new.kustomize(f"overlays/{environment}").built
        app = next(data for name, data in built.items() if name.startswith("shop-app-"))
        password = built["shop-postgres"]["POSTGRES_PASSWORD"].decode()
        assert f"postgresql://shop:{password}@postgres:5432/shop" in app["DATABASE_URL"].decode()
    assert new.cli("validate", "overlays/dev", "overlays/production").out.endswith(
        "0 errors, 0 warnings\n"
    )


def test_environments_share_no_key_and_no_value(new: Repo) -> None:
    new.cli("init", *FLAGS)
    dev, production = (new.kustomize(f"overlays/{e}").built for e in ("dev", "production"))
    assert dev["shop-postgres"] != production["shop-postgres"]
    readers = {
        file: re.findall(r"recipient: (age1\w+)", text.decode())
        for file, text in contents(new).items()
        if file.endswith(".enc.yaml")
    }
    assert all(len(each) == 1 for each in readers.values())
    assert len({each[0] for each in readers.values()}) == 2


def test_keys_lie_outside_for_their_owner_alone(new: Repo) -> None:
    done = new.cli("init", *FLAGS)
    keys = keyring(new)
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    for folder in (keys.parent, keys.parent.parent, keys.parent.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert str(keys) in done.out
    text = keys.read_text()
    for environment in ("dev", "production"):
        (key,) = re.findall(rf"^{environment} +(age1\w+) ", done.out, re.MULTILINE)
        assert f"# shop {environment}, made by sopsmith init in {new.path}\n" in text
        assert f"# public key: {key}\n" in text
    assert new.run("age-keygen", "-y", str(keys)).out.split() == re.findall(r"age1\w+", done.out)


def test_without_a_database_and_with_other_environments(new: Repo) -> None:
    flags = ("--name", "api", "--environments", "eu-1, no", "--database", "none", "--no-recovery")
    assert new.cli("init", *flags).code == 0
    built = new.kustomize("overlays/no").built
    assert [name.startswith("api-app-") for name in built] == [True]


def test_readers_and_the_recovery_key_read_what_was_said(new: Repo) -> None:
    (_, everywhere), (_, dev_only), (spare, recovery) = keypair(), keypair(), keypair()
    named = ("--recipient", everywhere, "--recipient", f"dev={dev_only}", "--recovery", recovery)
    assert new.cli("init", "--name", "shop", *named).code == 0
    texts = contents(new)
    dev, production = (texts[f"secrets/{e}/shop.enc.yaml"].decode() for e in ("dev", "production"))
    assert everywhere in dev and everywhere in production
    assert dev_only in dev and dev_only not in production
    assert f"- {recovery} # recovery, kept offline" in texts[".sops.yaml"].decode()
    alone = {"SOPS_AGE_KEY": spare, "HOME": str(new.temp)}
    assert new.cli("validate", "overlays/dev", "overlays/production", **alone).code == 0


def test_without_a_word_on_recovery_it_warns_and_says_how(new: Repo) -> None:
    done = new.cli("init", "--name", "shop")
    assert done.code == 0 and "[no-recovery]" in done.err
    assert "sopsmith recipients add age1…" in done.err
    assert "[no-recovery]" not in new.cli("init", "--name", "shop").err


def test_the_command_that_the_warning_names_brings_the_recovery_key_in(new: Repo) -> None:
    new.cli("init", "--name", "shop")
    spare, recovery = keypair()
    added = new.cli("recipients", "add", recovery)
    assert added.code == 0, added.err
    alone = {"SOPS_AGE_KEY": spare, "HOME": str(new.temp)}
    assert new.cli("validate", "overlays/dev", "overlays/production", **alone).code == 0


def test_json_says_what_was_made_and_what_is_next(new: Repo) -> None:
    told = new.cli("init", "--name", "shop", "--output", "json").document
    assert set(told["made"]) == FILES and told["kept"] == []
    assert {key["environment"]: key["is_new"] for key in told["keys"]} == {
        "dev": True, "production": True,
    }  # fmt: skip
    assert [each["code"] for each in told["findings"]] == ["no-recovery"]
    assert told["next"]


def test_git_gets_the_merge_driver_and_leaves_out_what_is_plaintext(new: Repo) -> None:
    new.cli("init", *FLAGS)
    driver = new.run("git", "config", "--local", "merge.sopsmith.driver").out
    assert driver == "sopsmith merge -- %O %A %B %P\n"
    attribute = new.run("git", "check-attr", "merge", "secrets/dev/shop.enc.yaml").out
    assert attribute.endswith(": merge: sopsmith\n")
    for file in ("a.dec.yaml", "shop.agekey", ".env"):
        assert new.run("git", "check-ignore", file).code == 0
    assert new.run("git", "check-ignore", "secrets/dev/shop.enc.yaml").code == 1


def test_commit_makes_one_commit_of_what_was_made_and_no_other_file(new: Repo) -> None:
    new.write("mine.txt", "unfinished\n")
    done = new.cli("init", *FLAGS, "--commit")
    assert done.code == 0, done.err
    assert set(new.run("git", "ls-files").out.split()) == FILES
    message = new.run("git", "log", "--format=%B").out
    assert message.startswith("secrets: init shop\n") and "Sopsmith-Command: init" in message
    assert new.cli("init", *FLAGS, "--commit").code == 0
    assert new.run("git", "rev-list", "--count", "HEAD").out == "1\n"


def test_nobody_else_writes_between_the_last_look_and_the_commit(new: Repo) -> None:
    new.write(".git/hooks/pre-commit", LOCKED_HOOK).chmod(0o755)
    assert new.cli("init", *FLAGS, "--commit").code == 0


def test_a_commit_that_is_refused_is_said_and_what_was_made_stays_told(new: Repo) -> None:
    new.write(".git/hooks/pre-commit", "#!/bin/sh\nexit 1\n").chmod(0o755)
    done = new.cli("init", *FLAGS, "--commit")
    assert done.code == 6 and done.codes == {"not-committed"}
    assert str(keyring(new)) in done.out


@pytest.mark.parametrize("is_refused", [False, True])
def test_what_no_commit_holds_is_committed_by_the_next_run(new: Repo, is_refused: bool) -> None:
    hook = new.write(".git/hooks/commit-msg", "#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert new.cli("init", *FLAGS, *["--commit"] * is_refused).code == (6 if is_refused else 0)
    hook.unlink()
    new.write("mine.txt", "unfinished\n")
    run = new.cli("init", *FLAGS, "--commit")
    assert (run.code, "\ncommitted " in run.out) == (0, True)
    assert set(new.run("git", "ls-files").out.split()) == FILES
    assert new.run("git", "status", "--short").out == "?? mine.txt\n"


def test_the_commit_of_another_environment_is_whole(new: Repo) -> None:
    """The new leaf extends the base recipe, which nobody committed yet."""
    assert new.cli("init", *FLAGS).code == 0
    new.run("git", "add", ".sops.yaml")
    new.write(".sops.yaml", "# ours\n" + (new.path / ".sops.yaml").read_text())
    more = ("--environments", "dev,production,staging", "--commit")
    run = new.cli("init", *FLAGS, *more)
    assert run.code == 0, run.err
    assert ".sops.yaml: the commit takes along " in run.err
    clone = new.path.parent / "clone"
    new.run("git", "clone", "-q", ".", str(clone))
    assert new.run("sopsmith", "validate", "overlays/staging", cwd=str(clone)).code == 0


# --- a second time ----------------------------------------------------------------------------


def test_a_second_run_changes_nothing_and_says_what_it_kept(new: Repo) -> None:
    new.cli("init", *FLAGS)
    before, keys = contents(new), keyring(new).read_bytes()
    again = new.cli("init", *FLAGS)
    assert again.code == 0 and again.err == ""
    assert re.findall("^kept  (.+)$", again.out, re.MULTILINE) and "made" not in again.out.split()
    assert set(re.findall("^kept  (.+)$", again.out, re.MULTILINE)) == FILES
    assert contents(new) == before and keyring(new).read_bytes() == keys


def test_a_second_run_knows_the_name_and_the_environments_by_itself(new: Repo) -> None:
    new.cli("init", *FLAGS, "--environments", "blue,green")
    before = contents(new)
    assert new.cli("init", "--yes").code == 0
    assert contents(new) == before


def test_no_file_is_ever_overwritten(new: Repo) -> None:
    new.cli("init", *FLAGS)
    for file in FILES - {f for f in FILES if f.endswith(".enc.yaml")}:
        new.edit(file, lambda text: f"# mine\n{text}")
    before = contents(new)
    assert new.cli("init", *FLAGS).code == 0
    assert contents(new) == before


def test_one_more_environment_is_added_beside_the_others(new: Repo) -> None:
    new.cli("init", *FLAGS)
    before = contents(new)
    more = ("--environments", "dev,production,staging")
    added = new.cli("init", *FLAGS, *more)
    assert added.code == 0, added.err
    after = contents(new)
    assert {file for file in after if after[file] != before.get(file)} == {
        ".sops.yaml", "secrets/staging/shop.enc.yaml",
        *(f"overlays/staging/{f}.yaml" for f in ("recipe", "kustomization", "guard")),
    }  # fmt: skip
    assert after[".sops.yaml"].startswith(before[".sops.yaml"].partition(b"stores")[0])
    new.kustomize("overlays/staging").built  # noqa: B018 - it builds
    assert keyring(new).read_text().count("AGE-SECRET-KEY-") == 3


def test_a_reader_named_for_rules_that_are_there_is_not_added_in_silence(new: Repo) -> None:
    new.cli("init", *FLAGS)
    again = new.cli("init", *FLAGS, "--recipient", keypair()[1])
    assert again.code == 0 and "[readers-kept]" in again.err


@pytest.mark.parametrize("file", sorted(f for f in FILES if ".enc." not in f and f != RULES))
def test_what_is_missing_is_made_again(new: Repo, file: str) -> None:
    """Stopped anywhere, a run is completed by the next one: all but a seed can be made anew."""
    new.cli("init", *FLAGS)
    before = new.kustomize("overlays/dev").built
    text = (new.path / file).read_bytes()
    (new.path / file).unlink()
    done = new.cli("init", *FLAGS)
    assert done.code == 0 and f"made  {file}\n" in done.out
    assert (new.path / file).read_bytes() == text
    assert new.kustomize("overlays/dev").built == before


def test_a_seed_that_a_recipe_knows_is_never_replaced(new: Repo) -> None:
    new.cli("init", *FLAGS)
    (new.path / "secrets/dev/shop.enc.yaml").unlink()
    refused = new.cli("init", *FLAGS)
    assert refused.code == 5 and refused.codes == {"seed-refused"}
    assert "git log -- secrets/dev/shop.enc.yaml" in refused.err
    assert not (new.path / "secrets/dev/shop.enc.yaml").exists()


def test_a_second_application_is_refused_before_anything_is_made(new: Repo) -> None:
    new.cli("init", *FLAGS)
    before, keys = contents(new), keyring(new).read_bytes()
    refused = new.cli("init", "--name", "other", "--no-recovery")
    assert refused.code == 2 and "is another application's" in refused.err
    assert contents(new) == before and keyring(new).read_bytes() == keys


def test_a_component_of_another_environment_lends_no_seed(new: Repo) -> None:
    new.cli("init", *FLAGS)
    (new.path / "overlays/dev/recipe.yaml").unlink()
    production = (new.path / "secrets/production/shop.enc.yaml").read_bytes()
    new.write("secrets/dev/shop.enc.yaml", production)
    refused = new.cli("init", *FLAGS)
    assert refused.code == 5 and refused.codes == {"wrong-environment"}
    assert not (new.path / "overlays/dev/recipe.yaml").exists()


def test_a_leaf_without_the_check_of_its_seed_gets_it_from_the_seed(new: Repo) -> None:
    new.cli("init", *FLAGS)
    leaf = "overlays/dev/recipe.yaml"
    text = (new.path / leaf).read_text()
    (line,) = re.findall("^  seeds:.*\n", text, re.MULTILINE)
    new.write(leaf, text.replace(line, "").replace("spec:\n", "spec: # mine\n"))
    done = new.cli("init", *FLAGS)
    assert done.code == 0, done.err
    after = (new.path / leaf).read_text()
    assert "spec: # mine\n" in after and re.findall("[0-9a-f]{32}", after) == re.findall(
        "[0-9a-f]{32}", text
    )


@pytest.mark.parametrize("count", range(1, len(FILES)))
def test_a_run_that_was_stopped_is_completed_by_the_next(new: Repo, count: int) -> None:
    made = re.findall("^made  (.+)$", new.cli("init", *FLAGS).out, re.MULTILINE)
    before = contents(new)
    for file in made[count:]:  # the order in which they are written
        (new.path / file).unlink()
    done = new.cli("init", *FLAGS)
    assert done.code == 0, done.err
    after = contents(new)
    assert {file: after[file] for file in made[:count]} == {f: before[f] for f in made[:count]}
    assert new.cli("validate", "overlays/dev", "overlays/production").code == 0


def test_keys_of_a_stopped_run_are_used_and_not_made_twice(new: Repo) -> None:
    new.cli("init", *FLAGS)
    keys, rules = keyring(new).read_bytes(), (new.path / ".sops.yaml").read_bytes()
    for file in FILES:
        (new.path / file).unlink()
    assert new.cli("init", *FLAGS).code == 0
    assert keyring(new).read_bytes() == keys
    assert (new.path / ".sops.yaml").read_bytes() == rules


def test_another_repository_of_the_same_name_gets_keys_of_its_own(new: Repo) -> None:
    new.cli("init", *FLAGS)
    other = new.path.parent / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    assert new.run("sopsmith", "init", *FLAGS, cwd="../other").code == 0
    assert keyring(new).read_text().count("AGE-SECRET-KEY-") == 4


# --- what is there already --------------------------------------------------------------------


def test_keys_that_are_there_are_kept_and_new_ones_go_behind_them(new: Repo) -> None:
    private, _ = keypair()
    keys = keyring(new)
    keys.parent.mkdir(parents=True)
    keys.write_text(f"# mine\n{private}")  # no line break at the end
    keys.chmod(0o644)
    assert new.cli("init", *FLAGS).code == 0
    assert keys.read_text().startswith(f"# mine\n{private}\n# shop dev,")
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert len(new.run("age-keygen", "-y", str(keys)).out.split()) == 3


def test_the_file_that_sops_is_told_of_is_the_one(new: Repo) -> None:
    new.env["SOPS_AGE_KEY_FILE"] = str(new.path.parent / "deep/er/key")
    assert new.cli("init", *FLAGS).code == 0
    assert keyring(new).read_text().count("AGE-SECRET-KEY-") == 2
    assert not (new.path.parent / KEYS).exists()


def test_xdg_config_home_is_where_sops_looks(new: Repo) -> None:
    new.env["XDG_CONFIG_HOME"] = str(new.path.parent / "xdg")
    assert new.cli("init", *FLAGS).code == 0
    new.env["SOPS_AGE_KEY_FILE"] = str(new.path.parent / "xdg/sops/age/keys.txt")
    assert keyring(new).is_file()


@pytest.mark.parametrize("where", ["keys.txt", ".git/keys.txt", "secrets/../keys.txt"])
def test_a_key_file_inside_the_repository_is_refused(new: Repo, where: str) -> None:
    new.env["SOPS_AGE_KEY_FILE"] = str(new.path / where)
    refused = new.cli("init", *FLAGS)
    assert refused.code == 5 and refused.codes == {"path-refused"}
    assert contents(new) == {}


def test_a_folder_that_leads_into_the_repository_is_refused(new: Repo) -> None:
    (new.path.parent / "link").symlink_to(new.path)
    new.env["SOPS_AGE_KEY_FILE"] = str(new.path.parent / "link/keys.txt")
    assert new.cli("init", *FLAGS).code == 5
    assert contents(new) == {}


def elsewhere(new: Repo) -> Path:
    """Another repository, whose folder holds the key file."""
    other = new.path.parent / "other"
    subprocess.run(["git", "init", "-q", str(other)], check=True)
    new.env["SOPS_AGE_KEY_FILE"] = str(other / "secrets/keys.txt")
    return other


@pytest.mark.parametrize("allowed", ["", "1"])
def test_the_published_key_file_of_the_example_gets_no_key(new: Repo, allowed: str) -> None:
    published = (ROOT / "secrets/demo-only.agekey").read_bytes()
    demo = new.path.parent / "demo-only.agekey"
    demo.write_bytes(published)
    new.env |= {"SOPS_AGE_KEY_FILE": str(demo), "SOPSMITH_ALLOW_DEMO_KEY": allowed}
    refused = new.cli("init", *FLAGS)
    assert refused.code == 5 and refused.codes == {"demo-key"}
    assert "hint: unset SOPS_AGE_KEY_FILE" in refused.err
    assert contents(new) == {} and demo.read_bytes() == published


def test_a_key_file_in_another_repository_is_refused(new: Repo) -> None:
    other = elsewhere(new)
    refused = new.cli("init", *FLAGS, GIT_DIR=str(new.path / ".git"))
    assert refused.code == 5 and refused.codes == {"path-refused"}
    assert f"in the git repository {other}, which does not ignore it" in refused.err
    assert contents(new) == {} and not keyring(new).exists()


def test_a_key_file_that_another_repository_tracks_is_refused_though_ignored(new: Repo) -> None:
    other = elsewhere(new)
    keyring(new).parent.mkdir()
    keyring(new).write_text("# mine\n")
    subprocess.run(["git", "-C", str(other), "add", "--all"], check=True)
    (other / ".gitignore").write_text("keys.txt\n")
    refused = new.cli("init", *FLAGS)
    assert refused.code == 5 and keyring(new).read_text() == "# mine\n"


def test_a_key_file_that_another_repository_ignores_is_as_good_as_any(new: Repo) -> None:
    """A home under git, for example."""
    (elsewhere(new) / ".gitignore").write_text("keys.txt\n")
    assert new.cli("init", *FLAGS).code == 0
    assert keyring(new).read_text().count("AGE-SECRET-KEY-") == 2


Prepare = Callable[[Path], object]


def _elsewhere(file: Path) -> None:
    (file.parent / "real").write_text("")
    file.symlink_to(file.parent / "real")


@pytest.mark.parametrize(
    "prepare, said",
    [
        (_elsewhere, "is a symlink"),
        (lambda file: os.mkfifo(file), "is no regular file"),
        (lambda file: file.mkdir(), ""),
        (lambda file: file.write_text("-----BEGIN AGE ENCRYPTED FILE-----\n"), "something else"),
        (lambda file: file.write_text("age-encryption.org/v1\n"), "something else"),
        (lambda file: file.write_bytes(b"\0\xff"), "something else"),
    ],
)
def test_a_key_file_that_is_none_is_left_alone(new: Repo, prepare: Prepare, said: str) -> None:
    file = new.path.parent / "key"
    prepare(file)
    new.env["SOPS_AGE_KEY_FILE"] = str(file)
    refused = new.cli("init", *FLAGS)
    assert refused.code in (2, 3) and said in refused.err
    assert contents(new) == {}


def test_a_relative_key_file_is_refused(new: Repo) -> None:
    refused = new.cli("init", *FLAGS, SOPS_AGE_KEY_FILE="../keys.txt")
    assert refused.code == 2 and "is relative" in refused.err


def test_without_a_home_it_asks_for_a_file(new: Repo) -> None:
    refused = new.cli("init", *FLAGS, HOME=None)
    assert refused.code == 2 and "SOPS_AGE_KEY_FILE" in refused.err
    assert contents(new) == {}


def test_a_home_that_can_not_be_written_stops_it_before_anything_is_made(new: Repo) -> None:
    blocked = new.path.parent / "file"
    blocked.write_text("")
    refused = new.cli("init", *FLAGS, HOME=str(blocked))
    assert refused.code == 3 and refused.codes <= {"write-failed", "file-unreadable"}
    assert contents(new) == {}


def test_a_key_that_can_not_be_written_whole_is_not_written(new: Repo) -> None:
    """Half a line would make sops refuse the whole file."""
    keys = keyring(new)
    keys.parent.mkdir(parents=True)
    keys.write_text("# mine\n" * 130)
    limited = f"ulimit -f 1; exec sopsmith init {' '.join(FLAGS)}"  # of 1024 bytes, 910 are taken
    refused = new.run("bash", "-c", limited)
    assert refused.code == 3 and refused.codes == {"write-failed"}
    assert keys.read_text() == "# mine\n" * 130 and contents(new) == {}


def test_lists_of_git_get_the_lines_that_they_lack(new: Repo) -> None:
    new.write(".gitignore", "/build\n.env\n")
    new.write(".gitattributes", "*.png binary")
    assert new.cli("init", *FLAGS).code == 0
    texts = contents(new)
    assert texts[".gitignore"] == b"/build\n.env\n*.dec.*\n*.agekey\n"
    assert texts[".gitattributes"] == b"*.png binary\n*.enc.* merge=sopsmith\n"


def test_hooks_that_are_there_get_ours_behind_them(new: Repo) -> None:
    hook = "{id: a, name: a, entry: a, language: system}"
    mine = f"repos:\n  - repo: local # mine\n    hooks: [{hook}]\n"
    new.write(".pre-commit-config.yaml", mine)
    assert new.cli("init", *FLAGS).code == 0
    after = (new.path / ".pre-commit-config.yaml").read_text()
    assert after.startswith(mine) and after.count("sopsmith-check") == 1
    new.cli("init", *FLAGS)
    assert (new.path / ".pre-commit-config.yaml").read_text() == after


def test_hooks_that_can_not_be_added_to_are_left_and_a_warning_says_so(new: Repo) -> None:
    text = "repos: &all []\n"
    new.write(".pre-commit-config.yaml", text)
    done = new.cli("init", *FLAGS)
    assert done.code == 0 and "[hooks-missing]" in done.err
    assert (new.path / ".pre-commit-config.yaml").read_text() == text


def test_rules_that_are_there_get_the_missing_ones_behind_them(new: Repo) -> None:
    _, other = keypair()
    mine = f"# mine\ncreation_rules:\n  - path_regex: ^other/\n    age: {other} # theirs\n"
    new.write(".sops.yaml", mine)
    done = new.cli("init", *FLAGS)
    assert done.code == 0, done.err
    after = (new.path / ".sops.yaml").read_text()
    assert after.startswith(mine) and after.count("path_regex") == 3


def test_a_rule_that_covers_an_environment_is_kept_and_no_key_is_made(new: Repo) -> None:
    private, public = keypair()
    new.write(".sops.yaml", f"creation_rules:\n  - age: {public}\n")
    assert new.cli("init", *FLAGS, SOPS_AGE_KEY=private).code == 0
    assert not keyring(new).exists()
    assert public in (new.path / "secrets/dev/shop.enc.yaml").read_text()


def test_rules_that_can_not_be_added_to_are_left_with_the_words_to_add(new: Repo) -> None:
    text = "creation_rules: null\n"
    new.write(".sops.yaml", text)
    done = new.cli("init", *FLAGS)
    if done.code:
        assert done.codes == {"rule-missing"} and "path_regex" in done.err
        assert (new.path / ".sops.yaml").read_text() == text


def test_broken_rules_are_said_and_nothing_is_made(new: Repo) -> None:
    new.write(".sops.yaml", "creation_rules: [\n")
    refused = new.cli("init", *FLAGS)
    assert refused.code == 2 and set(contents(new)) == {".sops.yaml"}
    assert not keyring(new).exists()


def test_rules_deeper_in_the_repository_are_said(new: Repo) -> None:
    new.write("secrets/.sops.yaml", f"creation_rules:\n  - path_regex: ^x/\n    age: {DEMO}\n")
    refused = new.cli("init", *FLAGS)
    assert refused.code == 2 and refused.codes == {"rule-missing"}
    assert not keyring(new).exists()


def test_files_that_git_ignores_are_said(new: Repo) -> None:
    new.write(".gitignore", "secrets/\n")
    done = new.cli("init", *FLAGS)
    assert done.code == 0 and done.err.count("[ignored-by-git]") == 3


def test_a_merge_driver_that_is_there_is_kept(new: Repo) -> None:
    new.run("git", "config", "merge.sopsmith.driver", "mine %A")
    new.cli("init", *FLAGS)
    assert new.run("git", "config", "merge.sopsmith.driver").out == "mine %A\n"


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "flags, said",
    [
        ((), "the application's name is missing"),
        (("--name", "Shop"), "--name: must be 1 to 40 characters"),
        (("--name", ""), "--name: must be 1 to 40 characters"),
        (("--name", "../shop"), "--name: must be 1 to 40 characters"),
        (("--name", "shop", "--environments", "Dev"), "--environments: must be 1 to 20"),
        (("--name", "shop", "--environments", "dev,,x"), "--environments: must be 1 to 20"),
        (("--name", "shop", "--environments", "dev,dev"), "--environments: name one twice"),
        (("--name", "shop", "--database", "mysql"), "--database: is no postgres or none"),
        (("--name", "shop", "--recipient", "age1x"), "--recipient: is no whole age key"),
        (("--name", "shop", "--recipient", f"qa={DEMO}"), "--recipient: names no environment"),
        (("--name", "shop", "--recovery", DEMO), "--recovery: is the demo key"),
        (("--name", "shop", "--recovery", "x", "--no-recovery"), "an argument is unknown"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_made(
    new: Repo, flags: tuple[str, ...], said: str
) -> None:
    refused = new.cli("init", *flags)
    assert refused.code == 2 and refused.codes == {"usage"} and said in refused.err
    assert contents(new) == {} and not keyring(new).exists()


@pytest.mark.parametrize("flag", ["--recipient", "--recovery", "--name", "--environments"])
def test_a_private_key_in_the_wrong_place_is_never_repeated(new: Repo, flag: str) -> None:
    private = new.canary(keypair()[0])
    refused = new.cli("init", "--name", "shop", flag, private)
    assert refused.code == 2 and contents(new) == {}


def test_outside_of_a_git_repository_it_says_what_to_run(new: Repo) -> None:
    refused = new.run("sopsmith", "init", *FLAGS, cwd="..")
    assert refused.code == 2 and "git init && sopsmith init" in refused.err


def test_below_the_root_it_works_at_the_root(new: Repo) -> None:
    (new.path / "deep").mkdir()
    assert new.run("sopsmith", "init", *FLAGS, cwd="deep").code == 0
    assert set(contents(new)) == FILES


@pytest.mark.parametrize("missing", ["sops", "age-keygen"])
def test_a_missing_program_is_named_and_the_next_run_completes_it(new: Repo, missing: str) -> None:
    programs = new.path.parent / "bin"
    programs.mkdir()
    for folder in new.env["PATH"].split(":"):
        for program in ("sopsmith", "sopsmith-krm", "sops", "age-keygen", "git", "kustomize"):
            found, link = Path(folder) / program, programs / program
            if program != missing and found.exists() and not link.exists():
                link.symlink_to(found)
    refused = new.cli("init", *FLAGS, PATH=str(programs))
    assert refused.code == 3 and refused.codes == {"program-missing"}
    assert new.cli("init", *FLAGS).code == 0
    assert set(contents(new)) == FILES
    assert keyring(new).read_text().count("AGE-SECRET-KEY-") == 2


@pytest.mark.parametrize("has_key", ["of dev", "none"])
def test_a_clone_is_set_up_with_one_key_or_none(new: Repo, has_key: str) -> None:
    new.cli("init", *FLAGS, "--commit")
    clone = new.path.parent / "clone"
    subprocess.run(["git", "clone", "-q", str(new.path), str(clone)], check=True)
    (key, *_) = re.findall(r"AGE-SECRET-KEY-\S+", keyring(new).read_text())  # dev's was made first
    new.env |= {"SOPS_AGE_KEY": key if has_key == "of dev" else "", "HOME": str(new.temp)}
    told = new.run("sopsmith", "init", "--yes", cwd="../clone")
    assert told.code == 0, told.err
    without = ["production"] if has_key == "of dev" else ["dev", "production"]
    assert re.findall(r"warning: secrets/(\w+)/shop.enc.yaml: .*keyless]", told.err) == without
    assert "merge driver installed in this clone\n" in told.out
    assert told.out.endswith("\nnext:\n  pre-commit install\n")
    assert "sopsmith merge" in new.run("git", "config", "merge.sopsmith.driver", cwd="../clone").out
    again = new.run("sopsmith", "init", "--yes", cwd="../clone")
    assert "merge driver" not in again.out and again.out.endswith("\nall is there\n")


# --- an overlay that is there already ---------------------------------------------------------


LINES = "add to it: generators: [recipe.yaml], patches: [{path: guard.yaml}]"


@pytest.mark.parametrize("text", ["resources: []\n", "generators: [other.yaml]\n"])
def test_a_kustomization_that_is_there_is_kept_and_its_lines_are_told(new: Repo, text: str) -> None:
    new.write("overlays/dev/kustomization.yaml", text)
    new.write("overlays/dev/other.yaml", "kind: ConfigMapGenerator\nmetadata: {name: a}\n")
    done = new.cli("init", *FLAGS)
    assert done.code == 1 and done.codes == {"recipe-unlisted"}
    assert f"hint: {LINES}\n" in done.err
    assert f"\n  in overlays/dev/kustomization.yaml, {LINES}\n" in done.out
    assert (new.path / "overlays/dev/kustomization.yaml").read_text() == text
    for paths in ((), ("overlays/dev",), ("overlays/dev/recipe.yaml",)):
        found = new.cli("validate", *paths)
        assert found.code == 1 and LINES in found.out and "overlays/production" not in found.out


def test_with_these_lines_it_builds(new: Repo) -> None:
    new.write("overlays/dev/kustomization.yaml", "resources: []\n")
    new.cli("init", *FLAGS)
    lines = LINES.partition(": ")[2].replace(", patches", "\npatches")
    new.write("overlays/dev/kustomization.yaml", f"resources: []\n{lines}\n")
    assert "shop-postgres" in new.kustomize("overlays/dev").built
    done = new.cli("init", *FLAGS)
    assert done.code == 0 and done.err == "" and new.cli("validate").code == 0


# --- on a terminal ----------------------------------------------------------------------------


def typed(repo: Repo, *argv: str, answers: list[str]) -> Run:
    """Run `sopsmith` on a terminal of its own and answer each of its questions."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(repo.path)
        os.execvpe("sopsmith", ["sopsmith", *argv], repo.env)  # noqa: S606
    heard, left, until = b"", list(answers), time.monotonic() + 120
    while time.monotonic() < until:
        if select.select([terminal], [], [], 1)[0]:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:  # Linux says so when the other end is gone
                break
            if not chunk:
                break
            heard += chunk
            if heard.endswith(b": ") and left:
                os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    run = Run(code, "", heard.decode().replace("\r\n", "\n"))
    repo.runs.append(run)
    assert left == [], run.err
    return run


def test_on_a_terminal_it_asks_and_an_empty_answer_takes_what_is_shown(new: Repo) -> None:
    _, recovery = keypair()
    done = typed(new, "init", answers=["shop", "", "", "", recovery])
    assert done.code == 0, done.err
    assert "environments [dev,production]: " in done.err
    assert "[no-recovery]" not in done.err and set(contents(new)) == FILES
    assert recovery in (new.path / "secrets/production/shop.enc.yaml").read_text()


def test_a_wrong_answer_is_asked_again(new: Repo) -> None:
    done = typed(new, "init", answers=["My Shop", "shop", "dev", "none", "age1nonsense", "", ""])
    assert done.code == 0, done.err
    assert "name: must be 1 to 40 characters" in done.err and "is no whole age key" in done.err
    assert "[no-recovery]" in done.err


def test_three_wrong_answers_end_it(new: Repo) -> None:
    done = typed(new, "init", answers=["A", "B", "C"])
    assert done.code == 2 and contents(new) == {}


def test_what_an_option_says_is_not_asked(new: Repo) -> None:
    done = typed(new, "init", *FLAGS, "--environments", "dev", "--database", "none", answers=[""])
    assert done.code == 0, done.err
    assert "application" not in done.err and "recovery key" not in done.err


def test_yes_asks_nothing(new: Repo) -> None:
    done = typed(new, "init", "--yes", answers=[])
    assert done.code == 0, done.err
    assert (new.path / "secrets/repo.recipe.yaml").exists()  # named like its folder


def test_a_second_run_on_a_terminal_asks_for_no_reader(new: Repo) -> None:
    new.cli("init", *FLAGS)
    again = typed(new, "init", answers=["", ""])
    assert again.code == 0 and "all is there" in again.err


def test_the_plan_of_json_is_one_document(new: Repo) -> None:
    assert json.loads(new.cli("init", *FLAGS, "--output", "json").out)["application"] == "shop"
