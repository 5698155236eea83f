"""What the page knows of a pipeline, its runs and tasks, whoever found it out."""

from dataclasses import dataclass
from datetime import datetime

OPEN = ("queued", "running")
"""States of a run that has not ended."""


@dataclass(frozen=True)
class Pipeline:
    """A DAG that has pins."""

    dag_id: str
    paused: bool
    schedule: str | None
    """For people, in English as Airflow has it; None: on demand."""
    next_run: datetime | None
    """When its next run is due; None: nobody will create one by itself."""
    overdue: bool
    """Whether that has passed and there is no run."""


@dataclass(frozen=True)
class Run:
    """One DAG run."""

    dag_id: str
    run_id: str
    state: str
    kind: str
    """scheduled, manual, asset_triggered, backfill…"""
    run_after: datetime
    queued: datetime | None
    start: datetime | None
    end: datetime | None
    asked_release: str | None
    """The release that its parameters named instead of the pin."""
    bundle_version: str | None
    user: str | None

    @property
    def ended(self) -> bool:
        """Whether it will change no more unless somebody clears it."""
        return self.end is not None and self.state not in OPEN


@dataclass(frozen=True)
class Task:
    """One task instance."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    queued: datetime | None
    start: datetime | None
    end: datetime | None
