"""The write-back with real sops: a change is as small as it can be, and only what was meant.

Fakes stand in for a sops that lies; they run the real one and then spoil what it made.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sopsmith import writeback
from sopsmith.components.change import Change
from sopsmith.components.sealed import DEMO_RECIPIENT
from sopsmith.errors import SopsmithError
from sopsmith.model import Sensitive
from tests.e2e.test_round_trip import AWKWARD, TEXTS
from tests.repository import Repo
from tests.tools.test_sops_faults import running

RULES = """\
creation_rules:
  - {{path_regex: secret\\.yaml$, encrypted_regex: ^(data|stringData)$, age: {0}}}
  - {{path_regex: regex\\.yaml$, encrypted_regex: ^TOKEN, age: {0}}}
  - age: {0}
"""
REAL = str(shutil.which("sops"))


@pytest.fixture
def vault(repo: Repo) -> Repo:
    """A repository with creation rules."""
    repo.write(".sops.yaml", RULES.format(repo.recipient))
    for key, text in (("user.name", "n"), ("user.email", "n@example.org")):
        repo.run("git", "config", key, text)
    return repo


def encrypted(repo: Repo, path: str, text: str, *flags: str, given: str = "") -> Path:
    """Encrypt a text as it is, comments included, and commit it."""
    kinds = {"yaml": "yaml", "json": "json", "env": "dotenv"}
    kind = kinds[path.rpartition(".")[2]]
    formats = ("--input-type", given or kind, "--output-type", kind)
    config = ("--config", str(repo.path / ".sops.yaml"))
    name = ("--filename-override", str(repo.path / path))
    run = repo.run("sops", *config, *flags, "encrypt", *formats, *name, stdin=text.encode())
    assert run.code == 0, run.err
    file = repo.write(path, run.out)
    commit(repo)
    return file


def commit(repo: Repo) -> None:
    repo.run("git", "add", ".")
    assert repo.run("git", "commit", "-qm", "one").code == 0


def decrypted(repo: Repo, path: str) -> Any:
    """What real sops makes of the file, MAC and all."""
    run = repo.run("sops", "--config", "/dev/null", "decrypt", "--output-type", "json", path)
    assert run.code == 0, run.err
    return run.document


def change(repo: Repo, path: str, **values: str | None) -> tuple[str, ...]:
    """Change keys of a component; None removes one."""
    wanted = [Change(k, None if v is None else Sensitive(v)) for k, v in values.items()]
    edit = writeback.ComponentEdit(path, tuple(wanted))
    return writeback.write(str(repo.path), repo.env, [edit])


def refused(repo: Repo, code: str, path: str, **values: str | None) -> str:
    """The change is refused with this code, and the file is as it was; what was said."""
    file = repo.path / path
    before, when = file.read_bytes(), file.stat().st_mtime_ns
    with pytest.raises(SopsmithError) as stop:
        change(repo, path, **values)
    assert [finding.code for finding in stop.value.findings] == [code]
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (before, when)
    assert not list(repo.path.rglob("*.sopsmith-new"))
    said = " ".join(str(part) for finding in stop.value.findings for part in finding)
    assert [canary for canary in repo.canaries if canary in said] == []
    return said


def calls(repo: Repo, script: str = "") -> Path:
    """Put a sops before the real one that notes each call; the file of the notes."""
    folder = repo.path.parent / "bin"
    folder.mkdir(exist_ok=True)
    note = folder / "calls"
    note.write_text("")
    for_each = f"cat /proc/$$/cmdline /proc/$$/environ >> {note}; echo >> {note}\n{script}\n"
    (folder / "sops").write_text(f'#!/bin/sh\n{for_each}exec {REAL} "$@"\n')
    (folder / "sops").chmod(0o755)
    repo.env["PATH"] = f"{folder}:{os.environ['PATH']}"
    return note


# --- as small as it can be ------------------------------------------------------------------------


class Shape(NamedTuple):
    """One way to write a component: TOKEN and OTHER in it, whatever else."""

    path: str
    text: str  # with {0} and {1} for the two values
    flags: tuple[str, ...] = ()
    at: tuple[str, ...] = ()  # where the keys are
    is_base64: bool = False


YAML = "# first\nFIRST: one\n# of the token\nTOKEN: {0}\nOTHER: {1}\nlast: z\n# end\n"
JSON = '{{"FIRST": "one", "TOKEN": "{0}", "OTHER": "{1}", "last": "z"}}'
SECRET = """\
# by hand
apiVersion: v1
kind: Secret
metadata:
    name: shop # clear
type: Opaque
{2}:
    FIRST: b25l
    # of the token
    TOKEN: {0}
    OTHER: {1}
