"""Certificates for tests: an authority of one's own and a server certificate that it signed."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificates:
    """`authority` is the file to trust; `context` is what the server offers."""

    authority: Path
    context: ssl.SSLContext


LOOPBACK = ("localhost", "127.0.0.1")


def make_certificates(folder: Path, *, days: int = 1, names: tuple[str, ...] = LOOPBACK) -> Certificates:
    """A fresh authority and a server certificate for `names`, valid for `days` (expired when negative)."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = build("Test authority", "Test authority", ca_key, ca_key, days=30, names=(), is_authority=True)
    leaf = build("Test server", "Test authority", key, ca_key, days=days, names=names, is_authority=False)
    authority, chain = folder / "authority.pem", folder / "server.pem"
    authority.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.write_bytes(secret + leaf.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Certificates(authority=authority, context=context)


def build(subject, issuer, key, signer, *, days, names, is_authority) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(common_name(subject))
        .issuer_name(common_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=30))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    if names:
        known_as = x509.SubjectAlternativeName([alternative(name) for name in names])
        builder = builder.add_extension(known_as, critical=False)
    return builder.sign(signer, hashes.SHA256())


def alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def common_name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
