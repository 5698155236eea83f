"""Who may do what in the registry: by token, and where IAM is evaluated by the policies of the token's principal.

Actions: ECR user guide, "IAM permissions for pushing an image" and "Blob mounting"; ECR API reference, which says of
each that the registry makes use of it for pulls or pushes (read November 2026).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fargate_local.registry.errors import EXPIRED, DeniedError, UnauthorizedError
from fargate_local.registry.layers import Place
from fargate_local.registry.tokens import Tokens, password_in

DEFAULT_REGION: Final = "us-east-1"
"""Whose registry an open server shows to clients without a token."""

Judge = Callable[[str, str, str, str], str | None]
"""Returns AWS's sentence when the holder of an access key may not do an action, in a region, to a repository."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request is from: an access key and a region."""

    access_key_id: str
    region: str

    def place(self, repository: str) -> Place:
        """Return a repository of the visitor's region."""
        return Place(self.region, repository)


class Access:
    """Lets visitors in, and judges what they do."""

    def __init__(self, tokens: Tokens, knows: Callable[[str], bool] | None, judge: Judge | None) -> None:
        """Let in those whose access key `knows` knows, or everybody; `judge` each action, or none."""
        self._tokens = tokens
        self._knows = knows
        self._judge = judge

    def visitor(self, authorization: str) -> Visitor:
        """Return who comes with this header.

        Raises:
            UnauthorizedError: Nobody that this server knows.
            DeniedError: The token, or the access key that asked for it, is good no more.
        """
        password = password_in(authorization)
        if password is None and self._knows is None:
            return Visitor("", DEFAULT_REGION)
        if password is None:
            message = "Not Authorized"
            raise UnauthorizedError(message)
        token = self._tokens.read(password)
        if self._knows and not self._knows(token.access_key_id):
            raise DeniedError(EXPIRED)
        return Visitor(token.access_key_id, token.region)

    def check(self, visitor: Visitor, action: str, repository: str) -> None:
        """Check that a visitor may do an action of ECR, by its name, to a repository.

        Raises:
            DeniedError: AWS's sentence.
        """
        if self._judge and (reason := self._judge(visitor.access_key_id, action, visitor.region, repository)):
            raise DeniedError(reason)
