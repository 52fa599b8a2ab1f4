"""`sopsmith check`: what it stops and what it lets pass, on files of real sops, without a key."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.past import git
from tests.repository import Repo, Run

PLAIN = "hunter2hunter2hunter2"  # what stands in plaintext in a file, and never in a message
RULES = """\
creation_rules:
  - path_regex: \\.enc(\\.(yaml|json|env))?$
    age: %s
"""
RECIPE = """\
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata:
  name: shop
spec:
  app: shop
  components: [$(environment).enc.yaml]
  values:
    TOKEN: {}
    PASSWORD: {generate: {password: {}}}
    URL: {derive: {template: "x://$(PASSWORD)@$(TOKEN)"}}
  secrets:
    shop: {keys: [TOKEN, URL]}
"""
LEAF = """\
apiVersion: sopsmith.dev/v1alpha1
kind: SecretRecipe
metadata: {name: shop}
spec:
  environment: production
  extends: ../secrets/shop.recipe.yaml
  seeds: {"1": "%s"}
  values:
    PASSWORD: {version: 2}
"""
COMPONENT = "secrets/production.enc.yaml"


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """A repository in order: rules, a base, a leaf and its component, all known to git."""
    repo.write(".sops.yaml", RULES % repo.recipient)
    repo.write("secrets/shop.recipe.yaml", RECIPE)
    repo.write("overlay/recipe.yaml", LEAF % repo.seeds()["1"])
    repo.component(COMPONENT, {"SOPSMITH_SEED_1": repo.seed, "TOKEN": repo.canary()})
    return repo


def check(repo: Repo, *arguments: str, **env: str) -> Run:
    """Check what is in the work tree, without any key."""
    subprocess.run(["git", "add", "-A"], cwd=repo.path, check=True, env=repo.env)
    run = repo.cli("check", *arguments, SOPS_AGE_KEY_FILE=None, **env)
    assert PLAIN not in run.out + run.err
    assert "unexpected" not in run.err
    return run


def findings(run: Run) -> list[tuple[str, str]]:
    """Each finding's place and code."""
    lines = [line for line in run.out.splitlines() if line.startswith(("error: ", "warning: "))]
    return [(line.split(": ")[1], line.rpartition("[")[2][:-1]) for line in lines]


def secret(**data: dict[str, str]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, **data})


def test_a_repository_in_order_passes(shop: Repo) -> None:
    run = check(shop)
    assert (run.code, run.out) == (0, "checked 4 files: 0 errors, 0 warnings\n")


# --- bad ------------------------------------------------------------------------------------------

Break = Callable[[Repo], object]


def edit(path: str, old: str, new: str) -> Break:
    return lambda repo: repo.edit(path, lambda text: text.replace(old, new, 1))


def write(path: str, text: str) -> Break:
    return lambda repo: repo.write(path, text)


def both(*breaks: Break) -> Break:
    def do(repo: Repo) -> None:
        for each in breaks:
            each(repo)

    return do


def drop(path: str, start: str) -> Break:
    """Take out the lines that start so."""

    def without(text: str) -> str:
        return "".join(line for line in text.splitlines(True) if not line.startswith(start))

    return lambda repo: repo.edit(path, without)


def age_key(before: str = "") -> Break:
    def leak(repo: Repo) -> None:
        subprocess.run(["age-keygen", "-o", str(repo.path / "key.txt")], check=True,
                       capture_output=True)  # fmt: skip

    return leak


def pem(kind: str, path: str = "tls.key", head: str = "", pad: str = "") -> Break:
    body = f"{pad}MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7\n"
    return write(path, f"{head}{pad}-----BEGIN {kind}-----\n{body}{pad}-----END {kind}-----\n")


def resealed(*flags: str, **values: object) -> Break:
    def seal(repo: Repo) -> None:
        given = {"SOPSMITH_SEED_1": repo.seed, "TOKEN": repo.canary(), **values}
        repo.component(COMPONENT, {k: v for k, v in given.items() if v is not None}, *flags)

    return seal


def encrypted(repo: Repo, path: str, text: str) -> None:
    """Encrypt in place by the repository's rules."""
    repo.write(path, text)
    run = ["sops", "--config", ".sops.yaml", "encrypt", "-i", path]
    subprocess.run(run, cwd=repo.path, check=True, capture_output=True, env=repo.env)


def encrypted_then(path: str, text: str, more: str) -> Break:
    """An encrypted file, to which somebody adds."""

    def add(repo: Repo) -> None:
        repo.edit(".sops.yaml", lambda rules: rules.replace("yaml|", "yaml|ini|"))
        encrypted(repo, path, text)
        repo.write(path, (repo.path / path).read_text() + more)

    return add


def other() -> str:
    """A recipient whose key nobody has."""
    made = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True)
    return made.stderr.split()[-1]


def commented_dotenv(repo: Repo) -> None:
    repo.component("secrets/x.enc.env", {"A": repo.canary()})
    repo.edit("secrets/x.enc.env", lambda text: f"{text}# A={PLAIN}\n")


def second_recipient(repo: Repo) -> None:
    values = {"SOPSMITH_SEED_1": repo.seed, "TOKEN": repo.canary()}
    repo.component(COMPONENT, values, recipient=f"{repo.recipient},{other()}")


def second_component(repo: Repo) -> None:
    repo.component("secrets/more.enc.yaml", {"TOKEN": repo.canary()})
    repo.edit(
        "secrets/shop.recipe.yaml", lambda text: text.replace(".yaml]", ".yaml, more.enc.yaml]")
    )


def never_drawn(repo: Repo) -> None:
    resealed(TOKEN=None)(repo)
    edit("secrets/shop.recipe.yaml", "TOKEN: {}", "TOKEN: {generate: {ed25519: {}}}")(repo)


def fan_out(repo: Repo) -> None:
    leaf = LEAF % repo.seeds()["1"]
    repo.write("other/recipe.yaml", f"{leaf}  secrets: {{}}\n")
    head = leaf[: leaf.index("spec:")]
    repo.write("all.yaml", f"{head}spec: {{recipes: [overlay/recipe.yaml, other/recipe.yaml]}}\n")


def clear_copy(repo: Repo) -> None:
    resealed(SOPSMITH_ENVIRONMENT_unencrypted="staging")(repo)


