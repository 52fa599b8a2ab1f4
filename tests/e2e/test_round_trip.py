"""Byte for byte: what real sops encrypts, real kustomize's Secret holds.

Everything below goes in by `sops encrypt` and is compared with the Secret of `kustomize build`.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from pathlib import Path
from secrets import choice, randbelow, token_bytes
from typing import Any

import pytest

from tests.repository import Repo

PLANES = range(17)
PEM = "-----BEGIN PRIVATE KEY-----\nMIIB+/aZ=\n-----END PRIVATE KEY-----\n"

# Whatever some YAML reader takes for something else than text.
WORDS = r"""
    1e5 5e12 0e1 123456e7 -1e-5 1e1000 1E+5 0o17 017 09 0x1F 0b11 1_000 +1 -0 .5 5. 1.0 12e03
    12345678901234567890 .inf -.Inf .NaN nan yes no on off y n Yes NO true True TRUE false null
    Null NULL ~ << = ? - : | > |- >+ & * ! % @ ` , [ ] { } [] {} # ' " '' "" \ --- ... *a &a !!str
    12:30:45 190:20:30 2026-11-21 2026-11-21T00:00:00Z $(X) $$(X) ${X} $X {{.X}} %s%n !!binary
    a:b a=b =b #b \n \u0000 \ud83d \x00 aHVudGVyMg== MWU1 ENC[ ENC[] ]] a\ C:\new\table
"""
TEXTS = {
    "empty": "",
    "space": " ",
    "leading-space": "  a",
    "trailing-space": "a  ",
    "tab": "\t",
    "tab-inside": "a\tb",
    "comment": "a #b",
    "colon-space": "a: b",
    "dash-space": "- a",
    "question-space": "? a",
    "quotes": 'it\'s "quoted" `here`',
    "line-break": "\n",
    "line-breaks": "\n\n\n",
    "leading-line-break": "\na",
    "trailing-line-break": "a\n",
    "trailing-line-breaks": "a\n\n",
    "line-of-spaces": "a\n   \nb\n",
    "indented-lines": "  a\n b\n    c",
    "crlf": "a\r\nb\r\n",
    "cr": "a\rb\r",
    "mixed-line-breaks": "a\nb\r\nc\rd",
    "nul": "a\0b",
    "c0": "".join(map(chr, range(0x20))),
    "delete": "a\x7fb",
    "next-line": "a\x85b",
    "c1": "".join(map(chr, range(0x80, 0xA0))),
    "no-break-space": "a\xa0b",
    "line-separator": "a\u2028b",
    "paragraph-separator": "a\u2029b",
    "zero-width": "a\u200b\u200d\u2060b",
    "byte-order-mark": "\ufeffa",
    "inner-byte-order-mark": "a\ufeffb",
    "replacement": "a\ufffdb",
    "replacement-alone": "\ufffd",
    "noncharacters": "".join(chr((p << 16) + 0xFFFE) + chr((p << 16) + 0xFFFF) for p in PLANES),
    "arabic-noncharacters": "".join(map(chr, range(0xFDD0, 0xFDF0))),
    "planes": "".join(chr((p << 16) + 0x20) + chr((p << 16) + 0xABCD) for p in PLANES),
    "private-use": "\ue000\uf8ff\U000f0000\U00100000\U0010fffd",
    "beside-the-surrogates": "\ud7ff\ue000",
    "last": "\U0010ffff",
    "tags": "\U000e0001\U000e0041\U000e007f",
    "combining": "e\u0301 \u00e9 Z\u0351\u0343\u0337\u0322",
    "right-to-left": "a\u202e\u05e1\u05d5\u05d3\u202cb",
    "turkish": "\u0130I\u0131i",
    "emoji": "😀",
    "family": "👩‍👩‍👧‍👦🏳️‍🌈👍🏽🇺🇳",
    "pem": PEM,
    "pem-crlf": PEM.replace("\n", "\r\n"),
    "pem-in-one-line": PEM.replace("\n", "\\n"),
    "json": '{"a": ["\\u00e9", 1e5, null], "b": "\\\\"}',
    "yaml": "a: &x [1, 0o17]\nb: *x\n",
    "documents": "a\n---\nb\n...\n",
    "document-separator": "\n---\n",
    "directive": "%YAML 1.2\n---\n",
    "block": "|\n  a\n",
    "folded": ">-\n  a\n\n  b",
    "sops-metadata": 'sops:\n  mac: ENC[]\n  version: "3.13.3"\n',
    "html": "<script>&amp;</script>",
    "url": "postgresql://a:b%2F@c/d?e=f#g",
    "octal-in-base64": b64decode("0o17").decode(),
    "number-in-base64": b64decode("0740").decode(),
    "long": "x" * 100_000,
    "long-unicode": "密😀\x85é" * 10_000,
    "many-lines": "line\n" * 20_000,
    "many-spaces": " " * 5_000,
}
AWKWARD = {**{f"word-{n}": word for n, word in enumerate(WORDS.split())}, **TEXTS}
ANYTHING = {"rules": {"minLength": 0, "placeholder": True}}  # empty and `...` are meant here

FILES = {
    "empty": b"",
    "nul": b"\0",
    "line-break": b"\n",
    "every-byte": bytes(range(256)),
    "every-byte-backwards": bytes(range(255, -1, -1)) * 3,
    "not-utf-8": b"\xff\xfe\xc0\x80\xed\xa0\x80\xf5",
    "utf-16": "größe".encode("utf-16"),
    "gzip": bytes.fromhex("1f8b0800000000000003"),
    "yaml": b"a: 1e5\nb: yes\n",
    "json": b'{"data": "a", "sops": {}}',
    "null-in-base64": b64decode("null"),
    "true-in-base64": b64decode("true"),
    "float-in-base64": b64decode("1e10"),
    "hex-in-base64": b64decode("0x1F"),
    "number-in-base64": b64decode("12345678"),
    "large": token_bytes(700_000),
}


def encrypt(repo: Repo, path: str, text: str, given: str, stored: str) -> Path:
    """Encrypt a text with sops, from one format into another."""
    flags = ("--age", repo.recipient, "--input-type", given, "--output-type", stored)
    argv = ("sops", "--config", "/dev/null", "encrypt", *flags, "--filename-override", "any")
    run = repo.run(*argv, stdin=text.encode())
    assert run.code == 0
    return repo.write(path, run.out)


def decrypt(repo: Repo, path: str) -> dict[str, str]:
    """What sops alone makes of a component."""
    run = repo.run("sops", "--config", "/dev/null", "decrypt", "--output-type", "json", path)
    assert run.code == 0
    decrypted: dict[str, str] = run.document
    return decrypted


def built(repo: Repo, components: list[Any], names: list[str], size: int = 500) -> dict[str, bytes]:
    """All the values as Secrets of `size` keys each, built by kustomize and put together again."""
    parts = [names[start : start + size] for start in range(0, len(names), size)]
    secrets = {f"part-{n}": {"keys": part, "hash": False} for n, part in enumerate(parts)}
    values = dict.fromkeys(names, ANYTHING)
    repo.leaf(components=components, values=values, secrets=secrets)
    return {key: text for data in repo.kustomize().built.values() for key, text in data.items()}


# --- awkward text -----------------------------------------------------------------------------


def test_there_are_enough_awkward_strings() -> None:
    assert len(set(AWKWARD.values())) == len(AWKWARD) >= 105


@pytest.mark.parametrize("stored", ["yaml", "json", "env"])
def test_awkward_strings(repo: Repo, stored: str) -> None:
    given = {**AWKWARD, "token": repo.canary()}
    encrypt(repo, f"shop.{stored}", json.dumps(given), "json", stored.replace("env", "dotenv"))
    came = built(repo, [f"../shop.{stored}"], list(given))
    assert came == {name: text.encode() for name, text in given.items()}


@pytest.mark.parametrize("field", ["data", "stringData"])
def test_awkward_strings_in_an_encrypted_secret(repo: Repo, field: str) -> None:
    given = {**AWKWARD, "token": repo.canary()}
    coded = {name: b64encode(text.encode()).decode() for name, text in given.items()}
    secret = {"apiVersion": "v1", "kind": "Secret", field: coded if field == "data" else given}
    repo.component("shop.yaml", secret, "--encrypted-regex", "^(data|stringData)$")
    came = built(repo, ["../shop.yaml"], list(given))
    assert came == {name: text.encode() for name, text in given.items()}


def test_yaml_as_people_write_it(repo: Repo) -> None:
    token = repo.canary()
    key = "".join(f"  {line}\n" for line in PEM.splitlines())
    text = f'token: {token}\npem: |\n{key}quoted: "1e5"\nescaped: "\\N\\x7f😀"\nplain: it\'s # so\n'
    encrypt(repo, "shop.yaml", text, "yaml", "yaml")
    assert built(repo, ["../shop.yaml"], ["token", "pem", "quoted", "escaped", "plain"]) == {
        "token": token.encode(),
        "pem": PEM.encode(),
        "quoted": b"1e5",
        "escaped": "\x85\x7f😀".encode(),
        "plain": b"it's",
    }


def test_dotenv_as_people_write_it(repo: Repo) -> None:
    """One line a value, and no quoting: whatever stands behind the first = is the value."""
    lines = {name: t for name, t in AWKWARD.items() if "\n" not in t and "\\n" not in t}
    given = {**lines, "token": repo.canary()}
    text = "".join(f"{name}={value}\n" for name, value in given.items())
    encrypt(repo, "shop.env", text, "dotenv", "dotenv")
    came = built(repo, ["../shop.env"], list(given))
    assert came == {name: value.encode() for name, value in given.items()}


@pytest.mark.parametrize(
    ("written", "read"),
    [("a\\nb", "a\nb"), ("a\\\\nb", "a\\\nb"), (PEM.replace("\n", "\\n"), PEM)],
    ids=["backslash-n", "two-backslashes-n", "pem"],
)
def test_the_one_thing_that_sops_changes(repo: Repo, written: str, read: str) -> None:
    """sops alone reads `\\n` in a plaintext dotenv line as a line break: use YAML or JSON there."""
    encrypt(repo, "shop.env", f"KEY={written}\n", "dotenv", "dotenv")
    assert decrypt(repo, "shop.env") == {"KEY": read}
    assert built(repo, ["../shop.env"], ["KEY"]) == {"KEY": read.encode()}


# --- whole files ------------------------------------------------------------------------------


def test_awkward_whole_files(repo: Repo) -> None:
    given = {**FILES, "token": repo.canary().encode()}
    for name, data in given.items():
        repo.component(f"{name}.enc", data)
    components = [{"path": f"../{name}.enc", "as": name} for name in given]
    assert built(repo, components, list(given)) == given


@pytest.mark.parametrize("coded", ["null", "true", "1e10", "0x1F", "12345678", "0o17", "0740"])
def test_base64_that_reads_like_a_number_stays_text(repo: Repo, coded: str) -> None:
    """What kustomize writes has to be text for every reader, not only for the one used here."""
    repo.component("file.enc", b64decode(coded))
    built(repo, [{"path": "../file.enc", "as": "KEY"}], ["KEY"])
    assert f'  KEY: "{coded}"\n' in repo.runs[-1].out


# --- ten thousand random values ---------------------------------------------------------------


def random_text() -> str:
    """1 to 40 characters of all planes, as many of one as of another."""
    return "".join(random_character(choice(PLANES)) for _ in range(1 + randbelow(40)))


def random_character(plane: int) -> str:
    """Any character of the plane; surrogates are none, so no UTF-8 holds them."""
    while 0xD800 <= (code := (plane << 16) + randbelow(1 << 16)) < 0xE000:
        continue
    return chr(code)


def test_ten_thousand_random_values(repo: Repo) -> None:
    texts = {f"text-{n}": random_text() for n in range(9_899)} | {"token": repo.canary()}
    files = {f"file-{n}": token_bytes(1 + randbelow(2_000)) for n in range(100)}
    assert {ord(character) >> 16 for character in "".join(texts.values())} == set(PLANES)
    assert set(b"".join(files.values())) == set(range(256))

    maps = [f"texts-{n}.{'json' if n % 2 else 'yaml'}" for n in range(10)]
    for n, path in enumerate(maps):
        repo.component(path, {name: texts[name] for name in list(texts)[n :: len(maps)]})
    for name, data in files.items():
        repo.component(f"{name}.enc", data)
    whole = [{"path": f"../{name}.enc", "as": name} for name in files]

    came = built(repo, [*(f"../{path}" for path in maps), *whole], [*texts, *files])
    wrong = [name for name, text in texts.items() if came[name] != text.encode()]
    assert wrong + [name for name, data in files.items() if came[name] != data] == []
    assert len(came) == 10_000
