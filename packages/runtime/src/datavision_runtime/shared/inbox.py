"""The inbox of a shared container: numbered objects in S3, each written once.

Because a slot can be written only once, the container that closes its inbox and a worker that posts into it cannot both
believe that they were first.
"""

from typing import Any

from botocore.exceptions import ClientError

from datavision_runtime.deliver import address, client
from datavision_runtime.shared.messages import Message, closing, parse, slot

_MISSING = frozenset({"NoSuchKey", "404"})
_TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})


class Inbox:
    """Reads the slots in order."""

    def __init__(self, uri: str) -> None:
        """Open the inbox at `uri` (`s3://bucket/prefix/`).

        Raises:
            DeliveryError: The URI is malformed.
        """
        self._bucket, self._prefix = address(uri)
        self._s3: Any = client("s3")
        self._number = 1

    def next(self) -> Message | None:
        """Return the next message, or None when there is none yet.

        Raises:
            ClientError: S3 refused.
            BotoCoreError: S3 did not answer.
            ValueError: What lies there is no message.
        """
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._prefix + slot(self._number))
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        message = parse(answer["Body"].read())
        self._number += 1
        return message

    def close(self, reason: str) -> bool:
        """Refuse further steps; return False when a message came first.

        Raises:
            ClientError: S3 refused.
            BotoCoreError: S3 did not answer.
        """
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=self._prefix + slot(self._number), Body=closing(reason), IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _TAKEN:
                return False
            raise
        return True