"""
DATA, TEXT = SECRET.replace("{2}", "data"), SECRET.replace("{2}", "stringData")
SHAPES = {
    "yaml": Shape("a.yaml", YAML),
    "yaml-2": Shape("a.yaml", YAML, ("--indent", "2")),
    "json-tabs": Shape("a.json", JSON),
    "json-2": Shape("a.json", JSON, ("--indent", "2")),
    "dotenv": Shape("a.env", "# first\nFIRST=one\n# token\nTOKEN={0}\nOTHER={1}\nlast=z\n"),
    "data": Shape("secret.yaml", DATA, at=("data",), is_base64=True),
    "stringData": Shape("secret.yaml", TEXT, at=("stringData",)),
    "secret-2": Shape("secret.yaml", TEXT, ("--indent", "2"), ("stringData",)),
}


class Made(NamedTuple):
    """A component of one shape, committed."""

    repo: Repo
    shape: Shape

    def change(self, **values: str | None) -> tuple[str, ...]:
        return change(self.repo, self.shape.path, **values)

    def values(self) -> dict[str, str]:
        """The map with the keys in it, as text."""
        tree = decrypted(self.repo, self.shape.path)
        for part in self.shape.at:
            tree = tree[part]
        return dict(tree)

    def stored(self, text: str) -> str:
        """A value as the file holds it."""
        return b64encode(text.encode()).decode() if self.shape.is_base64 else text

    def changed(self) -> list[str]:
        """The names of the lines that git shows as changed, each side once."""
        out = self.repo.run("git", "diff", "--unified=0", "--no-color").out.splitlines()
        lines = [line for line in out if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        names = [line[0] + line[1:].strip(" \t\"").replace('"', "").replace("sops_", "")
                 for line in lines]  # fmt: skip
        found = sorted(name.replace("=", ":").partition(":")[0] for name in names)
        return [name for name in found if name[1:] != "lastmodified"]  # the same within a second


@pytest.fixture(params=SHAPES)
def made(vault: Repo, request: pytest.FixtureRequest) -> Made:
    """A component of each shape."""
    shape = SHAPES[request.param]
    one = Made(vault, shape)
    texts = [vault.canary(one.stored(vault.canary())) for _ in range(2)]
    encrypted(vault, shape.path, shape.text.format(*texts), *shape.flags)
    return one


def both(*names: str) -> list[str]:
    """These lines and the MAC's, on each side."""
    return sorted(side + name for side in "+-" for name in (*names, "mac"))


def test_one_changed_value_is_one_changed_line(made: Made) -> None:
    before, order = made.values(), list(made.values())
    fresh = made.repo.canary()
    assert made.change(TOKEN=fresh) == (made.shape.path,)
    assert made.changed() == both("TOKEN")
    assert made.values() == {**before, "TOKEN": made.stored(fresh)}
    assert list(made.values()) == order


def test_several_at_once_are_their_lines(made: Made) -> None:
    before = made.values()
    one, two, three = (made.repo.canary() for _ in range(3))
    made.change(TOKEN=one, NEW=two, OTHER=three)
    assert made.changed() == sorted([*both("TOKEN", "OTHER"), "+NEW"])
    wanted = {"TOKEN": one, "OTHER": three, "NEW": two}
    assert made.values() == {**before, **{k: made.stored(v) for k, v in wanted.items()}}
    assert list(made.values())[-1] == "NEW"


def test_a_removed_value_is_one_line_less(made: Made) -> None:
    before = made.values()
    made.change(OTHER=None)
    assert made.changed() == sorted(["-OTHER", *both()])
    del before["OTHER"]
    assert made.values() == before


def test_a_value_that_is_so_already_writes_nothing(made: Made) -> None:
    file = made.repo.path / made.shape.path
    when = file.stat()
    token = made.repo.canaries[1] if made.shape.is_base64 else made.values()["TOKEN"]
    assert made.change(TOKEN=token, ABSENT=None) == ()
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (when.st_mtime_ns, when.st_ino)
    assert made.changed() == []


def test_comments_stay(made: Made) -> None:
    file = made.repo.path / made.shape.path

    def comments() -> list[str]:
        return [line for line in file.read_text().splitlines() if "#" in line]

    before = comments()
    made.change(TOKEN=made.repo.canary())
    assert comments() == before
    assert bool(before) is not made.shape.path.endswith("json")


def test_the_last_key_can_go_and_come(vault: Repo) -> None:
    encrypted(vault, "secret.yaml", DATA.format("b25l", "b25l"))
    change(vault, "secret.yaml", TOKEN=None, OTHER=None, FIRST=None)
    assert decrypted(vault, "secret.yaml")["data"] == {}
    fresh = vault.canary()
    change(vault, "secret.yaml", TOKEN=fresh)
    assert decrypted(vault, "secret.yaml")["data"] == {"TOKEN": b64encode(fresh.encode()).decode()}


