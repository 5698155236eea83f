"""Runs a new image once, as a real ECS task, before anything is pinned to it."""

import time
from collections.abc import Mapping
from typing import Any

from datavision.aws import client
from datavision.config import Config
from datavision.fargate.edge.clients import Cloud
from datavision.fargate.launching.network import network
from datavision.release.errors import CanaryError

COMMAND = "doctor"
RUN_SECONDS = 300
"""How long a doctor may take once its task could have started."""
_LOG_LINES = 20


def run_canary(config: Config, module: str, task_definition: str, digest: str) -> None:
    """Run the module's `doctor` on `task_definition` to its end.

    Raises:
        CanaryError: it did not start, did not end in time, ran another image, or found something wrong.
    """
    ecs = client(config, "ecs")
    place = network(Cloud.of(config), config.ecs)
    answer = ecs.run_task(
        cluster=config.ecs.cluster,
        taskDefinition=task_definition,
        launchType="FARGATE",
        platformVersion=config.ecs.platform_version,
        count=1,
        startedBy="datavision-release",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": list(place.subnets),
                "securityGroups": list(place.security_groups),
                "assignPublicIp": "DISABLED",
            }
        },
        overrides={"containerOverrides": [{"name": module, "command": [module, COMMAND, "--env", config.env]}]},
    )
    if not answer["tasks"]:
        reason = "; ".join(failure.get("reason", "") for failure in answer["failures"])
        raise CanaryError(f"ECS did not start the canary of {module} ({task_definition}): {reason}. Release again.")
    arn = answer["tasks"][0]["taskArn"]
    try:
        task = _wait(config, ecs, module, arn)
    except BaseException:
        ecs.stop_task(cluster=config.ecs.cluster, task=arn, reason="the release was interrupted")
        raise
    _judge(config, module, task, digest)


def _wait(config: Config, ecs: Any, module: str, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + config.ecs.launch.start_deadline_seconds + RUN_SECONDS
    pause = config.ecs.wait.min_interval_seconds
    while True:
        tasks: list[dict[str, Any]] = ecs.describe_tasks(cluster=config.ecs.cluster, tasks=[arn])["tasks"]
        if tasks and tasks[0]["lastStatus"] == "STOPPED":
            return tasks[0]
        if time.monotonic() > deadline:
            tail = _logs(config, module, arn)
            raise CanaryError(f"The canary of {module} did not end in time and was stopped.{tail} Release again.")
        time.sleep(pause)


def _judge(config: Config, module: str, task: Mapping[str, Any], digest: str) -> None:
    container = next(c for c in task["containers"] if c["name"] == module)
    if container.get("exitCode") != 0:
        why = container.get("reason") or task.get("stoppedReason") or "no reason given"
        raise CanaryError(
            f"The canary of {module} failed (exit {container.get('exitCode', 'none')}: {why})."
            f"{_logs(config, module, task['taskArn'])} Nothing that runs was changed; correct it and release again."
        )
    if container.get("imageDigest") != digest:
        raise CanaryError(
            f"The canary of {module} ran {container.get('imageDigest')}, not {digest} as pushed. "
            "Nothing that runs was changed; release again."
        )


def _logs(config: Config, module: str, arn: str) -> str:
    stream = f"{module}/{module}/{arn.rsplit('/', 1)[-1]}"
    logs = client(config, "logs")
    try:
        events = logs.get_log_events(
            logGroupName=config.observability.log_group, logStreamName=stream, limit=_LOG_LINES, startFromHead=False
        )["events"]
    except logs.exceptions.ResourceNotFoundException:
        return " It logged nothing."
    lines = "\n".join(f"  {event['message']}" for event in events)
    return f" The end of its log:\n{lines}\n"
