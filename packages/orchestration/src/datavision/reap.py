"""Finds our containers whose Airflow task is no longer alive, and stops them.

They are left over when a kill could not be carried out: a task failed or deleted while the triggerer was down.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from datavision import airflow_api
from datavision.aws import Cloud, client
from datavision.config import Config, Price
from datavision.fargate.edge.ecs_tasks import StopReason, condensed, described, on_spot, stop
from datavision.fargate.identity import TaskKey, read_tags, started_by
from datavision.fargate.outcome.cost import cost_usd, price_in
from datavision.fargate.sizing.sizes import FargateSize

GRACE_SECONDS = 120.0
"""Younger containers are left alone: Airflow may be stopping them right now."""

DELETED = "deleted"
FINISHED = airflow_api.FINISHED | {DELETED}


@dataclass(frozen=True)
class NamedStates:
    """Task states under Airflow's own names: `task` for a plain task, `task_3` for index 3 of a mapped one."""

    named: Mapping[str, str | None]

    def of(self, task_id: str, map_index: int) -> str | None:
        """Return the state of a task instance, DELETED when there is none (None is a state of its own: not yet)."""
        return self.named.get(task_id if map_index < 0 else f"{task_id}_{map_index}", DELETED)

    def of_run(self) -> str | None:
        """Return an unfinished state if any task instance has one, else a finished one; DELETED: there is no run."""
        states = list(self.named.values())
        return next((state for state in states if state not in FINISHED), states[0] if states else DELETED)


States = Callable[[str, str], NamedStates]
"""(dag id, run id) → the states of its task instances; empty when there is no such run."""


@dataclass(frozen=True)
class Container:
    """A running container of ours, and the task instance, or the session of a run, that it was launched for."""

    arn: str
    key: TaskKey
    try_number: int
    launch: int
    created_at: float
    size: FargateSize
    spot: bool
    shared: bool = False


@dataclass(frozen=True)
class Reaped:
    """A container that was (or would be) stopped, how long it ran, what that cost, and why it had to stop."""

    arn: str
    task: str
    run_id: str
    why: str
    seconds: float
    cost_usd: float


def reap(
    config: Config, states: States, *, dry_run: bool = False, grace_seconds: float = GRACE_SECONDS
) -> list[Reaped]:
    """Stop every container whose task is no longer alive, and return what was stopped."""
    ecs, now = client(Cloud.of(config), "ecs"), time.time()
    containers = [found for found in running(ecs, config) if now - found.created_at >= grace_seconds]
    reaped = []
    for container, why in leftovers(containers, states):
        if not dry_run:
            stop(ecs, config.ecs.cluster, container.arn, StopReason.REAPED)
        reaped.append(_report(container, why, now, price_in(config.aws.region, config.ecs)))
    return reaped


def leftovers(containers: Iterable[Container], states: States) -> list[tuple[Container, str]]:
    """Return the containers that nobody waits for, each with the reason.

    Of several containers of one live task instance only the newest is kept. Shared ones are kept while their run has a
    task that is not finished: one may still run steps while the next takes new ones, and they end by themselves.
    """
    found: list[tuple[Container, str]] = []
    known: dict[tuple[str, str], NamedStates] = {}
    wanted: set[TaskKey] = set()
    for container in sorted(containers, key=lambda item: (item.try_number, item.launch), reverse=True):
        key = container.key
        run = (key.dag_id, key.run_id)
        if run not in known:
            known[run] = states(*run)
        state = known[run].of_run() if container.shared else known[run].of(key.task_id, key.map_index)
        if state in FINISHED:
            found.append((container, f"its {'run' if container.shared else 'task'} is {state}"))
        elif key in wanted and not container.shared:
            found.append((container, "a later launch of the same task is running"))
        else:
            wanted.add(key)
    return found


def running(ecs: Any, config: Config) -> list[Container]:
    """Return every container of this environment that runs or is starting, and is not being stopped."""
    tasks = described(ecs, config.ecs.cluster, startedBy=started_by(config.env))
    found = [_container(task, config.env) for task in tasks if task.get("desiredStatus") != "STOPPED"]
    # Without these tags nobody can tell whether its task is alive.
    return [
        container for container in found if all((container.key.dag_id, container.key.run_id, container.key.task_id))
    ]


def _container(task: Mapping[str, Any], env: str) -> Container:
    tags, small = read_tags(task.get("tags", [])), condensed(task)
    key = TaskKey(env, tags.get("dag", ""), tags.get("run", ""), tags.get("task", ""), int(tags.get("map-index", "-1")))
    return Container(
        arn=str(task["taskArn"]),
        key=key,
        try_number=int(tags.get("try", "0")),
        launch=int(tags.get("launch", "0")),
        created_at=small.get("createdAt", 0.0),
        size=FargateSize(int(task.get("cpu", 0)), int(task.get("memory", 0))),
        spot=on_spot(task),
        shared="shared" in tags,
    )


def _report(container: Container, why: str, now: float, price: Price) -> Reaped:
    seconds = max(now - container.created_at, 0.0)
    return Reaped(
        arn=container.arn,
        task=f"{container.key.dag_id}.{container.key.label}",
        run_id=container.key.run_id,
        why=why,
        seconds=round(seconds, 1),
        cost_usd=cost_usd(container.size, seconds, price, spot=container.spot),
    )


def states_in_worker(task_instance: Any) -> States:
    """Return the states from inside a running Airflow task."""

    def states(dag_id: str, run_id: str) -> NamedStates:
        return NamedStates(task_instance.get_task_states(dag_id=dag_id, run_ids=[run_id]).get(run_id, {}))

    return states
