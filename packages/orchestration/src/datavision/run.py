"""Runs a pipeline through Airflow and collects what ran."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datavision.airflow_api import FINISHED, AirflowApi, TaskState
from datavision.aws import Cloud
from datavision.business_day import day_of
from datavision.config import Config
from datavision.fargate.outcome.audit import AuditRecord, read_audits

POLL_SECONDS = 1.0


@dataclass(frozen=True)
class TaskOutcome:
    """What one task did."""

    task: TaskState
    launches: tuple[AuditRecord, ...] = ()
    """Its containers in order; empty for a task that launches none."""
    log: tuple[str, ...] = ()
    """The end of the log, for a task that failed."""

    @property
    def result(self) -> dict[str, Any]:
        """The last container's result; empty for none."""
        return (self.launches[-1].result if self.launches else None) or {}

    @property
    def measured(self) -> dict[str, Any]:
        """What the entry point measured in the last container; empty for none."""
        return (self.launches[-1].measured if self.launches else None) or {}

    @property
    def rows(self) -> int | None:
        """Rows written, over all tables; None when the task reports none."""
        rows = self.result.get("rows")
        if isinstance(rows, dict):
            return sum(count for count in rows.values() if isinstance(count, int))
        return rows if isinstance(rows, int) else None

    @property
    def cost_usd(self) -> float:
        """What its containers cost on Fargate, in dollars, as far as that is known."""
        return sum(launch.cost_usd or 0 for launch in self.launches)


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
        """Whether Airflow considers the run a success."""
        return self.state == "success"

    def as_json(self) -> dict[str, Any]:
        """Return plain JSON: the run, and for each task its state, result, measurements and containers."""
        return {
            "pipeline": self.pipeline,
            "run_id": self.run_id,
            "state": self.state,
            "seconds": self.seconds,
            "tasks": [
                {
                    "task": outcome.task.label,
                    "state": outcome.task.state,
                    "tries": outcome.task.try_number,
                    "seconds": outcome.task.seconds,
                    "result": outcome.result,
                    "measured": outcome.measured,
                    "launches": [launch.model_dump(mode="json") for launch in outcome.launches],
                    "log": list(outcome.log),
                }
                for outcome in self.tasks
            ],
        }


def run_pipeline(
    api: AirflowApi,
    config: Config,
    pipeline: str,
    conf: dict[str, Any],
    progress: Callable[[str, str, list[TaskState]], None],
) -> RunOutcome:
    """Trigger `pipeline` with `conf` and follow it until it ends.

    `progress` gets the run's id, its state, and the state of every task of the DAG, once a second.

    Raises:
        AirflowError: Airflow refused the run or is out of reach for a minute.
    """
    order = {task_id: position for position, task_id in enumerate(api.task_ids(pipeline))}
    start = time.monotonic()
    run_id = api.trigger(pipeline, conf)
    while True:
        tasks = sorted(api.tasks(pipeline, run_id), key=lambda t: (order.get(t.task_id, len(order)), t.map_index))
        # While a task has work left, so does the run: one call a second instead of two.
        state = api.run_state(pipeline, run_id) if all(task.state in FINISHED for task in tasks) else "running"
        progress(run_id, state, tasks)
        if state in FINISHED:
            break
        time.sleep(POLL_SECONDS)
    day = day_of(api.run_after(pipeline, run_id))
    launches = read_audits(Cloud.of(config), config.storage.audit_bucket, config.env, pipeline, day, run_id)
    outcomes = tuple(_outcome(api, pipeline, run_id, task, launches) for task in tasks)
    return RunOutcome(pipeline, run_id, state, round(time.monotonic() - start, 1), outcomes)


def _outcome(api: AirflowApi, pipeline: str, run_id: str, task: TaskState, launches: list[AuditRecord]) -> TaskOutcome:
    own = tuple(item for item in launches if (item.task_id, item.map_index) == (task.task_id, task.map_index))
    log = tuple(api.last_log_lines(pipeline, run_id, task)) if task.state == "failed" else ()
    return TaskOutcome(task, own, log)