def test_a_null_and_a_number_are_changed_too(vault: Repo) -> None:
    encrypted(vault, "a.yaml", "A: null\nB: 5\nC: text\n")
    change(vault, "a.yaml", A=None, B="5")
    assert decrypted(vault, "a.yaml") == {"B": "5", "C": "text"}


# --- what values can be ---------------------------------------------------------------------------

IMPOSSIBLE = {"nul", "c0"}
LINE_BREAKS = {"cr", "crlf", "mixed-line-breaks", "pem-crlf", "c0"}


@pytest.mark.parametrize("path", ["a.yaml", "a.json", "a.env"])
def test_a_value_may_read_like_a_name_a_date_or_a_key_beside_it(vault: Repo, path: str) -> None:
    """What stands in the file anyway tells nothing of the value."""
    public = {
        "wordpress-username": "wordpress",
        "POSTGRES_DB": "POSTGRES_DB",
        "SINCE": datetime.now(UTC).date().isoformat(),  # noqa: TID251 - as sops writes it
        "READER": vault.recipient,
        "MODE": "AES256_GCM",
    }
    writeback.write(str(vault.path), vault.env, [made_of(path, public)])
    assert decrypted(vault, path) == public
    writeback.write(str(vault.path), vault.env, [made_of(f"other-{path}", {"TOKEN": "a"})])
    change(vault, f"other-{path}", **public)
    assert decrypted(vault, f"other-{path}") == {"TOKEN": "a", **public}


def made_of(path: str, values: Mapping[str, str]) -> writeback.NewComponent:
    return writeback.NewComponent(path, {name: Sensitive(text) for name, text in values.items()})


@pytest.mark.parametrize("path", ["a.yaml", "a.json", "a.env", "secret.yaml"])
def test_awkward_texts_go_in_and_come_out(vault: Repo, path: str) -> None:
    texts = DATA.format("b25l", "b25l") if path == "secret.yaml" else YAML.format("a", "b")
    texts = JSON.format("a", "b") if path == "a.json" else texts
    encrypted(vault, path, "TOKEN=a\n" if path == "a.env" else texts)
    given = {
        name: text
        for name, text in TEXTS.items()
        if name not in IMPOSSIBLE
        and not (path == "a.env" and (name in LINE_BREAKS or "\\n" in text))
    }
    change(vault, path, **given)
    held = decrypted(vault, path)
    held = held["data"] if path == "secret.yaml" else held
    stored = {
        name: b64encode(text.encode()).decode() if path == "secret.yaml" else text
        for name, text in given.items()
    }
    assert {name: held[name] for name in given} == stored


def test_awkward_texts_make_a_new_component(vault: Repo) -> None:
    given = {name: text for name, text in AWKWARD.items() if name not in IMPOSSIBLE}
    new = writeback.NewComponent("new.yaml", {k: Sensitive(v) for k, v in given.items()})
    assert writeback.write(str(vault.path), vault.env, [new]) == ("new.yaml",)
    assert decrypted(vault, "new.yaml") == given


def test_a_value_of_a_mebibyte(vault: Repo) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    text = vault.canary() * 43_690 + "é😀\n"
    change(vault, "a.yaml", TOKEN=text)
    assert decrypted(vault, "a.yaml") == {"TOKEN": text}


@pytest.mark.parametrize(
    ("path", "text"),
    [("a.yaml", "a\0b"), ("a.env", "a\\nb"), ("a.env", "a\rb"), ("a.json", "\0")],
)
def test_what_a_file_can_not_hold_is_refused(vault: Repo, path: str, text: str) -> None:
    new = writeback.NewComponent(path, {"TOKEN": Sensitive("text")})
    writeback.write(str(vault.path), vault.env, [new])
    refused(vault, "not-text", path, TOKEN=text)


def test_bytes_are_no_text(vault: Repo) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    edit = writeback.ComponentEdit("a.yaml", (Change("TOKEN", Sensitive(b"\xff\xfe")),))
    with pytest.raises(SopsmithError, match="not-text"):
        writeback.write(str(vault.path), vault.env, [edit])


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_a_whole_file_comes_and_is_replaced(vault: Repo, size: int) -> None:
    for content in (os.urandom(size), bytes(range(256)) * 3):
        whole = writeback.WholeFile("keystore.p12", Sensitive(content))
        assert writeback.write(str(vault.path), vault.env, [whole]) == ("keystore.p12",)
        formats = ("--input-type", "binary", "--output-type", "binary")
        sops = ("sops", "--config", "/dev/null", "decrypt", *formats, "keystore.p12")
        done = subprocess.run(sops, capture_output=True, env=vault.env, cwd=vault.path)
        assert done.stdout == content


