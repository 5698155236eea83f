"""Health checks, and what waits for them.

API reference, HealthCheck and ContainerDependency; developer guide, "Determine Amazon ECS task health" (read November
2026). Checks run every five seconds at most, so these tests wait.
"""

from pathlib import Path
from typing import Any

import pytest
from tests.support.cloud import Ecs, process_gone

from fargate_local.engine.health import Health, task_health
from fargate_local.protocol.plan import HealthCheck

CHECK = HealthCheck(("true",), interval=5, timeout=2, retries=2, start_period=10)


def test_failures_make_a_container_unhealthy_after_its_retries() -> None:
    health = Health(CHECK)
    assert [health.heard(well=False, age=age) for age in (20, 25)] == ["UNKNOWN", "UNHEALTHY"]
    assert health.heard(well=True, age=30) == "HEALTHY"
    assert [health.heard(well=False, age=age) for age in (35, 40)] == ["HEALTHY", "UNHEALTHY"]


def test_failures_in_the_start_period_do_not_count_until_one_check_went_well() -> None:
    health = Health(CHECK)
    assert [health.heard(well=False, age=age) for age in (1, 2, 3)] == ["UNKNOWN"] * 3
    assert health.heard(well=True, age=4) == "HEALTHY"
    assert [health.heard(well=False, age=age) for age in (5, 6)] == ["HEALTHY", "UNHEALTHY"]


@pytest.mark.parametrize(
    ("containers", "task"),
    [
        ([], "UNKNOWN"),
        (["HEALTHY", "HEALTHY"], "HEALTHY"),
        (["HEALTHY", "UNKNOWN"], "UNKNOWN"),
        (["UNKNOWN", "UNHEALTHY"], "UNHEALTHY"),
    ],
)
def test_a_task_is_as_well_as_its_essential_containers(containers: Any, task: Any) -> None:
    assert task_health(containers) == task


def test_a_container_waits_for_another_to_be_healthy_and_the_task_says_so(ecs: Ecs, tmp_path: Path) -> None:
    flag = tmp_path / "well"
    family = ecs.define(
        {
            "command": ["sh", "-c", "cat $FLAG; sleep 60"],
            "environment": [{"name": "FLAG", "value": str(flag)}],
            "dependsOn": [{"containerName": "database", "condition": "HEALTHY"}],
            "logged": True,
        },
        {
            "name": "database",
            "command": ["sh", "-c", "sleep 1; echo yes > $FLAG; sleep 60"],
            "environment": [{"name": "FLAG", "value": str(flag)}],
            "healthCheck": {"command": ["CMD-SHELL", 'test -f "$FLAG"'], "interval": 5, "retries": 1},
        },
    )
    arn = ecs.run(family)
    waiting = ecs.until(arn, lambda task: task["containers"][1]["lastStatus"] == "RUNNING")
    assert (waiting["containers"][0]["lastStatus"], waiting["lastStatus"]) == ("PENDING", "ACTIVATING")
    running = ecs.until_status(arn, "RUNNING")
    assert ecs.log_line(arn) == "yes"
    assert (running["containers"][1]["healthStatus"], running["healthStatus"]) == ("HEALTHY", "HEALTHY")
    assert running["containers"][0]["healthStatus"] == "UNKNOWN"
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)


def test_an_unhealthy_task_goes_on_and_leaves_no_check_behind(ecs: Ecs, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    check = {"command": ["CMD-SHELL", f"echo $$ >> {pids}; exec sleep 300"], "interval": 5, "timeout": 2, "retries": 1}
    arn = ecs.run(ecs.define({"command": ["sleep", "300"], "healthCheck": check}))
    task = ecs.until(arn, lambda task: task["healthStatus"] == "UNHEALTHY")
    assert (task["lastStatus"], task["containers"][0]["healthStatus"]) == ("RUNNING", "UNHEALTHY")
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)
    ecs.stopped(arn)
    assert all(process_gone(int(pid)) for pid in pids.read_text().split())


def test_a_dependency_that_takes_longer_than_its_start_timeout_fails_the_task(ecs: Ecs) -> None:
    family = ecs.define(
        {"command": ["true"], "dependsOn": [{"containerName": "slow", "condition": "COMPLETE"}]},
        {"name": "slow", "command": ["sleep", "60"], "essential": False, "startTimeout": 2},
    )
    task = ecs.finish(family)
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"] == (
        "dependency graph: container ordering dependency [slow] for target [app] has timed out."
    )


def test_a_dependency_that_ends_before_it_is_healthy_fails_the_task(ecs: Ecs) -> None:
    family = ecs.define(
        {"command": ["true"], "dependsOn": [{"containerName": "short", "condition": "HEALTHY"}]},
        {"name": "short", "command": ["true"], "essential": False, "healthCheck": {"command": ["true"]}},
    )
    assert "[short] for target [app]" in ecs.finish(family)["stoppedReason"]
