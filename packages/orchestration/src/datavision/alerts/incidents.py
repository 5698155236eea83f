"""What has been told and is not well again: one small object per task in the results bucket.

`alerts/<env>/<pipeline>/<task>[-<map index>].json`. It is overwritten, never deleted: who writes it may not delete.
"""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from datavision.aws import Cloud
from datavision.fargate.edge.json_objects import read_json, write_json
from datavision.fargate.identity import TaskKey

_MAX_BYTES = 16 * 1024


class Incident(BaseModel):
    """A failure that was told."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    task_id: str
    map_index: int = -1
    run_id: str
    cause: str
    """The class of the failure table; empty: a failure outside of a container."""
    since: datetime
    """When the task began to fail; later failures keep it."""
    told: datetime
    over: bool = False

    @property
    def name(self) -> str:
        """The task's name for people."""
        return f"{self.pipeline}.{self.task('').label}"

    def task(self, env: str) -> TaskKey:
        """Return the task instance that failed."""
        return TaskKey(env, self.pipeline, self.run_id, self.task_id, self.map_index)

    def key(self, env: str) -> str:
        """Return the object's key."""
        return f"alerts/{env}/{self.pipeline}/{self.task(env).file_stem}.json"


def open_incident(cloud: Cloud, bucket: str, env: str, about: Incident) -> Incident | None:
    """Return what was told of the task of `about` and is not over; None: nothing, or it cannot be read as such."""
    try:
        found = read_json(cloud, bucket, about.key(env), _MAX_BYTES)
        known = Incident.model_validate(found) if found else None
    except (ValidationError, ValueError):
        return None
    return known if known and not known.over else None


def write_incident(cloud: Cloud, bucket: str, env: str, incident: Incident) -> None:
    """Keep an incident in place of the task's earlier one."""
    write_json(cloud, bucket, incident.key(env), incident.model_dump(mode="json"))
