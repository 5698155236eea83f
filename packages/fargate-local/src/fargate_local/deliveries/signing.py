"""The signature of what SNS sends (developer guide, "Verifying the signatures of Amazon SNS messages").

The key is this server's, made when it is first needed; whoever insists that a certificate comes from amazonaws.com has
to be told this server's address.
"""

import base64
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, Final

CERTIFICATE_LIFE: Final = timedelta(days=365)
SIGNED: Final = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
"""In this order, each where it is there."""


class SigningKey:
    """Signs, and shows the certificate that a signature is checked with."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[Any, bytes] | None = None

    @property
    def certificate(self) -> bytes:
        """The certificate in PEM."""
        return self._get()[1]

    def sign(self, fields: dict[str, Any], version: str) -> str:
        """Return the signature of a message in Base64: with SHA-1 in version 1, with SHA-256 in version 2."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        text = "".join(f"{name}\n{fields[name]}\n" for name in SIGNED if name in fields)
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - SNS's version 1
        return base64.b64encode(self._get()[0].sign(text.encode(), padding.PKCS1v15(), algorithm)).decode()

    def _get(self) -> tuple[Any, bytes]:
        with self._lock:
            if self._made is None:
                self._made = new_key()
            return self._made


def new_key() -> tuple[Any, bytes]:
    """Return an RSA key and its certificate in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fargate-local")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + CERTIFICATE_LIFE)
        .sign(key, hashes.SHA256())
    )
    return key, made.public_bytes(Encoding.PEM)
