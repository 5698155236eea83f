"""The AWS CLI, boto3 and aiobotocore, unchanged."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiobotocore.session
import pytest
from tests.support.children import bare_environment
from tests.support.cloud import Ecs

AWS = Path(sys.executable).with_name("aws")


@pytest.fixture(scope="module")
def aws(ecs: Ecs) -> Any:
    """Runs the AWS CLI; returns what it printed."""
    environment = bare_environment(AWS_PAGER="", **ecs.cloud.environment)

    def run(*words: str) -> Any:
        done = subprocess.run([AWS, *words], env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.skipif(not AWS.exists(), reason="needs the AWS CLI: uv sync --group dev")
def test_the_aws_cli_runs_waits_describes_lists_stops_and_reads_logs(ecs: Ecs, aws: Any) -> None:
    family = ecs.define_shell("trap 'exit 4' TERM; echo from the task; while :; do sleep 0.05; done")
    network = json.dumps(ecs.network)
    arn = aws(
        *("ecs", "run-task", "--cluster", ecs.cluster, "--task-definition", family, "--launch-type", "FARGATE"),
        *("--network-configuration", network, "--started-by", "cli", "--query", "tasks[0].taskArn", "--output", "text"),
    ).strip()
    ours = ("--cluster", ecs.cluster, "--tasks", arn)
    aws("ecs", "wait", "tasks-running", *ours)
    ecs.log_line(arn)
    listed = json.loads(aws("ecs", "list-tasks", "--cluster", ecs.cluster, "--family", family, "--page-size", "1"))
    assert listed["taskArns"] == [arn]
    stream = f"t/app/{arn.rsplit('/', 1)[-1]}"
    assert "from the task" in aws("logs", "get-log-events", "--log-group-name", "/tests", "--log-stream-name", stream)
    assert "from the task" in aws(
        "logs", "filter-log-events", "--log-group-name", "/tests", "--log-stream-names", stream
    )
    aws("ecs", "stop-task", "--cluster", ecs.cluster, "--task", arn, "--reason", "by hand")
    ecs.stopped(arn)
    aws("ecs", "wait", "tasks-stopped", *ours)
    (task,) = json.loads(aws("ecs", "describe-tasks", *ours))["tasks"]
    assert (task["stoppedReason"], task["containers"][0]["exitCode"]) == ("by hand", 4)


@pytest.mark.parametrize("status", ["tasks_running", "tasks_stopped"])
def test_boto3s_waiters_wait(ecs: Ecs, status: str) -> None:
    family = ecs.define_shell("sleep 60" if status == "tasks_running" else "sleep 0.2")
    arn = ecs.run(family)
    waiter = ecs.api.get_waiter(status)
    waiter.wait(cluster=ecs.cluster, tasks=[arn], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert ecs.describe(arn)["lastStatus"] == status.removeprefix("tasks_").upper()
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)


async def test_aiobotocores_waiters_and_paginators_work(ecs: Ecs) -> None:
    family = ecs.define_shell("sleep 0.2")
    async with aiobotocore.session.get_session().create_client("ecs", **ecs.cloud.client_args) as api:
        made = await api.run_task(**ecs.request(family, count=3))
        arns = [task["taskArn"] for task in made["tasks"]]
        waiter = api.get_waiter("tasks_stopped")
        await waiter.wait(cluster=ecs.cluster, tasks=arns, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        pages = api.get_paginator("list_tasks").paginate(
            cluster=ecs.cluster, family=family, desiredStatus="STOPPED", PaginationConfig={"PageSize": 2}
        )
        assert [arn async for page in pages for arn in page["taskArns"]] == arns
