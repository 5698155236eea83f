"""Remembers, per pipeline and task, the size that worked and the usual duration.

Kept in the results bucket and not in Airflow's state: a run's task state is deleted with it, asset state needs a task
with exactly the right outlets, and a lost memory costs only one out-of-memory retry.
"""

from dataclasses import asdict

from datavision.aws import Cloud
from datavision.fargate.edge.json_objects import read_json, write_json
from datavision.fargate.identity import TaskKey
from datavision.fargate.sizing.sizes import FargateSize, SizeMemory


def _key(key: TaskKey) -> str:
    return f"sizes/{key.env}/{key.dag_id}/{key.task_id}.json"


def recall(cloud: Cloud, bucket: str, key: TaskKey) -> SizeMemory:
    """Return what earlier runs of this task showed; an unreadable memory counts as none."""
    try:
        value = read_json(cloud, bucket, _key(key), 64 * 1024)
        if value is None:
            return SizeMemory()
        size = FargateSize(**value["size"]) if value["size"] else None
        return SizeMemory(size, tuple(value["peaks"]), tuple(value["seconds"]))
    except (ValueError, KeyError, TypeError):
        return SizeMemory()


def remember(cloud: Cloud, bucket: str, key: TaskKey, memory: SizeMemory) -> None:
    """Store what a run showed."""
    write_json(cloud, bucket, _key(key), asdict(memory))
