"""Containers that nobody waits for any more."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from datavision.fargate.attempt.lifecycle import Lifecycle
from datavision.fargate.identity import TaskKey
from datavision.fargate.sizing.sizes import FargateSize
from datavision.reap import FINISHED, Container, NamedStates, leftovers, reap

Make = Callable[..., Any]


def container(arn: str, task_id: str = "t", map_index: int = -1, try_number: int = 1, launch: int = 1) -> Container:
    key = TaskKey("local", "d", "r", task_id, map_index)
    return Container(arn, key, try_number, launch, 0.0, FargateSize(256, 512), spot=False)


def states(named: dict[str, str | None]) -> Callable[[str, str], NamedStates]:
    return lambda dag_id, run_id: NamedStates(named)


@pytest.mark.parametrize("state", ["running", "deferred", "queued", "scheduled", "up_for_retry", "restarting", None])
def test_the_container_of_a_live_task_is_left_alone(state: str | None) -> None:
    assert leftovers([container("a")], states({"t": state})) == []


@pytest.mark.parametrize("state", sorted(FINISHED - {"deleted"}))
def test_the_container_of_a_finished_task_is_a_leftover(state: str) -> None:
    assert leftovers([container("a")], states({"t": state})) == [(container("a"), f"its task is {state}")]


def test_the_container_of_a_deleted_run_is_a_leftover() -> None:
    assert leftovers([container("a")], states({})) == [(container("a"), "its task is deleted")]


def test_instances_of_a_mapped_task_are_told_apart() -> None:
    first, second = container("a", map_index=0), container("b", map_index=1)
    found = leftovers([first, second], states({"t_0": "success", "t_1": "running"}))
    assert [item.arn for item, _ in found] == ["a"]


def test_of_two_containers_of_one_live_task_the_newest_launch_stays() -> None:
    older, newer = container("a", try_number=1, launch=2), container("b", try_number=2, launch=1)
    found = leftovers([older, newer], states({"t": "running"}))
    assert found == [(older, "a later launch of the same task is running")]


def test_the_reaper_stops_what_nobody_waits_for_and_says_how_long_it_ran_and_what_it_cost(
    airflow: Make, platform: Any
) -> None:
    orphan, wanted = airflow("sleep 60"), airflow("sleep 60")
    orphan.job = replace(orphan.job, key=replace(orphan.job.key, run_id=orphan.job.key.run_id + "~orphan"))
    for task in (orphan, wanted):
        Lifecycle(task.host()).begin()
    alive = {wanted.job.key.run_id: {"ingesta": "deferred"}}

    def ask(dag_id: str, run_id: str) -> NamedStates:
        return NamedStates(alive.get(run_id, {}))

    assert reap(platform.config, ask) == [], "younger than the grace period"
    (planned,) = reap(platform.config, ask, dry_run=True, grace_seconds=0)
    assert len(platform.running()) == 2
    (reaped,) = reap(platform.config, ask, grace_seconds=0)
    assert (reaped.arn, reaped.task, reaped.why) == (
        planned.arn,
        "pipeline_suscripciones.ingesta",
        "its task is deleted",
    )
    assert reaped.run_id == orphan.job.key.run_id
    assert reaped.cost_usd > 0
    (kept,) = [arn for arn in platform.running() if arn != reaped.arn]
    described = platform.ecs.describe_tasks(cluster=platform.config.ecs.cluster, tasks=[kept, reaped.arn])["tasks"]
    assert {task["taskArn"]: task["desiredStatus"] for task in described} == {kept: "RUNNING", reaped.arn: "STOPPED"}
