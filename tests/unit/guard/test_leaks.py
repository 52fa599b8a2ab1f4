"""What no file may hold, and what only looks like it."""

from __future__ import annotations

import pytest

from sopsmith.components.sealed import MOST_FINDINGS
from sopsmith.guard.leaks import (
    as_utf8,
    plaintext_secrets,
    private_keys,
)

SEALED = "ENC[AES256_GCM,data:AAAA,iv:AA==,tag:AA==,type:str]"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"


def leaves(text: str, file: str = "x.yaml") -> list[tuple[str, str | None, int | None]]:
    return [(each.code, each.field, each.line) for each in plaintext_secrets(text.encode(), file)]


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("kind: Secret\ndata: {A: b}\n", "data.A", 2),
        ("kind: 'Secret'\nstringData:\n  tls.key: b\n", "stringData.tls.key", 3),
        ("data: {A: b}\nkind: Secret\n", "data.A", 1),
        ("kind: !!str Secret\ndata: {A: b}\n", "data.A", 2),
        ("kind: Secret\ndata: {A: 5}\n", "data.A", 2),
        ("kind: Secret\ndata: {A: [b]}\n", "data.A", 2),
        ("kind: Secret\ndata: [b]\n", "data", 2),
        ("kind: Secret\ndata: text\n", "data", 2),
        ("kind: Secret\ndata: {A: *b}\n", "data.A", 2),
        ("kind: Secret\n<<: *b\n", "<<", 2),
        ("apiVersion: &b Secret\nkind: *b\ndata: {A: b}\n", "data.A", 3),
        ('kind: "\\u0053ecret"\ndata: {A: b}\n', "data.A", 2),
        ('{"kind": "Sec\\u0072et", "data": {"A": "b"}}\n', "data.A", 1),
        ("a: [{kind: Secret, data: {A: b}}]\n", "a[0].data.A", 1),
        ("kind: SecretList\nitems:\n- data: {A: b}\n", "items[0].data.A", 3),
        ("kind: Object\nspec:\n  manifest:\n    kind: Secret\n    data: {A: b}\n",
         "spec.manifest.data.A", 5),
        ("a: |\n  kind: Secret\n  data: {A: b}\n", "a", 1),
        ("kind: Secret\nsops: {}\ndata: {A: b}\n", "data.A", 3),
        ("kind: Secret\nsops: {}\ndata: {A: 'ENC[b]'}\n", "data.A", 3),
        ("kind: Secret\ndata: {A: 'x ${B}'}\n", "data.A", 2),
    ],
)  # fmt: skip
def test_plaintext_in_a_secret_is_found(text: str, field: str, line: int) -> None:
    assert leaves(text) == [("plaintext-secret", field, line)]


@pytest.mark.parametrize(
    "text",
    [
        "kind: Secret\n",
        "kind: Secret\ndata:\nstringData: {}\n",
        "kind: Secret\ndata: {A: '', B: null, C: ~}\n",
        "kind: Secret\ndata: {A: '${B}', C: '<path:kv/data/x#y>', D: '{{ .Values.x }}'}\n",
        f"kind: Secret\ndata: {{A: '{SEALED}'}}\nsops: {{mac: x}}\n",
        f"kind: List\nitems: [{{kind: Secret, data: {{A: '{SEALED}'}}}}]\nsops: {{mac: x}}\n",
        "kind: SecretRecipe\ndata: {A: b}\n",
        "kind: SealedSecret\ndata: {A: b}\n",
        "kind: ConfigMap\ndata: {Secret: b}\n",
        "volumes: [{name: a, secret: {secretName: Secret}}]\n",
        "a: |\n  kind: Secret\n  data: [\n",
        "kind: Secret\ndata:\n  A: {{ .b | quote }}\n",
    ],
)
def test_what_is_no_plaintext_in_a_secret_passes(text: str) -> None:
    assert leaves(text) == []


def test_ciphertext_needs_its_metadata() -> None:
    assert leaves(f"kind: Secret\ndata: {{A: '{SEALED}'}}\n") == [("tampered", "data.A", 2)]


def test_a_broken_secret_is_not_let_pass() -> None:
    assert leaves("kind: Secret\ndata: [\n") == [("plaintext-secret", None, None)]
    assert leaves("kind: ConfigMap\ndata: [\n") == []
    assert leaves("kind: Secret\ndata: {A: b}\n", "notes.md") == []


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n  A: b\n"