def in_vault(repo: Repo) -> None:
    vault = (
        "    hc_vault:\n        - vault_address: https://vault.evil\n          engine_path: t\n"
        '          key_name: k\n          created_at: "2026-01-01T00:00:00Z"\n          enc: x\n'
    )
    repo.edit(COMPONENT, lambda text: text.replace("    lastmodified", f"{vault}    lastmodified"))


def grouped(repo: Repo) -> None:
    """Two groups by the rule, one in the file."""
    other = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True)
    groups = f"key_groups: [{{age: [{repo.recipient}]}}, {{age: [{other.stderr.split()[-1]}]}}]"
    repo.edit(".sops.yaml", lambda text: text.replace(f"age: {repo.recipient}", groups))


def recipient_of(repo: Repo, text: str) -> None:
    repo.edit(".sops.yaml", lambda before: before.replace(repo.recipient, text))


DEMO = "age1a5lt4xfmz8hk7cuwy84v870hm9m3la2ya7c4c4yeuc2d3tdmqqhqyg608r"
STRAY = "manifests/secret.yaml"
ENCRYPTED = "ENC[AES256_GCM,data:AAAA,iv:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,tag:" \
    "AAAAAAAAAAAAAAAAAAAAAA==,type:str]"  # fmt: skip
BAD: dict[str, tuple[Break, str, str, int]] = {
    # what is encrypted, and whole
    "plaintext where a rule says encrypted": (
        write("secrets/new.enc.yaml", f"A: {PLAIN}\n"), "secrets/new.enc.yaml", "not-encrypted", 5),
    "a plain .env": (
        write("secrets/x.enc.env", f"A={PLAIN}\n"), "secrets/x.enc.env", "not-encrypted", 5),
    "a plain JSON file": (
        write("secrets/x.enc.json", json.dumps({"A": PLAIN})),
        "secrets/x.enc.json", "not-encrypted", 5),
    "a plain whole file": (
        write("keystore.p12.enc", "\0\1\2"), "keystore.p12.enc:1", "not-encrypted", 5),
    "an empty file": (write("secrets/x.enc.yaml", ""), "secrets/x.enc.yaml", "not-encrypted", 5),
    "one plain value": (
        lambda repo: repo.edit(COMPONENT, lambda text: f"NEW: {PLAIN}\n{text}"),
        f"{COMPONENT}:1", "not-encrypted", 5),
    "a document on the line of its marker": (
        lambda repo: repo.edit(COMPONENT, lambda text: f"{text}--- {{A: {PLAIN}}}\n"),
        f"{COMPONENT}:19", "tampered", 5),
    "a document behind one that is encrypted": (
        encrypted_then("secrets/x.enc.yaml", "A: b\n", f"--- {{A: {PLAIN}}}\n"),
        "secrets/x.enc.yaml", "not-encrypted", 5),
    "a plain file that no rule covers": (
        write("config/db.sops.env", f"A={PLAIN}\n"), "config/db.sops.env", "not-encrypted", 5),
    "a plain file without rules": (
        both(lambda repo: (repo.path / ".sops.yaml").unlink(),
             write("db.enc.yaml", f"A: {PLAIN}\n")),
        "db.enc.yaml", "not-encrypted", 5),
    "a plain file that names the kind of a recipe": (
        write("x.enc.env", f"{{kind: SecretRecipe}}\nA={PLAIN}\n"),
        "x.enc.env:1", "not-encrypted", 5),
    "a plain text that speaks of a recipe": (
        both(edit(".sops.yaml", "path_regex: ", "path_regex: s/|"),
             write("s/x.yaml", f"A: {PLAIN}\nB: |\n  kind: SecretRecipe\n")),
        "s/x.yaml", "not-encrypted", 5),
    "a recipe under the name of a component": (
        write("s.enc.yaml", RECIPE.replace("app: shop", "app: s")),
        "s.enc.yaml", "not-encrypted", 5),
    "one plain value in an ini": (
        encrypted_then("apps/a.enc.ini", "[a]\nb = x\n", f"[c]\nd = {PLAIN}\n"),
        "apps/a.enc.ini", "not-encrypted", 5),
    "a value behind a ciphertext in an ini": (
        encrypted_then("apps/a.enc.ini", "[a]\nb = x\n", f"[c]\nd = {ENCRYPTED} ; {PLAIN}\n"),
        "apps/a.enc.ini", "tampered", 5),
    "what another reader of ini takes for a value": (
        encrypted_then("apps/a.enc.ini", "[a]\nb = x\n", f"[c]\nd: {PLAIN}\n"),
        "apps/a.enc.ini:12", "tampered", 5),
    "a plain ini": (write("a.enc.ini", f"[a]\nb = {PLAIN}\n"), "a.enc.ini", "not-encrypted", 5),
    "another recipient in an ini": (
        both(encrypted_then("a.enc.ini", "[a]\nb = x\n", ""),
             lambda repo: recipient_of(repo, other())),
        "a.enc.ini", "recipients-differ", 5),
    "a comment above a value": (
        lambda repo: repo.edit(COMPONENT, lambda text: f"# PASSWORD={PLAIN}\n{text}"),
        f"{COMPONENT}:1", "clear-comment", 5),
    "a comment behind a ciphertext": (
        edit(COMPONENT, "type:str]", f"type:str] # {PLAIN}"), f"{COMPONENT}:1", "clear-comment", 5),
    "a comment among the metadata": (
        edit(COMPONENT, "    lastmodified", f"    # {PLAIN}\n    lastmodified"),
        f"{COMPONENT}:15", "clear-comment", 5),
    "a comment in a .env": (
        commented_dotenv, "secrets/x.enc.env:9", "clear-comment", 5),
    "no MAC": (drop(COMPONENT, "    mac:"), f"{COMPONENT}:4", "tampered", 5),
    "no time stamp": (drop(COMPONENT, "    lastmodified:"), f"{COMPONENT}:4", "tampered", 5),
    "no version": (drop(COMPONENT, "    version:"), f"{COMPONENT}:4", "tampered", 5),
    "a version that is none": (
        edit(COMPONENT, "    version: ", "    version: x"), f"{COMPONENT}:18", "tampered", 5),
    "metadata without its head": (drop(COMPONENT, "sops:"), f"{COMPONENT}:4", "tampered", 5),
    "text behind a ciphertext": (
        edit(COMPONENT, "type:str]", "type:str]x"), f"{COMPONENT}:1", "tampered", 5),
    "a key twice": (
        lambda repo: repo.edit(COMPONENT, lambda text: text.splitlines(True)[1] + text),
        f"{COMPONENT}:3", "tampered", 5),
    "a second document": (
        lambda repo: repo.edit(COMPONENT, lambda text: f"{text}---\nA: {PLAIN}\n"),
        f"{COMPONENT}:19", "tampered", 5),
    "ciphertext without metadata": (
        write(STRAY, f"kind: Secret\nstringData:\n  A: {ENCRYPTED}\n"),
        f"{STRAY}:3", "tampered", 5),
    "a merge left in a component": (
        lambda repo: repo.edit(COMPONENT, lambda t: f"<<<<<<< HEAD\nA: x\n>>>>>>> b\n{t}"),
        f"{COMPONENT}:1", "conflict-marker", 1),
    "a merge left in a recipe": (
        edit("overlay/recipe.yaml", "  values:", "<<<<<<< a\n=======\n>>>>>>> b\n  values:"),
        "overlay/recipe.yaml:8", "conflict-marker", 1),
    "what a killed write left": (
        write("prod/.a.enc.json.sopsmith-new", '{"A": "ENC[AES256_GCM,'),
        "prod/.a.enc.json.sopsmith-new", "leftover", 1),
    # as the rule says
    "another recipient in the file": (second_recipient, f"{COMPONENT}:4", "recipients-differ", 5),
    "two groups by the rule and one in the file": (
        grouped, f"{COMPONENT}:4", "recipients-differ", 5),
    "another crypt rule in the file": (
        resealed("--encrypted-regex", "."), f"{COMPONENT}:4", "crypt-rule", 5),
    "a file that no rule covers": (
        lambda repo: repo.component("secrets/odd.yaml", {"A": repo.canary()}),
        "secrets/odd.yaml", "rule-missing", 2),
    "no rules at all": (
        lambda repo: (repo.path / ".sops.yaml").unlink(), COMPONENT, "rule-missing", 2),
    "a key service in the file": (in_vault, f"{COMPONENT}:4", "foreign-key-type", 5),
    "a file for the demo key": (
        lambda repo: repo.component("secrets/demo.enc.yaml", {"A": repo.canary()}, recipient=DEMO),
        "secrets/demo.enc.yaml", "demo-key", 5),
    # .sops.yaml
    "a misspelt field": (
        edit(".sops.yaml", "age:", "encrypted-regex: x\n    age:"),
        ".sops.yaml:3", "rules-field", 2),
    "a misspelt list": (
        edit(".sops.yaml", "creation_rules", "creation_rule"), ".sops.yaml:1", "rules-field", 2),
    "an expression with a flag": (
        edit(".sops.yaml", "regex: ", "regex: (?i)"), ".sops.yaml:2", "rules-value", 2),
    "a crypt rule that matches nothing": (
        edit(".sops.yaml", "age:", "encrypted_regex: ^(?!x)\n    age:"),
        ".sops.yaml:3", "crypt-rule", 5),
    "two crypt rules": (
        edit(".sops.yaml", "age:", "encrypted_regex: x\n    unencrypted_suffix: y\n    age:"),
        ".sops.yaml:2", "crypt-rule", 5),
    "a rule behind a catch-all": (
        edit(".sops.yaml", "creation_rules:\n",
             f"creation_rules:\n  - age: {DEMO[:-1]}x\n"), ".sops.yaml:3", "rule-unreachable", 5),
    "a broad rule that takes a file made for others": (
        edit(".sops.yaml", "creation_rules:\n",
             f"creation_rules:\n  - path_regex: yaml\n    age: {DEMO[:-1]}x\n"),
        ".sops.yaml:4", "rule-unreachable", 5),
    "no recipient": (
        drop(".sops.yaml", "    age:"), ".sops.yaml:2", "rules-value", 5),
    "a mistyped recipient": (
        lambda repo: recipient_of(repo, repo.recipient[:-1] + "b"),
        ".sops.yaml:3", "rules-value", 5),
    "the demo recipient": (lambda repo: recipient_of(repo, DEMO), ".sops.yaml:3", "demo-key", 5),
    "a plugin as recipient": (
        lambda repo: recipient_of(repo, "age1yubikey1qwerty"), ".sops.yaml:3", "rules-value", 5),
    "a PGP key": (
        edit(".sops.yaml", "age:", "pgp: ABCDEF\n    age:"), ".sops.yaml:2", "foreign-key-type", 5),
    "rules that are no YAML": (write(".sops.yaml", "a: [\n"), ".sops.yaml:2", "rules-syntax", 2),
    # Secrets and keys in plaintext
    "a Secret": (
        write(STRAY, f"kind: Secret\nmetadata: {{name: x}}\nstringData:\n  A: {PLAIN}\n"),
        f"{STRAY}:4", "plaintext-secret", 5),
    "a Secret in the second document": (
        write(STRAY, f"kind: ConfigMap\n---\nkind: Secret\ndata: {{A: {PLAIN}}}\n"),
        f"{STRAY}:4", "plaintext-secret", 5),
    "a Secret in JSON": (
        write("x.json", secret(stringData={"A": PLAIN})), "x.json:1", "plaintext-secret", 5),
    "a Secret in a template": (
        write("k/secret.yaml.tpl", f"kind: Secret\nstringData:\n  A: {PLAIN}\n"),
        "k/secret.yaml.tpl:3", "plaintext-secret", 5),
    "a Secret in a List": (
        write(STRAY, f"kind: List\nitems:\n- kind: Secret\n  data:\n    A: {PLAIN}\n"),
        f"{STRAY}:5", "plaintext-secret", 5),
    "a Secret in a patch inside a kustomization": (
        write("o/kustomization.yaml",
              f"patches:\n- patch: |\n    kind: Secret\n    stringData: {{A: {PLAIN}}}\n"),
        "o/kustomization.yaml:2", "plaintext-secret", 5),
    "a Secret behind an alias": (
        write(STRAY, f"x: &x {{A: {PLAIN}}}\nkind: Secret\ndata: *x\n"),
        f"{STRAY}:3", "plaintext-secret", 5),
    "an age key": (age_key(), "key.txt:3", "private-key", 5),
    "a TLS key": (pem("PRIVATE KEY"), "tls.key:1", "private-key", 5),
    "an RSA key in a YAML file": (
        pem("RSA PRIVATE KEY", "x.yaml", "a: |\n", "  "), "x.yaml:2", "private-key", 5),
    "an SSH key": (pem("OPENSSH PRIVATE KEY", "id"), "id:1", "private-key", 5),
    "a key behind a long text": (
        pem("PRIVATE KEY", head="#" * (17 << 20) + "\n"), "tls.key", "private-key", 5),
    "a key across two pieces of a long text": (
        pem("PRIVATE KEY", head="#" * ((16 << 20) - 21) + "\n"), "tls.key", "private-key", 5),
    "a key behind a long text in UTF-16": (
        lambda repo: repo.write(
            "k.txt", ("#" * (5 << 20) + "\n-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqh\n")
            .encode("utf-16")),
        "k.txt", "private-key", 5),
    "a PGP key in a file": (pem("PGP PRIVATE KEY BLOCK", "k.asc"), "k.asc:1", "private-key", 5),
    "a key in a line of JSON": (
        write("x.json", '{"k": "-----BEGIN EC PRIVATE KEY-----\\nMHcCAQEEIIrYSSNQFaA2Hwf1"}'),
        "x.json:1", "private-key", 5),
    # decrypted copies
    "a decrypted copy by its name": (
        write("secrets/production.dec.yaml", f"TOKEN: {PLAIN}\n"),
        "secrets/production.dec.yaml", "decrypted-sibling", 5),
    "a decrypted copy by its keys": (
        write("secrets/production.yaml", f"A: 1\nTOKEN: {PLAIN}\n"),
        "secrets/production.yaml:2", "decrypted-sibling", 5),
    "a decrypted copy in another format": (
        write("secrets/production.env", f"export TOKEN={PLAIN}\n"),
        "secrets/production.env:1", "decrypted-sibling", 5),
    "a decrypted whole file": (
        lambda repo: (repo.component("k.p12.enc", b"\0" * 30), repo.write("k.p12", b"\0" * 30)),
        "k.p12", "decrypted-sibling", 5),
    # recipes
    "an unknown field": (
        edit("secrets/shop.recipe.yaml", "TOKEN: {}", "TOKEN: {optionl: true}"),
        "secrets/shop.recipe.yaml:9", "recipe-field", 2),
    "a recipe that is no YAML": (
        edit("overlay/recipe.yaml", "  values:", "  values: {"),
        "overlay/recipe.yaml:10", "recipe-syntax", 2),
    "bases in a circle": (
        edit("secrets/shop.recipe.yaml", "  app:", "  extends: shop.recipe.yaml\n  app:"),
        "secrets/shop.recipe.yaml:6", "recipe-extends", 2),
    "derivations in a circle": (
        edit("secrets/shop.recipe.yaml", "TOKEN: {}", "TOKEN: {derive: {template: $(URL)}}"),
        "secrets/shop.recipe.yaml:9", "recipe-cycle", 2),
    "a name that nothing declares": (
        edit("secrets/shop.recipe.yaml", "keys: [TOKEN", "keys: [TOKN"),
        "secrets/shop.recipe.yaml:13", "recipe-name", 2),
    "a weak generator": (
        edit("secrets/shop.recipe.yaml", "password: {}", "password: {length: 8}"),
        "secrets/shop.recipe.yaml:10", "weak", 1),
    "two leaves of one run that emit one Secret": (
        fan_out, "other/recipe.yaml:10", "secret-collision", 2),
    "a recipe on one line": (
        write("x.json", '{"spec":{},"kind":"SecretRecipe"}'), "x.json", "recipe-kind", 2),
    "a recipe with spaced colons": (
        write("x.json", '{\n\t"kind" : "SecretRecipe",\n\t"spec" : {}\n}'),
        "x.json", "recipe-kind", 2),
    "a recipe with a quoted key behind a byte order mark": (
        write("x.yaml", "\ufeff'kind': SecretRecipe\nspec: {}\n"), "x.yaml", "recipe-kind", 2),
    "a broken recipe in a kustomization": (
        lambda repo: inline(repo, "extend"),
        "overlay/kustomization.yaml (generators)", "recipe-field", 2),
    "an earlier value that there is not": (
        edit("secrets/shop.recipe.yaml", "  secrets:",
             "    OLD: {derive: {previousOf: PASSWORD}}\n  secrets:"),
        "secrets/shop.recipe.yaml:12", "missing", 1),
    "a base that is gone": (
        lambda repo: (repo.path / "secrets/shop.recipe.yaml").unlink(),
        "secrets/shop.recipe.yaml", "file-unreadable", 3),
    # what recipes read
    "a component that is gone": (
        lambda repo: (repo.path / COMPONENT).unlink(), COMPONENT, "file-unreadable", 3),
    "a value that is nowhere": (
        resealed(TOKEN=None), "secrets/shop.recipe.yaml:9", "missing", 1),
    "a stored value that was never drawn": (
        never_drawn, "secrets/shop.recipe.yaml:9", "stored-missing", 1),
    "a generated value in a component": (
        lambda repo: resealed(PASSWORD=repo.canary())(repo),
        f"{COMPONENT}:4", "origin-conflict", 1),
    "a key in two components": (
        second_component, "secrets/more.enc.yaml:2", "duplicate-key", 1),
    "a number where text is meant": (resealed(TOKEN=5432), f"{COMPONENT}:3", "not-flat", 1),
    "a seed that is gone": (
        resealed(SOPSMITH_SEED_1=None), "overlay/recipe.yaml:7", "seed-refused", 5),
    "a seed that the recipe does not know": (
        edit("overlay/recipe.yaml", "seeds:", "# seeds:"), "overlay/recipe.yaml:4",
        "seed-refused", 5),
    "a component of another environment": (
        clear_copy, f"{COMPONENT}:1", "wrong-environment", 5),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_it_stops(shop: Repo, name: str) -> None:
    spoil, place, code, status = BAD[name]
    spoil(shop)
    run = check(shop)
    if code:
        assert (place, code) in findings(run), run.out
    assert run.code == status


# --- good -----------------------------------------------------------------------------------------

CATCH_ALL = "creation_rules:\n  - age: %s\n"
OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {A: b}\n"


def with_rule(more: str, path: str, text: str) -> Break:
    def make(repo: Repo) -> None:
        rule = f"  - path_regex: ^apps/\n    age: {repo.recipient}\n{more}"
        repo.edit(".sops.yaml", lambda before: before + rule)
        encrypted(repo, path, text)

    return make


def with_catch_all(path: str, text: str) -> Break:
    def make(repo: Repo) -> None:
        repo.write(".sops.yaml", CATCH_ALL % repo.recipient)
        repo.write(path, text)

    return make


def siblings(repo: Repo) -> None:
    """Two encrypted files of one name, and a recipe of that name."""
    with_rule("", "apps/a.yaml", "A: b\n")(repo)
    encrypted(repo, "apps/a.enc.yaml", "A: c\n")
    text = RECIPE.replace("shop: {keys", "x: {annotations: {A: public}, keys")
    repo.write("apps/a.json", text.replace("$(env", "no-$(env"))


def split(repo: Repo) -> None:
    """Two groups that are both needed, by the rule and in the file."""
    other = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True)
    rule = (
        "  - path_regex: ^apps/\n    shamir_threshold: 2\n    key_groups:\n"
        f"    - age: [{repo.recipient}]\n    - merge: [{{age: [{other.stderr.split()[-1]}]}}]\n"
    )
    repo.edit(".sops.yaml", lambda before: before + rule)
    encrypted(repo, "apps/a.yaml", "A: b\n")


