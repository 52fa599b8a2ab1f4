"""Stored values, drawn for real and read back by cryptography and by the programs that use them."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    load_pem_private_key,
    load_ssh_private_key,
)

from sopsmith.errors import SopsmithError
from sopsmith.model import Generator, Sensitive
from sopsmith.recipes.kinds import KINDS
from sopsmith.tools import age
from sopsmith.tools.draw import draw
from tests.repository import Repo

TODAY = date(2026, 11, 24)


def drawn(kind: str, **options: Any) -> str:
    """A new value's text."""
    filled = {**KINDS[kind].defaults, **options}
    env = {"PATH": os.environ["PATH"]}
    value = draw(Generator(kind, filled, True), TODAY, lambda: age.new_identity(env))
    return str(value.reveal())


def through(*argv: str, data: str) -> str:
    """What a program says of a value that it gets by a pipe."""
    program = shutil.which(argv[0])
    if program is None:
        pytest.skip(f"{argv[0]} is not on this machine")
    done = subprocess.run([program, *argv[1:]], input=data.encode(), capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


# --- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "alphabet"), [(1, "ab"), (32, "xyz"), (1024, "!~")])
def test_a_password_has_its_length_and_its_alphabet(length: int, alphabet: str) -> None:
    text = drawn("password", length=length, alphabet=alphabet)
    assert len(text) == length and set(text) <= set(alphabet)


def test_a_password_is_32_letters_and_digits() -> None:
    assert re.fullmatch("[A-Za-z0-9]{32}", drawn("password"))


@pytest.mark.parametrize("alphabet", ["abc", "0123456789", KINDS["password"].defaults["alphabet"]])
def test_every_character_comes_about_equally_often(alphabet: str) -> None:
    text = "".join(drawn("password", length=1024, alphabet=alphabet) for _ in range(60))
    counts, expected = Counter(text), len(text) / len(alphabet)
    spread = sum((counts[each] - expected) ** 2 / expected for each in alphabet)  # chi-squared
    freedom = len(alphabet) - 1
    # byte % 62 adds 400 here; chance gives 61, and never that much: once in 10**12 runs at most
    assert spread < freedom + 8 * math.sqrt(2 * freedom) + 40


@pytest.mark.parametrize(
    ("encoding", "form"),
    [("hex", "[0-9a-f]{96}"), ("base64", "[A-Za-z0-9+/]{64}"), ("base64url", "[-_A-Za-z0-9]{64}")],
)
def test_bytes_are_encoded_as_asked(encoding: str, form: str) -> None:
    assert re.fullmatch(form, drawn("bytes", size=48, encoding=encoding))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("password", {}), ("bytes", {}), ("ecdsa", {}), ("ed25519", {}), ("ssh", {}), ("age", {}),
     ("certificate", {"commonName": "shop"})],
)  # fmt: skip
def test_no_two_draws_are_alike(kind: str, options: dict[str, Any]) -> None:
    assert len({drawn(kind, **options) for _ in range(5)}) == 5


# --- keys -----------------------------------------------------------------------------------------


def private_key(pem: str, begin: str = "-----BEGIN PRIVATE KEY-----\n") -> Any:
    assert pem.startswith(begin) and pem.endswith("-----\n")
    return load_pem_private_key(pem.encode(), None)


@pytest.mark.parametrize("bits", [2048, 3072])
def test_an_rsa_key_is_pkcs8(bits: int) -> None:
    pem = drawn("rsa", bits=bits)
    key = private_key(pem)
    assert isinstance(key, rsa.RSAPrivateKey)
    assert (key.key_size, key.public_key().public_numbers().e) == (bits, 65537)
    assert "RSA key ok" in through("openssl", "rsa", "-check", "-noout", data=pem)


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_an_ecdsa_key_is_pkcs8_of_its_curve(curve: str) -> None:
    pem = drawn("ecdsa", curve=curve)
    key = private_key(pem)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == curve.replace("P-", "secp") + "r1"
    shown = through("openssl", "pkey", "-pubout", "-noout", "-text_pub", data=pem)
    assert f"NIST CURVE: {curve}" in shown


def test_an_ed25519_key_is_pkcs8() -> None:
    pem = drawn("ed25519")
    assert isinstance(private_key(pem), ed25519.Ed25519PrivateKey)
    shown = through("openssl", "pkey", "-pubout", "-noout", "-text_pub", data=pem)
    assert "ED25519 Public-Key" in shown


@pytest.mark.parametrize(("kind", "public"), [("ed25519", "ssh-ed25519"), ("rsa", "ssh-rsa")])
def test_an_ssh_key_is_one_that_ssh_reads(kind: str, public: str) -> None:
    pem = drawn("ssh", type=kind)
    assert pem.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n") and pem.endswith("-----\n")
    load_ssh_private_key(pem.encode(), None)
    assert through("ssh-keygen", "-y", "-f", "/dev/stdin", data=pem).startswith(f"{public} ")


# --- certificate ----------------------------------------------------------------------------------


def certificate(**options: Any) -> tuple[str, x509.Certificate]:
    pem = drawn("certificate", **options)
    return pem, x509.load_pem_x509_certificate(pem.encode())


def test_a_certificate_signs_itself_with_the_key_beside_it() -> None:
    pem, read = certificate(dnsNames=["shop.example"])
    read.verify_directly_issued_by(read)
    assert private_key(pem).public_key() == read.public_key()
    of_key = through("openssl", "pkey", "-pubout", data=pem)
    assert of_key == through("openssl", "x509", "-pubkey", "-noout", data=pem)


