"""Waits for a container in the worker, for installations without a triggerer."""

import time
from collections.abc import Callable
from typing import Any

from datavision.aws import Cloud, client, forget_clients
from datavision.fargate.edge import logs
from datavision.fargate.edge.ecs_tasks import describe, stop
from datavision.fargate.waiting.watch import Verdict, Watch

ERRORS_TOLERATED_SECONDS = 600.0
"""How long DescribeTasks may fail in a row before the wait gives up; the container runs on, and a retry attaches."""


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
