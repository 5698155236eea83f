"""Airflow's stock ECS operators, sensor and executor, unchanged.

Each test imports what it tries: Airflow takes 5 seconds, which the tests of all other files would wait for.
"""

import asyncio
import sys
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.cloud import Ecs


@pytest.fixture
def at_the_cloud(ecs: Ecs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow reaches the cloud as it would reach AWS: by the environment."""
    for name, value in ecs.cloud.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def context() -> dict[str, Any]:
    """As much of a task's context as the operators use."""
    pushed: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="d",
        task_id="t",
        run_id="r",
        map_index=-1,
        pushed=pushed,
        xcom_push=lambda key, value, **_: pushed.__setitem__(key, value),
    )
    return {"ti": ti}


def operator(ecs: Ecs, family: str, **settings: Any) -> Any:
    from airflow.providers.amazon.aws.operators.ecs import EcsRunTaskOperator

    defaults = {
        "task_id": "t",
        "cluster": ecs.cluster,
        "task_definition": family,
        "launch_type": "FARGATE",
        "network_configuration": ecs.network,
        "overrides": {},
        "aws_conn_id": None,
        "region_name": "us-east-1",
        "waiter_delay": 1,
        "awslogs_group": "/tests",
        "awslogs_region": "us-east-1",
        "awslogs_stream_prefix": "t/app",
        "container_name": None,
        "awslogs_fetch_interval": timedelta(seconds=0.2),
    }
    return EcsRunTaskOperator(**{**defaults, **settings})


@pytest.mark.usefixtures("at_the_cloud")
def test_the_operator_runs_a_task_and_returns_its_last_line(ecs: Ecs, context: Any) -> None:
    family = ecs.define_shell("echo first; echo last")
    task = operator(ecs, family, container_name="app", awslogs_stream_prefix="t")
    assert task.execute(context) == "last"
    assert ecs.describe(context["ti"].pushed["ecs_task_arn"])["lastStatus"] == "STOPPED"


@pytest.mark.usefixtures("at_the_cloud")
def test_the_operator_fails_with_the_task(ecs: Ecs, context: Any) -> None:
    from airflow.sdk.exceptions import AirflowException

    with pytest.raises(AirflowException, match="This task is not in success state"):
        operator(ecs, ecs.define_shell("exit 3"), awslogs_group=None).execute(context)


@pytest.mark.usefixtures("at_the_cloud")
def test_the_operator_tells_a_failed_start(ecs: Ecs, context: Any) -> None:
    from airflow.providers.amazon.aws.exceptions import EcsTaskFailToStart

    task = operator(ecs, ecs.define({"command": ["no-such-program"]}), awslogs_group=None)
    with pytest.raises(EcsTaskFailToStart, match="CannotStartContainerError"):
        task.execute(context)


@pytest.mark.usefixtures("at_the_cloud")
def test_the_operator_defers_and_completes_from_the_triggers_event(ecs: Ecs, context: Any) -> None:
    from airflow.sdk.exceptions import TaskDeferred
    from airflow.triggers.base import TriggerEvent

    family = ecs.define_shell("sleep 0.5; echo last")
    task = operator(ecs, family, deferrable=True, container_name="app", awslogs_stream_prefix="t")
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(context)

    async def first_event() -> TriggerEvent:
        return await anext(deferred.value.trigger.run())

    event = asyncio.run(first_event())
    assert event.payload["status"] == "success"
    assert getattr(task, deferred.value.method_name)(context, event.payload) == "last"


@pytest.mark.usefixtures("at_the_cloud")
def test_the_operator_reattaches_to_a_running_task(ecs: Ecs, context: Any) -> None:
    family = ecs.define_shell("sleep 60")
    first, second = (
        operator(ecs, family, reattach=True, wait_for_completion=False, awslogs_group=None) for _ in range(2)
    )
    first.execute(context)
    second.execute(context)
    assert second.arn == first.arn
    ecs.api.stop_task(cluster=ecs.cluster, task=first.arn)


@pytest.mark.usefixtures("at_the_cloud")
def test_killing_the_operator_stops_the_task(ecs: Ecs, context: Any) -> None:
    task = operator(ecs, ecs.define_shell("sleep 60"), wait_for_completion=False, awslogs_group=None)
    task.execute(context)
    task.on_kill()
    assert ecs.stopped(task.arn)["stoppedReason"] == "Task killed by the user"


@pytest.mark.usefixtures("at_the_cloud")
def test_the_sensor_sees_a_state(ecs: Ecs, context: Any) -> None:
    from airflow.providers.amazon.aws.sensors.ecs import EcsTaskStateSensor

    arn = ecs.shell("sleep 60")
    sensor = EcsTaskStateSensor(
        task_id="s", cluster=ecs.cluster, task=arn, aws_conn_id=None, region_name="us-east-1", poke_interval=0.2
    )
    ecs.until_status(arn, "RUNNING")
    assert sensor.poke(context)
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)


@pytest.mark.usefixtures("at_the_cloud")
def test_the_registering_operator_makes_a_definition_that_runs(ecs: Ecs, context: Any) -> None:
    from airflow.providers.amazon.aws.operators.ecs import EcsRegisterTaskDefinitionOperator

    task = EcsRegisterTaskDefinitionOperator(
        task_id="r",
        family="registered-by-airflow",
        container_definitions=[{"name": "app", "image": "host", "command": ["true"], "essential": True}],
        register_task_kwargs={
            "requiresCompatibilities": ["FARGATE"],
            "networkMode": "awsvpc",
            "cpu": "256",
            "memory": "512",
        },
        aws_conn_id=None,
        region_name="us-east-1",
    )
    arn = task.execute(context)
    assert ecs.finish(arn)["containers"][0]["exitCode"] == 0


@pytest.mark.usefixtures("at_the_cloud")
def test_the_executor_runs_commands_and_learns_how_they_ended(ecs: Ecs, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.amazon.aws.executors.ecs.ecs_executor import AwsEcsExecutor

    family = ecs.define({"name": "worker", "command": ["true"]})
    settings = {
        "CLUSTER": ecs.cluster,
        "CONTAINER_NAME": "worker",
        "TASK_DEFINITION": family,
        "LAUNCH_TYPE": "FARGATE",
        "SUBNETS": ecs.subnet,
        "REGION_NAME": "us-east-1",
        "CONN_ID": "",
        "CHECK_HEALTH_ON_STARTUP": "True",
        "MAX_RUN_TASK_ATTEMPTS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"AIRFLOW__AWS_ECS_EXECUTOR__{name}", value)
    executor: Any = AwsEcsExecutor(parallelism=4)  # type: ignore[no-untyped-call] # untyped upstream
    executor.start()
    ended: dict[str, str] = {}
    monkeypatch.setattr(executor, "success", lambda key, *_: ended.__setitem__(key, "success"))
    monkeypatch.setattr(executor, "fail", lambda key, *_: ended.__setitem__(key, "failed"))
    executor.execute_async("good", [sys.executable, "-c", "pass"])
    executor.execute_async("bad", [sys.executable, "-c", "raise SystemExit(3)"])
    for _ in range(200):
        executor.sync()
        if len(ended) == 2:
            break
    assert ended == {"good": "success", "bad": "failed"}
