"""Draw a stored value once, with the system's randomness. Nothing of it touches the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from sopsmith.errors import SopsmithError
from sopsmith.findings import Finding
from sopsmith.model import Generator, Sensitive
from sopsmith.recipes.kinds import FROM_STREAM, Options, is_host

if TYPE_CHECKING:  # cryptography costs 20 ms, and only some kinds need it
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    _PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_SSH_RSA_BITS = 3072  # as ssh-keygen
_LONGEST_NAME = 64  # characters of a common name (RFC 5280)
_AT_ONCE = 64  # random bytes of one call


def draw(generator: Generator, today: date, new_identity: Callable[[], Sensitive]) -> Sensitive:
    """A new value of the generator's kind, as text.

    `today` (UTC) is the first day of a certificate; `new_identity` makes an age identity.
    Keys are PEM with a line break at the end, which ssh insists on.
    Raises SopsmithError (recipe-value) where a certificate names no real address, and what
    `new_identity` raises.
    """
    if generator.kind in FROM_STREAM:
        return Sensitive(FROM_STREAM[generator.kind](generator.options, _system()))
    if generator.kind == "age":
        return new_identity()
    if generator.kind == "certificate":
        return Sensitive(_certificate(generator.options, today))
    return Sensitive(_KEYS[generator.kind](generator.options))


def _system() -> Iterator[int]:
    """The system's random bytes, without end."""
    while True:
        yield from os.urandom(_AT_ONCE)


def _rsa(options: Options) -> str:
    return _pem(_new_rsa(options["bits"]))


def _ecdsa(options: Options) -> str:
    return _pem(_new_ecdsa(options["curve"]))


def _ed25519(options: Options) -> str:
    return _pem(_new_ed25519())


def _ssh(options: Options) -> str:
    key = _new_rsa(_SSH_RSA_BITS) if options["type"] == "rsa" else _new_ed25519()
    return _pem(key, is_ssh=True)


_KEYS: Mapping[str, Callable[[Options], str]] = {
    "rsa": _rsa,
    "ecdsa": _ecdsa,
    "ed25519": _ed25519,
    "ssh": _ssh,
}


def _new_rsa(bits: int) -> rsa.RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def _new_ecdsa(curve: str) -> ec.EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
    return ec.generate_private_key(curves[curve])


def _new_ed25519() -> ed25519.Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ed25519

    return ed25519.Ed25519PrivateKey.generate()


def _pem(key: _PrivateKey, *, is_ssh: bool = False) -> str:
    """The private key as PEM in the form of PKCS#8 or OpenSSH, without a passphrase."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    form = PrivateFormat.OpenSSH if is_ssh else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode("ascii")


def _certificate(options: Options, today: date) -> str:
    """A P-256 key and the certificate that it signed itself, in one PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import Encoding

    key = _new_ecdsa("P-256")
    common = options.get("commonName")
    hosts = options.get("dnsNames") or [each for each in (common,) if is_host(each)]
    name = common or next((host for host in hosts if len(host) <= _LONGEST_NAME), "self-signed")
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime(today.year, today.month, today.day, tzinfo=UTC)
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=start + timedelta(days=options["days"]),
    )
    for extension, is_critical in _extensions(key.public_key(), hosts):
        builder = builder.add_extension(extension, is_critical)
    signed = builder.sign(key, SHA256())
    return _pem(key) + signed.public_bytes(Encoding.PEM).decode("ascii")


def _extensions(
    key: ec.EllipticCurvePublicKey, hosts: Sequence[str]
) -> Iterator[tuple[x509.ExtensionType, bool]]:
    """What makes it a server's own certificate, which can sign no other; whether critical."""
    from cryptography import x509

    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield x509.KeyUsage(True, *[False] * 8), True  # digital signature alone
    yield x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), False
    yield x509.SubjectKeyIdentifier.from_public_key(key), False
    if hosts:
        yield x509.SubjectAlternativeName(list(map(_general_name, hosts))), False


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        if ":" not in host:
            return x509.DNSName(host)
    message = "a certificate's dnsNames holds what is neither a host name nor an address"
    raise SopsmithError(Finding("recipe-value", message)) from None
