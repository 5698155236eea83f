"""What a task instance runs, and in which try."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from datavision.config import Capacity
from datavision.fargate.identity import TaskKey
from datavision.fargate.sharing.session import Session
from datavision.fargate.sizing.sizes import FargateSize
from datavision.pins import PinnedImage


@dataclass(frozen=True)
class Asked:
    """How a run came to be."""

    run_type: str = ""
    """Airflow's word: scheduled, manual, backfill or asset_triggered."""
    user: str | None = None
    """The user of Airflow who triggered it; None: its schedule did."""
    conf: Mapping[str, Any] = field(default_factory=dict)
    """The parameters it was given."""


@dataclass(frozen=True)
class Origin:
    """Where the task instance stands in Airflow's own lineage and traces."""

    at: datetime | None = None
    """The run's logical date; of a run without one, when it was due."""
    clear_number: int = 0
    """How often the run was cleared."""
    traceparent: str = ""
    """W3C's, of the span of this try; empty: Airflow's traces are off."""


@dataclass(frozen=True)
class Job:
    """What a task instance runs, and in which try."""

    key: TaskKey
    try_number: int
    generation: int
    """Airflow's max_tries, which clearing increases: tries of one generation belong together."""
    run_date: date
    module: str
    image: PinnedImage
    release: str
    command: Callable[[], tuple[str, ...]]
    """Makes the container's command. Called once, for the first launch of a try: the launch record keeps the answer."""
    environment: Mapping[str, str]
    declared: FargateSize
    max_memory: int
    capacity: Capacity
    execution_timeout: float | None = None
    asked: Asked = Asked()
    origin: Origin = Origin()
    session: Session | None = None
    """The tasks with which it shares containers; None: it has its own."""

    @property
    def name(self) -> str:
        """The task's name for people: pipeline, task and map index."""
        return f"{self.key.dag_id}.{self.key.label}"

    @property
    def last_try(self) -> bool:
        """Whether Airflow gives up if this try fails: max_tries counts the tries that may follow the first."""
        return self.try_number > self.generation

    @property
    def image_text(self) -> str:
        """The image's name for people, with the start of its digest."""
        return f"{self.image.repository}:{self.image.tag} ({self.image.digest}, release {self.release})"
