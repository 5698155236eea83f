"""Tokens of GetAuthorizationToken: passwords for `docker login` that this server signed.

ECR API reference, GetAuthorizationToken; user guide, "Registry authentication" (read November 2026): the user's name is
AWS, a token is good for twelve hours and for what its principal may do.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from dataclasses import asdict, dataclass
from typing import Final

from fargate_local.registry.errors import EXPIRED, DeniedError, UnauthorizedError

USER: Final = "AWS"
LIFE_SECONDS: Final = 12 * 3600


@dataclass(frozen=True, slots=True)
class Token:
    """Whose access key asked for it, in which region's registry it is good, and until when in seconds since 1970."""

    access_key_id: str
    region: str
    expires: int


class Tokens:
    """Makes tokens, and tells its own from others."""

    def __init__(self, secret: str) -> None:
        self._secret = f"ECR{secret}".encode()

    def issue(self, access_key_id: str, region: str) -> tuple[str, int]:
        """Return (password, expiry in seconds since 1970) for the holder of an access key."""
        token = Token(access_key_id, region, int(time.time()) + LIFE_SECONDS)
        content = base64.urlsafe_b64encode(json.dumps(asdict(token)).encode()).decode()
        return f"{content}.{self._signature(content)}", token.expires

    def read(self, password: str) -> Token:
        """Return the token in a password.

        Raises:
            UnauthorizedError: This server did not make it.
            DeniedError: It has expired.
        """
        content, _, signature = password.partition(".")
        if not hmac.compare_digest(self._signature(content).encode(), signature.encode()):
            message = "Not Authorized"
            raise UnauthorizedError(message)
        token = Token(**json.loads(base64.urlsafe_b64decode(content)))
        if token.expires < time.time():
            raise DeniedError(EXPIRED)
        return token

    def sign(self, text: str) -> str:
        """Return the signature of a link that is good without a token."""
        return self._signature(f"link {text}")

    def _signature(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def basic(password: str) -> str:
    """Return a password with its user's name, as Basic authentication and `authorizationToken` have it."""
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


def password_in(authorization: str) -> str | None:
    """Return the password of Basic authentication, None when the header has none for this user."""
    scheme, _, encoded = authorization.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return password if (scheme.lower(), user) == ("basic", USER) else None