def a_document(path: str, **texts: str) -> writeback.Document:
    leaves: dict[tuple[str, ...], Sensitive] = {("kind",): Sensitive("Secret")}
    leaves |= {("metadata", "deep", name): Sensitive(text) for name, text in texts.items()}
    return writeback.Document(path, leaves)


def test_a_document_of_any_depth_comes_and_is_replaced(vault: Repo) -> None:
    for texts in ({"a": vault.canary(), "b": "1e5"}, {"c": vault.canary()}):
        for path in ("a.yaml", "a.json"):
            writeback.write(str(vault.path), vault.env, [a_document(path, **texts)])
            assert decrypted(vault, path) == {"kind": "Secret", "metadata": {"deep": texts}}


@pytest.mark.parametrize("name", ["TOKEN_unencrypted", "a"])
def test_a_document_with_a_clear_leaf_is_refused_before_sops_runs(vault: Repo, name: str) -> None:
    """By its own name, or because the rule selects others."""
    path = "new.yaml" if name != "a" else "regex.yaml"
    note = calls(vault)
    with pytest.raises(SopsmithError, match="would-be-plaintext"):
        document = a_document(path, **{name: vault.canary()})
        writeback.write(str(vault.path), vault.env, [document])
    assert note.read_text() == "" and not (vault.path / path).exists()


def test_a_file_that_could_not_be_read_again_is_not_written(vault: Repo) -> None:
    """Components are read up to 8 MiB, and encryption makes a third more of it."""
    whole = writeback.WholeFile("large.bin", Sensitive(bytes(6_500_000)))
    with pytest.raises(SopsmithError, match="write-failed"):
        writeback.write(str(vault.path), vault.env, [whole])
    assert not (vault.path / "large.bin").exists()


# --- what would become plaintext ------------------------------------------------------------------


def test_a_name_that_sops_leaves_clear_is_refused_before_sops_runs(vault: Repo) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    note = calls(vault)
    said = refused(vault, "would-be-plaintext", "a.yaml", X_unencrypted=vault.canary())
    assert "X_unencrypted" in said
    assert note.read_text() == ""


def test_what_the_expression_leaves_out_is_refused_before_sops_runs(vault: Repo) -> None:
    encrypted(vault, "regex.yaml", "TOKEN: a\n")
    note = calls(vault)
    refused(vault, "would-be-plaintext", "regex.yaml", OTHER=vault.canary())
    assert note.read_text() == ""
    change(vault, "regex.yaml", TOKEN_2=vault.canary())
    assert "TOKEN_2: ENC[" in (vault.path / "regex.yaml").read_text()


@pytest.mark.parametrize(
    "rule",
    ["encrypted_regex: ^SECRET", "unencrypted_suffix: _clear", "encrypted_suffix: _secret",
     "unencrypted_regex: ^TOKEN"],
)  # fmt: skip
def test_a_rule_that_was_changed_since_is_refused_before_sops_runs(vault: Repo, rule: str) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    vault.write(".sops.yaml", f"creation_rules:\n  - {{age: {vault.recipient}, {rule}}}\n")
    note = calls(vault)
    refused(vault, "crypt-rule", "a.yaml", TOKEN=vault.canary())
    assert note.read_text() == ""


def test_a_new_component_with_a_clear_name_is_refused_before_sops_runs(vault: Repo) -> None:
    note = calls(vault)
    new = writeback.NewComponent("new.yaml", {"A_unencrypted": Sensitive(vault.canary())})
    with pytest.raises(SopsmithError, match="would-be-plaintext"):
        writeback.write(str(vault.path), vault.env, [new])
    assert note.read_text() == ""
    assert not (vault.path / "new.yaml").exists()


# --- what is not trusted --------------------------------------------------------------------------


@pytest.fixture
def stranger(tmp_path: Path, vault: Repo) -> str:
    """The recipient of somebody else's key."""
    vault.run("age-keygen", "-o", str(tmp_path / "stranger"))
    return vault.run("age-keygen", "-y", str(tmp_path / "stranger")).out.strip()


def test_a_foreign_reader_of_the_file_is_refused_before_sops_runs(
    vault: Repo, stranger: str
) -> None:
    vault.component("a.yaml", {"TOKEN": vault.canary()}, recipient=f"{vault.recipient},{stranger}")
    note = calls(vault)
    said = refused(vault, "recipients-differ", "a.yaml", TOKEN=vault.canary())
    assert f"also readable for {stranger}" in said
    assert note.read_text() == ""


def test_a_reader_that_the_file_lacks_is_refused(vault: Repo, stranger: str) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    both = f"- age: {vault.recipient},{stranger}"
    vault.edit(".sops.yaml", lambda text: text.replace(f"- age: {vault.recipient}", both))
    said = refused(vault, "recipients-differ", "a.yaml", TOKEN=vault.canary())
    assert f"not readable for {stranger}" in said