def manifest_beside(repo: Repo) -> None:
    """What a Secret says in clear, such as its kind, is no secret of another manifest."""
    rule = f"  - path_regex: ^apps/db.enc\n    age: {repo.recipient}\n{DATA}"
    edit(".sops.yaml", "creation_rules:\n", f"creation_rules:\n{rule}")(repo)  # the narrower first
    encrypted(repo, "apps/db.enc.yaml", OF_SECRET)
    assert "kind: Secret" in (repo.path / "apps/db.enc.yaml").read_text()
    repo.write("apps/db.yaml", "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: x}\n")


def inline(repo: Repo, extends: str = "extends") -> None:
    """A leaf that stands in its kustomization."""
    leaf = (repo.path / "overlay/recipe.yaml").read_text().replace("extends", extends)
    (repo.path / "overlay/recipe.yaml").unlink()
    lines = "".join(f"    {line}\n" for line in leaf.splitlines())
    repo.write("overlay/kustomization.yaml", f"generators:\n- |\n{lines}")


DATA = "    encrypted_regex: ^(data|stringData)$\n"
OF_SECRET = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: x}}\nstringData: {{A: {PLAIN}}}\n"
GOOD: dict[str, Break] = {
    "a Secret that patches": write("guard.yaml", "kind: Secret\nmetadata: {name: x}\n"),
    "a Secret with nothing in it": write("s.yaml", 'kind: Secret\ndata: {A: ""}\nstringData:\n'),
    "a Secret that Flux fills in": write("s.yaml", "kind: Secret\nstringData: {A: '${TOKEN}'}\n"),
    "a template of Helm": write("t/s.yaml", "kind: Secret\ndata:\n  A: {{ .Values.a | b64enc }}\n"),
    "a loop of Helm": write("t/s.yaml", "kind: Secret\n{{- range .x }}\ndata: {}\n{{- end }}\n"),
    "a reference to a Secret": write("d.yaml", "a: {kind: Secret, name: x}\n"),
    "an encrypted Secret": with_rule(DATA, "apps/s.yaml", OF_SECRET),
    "encrypted Secrets in a stream": with_rule(
        DATA, "apps/s.yaml", f"{OF_SECRET}---\n{OF_SECRET}"
    ),
    "an encrypted part of another kind": with_rule(
        "    encrypted_regex: ^values$\n", "apps/h.yaml", f"kind: A\nvalues: {{A: {PLAIN}}}\n"
    ),
    "an encrypted dotenv": lambda repo: repo.component("a.enc.env", {"A": repo.canary()}),
    "an encrypted JSON map": lambda repo: repo.component("a.enc.json", {"A": repo.canary()}),
    "an encrypted whole file": lambda repo: repo.component("a.p12.enc", b"\0\1" * 20),
    "an encrypted list": with_rule("", "apps/l.yaml", "A: [b, {c: d}]\n"),
    "an encrypted ini": with_rule("", "apps/a.ini", f"[a]\nb = {PLAIN}\n"),
    "an ini with all that ini can": with_rule(
        "", "apps/a.ini", f'; {PLAIN}\ntop = 1\n[a]\nb =\nc_unencrypted = x\nd = """x\ny"""\n'
    ),
    "groups as the rule says": split,
    "an encrypted map": with_rule("", "apps/s.yaml", "A: b\n"),
    "words on keys": write("README.md", "It starts with `-----BEGIN PRIVATE KEY-----`, so.\n"),
    "a public key": write("id.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGVlZWVlZWVlZWVlZWVl x\n"),
    "a certificate": pem("CERTIFICATE", "tls.crt"),
    "a manifest under a catch-all": with_catch_all("m.yaml", OBJECT),
    "a file under a catch-all": with_catch_all("ci.yaml", "on: push\n"),
    "a template beside a component": write("secrets/production.yaml", "TOKEN:\nOTHER: x\n"),
    "an unencrypted example": write("secrets/production.env", "TOKEN=\n# TOKEN=x\n"),
    "encrypted files and recipes of one name": siblings,
    "a manifest beside an encrypted Secret": manifest_beside,
    "a recipe in a kustomization": inline,
    "words on the kind of a recipe": write("crd.yaml", "kind: Catalog\nof: {kind: SecretRecipe}\n"),
    "a line of equal signs": write("notes.txt", "a\n=======\nb\n"),
    "a base that nothing extends": write(
        "b.yaml", RECIPE.replace("app: shop", "app: b").replace("[$(env", "[no-$(env")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_it_lets_pass(shop: Repo, name: str) -> None:
    GOOD[name](shop)
    run = check(shop)
    assert (run.code, findings(run)) == (0, [])


def test_texts_recipes_and_dotfiles_are_never_covered(shop: Repo) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("\\.enc(\\.(yaml|json|env))?$", "^secrets/"))
    for name in ("README.md", ".gitkeep", ".gitattributes", "kustomization.yaml", "NOTES.txt"):
        shop.write(f"secrets/{name}", "resources: []\n")
    assert check(shop).code == 0
    shop.write("secrets/.env", f"A={PLAIN}\n")
    assert findings(check(shop)) == [("secrets/.env", "not-encrypted")]


@pytest.mark.parametrize("name", ["token.enc.txt", ".dockerconfigjson.enc", "map.enc.yaml"])
def test_a_name_of_an_encrypted_file_is_covered_whatever_it_holds(shop: Repo, name: str) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("(yaml|json|env)", "[a-z]+"))
    shop.write(f"secrets/{name}", OBJECT)
    ((place, code),) = findings(check(shop))
    assert (place.partition(":")[0], code) == (f"secrets/{name}", "not-encrypted")


