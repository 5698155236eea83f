"""DescribeTasks, ListTasks and StopTask, as the worker uses them."""

import time
from collections.abc import Callable
from typing import Any

from datavision.fargate.identity import read_tags
from datavision.fargate.outcome.classify import StopReason
from datavision.fargate.waiting.watch import condensed

DESCRIBE_LIMIT = 100
"""Tasks in one DescribeTasks call (ECS API reference, November 2026)."""


def describe(ecs: Any, cluster: str, arn: str) -> dict[str, Any] | None:
    """Return the condensed task, or None when ECS says MISSING."""
    answer = ecs.describe_tasks(cluster=cluster, tasks=[arn])
    return condensed(answer["tasks"][0]) if answer.get("tasks") else None


def find_by_token(ecs: Any, cluster: str, family: str, token: str) -> str | None:
    """Return the ARN of the running or lately stopped task that carries `token` in its tags, or None."""
    for status in ("RUNNING", "STOPPED"):
        pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, family=family, desiredStatus=status)
        for page in pages:
            if not page["taskArns"]:
                continue
            answer = ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"], include=["TAGS"])
            for task in answer["tasks"]:
                if read_tags(task.get("tags", [])).get("token") == token:
                    return str(task["taskArn"])
    return None


def stop_and_wait(
    ecs: Any,
    cluster: str,
    arn: str,
    reason: StopReason,
    timeout_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Any] | None:
    """Stop a task and return it once ECS says STOPPED, or as it is after `timeout_seconds`; None: ECS forgot it."""
    deadline = time.monotonic() + timeout_seconds
    task = describe(ecs, cluster, arn)
    if task is None or task["lastStatus"] == "STOPPED":
        return task
    ecs.stop_task(cluster=cluster, task=arn, reason=reason.value)
    while task is not None and task["lastStatus"] != "STOPPED" and time.monotonic() < deadline:
        sleep(0.5)
        task = describe(ecs, cluster, arn)
    return task
