"""An authority for TLS between tests and servers, and the certificates it issues."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.programs import lend

DAY = timedelta(days=1)


class Identity(NamedTuple):
    """A certificate and its key, in files as libpq and PostgreSQL want them."""

    certificate: Path
    key: Path


class Authority(NamedTuple):
    """Who issues certificates into a folder; its own is `certificate`."""

    folder: Path
    certificate: Path
    name: x509.Name
    key: ec.EllipticCurvePrivateKey

    def issue(self, name: str) -> Identity:
        """A certificate for a client (its name is the role's) or a server on loopback."""
        key = ec.generate_private_key(ec.SECP256R1())
        places = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        made = _builder(_name(name), self.name, key).add_extension(
            x509.SubjectAlternativeName(places), critical=False
        )
        paths = Identity(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        paths.certificate.write_bytes(_pem(made.sign(self.key, hashes.SHA256())))
        _write_key(paths.key, key)
        return paths

    def settings(self) -> dict[str, str]:
        """What makes a server speak TLS with a certificate of ours, and know our clients'."""
        mine = self.issue("server")
        lend(mine.key)
        return {
            "ssl": "on",
            "ssl_cert_file": str(mine.certificate),
            "ssl_key_file": str(mine.key),
            "ssl_ca_file": str(self.certificate),
        }

    def query(self, client: Identity | None = None) -> dict[str, str]:
        """The query of a URL that trusts only our servers, and shows a client's certificate."""
        trust = {"sslmode": "verify-full", "sslrootcert": str(self.certificate)}
        if client is None:
            return trust
        return {**trust, "sslcert": str(client.certificate), "sslkey": str(client.key)}


def authority(folder: Path) -> Authority:
    """A new authority, in a folder where the servers' account can read: see `short_folder`."""
    key, name = ec.generate_private_key(ec.SECP256R1()), _name("authority of the tests")
    made = _builder(name, name, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    certificate = folder / "ca.crt"
    certificate.write_bytes(_pem(made.sign(key, hashes.SHA256())))
    return Authority(folder, certificate, name, key)


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(time.time(), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