def test_a_broken_recipe_in_a_covered_folder_is_no_plaintext(shop: Repo) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("\\.enc(\\.(yaml|json|env))?$", "^secrets/"))
    edit("secrets/shop.recipe.yaml", "spec:", "spec: {")(shop)
    assert {code for _, code in findings(check(shop))} == {"recipe-syntax"}


def test_a_rule_for_all_yaml_is_about_secrets(shop: Repo) -> None:
    shop.edit(".sops.yaml", lambda text: text.replace("\\.enc(\\.(yaml|json|env))?$", "\\.yaml$"))
    shop.write("map.yaml", OBJECT)
    shop.write("many.yaml", f"{OBJECT}---\n{OBJECT}")
    assert findings(check(shop)) == []
    shop.write("plain.yaml", f"A: {PLAIN}\n")
    assert findings(check(shop)) == [("plain.yaml", "not-encrypted")]


def test_a_crypt_rule_changed_in_the_file_is_seen_at_each_value(shop: Repo) -> None:
    edit(COMPONENT, "unencrypted_suffix: _unencrypted", "unencrypted_suffix: TOKEN")(shop)
    found = findings(check(shop))
    assert found == [(f"{COMPONENT}:3", "crypt-rule"), (f"{COMPONENT}:4", "crypt-rule")]


