"""Runs the bootstrap task, which creates the databases from inside the VPC, and waits for it."""

import time
from collections.abc import Callable
from typing import Any

from datavision.aws import Cloud, checked_client
from datavision.config import Config
from datavision.fargate.edge.ecs_tasks import StopReason, describe, stop
from datavision.fargate.launching.network import network
from datavision.infra.errors import InfraError

_CONTAINER = "bootstrap"
_RUN_SECONDS = 300
_LOG_LINES = 20


def run_bootstrap(config: Config, *, rotate: bool, report: Callable[[str], None]) -> None:
    """Start the task, wait until it has ended, and report its output.

    Raises:
        InfraError: Its stack is not deployed, or it did not start, end in time, or succeed.
    """
    ecs = checked_client(config, "ecs")
    family, place = config.task_family(_CONTAINER), network(Cloud.of(config), config.ecs)
    if not ecs.list_task_definitions(familyPrefix=family)["taskDefinitionArns"]:
        raise InfraError(
            f"The task definition {family} does not exist. Put the name that `datavision image push airflow "
            f"--env {config.env}` prints into airflow.image and run `datavision infra deploy --env {config.env}`."
        )
    answer = ecs.run_task(
        cluster=config.ecs.cluster,
        taskDefinition=family,
        launchType="FARGATE",
        platformVersion=config.ecs.platform_version,
        startedBy="datavision-bootstrap",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": list(place.subnets),
                "securityGroups": list(place.security_groups),
                "assignPublicIp": "DISABLED",
            }
        },
        overrides={"containerOverrides": [{"name": _CONTAINER, "command": ["--rotate"]}]} if rotate else {},
    )
    if not answer["tasks"]:
        reason = "; ".join(failure.get("reason", "") for failure in answer["failures"])
        raise InfraError(f"ECS did not start {family}: {reason}. Run the command again.")
    task = _end(config, ecs, answer["tasks"][0]["taskArn"])
    lines = _log(config, task["taskArn"])
    container = task["containers"][0]
    if container.get("exitCode") != 0:
        why = container.get("reason") or task.get("stoppedReason") or "no reason given"
        log = "".join(f"\n  {line}" for line in lines)
        raise InfraError(f"{family} failed (exit {container.get('exitCode', 'none')}: {why}). Its log ends:{log}")
    for line in lines:
        report(line)


def _end(config: Config, ecs: Any, arn: str) -> dict[str, Any]:
    deadline = time.monotonic() + config.ecs.launch.start_deadline_seconds + _RUN_SECONDS
    while True:
        task = describe(ecs, config.ecs.cluster, arn)
        if task and task["lastStatus"] == "STOPPED":
            return task
        if time.monotonic() > deadline:
            stop(ecs, config.ecs.cluster, arn, StopReason.BOOTSTRAP)
            raise InfraError(
                f"{arn} did not end in time and was stopped. Its log is in {config.observability.log_group}."
            )
        time.sleep(config.ecs.wait.min_interval_seconds)


def _log(config: Config, arn: str) -> list[str]:
    logs = checked_client(config, "logs")
    stream = f"{_CONTAINER}/{_CONTAINER}/{arn.rsplit('/', 1)[-1]}"
    try:
        events = logs.get_log_events(
            logGroupName=config.observability.log_group, logStreamName=stream, limit=_LOG_LINES, startFromHead=False
        )["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [str(event["message"]) for event in events]
