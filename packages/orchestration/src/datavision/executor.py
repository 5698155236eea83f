"""Airflow's LocalExecutor, without the race that fails a deferred task which is resumed quickly.

A task that defers leaves its worker with the event "success". When its trigger fires before the scheduler has read that
event, the task is queued again under the same key, and Airflow 3.3.2 takes the stale event for the resumed task's death
("state mismatch"), which costs a try and a retry delay. Upstream: apache/airflow issues 67287 and 72716, pull requests
68741 and 72767; once a release holds both, this module has no purpose.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import boto3  # noqa: F401 - see below
from airflow.executors.local_executor import LocalExecutor
from airflow.models.taskinstance import TaskInstance

# Workers are forked from the scheduler, which imports this module: what every task needs is imported once, here.
import datavision.fargate.operator.operator  # noqa: F401 - see below


class ResumeSafeLocalExecutor(LocalExecutor):
    """Counts what it handed to workers, and so can tell an event from before a deferral from one after it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call] # untyped upstream
        self._handed_out: Counter[Any] = Counter()

    def _process_workloads(self, workload_list: Sequence[Any]) -> None:
        self._handed_out.update(workload.key for workload in workload_list)
        super()._process_workloads(workload_list)  # type: ignore[no-untyped-call] # untyped upstream

    def change_state(self, key: Any, state: Any, info: Any = None, remove_running: bool = True) -> None:
        """Record the end of a part, unless another part of the same task instance is under way."""
        self._handed_out[key] -= 1
        if self._handed_out[key] > 0:
            return
        del self._handed_out[key]
        super().change_state(key, state, info, remove_running)

    def has_task(self, task_instance: TaskInstance) -> bool:
        """Return whether the task instance is queued here or with a worker."""
        return self._handed_out[task_instance.key] > 0 or super().has_task(task_instance)