def test_what_only_warns_does_not_fail(shop: Repo) -> None:
    resealed(OLD=shop.canary())(shop)
    run = check(shop)
    assert (run.code, findings(run)) == (0, [(f"{COMPONENT}:4", "undeclared-key")])


# --- odd files ------------------------------------------------------------------------------------


def linked(repo: Repo) -> None:
    """The rules, behind a link to a name that nobody watches."""
    (repo.path / ".sops.yaml").rename(repo.path / "rules.txt")
    (repo.path / ".sops.yaml").symlink_to("rules.txt")


def test_rules_behind_a_link_are_none_for_who_checks_and_for_who_writes(shop: Repo) -> None:
    linked(shop)
    for arguments in ([], [".sops.yaml"], [COMPONENT]):
        assert findings(check(shop, *arguments)) == [(".sops.yaml", "path-refused")]
    set_ = ("sopsmith", "set", "TOKEN")
    run = shop.run(*set_, stdin=shop.canary().encode())
    assert (run.code, run.codes) == (5, {"path-refused"})
    assert shop.cli("recipients").code == 5


def test_rules_farther_up_do_not_take_the_place_of_a_link(shop: Repo) -> None:
    (shop.path / "secrets/.sops.yaml").symlink_to("nowhere")
    assert ("secrets/.sops.yaml", "path-refused") in findings(check(shop))
    run = shop.run("sopsmith", "set", "TOKEN", stdin=shop.canary().encode())
    assert (run.code, run.codes) == (5, {"path-refused"})