RULE_FILES = {
    "missing": (None, "rule-missing"),
    "covers-others": ("creation_rules:\n  - {{path_regex: ^b, age: {0}}}\n", "rule-missing"),
    "no-yaml": ("creation_rules: [\n", "rules-syntax"),
    "misspelt": ("creation_rules:\n  - {{agee: {0}}}\n", "rules-field"),
    "not-re2": ("creation_rules:\n  - {{age: {0}, encrypted_regex: '^(?!x)'}}\n", "crypt-rule"),
}


@pytest.mark.parametrize("name", RULE_FILES)
def test_rules_that_can_not_be_relied_on(vault: Repo, name: str) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    text, code = RULE_FILES[name]
    (vault.path / ".sops.yaml").unlink()
    if text:
        vault.write(".sops.yaml", text.format(vault.recipient))
    note = calls(vault)
    refused(vault, code, "a.yaml", TOKEN=vault.canary())
    assert note.read_text() == ""


def test_the_demo_key_is_refused(vault: Repo) -> None:
    vault.component("a.yaml", {"TOKEN": "a"}, recipient=DEMO_RECIPIENT)
    refused(vault, "demo-key", "a.yaml", TOKEN=vault.canary())


def test_key_types_that_nobody_trusts_are_refused_before_sops_runs(vault: Repo) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    entry = "hc_vault:\n        - vault_address: https://vault.example.org\n    "
    vault.edit("a.yaml", lambda text: text.replace("lastmodified:", f"{entry}lastmodified:", 1))
    note = calls(vault)
    refused(vault, "foreign-key-type", "a.yaml", TOKEN=vault.canary())
    assert note.read_text() == ""


