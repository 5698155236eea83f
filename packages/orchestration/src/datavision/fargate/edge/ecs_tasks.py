"""DescribeTasks, ListTasks and StopTask: for worker and command line, and for the triggerer, which must not block."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from datavision.fargate.identity import read_tags

DESCRIBE_LIMIT = 100
"""Tasks in one DescribeTasks call (ECS API reference, November 2026)."""


class StopReason(StrEnum):
    """The reasons we pass to StopTask; ECS repeats them, so that anyone can tell later who stopped it and why."""

    START_DEADLINE = "datavision: start deadline passed"
    DIGEST = "datavision: the image's digest differs from the pin"
    TIMEOUT = "datavision: execution_timeout passed"
    KILLED = "datavision: cleared, failed or deleted in Airflow"
    REPLACED = "datavision: replaced after its task was cleared"
    REAPED = "datavision: its Airflow task is no longer alive"
    RELEASE = "datavision: the release was interrupted, or its canary took too long"
    BOOTSTRAP = "datavision: the bootstrap did not end in time"


def describe(ecs: Any, cluster: str, arn: str) -> dict[str, Any] | None:
    """Return the condensed task, or None when ECS says MISSING."""
    answer = ecs.describe_tasks(cluster=cluster, tasks=[arn])
    return condensed(answer["tasks"][0]) if answer.get("tasks") else None


async def describe_async(ecs: Any, cluster: str, arns: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the condensed tasks by ARN, of at most `DESCRIBE_LIMIT`; those that ECS calls MISSING are left out."""
    answer = await ecs.describe_tasks(cluster=cluster, tasks=list(arns))
    return {task["taskArn"]: condensed(task) for task in answer.get("tasks", [])}


def described(ecs: Any, cluster: str, **filters: str) -> Iterator[dict[str, Any]]:
    """Yield the tasks that ListTasks finds with `filters`, as DescribeTasks returns them, tags included."""
    pages = ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, **filters, PaginationConfig={"PageSize": DESCRIBE_LIMIT}
    )
    for page in pages:
        if page["taskArns"]:
            yield from ecs.describe_tasks(cluster=cluster, tasks=page["taskArns"], include=["TAGS"])["tasks"]


def stop(ecs: Any, cluster: str, arn: str, reason: StopReason) -> None:
    """Ask ECS to stop a task; has no effect on a stopped one."""
    ecs.stop_task(cluster=cluster, task=arn, reason=reason.value)


async def stop_async(ecs: Any, cluster: str, arn: str, reason: StopReason) -> None:
    """As `stop`, with an asynchronous client."""
    await ecs.stop_task(cluster=cluster, task=arn, reason=reason.value)


def find_by_token(ecs: Any, cluster: str, family: str, token: str) -> str | None:
    """Return the ARN of the running or recently stopped task that carries `token` in its tags, or None."""
    for status in ("RUNNING", "STOPPED"):
        for task in described(ecs, cluster, family=family, desiredStatus=status):
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
    """Stop a task and return it once it is STOPPED, or as it is after `timeout_seconds`; None: ECS forgot it."""
    deadline = time.monotonic() + timeout_seconds
    task = describe(ecs, cluster, arn)
    if task is None or task["lastStatus"] == "STOPPED":
        return task
    stop(ecs, cluster, arn, reason)
    while task is not None and task["lastStatus"] != "STOPPED" and time.monotonic() < deadline:
        sleep(0.5)
        task = describe(ecs, cluster, arn)
    return task


def seconds(moment: Any) -> float | None:
    """Return a time from AWS (datetime, ISO text or number) in Unix seconds, or None."""
    if moment is None:
        return None
    if isinstance(moment, datetime):
        return moment.timestamp()
    if isinstance(moment, str):
        return datetime.fromisoformat(moment).timestamp()
    return float(moment)


_TIMES = ("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt")
_TEXTS = ("taskArn", "lastStatus", "desiredStatus", "stopCode", "stoppedReason", "capacityProviderName", "launchType")


def on_spot(task: Mapping[str, Any]) -> bool:
    """Return whether a task, described or condensed, runs on Spot."""
    return task.get("capacityProviderName") == "FARGATE_SPOT"


def condensed(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a described task that we use, as plain JSON suitable for a trigger event."""
    small: dict[str, Any] = {name: task[name] for name in _TEXTS if task.get(name) is not None}
    small |= {name: seconds(task[name]) for name in _TIMES if task.get(name) is not None}
    small["containers"] = [
        {name: item[name] for name in ("name", "exitCode", "reason", "imageDigest") if item.get(name) is not None}
        for item in task.get("containers", [])
    ]
    return small