def test_odd_files_do_not_stop_it(shop: Repo) -> None:
    (shop.path / "outside.enc.yaml").symlink_to("/etc/passwd")
    (shop.path / "loop.yaml").symlink_to("loop.yaml")
    (shop.path / "gone.enc.yaml").symlink_to("nowhere")
    (shop.path / "folder").symlink_to("secrets")
    shop.write("binary.yaml", bytes(range(256)) * 8)
    shop.write("utf16.yaml", "kind: Secret\n".encode("utf-16"))
    shop.write("deep.yaml", "[" * 50_000 + "Secret")
    shop.write("wide.yaml", "a: &a [x]\n" + "Secret: [" + "*a, " * 50_000 + "*a]\n")
    shop.write("huge.yaml", b"a: Secret\n" + b"# " + b"x" * 9_000_000)
    Path(os.fsdecode(os.fsencode(shop.path) + b"/n\xff\n.yaml")).write_text("a: b\n")
    run = check(shop)
    assert (run.code, findings(run)) == (0, [])


def test_an_odd_name_is_told_on_one_line(shop: Repo) -> None:
    path = os.fsencode(shop.path) + b"/n\xff\n::x.enc.yaml"
    Path(os.fsdecode(path)).write_text(f"A: {PLAIN}\n")
    run = check(shop)
    assert run.code == 5
    assert "error: n\\udcff\\n::x.enc.yaml: is not encrypted" in run.out
    annotated = check(shop, "--output", "github").out.splitlines()
    assert len(annotated) == 1
    assert annotated[0].startswith("::error file=n\\udcff%0A%3A%3Ax.enc.yaml,title=")


def test_a_huge_component_is_refused(shop: Repo) -> None:
    shop.component("other.enc.yaml", {"A": shop.canary()})
    for file in (COMPONENT, "other.enc.yaml"):
        shop.edit(file, lambda text: text + "# " + "x" * 9_000_000)
    assert findings(check(shop)) == [
        ("other.enc.yaml", "file-unreadable"),
        (COMPONENT, "file-unreadable"),
    ]


def test_a_file_that_git_does_not_track_is_left_alone(shop: Repo) -> None:
    check(shop)
    shop.write("secrets/new.enc.yaml", f"A: {PLAIN}\n")
    assert shop.cli("check").code == 0
    assert shop.cli("check", "secrets/new.enc.yaml").code == 5


# --- which files ----------------------------------------------------------------------------------


def test_only_the_files_that_are_named_are_checked(shop: Repo) -> None:
    shop.write("a.enc.yaml", f"A: {PLAIN}\n")
    shop.write("b.enc.yaml", f"A: {PLAIN}\n")
    assert findings(check(shop, "a.enc.yaml")) == [("a.enc.yaml", "not-encrypted")]
    assert findings(check(shop, "secrets/shop.recipe.yaml")) == []
    shop.write("secrets/production.yaml", f"TOKEN: {PLAIN}\n")
    assert findings(check(shop, "a.enc.yaml")) == [("a.enc.yaml", "not-encrypted")]
    copy = [("secrets/production.yaml:1", "decrypted-sibling")]
    assert findings(check(shop, COMPONENT)) == copy
    assert findings(check(shop, "secrets/production.yaml")) == copy


def test_changed_rules_touch_every_file_they_govern(shop: Repo) -> None:
    grouped(shop)
    assert findings(check(shop, ".sops.yaml")) == [(f"{COMPONENT}:4", "recipients-differ")]


