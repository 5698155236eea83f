"""The certificate authority of a server's databases, as RDS has one for each region, and the certificates it issues.

RDS user guide, "Using SSL/TLS to encrypt a connection to a DB instance": clients get the authority's certificate as a
file, and with `sslmode=verify-full` compare the instance's endpoint with its certificate (read November 2026).
"""

import ipaddress
import ssl
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fargate_local.private_files import write

AUTHORITY_LIFE: Final = timedelta(days=40 * 365)
"""As that of rds-ca-rsa2048-g1, which RDS's page of certificates gives until 2061."""
CERTIFICATE_LIFE: Final = timedelta(days=365)
ALPN: Final = "postgresql"
"""What clients ask for that begin with TLS at once (PostgreSQL's documentation, "SSL Session Encryption")."""


class Authority:
    """Issues certificates; made when it is first needed, and kept in `file` if there is one."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._made: tuple[Any, Any] | None = None

    @property
    def bundle(self) -> bytes:
        """What clients verify certificates with, in PEM."""
        return in_pem(self._get()[1])

    def context(self, addresses: Sequence[str]) -> ssl.SSLContext:
        """Return a server's context with a new certificate for these names and addresses, the first as its CN."""
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        certificate = issued(self._get(), key, addresses)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols([ALPN])
        with tempfile.NamedTemporaryFile(prefix="fargate-local-") as file:
            Path(file.name).write_bytes(key_in_pem(key) + in_pem(certificate))
            context.load_cert_chain(file.name)
        return context

    def _get(self) -> tuple[Any, Any]:
        with self._lock:
            if self._made is None:
                self._made = self._kept() or self._new()
            return self._made

    def _kept(self) -> tuple[Any, Any] | None:
        from cryptography import x509
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if self._file is None or not self._file.exists():
            return None
        text = self._file.read_bytes()
        return load_pem_private_key(text, None), x509.load_pem_x509_certificate(text)

    def _new(self) -> tuple[Any, Any]:
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self_signed(key)
        if self._file:
            write(self._file, (key_in_pem(key) + in_pem(certificate)).decode())
        return key, certificate


def self_signed(key: Any) -> Any:
    """Return the certificate of an authority with this key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    name = named("fargate-local RDS")
    return (
        begun(name, name, key, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def issued(authority: tuple[Any, Any], key: Any, addresses: Sequence[str]) -> Any:
    """Return a certificate of the authority (key, certificate) for a server with this key at these addresses."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    signing, certificate = authority
    by = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
    return (
        begun(named(addresses[0]), certificate.subject, key, CERTIFICATE_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([alternative(each) for each in addresses]), critical=False)
        .add_extension(by, critical=False)
        .sign(signing, hashes.SHA256())
    )


def begun(subject: Any, issuer: Any, key: Any, life: timedelta) -> Any:
    """Return a certificate without extensions and signature, valid from a day ago: clocks differ."""
    from cryptography import x509

    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + life)
    )


def usage(*, signs_certificates: bool) -> Any:
    """Return what a key may be used for: certificates, or the handshake of a server."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def named(text: str) -> Any:
    """Return a name of a certificate."""
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def alternative(address: str) -> Any:
    """Return an address, or else a host name, as a certificate has it."""
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def in_pem(certificate: Any) -> bytes:
    """Return a certificate in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding

    made: bytes = certificate.public_bytes(Encoding.PEM)
    return made


def key_in_pem(key: Any) -> bytes:
    """Return a private key in PEM, unencrypted."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    made: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made
