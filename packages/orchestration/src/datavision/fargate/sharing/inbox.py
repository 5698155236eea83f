"""The inbox of a shared container as workers see it: numbered objects in S3, each written once.

Whoever writes looks at the last slot and takes the next, until nobody was faster. Once a slot is closed all that follow
are, so a step either is in the inbox before that, or never.
"""

from dataclasses import dataclass
from typing import Any

from datavision.aws import Cloud
from datavision.fargate.edge.json_objects import create_json, list_keys, read_json

INBOX = "inbox/"
SLOT_DIGITS = 6
"""`datavision_runtime.shared.messages` has both, too."""
_MAX_BYTES = 64 * 1024


@dataclass(frozen=True)
class Inbox:
    """The inbox below `prefix`, which ends in a slash."""

    cloud: Cloud
    bucket: str
    prefix: str

    @property
    def uri(self) -> str:
        """What the container is told."""
        return f"s3://{self.bucket}/{self.prefix}"

    def start(self, step: dict[str, Any]) -> bool:
        """Have the container run a step; return False when it takes none any more."""
        return self._append({"start": step}, even_if_closed=False)

    def stop(self, token: str, result_uri: str, reason: str) -> None:
        """Have the container end a step, or never start it."""
        self._append({"stop": {"token": token, "result_uri": result_uri, "reason": reason}}, even_if_closed=True)

    def close(self, reason: str) -> None:
        """Have the container end once it has run what it was given."""
        self._append({"closed": True, "reason": reason}, even_if_closed=False)

    def is_closed(self) -> bool:
        """Return whether the container takes no further steps."""
        return self._last()[1]

    def holds(self, token: str) -> bool:
        """Return whether the step with this token was posted here."""
        keys = list_keys(self.cloud, self.bucket, self.prefix + INBOX)
        return any(self._read(key).get("start", {}).get("token") == token for key in reversed(keys))

    def _append(self, message: dict[str, Any], *, even_if_closed: bool) -> bool:
        while True:
            number, closed = self._last()
            if closed and not even_if_closed:
                return False
            key = f"{self.prefix}{INBOX}{number + 1:0{SLOT_DIGITS}d}.json"
            if create_json(self.cloud, self.bucket, key, {"closed": closed, **message}):
                return True

    def _last(self) -> tuple[int, bool]:
        keys = list_keys(self.cloud, self.bucket, self.prefix + INBOX)
        return (len(keys), bool(self._read(keys[-1])["closed"])) if keys else (0, False)

    def _read(self, key: str) -> dict[str, Any]:
        value: dict[str, Any] = read_json(self.cloud, self.bucket, key, _MAX_BYTES) or {"closed": False}
        return value
