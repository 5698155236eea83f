"""Delivers the report to S3."""

import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 6}, connect_timeout=10, read_timeout=30, max_pool_connections=32
)
_making = threading.Lock()
_made: dict[str, Any] = {}


class DeliveryError(Exception):
    """The report could not be written to S3."""


def address(uri: str) -> tuple[str, str]:
    """Return the bucket and the key of `s3://bucket/key`.

    Raises:
        DeliveryError: The URI is malformed.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket or not key:
        raise DeliveryError(f"The result URI {uri!r} is not s3://bucket/key. Correct it where the task is started.")
    return bucket, key


def client(service: str) -> Any:
    """Return this process's client of a service; it retries transient errors, and any thread may use it."""
    # boto3 may not make two at the same time.
    with _making:
        if service not in _made:
            _made[service] = boto3.client(service, config=_CONFIG)
        return _made[service]


def deliver(uri: str, report: str) -> None:
    """Write `report` to `uri` (`s3://bucket/key`), retrying transient errors.

    Raises:
        DeliveryError: The URI is malformed, or S3 did not take it.
    """
    bucket, key = address(uri)
    try:
        client("s3").put_object(Bucket=bucket, Key=key, Body=report.encode(), ContentType="application/json")
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        # The last two: an invalid endpoint or CA bundle.
        reason = " ".join(str(error).split())
        raise DeliveryError(
            f"The result could not be written to {uri}: {reason}. The task's role needs s3:PutObject there; "
            "the command itself has finished, and running it again is safe."
        ) from error