def test_a_changed_base_touches_its_leaves_and_a_component_its_recipes(shop: Repo) -> None:
    resealed(TOKEN=None)(shop)
    expected = [("secrets/shop.recipe.yaml:9", "missing")]
    for file in ("secrets/shop.recipe.yaml", COMPONENT, "overlay/recipe.yaml"):
        assert findings(check(shop, file)) == expected
    assert findings(check(shop, ".sops.yaml")) == expected


def test_the_nearest_rules_govern(shop: Repo) -> None:
    other = subprocess.run(["age-keygen"], check=True, capture_output=True, text=True)
    shop.write("secrets/.sops.yaml", CATCH_ALL % other.stderr.split()[-1])
    assert findings(check(shop)) == [(f"{COMPONENT}:4", "recipients-differ")]


def test_broken_rules_are_told_with_any_file_they_govern(shop: Repo) -> None:
    shop.write(".sops.yaml", "creation_rules: 5\n")
    assert findings(check(shop, COMPONENT)) == [(".sops.yaml:1", "rules-value")]
    shop.write("a.enc.yaml", f"A: {PLAIN}\n")
    shop.write("b.yaml", f"kind: Secret\nstringData:\n  A: {PLAIN}\n")
    assert findings(check(shop, "a.enc.yaml", "b.yaml")) == [
        (".sops.yaml:1", "rules-value"),
        ("a.enc.yaml", "not-encrypted"),
        ("b.yaml:3", "plaintext-secret"),
    ]


def test_a_deleted_file_can_be_named(shop: Repo) -> None:
    shop.write("x.md", "x\n")
    check(shop)
    (shop.path / "x.md").unlink()
    assert shop.cli("check", "x.md").code == 0
    shop.write("x.md", "x\n")
    git(shop, "commit", "-qm", "with it")
    git(shop, "rm", "-q", "x.md")
    assert shop.cli("check", "x.md").code == 0
    git(shop, "commit", "-qm", "without")
    assert shop.cli("check", "x.md", "--against", "HEAD~1").code == 0


@pytest.mark.parametrize("name", ["nowhere.yaml", "secrets/nowhere", "secrets/*.yaml", ":(top)x"])
def test_a_file_that_never_was_is_a_mistake(shop: Repo, name: str) -> None:
    check(shop)
    run = shop.cli("check", name)
    assert (run.code, run.codes) == (2, {"usage"})
    assert f"error: {name}: does not exist, and git knows no file" in run.err


def test_it_is_run_from_a_folder_below(shop: Repo) -> None:
    shop.write("secrets/new.enc.yaml", f"A: {PLAIN}\n")
    check(shop)
    run = shop.run("sopsmith", "check", "new.enc.yaml", cwd="secrets")
    assert findings(run) == [("secrets/new.enc.yaml", "not-encrypted")]


# --- trust ----------------------------------------------------------------------------------------


def test_other_kinds_of_keys_pass_where_they_are_trusted(shop: Repo) -> None:
    shop.write(".sops.yaml", "creation_rules: [{path_regex: x, pgp: ABCDEF}]\n")
    codes = {code for _, code in findings(check(shop, ".sops.yaml"))}
    assert "foreign-key-type" in codes
    trusted = check(shop, ".sops.yaml", SOPSMITH_KEY_TYPES="age,pgp")
    assert "foreign-key-type" not in {code for _, code in findings(trusted)}


def test_the_example_passes_where_its_key_is_allowed(example: Repo) -> None:
    for name in (".sops.yaml",):
        example.write(name, (Path(__file__).parents[2] / name).read_bytes())
    assert check(example).out.endswith(": 0 errors, 0 warnings\n")
    refused = check(example, SOPSMITH_ALLOW_DEMO_KEY="")
    assert refused.code == 5
    assert {code for _, code in findings(refused)} == {"demo-key"}
    assert ("secrets/demo-only.agekey:4", "demo-key") in findings(refused)


# --- against another revision, and how it is told -------------------------------------------------


def commit(repo: Repo) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    for call in (["add", "-A"], [*who, "commit", "-qm", "x"]):
        subprocess.run(["git", *call], cwd=repo.path, check=True, env=repo.env)


def test_a_lowered_version_is_found_against_a_revision(shop: Repo) -> None:
    commit(shop)
    edit("overlay/recipe.yaml", "version: 2", "version: 1")(shop)
    assert findings(check(shop)) == []
    run = check(shop, "--against", "HEAD")
    assert findings(run) == [("overlay/recipe.yaml:9", "version-lowered")]
    assert check(shop, "--against", "nothing").code == 2


def listed(repo: Repo, entry: str = "recipe.yaml") -> None:
    repo.write("overlay/kustomization.yaml", json.dumps({"generators": [entry]}))


def renamed(repo: Repo, name: str, lead: str | None = None) -> None:
    """The leaf under another name, with a link at the old one or an entry for the new one."""
    (repo.path / "overlay/recipe.yaml").rename(repo.path / "overlay" / name)
    if lead is None:
        listed(repo, name)
    else:
        (repo.path / "overlay/recipe.yaml").symlink_to(lead)


def inline_elsewhere(repo: Repo) -> None:
    inline(repo)
    (repo.path / "overlay/kustomization.yaml").rename(repo.path / "overlay/Kustomization")


def inline_in_json(repo: Repo) -> None:
    """One line, where a path could stand."""
    leaf = yaml.safe_load((repo.path / "overlay/recipe.yaml").read_text())
    (repo.path / "overlay/recipe.yaml").unlink()
    listed(repo, json.dumps(leaf))


def in_a_folder(repo: Repo) -> None:
    """A folder of generators is a kustomization of its own, linked to where nobody looks."""
    listed(repo, "../generators")
    renamed(repo, "real.txt", "real.txt")
    repo.write("generators/real.txt", 'resources: ["../overlay/recipe.yaml"]')
    (repo.path / "generators/kustomization.yaml").symlink_to("real.txt")


def by_alias(repo: Repo) -> None:
    renamed(repo, "real.txt")
    text = "resources: &all [real.txt]\n<<: {generators: *all}\n"
    repo.write("overlay/kustomization.yaml", text)