@pytest.mark.parametrize(("host", "code"), [("shop.example", 0), ("evil.example", 2)])
def test_who_trusts_a_certificate_accepts_its_hosts(tmp_path: Path, host: str, code: int) -> None:
    pem, _ = certificate(dnsNames=["shop.example"])
    public = tmp_path / "tls.crt"
    public.write_text(pem[pem.index("-----BEGIN CERTIFICATE") :])
    at = str(int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()))
    how = ("-purpose", "sslserver", "-verify_hostname", host, "-attime", at)
    argv = ("openssl", "verify", "-CAfile", str(public), *how, str(public))
    assert subprocess.run(argv, capture_output=True).returncode == code


def test_a_certificate_is_valid_from_today_for_its_days() -> None:
    pem, read = certificate(commonName="shop", days=30)
    assert read.not_valid_before_utc == datetime(2026, 11, 24, tzinfo=UTC)
    assert read.not_valid_after_utc == datetime(2026, 12, 24, tzinfo=UTC)
    dates = through("openssl", "x509", "-noout", "-dates", data=pem)
    assert dates == "notBefore=Nov 24 00:00:00 2026 GMT\nnotAfter=Dec 24 00:00:00 2026 GMT\n"


def test_a_certificate_names_its_hosts_and_addresses() -> None:
    pem, _ = certificate(dnsNames=["shop.example", "*.shop.example", "10.0.0.1", "fd00::1"])
    shown = through("openssl", "x509", "-noout", "-ext", "subjectAltName", data=pem)
    assert "DNS:shop.example, DNS:*.shop.example, IP Address:10.0.0.1, IP Address:FD00:" in shown
    assert "CN = shop.example" in through("openssl", "x509", "-noout", "-subject", data=pem)


def test_a_certificate_is_a_servers_and_signs_no_other() -> None:
    pem, _ = certificate(commonName="shop")
    shown = through("openssl", "x509", "-noout", "-text", data=pem)
    for line in ("CA:FALSE", "TLS Web Server Authentication", "Digital Signature\n", "DNS:shop\n"):
        assert line in shown
    assert "Certificate Sign" not in shown


def test_a_common_name_that_is_no_host_is_no_alternative_name() -> None:
    _, read = certificate(commonName="Shop & Söhne")
    assert read.subject.rfc4514_string() == "CN=Shop & Söhne"
    with pytest.raises(x509.ExtensionNotFound):
        read.extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_a_long_host_name_is_an_alternative_name_alone() -> None:
    long = ".".join(["a" * 60, "b" * 60, "example"])
    pem, read = certificate(dnsNames=[long])
    assert read.subject.rfc4514_string() == "CN=self-signed"
    assert f"DNS:{long}" in through("openssl", "x509", "-noout", "-text", data=pem)


def test_what_is_neither_a_host_nor_an_address_is_refused() -> None:
    with pytest.raises(SopsmithError) as refused:
        drawn("certificate", dnsNames=["1:2"])
    assert [each.code for each in refused.value.findings] == ["recipe-value"]


# --- age ------------------------------------------------------------------------------------------


def test_an_age_identity_opens_what_its_recipient_locks(repo: Repo) -> None:
    identity = age.new_identity(repo.env)
    repo.canary(str(identity.reveal()))
    recipient = age.recipient_of(identity, repo.env)
    assert recipient == through("age-keygen", "-y", data=str(identity.reveal())).strip()
    repo.component("a.enc.yaml", {"A": repo.canary()}, recipient=recipient)
    opened = repo.run(
        "sops", "decrypt", "a.enc.yaml", SOPS_AGE_KEY=str(identity.reveal()), SOPS_AGE_KEY_FILE=None
    )
    assert opened.code == 0


def test_an_age_identity_is_one_line() -> None:
    assert re.fullmatch("AGE-SECRET-KEY-1[A-Z0-9]{58}", drawn("age"))


def _identity(env: dict[str, str]) -> object:
    return age.new_identity(env)


def _recipient(env: dict[str, str]) -> object:
    return age.recipient_of(Sensitive("AGE-SECRET-KEY-1QQQQ"), env)


@pytest.mark.parametrize("call", [_identity, _recipient])
def test_without_age_keygen_it_says_so(call: Callable[[dict[str, str]], object]) -> None:
    with pytest.raises(SopsmithError) as failed:
        call({"PATH": "/nowhere"})
    (found,) = failed.value.findings
    assert (found.code, found.message) == ("program-missing", "age-keygen is not on PATH")


def test_what_is_no_identity_has_no_recipient() -> None:
    with pytest.raises(SopsmithError) as failed:
        _recipient({"PATH": os.environ["PATH"]})
    (found,) = failed.value.findings
    assert found.code == "program-failed" and "QQQQ" not in found.message


def test_an_age_keygen_that_prints_no_identity_is_a_failure(tmp_path: Path) -> None:
    fake = tmp_path / "age-keygen"
    fake.write_text("#!/bin/sh\necho hello\n")
    fake.chmod(0o755)
    with pytest.raises(SopsmithError) as failed:
        age.new_identity({"PATH": str(tmp_path)})
    assert [each.code for each in failed.value.findings] == ["program-failed"]
