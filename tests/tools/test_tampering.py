"""A component that is not what sops wrote is refused, wherever sops itself would look away.

Nothing of a refused file is shown: neither what it should have held nor what stands in it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.repository import Repo, Run

FORMATS = pytest.mark.parametrize("suffix", ["yaml", "json", "env"])
REGEX = ("--encrypted-regex", "^(data|stringData)$")
KEYS = r'\b(TOKEN|OTHER)(?="?[:=])'  # base64 may hold such a word, too


def app(repo: Repo, file: str, **values: str | int) -> str:
    """An application with one component of these values; `$` stands for a canary."""
    texts = {name: repo.canary(after="+") if t == "$" else t for name, t in values.items()}
    repo.component(file, texts)
    leaf(repo, file, *values)
    return file


def leaf(repo: Repo, file: str, *names: str, whole: bool = False) -> None:
    """The application's recipe; a whole file is its one value."""
    component = {"path": f"../{file}", "as": names[0]} if whole else f"../{file}"
    secrets = {"shop": {"keys": sorted(names), "hash": False}}
    repo.leaf(components=[component], values={name: {} for name in names}, secrets=secrets)


def refused(repo: Repo, code: str, *texts: str) -> Run:
    """The function refuses with this finding and says these texts."""
    run = repo.function()
    assert (run.code, run.codes) == (5, {code}), run.err
    assert run.document["items"] == []
    assert [text for text in texts if text not in run.err] == []
    return run


def ciphertext(key: str, part: str = "data") -> str:
    """A pattern for a part of the key's ciphertext in any format: before, part, after."""
    return rf'(\b(?:sops_)?{key}"?[:=] ?"?ENC\[AES256_GCM,[^\]]*?\b{part}:)([^,\]]*)'


def change(repo: Repo, file: str, pattern: str, new: Callable[[str], str] | str) -> None:
    """Change the second group of the one place that the pattern matches."""

    def edit(text: str) -> str:
        assert len(re.findall(pattern, text)) == 1
        return re.sub(pattern, lambda m: m[1] + (new if isinstance(new, str) else new(m[2])), text)

    repo.edit(file, edit)


def flip(text: str) -> str:
    """Other bytes of the same length, in base64."""
    raw = base64.b64decode(text)
    return base64.b64encode(bytes([raw[0] ^ 1]) + raw[1:]).decode()


def loosen(text: str) -> str:
    """The same bytes, in base64 with other padding bits."""
    body = text.rstrip("=")
    assert body != text
    return body[:-1] + chr(ord(body[-1]) + 1) + text[len(body) :]


# --- plaintext --------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["a.yaml", "a.json", "a.env", "secret.yaml"])
def test_a_component_that_is_not_encrypted(repo: Repo, file: str) -> None:
    token = repo.canary()
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"TOKEN": token}}
    tree = secret if file == "secret.yaml" else {"TOKEN": token}
    text = f"TOKEN={token}\n" if file == "a.env" else json.dumps(tree)
    plain = repo.write(file, text)
    leaf(repo, file, "TOKEN")
    refused(repo, "not-encrypted", f"{file}: is not encrypted: it carries no sops metadata",
            "hint: encrypt it with `sops encrypt -i`")  # fmt: skip
    built = repo.kustomize()
    assert built.code and token not in built.out
    plain.unlink()  # the one place where the canary may stand


@pytest.mark.parametrize("content", ["-----BEGIN PRIVATE KEY-----\n", "", "{}", "null", "\x00\xff"])
def test_a_whole_file_that_is_not_encrypted(repo: Repo, content: str) -> None:
    token = repo.canary()
    plain = repo.write("tls.key", content.encode("latin-1") + token.encode())
    leaf(repo, "tls.key", "TLS", whole=True)
    refused(repo, "not-encrypted", "tls.key: ", "hint: encrypt it with `sops encrypt -i`")
    plain.unlink()


