"""What a task instance runs, and what its operator has to do next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from datavision.config import Capacity
from datavision.fargate.edge.logs import LogStream
from datavision.fargate.identity import TaskKey
from datavision.fargate.launching.record import LaunchRecord
from datavision.fargate.outcome.audit import AuditRecord
from datavision.fargate.sizing.sizes import FargateSize
from datavision.fargate.waiting.watch import Watch
from datavision.pins import PinnedImage


@dataclass(frozen=True)
class Job:
    """What a task instance runs, and as which try."""

    key: TaskKey
    try_number: int
    generation: int
    run_date: date
    module: str
    image: PinnedImage
    release: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    declared: FargateSize
    max_memory: int
    capacity: Capacity
    execution_timeout: float | None = None

    @property
    def name(self) -> str:
        """The task as people name it: pipeline, task and map index."""
        return f"{self.key.dag_id}.{self.key.label}"

    @property
    def image_text(self) -> str:
        """The image as people name it, with the start of its digest."""
        return f"{self.image.repository}:{self.image.tag} ({self.image.digest}, release {self.release})"


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
    """Nothing runs: wait `seconds`, then call `begin` again."""

    seconds: float
    why: str


@dataclass(frozen=True)
class Finished:
    """It succeeded."""

    xcom: dict[str, Any]
    result: dict[str, Any]
    audit: AuditRecord


Step = Waiting | Pausing | Finished