@pytest.mark.parametrize("file", ["x.yaml.tpl", "x.txt", "x.tpl", "x.yml.j2", "x.json.tmpl", "x"])
def test_a_secret_in_a_file_of_another_name(file: str) -> None:
    assert leaves(SECRET, file) == [("plaintext-secret", "stringData.A", 5)]
    assert leaves(f"kind: ConfigMap\n---\n{SECRET}", file) == [
        ("plaintext-secret", "stringData.A", 7)
    ]
    assert leaves('{"kind": "Secret", "data": {"A": "Yg=="}}', file) == [
        ("plaintext-secret", "data.A", 1)
    ]


def test_a_template_of_a_secret_holds_no_plaintext_but_what_stands_there() -> None:
    head = "{{- if .Values.on }}\n" + SECRET.replace("A: b", "A: {{ .Values.a | quote }}")
    assert leaves(f"{head}{{{{ end }}}}\n", "x.tpl") == []
    assert leaves(f'{head}  B: "{{{{ .b }}}}"\n', "x.tpl") == []
    assert leaves(f"{head}  C: hunter2\n{{{{- end }}}}\n", "x.tpl") == [
        ("plaintext-secret", "stringData.C", 7)
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("notes.md", SECRET),
        ("notes.txt", f"A Secret looks so:\n\n{SECRET}"),
        ("notes.txt", f"A Secret:\n\n    {SECRET}"),
        ("test.py", f'TEXT = """{SECRET}"""\n'),
        ("apply.sh", f"kubectl apply -f - <<EOF\n{SECRET}EOF\n"),
        ("x.txt", "kind: Secret\n"),
        ("x.txt", "kind: SecretList, or kind: Secret, with data: base64\n"),
    ],
)
def test_what_speaks_of_a_secret_is_none(file: str, text: str) -> None:
    assert leaves(text, file) == []


def test_a_hundred_of_them_are_told_in_part() -> None:
    assert len(leaves("kind: Secret\ndata:\n" + "".join(f"  A{n}: b\n" for n in range(100)))) == (
        MOST_FINDINGS
    )


def key_lines(text: str) -> list[int | None]:
    return [each.line for each in private_keys(text.encode(), "f", demo_key=False)]


@pytest.mark.parametrize(
    "text",
    [
        f"-----BEGIN PRIVATE KEY-----\n{BODY}\n",
        f"-----BEGIN PRIVATE KEY-----\r\n{BODY}\r\n",
        f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{BODY}\n",
        f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n{BODY}\n",
        f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}\n",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n{BODY}\n",
        f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY}\n",
        f'{{"key": "-----BEGIN EC PRIVATE KEY-----\\n{BODY}"}}',
        "AGE-SECRET-KEY-1" + "Q" * 58,
        "age-secret-key-1" + "q" * 58,
        "AGE-SECRET-KEY-PQ-1" + "Q" * 58,
        "x: AGE-SECRET-KEY-1" + "Q" * 58 + " # mine",
    ],
)
def test_a_private_key_is_found(text: str) -> None:
    assert key_lines(f"first\n{text}") == [2]


@pytest.mark.parametrize(
    "text",
    [
        f"-----BEGIN PUBLIC KEY-----\n{BODY}\n",
        f"-----BEGIN CERTIFICATE-----\n{BODY}\n",
        "grep -- '-----BEGIN PRIVATE KEY-----' file",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
        "AGE-SECRET-KEY-1...",
        "AGE-SECRET-KEY-1" + "B" * 58,  # no letter of bech32
        f"age1{'q' * 58}",
    ],
)
def test_what_is_no_private_key_passes(text: str) -> None:
    assert key_lines(text) == []


def test_a_merge_key_hides_no_kind() -> None:
    text = "apiVersion: v1\nx: &x {kind: Secret}\n<<: *x\ndata: {A: b}\n"
    assert leaves(text) == [("plaintext-secret", "<<", 3), ("plaintext-secret", "data.A", 4)]


def test_texts_in_texts_come_to_an_end() -> None:
    text = "kind: Secret\ndata: {A: b}\n"
    for _ in range(300):
        text = "x: |\n" + "".join(f" {line}\n" for line in text.splitlines())
    assert leaves(text) == [("plaintext-secret", "x", 1)]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_what_powershell_writes_is_read(encoding: str) -> None:
    text = "\ufeffkind: Secret\ndata: {A: b}\n"
    data = as_utf8(text.encode(encoding))
    assert [each.field for each in plaintext_secrets(data, "x.yaml")] == ["data.A"]
    assert as_utf8(b"\xff") == b"\xff"