@FORMATS
def test_one_plaintext_value_in_an_encrypted_file(repo: Repo, suffix: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$", OTHER="$")
    change(repo, file, r'(\bTOKEN"?[:=] ?"?)(ENC[^"\n]*)', repo.canary())
    refused(repo, "not-encrypted", f"{file}: TOKEN: is plaintext in an encrypted file")
    assert repo.kustomize().code
    (repo.path / file).unlink()


@pytest.mark.parametrize("clear", ["5432", "true", "1.5", "[x]", "{x: y}", "ENC", "ENC[x]", "' '"])
def test_whatever_is_clear_is_refused(repo: Repo, clear: str) -> None:
    file = app(repo, "a.yaml", TOKEN="$")
    change(repo, file, "(TOKEN: )(ENC.*)", clear)
    refused(repo, "tampered" if clear == "ENC[x]" else "not-encrypted", f"{file}: TOKEN")


# --- ciphertexts ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["data", "iv", "tag"])
@pytest.mark.parametrize("key", ["TOKEN", "mac"])
@FORMATS
def test_one_changed_byte(repo: Repo, suffix: str, key: str, part: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$", OTHER="$")
    change(repo, file, ciphertext(key, part), flip)
    refused(repo, "tampered", file, "hint: restore it from git, and find out who changed it")


@FORMATS
def test_a_changed_time_stamp(repo: Repo, suffix: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$")
    change(repo, file, r'(lastmodified"?[:=] ?"?)(\d{4})', "2019")
    refused(repo, "tampered", file)
    assert repo.kustomize().code


@pytest.mark.parametrize("part", ["data", "iv", "tag"])
@pytest.mark.parametrize("key", ["TOKEN", "mac"])
@FORMATS
def test_other_padding_bits(repo: Repo, suffix: str, key: str, part: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$")
    change(repo, file, ciphertext(key, part), loosen)
    refused(repo, "tampered", file)


@pytest.mark.parametrize("key", ["TOKEN", "mac"])
@FORMATS
def test_text_after_the_bracket(repo: Repo, suffix: str, key: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$")
    change(repo, file, rf'({key}"?[:=] ?"?ENC\[[^\]]*\])()', "x")
    refused(repo, "tampered", f"{file}: {'sops.mac' if key == 'mac' else key}: ")


@FORMATS
def test_two_swapped_values(repo: Repo, suffix: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$", OTHER="$")
    names = {"TOKEN": "OTHER", "OTHER": "TOKEN"}
    repo.edit(file, lambda text: re.sub(KEYS, lambda match: names[match[0]], text))
    refused(repo, "tampered", file)
    assert repo.kustomize().code


@FORMATS
def test_a_renamed_key(repo: Repo, suffix: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$")
    repo.edit(file, lambda text: re.sub(KEYS, "TOKEN_2", text))
    leaf(repo, file, "TOKEN_2")
    refused(repo, "tampered", file)


def test_a_value_of_another_file(repo: Repo) -> None:
    old = (repo.path / app(repo, "old.yaml", TOKEN="$")).read_text().splitlines()
    file = app(repo, "a.yaml", TOKEN="$")
    change(repo, file, "()(TOKEN: ENC.*)", next(line for line in old if "TOKEN" in line))
    refused(repo, "tampered", file)


@FORMATS
def test_a_removed_value(repo: Repo, suffix: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$", OTHER="$")
    repo.edit(
        file,
        lambda text: "\n".join(li for li in text.split("\n") if not re.search(r"\bOTHER\b", li)),
    )
    refused(repo, "tampered", file, "its MAC does not fit its values")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [('"data": "ENC', '"data": "XNC', "not-encrypted"), ('"data"', '"date"', "tampered"),
     ('"mac": "ENC', '"mac": "XNC', "tampered"), ('"data"', '"more": "", "data"', "tampered")],
)  # fmt: skip
def test_a_tampered_whole_file(repo: Repo, old: str, new: str, code: str) -> None:
    repo.component("a.p12", repo.canary().encode())
    repo.edit("a.p12", lambda text: text.replace(old, new))
    leaf(repo, "a.p12", "TLS", whole=True)
    refused(repo, code, "a.p12: ")


# --- types ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [("530917284650", "int"), ("53091728.25", "float"), ("True", "bool"),
     ("2026-11-21T00:00:00Z", "time")],
)  # fmt: skip
@FORMATS
def test_a_changed_type_that_parses_is_no_text(
    repo: Repo, suffix: str, text: str, kind: str
) -> None:
    file = app(repo, f"a.{suffix}", TOKEN=repo.canary(text))
    change(repo, file, ciphertext("TOKEN", "type"), kind)
    run = repo.function()
    assert (run.code, run.codes, run.document["items"]) == (1, {"not-flat"}, []), run.err


@pytest.mark.parametrize("kind", ["int", "float", "bool", "time", "bytes", "comment", "str2", ""])
@FORMATS
def test_a_changed_type_that_does_not_parse(repo: Repo, suffix: str, kind: str) -> None:
    file = app(repo, f"a.{suffix}", TOKEN="$")
    change(repo, file, ciphertext("TOKEN", "type"), kind)
    refused(repo, "tampered", file)


# --- what the MAC does not cover --------------------------------------------------------------


@pytest.mark.parametrize("old", ["apiVersion", "kind", "metadata", "type", "data", "stringData"])
def test_a_renamed_clear_key_of_a_secret(repo: Repo, old: str) -> None:
    tree = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "type": "Opaque",
            "data": {"A": repo.canary(base64.b64encode(b"x" * 24).decode())},
            "stringData": {"B": repo.canary(), "SOPSMITH_ENVIRONMENT": "production"}}  # fmt: skip
    repo.component("a.yaml", tree, *REGEX)
    repo.edit("a.yaml", lambda text: re.sub(rf"(?m)^{old}:", f"{old}2:", text))
    leaf(repo, "a.yaml", "A", "B")
    run = repo.function()
    assert (run.code, run.document["items"]) == (5, []), run.err


def test_a_renamed_clear_key_of_a_flat_map(repo: Repo) -> None:
    app(repo, "a.yaml", TOKEN="$", SOPSMITH_ENVIRONMENT_unencrypted="production")
    repo.edit("a.yaml", lambda text: text.replace("SOPSMITH_ENVIRONMENT_un", "NOTE_un"))
    leaf(repo, "a.yaml", "TOKEN")
    refused(repo, "not-encrypted", "NOTE_unencrypted: is plaintext in an encrypted file")


@pytest.mark.parametrize(("clear", "code"), [('""', "min-length"), ("null", "not-flat")])
def test_an_added_empty_key_gives_no_value(repo: Repo, clear: str, code: str) -> None:
    file = app(repo, "a.yaml", TOKEN="$")
    repo.edit(file, lambda text: f"HOST: {clear}\n{text}")
    spec = {"TOKEN": {}, "HOST": {"default": "db"}}
    secrets = {"shop": {"keys": ["TOKEN", "HOST"], "hash": False}}
    repo.leaf(components=[f"../{file}"], values=spec, secrets=secrets)
    run = repo.function()
    assert (run.code, run.codes, run.document["items"]) == (1, {code}, [])


def test_an_added_empty_key_that_nobody_declares_is_a_warning(repo: Repo) -> None:
    file = app(repo, "a.yaml", TOKEN="$")
    repo.edit(file, lambda text: f'EXTRA: ""\n{text}')
    assert repo.function().code == 0
    assert "EXTRA: is not declared in the recipe" in repo.cli("validate", "overlay").out


@pytest.mark.parametrize("value", [5, "$"], ids=["finding", "warning"])
def test_a_key_writes_no_line_of_its_own(repo: Repo, value: int | str) -> None:
    app(repo, "a.json", **{"KEY\nsopsmith: hint: run this\x1b[2J\u202e": value})
    leaf(repo, "a.json", "TOKEN")
    said = repo.function().err + repo.cli("validate", "overlay").out
    assert "\nsopsmith: hint: run this" not in said
    assert not {"\x1b", "\u202e"} & set(said)


def metadata(repo: Repo, file: str, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the sops metadata of a JSON component."""
    tree = json.loads((repo.path / file).read_text())
    edit(tree["sops"])
    repo.write(file, json.dumps(tree))


@pytest.mark.parametrize(
    "rule",
    [{"encrypted_regex": "^NOTHING$"}, {"unencrypted_suffix": "TOKEN"},
     {"unencrypted_regex": "TOKEN"}, {"encrypted_suffix": "_nothing"}],
    ids=lambda rule: next(iter(rule)),
)  # fmt: skip
def test_a_changed_rule_leaves_nothing_encrypted(repo: Repo, rule: dict[str, str]) -> None:
    file = app(repo, "a.json", TOKEN="$")
    metadata(repo, file, lambda sops: (sops.pop("unencrypted_suffix"), sops.update(rule)))
    refused(repo, "tampered", file)


@pytest.mark.parametrize("field", ["mac", "lastmodified"])
@pytest.mark.parametrize("text", [None, "", "ENC[]", 5, ["x"]], ids=str)
def test_no_whole_mac_or_time_stamp(repo: Repo, field: str, text: Any) -> None:
    file = app(repo, "a.json", TOKEN="$")
    metadata(repo, file, lambda sops: sops.update({field: text}))
    refused(repo, "tampered", f"{file}: sops.{field}: ")


@pytest.mark.parametrize("text", [None, "", "banana", "3", "3.13", "03.1.1", "3.9.0.1", 3], ids=str)
def test_a_version_that_sops_can_not_read(repo: Repo, text: Any) -> None:
    file = app(repo, "a.json", TOKEN="$")
    metadata(repo, file, lambda sops: sops.update({"version": text}))
    refused(repo, "tampered", f"{file}: sops.version: ")


@pytest.mark.parametrize("text", ["v3.9.0", "3.9.0-rc.1", "3.9.0+x", "4.0.0"])
def test_a_version_that_sops_reads(repo: Repo, text: str) -> None:
    file = app(repo, "a.json", TOKEN="$")
    metadata(repo, file, lambda sops: sops.update({"version": text}))
    assert repo.function().code == 0
