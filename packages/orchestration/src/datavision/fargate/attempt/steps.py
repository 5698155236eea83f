"""What an operator has to do next for its task instance."""

from dataclasses import dataclass
from typing import Any

from datavision.fargate.edge.logs import LogStream
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.waiting.watch import Watch


@dataclass(frozen=True)
class Waiting:
    """A container runs or will: wait until it has stopped, then call `settle`."""

    launch: LaunchRecord
    watch: Watch
    stream: LogStream
    timeout: float | None
    """Seconds left of execution_timeout."""


@dataclass(frozen=True)
class Pausing:
    """Nothing is running: wait `seconds`, then call `begin` again."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Finished:
    """It succeeded."""

    xcom: dict[str, Any]
    result: dict[str, Any]
    audit: AuditRecord


Step = Waiting | Pausing | Finished
