"""Waits for a container in the worker: for a moment, or to its end in installations without a triggerer."""

import time
from collections.abc import Callable
from typing import Any

from datavision.aws import Cloud, client, forget_clients
from datavision.fargate.edge import logs
from datavision.fargate.edge.ecs_tasks import describe, stop
from datavision.fargate.waiting.watch import Verdict, Watch

ERRORS_TOLERATED_SECONDS = 600.0
"""How long DescribeTasks may fail in a row before the wait gives up; the container runs on, and a retry attaches."""

STARTING_SECONDS = 1.0
"""How long a container may take to run that is waited for in the worker for a moment."""
GLANCE_SECONDS = 0.25
"""Between two looks meanwhile."""


def wait_briefly(
    look: Callable[[], dict[str, Any] | None], has_ended: Callable[[], bool], seconds: float
) -> dict[str, Any] | None:
    """Return the stopped task; None when it does not run at once, or not stop within `seconds`, or AWS fails.

    Args:
        look: Returns the task, condensed.
        has_ended: Says whether it has stopped, by a cheaper call.
        seconds: How long to wait.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    began = time.monotonic()
    try:
        while (task := look()) is not None and task["lastStatus"] != "STOPPED":
            running = task["lastStatus"] == "RUNNING"
            until = began + (seconds if running else min(seconds, STARTING_SECONDS))
            if time.monotonic() > until:
                return None
            time.sleep(GLANCE_SECONDS)
            while running and not has_ended() and time.monotonic() < until:
                time.sleep(GLANCE_SECONDS)
    except (ClientError, BotoCoreError):
        return None
    return task


def wait_in_worker(
    cloud: Cloud,
    cluster: str,
    watch: Watch,
    stream: logs.LogStream,
    emit: Callable[[str], None],
    look: Callable[[], dict[str, Any] | None] | None = None,
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the stopped task (None: ECS forgot it) and how far its log was forwarded.

    Args:
        cloud: Where it runs.
        cluster: Its cluster.
        watch: The task.
        stream: Its log.
        emit: Takes each line of the log.
        look: Returns the task as `describe` would, for what is only a part of one.

    Raises:
        ClientError: DescribeTasks kept failing; a retry attaches to the container, which keeps running.
        BotoCoreError: As above.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    position: str | None = None
    failing_since: float | None = None
    while True:
        try:
            task = look() if look else describe(client(cloud, "ecs"), cluster, watch.arn)
            failing_since = None
        except (ClientError, BotoCoreError):
            failing_since = failing_since or time.monotonic()
            if time.monotonic() - failing_since > ERRORS_TOLERATED_SECONDS:
                raise
            forget_clients()
            time.sleep(watch.max_interval)
            continue
        seen = watch.see(task, time.time())
        if seen.verdict in (Verdict.STOPPED, Verdict.MISSING):
            return task, position
        if seen.verdict is Verdict.STOP and seen.reason:
            stop(client(cloud, "ecs"), cluster, watch.arn, seen.reason)
        if watch.running:
            lines, position = logs.read_on(cloud, stream, position)
            for line in lines:
                emit(line)
        time.sleep(seen.next_in)
