"""What is delivered about a command."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from datavision_runtime.deliver import deliver


@dataclass(frozen=True)
class Report:
    """What is delivered: the command's own result and what the entry point measured.

    Seconds are wall and CPU time of the command and its children; memory and written bytes are in bytes; times are ISO
    8601 in UTC.
    """

    result: dict[str, Any] | None
    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    bytes_written: int
    started_at: str
    finished_at: str
    billed_seconds: float | None = None
    """In a shared container: the step's share of its time."""
    ended_by: str | None = None
    """In a shared container: why the step was ended from outside."""

    def deliver(self, uri: str) -> None:
        """Write it to S3.

        Raises:
            DeliveryError: The URI is malformed, or S3 did not take it.
        """
        values = {name: value for name, value in asdict(self).items() if name not in _SHARED or value is not None}
        deliver(uri, json.dumps(values, ensure_ascii=False))


_SHARED = frozenset({"billed_seconds", "ended_by"})


def timestamp() -> str:
    """Return the current time as reports have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
