"""Identifiers that clients send: names, ids or ARNs of this account and region."""

from fargate_local.protocol.arns import ACCOUNT
from fargate_local.protocol.errors import InvalidParameterError


def check_identifier(region: str, identifier: str | None) -> None:
    """Check that an ARN is of this region and account.

    Raises:
        InvalidParameterError: It is of another one.
    """
    parts = (identifier or "").split(":", 5)
    if len(parts) < 6 or parts[0] != "arn" or parts[2] != "ecs":
        return
    if parts[3] != region:
        message = "Invalid Region in ARN"
        raise InvalidParameterError(message)
    if parts[4] != ACCOUNT:
        message = f"Identifier is for {parts[4]}. Your accountId is {ACCOUNT}"
        raise InvalidParameterError(message)