SPOILT: dict[str, tuple[Callable[[str], str], str]] = {
    "two-documents": (lambda text: text + "---\n" + text, "tampered"),
    "a-clear-value": (lambda text: "CLEAR: text\n" + text, "not-encrypted"),
    "a-swapped-key": (lambda text: text.replace("TOKEN:", "NEKOT:"), "tampered"),
    "a-value-less": (lambda text: text.partition("\n")[2], "tampered"),
    "another-time": (lambda text: text.replace('lastmodified: "2', 'lastmodified: "1'), "tampered"),
    "no-mac": (lambda text: text.replace("    mac:", "    nac:"), "tampered"),
    "a-conflict": (lambda text: f"<<<<<<< a\n{text}=======\n{text}>>>>>>> b\n", "conflict-marker"),
    "not-encrypted": (lambda text: "TOKEN: a\n", "not-encrypted"),
    "empty": (lambda text: "", "not-encrypted"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_spoilt_file_is_not_changed(vault: Repo, name: str) -> None:
    encrypted(vault, "a.yaml", "OTHER: b\nTOKEN: a\n")
    spoil, code = SPOILT[name]
    vault.edit("a.yaml", spoil)
    refused(vault, code, "a.yaml", TOKEN=vault.canary())


def test_without_a_key_nothing_is_changed(vault: Repo) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    vault.env["SOPS_AGE_KEY_FILE"] = "/nowhere"
    refused(vault, "no-key", "a.yaml", TOKEN=vault.canary())


# --- which file -----------------------------------------------------------------------------------


def test_a_link_inside_stays_a_link(vault: Repo) -> None:
    encrypted(vault, "real/a.yaml", "TOKEN: a\n")
    (vault.path / "a.yaml").symlink_to("real/a.yaml")
    (vault.path / "folder").symlink_to("real")
    for path in ("a.yaml", "folder/a.yaml"):
        fresh = vault.canary()
        change(vault, path, TOKEN=fresh)
        assert decrypted(vault, "real/a.yaml") == {"TOKEN": fresh}
    assert (vault.path / "a.yaml").is_symlink()
    assert (vault.path / "folder").is_symlink()
    assert os.listdir(vault.path / "real") == ["a.yaml"]


def test_a_link_that_leads_outside_is_refused(vault: Repo) -> None:
    encrypted(vault, "a.yaml", "TOKEN: a\n")
    outside = vault.path.parent / "outside"
    outside.mkdir()
    (vault.path / "a.yaml").rename(outside / "a.yaml")
    (vault.path / "a.yaml").symlink_to(outside / "a.yaml")
    (vault.path / "folder").symlink_to(outside)
    note = calls(vault)
    for path in ("a.yaml", "folder/a.yaml", "../outside/a.yaml", str(outside / "a.yaml")):
        refused(vault, "path-refused", path, TOKEN=vault.canary())
    assert note.read_text() == ""
    for new in ("folder/new.yaml", "../new.yaml", "folder/deeper/new.yaml"):
        edit = writeback.TextEdit(new, None, b"text")
        with pytest.raises(SopsmithError, match="path-refused"):
            writeback.write(str(vault.path), vault.env, [edit])
    assert os.listdir(outside) == ["a.yaml"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_the_mode_stays(vault: Repo, mode: int) -> None:
    file = encrypted(vault, "a.yaml", "TOKEN: a\n")
    file.chmod(mode)
    change(vault, "a.yaml", TOKEN=vault.canary())
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_a_new_file_gets_the_mode_that_files_get(vault: Repo) -> None:
    new = writeback.NewComponent("deep/er/new.yaml", {"TOKEN": Sensitive(vault.canary())})
    before = os.umask(0o027)
    try:
        writeback.write(str(vault.path), vault.env, [new])
    finally:
        os.umask(before)
    assert stat.S_IMODE((vault.path / "deep/er/new.yaml").stat().st_mode) == 0o640


def test_another_name_of_the_file_keeps_the_old_text(vault: Repo) -> None:
    """A hard link to it is another's business, and nothing is written through it."""
    file = encrypted(vault, "a.yaml", "TOKEN: a\n")
    before = file.read_bytes()
    other = vault.path.parent / "other"
    os.link(file, other)
    change(vault, "a.yaml", TOKEN=vault.canary())
    assert other.read_bytes() == before != file.read_bytes()


def test_what_someone_else_drew_meanwhile_stays(made: Made) -> None:
    before = made.values()
    drawn = Change("TOKEN", Sensitive(made.repo.canary()), is_new=True)
    edit = writeback.ComponentEdit(made.shape.path, (drawn,))
    with pytest.raises(SopsmithError) as stop:
        writeback.write(str(made.repo.path), made.repo.env, [edit])
    assert [finding.code for finding in stop.value.findings] == ["write-conflict"]
    assert made.values() == before


def test_what_is_there_is_not_made_anew(vault: Repo) -> None:
    file = encrypted(vault, "a.yaml", "TOKEN: a\n")
    before = file.read_bytes()
    edits: list[writeback.Edit] = [
        writeback.NewComponent("a.yaml", {"TOKEN": Sensitive(vault.canary())}),
        writeback.TextEdit("a.yaml", None, b"text"),
        writeback.TextEdit("a.yaml", b"another", b"text"),
    ]
    for edit in edits:
        with pytest.raises(SopsmithError, match="write-conflict"):
            writeback.write(str(vault.path), vault.env, [edit])
    assert file.read_bytes() == before


def test_what_somebody_changed_meanwhile_is_not_removed(vault: Repo) -> None:
    file = encrypted(vault, "a.yaml", "TOKEN: a\n")
    before = file.read_bytes()
    edit = writeback.Removal("a.yaml", before)
    draft = writeback.draft(str(vault.path), vault.env, [edit], commit=False)
    file.write_bytes(b"another's")
    with pytest.raises(SopsmithError, match="write-conflict"):
        draft.write()
    assert file.read_bytes() == b"another's"
    file.write_bytes(before)
    assert writeback.write(str(vault.path), vault.env, [edit]) == ("a.yaml",)
    assert not file.exists()


def test_a_whole_file_that_is_to_be_new_replaces_none(vault: Repo) -> None:
    whole = writeback.WholeFile("keystore.p12", Sensitive(b"first"), is_new=True)
    assert writeback.write(str(vault.path), vault.env, [whole]) == ("keystore.p12",)
    there = (vault.path / "keystore.p12").read_bytes()
    with pytest.raises(SopsmithError, match="write-conflict"):
        writeback.write(str(vault.path), vault.env, [whole])
    assert (vault.path / "keystore.p12").read_bytes() == there


def test_nothing_is_written_unless_all_can_be(vault: Repo) -> None:
    file = encrypted(vault, "a.yaml", "TOKEN: a\n")
    before = file.read_bytes()
    recipe = vault.write("recipe.yaml", "old\n")
    edits: list[writeback.Edit] = [
        writeback.TextEdit("recipe.yaml", b"old\n", b"new\n"),
        writeback.TextEdit("made.yaml", None, b"made\n"),
        writeback.ComponentEdit("a.yaml", (Change("X_unencrypted", Sensitive("a")),)),
    ]
    with pytest.raises(SopsmithError, match="would-be-plaintext"):
        writeback.write(str(vault.path), vault.env, edits)
    assert (file.read_bytes(), recipe.read_bytes()) == (before, b"old\n")
    assert not (vault.path / "made.yaml").exists()


# --- a sops that lies -----------------------------------------------------------------------------

# After the real `set`: `text` is what it made of the file, `value` what it was given.
LIES = {
    "drops-a-key": "text = re.sub(rb'OTHER: .*\\n', b'', text)",
    "writes-plaintext": "text = re.sub(rb'TOKEN: .*', b'TOKEN: ' + value, text)",
    "writes-another-value": "real(b'\"something-else\"'); text = read()",
    "writes-nothing": "text = before",
    "adds-a-reader": "text = text.replace(b'    age:\\n', b'    age:\\n        - recipient: '"
    "b'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p\\n          enc: x\\n', 1)",
    "changes-another-value": "argv[-1] = '[\"OTHER\"]'; real(b'\"other\"'); text = read()",
    "encrypts-another-value-anew": "argv[-1] = '[\"OTHER\"]'; real(b'\"x\"'); real(b'\"OLD\"')\n"
    "text = read()",
    "changes-a-clear-field": "text = text.replace(b'_unencrypted: prod', b'_unencrypted: dev')",
    "changes-the-crypt-rule": "text = text.replace(b'suffix: _unencrypted', b'suffix: _clear')",
    "loses-the-mac": "text = re.sub(rb'    mac: .*\\n', b'', text)",
    "loses-the-metadata": "text = text.partition(b'sops:')[0]",
    "empties-the-file": "text = b''",
    "cuts-it-off": "text = text[:-100]",
    "writes-two-documents": "text += b'---\\n' + text",
    "writes-garbage": "text = b'\\xff\\xfe' * 1000",
    "writes-a-comment": "text = text.replace(b'OTHER:', b'# ' + value + b'\\nOTHER:')",
    "writes-a-comment-behind": "text = text.replace(b'OTHER: ', b'OTHER: # ' + value + b'\\n    ')",
    "notes-it-in-the-metadata": "text = text.replace(b'sops:', b'sops:\\n    note: ' + value)",
}
LIAR = """\
#!{python} -IS
import os, re, subprocess, sys
argv = sys.argv[1:]
if "set" not in argv:
    os.execv({sops!r}, [{sops!r}, *argv])
given = sys.stdin.buffer.read()
value = given.strip(b'"')
def read():
    with open("/proc/self/fd/3", "rb") as stream:
        return stream.read()
def real(stdin):
    subprocess.run([{sops!r}, *argv], input=stdin, check=True, pass_fds=(3,))
before = read()
real(given)
text = read()
{lie}
with open("/proc/self/fd/3", "wb") as stream:
    stream.write(text)
print(value.decode(), "OLD", file=sys.stderr)
"""


@pytest.fixture
def lied(vault: Repo) -> Repo:
    """A component with a clear field and three values."""
    text = f"SOPSMITH_ENVIRONMENT_unencrypted: prod\nTOKEN: {vault.canary()}\nOTHER: OLD\n"
    encrypted(vault, "a.yaml", text)
    return vault


def liar(repo: Repo, lie: str) -> None:
    calls(repo)
    script = LIAR.format(python=sys.executable, sops=REAL, lie=lie)
    (repo.path.parent / "bin/sops").write_text(script)


@pytest.mark.parametrize("name", LIES)
def test_a_sops_that_lies_changes_nothing(lied: Repo, name: str) -> None:
    liar(lied, LIES[name])
    refused(lied, "write-unverified", "a.yaml", TOKEN=lied.canary())


def test_a_sops_that_only_talks_too_much_is_not_heard(lied: Repo) -> None:
    """Its stderr may quote plaintext, and this one's does."""
    lied.shop({"TOKEN": lied.canary()})
    commit(lied)
    liar(lied, "")
    fresh = lied.canary()
    run = lied.run("sopsmith", "set", "TOKEN", stdin=fresh.encode())
    assert (run.code, run.err) == (0, "")
    assert fresh not in run.out
    assert decrypted(lied, "shop.enc.yaml")["TOKEN"] == fresh


ENDS = {
    "hangs": ("sleep 60 & echo $! >> {pids}; wait", "program-timeout"),
    "dies": ("kill -9 $$", "program-failed"),
    "dies-of-a-pipe": ("kill -13 $$", "program-failed"),
    "fails-and-quotes": ("cat >&2; exit 25", "tampered"),
    "fails-and-prints": ("cat; exit 1", "program-failed"),
    "crashes": ("echo panic: x >&2; cat >&2; exit 2", "program-failed"),
    "floods": ("yes >&2", "program-timeout"),
    "prints-without-end": ("yes", "program-failed"),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_sops_that_ends_otherwise_changes_nothing(lied: Repo, name: str) -> None:
    script, code = ENDS[name]
    pids = lied.path.parent / "pids"
    does = f'case "$*" in *" set "*) {script.format(pids=pids)};; esac'
    calls(lied, does)
    if code == "program-timeout":
        lied.env["SOPSMITH_SOPS_TIMEOUT"] = "1.5"
    refused(lied, code, "a.yaml", TOKEN=lied.canary())
    for pid in pids.read_text().split() if pids.exists() else ():
        assert not running(int(pid))


NEW_LIES = {
    "plaintext": "cat",
    "nothing": "cat > /dev/null",
    "another-reader": f"exec {REAL} --config /dev/null encrypt --age {{other}} --input-type json"
    " --output-type yaml --filename-override a.yaml",
    "another-value": f'sed s/SALT/SUGAR/ | {REAL} "$@"; exit 0',
    "a-key-less": f'echo \'{{{{"OTHER": "x"}}}}\' | {REAL} "$@"; exit 0',
    "a-comment": f'v=$(cat); printf %s "$v" | {REAL} "$@"; echo "# $v"; exit 0',
    "half-clear": f"{REAL} \"$@\" | sed 's/^SALT: .*/SALT: clear/'; exit 0",
}


@pytest.mark.parametrize("kind", [writeback.NewComponent, writeback.Document])
@pytest.mark.parametrize("name", NEW_LIES)
def test_a_lie_about_a_new_component_makes_none(
    vault: Repo, stranger: str, name: str, kind: type
) -> None:
    script = NEW_LIES[name].format(other=stranger)
    calls(vault, f'case "$*" in *" encrypt "*) {script}; exit 0;; esac')
    key = "SALT" if kind is writeback.NewComponent else ("SALT",)
    new = kind("new.yaml", {key: Sensitive(vault.canary())})
    with pytest.raises(SopsmithError, match="write-unverified"):
        writeback.write(str(vault.path), vault.env, [new])
    assert not (vault.path / "new.yaml").exists()


# --- what others on the machine can see -----------------------------------------------------------


def test_no_value_is_in_the_arguments_or_the_environment_of_a_child(vault: Repo) -> None:
    token, other = vault.canary(), vault.canary()
    vault.shop({"TOKEN": token, "OTHER": other}, values={"OTHER": {"optional": True}})
    commit(vault)
    note = calls(vault)
    tree = json.loads((vault.path / "overlay/recipe.yaml").read_text())
    tree["spec"]["values"]["OTHER"] = {"optional": True}
    vault.write("overlay/recipe.yaml", json.dumps(tree))
    noise: dict[str, Any] = {
        "TOKEN": vault.canary(),
        "SOPS_AGE_RECIPIENTS": "age1evil",
        "SOPS_KMS_ARN": "arn",
    }
    run = vault.run("sopsmith", "set", "TOKEN", stdin=vault.canary().encode(), **noise)
    assert run.code == 0, run.err
    assert vault.cli("unset", "OTHER").code == 0
    new = writeback.NewComponent("new.yaml", {"SALT": Sensitive(vault.canary())})
    writeback.write(str(vault.path), vault.env, [new])
    seen = note.read_text()
    assert seen.count("--value-stdin") == 1
    assert seen.count("unset\0") == 1
    assert seen.count("encrypt\0") == 1
    assert [canary for canary in vault.canaries if canary in seen] == []
    assert "SOPS_AGE_RECIPIENTS" not in seen
    assert "SOPS_KMS_ARN" not in seen


WITHOUT_MEMFD = """
import os, sys
del os.memfd_create
from sopsmith.cli import main
main(sys.argv[1:])
"""


def test_where_nothing_lives_in_memory_the_copy_is_private_ciphertext_and_goes(
    vault: Repo,
) -> None:
    """As on macOS: the copy is a file, which a sops that looks over it describes."""
    vault.shop({"TOKEN": vault.canary()})
    commit(vault)
    before = (vault.path / "shop.enc.yaml").read_bytes()
    seen, real = vault.path.parent / "seen", str(shutil.which("sops"))
    folder = vault.path.parent / "bin"
    folder.mkdir()
    look = f'case $a in */copy) stat -c "%a %n" "$a" >> {seen}; cat "$a" >> {seen}.text;; esac'
    (folder / "sops").write_text(f'#!/bin/sh\nfor a; do {look}; done\nexec {real} "$@"\n')
    (folder / "sops").chmod(0o755)
    fresh = vault.canary()
    run = vault.run(
        sys.executable, "-c", WITHOUT_MEMFD, "set", "TOKEN", stdin=fresh.encode(),
        PATH=f"{folder}:{vault.env['PATH']}",
    )  # fmt: skip
    assert run.code == 0, run.err
    mode, _, copy = seen.read_text().splitlines()[0].partition(" ")
    assert mode == "600" and copy.startswith(f"{vault.temp}/sopsmith-")
    text = Path(f"{seen}.text").read_bytes()
    assert before in text and [each for each in vault.canaries if each.encode() in text] == []
    assert list(vault.temp.iterdir()) == []
    assert vault.cli("get", "TOKEN").out == fresh
