"""Runs a pipeline through Airflow to its end and gathers what ran."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datavision.airflow_api import FINISHED, AirflowApi, TaskState

POLL_SECONDS = 0.5


@dataclass(frozen=True)
class TaskOutcome:
    """What one task did; `result` is what its container handed back, with `measured` in it (empty for other tasks)."""

    task: TaskState
    result: dict[str, Any]
    log: tuple[str, ...] = ()
    """The end of the log, for a task that failed."""


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    pipeline: str
    run_id: str
    state: str
    seconds: float
    tasks: tuple[TaskOutcome, ...]

    @property
    def succeeded(self) -> bool:
        """Whether Airflow calls the run a success."""
        return self.state == "success"


def run_pipeline(
    api: AirflowApi, pipeline: str, conf: dict[str, Any], progress: Callable[[str, list[TaskState]], None]
) -> RunOutcome:
    """Trigger `pipeline` with `conf` and follow it to its end.

    `progress` gets the run's id and the state of every task of the DAG, twice a second.

    Raises:
        AirflowError: Airflow refused the run or is out of reach for a minute.
    """
    order = {task_id: position for position, task_id in enumerate(api.task_ids(pipeline))}
    start = time.monotonic()
    run_id = api.trigger(pipeline, conf)
    while True:
        state = api.run_state(pipeline, run_id)
        tasks = sorted(api.tasks(pipeline, run_id), key=lambda t: (order.get(t.task_id, len(order)), t.map_index))
        progress(run_id, tasks)
        if state in FINISHED:
            break
        time.sleep(POLL_SECONDS)
    outcomes = tuple(_outcome(api, pipeline, run_id, task) for task in tasks)
    return RunOutcome(pipeline, run_id, state, round(time.monotonic() - start, 1), outcomes)


def _outcome(api: AirflowApi, pipeline: str, run_id: str, task: TaskState) -> TaskOutcome:
    if task.state == "failed":
        return TaskOutcome(task, {}, tuple(api.last_log_lines(pipeline, run_id, task)))
    return TaskOutcome(task, api.result(pipeline, run_id, task) if task.state == "success" else {})