HIDDEN: dict[str, Break] = {
    "in a kustomization of another name": inline_elsewhere,
    "in a kustomization on one line": inline_in_json,
    "in a folder of generators": in_a_folder,
    "behind a link": lambda repo: renamed(repo, "real.txt", "real.txt"),
    "under a name that says nothing": lambda repo: renamed(repo, "real.txt"),
    "under a name with a line break": lambda repo: renamed(repo, "re\ncipe.yaml"),
    "by an alias": by_alias,
    "with a kind in escapes": edit("overlay/recipe.yaml", "SecretRecipe", '"Secret\\x52ecipe"'),
    "with a kind on two lines": edit("overlay/recipe.yaml", "kind: S", "? kind\n: S"),
}


def lowered(repo: Repo) -> None:
    for file in (repo.path / "overlay").iterdir():
        text = file.read_text()
        if not file.is_symlink() and "version" in text:
            lower = text.replace("version: 2", "version: 1").replace(
                'version\\": 2', 'version\\": 1'
            )
            assert lower != text
            file.write_text(lower)


@pytest.mark.parametrize("name", HIDDEN)
def test_a_recipe_is_compared_wherever_kustomize_finds_it(shop: Repo, name: str) -> None:
    listed(shop)
    commit(shop)
    HIDDEN[name](shop)
    assert findings(check(shop, "--against", "HEAD")) == []
    lowered(shop)
    found = {code for _, code in findings(check(shop, "--against", "HEAD"))}
    assert found == {"version-lowered"}


@pytest.mark.parametrize("name", HIDDEN)
def test_a_recipe_is_compared_wherever_it_was_found(shop: Repo, name: str) -> None:
    listed(shop)
    HIDDEN[name](shop)
    commit(shop)
    lowered(shop)
    found = {code for _, code in findings(check(shop, "--against", "HEAD"))}
    assert found == {"version-lowered"}


def test_a_recipe_does_not_vanish_in_silence(shop: Repo) -> None:
    commit(shop)
    (shop.path / "overlay/recipe.yaml").unlink()
    run = check(shop, "--against", "HEAD")
    assert (run.code, findings(run)) == (0, [("overlay/recipe.yaml", "recipe-gone")])


def rotated_twice(repo: Repo, branch: str) -> None:
    """A branch with two rotations, which were checked there one by one; HEAD goes back."""
    start = repo.run("git", "rev-parse", "HEAD").out.strip()
    repo.run("git", "checkout", "-qb", branch)
    for old, new in ((2, 3), (3, 4)):
        edit("overlay/recipe.yaml", f"version: {old}", f"version: {new}")(repo)
        commit(repo)
    repo.run("git", "checkout", "-qb", f"beside-{branch}", start)


def merge(repo: Repo, *branches: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    merging = ("merge", "-q", "--no-ff", "--no-commit", *branches)
    assert repo.run("git", *who, *merging).code == 0


def test_a_merge_is_no_jump_of_what_it_brings(shop: Repo) -> None:
    commit(shop)
    rotated_twice(shop, "side")
    shop.write("mine", "")
    commit(shop)
    merge(shop, "side")
    assert findings(check(shop, "--against", "HEAD")) == []
    edit("overlay/recipe.yaml", "version: 4", "version: 6")(shop)
    assert [code for _, code in findings(check(shop, "--against", "HEAD"))] == ["version-jump"]


def test_a_merge_of_several_branches_brings_what_any_of_them_does(shop: Repo) -> None:
    commit(shop)
    rotated_twice(shop, "side")
    shop.write("other", "")
    commit(shop)
    shop.run("git", "checkout", "-qb", "mine", "HEAD~1")
    shop.write("mine", "")
    commit(shop)
    for order in (("side", "beside-side"), ("beside-side", "side")):
        merge(shop, *order)
        assert findings(check(shop, "--against", "HEAD")) == []
        shop.run("git", "reset", "-q", "--hard")


@pytest.mark.parametrize("kind", ["tag", "branch"])
def test_a_name_that_looks_like_a_merge_is_none(shop: Repo, kind: str) -> None:
    commit(shop)
    shop.run("git", "checkout", "-qb", "feature")
    edit("overlay/recipe.yaml", "version: 2", "version: 1")(shop)
    commit(shop)
    assert shop.run("git", kind, "MERGE_HEAD", "HEAD").code == 0
    run = check(shop, "--against", "HEAD~1")
    assert findings(run) == [("overlay/recipe.yaml:9", "version-lowered")]


def test_findings_are_told_as_json_and_as_annotations(shop: Repo) -> None:
    shop.write("a,b:c%.enc.yaml", f"A: {PLAIN}\n")
    edit("secrets/shop.recipe.yaml", "password: {}", "password: {length: 8}")(shop)
    found = check(shop, "--output", "json").document["findings"]
    assert [(each["file"], each["line"], each["code"]) for each in found] == [
        ("a,b:c%.enc.yaml", None, "not-encrypted"),
        ("secrets/shop.recipe.yaml", 10, "weak"),
    ]
    first, second = check(shop, "--output", "github").out.splitlines()
    assert first.startswith("::error file=a%2Cb%3Ac%25.enc.yaml,title=sopsmith%3A not-encrypted::")
    assert second == (
        "::error file=secrets/shop.recipe.yaml,line=10,title=sopsmith%3A weak::PASSWORD: yields "
        "48 bits of entropy, under 128 (production)%0Amake it longer, or say what is enough: "
        "rules: {minEntropy: …}"
    )


def test_a_warning_is_annotated_as_one(shop: Repo) -> None:
    resealed(OLD=shop.canary())(shop)
    run = check(shop, "--output", "github")
    assert (run.code, run.out[:10]) == (0, "::warning ")


def test_it_needs_no_program_but_git(shop: Repo, tmp_path: Path) -> None:
    commit(shop)
    (tmp_path / "bin").mkdir()
    for name in ("git", "sopsmith"):
        found = next(
            Path(folder, name)
            for folder in os.environ["PATH"].split(":")
            if Path(folder, name).exists()
        )
        (tmp_path / "bin" / name).symlink_to(found)
    assert shop.cli("check", PATH=str(tmp_path / "bin"), SOPS_AGE_KEY_FILE=None).code == 0


def test_a_folder_is_no_file(shop: Repo) -> None:
    assert check(shop, "secrets").code == 2
    assert check(shop, "/etc/passwd").code == 5


def test_validate_annotates_too(shop: Repo) -> None:
    edit("secrets/shop.recipe.yaml", "password: {}", "password: {length: 8}")(shop)
    run = shop.cli("validate", "overlay/recipe.yaml", "--output", "github")
    assert run.out.startswith(
        "::error file=secrets/shop.recipe.yaml,line=10,title=sopsmith%3A weak"
    )
