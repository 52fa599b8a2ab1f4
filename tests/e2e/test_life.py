"""The whole life of an application's secrets, with real sops, age, git, kustomize and pre-commit.

One story, told once: README.md tells a shorter one. When it is over, no secret of it is in any
output, message of the reflog, temporary folder or object of git.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository import Repo, Run
from tests.silence import drawn, kept_by_git

DEV, PRODUCTION = "secrets/dev/shop.enc.yaml", "secrets/production/shop.enc.yaml"
WHO = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.com",
       "GIT_COMMITTER_NAME": "Ann", "GIT_COMMITTER_EMAIL": "ann@example.com"}  # fmt: skip


@pytest.fixture
def life(repo: Repo) -> Iterator[Repo]:
    """A repository in which nothing was done yet; whatever was secret in it is a canary after."""
    repo.env.pop("SOPS_AGE_KEY_FILE")
    repo.env |= WHO | {"PRE_COMMIT_HOME": str(repo.path.parent / "pre-commit")}
    git(repo, "symbolic-ref", "HEAD", "refs/heads/main")
    yield repo
    for key in re.findall("AGE-SECRET-KEY-1[0-9A-Z]+", keyring(repo).read_text()):
        repo.canary(key)
    secrets = set(drawn(repo.path, repo.env))
    assert len(secrets) >= 10  # four seeds, two keys, …: the search is for something
    for secret in secrets:
        repo.canary(secret)
    kept = kept_by_git(repo.path)
    assert [canary for canary in repo.canaries if canary.encode() in kept] == []


def keyring(repo: Repo) -> Path:
    return repo.path.parent / "home/.config/sops/age/keys.txt"


def git(repo: Repo, *argv: str) -> Run:
    """Run git as a person does, hooks included; what it prints is heard."""
    return repo.run("git", *argv)


def done(run: Run) -> Run:
    """The run, which has to have gone well."""
    assert run.code == 0, run.out + run.err
    return run


def given(repo: Repo, name: str, value: str, *flags: str) -> Run:
    """Give a value as a script does."""
    return done(repo.run("sopsmith", "set", name, *flags, stdin=value.encode()))


def emitted(repo: Repo, environment: str) -> dict[str, str]:
    """What the application and the database get, by kustomize."""
    built = repo.kustomize(f"overlays/{environment}").built
    values = {key: data.decode() for each in built.values() for key, data in each.items()}
    for key in ("POSTGRES_PASSWORD", "JWT_SECRET", "DATABASE_URL"):
        repo.canary(values[key])
    assert f":{values['POSTGRES_PASSWORD']}@" in values["DATABASE_URL"]
    return values


def insert(repo: Repo, head: str, lines: str) -> None:
    """Put lines behind one of the base recipe, as an editor does."""
    repo.edit("secrets/shop.recipe.yaml", lambda text: text.replace(head, head + lines, 1))


def commits(repo: Repo) -> int:
    return int(git(repo, "rev-list", "--count", "HEAD").out)


def test_the_whole_life(life: Repo) -> None:
    recovery = begin(life)
    declare(life)
    first = emitted(life, "production")
    google = give_a_google_secret(life)
    rotate_the_password(life, first)
    look_back(life)
    stop_bad_commits(life)
    merge_two_branches(life)
    restore(life, google)
    part_with_a_reader(life, recovery)
    part_with_another(life)


def begin(life: Repo) -> str:
    """init: everything is there, checked and committed."""
    made = subprocess.run(["age-keygen"], capture_output=True, text=True, check=True).stdout
    recovery = made.split("public key: ")[1].split()[0]
    life.canary(made.split()[-1])
    begun = done(life.cli("init", "--name", "shop", "--recovery", recovery, "--commit"))
    assert begun.err == "" and str(keyring(life)) in begun.out
    done(life.run("pre-commit", "install"))
    assert git(life, "status", "--porcelain").out == ""
    return recovery


def declare(life: Repo) -> None:
    """fill: a declared key is drawn for each environment, and the hooks let the commit pass."""
    declared = "    SIGNING_KEY: {generate: {ed25519: {}}}\n    SMTP_PASSWORD: {optional: true}\n"
    insert(life, "  values:\n", declared)
    insert(life, "      keys:\n", "        - SIGNING_KEY\n        - SMTP_PASSWORD\n")
    assert life.cli("validate", "overlays/dev").code == 1  # it is declared and not there
    filled = done(life.cli("fill"))
    assert "2 values drawn" in filled.out
    passed = done(git(life, "commit", "-am", "Sign tokens with a key of our own"))
    assert passed.err.count("Passed") == 3
    values = emitted(life, "dev")
    assert values["SIGNING_KEY"].startswith("-----BEGIN PRIVATE KEY-----")
    assert "no stored value is missing" in done(life.cli("fill")).out


def give_a_google_secret(life: Repo) -> str:
    """set: the secret goes in by stdin, and one line of the file changes for each key."""
    old = life.canary(before="GOCSPX-")
    given(life, "GOOGLE_CLIENT_ID", "1234.apps.example.com", "-e", "production")
    half = git(life, "commit", "-am", "Half of a group")
    assert half.code == 1 and "[group-incomplete]" in half.out + half.err
    given(life, "GOOGLE_CLIENT_SECRET", old, "-e", "production", "--commit")
    stat = git(life, "show", "--numstat", "--format=", "HEAD", "--", PRODUCTION).out.split()
    assert stat[:2] == ["4", "2"]  # two keys more; mac and lastmodified anew
    assert emitted(life, "production")["GOOGLE_CLIENT_SECRET"] == old
    return old


def rotate_the_password(life: Repo, first: dict[str, str]) -> None:
    """rotate: a reviewable line, a new password, and the URL that follows it."""
    rotated = done(life.cli("rotate", "POSTGRES_PASSWORD", "-e", "production", "--commit"))
    assert "DATABASE_URL" in rotated.out and "shop-postgres" in rotated.out
    change = git(life, "show", "--format=%B", "HEAD").out
    assert "Sopsmith-Value: POSTGRES_PASSWORD" in change and "+++ b/overlays/production" in change
    assert PRODUCTION not in change and "version: 2" in change
    second = emitted(life, "production")
    assert second["POSTGRES_PASSWORD"] != first["POSTGRES_PASSWORD"]
    assert second["JWT_SECRET"] == first["JWT_SECRET"]


def look_back(life: Repo) -> None:
    """diff, history: what changed and when, and no value of it."""
    changed = done(life.cli("diff", "HEAD~1")).out
    assert re.search("production +value +POSTGRES_PASSWORD +rotated", changed)
    assert "GOOGLE_CLIENT_SECRET" not in changed
    told = done(life.cli("history", "POSTGRES_PASSWORD", "-e", "production", "--output", "json"))
    assert "Ann" in told.out
    lines = done(life.cli("history", "POSTGRES_PASSWORD", "-e", "production")).out.splitlines()
    assert len(lines) == 3  # header, rotated, added


def stop_bad_commits(life: Repo) -> None:
    """The hooks: plaintext, a foreign key and a version that jumps never get into a commit."""
    before = commits(life)
    plain = life.canary()
    bad = {
        "not-encrypted": ("secrets/dev/mail.enc.yaml", f"PASSWORD: {plain[:4]}\n"),
        "plaintext-secret": ("overlays/dev/mail.yaml", "apiVersion: v1\nkind: Secret\n"
                             "metadata: {name: mail}\nstringData: {PASSWORD: swordfish}\n"),
        "version-jump": ("overlays/dev/recipe.yaml", ""),
    }  # fmt: skip
    for code, (file, text) in bad.items():
        if text:
            life.write(file, text)
        else:
            life.edit(file, lambda old: old.replace("rotated:", "version: 5, rotated:"))
        git(life, "add", "--all")
        refused = git(life, "commit", "-m", "bad")
        assert refused.code == 1, code
        assert f"[{code}]" in refused.out + refused.err, refused.out + refused.err
        git(life, "reset", "--hard", "--quiet")
        git(life, "clean", "-qfd")
    assert commits(life) == before and life.cli("check").code == 0


def merge_two_branches(life: Repo) -> None:
    """merge: both sides changed the same file, and each keeps what it set."""
    mail, google = life.canary(), life.canary(before="GOCSPX-")
    done(git(life, "switch", "-qc", "mail"))
    given(life, "SMTP_PASSWORD", mail, "-e", "production", "--commit")
    done(git(life, "switch", "-q", "main"))
    given(life, "GOOGLE_CLIENT_SECRET", google, "-e", "production", "--commit")
    merged = done(git(life, "merge", "mail", "-m", "Merge mail"))
    assert f"merged {PRODUCTION} key by key" in merged.out + merged.err
    values = emitted(life, "production")
    assert (values["SMTP_PASSWORD"], values["GOOGLE_CLIENT_SECRET"]) == (mail, google)


def restore(life: Repo, old: str) -> None:
    """restore: the Google secret of before, as a new change."""
    commit = git(life, "log", "--format=%H", "--grep", "Sopsmith-Value: GOOGLE_CLIENT_SECRET").out
    first = commit.split()[-1]
    before = commits(life)
    flags = ("--to", first, "-e", "production", "--commit")
    done(life.cli("restore", "GOOGLE_CLIENT_SECRET", *flags))
    assert emitted(life, "production")["GOOGLE_CLIENT_SECRET"] == old
    assert commits(life) == before + 1


def part_with_a_reader(life: Repo, recovery: str) -> None:
    """recipients, rotate --seed: who was removed keeps the past and gets nothing of the future."""
    removed = done(life.cli("recipients", "remove", recovery, "--commit"))
    assert "SOPSMITH_SEED_1" in removed.out
    for file in (DEV, PRODUCTION, ".sops.yaml"):
        assert recovery not in (life.path / file).read_text()
    change_the_seed(life, removed, "2")


def part_with_another(life: Repo) -> None:
    """The same once more: the old seed, kept for an old value, is no change that was begun."""
    key = life.path.parent / "colleague.key"
    done(life.run("age-keygen", "-o", str(key)))
    life.canary(key.read_text().split()[-1])
    colleague = done(life.run("age-keygen", "-y", str(key))).out.strip()
    done(life.cli("recipients", "add", colleague, "-e", "production", "--commit"))
    known = seeds(life, key)
    removed = done(life.cli("recipients", "remove", colleague, "-e", "production", "--commit"))
    assert "SOPSMITH_SEED_2" in removed.out
    change_the_seed(life, removed, "3")
    assert seeds(life, key) == {} and known.keys() == {"1", "2"}
    assert seeds(life, keyring(life))["3"] not in known.values()


def change_the_seed(life: Repo, removed: Run, number: str) -> None:
    """What the removal tells to do: every generated value comes from this seed after it."""
    last = emitted(life, "production")
    told = re.findall("sopsmith (rotate --seed -e production)$", removed.out, re.MULTILINE)
    done(life.cli(*told[0].split(), "--commit"))
    values = emitted(life, "production")
    for name in ("POSTGRES_PASSWORD", "JWT_SECRET"):
        assert values[name] != last[name]
    assert base64.b64decode(values["JWT_SECRET"]) and values["SIGNING_KEY"] == last["SIGNING_KEY"]
    listed = done(life.cli("list", "overlays/production")).out
    assert set(re.findall("generated +seed ([0-9]+)", listed)) == {number}
    assert git(life, "status", "--porcelain").out == ""
    done(life.run("pre-commit", "run", "--all-files"))
    done(life.cli("validate", "overlays/dev", "overlays/production"))


def seeds(life: Repo, key: Path) -> dict[str, str]:
    """The seeds of production by number, as far as this key opens them."""
    sops = ["sops", "decrypt", "--output-type", "json", PRODUCTION]
    env = {**life.env, "SOPS_AGE_KEY_FILE": str(key), "HOME": "/nowhere"}  # and no other key
    opened = subprocess.run(sops, cwd=life.path, env=env, capture_output=True)
    held = json.loads(opened.stdout or "{}")
    found = {name.removeprefix("SOPSMITH_SEED_"): text for name, text in held.items()}
    return {number: text for number, text in found.items() if number.isdecimal()}
